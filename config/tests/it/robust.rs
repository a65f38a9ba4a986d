//! Tests that the loader returns for any input, without a panic, a stack overflow or a long run.

use std::time::{Duration, Instant};

use hitctl_config::{Overrides, load};
use proptest::prelude::*;

/// Loads `text` and shows the result. Fails if this takes more than 20 s.
fn assert_load_returns(text: String) {
    let start = Instant::now();
    let result = load(Some(("hitctl.toml".into(), text)), None, &Overrides::new());
    let text = match result {
        Ok(loaded) => loaded.show(true, &crate::KEY),
        Err(errors) => errors.to_string(),
    };
    assert!(!text.is_empty());
    assert!(start.elapsed() < Duration::from_secs(20), "took {:?}", start.elapsed());
}

/// Generates fragments that make a text resemble a configuration more often than random text does.
fn fragment() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("\n".to_owned()),
        Just(" = ".to_owned()),
        Just("[function]\n".to_owned()),
        Just("[env.prod.function]\n".to_owned()),
        Just("[events]\n".to_owned()),
        Just("environment".to_owned()),
        Just("memory_mb".to_owned()),
        Just("pattern".to_owned()),
        Just("allow_origins".to_owned()),
        Just("{ a = [".to_owned()),
        Just("] }".to_owned()),
        Just("\"\u{fc}\t".to_owned()),
        Just("\"\"\"".to_owned()),
        Just("1e999".to_owned()),
        Just("0xffffffffffffffffff".to_owned()),
        Just("\u{feff}".to_owned()),
        Just("\r\n".to_owned()),
        Just("\0".to_owned()),
        "[a-z_.]{1,8}",
        any::<char>().prop_map(String::from),
    ]
}

proptest! {
    #[test]
    fn load_of_random_bytes_returns(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        assert_load_returns(String::from_utf8_lossy(&bytes).into_owned());
    }

    #[test]
    fn load_of_random_fragments_returns(fragments in prop::collection::vec(fragment(), 0..40)) {
        assert_load_returns(fragments.concat());
    }
}

#[test]
fn load_of_deeply_nested_file_returns() {
    for text in [
        format!("events.pattern = {}{}", "[".repeat(50_000), "]".repeat(50_000)),
        format!("events.pattern = {}1{}", "{a=".repeat(50_000), "}".repeat(50_000)),
        format!("{}a = 1", "a.".repeat(450_000)),
        format!("events.pattern.{}a = [1]", "a.".repeat(450_000)),
        format!("[env.prod.events.pattern.{}a]", "a.".repeat(450_000)),
    ] {
        assert_load_returns(text);
    }
}

#[test]
fn load_of_file_full_of_errors_is_fast() {
    let numbered = |line: fn(usize) -> String| (0..20_000).map(line).collect::<String>();
    assert_load_returns(numbered(|n| format!("memory{n} = 1\n")));
    assert_load_returns(numbered(|n| format!("[env.a{n}]\n")));
    assert_load_returns(format!("[function.environment]\n{}", numbered(|n| format!("NAME{n} = 's3cret'\n"))));
    assert_load_returns(format!("[function.environment]\n{}", numbered(|n| format!("NAME{n} = {n}\n"))));
    assert_load_returns(format!("http.allow_origins = [{}]", "'*',".repeat(50_000)));
    assert_load_returns(format!("http.allow_origins = [{}]", "1,".repeat(200_000)));
    assert_load_returns(format!("app = '{}'", "a".repeat(900_000)));
    assert_load_returns(format!("{} = 1", "a".repeat(900_000)));
    assert_load_returns("= \n".repeat(100_000));
}
