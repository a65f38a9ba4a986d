//! Wildcards: `*` stands for any characters; `\*` and `\\` for a star and a backslash.

use regex_lite::Regex;

/// Reads a wildcard; an error is a fragment that says what is wrong.
pub(super) fn parse(text: &str) -> Result<Regex, &'static str> {
    let mut pattern = String::from("(?s)^");
    let mut letters = text.chars();
    let mut after_star = false;
    while let Some(letter) = letters.next() {
        match letter {
            '*' if after_star => return Err("a wildcard cannot have two stars side by side"),
            '*' => pattern.push_str(".*"),
            '\\' => match letters.next() {
                Some(escaped @ ('*' | '\\')) => pattern.extend(['\\', escaped]),
                _ => return Err("in a wildcard a backslash stands before `*` or another backslash only"),
            },
            letter => pattern.push_str(&regex_lite::escape(letter.encode_utf8(&mut [0; 4]))),
        }
        after_star = letter == '*';
    }
    pattern.push('$');
    Regex::new(&pattern).map_err(|_| "the wildcard is too large")
}
