//! Which size to take, and why. Pure.

use serde::Serialize;

use super::figures::Figures;

/// What more memory has to save of the first answer for being worth it, where no size is quick enough.
const PAYS: f64 = 0.10;

/// Which size to take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Advice {
    /// The memory size in MB; `None` where the figures do not tell.
    pub memory_mb: Option<u32>,
    /// Why, in a sentence.
    pub why: String,
}

/// A size with all that is needed to judge it.
struct Known {
    memory_mb: u32,
    first_ms: f64,
    usd: f64,
}

impl Advice {
    /// The cheapest size whose first answer takes at most so long; where there is none, the size from which on more memory
    /// hardly helps.
    pub fn of(rows: &[Figures], within_ms: u32) -> Self {
        let known: Option<Vec<Known>> = rows
            .iter()
            .map(|row| {
                Some(Known {
                    memory_mb: row.memory_mb?,
                    first_ms: row.first_answer_ms?,
                    usd: row.compute_month_usd?,
                })
            })
            .collect();
        let Some(mut known) = known.filter(|known| !known.is_empty()) else {
            return Self { memory_mb: None, why: missing(rows) };
        };
        known.sort_by_key(|row| row.memory_mb);
        let quick = known.iter().filter(|row| row.first_ms <= f64::from(within_ms));
        // The smaller one where two cost the same.
        let Some(best) = quick.min_by(|a, b| a.usd.total_cmp(&b.usd)) else { return slow(&known, within_ms) };
        let why = match known.as_slice() {
            [_] => format!("its first answer takes at most {within_ms} ms; no other size was measured"),
            _ => format!("the cheapest of those whose first answer takes at most {within_ms} ms"),
        };
        Self { memory_mb: Some(best.memory_mb), why }
    }
}

/// No size is quick enough: the smallest that is not much slower than any larger one.
fn slow(known: &[Known], within_ms: u32) -> Advice {
    let fastest = |rows: &[Known]| rows.iter().map(|row| row.first_ms).fold(f64::INFINITY, f64::min);
    let enough = (0..known.len()).find(|at| fastest(&known[at + 1..]) > known[*at].first_ms * (1.0 - PAYS));
    let best = enough.and_then(|at| known.get(at));
    let why = format!(
        "none answers first within {within_ms} ms; from here on more memory saves less than 10 % of the first answer"
    );
    Advice { memory_mb: best.map(|row| row.memory_mb), why }
}

/// Why nothing is said.
fn missing(rows: &[Figures]) -> String {
    if rows.iter().any(|row| !row.limited) {
        return "no CPU share could be set, and without one every size runs alike".to_owned();
    }
    let missing = |what: fn(&Figures) -> Option<f64>| rows.iter().any(|row| what(row).is_none());
    let mut lacks = Vec::new();
    if missing(|row| row.first_answer_ms) {
        lacks.push("cold start");
    }
    if missing(|row| row.month_usd) {
        lacks.push("billed time");
    }
    match lacks.as_slice() {
        [] => "no size was measured".to_owned(),
        lacks => format!("the service did not report the {}", lacks.join(" and the ")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn row(memory_mb: u32, first_ms: f64, usd: f64) -> Figures {
        Figures {
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
    fn the_cheapest_that_is_quick_enough() {
        let rows = [row(128, 80.0, 0.02), row(256, 40.0, 0.01), row(512, 20.0, 0.01), row(1024, 9.0, 0.03)];
        let best = |within| Advice::of(&rows, within).memory_mb;
        assert_eq!((best(100), best(30), best(10)), (Some(256), Some(512), Some(1024)));
        insta::assert_snapshot!(Advice::of(&rows, 100).why, @"the cheapest of those whose first answer takes at most 100 ms");
        insta::assert_snapshot!(Advice::of(&rows[..1], 100).why, @"its first answer takes at most 100 ms; no other size was measured");
    }

    #[test]
    fn where_none_is_quick_enough_more_memory_is_taken_while_it_pays() {
        let rows =
            [row(128, 800.0, 0.02), row(256, 400.0, 0.01), row(512, 390.0, 0.01), row(1024, 385.0, 0.03)];
        let advice = Advice::of(&rows, 100);
        assert_eq!(advice.memory_mb, Some(256));
        insta::assert_snapshot!(advice.why, @"none answers first within 100 ms; from here on more memory saves less than 10 % of the first answer");
    }

    #[test]
    fn nothing_is_said_of_what_was_not_measured() {
        let mut rows = [row(128, 80.0, 0.02), row(256, 40.0, 0.01)];
        rows[0].first_answer_ms = None;
        assert_eq!(Advice::of(&rows, 100).memory_mb, None);
        insta::assert_snapshot!(Advice::of(&rows, 100).why, @"the service did not report the cold start");
        rows[1].compute_month_usd = None;
        rows[1].month_usd = None;
        insta::assert_snapshot!(Advice::of(&rows, 100).why, @"the service did not report the cold start and the billed time");
        let free = Figures { memory_mb: None, limited: false, ..row(128, 5.0, 0.0) };
        insta::assert_snapshot!(Advice::of(&[free], 100).why, @"no CPU share could be set, and without one every size runs alike");
        insta::assert_snapshot!(Advice::of(&[], 100).why, @"no size was measured");
    }

    fn rows() -> impl Strategy<Value = Vec<Figures>> {
        let one = (1.0..1e4_f64, 0.001..1.0_f64);
        proptest::collection::vec(one, 1..6)
            .prop_map(|all| (1..).zip(all).map(|(n, (first_ms, usd))| row(n * 128, first_ms, usd)).collect())
    }

    proptest! {
        #[test]
        fn it_is_one_of_them_and_none_that_is_quick_enough_is_cheaper(rows in rows(), within in 1_u32..12_000) {
            let advice = Advice::of(&rows, within);
            let best = rows.iter().find(|row| row.memory_mb == advice.memory_mb).unwrap();
            let first = |row: &Figures| row.first_answer_ms.unwrap();
            let quick: Vec<_> = rows.iter().filter(|row| first(row) <= f64::from(within)).collect();
            if quick.is_empty() {
                let more = rows.iter().filter(|row| row.memory_mb > best.memory_mb);
                for row in more {
                    prop_assert!(first(row) > first(best) * (1.0 - PAYS));
                }
            } else {
                prop_assert!(first(best) <= f64::from(within));
                prop_assert!(quick.iter().all(|row| row.compute_month_usd >= best.compute_month_usd));
            }
        }

        #[test]
        fn the_order_of_the_sizes_does_not_matter(rows in rows(), within in 1_u32..12_000) {
            let mut back = rows.clone();
            back.reverse();
            prop_assert_eq!(Advice::of(&rows, within), Advice::of(&back, within));
        }
    }
}
