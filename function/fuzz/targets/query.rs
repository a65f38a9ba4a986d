//! Fuzzes query strings: a string is parsed or rejected, and encoded values are decoded unchanged.

#![no_main]

use std::fmt::Write as _;

use hit_counter::query::QueryParams;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let parsed = QueryParams::parse(text);
    let pairs = text.split('&').count();
    if let Ok(query) = &parsed {
        assert!(query.all("path").count() <= pairs, "more values than pairs");
    }
    // A query is valid if and only if both of its halves are.
    if let Some((head, tail)) = text.split_once('&') {
        let halves = QueryParams::parse(head).is_ok() && QueryParams::parse(tail).is_ok();
        assert_eq!(parsed.is_ok(), halves, "the whole string and its halves differ");
    }
    // Any value that a client encodes is decoded unchanged.
    let mut encoded = String::from("x&path=");
    for byte in text.bytes() {
        write!(encoded, "%{byte:02x}").expect("writing to a string");
    }
    encoded.push_str("&path");
    let back = QueryParams::parse(&encoded).expect("percent-encoded UTF-8 is a query");
    assert_eq!(back.all("path").collect::<Vec<_>>(), [text, ""]);
});
