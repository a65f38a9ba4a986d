//! Computes the figures of a memory size from its measurements. Pure. Missing measurements stay missing and are not estimated.

use hitctl_config::AppConfig;
use serde::{Serialize, Serializer};

use crate::cost;

/// The step in which Lambda bills time, in milliseconds (aws.amazon.com/lambda/pricing).
pub(crate) const BILLED_STEP_MS: f64 = 1.0;

/// The measured times of one invocation.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct InvocationTiming {
    /// The duration of the process start before the invocation, in milliseconds; `None` if the process was already
    /// running or the duration is unknown.
    pub init_ms: Option<f64>,
    /// The duration of the invocation itself, in milliseconds.
    pub duration_ms: Option<f64>,
    /// The billed duration, in milliseconds.
    pub billed_ms: Option<f64>,
}

impl InvocationTiming {
    /// Creates the times of a warm invocation that was measured on this machine. Lambda would bill whole milliseconds.
    pub fn warm(duration_ms: f64) -> Self {
        let billed_ms = (duration_ms / BILLED_STEP_MS).ceil().max(1.0) * BILLED_STEP_MS;
        Self { init_ms: None, duration_ms: Some(duration_ms), billed_ms: Some(billed_ms) }
    }
}

/// The invocations of one process.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ProcessTimings {
    /// The first invocation, for which the process was started.
    pub first: InvocationTiming,
    /// The later, warm invocations.
    pub warm: Vec<InvocationTiming>,
}

/// The figures of one memory size. Times are in milliseconds, amounts in US dollars.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MemoryFigures {
    /// The memory size in MB; `None` if no CPU quota could be set, so that no particular size was measured.
    pub memory_mb: Option<u32>,
    /// Whether the function ran with the CPU quota that Lambda assigns to that size.
    pub limited: bool,
    /// The number of processes that were started.
    pub starts: usize,
    /// The median time of a cold start, from the start of the process until it requests an event.
    #[serde(serialize_with = "hundredths")]
    pub init_ms: Option<f64>,
    /// The median time to the first response, from the start of the process.
    #[serde(serialize_with = "hundredths")]
    pub first_answer_ms: Option<f64>,
    /// The median response time of a warm process.
    #[serde(serialize_with = "hundredths")]
    pub warm_ms: Option<f64>,
    /// The 95th percentile of the response time of a warm process.
    #[serde(serialize_with = "hundredths")]
    pub warm_p95_ms: Option<f64>,
    /// The monthly cost of the function's running time, which is the part that depends on the memory.
    #[serde(serialize_with = "ten_thousandths")]
    pub compute_month_usd: Option<f64>,
    /// The total monthly cost.
    #[serde(serialize_with = "ten_thousandths")]
    pub month_usd: Option<f64>,
}

impl MemoryFigures {
    /// Computes the figures of one size for a number of hits per month.
    pub fn compute(memory_mb: Option<u32>, starts: &[ProcessTimings], app: &AppConfig, hits: u64) -> Self {
        let first_response = |start: &ProcessTimings| Some(start.first.init_ms? + start.first.duration_ms?);
        let warm = || starts.iter().flat_map(|start| &start.warm);
        // A missing value could be the slowest one, so a figure with missing values is missing too.
        let times = all_known(warm().map(|call| call.duration_ms));
        let month = all_known(warm().map(|call| call.billed_ms))
            .and_then(|billed| Some(cost::month_cost(app, memory_mb?, hits, mean(&billed)?)));
        Self {
            memory_mb,
            limited: memory_mb.is_some(),
            starts: starts.len(),
            init_ms: all_known(starts.iter().map(|start| start.first.init_ms))
                .and_then(|all| percentile(all, 50)),
            first_answer_ms: all_known(starts.iter().map(first_response)).and_then(|all| percentile(all, 50)),
            warm_ms: times.clone().and_then(|all| percentile(all, 50)),
            warm_p95_ms: times.and_then(|all| percentile(all, 95)),
            compute_month_usd: month.map(|month| month.compute_usd),
            month_usd: month.map(|month| month.usd),
        }
    }
}

/// Returns all values, or `None` if one is missing or there are none.
fn all_known(values: impl Iterator<Item = Option<f64>>) -> Option<Vec<f64>> {
    values.collect::<Option<Vec<_>>>().filter(|all| !all.is_empty())
}

/// Returns the percentile of the values by the nearest-rank method, so that it is one of the values.
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

    fn app() -> AppConfig {
        hitctl_config::load(None, None, &hitctl_config::Overrides::new()).expect("the defaults are valid").app
    }

    fn cold(init_ms: f64, duration_ms: f64, warm: &[f64]) -> ProcessTimings {
        ProcessTimings {
            first: InvocationTiming {
                init_ms: Some(init_ms),
                duration_ms: Some(duration_ms),
                billed_ms: None,
            },
            warm: warm.iter().copied().map(InvocationTiming::warm).collect(),
        }
    }

    #[test]
    fn compute_returns_medians_and_bills_whole_milliseconds() {
        let starts = [cold(10.0, 30.0, &[1.2, 1.4]), cold(12.0, 20.0, &[9.0, 1.0]), cold(90.0, 90.0, &[])];
        let figures = MemoryFigures::compute(Some(1024), &starts, &app(), 1_000_000);
        assert_eq!((figures.init_ms, figures.first_answer_ms), (Some(12.0), Some(40.0)));
        assert_eq!((figures.warm_ms, figures.warm_p95_ms), (Some(1.2), Some(9.0)));
        // 2, 2, 9 and 1 ms with 1 GB: 3.5 ms on average.
        let compute = figures.compute_month_usd.unwrap();
        assert!((compute - 3_500.0 * 0.000_013_333_4).abs() < 1e-9, "{compute}");
        // The rest of the cost does not depend on the size.
        let small = MemoryFigures::compute(Some(128), &starts, &app(), 1_000_000);
        let rest = |figures: &MemoryFigures| figures.month_usd.unwrap() - figures.compute_month_usd.unwrap();
        assert!((rest(&figures) - rest(&small)).abs() < 1e-9 && rest(&small) > 1.0, "{figures:?} {small:?}");
    }

    #[test]
    fn compute_with_missing_measurement_omits_figure() {
        let mut starts = [cold(10.0, 30.0, &[1.0]), cold(12.0, 20.0, &[2.0])];
        starts[1].first.init_ms = None;
        starts[1].warm[0].billed_ms = None;
        let figures = MemoryFigures::compute(Some(128), &starts, &app(), 1_000_000);
        assert_eq!((figures.init_ms, figures.first_answer_ms, figures.month_usd), (None, None, None));
        assert_eq!(figures.warm_ms, Some(1.0));
        let nothing = MemoryFigures::compute(Some(128), &[ProcessTimings::default()], &app(), 1);
        assert_eq!((nothing.warm_ms, nothing.month_usd, nothing.starts), (None, None, 1));
        let json = serde_json::to_value(&nothing).unwrap();
        assert_eq!(json["init_ms"], serde_json::Value::Null);
        // Without a CPU quota no particular size was measured, so there is no cost.
        let free = MemoryFigures::compute(None, &[cold(1.0, 2.0, &[1.0])], &app(), 1_000_000);
        assert_eq!((free.limited, free.month_usd, free.warm_ms), (false, None, Some(1.0)));
    }

    proptest! {
        #[test]
        fn percentile_is_one_of_values_at_nearest_rank(
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
        fn cost_never_falls_with_more_hits_or_slower_responses(
            memory in 128_u32..10_240,
            hits in 0_u64..1_000_000_000,
            more in 0_u64..1_000_000_000,
            ms in 0.001..1e4_f64,
            slower in 0.0..1e4_f64,
        ) {
            let month = |hits, ms| {
                MemoryFigures::compute(Some(memory), &[cold(1.0, 1.0, &[ms])], &app(), hits).month_usd.unwrap()
            };
            prop_assert!(month(hits, ms) >= 0.0);
            prop_assert!(month(hits + more, ms) >= month(hits, ms));
            prop_assert!(month(hits, ms + slower) >= month(hits, ms));
        }
    }
}
