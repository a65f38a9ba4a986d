//! Items as the function writes them, read as numbers.

use std::collections::HashMap;

use super::*;
use crate::cloud::table::{number, text};

/// An item: a key, numbers, and the first and the last time.
pub(crate) fn item(key: &str, numbers: &[(&str, u64)], times: Option<(&str, &str)>) -> Item {
    let mut item = HashMap::from([(ATTR_PATH.to_owned(), text(key))]);
    item.extend(numbers.iter().map(|(name, n)| ((*name).to_owned(), number(*n))));
    if let Some((first, last)) = times {
        item.insert(ATTR_FIRST.to_owned(), text(first));
        item.insert(ATTR_LAST.to_owned(), text(last));
    }
    item
}

#[test]
fn items_are_sorted_and_shards_belong_to_their_paths() {
    let of_a = [("hits", 3), ("uniques", 2), ("dfzg", 3), ("vfzg", 2), ("m2609", 3), ("w2609", 2)];
    let items = [
        item("/b", &[("hits", 1)], None),
        item("/a", &of_a, Some(("2026-09-20", "2026-09-20T10:00:00Z"))),
        item("!shard#3#/a", &of_a, Some(("2026-09-19", "2026-09-21T10:00:00Z"))),
        // Of a path that has nothing else, and of one with a mark in its name.
        item("!shard#1#/c#d", &[("hits", 5)], None),
        item("!site", &[("uniques", 7), ("vfzg", 4), ("w2609", 7)], None),
        item("!dropped#m2609", &[("bot", 9), ("dup", 1)], None),
        item("!dropped#m2608", &[("bot", 2), ("strict", 4)], None),
        item("!budget", &[("paths", 3), ("dfzg", 3), ("hits", 1)], None),
        item("!import#x#0", &[], None),
        item("no count", &[("visits", 1)], None),
    ];
    let numbers = sorted(&items);
    let paths: Vec<_> = numbers.counts.iter().map(|row| (row.path.as_str(), row.hits)).collect();
    assert_eq!(paths, [("/a", 6), ("/b", 1), ("/c#d", 5)]);
    let a = &numbers.counts[0];
    assert_eq!(a.uniques, 4);
    assert_eq!((a.first.as_deref(), a.last.as_deref()), (Some("2026-09-19"), Some("2026-09-21T10:00:00Z")));
    let both = Tally { hits: 6, uniques: 4 };
    assert_eq!(a.days, BTreeMap::from([("2026-09-20".to_owned(), both)]));
    assert_eq!(a.months, BTreeMap::from([("2026-09".to_owned(), both)]));
    assert_eq!((numbers.site.hits, numbers.site.uniques), (0, 7));
    assert_eq!(numbers.site.days["2026-09-20"], Tally { hits: 0, uniques: 4 });
    assert_eq!(numbers.dropped["2026-09"], BTreeMap::from([("bot".to_owned(), 9), ("dup".to_owned(), 1)]));
    let august = BTreeMap::from([("bot".to_owned(), 2), ("path".to_owned(), 4)]);
    assert_eq!(numbers.dropped["2026-08"], august, "the table's key has the name `path`");
    assert_eq!(row("/a", &items[1..3]).as_ref(), Some(a));
    assert_eq!(row("/a", &items[8..9]), None);
}

#[test]
fn other_attributes_count_nothing() {
    for name in
        ["path", "first", "last", "d", "v", "m", "w", "m2600", "m2613", "w26110", "m26", "vXY", "beat"]
    {
        assert_eq!(Meaning::of(name), None, "{name}");
    }
    assert_eq!(
        Meaning::of("w2612"),
        Some(Meaning { when: When::Month("2026-12".to_owned()), visitors: true })
    );
}

#[test]
fn a_shards_key_names_its_path() {
    assert_eq!(shard_key("/a#b", 12), "!shard#12#/a#b");
    assert_eq!(owner(&shard_key("/a#b", 12)), "/a#b");
    assert_eq!(owner("/a"), "/a");
    assert_eq!(owner("!budget"), "!budget");
}
