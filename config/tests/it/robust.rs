//! Whatever is in the file, the loader answers: it does not panic, overflow the stack, or take long.

use std::time::{Duration, Instant};

use hitctl_config::{Overrides, load};
use proptest::prelude::*;

fn answers(text: String) {
    let start = Instant::now();
    let result = load(Some(("hitctl.toml".into(), text)), None, &Overrides::new());
    let text = match result {
        Ok(loaded) => loaded.show(true, &crate::KEY),
        Err(errors) => errors.to_string(),
    };
    assert!(!text.is_empty());
    assert!(start.elapsed() < Duration::from_secs(20), "took {:?}", start.elapsed());
}

/// Pieces that make a text look like a configuration more often than chance does.
fn piece() -> impl Strategy<Value = String> {
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
    fn no_bytes_are_too_strange(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        answers(String::from_utf8_lossy(&bytes).into_owned());
    }

    #[test]
    fn no_pieces_are_too_strange(pieces in prop::collection::vec(piece(), 0..40)) {
        answers(pieces.concat());
    }
}

#[test]
fn deep_nesting_is_answered() {
    for text in [
        format!("events.pattern = {}{}", "[".repeat(50_000), "]".repeat(50_000)),
        format!("events.pattern = {}1{}", "{a=".repeat(50_000), "}".repeat(50_000)),
        format!("{}a = 1", "a.".repeat(450_000)),
        format!("events.pattern.{}a = [1]", "a.".repeat(450_000)),
        format!("[env.prod.events.pattern.{}a]", "a.".repeat(450_000)),
    ] {
        answers(text);
    }
}

#[test]
fn nothing_but_mistakes_is_answered_soon() {
    let numbered = |line: fn(usize) -> String| (0..20_000).map(line).collect::<String>();
    answers(numbered(|n| format!("memory{n} = 1\n")));
    answers(numbered(|n| format!("[env.a{n}]\n")));
    answers(format!("[function.environment]\n{}", numbered(|n| format!("NAME{n} = 's3cret'\n"))));
    answers(format!("[function.environment]\n{}", numbered(|n| format!("NAME{n} = {n}\n"))));
    answers(format!("http.allow_origins = [{}]", "'*',".repeat(50_000)));
    answers(format!("http.allow_origins = [{}]", "1,".repeat(200_000)));
    answers(format!("app = '{}'", "a".repeat(900_000)));
    answers(format!("{} = 1", "a".repeat(900_000)));
    answers("= \n".repeat(100_000));
}
