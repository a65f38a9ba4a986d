//! Makes text from outside safe for a terminal, and wraps or truncates it.
//!
//! Names, log lines and server messages pass through [`clean`] or [`clean_lines`] before they are shown. They then
//! cannot move the cursor, rename the window, or hide the following text.

use std::borrow::Cow;

use hit_counter::path;
use hitctl_config::is_unsafe_to_show as is_unsafe;

use super::style::TextStyle;

/// Returns the width of a text in columns. Colour codes have no width.
pub(crate) use console::measure_text_width as width;

/// Escapes characters of one line that a terminal would interpret. Control characters become `\n`, `\u{1b}`
/// and so on. Invisible characters, and those that change the direction of writing, are escaped too.
pub(crate) fn clean(text: &str) -> Cow<'_, str> {
    escaped(text, |c| !is_unsafe(c))
}

/// Escapes the characters for which `is_kept` returns false.
fn escaped(text: &str, is_kept: impl Fn(char) -> bool) -> Cow<'_, str> {
    if text.chars().all(&is_kept) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if is_kept(c) {
            out.push(c);
        } else {
            out.extend(c.escape_default());
        }
    }
    Cow::Owned(out)
}

/// Returns the key of a path in readable form: `/caf%C3%A9` becomes `/café`. The commands accept both forms. Only
/// characters outside ASCII are decoded, so that the result still has the same key.
pub fn readable_path(key: &str) -> Cow<'_, str> {
    if !key.starts_with('/') {
        return clean(key);
    }
    let text = path::readable(key);
    if text.chars().all(|c| !is_unsafe(c)) {
        return text;
    }
    // Characters that are unsafe on a terminal remain encoded.
    let encode_unsafe = |c: char| {
        if c.is_ascii() || !is_unsafe(c) {
            c.to_string()
        } else {
            path::percent_encoded(c.encode_utf8(&mut [0; 4]), &[])
        }
    };
    clean(&text.chars().map(encode_unsafe).collect::<String>()).into_owned().into()
}

/// Escapes like [`clean`], but keeps line ends and replaces tabs by spaces.
pub(crate) fn clean_lines(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace('\t', "    ");
    text.split('\n').map(clean).collect::<Vec<_>>().join("\n")
}

/// Escapes a rendered text like [`clean`], but keeps line ends, tabs and colours. This protects the terminal even if a
/// view did not escape its texts.
pub(crate) fn clean_rendered(text: &str) -> Cow<'_, str> {
    let is_kept = |c: char| matches!(c, '\n' | '\t') || !is_unsafe(c);
    if text.chars().all(is_kept) {
        return Cow::Borrowed(text);
    }
    let mut parts = text.split('\u{1b}');
    let mut out = escaped(parts.next().unwrap_or_default(), is_kept).into_owned();
    for part in parts {
        out.push_str(if starts_with_colour(part) { "\u{1b}" } else { "\\u{1b}" });
        out.push_str(&escaped(part, is_kept));
    }
    Cow::Owned(out)
}

/// Whether `text`, which follows an escape character, begins with a colour code: `[`, digits and `;`, `m`.
fn starts_with_colour(text: &str) -> bool {
    let end =
        text.strip_prefix('[').map(|rest| rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';'));
    end.is_some_and(|end| end.starts_with('m'))
}

/// Returns a text that contains colours as the stream shows it: without them if it has no colour.
pub(crate) fn with_colour(text: &str, style: TextStyle) -> Cow<'_, str> {
    if style.color { text.into() } else { console::strip_ansi_codes(text) }
}

/// Truncates a text without colour codes to at most `columns` columns.
pub(crate) fn truncate(text: &str, columns: usize, style: TextStyle) -> Cow<'_, str> {
    let ellipsis = Some(style.ellipsis()).filter(|ellipsis| width(ellipsis) <= columns);
    console::truncate_str(text, columns, ellipsis.unwrap_or_default())
}

/// Pads a text with trailing spaces to `columns`.
pub(crate) fn pad(text: &str, columns: usize) -> String {
    format!("{text}{}", " ".repeat(columns.saturating_sub(width(text))))
}

/// Pads a text with leading spaces to `columns`.
pub(crate) fn pad_left(text: &str, columns: usize) -> String {
    format!("{}{text}", " ".repeat(columns.saturating_sub(width(text))))
}

/// Renders a head such as `hint:` followed by prose. The prose is wrapped to the width of the terminal, and
/// later lines are indented by `indent` spaces. It is not [cleaned](clean_lines) here, because it may contain
/// colours.
///
/// Text between backquotes is for copying and is never broken.
pub(crate) fn wrap_after_head(head: &str, body: &str, indent: usize, style: TextStyle) -> String {
    let body = wrap_from(body, width(head) + 1, indent, style);
    let gap = if body.starts_with('\n') { "" } else { " " };
    format!("{head}{gap}{body}")
}

/// Wraps prose without a head, like [`wrap_after_head`].
pub(crate) fn wrap(text: &str, indent: usize, style: TextStyle) -> String {
    wrap_from(text, 0, indent, style)
}

/// Wraps a value whose first line begins after `used` columns. Words that are wider than a line are broken, so that
/// the whole value is shown.
pub(crate) fn wrap_value(value: &str, used: usize, indent: usize, style: TextStyle) -> String {
    let available = style.columns().saturating_sub(indent).max(1);
    let words: Vec<String> = value.split(' ').map(|word| break_word(word, available)).collect();
    wrap_from(&words.join(" "), used, indent, style)
}

/// Breaks a word into lines of at most `columns` columns, after a `:` or `/` where possible, as in ARNs and URLs.
fn break_word(word: &str, columns: usize) -> String {
    let (mut out, mut line) = (String::new(), String::new());
    for c in word.chars() {
        if width(&line) + width(c.encode_utf8(&mut [0; 4])) > columns {
            let end = line.rfind([':', '/']).map_or(line.len(), |at| at + 1);
            let rest = line.split_off(end);
            out.push_str(&line);
            out.push('\n');
            line = rest;
        }
        line.push(c);
    }
    out + &line
}

/// Wraps a text whose first line begins after `used` columns.
fn wrap_from(text: &str, used: usize, indent: usize, style: TextStyle) -> String {
    let columns = style.columns();
    let new_line = format!("\n{:indent$}", "");
    let mut out = String::new();
    let mut column = used;
    for (n, line) in text.split('\n').enumerate() {
        if n > 0 && line.is_empty() {
            // An empty line needs no indent.
            out.push('\n');
            column = indent;
            continue;
        }
        if n > 0 {
            out.push_str(&new_line);
            column = indent;
        }
        let mut gap = 0;
        for word in split_words(line) {
            let word_width = width(word);
            // A word that is too long for any line gets a line of its own.
            if column + gap + word_width > columns && column > indent {
                out.push_str(&new_line);
                column = indent;
            } else if gap > 0 {
                out.push(' ');
                column += 1;
            }
            out.push_str(word);
            column += word_width;
            gap = 1;
        }
    }
    out
}

/// Splits at single spaces, but not between backquotes.
fn split_words(line: &str) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    line.split(move |c: char| {
        if c == '`' {
            quoted = !quoted;
        }
        c == ' ' && !quoted
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASCII: TextStyle = TextStyle { unicode: false, ..TextStyle::PLAIN };

    #[test]
    fn clean_escapes_control_and_invisible_characters() {
        assert_eq!(clean("plain é 数"), "plain é 数");
        assert_eq!(clean("\u{1b}]0;owned\u{7}\u{1b}[2J"), "\\u{1b}]0;owned\\u{7}\\u{1b}[2J");
        assert_eq!(clean("a\r\nb\0\u{9b}"), "a\\r\\nb\\u{0}\\u{9b}");
        assert_eq!(clean("abc\u{202e}fdp.exe"), "abc\\u{202e}fdp.exe");
        assert_eq!(clean("pay\u{200b}pal\u{61c}\u{e0041}"), "pay\\u{200b}pal\\u{61c}\\u{e0041}");
        assert_eq!(clean_lines("a\u{2060}\nb\u{3164}"), "a\\u{2060}\nb\\u{3164}");
        let kept = "\u{1f469}\u{200d}\u{1f680} \u{2764}\u{fe0f} \u{645}\u{6cc}\u{200c}\u{62e}";
        assert_eq!(clean(kept), kept);
        assert_eq!(clean_lines("a\r\nb\tc\u{1b}\rd"), "a\nb    c\\u{1b}\\rd");
        let all: String = (0..0x300).filter_map(char::from_u32).collect();
        assert!(clean(&all).chars().all(|c| !c.is_control()));
    }

    #[test]
    fn readable_path_decodes_only_characters_outside_ascii() {
        assert_eq!(readable_path("/%C3%BCber-mich"), "/über-mich");
        assert_eq!(readable_path("/a%20b%2Fc%25?q=%E6%95%B0"), "/a%20b%2Fc%25?q=数");
        assert_eq!(readable_path("/%E2%80%AEtxt%FF"), "/%E2%80%AEtxt%FF");
        assert_eq!(readable_path("/%E2%80%AEtxt%C3%A9"), "/%E2%80%AEtxté");
        assert_eq!(readable_path("caf%C3%A9"), "caf%C3%A9");
    }

    proptest::proptest! {
        #[test]
        fn readable_path_has_same_key(written in "/\\PC{0,24}") {
            if let Ok(key) = path::normalise(&written) {
                let readable = readable_path(key.as_str()).into_owned();
                proptest::prop_assert_eq!(path::normalise(&readable), Ok(key));
            }
        }
    }

    #[test]
    fn clean_rendered_keeps_only_colours_and_line_ends() {
        let coloured = "\u{1b}[1;32mcreated\u{1b}[0m\ta\n";
        assert!(matches!(clean_rendered("plain\ta\n"), Cow::Borrowed(_)));
        assert_eq!(clean_rendered(coloured), coloured);
        assert_eq!(clean_rendered("\u{1b}[2Ja\u{202e}\r\u{1b}"), "\\u{1b}[2Ja\\u{202e}\\r\\u{1b}");
    }

    #[test]
    fn width_counts_terminal_columns() {
        assert_eq!(width("abc"), 3);
        assert_eq!(width("数え"), 4);
        assert_eq!(width("\u{1b}[32mabc\u{1b}[0m"), 3);
        assert_eq!(pad("数", 4), "数  ");
        assert_eq!(pad_left("7", 3), "  7");
    }

    #[test]
    fn truncate_cuts_text_to_columns() {
        assert_eq!(truncate("abcdef", 6, TextStyle::PLAIN), "abcdef");
        assert_eq!(truncate("abcdef", 5, TextStyle::PLAIN), "abcd…");
        assert_eq!(truncate("abcdef", 5, ASCII), "ab...");
        assert_eq!(truncate("数数数", 5, TextStyle::PLAIN), "数数…");
        assert_eq!(truncate("数数数", 4, TextStyle::PLAIN), "数…");
        assert_eq!(truncate("abc", 0, TextStyle::PLAIN), "");
    }

    #[test]
    fn wrap_breaks_at_words_but_not_within_backquotes() {
        let narrow = TextStyle { width: Some(40), ..TextStyle::PLAIN };
        insta::assert_snapshot!(
            wrap("hint: the table is kept. Run `hitctl destroy --env local --delete-data` to remove it too.", 6, narrow),
            @r"
        hint: the table is kept. Run
              `hitctl destroy --env local --delete-data`
              to remove it too.
        "
        );
        assert_eq!(wrap("one\ntwo", 2, TextStyle::PLAIN), "one\n  two");
    }
}
