//! What is wrong with a configuration, as data that can be shown: where, what, and what was probably meant. All problems
//! of a file are gathered before any is shown.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;

use crate::display::is_unsafe_to_show;

/// A place in a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct At {
    /// The file, as it was named to the loader.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1, in characters.
    pub column: usize,
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// One thing that is wrong. Shown as `file:line:column: message`, the line with a caret under it, and a help.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// A stable word for scripts, such as `unknown_key`.
    pub code: &'static str,
    /// What is wrong: a lower-case fragment.
    pub message: String,
    /// Where, if it is in a file.
    pub at: Option<At>,
    /// What to write instead.
    pub help: Option<String>,
    /// The part of the file that it is about, as long as the file is not at hand.
    span: Option<Range<usize>>,
    /// The line of the file, and carets under the part that is meant.
    excerpt: String,
}

impl Problem {
    pub(crate) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), at: None, help: None, span: None, excerpt: String::new() }
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    pub(crate) fn maybe_help(self, help: Option<String>) -> Self {
        Self { help: help.or(self.help), ..self }
    }

    /// The same about a part of the file, if the file has a part in it.
    pub(crate) fn of(self, span: impl Into<Option<Range<usize>>>) -> Self {
        Self { span: span.into(), ..self }
    }

    /// The same with what the file has there.
    fn located(self, source: &Source<'_>) -> Self {
        let Some(span) = &self.span else { return self };
        Self { at: Some(source.at(span.start)), excerpt: source.excerpt(span), span: None, ..self }
    }

    /// The finding as one that is no error.
    pub(crate) fn into_lint(self, source: &Source<'_>) -> Lint {
        let at = self.span.map(|span| source.at(span.start));
        Lint { code: self.code, message: self.message, at }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(at) = &self.at {
            write!(f, "{at}: ")?;
        }
        write!(f, "{}{}", self.message, self.excerpt)?;
        let margin = self.at.as_ref().map_or(0, |at| at.line.to_string().len()) + 2;
        self.help.iter().try_for_each(|help| write!(f, "\n{:margin$}= {help}", ""))
    }
}

/// Everything that is wrong with a configuration: at least one problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Errors {
    /// In the order of the file.
    pub problems: Vec<Problem>,
    /// How many more there were, beyond what is worth keeping.
    pub more: usize,
}

impl fmt::Display for Errors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.problems.len() + self.more;
        if count > 1 {
            write!(f, "{count} problems in the configuration\n\n")?;
        }
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("\n\n")?;
            }
            problem.fmt(f)?;
        }
        if self.more > 0 {
            write!(f, "\n\nand {} more", self.more)?;
        }
        Ok(())
    }
}

impl std::error::Error for Errors {}

impl From<Problem> for Errors {
    fn from(problem: Problem) -> Self {
        Self { problems: vec![problem], more: 0 }
    }
}

/// Something that works and is probably not meant, with the reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lint {
    /// A stable word for scripts, such as `origins_any`.
    pub code: &'static str,
    /// What is odd and why it matters: a lower-case fragment.
    pub message: String,
    /// Where, if it is in a file.
    pub at: Option<At>,
}

impl fmt::Display for Lint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(at) = &self.at {
            write!(f, "{at}: ")?;
        }
        f.write_str(&self.message)
    }
}

/// Gathers problems. Bounded, so that a file of nothing but mistakes is still answered at once.
#[derive(Debug, Default)]
pub(crate) struct Diagnostics {
    problems: Vec<Problem>,
    seen: BTreeSet<(Option<usize>, String)>,
    more: usize,
}

impl Diagnostics {
    const MOST: usize = 50;

    /// Whether another problem would be kept; worth asking before a long search for words.
    pub(crate) fn has_room(&self) -> bool {
        self.problems.len() < Self::MOST
    }

    /// Adds a problem.
    pub(crate) fn push(&mut self, problem: Problem) {
        let start = problem.span.as_ref().map(|span| span.start);
        if !self.has_room() {
            self.more += 1;
        } else if self.seen.insert((start, problem.message.clone())) {
            self.problems.push(problem);
        }
    }

    /// Adds problems.
    pub(crate) fn extend(&mut self, problems: impl IntoIterator<Item = Problem>) {
        for problem in problems {
            self.push(problem);
        }
    }

    /// Counts a problem that there is no room for.
    pub(crate) fn count(&mut self) {
        self.more += 1;
    }

    /// The problems in the order of the file, if there are any.
    pub(crate) fn into_result(self, source: &Source<'_>) -> Result<(), Errors> {
        if self.problems.is_empty() {
            return Ok(());
        }
        let mut problems: Vec<Problem> =
            self.problems.into_iter().map(|problem| problem.located(source)).collect();
        problems.sort_by(|a, b| a.at.cmp(&b.at));
        Err(Errors { problems, more: self.more })
    }
}

/// A text, and where its lines begin.
#[derive(Debug)]
pub(crate) struct Source<'a> {
    file: String,
    text: &'a str,
    starts: Vec<usize>,
    secrets: Vec<Range<usize>>,
}

impl<'a> Source<'a> {
    /// How much of a long line is shown, in characters.
    const WINDOW: usize = 100;
    /// How much of it before the part that is meant.
    const BEFORE: usize = 40;

    pub(crate) fn new(file: String, text: &'a str) -> Self {
        let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(index, _)| index + 1)).collect();
        Self { file, text, starts, secrets: Vec::new() }
    }

    /// Never shows what is there.
    pub(crate) fn hide(&mut self, span: Range<usize>) {
        self.secrets.push(span);
    }

    /// The line that an offset is on, from 0, and where that line starts.
    fn line(&self, offset: usize) -> (usize, usize) {
        let line = self.starts.partition_point(|start| *start <= offset).saturating_sub(1);
        (line, self.starts[line])
    }

    pub(crate) fn at(&self, offset: usize) -> At {
        let offset = self.text.floor_char_boundary(offset);
        let (line, start) = self.line(offset);
        let column = self.text[start..offset].chars().count() + 1;
        At { file: self.file.clone(), line: line + 1, column }
    }

    /// The line that a part begins on, with its number, and carets below; as much of it as fits.
    fn excerpt(&self, span: &Range<usize>) -> String {
        let from = self.text.floor_char_boundary(span.start);
        let to = self.text.floor_char_boundary(span.end.max(from));
        let (number, start) = self.line(from);
        let number = (number + 1).to_string();
        let line = self.text[start..].lines().next().unwrap_or_default();
        let end = start + line.len();
        let count = |range: Range<usize>| self.text[range].chars().count();
        let before = count(start..from);
        let width = count(from..to.min(end).max(from)).max(1);
        let skip = if before + width > Self::WINDOW { before.saturating_sub(Self::BEFORE) } else { 0 };
        // Whatever a terminal would obey, a tab included, takes one column here, so that the caret stays right.
        let shown = line.char_indices().skip(skip).take(Self::WINDOW).map(|(offset, c)| match c {
            _ if self.secrets.iter().any(|span| span.contains(&(start + offset))) => '*',
            '\t' => ' ',
            c if is_unsafe_to_show(c) => '\u{fffd}',
            c => c,
        });
        let indent = before - skip;
        let carets = "^".repeat(width.min(Self::WINDOW - indent.min(Self::WINDOW - 1)));
        let (text, margin) = (shown.collect::<String>(), number.len());
        format!("\n {number} | {text}\n {:margin$} | {:indent$}{carets}", "", "")
    }
}
