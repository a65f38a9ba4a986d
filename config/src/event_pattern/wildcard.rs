//! Wildcard patterns: `*` matches any characters; `\*` and `\\` match a literal star and backslash.

use regex_lite::Regex;

/// Converts a wildcard pattern to a regular expression. The error is a lower-case fragment.
pub(super) fn parse(text: &str) -> Result<Regex, &'static str> {
    let mut pattern = String::from("(?s)^");
    let mut chars = text.chars();
    let mut after_star = false;
    while let Some(c) = chars.next() {
        match c {
            '*' if after_star => return Err("expected single stars in `wildcard`, found `**`"),
            '*' => pattern.push_str(".*"),
            '\\' => match chars.next() {
                Some(escaped @ ('*' | '\\')) => pattern.extend(['\\', escaped]),
                _ => {
                    return Err(
                        "expected `*` or a backslash after each backslash in `wildcard`, found neither",
                    );
                }
            },
            c => pattern.push_str(&regex_lite::escape(c.encode_utf8(&mut [0; 4]))),
        }
        after_star = c == '*';
    }
    pattern.push('$');
    Regex::new(&pattern).map_err(|_| "expected a shorter string in `wildcard`")
}
