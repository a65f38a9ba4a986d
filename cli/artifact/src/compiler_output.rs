//! What cargo and rustc said of a failure, in a size that a person reads.

use std::collections::VecDeque;

/// Lines kept from the first error on.
const FROM_ERROR: usize = 60;
/// Lines kept where nothing is called an error.
const LAST: usize = 15;
/// What is kept of a line.
const LINE_CHARS: usize = 300;

/// Collects lines: the first error and what follows, else the last few lines.
#[derive(Default)]
pub(super) struct Complaints {
    lines: VecDeque<String>,
    error_seen: bool,
    dropped: usize,
}

impl Complaints {
    pub(super) fn add(&mut self, line: String) {
        if !self.error_seen && line.trim_start().starts_with("error") {
            self.error_seen = true;
            self.lines.clear();
        }
        if self.error_seen && self.lines.len() >= FROM_ERROR {
            self.dropped += 1;
            return;
        }
        let short = match line.char_indices().nth(LINE_CHARS) {
            Some((end, _)) => format!("{} ...", &line[..end]),
            None => line,
        };
        self.lines.push_back(short);
        if !self.error_seen && self.lines.len() > LAST {
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
        let mut complaints = Complaints::default();
        lines.into_iter().for_each(|line| complaints.add(line));
        complaints.text()
    }

    #[test]
    fn from_the_first_error_on_and_bounded() {
        let lines = (0..9).map(|n| format!("warning {n}")).chain((0..100).map(|n| format!("error {n}")));
        let text = text(lines);
        assert!(text.starts_with("error 0\nerror 1\n"), "{text}");
        assert!(text.ends_with("error 59\n... and 40 more lines"), "{text}");
    }

    #[test]
    fn without_an_error_the_last_lines() {
        let text = text((0..100).map(|n| format!("line {n}")));
        assert!(text.starts_with("line 85\n") && text.ends_with("line 99"), "{text}");
        assert_eq!(Complaints::default().text(), "");
    }

    #[test]
    fn a_long_line_is_cut_between_characters() {
        let text = text(["error ".to_owned() + &"\u{e9}".repeat(1000)]);
        assert_eq!(text.chars().count(), LINE_CHARS + 4);
    }
}
