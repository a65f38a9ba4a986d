//! Tests of trimming: items stay within a write unit for ten years of hits, and unusual items are handled.

use proptest::prelude::*;

use super::*;
use crate::hit::{CountSummary, Hit, text_bytes};
use crate::moment::Moment;
use crate::path::{PageKey, normalise};
use crate::share::{BudgetShare, day_and_limit};
use crate::store::{CounterStore, MemoryStore, PathAdmission};
use crate::visitor::Visitor;

const FIRST_DAY: u32 = 20_700;
const TEN_YEARS: u32 = 3650;

fn at(day: u32) -> Moment {
    Moment::from_millis(u64::from(day) * 86_400_000 + 36_000_000)
}

fn day(number: u32) -> Day {
    Day::from_number(number)
}

#[test]
fn item_within_limits_is_not_trimmed() {
    let days = |range: std::ops::Range<u32>| CountItem {
        numbers: range.map(|number| (day(number).attribute(), 5)).collect(),
        other_bytes: 50,
    };
    assert_eq!(days(20_000..20_040).stale(day(20_039)), Vec::<String>::new());
    let expected: Vec<String> = (20_000..20_010).map(|number| day(number).attribute()).collect();
    assert_eq!(days(20_000..20_041).stale(day(20_040)), expected, "31 days are kept, today included");
}

#[test]
fn visitors_are_trimmed_with_the_hits_of_their_day() {
    let pair = |number| [(day(number).attribute(), 5), (day(number).uniques_attribute(), 4)];
    let item = CountItem { numbers: (20_000..20_041).flat_map(pair).collect(), other_bytes: 50 };
    let expected: Vec<String> = (20_000..20_010).flat_map(pair).map(|(name, _)| name).collect();
    assert_eq!(item.stale(day(20_040)), expected);
    let only_visitors = |number| (day(number).uniques_attribute(), 4);
    let site = CountItem { numbers: (20_000..20_041).map(only_visitors).collect(), other_bytes: 50 };
    assert_eq!(site.stale(day(20_040)).len(), 10, "the site's item has no hits");
}

#[test]
fn numbers_that_are_not_days_or_months_are_never_trimmed() {
    let mut item = CountItem::default();
    for name in ["hits", "uniques", "expires"] {
        item.numbers.push((name.to_owned(), 1));
    }
    item.numbers.extend((0..60).map(|number| (day(20_000 + number).attribute(), 1)));
    let stale = item.stale(day(30_000));
    assert_eq!(stale.len(), 60);
    assert!(stale.iter().all(|name| Day::from_attribute(name).is_some()));
}

/// An item and the statistics of its store after ten years of hits.
struct Decade {
    item: CountItem,
    largest_write: usize,
    trims: usize,
}

impl Decade {
    fn count_attributes(&self, has_kind: fn(&str) -> bool) -> usize {
        self.item.numbers.iter().filter(|(name, _)| has_kind(name)).count()
    }

    fn days(&self) -> usize {
        self.count_attributes(|name| Day::from_attribute(name).is_some())
    }

    fn months(&self) -> usize {
        self.count_attributes(|name| month_of_attribute(name).is_some())
    }
}

/// Counts `hits_a_day` hits by `visitors_a_day` visitors on `key` every day for ten years.
fn ten_years(key: &PageKey, hits_a_day: u64, visitors_a_day: u64) -> Decade {
    let mut table = MemoryStore::default();
    for (days_before, number) in (FIRST_DAY..FIRST_DAY + TEN_YEARS).enumerate() {
        let hit =
            Hit { key: key.clone(), at: at(number), n: hits_a_day, uniques: visitors_a_day, share: None };
        table.add(&hit, PathAdmission::Open).unwrap();
        let days = days_before as u64 + 1;
        let expected = CountSummary {
            hits: days * hits_a_day,
            today: hits_a_day,
            uniques: days * visitors_a_day,
            uniques_today: visitors_a_day,
        };
        assert_eq!(table.item(key).unwrap().counts(hit.at.day()), expected);
    }
    Decade {
        item: table.item(key).unwrap().clone(),
        largest_write: table.largest_write(),
        trims: table.trims(),
    }
}

#[test]
fn ten_years_of_hits_stay_within_a_write_unit() {
    for (key, hits_a_day) in
        [("/", 3), ("/blog/2026/a-rather-long-title-of-a-post", 10_000), ("/a", 50_000_000)]
    {
        let decade = ten_years(&normalise(key).unwrap(), hits_a_day, 0);
        assert!(decade.largest_write <= WRITE_UNIT_BYTES, "{key}: {} bytes", decade.largest_write);
        assert!(decade.trims <= 3650 / 9, "{key}: {} trims", decade.trims);
        assert!(decade.days() >= DAYS_KEPT as usize && decade.months() >= MONTHS_KEPT, "{key}");
    }
}

#[test]
fn days_and_months_kept_after_ten_years_match_snapshot() {
    let mut rows = Vec::new();
    for (bytes, hits, visitors) in [
        (1, 3, 2),
        (1, 10_000, 4_000),
        (1, 80_000_000, 80_000_000),
        (40, 3, 2),
        (40, 10_000, 4_000),
        (200, 10_000, 0),
        (200, 10_000, 4_000),
        (512, 3, 0),
        (512, 10_000, 4_000),
        (512, 80_000_000, 80_000_000),
    ] {
        let key = normalise(&format!("/{}", "k".repeat(bytes - 1))).unwrap();
        let decade = ten_years(&key, hits, visitors);
        assert!(decade.largest_write <= WRITE_UNIT_BYTES, "{bytes}: {} bytes", decade.largest_write);
        assert!(decade.days() >= MIN_DAYS);
        rows.push(format!(
            "key {bytes:>3}, {hits:>8} hits, {visitors:>8} visitors a day: {:>2} days, {:>2} months, {:>4} trims\n",
            decade.days(),
            decade.months(),
            decade.trims
        ));
    }
    insta::assert_snapshot!(rows.concat(), @"
    key   1,        3 hits,        2 visitors a day: 33 days, 34 months,  550 trims
    key   1,    10000 hits,     4000 visitors a day: 31 days, 21 months,  687 trims
    key   1, 80000000 hits, 80000000 visitors a day: 35 days, 12 months,  723 trims
    key  40,        3 hits,        2 visitors a day: 33 days, 31 months,  556 trims
    key  40,    10000 hits,     4000 visitors a day: 31 days, 19 months,  693 trims
    key 200,    10000 hits,        0 visitors a day: 40 days, 36 months,  361 trims
    key 200,    10000 hits,     4000 visitors a day: 28 days, 12 months,  617 trims
    key 512,        3 hits,        0 visitors a day: 40 days, 23 months,  361 trims
    key 512,    10000 hits,     4000 visitors a day:  8 days, 12 months,  743 trims
    key 512, 80000000 hits, 80000000 visitors a day:  7 days, 12 months, 3402 trims
    ");
}

#[test]
fn site_item_and_budget_stay_within_a_write_unit() {
    let mut table = MemoryStore::default();
    let page = normalise("/").unwrap();
    let budget = PathAdmission::Budget { new_per_day: 100, max_total: u64::MAX };
    for number in FIRST_DAY..FIRST_DAY + TEN_YEARS {
        let visitor = Visitor::new("203.0.113.7", "x").unwrap();
        assert!(table.record_visitor(&visitor, &page, at(number)).unwrap().site);
        let paths = if number + 50 < FIRST_DAY + TEN_YEARS { 1_u32 } else { 100 };
        for n in 0..paths {
            let new = normalise(&format!("/{number}/{n}")).unwrap();
            let address = std::net::Ipv4Addr::from_bits(n.wrapping_mul(0x9e37_79b9)).to_string();
            let share = BudgetShare::for_visitor(&Visitor::new(&address, "x").unwrap());
            table.add(&Hit::one(new, at(number)).with_share(Some(share)), budget).unwrap();
        }
        let budget = table.raw("!budget").unwrap();
        assert!(budget.numbers.iter().any(|(name, _)| name.starts_with("a#")));
        let is_past = |name: &str| day_and_limit(name, 100).is_some_and(|(day, _)| day != at(number).day());
        assert!(!budget.numbers.iter().any(|(name, _)| is_past(name)), "shares of past days are removed");
    }
    for (key, bytes) in [("!site", 700), ("!budget", WRITE_UNIT_BYTES)] {
        assert!(table.raw(key).unwrap().size() < bytes, "{key}: {} bytes", table.raw(key).unwrap().size());
    }
    assert!(table.largest_write() <= WRITE_UNIT_BYTES);
    assert_eq!(table.raw("!site").unwrap().number("uniques"), u64::from(TEN_YEARS));
    assert!(table.raw("!budget").unwrap().number("paths") > u64::from(TEN_YEARS));
}

fn key_bytes() -> impl Strategy<Value = usize> {
    // The key of an additional shard is longer than the longest path.
    prop_oneof![1..523_usize, Just(522)]
}

proptest! {
    /// An item with any days and months fits into a write unit after trimming, and keeps its newest days.
    #[test]
    fn any_trimmed_item_fits_a_write_unit(
        key in key_bytes(),
        days in prop::collection::btree_map(19_000..20_717_u32, (0..1_000_000_000_u64, prop::option::of(0..1_000_000_000_u64)), 0..60),
        months in prop::collection::btree_map(0..200_u32, (0..100_000_000_000_u64, prop::option::of(0..100_000_000_000_u64)), 0..60),
        total in 0..1_000_000_000_000_u64,
    ) {
        let today = 20_716;
        let mut item = CountItem { numbers: Vec::new(), other_bytes: text_bytes("path", &"k".repeat(key)) + 39 };
        item.add("hits", total);
        item.add("uniques", total);
        for (number, (hits, visitors)) in &days {
            item.add(&day(*number).attribute(), *hits);
            if let Some(visitors) = visitors {
                item.add(&day(*number).uniques_attribute(), *visitors);
            }
        }
        for (back, (hits, visitors)) in &months {
            let month = format!("{:02}{:02}", 26 - back / 12, 12 - back % 12);
            item.add(&format!("m{month}"), *hits);
            if let Some(visitors) = visitors {
                item.add(&format!("w{month}"), *visitors);
            }
        }
        let size = item.size();
        let stale = item.stale(day(today));
        item.numbers.retain(|(name, _)| !stale.contains(name));
        prop_assert!(item.size() <= TRIM_THRESHOLD_BYTES, "{} bytes of {size}", item.size());
        prop_assert!(stale.is_empty() || item.stale(day(today)).is_empty(), "a second trim removes nothing");
        prop_assert_eq!(item.number("hits"), total);
        let newest: Vec<u32> = days.keys().rev().copied().filter(|number| *number > today - DAYS_KEPT).collect();
        for number in newest.iter().take(MIN_DAYS) {
            prop_assert!(!stale.contains(&day(*number).attribute()));
        }
    }
}
