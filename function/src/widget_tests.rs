//! Holds the served widget to its readable source and to its size.

use std::io::Write as _;
use std::path::Path;

use super::{QUEUED, SCRIPT};

const SOURCE: &str = include_str!("widget/source.js");

/// Both builds: the mark of their lines, the file, what is served, and the most bytes that it may have compressed.
const BUILDS: [(&str, &str, &str, usize); 2] =
    [("direct", "widget.js", SCRIPT, 550), ("queued", "widget_queued.js", QUEUED, 610)];

#[test]
fn what_is_served_is_the_source_made_small() {
    for (mark, file, script, _) in BUILDS {
        let small = minify(&lines_of(SOURCE, mark));
        if update() {
            let served = Path::new("src").join(file);
            std::fs::write(served, &small).unwrap();
        } else {
            assert_eq!(
                script, small,
                "HITCTL_UPDATE_WIDGET=1 cargo test -p hit-counter widget writes the served one"
            );
        }
    }
}

#[test]
fn the_widget_is_small_and_the_readme_says_how_small() {
    let readme = std::fs::read_to_string("../README.md").unwrap();
    for (_, file, script, most) in BUILDS {
        assert!(script.len() <= 1000, "{file}: {} bytes", script.len());
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        gzip.write_all(script.as_bytes()).unwrap();
        let bytes = gzip.finish().unwrap().len();
        assert!(bytes <= most, "{file}: {bytes} bytes compressed");
        let said = format!("has {} bytes ({bytes} compressed)", script.len());
        assert!(readme.contains(&said), "{file}: the README does not say that it {said}");
    }
}

/// Only what has to differ does: one asks for nothing that the other does not, but for the page's numbers.
#[test]
fn where_hits_go_onto_a_queue_the_numbers_are_asked_for() {
    let asks = |script: &str| script.matches("\"count").count();
    assert_eq!((asks(SCRIPT), asks(QUEUED)), (1, 2));
    assert!(QUEUED.contains("\"count?path=\"+encodeURIComponent("));
    assert!(!SCRIPT.contains("?path"));
}

/// So that it is the same script in whatever encoding a page is.
#[test]
fn the_widget_is_plain_ascii_on_one_line() {
    assert!(BUILDS.iter().flat_map(|build| build.2.bytes()).all(|byte| (b' '..=b'~').contains(&byte)));
}

/// What it must not know: storage, cookies, the referrer, or other hosts.
#[test]
fn the_widget_names_nothing_that_keeps_or_tells() {
    let words = [
        "cookie",
        "localStorage",
        "sessionStorage",
        "indexedDB",
        "caches",
        "referrer",
        "userAgent",
        "screen",
        "http:",
        "https:",
        "eval",
        "innerHTML",
    ];
    for word in words {
        assert!(!SCRIPT.contains(word) && !QUEUED.contains(word), "{word}");
    }
}

#[test]
fn the_minifier_keeps_texts_and_renames_only_variables() {
    let source = "// names: long=l other=o\nlet long = { other: 1 }, // a word\n other = long.other;\n\
                  use(...long, \"a  long\", `b ${long + 1} long`, long ? other : 2);";
    assert_eq!(minify(source), "let l={other:1},o=l.other;use(...l,\"a  long\",`b ${l+1} long`,l?o:2);");
}

/// The source without the lines that only the other build has.
fn lines_of(source: &str, build: &str) -> String {
    let lines = source.split_inclusive('\n');
    lines.filter(|line| line.trim_end().split_once("// only: ").is_none_or(|(_, of)| of == build)).collect()
}

/// The source without comments and spaces, its variables with the names of the line `// names:`.
fn minify(source: &str) -> String {
    let line = source.lines().find_map(|line| line.strip_prefix("// names: ")).expect("the names");
    let names: Vec<(&str, &str)> = line.split(' ').filter_map(|pair| pair.split_once('=')).collect();
    let mut out = String::new();
    let mut rest = source;
    // Whether this is a text that a back-tick began: only its places are code.
    let mut in_text = false;
    while let Some(first) = rest.chars().next() {
        let end = |more: fn(char) -> bool| rest.find(|c| !more(c)).unwrap_or(rest.len());
        let length = match first {
            '`' => {
                in_text = !in_text;
                1
            }
            _ if in_text && rest.starts_with("${") => {
                rest.find('}').expect("the end of a place in a text") + 1
            }
            _ if in_text => first.len_utf8(),
            '/' if rest.starts_with("//") => rest.find('\n').expect("a comment's line"),
            '"' => rest[1..].find('"').expect("the end of a text") + 2,
            c if c.is_whitespace() => end(char::is_whitespace),
            c if is_word(c) => end(is_word),
            c => c.len_utf8(),
        };
        let (token, after) = rest.split_at(length);
        let place = token.strip_prefix("${").and_then(|inner| inner.strip_suffix('}'));
        if let (true, Some(inner)) = (in_text, place) {
            out.push_str("${");
            out.push_str(&minify(&format!("// names: {line}\n{inner}")));
            out.push('}');
        } else if in_text || first == '"' {
            out.push_str(token);
        } else if is_word(first) {
            let is_field = out.ends_with('.') && !out.ends_with("...");
            // The key of an object: what stands between `?` and `:` has a space before the latter.
            let short = names.iter().find(|(long, _)| *long == token).map(|(_, short)| *short);
            let name = short.filter(|_| !is_field && !after.starts_with(':')).unwrap_or(token);
            if out.ends_with(is_word) {
                out.push(' ');
            }
            out.push_str(name);
        } else if !token.starts_with("//") && !first.is_whitespace() {
            out.push_str(token);
        }
        rest = after;
    }
    out
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '$'
}

#[expect(clippy::disallowed_methods, reason = "how the one who changes the source asks for the served file")]
fn update() -> bool {
    std::env::var_os("HITCTL_UPDATE_WIDGET").is_some()
}
