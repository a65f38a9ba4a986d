//! Any text as a query string: it is parsed or refused, and what it says is what was meant.

#![no_main]

use std::fmt::Write as _;

use hit_counter::query::Query;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let parsed = Query::parse(text);
    let pairs = text.split('&').count();
    if let Ok(query) = &parsed {
        assert!(query.all("path").count() <= pairs, "more values than pairs");
    }
    // A query is as good as each of its halves.
    if let Some((head, tail)) = text.split_once('&') {
        let halves = Query::parse(head).is_ok() && Query::parse(tail).is_ok();
        assert_eq!(parsed.is_ok(), halves, "the parts disagree with the whole");
    }
    // Whatever a client encodes, it gets.
    let mut encoded = String::from("x&path=");
    for byte in text.bytes() {
        write!(encoded, "%{byte:02x}").expect("writing to a string");
    }
    encoded.push_str("&path");
    let back = Query::parse(&encoded).expect("percent-encoded UTF-8 is a query");
    assert_eq!(back.all("path").collect::<Vec<_>>(), [text, ""]);
});
