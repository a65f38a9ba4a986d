//! Recommends a memory size and states the reason. Pure.

use serde::Serialize;

use super::figures::MemoryFigures;

/// The minimum relative saving of the first response time for which more memory is worthwhile, if no size is fast enough.
const MIN_SAVING: f64 = 0.10;

/// The recommended memory size.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MemoryAdvice {
    /// The memory size in MB; `None` if the figures are incomplete.
    pub memory_mb: Option<u32>,
    /// The reason, as a sentence fragment.
    pub why: String,
}

/// The figures of a size that the recommendation needs.
struct CompleteFigures {
    memory_mb: u32,
    first_ms: f64,
    usd: f64,
}

impl MemoryAdvice {
    /// Returns the cheapest size whose first response takes at most `within_ms` milliseconds. If there is none, returns
    /// the size beyond which more memory hardly helps.
    pub fn recommend(rows: &[MemoryFigures], within_ms: u32) -> Self {
        let complete: Option<Vec<CompleteFigures>> = rows
            .iter()
            .map(|row| {
                Some(CompleteFigures {
                    memory_mb: row.memory_mb?,
                    first_ms: row.first_answer_ms?,
                    usd: row.compute_month_usd?,
                })
            })
            .collect();
        let Some(mut complete) = complete.filter(|complete| !complete.is_empty()) else {
            return Self { memory_mb: None, why: missing_reason(rows) };
        };
        complete.sort_by_key(|row| row.memory_mb);
        let fast_enough = complete.iter().filter(|row| row.first_ms <= f64::from(within_ms));
        // Of sizes with the same cost, `min_by` returns the first, which is the smallest.
        let Some(best) = fast_enough.min_by(|a, b| a.usd.total_cmp(&b.usd)) else {
            return recommend_without_fast_size(&complete, within_ms);
        };
        let why = match complete.as_slice() {
            [_] => format!("the only measured size; its first response takes at most {within_ms} ms"),
            _ => format!("the cheapest size whose first response takes at most {within_ms} ms"),
        };
        Self { memory_mb: Some(best.memory_mb), why }
    }
}

/// Returns the recommendation if no size is fast enough: the smallest size that is not much slower than any larger one.
fn recommend_without_fast_size(known: &[CompleteFigures], within_ms: u32) -> MemoryAdvice {
    let fastest =
        |rows: &[CompleteFigures]| rows.iter().map(|row| row.first_ms).fold(f64::INFINITY, f64::min);
    let enough = (0..known.len())
        .find(|index| fastest(&known[index + 1..]) > known[*index].first_ms * (1.0 - MIN_SAVING));
    let best = enough.and_then(|index| known.get(index));
    let why = format!(
        "no size responds within {within_ms} ms; more memory than this saves less than 10 % of the first response time"
    );
    MemoryAdvice { memory_mb: best.map(|row| row.memory_mb), why }
}

/// Returns the reason why there is no recommendation.
fn missing_reason(rows: &[MemoryFigures]) -> String {
    if rows.iter().any(|row| !row.limited) {
        return "the CPU share was not limited, so all sizes run at the same speed".to_owned();
    }
    let is_missing = |what: fn(&MemoryFigures) -> Option<f64>| rows.iter().any(|row| what(row).is_none());
    let mut missing_figures = Vec::new();
    if is_missing(|row| row.first_answer_ms) {
        missing_figures.push("cold start");
    }
    if is_missing(|row| row.month_usd) {
        missing_figures.push("billed time");
    }
    match missing_figures.as_slice() {
        [] => "no size was measured".to_owned(),
        missing_figures => format!("Lambda did not report the {}", missing_figures.join(" and the ")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn row(memory_mb: u32, first_ms: f64, usd: f64) -> MemoryFigures {
        MemoryFigures {
            memory_mb: Some(memory_mb),
            limited: true,
            starts: 1,
            init_ms: Some(first_ms / 2.0),
            first_answer_ms: Some(first_ms),
            warm_ms: Some(1.0),
            warm_p95_ms: Some(1.0),
            compute_month_usd: Some(usd),
            month_usd: Some(usd + 2.0),
        }
    }

    #[test]
    fn recommend_returns_cheapest_fast_size() {
        let rows = [row(128, 80.0, 0.02), row(256, 40.0, 0.01), row(512, 20.0, 0.01), row(1024, 9.0, 0.03)];
        let best = |within| MemoryAdvice::recommend(&rows, within).memory_mb;
        assert_eq!((best(100), best(30), best(10)), (Some(256), Some(512), Some(1024)));
        insta::assert_snapshot!(MemoryAdvice::recommend(&rows, 100).why, @"the cheapest size whose first response takes at most 100 ms");
        insta::assert_snapshot!(MemoryAdvice::recommend(&rows[..1], 100).why, @"the only measured size; its first response takes at most 100 ms");
    }

    #[test]
    fn recommend_without_fast_size_adds_memory_while_worthwhile() {
        let rows =
            [row(128, 800.0, 0.02), row(256, 400.0, 0.01), row(512, 390.0, 0.01), row(1024, 385.0, 0.03)];
        let advice = MemoryAdvice::recommend(&rows, 100);
        assert_eq!(advice.memory_mb, Some(256));
        insta::assert_snapshot!(advice.why, @"no size responds within 100 ms; more memory than this saves less than 10 % of the first response time");
    }

    #[test]
    fn recommend_with_missing_figures_returns_reason() {
        let mut rows = [row(128, 80.0, 0.02), row(256, 40.0, 0.01)];
        rows[0].first_answer_ms = None;
        assert_eq!(MemoryAdvice::recommend(&rows, 100).memory_mb, None);
        insta::assert_snapshot!(MemoryAdvice::recommend(&rows, 100).why, @"Lambda did not report the cold start");
        rows[1].compute_month_usd = None;
        rows[1].month_usd = None;
        insta::assert_snapshot!(MemoryAdvice::recommend(&rows, 100).why, @"Lambda did not report the cold start and the billed time");
        let free = MemoryFigures { memory_mb: None, limited: false, ..row(128, 5.0, 0.0) };
        insta::assert_snapshot!(MemoryAdvice::recommend(&[free], 100).why, @"the CPU share was not limited, so all sizes run at the same speed");
        insta::assert_snapshot!(MemoryAdvice::recommend(&[], 100).why, @"no size was measured");
    }

    fn rows() -> impl Strategy<Value = Vec<MemoryFigures>> {
        let one = (1.0..1e4_f64, 0.001..1.0_f64);
        proptest::collection::vec(one, 1..6)
            .prop_map(|all| (1..).zip(all).map(|(n, (first_ms, usd))| row(n * 128, first_ms, usd)).collect())
    }

    proptest! {
        #[test]
        fn recommend_returns_measured_size_and_no_fast_size_is_cheaper(rows in rows(), within in 1_u32..12_000) {
            let advice = MemoryAdvice::recommend(&rows, within);
            let best = rows.iter().find(|row| row.memory_mb == advice.memory_mb).unwrap();
            let first = |row: &MemoryFigures| row.first_answer_ms.unwrap();
            let quick: Vec<_> = rows.iter().filter(|row| first(row) <= f64::from(within)).collect();
            if quick.is_empty() {
                let more = rows.iter().filter(|row| row.memory_mb > best.memory_mb);
                for row in more {
                    prop_assert!(first(row) > first(best) * (1.0 - MIN_SAVING));
                }
            } else {
                prop_assert!(first(best) <= f64::from(within));
                prop_assert!(quick.iter().all(|row| row.compute_month_usd >= best.compute_month_usd));
            }
        }

        #[test]
        fn recommend_is_independent_of_order(rows in rows(), within in 1_u32..12_000) {
            let mut back = rows.clone();
            back.reverse();
            prop_assert_eq!(MemoryAdvice::recommend(&rows, within), MemoryAdvice::recommend(&back, within));
        }
    }
}
