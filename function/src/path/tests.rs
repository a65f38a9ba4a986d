//! Tests of normalising: the examples of the contract, special cases, and properties of all keys.

use proptest::prelude::*;

use super::*;

fn key(raw: &str) -> String {
    normalise(raw).unwrap_or_else(|why| panic!("{raw:?} was rejected: {why}")).into_string()
}

#[test]
fn contract_examples_are_normalised() {
    for (raw, expected) in [
        ("", "/"),
        ("/", "/"),
        ("/index.html", "/"),
        ("//a//b/", "/a/b"),
        ("/a/index.html", "/a"),
        ("/a/?utm_source=x#y", "/a"),
        ("/%7Ebob", "/~bob"),
        ("/caf%c3%a9", "/caf%C3%A9"),
        ("/a%2Fb", "/a%2Fb"),
        ("/a/../b", "/b"),
    ] {
        assert_eq!(key(raw), expected, "{raw:?}");
    }
    assert_eq!(normalise("/%00"), Err(PathError::Control));
}

#[test]
fn one_page_has_one_key() {
    for (raw, expected) in [
        ("/index.htm", "/"),
        ("/index.html/", "/"),
        ("/index.html/index.htm", "/"),
        ("/Index.html", "/Index.html"),
        ("/my-index.html", "/my-index.html"),
        ("/index.html5", "/index.html5"),
        ("/../../a", "/a"),
        ("/a/%2e%2E/b", "/b"),
        ("/a/./b/.", "/a/b"),
        ("/a/b/..", "/a"),
        ("/a//../b", "/b"),
        ("/a%2fb", "/a%2Fb"),
        ("/a#b?c", "/a"),
        ("/a?b#c", "/a"),
        ("/café", "/caf%C3%A9"),
        ("/a b", "/a%20b"),
        ("/a%20b", "/a%20b"),
        ("/100%", "/100%25"),
        ("/100%25", "/100%25"),
        ("/%%341", "/%2541"),
        ("/%zz", "/%25zz"),
        ("/a%", "/a%25"),
        ("/a%4", "/a%254"),
        ("/A/b", "/A/b"),
        ("/a,b;c=d&e+f@g:h", "/a,b;c=d&e+f@g:h"),
        ("/%41%2D%5f", "/A-_"),
    ] {
        assert_eq!(key(raw), expected, "{raw:?}");
    }
}

#[test]
fn urls_keep_their_path() {
    for (raw, expected) in [
        ("https://example.com/a/?q=1", "/a"),
        ("http://example.com", "/"),
        ("HTTPS://Example.com:8443/A/", "/A"),
        ("https://me@example.com/x", "/x"),
        ("https://example.com?x=/y", "/"),
        ("https://example.com#x", "/"),
        ("https://[::1]:8080/x", "/x"),
        ("https://bücher.example/x", "/x"),
        ("https://example.com//a/../b/index.html", "/b"),
    ] {
        assert_eq!(key(raw), expected, "{raw:?}");
    }
    for raw in [
        "https://",
        "https:///x",
        "https://?x",
        "https://a b/x",
        "http://:80/x",
        "https://me@/x",
        "http://a\0/x",
    ] {
        assert_eq!(normalise(raw), Err(PathError::Host), "{raw:?}");
    }
}

#[test]
fn other_strings_count_unchanged() {
    for raw in [
        "home",
        "my page",
        "a//b/",
        "index.html",
        "x?y#z",
        "ftp://host/x",
        "café",
        "50%",
        "mailto:a@b",
        "~",
        "http:/x",
    ] {
        assert_eq!(key(raw), raw);
    }
    assert_eq!(normalise("a\tb"), Err(PathError::Control));
    assert_eq!(normalise("a\u{85}b"), Err(PathError::Control));
}

#[test]
fn misleading_paths_are_rejected() {
    for (raw, why) in [
        ("/a\0", PathError::Control),
        ("/a\n", PathError::Control),
        ("/%0a", PathError::Control),
        ("/%7F", PathError::Control),
        ("/%C2%85", PathError::Control),
        ("/a\\b", PathError::Backslash),
        ("/a%5Cb", PathError::Backslash),
        ("https://example.com\\a", PathError::Backslash),
        ("/%ff", PathError::Encoding),
        ("/%c3", PathError::Encoding),
        ("/%C3/%A9", PathError::Encoding),
        ("/%ED%A0%80", PathError::Encoding),
        ("!", PathError::Reserved),
        ("!lease", PathError::Reserved),
    ] {
        assert_eq!(normalise(raw), Err(why), "{raw:?}");
    }
    // Only paths that begin with `!` are reserved, and removed parts are not checked.
    assert_eq!(key("/!lease"), "/!lease");
    assert_eq!(key("/a?\\\0%ff"), "/a");
}

#[test]
fn length_limit_applies_after_normalising() {
    let fits = format!("/{}", "a".repeat(511));
    assert_eq!(key(&fits), fits);
    assert_eq!(key(&format!("{fits}/?{}", "x".repeat(9000))), fits);
    let long = format!("/{}", "a".repeat(512));
    assert_eq!(normalise(&long), Err(PathError::TooLong { bytes: 513 }));
    assert_eq!(normalise(&"a".repeat(513)), Err(PathError::TooLong { bytes: 513 }));
    assert_eq!(normalise(&format!("/{}", "é".repeat(100))), Err(PathError::TooLong { bytes: 601 }));
}

/// Generates strings that look like paths more often than random text does.
fn pathlike() -> impl Strategy<Value = String> {
    let segment = prop_oneof![
        Just("/".to_owned()),
        Just("..".to_owned()),
        Just(".".to_owned()),
        Just("index.html".to_owned()),
        Just("%".to_owned()),
        Just("https://h".to_owned()),
        "%[0-9a-fA-F]{2}",
        "[a-z]{1,3}",
        any::<char>().prop_map(String::from),
    ];
    proptest::collection::vec(segment, 0..24).prop_map(|segments| segments.concat())
}

proptest! {
    #[test]
    fn normalising_twice_changes_nothing(raw in prop_oneof![pathlike(), any::<String>()]) {
        if let Ok(once) = normalise(&raw) {
            prop_assert_eq!(normalise(once.as_str()), Ok(once.clone()));
        }
    }

    #[test]
    fn keys_are_valid_for_the_table(raw in prop_oneof![pathlike(), ".{0,700}"]) {
        if let Ok(key) = normalise(&raw) {
            prop_assert!((1..=MAX_KEY_BYTES).contains(&key.as_str().len()));
            prop_assert!(!key.as_str().chars().any(char::is_control));
            prop_assert!(!key.as_str().starts_with(RESERVED_PREFIX));
        }
    }

    #[test]
    fn paths_become_plain_ascii(raw in pathlike()) {
        if let Ok(key) = normalise(&format!("/{raw}")) {
            prop_assert!(key.as_str().bytes().all(|byte| byte.is_ascii_graphic()));
            prop_assert!(!key.as_str().contains("//"));
            prop_assert!(key.as_str() == "/" || !key.as_str().ends_with('/'));
        }
    }
}
