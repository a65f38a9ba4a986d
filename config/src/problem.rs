//! The problems of a configuration as data: location, message and suggestion. All problems of a file are collected before
//! any is shown.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;

use crate::display::is_unsafe_to_show;

/// A position in a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SourceLocation {
    /// The file name that was passed to the loader.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1, in characters.
    pub column: usize,
}

impl fmt::Display for SourceLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// A problem. Displayed as `file:line:column: message`, the line with carets below it, and a help text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigProblem {
    /// A stable code for scripts, such as `unknown_key`.
    pub code: &'static str,
    /// The message: a lower-case fragment.
    pub message: String,
    /// The location, if the problem is in a file.
    pub location: Option<SourceLocation>,
    /// The suggested correction.
    pub help: Option<String>,
    /// The span in the file, until [`Self::with_excerpt`] replaces it by a location and an excerpt.
    span: Option<Range<usize>>,
    /// The line of the file with carets below the span.
    excerpt: String,
}

impl ConfigProblem {
    pub(crate) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), location: None, help: None, span: None, excerpt: String::new() }
    }

    pub(crate) fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    pub(crate) fn with_optional_help(self, help: Option<String>) -> Self {
        Self { help: help.or(self.help), ..self }
    }

    /// Sets the span in the file, if there is one.
    pub(crate) fn with_span(self, span: impl Into<Option<Range<usize>>>) -> Self {
        Self { span: span.into(), ..self }
    }

    /// Replaces the span by the location and the excerpt.
    fn with_excerpt(self, source: &SourceText<'_>) -> Self {
        let Some(span) = &self.span else { return self };
        Self {
            location: Some(source.location(span.start)),
            excerpt: source.excerpt(span),
            span: None,
            ..self
        }
    }

    /// Converts the problem to a lint.
    pub(crate) fn into_lint(self, source: &SourceText<'_>) -> Lint {
        let location = self.span.map(|span| source.location(span.start));
        Lint { code: self.code, message: self.message, location }
    }
}

impl fmt::Display for ConfigProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(location) = &self.location {
            write!(f, "{location}: ")?;
        }
        write!(f, "{}{}", self.message, self.excerpt)?;
        // Places the `=` below the `|` of the excerpt.
        let margin = self.location.as_ref().map_or(0, |at| at.line.to_string().len()) + 2;
        self.help.iter().try_for_each(|help| write!(f, "\n{:margin$}= {help}", ""))
    }
}

/// All problems of a configuration: at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors {
    /// The problems in the order of the file.
    pub problems: Vec<ConfigProblem>,
    /// The number of further problems, which are only counted.
    pub omitted: usize,
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.problems.len() + self.omitted;
        if count > 1 {
            write!(f, "{count} problems in the configuration\n\n")?;
        }
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("\n\n")?;
            }
            problem.fmt(f)?;
        }
        if self.omitted > 0 {
            write!(f, "\n\nand {} more", self.omitted)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

impl From<ConfigProblem> for ConfigErrors {
    fn from(problem: ConfigProblem) -> Self {
        Self { problems: vec![problem], omitted: 0 }
    }
}

/// A setting that works but is probably unintended, with the reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lint {
    /// A stable code for scripts, such as `origins_any`.
    pub code: &'static str,
    /// The warning and its reason: a lower-case fragment.
    pub message: String,
    /// The location, if the setting is in a file.
    pub location: Option<SourceLocation>,
}

impl fmt::Display for Lint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(location) = &self.location {
            write!(f, "{location}: ")?;
        }
        f.write_str(&self.message)
    }
}

/// Collects problems. Their number is limited, so that a file full of errors is still processed quickly.
#[derive(Debug, Default)]
pub(crate) struct Diagnostics {
    problems: Vec<ConfigProblem>,
    seen: BTreeSet<(Option<usize>, String)>,
    omitted: usize,
}

impl Diagnostics {
    const MAX_PROBLEMS: usize = 50;

    /// Whether another problem would be kept. Check this before an expensive search for a suggestion.
    pub(crate) fn has_capacity(&self) -> bool {
        self.problems.len() < Self::MAX_PROBLEMS
    }

    /// Adds a problem, unless the same message was already added for the same position.
    pub(crate) fn push(&mut self, problem: ConfigProblem) {
        let start = problem.span.as_ref().map(|span| span.start);
        if !self.has_capacity() {
            self.omitted += 1;
        } else if self.seen.insert((start, problem.message.clone())) {
            self.problems.push(problem);
        }
    }

    /// Adds several problems.
    pub(crate) fn extend(&mut self, problems: impl IntoIterator<Item = ConfigProblem>) {
        for problem in problems {
            self.push(problem);
        }
    }

    /// Counts a problem without keeping it.
    pub(crate) fn count_omitted(&mut self) {
        self.omitted += 1;
    }

    /// Returns the problems as an error in the order of the file, or `Ok` if there are none.
    pub(crate) fn into_result(self, source: &SourceText<'_>) -> Result<(), ConfigErrors> {
        if self.problems.is_empty() {
            return Ok(());
        }
        let mut problems: Vec<ConfigProblem> =
            self.problems.into_iter().map(|problem| problem.with_excerpt(source)).collect();
        problems.sort_by(|a, b| a.location.cmp(&b.location));
        Err(ConfigErrors { problems, omitted: self.omitted })
    }
}

/// The text of a file and the offsets of its lines.
#[derive(Debug)]
pub(crate) struct SourceText<'a> {
    file: String,
    text: &'a str,
    line_starts: Vec<usize>,
    /// The spans that excerpts mask.
    secrets: Vec<Range<usize>>,
}

impl<'a> SourceText<'a> {
    /// The maximum length of a shown line, in characters.
    const MAX_EXCERPT_CHARS: usize = 100;
    /// The number of characters that are shown before the span.
    const CONTEXT_CHARS: usize = 40;

    pub(crate) fn new(file: String, text: &'a str) -> Self {
        let line_starts =
            std::iter::once(0).chain(text.match_indices('\n').map(|(index, _)| index + 1)).collect();
        Self { file, text, line_starts, secrets: Vec::new() }
    }

    /// Adds a span that all excerpts mask.
    pub(crate) fn redact(&mut self, span: Range<usize>) {
        self.secrets.push(span);
    }

    /// Returns the line of an offset, from 0, and the offset at which that line starts.
    fn line_at(&self, offset: usize) -> (usize, usize) {
        let line = self.line_starts.partition_point(|start| *start <= offset).saturating_sub(1);
        (line, self.line_starts[line])
    }

    pub(crate) fn location(&self, offset: usize) -> SourceLocation {
        let offset = self.text.floor_char_boundary(offset);
        let (line, start) = self.line_at(offset);
        let column = self.text[start..offset].chars().count() + 1;
        SourceLocation { file: self.file.clone(), line: line + 1, column }
    }

    /// Returns the first line of a span with the line number, and carets below the span. Truncates a long line.
    fn excerpt(&self, span: &Range<usize>) -> String {
        let from = self.text.floor_char_boundary(span.start);
        let to = self.text.floor_char_boundary(span.end.max(from));
        let (number, start) = self.line_at(from);
        let number = (number + 1).to_string();
        let line = self.text[start..].lines().next().unwrap_or_default();
        let end = start + line.len();
        let count = |range: Range<usize>| self.text[range].chars().count();
        let before = count(start..from);
        let width = count(from..to.min(end).max(from)).max(1);
        let skip = if before + width > Self::MAX_EXCERPT_CHARS {
            before.saturating_sub(Self::CONTEXT_CHARS)
        } else {
            0
        };
        // Each control character, including a tab, is shown as one column, so that the carets stay aligned.
        let shown = line.char_indices().skip(skip).take(Self::MAX_EXCERPT_CHARS).map(|(offset, c)| match c {
            _ if self.secrets.iter().any(|span| span.contains(&(start + offset))) => '*',
            '\t' => ' ',
            c if is_unsafe_to_show(c) => '\u{fffd}',
            c => c,
        });
        let indent = before - skip;
        let carets = "^".repeat(width.min(Self::MAX_EXCERPT_CHARS - indent.min(Self::MAX_EXCERPT_CHARS - 1)));
        let (text, margin) = (shown.collect::<String>(), number.len());
        format!("\n {number} | {text}\n {:margin$} | {:indent$}{carets}", "", "")
    }
}
