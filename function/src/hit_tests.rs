//! A hit's attributes, and a model of ten years of hits that must stay within a write unit.

use super::*;
use crate::path::normalise;
use crate::store::{Memory, Paths, Store};

fn at(day: u32) -> Moment {
    Moment::from_millis(u64::from(day) * 86_400_000 + 36_000_000)
}

#[test]
fn a_hit_counts_total_day_and_month() {
    let hit = Hit::one(normalise("/a").unwrap(), at(20_716));
    let expected = Update {
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
fn nothing_is_trimmed_before_it_is_due() {
    let days = |range: std::ops::Range<u32>| Item {
        numbers: range.map(|day| (Day::from_number(day).attribute(), 5)).collect(),
        other_bytes: 50,
    };
    assert_eq!(days(20_000..20_040).stale(Day::from_number(20_039)), Vec::<String>::new());
    let stale = days(20_000..20_041).stale(Day::from_number(20_040));
    let expected: Vec<String> = (20_000..20_010).map(|day| Day::from_number(day).attribute()).collect();
    assert_eq!(stale, expected, "31 days are kept, today included");
}

#[test]
fn numbers_that_are_not_days_or_months_are_never_trimmed() {
    let mut item = Item::default();
    for name in ["hits", "uniques", "expires"] {
        item.numbers.push((name.to_owned(), 1));
    }
    item.numbers.extend((0..60).map(|day| (Day::from_number(20_000 + day).attribute(), 1)));
    let stale = item.stale(Day::from_number(30_000));
    assert_eq!(stale.len(), 60);
    assert!(stale.iter().all(|name| Day::from_attribute(name).is_some()));
}

/// Hits `key` daily for ten years; returns the largest size that a write met, in bytes, and the writes in all.
fn ten_years(key: &str, hits_a_day: u64) -> (usize, usize) {
    let key = normalise(key).unwrap();
    let mut table = Memory::default();
    let (mut largest, mut writes) = (0, 0);
    for day in 20_700..24_350 {
        let hit = Hit { key: key.clone(), at: at(day), n: hits_a_day, uniques: 0 };
        table.add(&hit, Paths::Open).unwrap();
        writes += 1;
        largest = largest.max(table.largest_write());
        let kept = table.item(&key).unwrap();
        assert_eq!(
            kept.counts(hit.at.day()),
            Counts { hits: writes as u64 * hits_a_day, today: hits_a_day, ..Counts::default() }
        );
    }
    let item = table.item(&key).unwrap();
    let recent =
        (24_350 - DAYS_KEPT..24_350).all(|day| item.number(&Day::from_number(day).attribute()) == hits_a_day);
    assert!(recent, "the last 31 days are there");
    (largest, writes + table.trims())
}

#[test]
fn ten_years_of_hits_stay_within_a_write_unit() {
    for (key, hits_a_day) in
        [("/", 3), ("/blog/2026/a-rather-long-title-of-a-post", 10_000), ("/a", 50_000_000)]
    {
        let (largest, writes) = ten_years(key, hits_a_day);
        assert!(largest <= WRITE_UNIT_BYTES, "{key}: {largest} bytes");
        assert!(writes <= 3650 + 3650 / 9, "{key}: {writes} writes");
    }
}

#[test]
fn the_longest_key_still_fits_by_keeping_fewer_months() {
    let key = format!("/{}", "k".repeat(511));
    let (largest, _) = ten_years(&key, 20_000);
    assert!(largest <= WRITE_UNIT_BYTES, "{largest} bytes");
}

#[test]
fn sums_do_not_overflow() {
    let most = Counts { hits: u64::MAX, today: 1, uniques: 3, uniques_today: 1 };
    assert_eq!(most.plus(most), Counts { hits: u64::MAX, today: 2, uniques: 6, uniques_today: 2 });
}
