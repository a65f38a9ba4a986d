//! Text from outside made safe for a terminal, and made to fit it.
//!
//! Names, log lines and server messages pass through [`clean`] or [`clean_lines`] before they are shown, so that no
//! log can move the cursor, rename the window or hide what follows. Nothing here knows what the text is about.

use std::borrow::Cow;

use hitctl_config::is_unsafe_to_show as is_unsafe;

use super::style::Style;

/// How many columns `text` takes; colour codes take none.
pub(crate) use console::measure_text_width as width;

/// One line without anything that a terminal would obey: control characters become `\n`, `\u{1b}` and so on, and so do
/// invisible characters and those that change the direction of writing.
pub(crate) fn clean(text: &str) -> Cow<'_, str> {
    escaped(text, |c| !is_unsafe(c))
}

fn escaped(text: &str, keeps: impl Fn(char) -> bool) -> Cow<'_, str> {
    if text.chars().all(&keeps) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if keeps(c) {
            out.push(c);
        } else {
            out.extend(c.escape_default());
        }
    }
    Cow::Owned(out)
}

/// Like [`clean`], but line ends stay and tabs become spaces.
pub(crate) fn clean_lines(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace('\t', "    ");
    text.split('\n').map(clean).collect::<Vec<_>>().join("\n")
}

/// A finished text for a terminal, its line ends, tabs and colours kept, and anything else that [`clean`] escapes escaped:
/// for a view that has forgotten to.
pub(crate) fn guard(text: &str) -> Cow<'_, str> {
    let keeps = |c: char| matches!(c, '\n' | '\t') || !is_unsafe(c);
    if text.chars().all(keeps) {
        return Cow::Borrowed(text);
    }
    let mut parts = text.split('\u{1b}');
    let mut out = escaped(parts.next().unwrap_or_default(), keeps).into_owned();
    for part in parts {
        out.push_str(if begins_colour(part) { "\u{1b}" } else { "\\u{1b}" });
        out.push_str(&escaped(part, keeps));
    }
    Cow::Owned(out)
}

/// Whether an escape before `text` sets a colour: `ESC [ .. m`.
fn begins_colour(text: &str) -> bool {
    let end =
        text.strip_prefix('[').map(|rest| rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';'));
    end.is_some_and(|end| end.starts_with('m'))
}

/// `text` in at most `columns` columns, its end cut off when it does not fit. For text without colour codes.
pub(crate) fn truncate(text: &str, columns: usize, style: Style) -> Cow<'_, str> {
    let mark = Some(style.ellipsis()).filter(|mark| width(mark) <= columns);
    console::truncate_str(text, columns, mark.unwrap_or_default())
}

/// `text` with spaces after it up to `columns`.
pub(crate) fn pad(text: &str, columns: usize) -> String {
    format!("{text}{}", " ".repeat(columns.saturating_sub(width(text))))
}

/// `text` with spaces before it up to `columns`.
pub(crate) fn pad_left(text: &str, columns: usize) -> String {
    format!("{}{text}", " ".repeat(columns.saturating_sub(width(text))))
}

/// A head such as `hint:`, and prose after it that is wrapped at words to the width of the terminal, with later lines
/// indented by `indent` spaces. The prose is not [cleaned](clean_lines) here: it may have colours.
///
/// What stands between backquotes is for copying and is never broken.
pub(crate) fn headed(head: &str, body: &str, indent: usize, style: Style) -> String {
    let body = flow(body, width(head) + 1, indent, style);
    let gap = if body.starts_with('\n') { "" } else { " " };
    format!("{head}{gap}{body}")
}

/// Prose without a head, wrapped like that of [`headed`].
pub(crate) fn wrap(text: &str, indent: usize, style: Style) -> String {
    flow(text, 0, indent, style)
}

/// Wraps text whose first line begins after `used` columns.
fn flow(text: &str, used: usize, indent: usize, style: Style) -> String {
    let columns = style.columns();
    let new_line = format!("\n{:indent$}", "");
    let mut out = String::new();
    let mut at = used;
    for (n, line) in text.split('\n').enumerate() {
        if n > 0 && line.is_empty() {
            // Nothing to indent.
            out.push('\n');
            at = indent;
            continue;
        }
        if n > 0 {
            out.push_str(&new_line);
            at = indent;
        }
        let mut gap = 0;
        for word in words(line) {
            let w = width(word);
            // A word that fits nowhere still gets a line of its own.
            if at + gap + w > columns && at > indent {
                out.push_str(&new_line);
                at = indent;
            } else if gap > 0 {
                out.push(' ');
                at += 1;
            }
            out.push_str(word);
            at += w;
            gap = 1;
        }
    }
    out
}

/// Splits at single spaces, but not between backquotes.
fn words(line: &str) -> impl Iterator<Item = &str> {
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

    const ASCII: Style = Style { unicode: false, ..Style::PLAIN };

    #[test]
    fn nothing_that_a_terminal_obeys_passes() {
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
    fn finished_text_keeps_colours_and_lines_and_nothing_else_that_is_obeyed() {
        let fine = "\u{1b}[1;32mcreated\u{1b}[0m\ta\n";
        assert!(matches!(guard("plain\ta\n"), Cow::Borrowed(_)));
        assert_eq!(guard(fine), fine);
        assert_eq!(guard("\u{1b}[2Ja\u{202e}\r\u{1b}"), "\\u{1b}[2Ja\\u{202e}\\r\\u{1b}");
    }

    #[test]
    fn widths_are_columns() {
        assert_eq!(width("abc"), 3);
        assert_eq!(width("数え"), 4);
        assert_eq!(width("\u{1b}[32mabc\u{1b}[0m"), 3);
        assert_eq!(pad("数", 4), "数  ");
        assert_eq!(pad_left("7", 3), "  7");
    }

    #[test]
    fn long_text_is_cut_to_fit() {
        assert_eq!(truncate("abcdef", 6, Style::PLAIN), "abcdef");
        assert_eq!(truncate("abcdef", 5, Style::PLAIN), "abcd…");
        assert_eq!(truncate("abcdef", 5, ASCII), "ab...");
        assert_eq!(truncate("数数数", 5, Style::PLAIN), "数数…");
        assert_eq!(truncate("数数数", 4, Style::PLAIN), "数…");
        assert_eq!(truncate("abc", 0, Style::PLAIN), "");
    }

    #[test]
    fn prose_wraps_at_words_and_never_in_a_command() {
        let narrow = Style { width: Some(40), ..Style::PLAIN };
        insta::assert_snapshot!(
            wrap("hint: the table is kept. Run `hitctl destroy --env local --delete-data` to remove it too.", 6, narrow),
            @r"
        hint: the table is kept. Run
              `hitctl destroy --env local --delete-data`
              to remove it too.
        "
        );
        assert_eq!(wrap("one\ntwo", 2, Style::PLAIN), "one\n  two");
    }
}
