//! Fuzzes path normalising: a path is rejected, or its key is valid and normalising it again changes nothing.

#![no_main]

use hit_counter::path::{PathError, normalise, normalise_keeping};
use hitctl_config::contract::{MAX_KEY_BYTES, RESERVED_PREFIX};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    check_kept_parameters(text);
    let key = match normalise(text) {
        Ok(key) => key,
        Err(PathError::TooLong { bytes }) => {
            assert!(bytes > MAX_KEY_BYTES, "{bytes} bytes are within the limit");
            return;
        }
        Err(_) => return,
    };
    let name = key.as_str();
    assert!((1..=MAX_KEY_BYTES).contains(&name.len()), "{} bytes", name.len());
    assert!(!name.starts_with(RESERVED_PREFIX), "a reserved key");
    assert!(!name.chars().any(char::is_control), "a control character");
    assert_eq!(normalise(name).as_ref(), Ok(&key), "not idempotent");
    if let Some(segments) = name.strip_prefix('/') {
        assert!(name.bytes().all(|byte| byte.is_ascii_graphic()), "not plain ASCII: {name}");
        assert!(name == "/" || !name.ends_with('/'), "a slash at the end");
        for segment in segments.split('/').filter(|_| name != "/") {
            assert!(!matches!(segment, "" | "." | ".."), "a segment {segment:?}");
        }
        for same in [format!("{name}?a=b"), format!("{name}#a"), format!("https://host.example{name}")] {
            assert_eq!(normalise(&same).as_ref(), Ok(&key), "{same} has another key");
        }
    }
});

/// Checks that a key with query parameters is valid, and that normalising it again changes nothing.
fn check_kept_parameters(text: &str) {
    let keep = ["id", "pé"].map(str::to_owned);
    if let Ok(key) = normalise_keeping(text, &keep) {
        let name = key.as_str();
        assert!((1..=MAX_KEY_BYTES).contains(&name.len()), "{} bytes", name.len());
        assert!(!name.chars().any(char::is_control), "a control character");
        assert_eq!(normalise_keeping(name, &keep).as_ref(), Ok(&key), "not idempotent");
    }
}
