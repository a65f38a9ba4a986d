//! Checks the served widget against its readable source and its size limits.

use std::io::Write as _;
use std::path::Path;

use super::{QUEUED, SCRIPT};

const SOURCE: &str = include_str!("source.js");

/// Both builds: the name in the source's `// only:` comments, the file, the served script, and its maximum
/// compressed size in bytes.
const BUILDS: [(&str, &str, &str, usize); 2] =
    [("direct", "widget.js", SCRIPT, 550), ("queued", "widget_queued.js", QUEUED, 610)];

#[test]
fn served_script_is_the_minified_source() {
    for (build, file, script, _) in BUILDS {
        let minified = minify(&lines_of(SOURCE, build));
        if should_update() {
            let served = Path::new("src").join(file);
            std::fs::write(served, &minified).unwrap();
        } else {
            assert_eq!(
                script, minified,
                "run `HITCTL_UPDATE_WIDGET=1 cargo test -p hit-counter widget` to update the served file"
            );
        }
    }
}

#[test]
fn widget_size_is_limited_and_matches_the_documentation() {
    let page = std::fs::read_to_string("../docs/embed.md").unwrap();
    let readme = std::fs::read_to_string("../README.md").unwrap();
    for (index, (_, file, script, max)) in BUILDS.into_iter().enumerate() {
        assert!(script.len() <= 1000, "{file}: {} bytes", script.len());
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        gzip.write_all(script.as_bytes()).unwrap();
        let bytes = gzip.finish().unwrap().len();
        assert!(bytes <= max, "{file}: {bytes} bytes compressed");
        let size_text = format!("has {} bytes ({bytes} compressed)", script.len());
        assert!(page.contains(&size_text), "{file}: docs/embed.md does not say that it {size_text}");
        assert!(index > 0 || readme.contains(&size_text), "the README does not say that it {size_text}");
    }
}

/// The builds differ only in the additional request for the page's counts.
#[test]
fn queued_widget_requests_the_counts() {
    let count_requests = |script: &str| script.matches("\"count").count();
    assert_eq!((count_requests(SCRIPT), count_requests(QUEUED)), (1, 2));
    assert!(QUEUED.contains("\"count?path=\"+encodeURIComponent("));
    assert!(!SCRIPT.contains("?path"));
}

/// ASCII is decoded correctly in any encoding of the page.
#[test]
fn widget_is_ascii_on_one_line() {
    assert!(BUILDS.iter().flat_map(|build| build.2.bytes()).all(|byte| (b' '..=b'~').contains(&byte)));
}

/// The script must not use storage, cookies, the referrer or other hosts.
#[test]
fn widget_uses_no_storage_and_no_tracking() {
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
fn minifier_keeps_strings_and_renames_only_variables() {
    let source = "// names: long=l other=o\nlet long = { other: 1 }, // a word\n other = long.other;\n\
                  use(...long, \"a  long\", `b ${long + 1} long`, long ? other : 2);";
    assert_eq!(minify(source), "let l={other:1},o=l.other;use(...l,\"a  long\",`b ${l+1} long`,l?o:2);");
}

/// Returns the source without the lines of the other build.
fn lines_of(source: &str, build: &str) -> String {
    let lines = source.split_inclusive('\n');
    lines.filter(|line| line.trim_end().split_once("// only: ").is_none_or(|(_, of)| of == build)).collect()
}

/// Returns the source without comments and spaces, with its variables renamed by the `// names:` line.
fn minify(source: &str) -> String {
    let line = source.lines().find_map(|line| line.strip_prefix("// names: ")).expect("the names");
    let names: Vec<(&str, &str)> = line.split(' ').filter_map(|pair| pair.split_once('=')).collect();
    let mut out = String::new();
    let mut rest = source;
    // Whether the position is in a template literal, where only the placeholders are code.
    let mut in_text = false;
    while let Some(first) = rest.chars().next() {
        let end = |more: fn(char) -> bool| rest.find(|c| !more(c)).unwrap_or(rest.len());
        let length = match first {
            '`' => {
                in_text = !in_text;
                1
            }
            _ if in_text && rest.starts_with("${") => rest.find('}').expect("the end of a placeholder") + 1,
            _ if in_text => first.len_utf8(),
            '/' if rest.starts_with("//") => rest.find('\n').expect("a comment's line"),
            '"' => rest[1..].find('"').expect("the end of a text") + 2,
            c if c.is_whitespace() => end(char::is_whitespace),
            c if is_word(c) => end(is_word),
            c => c.len_utf8(),
        };
        let (token, after) = rest.split_at(length);
        let expression = token.strip_prefix("${").and_then(|inner| inner.strip_suffix('}'));
        if let (true, Some(inner)) = (in_text, expression) {
            out.push_str("${");
            out.push_str(&minify(&format!("// names: {line}\n{inner}")));
            out.push('}');
        } else if in_text || first == '"' {
            out.push_str(token);
        } else if is_word(first) {
            let is_field = out.ends_with('.') && !out.ends_with("...");
            // A name before a colon is a key of an object and is not renamed. In `a ? b : c`, the space before the
            // colon shows that `b` is a variable.
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

#[expect(clippy::disallowed_methods, reason = "asks whether to update the served files")]
fn should_update() -> bool {
    std::env::var_os("HITCTL_UPDATE_WIDGET").is_some()
}
