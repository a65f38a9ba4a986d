//! Tests the store contract on the store in memory: budgets during a flood, and visitors compared with a
//! naive model.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::path::normalise;

const NOON: u64 = 1_789_898_400_000;
const DAY_MS: u64 = 86_400_000;

fn on(day: u64) -> Moment {
    Moment::from_millis(NOON + day * DAY_MS)
}

#[test]
fn flood_of_a_million_paths_stays_within_the_budget() {
    let mut table = MemoryStore::default();
    let paths = PathAdmission::Budget { new_per_day: 1000, max_total: 2500 };
    let known = normalise("/").unwrap();
    table.add(&Hit::one(known.clone(), on(0)), paths).unwrap();
    let mut counted = 0;
    for n in 0..1_000_000_u64 {
        let key = normalise(&format!("/{n:x}")).unwrap();
        counted +=
            u64::from(table.add(&Hit::one(key, on(n / 250_000)), paths) != Ok(AddResult::BudgetExhausted));
    }
    assert_eq!(counted, 2499, "999 on the first day, 1000 on the second, 500 on the third");
    assert_eq!(table.items().count(), 2500);
    let Ok(AddResult::Counted(counts)) = table.add(&Hit::one(known, on(3)), paths) else {
        panic!("expected a known path to count")
    };
    assert_eq!(counts.hits, 2);
    assert_eq!(table.raw("!budget").unwrap().number("paths"), 2500);
    assert!(table.largest_write() < 100);
}

proptest! {
    #[test]
    fn visitors_are_counted_as_in_a_naive_model(
        visits in prop::collection::vec((0..6_u8, 0..4_u8, 0..45_u64), 0..200),
    ) {
        let mut table = MemoryStore::default();
        let (mut pages, mut site) = (BTreeSet::new(), BTreeSet::new());
        let mut visits = visits;
        visits.sort_by_key(|(_, _, day)| *day);
        for (visitor_number, page, day) in &visits {
            let key = normalise(&format!("/{page}")).unwrap();
            let visitor = Visitor::new(&format!("203.0.113.{visitor_number}"), "x").unwrap();
            let new_visitor = table.record_visitor(&visitor, &key, on(*day)).unwrap();
            let expected = NewVisitor { page: pages.insert((*page, *day, *visitor_number)), site: site.insert((*day, *visitor_number)) };
            prop_assert_eq!(new_visitor, expected);
            table.add(&Hit::one(key, on(*day)).with_new_visitor(new_visitor.page), PathAdmission::Open).unwrap();
        }
        let last = visits.last().map_or(0, |(_, _, day)| *day);
        let read = table.pages(on(last).day()).unwrap();
        prop_assert_eq!(read.site.hits, visits.len() as u64);
        prop_assert_eq!(read.site.uniques, site.len() as u64);
        prop_assert_eq!(read.site.uniques_today, site.iter().filter(|(day, _)| *day == last).count() as u64);
        for (path, counts) in &read.list {
            let of_page = |(page, _, _): &&(u8, u64, u8)| format!("/{page}") == *path;
            prop_assert_eq!(counts.uniques, pages.iter().filter(of_page).count() as u64);
            let today = pages.iter().filter(of_page).filter(|(_, day, _)| *day == last);
            prop_assert_eq!(counts.uniques_today, today.count() as u64);
        }
        let months: u64 = table.history(None).unwrap().numbers.iter()
            .filter(|(name, _)| name.starts_with('w')).map(|(_, n)| *n).sum();
        prop_assert_eq!(months, site.len() as u64, "each month is the sum of its days");
    }
}
