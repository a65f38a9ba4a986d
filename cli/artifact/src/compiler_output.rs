//! Shortens the output of cargo and rustc to the lines that explain a failure.

use std::collections::VecDeque;

/// The maximum number of lines kept from the first error on.
const MAX_ERROR_LINES: usize = 60;
/// The number of last lines kept if there is no error line.
const MAX_OTHER_LINES: usize = 15;
/// The maximum number of characters kept of a line.
const MAX_LINE_CHARS: usize = 300;

/// Collects the first error line and the lines after it, or the last lines if there is no error line.
#[derive(Default)]
pub(super) struct CompilerOutput {
    lines: VecDeque<String>,
    has_error: bool,
    dropped: usize,
}

impl CompilerOutput {
    pub(super) fn add(&mut self, line: String) {
        if !self.has_error && line.trim_start().starts_with("error") {
            self.has_error = true;
            self.lines.clear();
        }
        if self.has_error && self.lines.len() >= MAX_ERROR_LINES {
            self.dropped += 1;
            return;
        }
        let shortened = match line.char_indices().nth(MAX_LINE_CHARS) {
            Some((end, _)) => format!("{} ...", &line[..end]),
            None => line,
        };
        self.lines.push_back(shortened);
        if !self.has_error && self.lines.len() > MAX_OTHER_LINES {
            self.lines.pop_front();
        }
    }

    pub(super) fn text(mut self) -> String {
        if self.dropped > 0 {
            self.lines.push_back(format!("... and {} more lines", self.dropped));
        }
        self.lines.make_contiguous().join("\n").trim().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(lines: impl IntoIterator<Item = String>) -> String {
        let mut output = CompilerOutput::default();
        lines.into_iter().for_each(|line| output.add(line));
        output.text()
    }

    #[test]
    fn text_with_error_begins_at_first_error_and_is_bounded() {
        let lines = (0..9).map(|n| format!("warning {n}")).chain((0..100).map(|n| format!("error {n}")));
        let text = text(lines);
        assert!(text.starts_with("error 0\nerror 1\n"), "{text}");
        assert!(text.ends_with("error 59\n... and 40 more lines"), "{text}");
    }

    #[test]
    fn text_without_error_has_the_last_lines() {
        let text = text((0..100).map(|n| format!("line {n}")));
        assert!(text.starts_with("line 85\n") && text.ends_with("line 99"), "{text}");
        assert_eq!(CompilerOutput::default().text(), "");
    }

    #[test]
    fn add_cuts_long_line_between_characters() {
        let text = text(["error ".to_owned() + &"\u{e9}".repeat(1000)]);
        assert_eq!(text.chars().count(), MAX_LINE_CHARS + 4);
    }
}
