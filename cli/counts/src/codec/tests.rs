//! Tests of the conversion between counts and the table items that the function writes.

use proptest::prelude::*;

use super::*;
use crate::import::ImportOptions;

/// Creates an item from a key, numbers, and the first and last time.
fn item(key: &str, numbers: &[(&str, u64)], times: Option<(&str, &str)>) -> TableItem {
    let item = TableItem::default().with_text(ATTR_PATH, key);
    let item = numbers.iter().fold(item, |item, (name, n)| item.with_number(name, *n));
    match times {
        Some((first, last)) => item.with_text(ATTR_FIRST, first).with_text(ATTR_LAST, last),
        None => item,
    }
}

#[test]
fn decode_items_sorts_rows_and_adds_shards_to_their_paths() {
    let numbers_of_a = [("hits", 3), ("uniques", 2), ("dfzg", 3), ("vfzg", 2), ("m2609", 3), ("w2609", 2)];
    let items = [
        item("/b", &[("hits", 1)], None),
        item("/a", &numbers_of_a, Some(("2026-09-20", "2026-09-20T10:00:00Z"))),
        item("!shard#3#/a", &numbers_of_a, Some(("2026-09-19", "2026-09-21T10:00:00Z"))),
        // A shard of a path without a main item; the path contains a `#`.
        item("!shard#1#/c#d", &[("hits", 5)], None),
        item("!site", &[("uniques", 7), ("vfzg", 4), ("w2609", 7)], None),
        item("!dropped#m2609", &[("bot", 9), ("dup", 1)], None),
        item("!dropped#m2608", &[("bot", 2), ("strict", 4)], None),
        item("!budget", &[("paths", 3), ("dfzg", 3), ("hits", 1)], None),
        item("!import#x#0", &[], None),
        item("no count", &[("visits", 1)], None),
    ];
    let numbers = decode_items(&items);
    let paths: Vec<_> = numbers.counts.iter().map(|row| (row.path.as_str(), row.hits)).collect();
    assert_eq!(paths, [("/a", 6), ("/b", 1), ("/c#d", 5)]);
    let a = &numbers.counts[0];
    assert_eq!(a.uniques, 4);
    assert_eq!((a.first.as_deref(), a.last.as_deref()), (Some("2026-09-19"), Some("2026-09-21T10:00:00Z")));
    let expected = Tally { hits: 6, uniques: 4 };
    assert_eq!(a.days, BTreeMap::from([("2026-09-20".to_owned(), expected)]));
    assert_eq!(a.months, BTreeMap::from([("2026-09".to_owned(), expected)]));
    assert_eq!((numbers.site.hits, numbers.site.uniques), (0, 7));
    assert_eq!(numbers.site.days["2026-09-20"], Tally { hits: 0, uniques: 4 });
    assert_eq!(numbers.dropped["2026-09"], BTreeMap::from([("bot".to_owned(), 9), ("dup".to_owned(), 1)]));
    let august = BTreeMap::from([("bot".to_owned(), 2), ("path".to_owned(), 4)]);
    assert_eq!(numbers.dropped["2026-08"], august, "the attribute `strict` is the reason `path`");
    assert_eq!(decode_path("/a", items[1..3].iter()).as_ref(), Some(a));
    assert_eq!(decode_path("/a", items[8..9].iter()), None);
}

#[test]
fn parse_of_other_attribute_returns_none() {
    for name in
        ["path", "first", "last", "d", "v", "m", "w", "m2600", "m2613", "w26110", "m26", "vXY", "beat"]
    {
        assert_eq!(AttributeMeaning::parse(name), None, "{name}");
    }
    assert_eq!(
        AttributeMeaning::parse("w2612"),
        Some(AttributeMeaning { period: Period::Month("2026-12".to_owned()), is_visitors: true })
    );
}

#[test]
fn counted_path_of_shard_key_is_path() {
    assert_eq!(shard_key("/a#b", 12), "!shard#12#/a#b");
    assert_eq!(counted_path(&shard_key("/a#b", 12)), "/a#b");
    assert_eq!(counted_path("/a"), "/a");
    assert_eq!(counted_path("!budget"), "!budget");
}

#[test]
fn parsed_days_and_months_equal_those_of_function() {
    for number in (10_957..47_482).step_by(13) {
        let day = Day::from_number(number);
        assert_eq!(parse_day(&day.to_string()), Some(day));
        let month = first_day_of_month(&day.to_string()[..7]).map(Day::month_attribute);
        assert_eq!(month, Some(day.month_attribute()));
    }
    for text in ["2026-13-01", "1969-12-31", "x"] {
        assert_eq!(parse_day(text), None, "{text}");
    }
    assert_eq!(first_day_of_month("1999-12"), None);
}

/// Creates the item with the given content.
fn item_of(key: &str, sum: &ItemTotals) -> TableItem {
    let item = TableItem::default().with_text(ATTR_PATH, key);
    let item = sum.numbers.iter().fold(item, |item, (name, n)| item.with_number(name, *n));
    let item = sum.first.iter().fold(item, |item, first| item.with_text(ATTR_FIRST, first));
    sum.last.iter().fold(item, |item, last| item.with_text(ATTR_LAST, last))
}

/// Creates the items of the given counts.
fn items(numbers: &CounterData) -> Vec<TableItem> {
    encode_items(numbers).iter().map(|(key, sum)| item_of(key, sum)).collect()
}

#[test]
fn encode_items_keeps_latest_days_and_months() {
    let tally = Tally { hits: 1, uniques: 1 };
    let days = (0..1_000).map(|n| (Day::from_number(20_000 + n).to_string(), tally)).collect();
    let months = (1..=12).flat_map(|month| (10..30).map(move |year| format!("20{year}-{month:02}")));
    let months = months.map(|month| (month, tally)).collect();
    let row = CountRow { hits: 1_000, days, months, ..CountRow::zero("/") };
    let numbers = CounterData { counts: vec![row], ..CounterData::default() };
    let kept = &decode_items(&items(&numbers)).counts[0];
    assert_eq!((kept.hits, kept.days.len(), kept.months.len()), (1_000, MAX_DAYS, MONTHS_KEPT));
    assert_eq!(kept.days.last_key_value().unwrap().0, &Day::from_number(20_999).to_string());
    assert_eq!(kept.months.first_key_value().unwrap().0, "2027-01");
}

/// Generates counts such as a table may contain.
fn any_numbers() -> impl Strategy<Value = CounterData> {
    let tally = (any::<u32>(), any::<u32>())
        .prop_map(|(hits, uniques)| Tally { hits: hits.into(), uniques: uniques.into() });
    let day = (10_957_u32..47_482).prop_map(|number| Day::from_number(number).to_string());
    let days = prop::collection::btree_map(day.clone(), tally.clone(), 0..=MAX_DAYS);
    let months =
        prop::collection::btree_map(day.clone().prop_map(|day| day[..7].to_owned()), tally, 0..=MONTHS_KEPT);
    let first = prop::option::of(day.clone());
    let last = prop::option::of(day.clone().prop_map(|day| format!("{day}T23:59:59Z")));
    let counts = (0..=MAX_COUNT, 0..=MAX_COUNT, first, last, days.clone(), months.clone()).prop_map(
        |(hits, uniques, first, last, days, months)| CountRow {
            hits,
            uniques,
            first,
            last,
            days,
            months,
            ..CountRow::zero("")
        },
    );
    let path = prop_oneof!["/[a-z]{1,4}", "[a-z\", #]{1,4}[a-z]"];
    let counts = prop::collection::btree_map(path, counts, 0..8).prop_map(|rows| {
        let rows = rows.into_iter().map(|(path, row)| CountRow { path, ..row });
        rows.collect::<Vec<_>>()
    });
    let site = (0..=MAX_COUNT, days, months).prop_map(|(uniques, days, months)| {
        let visitors_only = |tallies: BTreeMap<String, Tally>| -> BTreeMap<String, Tally> {
            let with_visitors = tallies.into_iter().filter(|(_, tally)| tally.uniques > 0);
            with_visitors.map(|(when, tally)| (when, Tally { hits: 0, ..tally })).collect()
        };
        CountRow {
            uniques,
            days: visitors_only(days),
            months: visitors_only(months),
            ..CountRow::zero(KEY_SITE)
        }
    });
    let reasons = prop::collection::btree_map("bot|dup|path", 1..=MAX_COUNT, 1..3);
    let dropped = prop::collection::btree_map(day.prop_map(|day| day[..7].to_owned()), reasons, 0..3);
    (counts, site, dropped).prop_map(|(counts, site, dropped)| CounterData {
        counts,
        site,
        dropped,
        ..CounterData::default()
    })
}

proptest! {
    /// Checks that counts are the same after an export to a file, an import, and a conversion to items and back.
    #[test]
    fn export_and_import_round_trip_keeps_counts(numbers in any_numbers()) {
        let file = crate::export::to_ndjson(&numbers);
        let read = crate::import::parse_counts(file.as_bytes(), None, &ImportOptions::default()).map(|(numbers, _)| numbers);
        let read = read.unwrap_or_default();
        prop_assert_eq!(&read, &numbers);
        prop_assert_eq!(&decode_items(&items(&read)), &numbers);
    }
}
