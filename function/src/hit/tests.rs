//! Tests of the attributes that a hit changes, and of adding counts.

use super::*;
use crate::path::normalise;

fn at(day: u32) -> Moment {
    Moment::from_millis(u64::from(day) * 86_400_000 + 36_000_000)
}

#[test]
fn hit_updates_total_day_and_month() {
    let hit = Hit::one(normalise("/a").unwrap(), at(20_716));
    // `fzg` is the day's number, 20,716, in base 36.
    let expected = HitUpdate {
        n: 1,
        day: "dfzg".to_owned(),
        month: "m2609".to_owned(),
        uniques: 0,
        day_uniques: "vfzg".to_owned(),
        month_uniques: "w2609".to_owned(),
        first: "2026-09-20".to_owned(),
        last: "2026-09-20T10:00:00Z".to_owned(),
    };
    assert_eq!(hit.update(), expected);
}

#[test]
fn summed_counts_do_not_overflow() {
    let max = CountSummary { hits: MAX_COUNT, today: 1, uniques: 3, uniques_today: 1 };
    assert_eq!(max.plus(max), CountSummary { hits: MAX_COUNT, today: 2, uniques: 6, uniques_today: 2 });
}

#[test]
fn hit_with_new_visitor_counts_the_visitor() {
    let mut item = CountItem::default();
    for is_new in [true, false, true] {
        item.apply(&Hit::one(normalise("/a").unwrap(), at(20_716)).with_new_visitor(is_new).update());
    }
    let day = Day::from_number(20_716);
    assert_eq!(item.counts(day), CountSummary { hits: 3, today: 3, uniques: 2, uniques_today: 2 });
    assert_eq!(item.number("w2609"), 2);
    let next = CountSummary { hits: 3, uniques: 2, ..CountSummary::default() };
    assert_eq!(item.counts(Day::from_number(20_717)), next);
}

#[test]
fn site_visitors_replace_the_sum_over_pages() {
    let numbers = |list: &[(&str, u64)]| list.iter().map(|(name, n)| ((*name).to_owned(), *n)).collect();
    let page = CountItem {
        numbers: numbers(&[("hits", 5), ("uniques", 4), ("vfzg", 4), ("w2609", 4)]),
        other_bytes: 0,
    };
    let mut sum = page.clone();
    sum.merge(&page);
    sum.replace_visitors(&CountItem {
        numbers: numbers(&[("uniques", 6), ("vfzg", 6), ("w2609", 6), ("odd", 1)]),
        other_bytes: 0,
    });
    assert_eq!(sum.numbers, numbers(&[("hits", 10), ("uniques", 6), ("vfzg", 6), ("w2609", 6)]) as Vec<_>);
}
