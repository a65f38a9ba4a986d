//! From what was measured to the figures of a row. Pure. What was not given stays missing: nothing is put in its place.

use hitctl_config::App;
use serde::{Serialize, Serializer};

use crate::cost;

/// Lambda bills whole milliseconds (aws.amazon.com/lambda/pricing).
pub(crate) const BILLED_STEP_MS: f64 = 1.0;

/// One invocation.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Call {
    /// How long the start of the process took before it, in milliseconds, where it was started for this.
    pub init_ms: Option<f64>,
    /// How long it took itself, in milliseconds.
    pub duration_ms: Option<f64>,
    /// For how long it is billed, in milliseconds.
    pub billed_ms: Option<f64>,
}

impl Call {
    /// A call of a warm process that was timed here; Lambda would bill it by the whole millisecond.
    pub fn warm(duration_ms: f64) -> Self {
        let billed_ms = (duration_ms / BILLED_STEP_MS).ceil().max(1.0) * BILLED_STEP_MS;
        Self { init_ms: None, duration_ms: Some(duration_ms), billed_ms: Some(billed_ms) }
    }
}

/// One process: its first call, and those after it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Start {
    /// The call that it was started for.
    pub first: Call,
    /// Those that found it running.
    pub warm: Vec<Call>,
}

/// What is known of one memory size. Times are milliseconds, money is US dollars.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figures {
    /// The memory size in MB; `None` where no CPU share could be set, and so no size was measured.
    pub memory_mb: Option<u32>,
    /// Whether it ran with the CPU that Lambda gives to that size.
    pub limited: bool,
    /// How many processes were started.
    pub starts: usize,
    /// The cold start: from the start of the process until it asks for work. The median.
    #[serde(serialize_with = "hundredths")]
    pub init_ms: Option<f64>,
    /// The first answer, from the start of the process. The median.
    #[serde(serialize_with = "hundredths")]
    pub first_answer_ms: Option<f64>,
    /// An answer of a warm process. The median.
    #[serde(serialize_with = "hundredths")]
    pub warm_ms: Option<f64>,
    /// As `warm_ms`; 95 of 100 are not slower.
    #[serde(serialize_with = "hundredths")]
    pub warm_p95_ms: Option<f64>,
    /// What the function's running time costs a month: the part that depends on the memory.
    #[serde(serialize_with = "ten_thousandths")]
    pub compute_month_usd: Option<f64>,
    /// What everything costs a month.
    #[serde(serialize_with = "ten_thousandths")]
    pub month_usd: Option<f64>,
}

impl Figures {
    /// The figures of one size.
    pub fn of(memory_mb: Option<u32>, starts: &[Start], app: &App, hits: u64) -> Self {
        let first = |start: &Start| Some(start.first.init_ms? + start.first.duration_ms?);
        let warm = || starts.iter().flat_map(|start| &start.warm);
        // One that is not known could be the slowest: then none of them is told.
        let times = all(warm().map(|call| call.duration_ms));
        let month = all(warm().map(|call| call.billed_ms))
            .and_then(|billed| Some(cost::month(app, memory_mb?, hits, mean(&billed)?)));
        Self {
            memory_mb,
            limited: memory_mb.is_some(),
            starts: starts.len(),
            init_ms: all(starts.iter().map(|start| start.first.init_ms)).and_then(|all| percentile(all, 50)),
            first_answer_ms: all(starts.iter().map(first)).and_then(|all| percentile(all, 50)),
            warm_ms: times.clone().and_then(|all| percentile(all, 50)),
            warm_p95_ms: times.and_then(|all| percentile(all, 95)),
            compute_month_usd: month.map(|month| month.compute_usd),
            month_usd: month.map(|month| month.usd),
        }
    }
}

/// All of them, if each is known and there is one.
fn all(values: impl Iterator<Item = Option<f64>>) -> Option<Vec<f64>> {
    values.collect::<Option<Vec<_>>>().filter(|all| !all.is_empty())
}

/// The smallest value that so many in a hundred do not exceed: the nearest rank, which is one of the values.
pub fn percentile(mut values: Vec<f64>, percent: usize) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let rank = (values.len() * percent).div_ceil(100).max(1);
    values.get(rank - 1).copied()
}

fn mean(values: &[f64]) -> Option<f64> {
    let count = u32::try_from(values.len()).ok().filter(|count| *count > 0)?;
    Some(values.iter().sum::<f64>() / f64::from(count))
}

#[expect(clippy::ref_option, reason = "serde's signature")]
fn hundredths<S: Serializer>(value: &Option<f64>, to: S) -> Result<S::Ok, S::Error> {
    value.map(|value| (value * 100.0).round() / 100.0).serialize(to)
}

#[expect(clippy::ref_option, reason = "serde's signature")]
fn ten_thousandths<S: Serializer>(value: &Option<f64>, to: S) -> Result<S::Ok, S::Error> {
    value.map(|value| (value * 10_000.0).round() / 10_000.0).serialize(to)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn app() -> App {
        hitctl_config::load(None, None, &hitctl_config::Overrides::new()).expect("the defaults are valid").app
    }

    fn cold(init_ms: f64, duration_ms: f64, warm: &[f64]) -> Start {
        Start {
            first: Call { init_ms: Some(init_ms), duration_ms: Some(duration_ms), billed_ms: None },
            warm: warm.iter().copied().map(Call::warm).collect(),
        }
    }

    #[test]
    fn a_row_is_medians_and_the_bill_of_whole_milliseconds() {
        let starts = [cold(10.0, 30.0, &[1.2, 1.4]), cold(12.0, 20.0, &[9.0, 1.0]), cold(90.0, 90.0, &[])];
        let figures = Figures::of(Some(1024), &starts, &app(), 1_000_000);
        assert_eq!((figures.init_ms, figures.first_answer_ms), (Some(12.0), Some(40.0)));
        assert_eq!((figures.warm_ms, figures.warm_p95_ms), (Some(1.2), Some(9.0)));
        // 2, 2, 9 and 1 ms: 3.5 on average, of 1 GB.
        let compute = figures.compute_month_usd.unwrap();
        assert!((compute - 3_500.0 * 0.000_013_333_4).abs() < 1e-9, "{compute}");
        // The rest is the same at any size.
        let small = Figures::of(Some(128), &starts, &app(), 1_000_000);
        let rest = |figures: &Figures| figures.month_usd.unwrap() - figures.compute_month_usd.unwrap();
        assert!((rest(&figures) - rest(&small)).abs() < 1e-9 && rest(&small) > 1.0, "{figures:?} {small:?}");
    }

    #[test]
    fn what_is_not_known_of_each_is_not_told_of_all() {
        let mut starts = [cold(10.0, 30.0, &[1.0]), cold(12.0, 20.0, &[2.0])];
        starts[1].first.init_ms = None;
        starts[1].warm[0].billed_ms = None;
        let figures = Figures::of(Some(128), &starts, &app(), 1_000_000);
        assert_eq!((figures.init_ms, figures.first_answer_ms, figures.month_usd), (None, None, None));
        assert_eq!(figures.warm_ms, Some(1.0));
        let nothing = Figures::of(Some(128), &[Start::default()], &app(), 1);
        assert_eq!((nothing.warm_ms, nothing.month_usd, nothing.starts), (None, None, 1));
        let json = serde_json::to_value(&nothing).unwrap();
        assert_eq!(json["init_ms"], serde_json::Value::Null);
        // Without a share no size was measured, and so nothing can be billed.
        let free = Figures::of(None, &[cold(1.0, 2.0, &[1.0])], &app(), 1_000_000);
        assert_eq!((free.limited, free.month_usd, free.warm_ms), (false, None, Some(1.0)));
    }

    proptest! {
        #[test]
        fn a_percentile_is_one_of_the_values_and_so_many_are_not_above_it(
            values in proptest::collection::vec(0.0..1e6_f64, 1..50),
            percent in 1_usize..=100,
        ) {
            let found = percentile(values.clone(), percent).unwrap();
            prop_assert!(values.contains(&found));
            let below = values.iter().filter(|value| **value <= found).count();
            prop_assert!(below * 100 >= percent * values.len());
            let less = values.iter().filter(|value| **value < found).count();
            prop_assert!(less * 100 < percent * values.len());
        }

        #[test]
        fn more_hits_and_slower_answers_never_cost_less(
            memory in 128_u32..10_240,
            hits in 0_u64..1_000_000_000,
            more in 0_u64..1_000_000_000,
            ms in 0.001..1e4_f64,
            slower in 0.0..1e4_f64,
        ) {
            let month = |hits, ms| {
                Figures::of(Some(memory), &[cold(1.0, 1.0, &[ms])], &app(), hits).month_usd.unwrap()
            };
            prop_assert!(month(hits, ms) >= 0.0);
            prop_assert!(month(hits + more, ms) >= month(hits, ms));
            prop_assert!(month(hits, ms + slower) >= month(hits, ms));
        }
    }
}
