//! Renders tables with aligned columns that fit the terminal. On narrow terminals, optional columns are omitted from
//! the right. If that is not enough, the flexible column is truncated.

use super::style::{TextStyle, Tone};
use super::text::{pad, pad_left, truncate, width};

#[derive(Clone, Debug)]
pub(crate) struct Column {
    title: &'static str,
    align_right: bool,
    /// Whether cells may be truncated to fit the width.
    flexible: bool,
    /// Whether the column may be omitted to fit the width.
    optional: bool,
}

impl Column {
    /// Returns a left-aligned column.
    pub(crate) fn text(title: &'static str) -> Self {
        Self { title, align_right: false, flexible: false, optional: false }
    }

    /// Returns a right-aligned column.
    pub(crate) fn number(title: &'static str) -> Self {
        Self { align_right: true, ..Self::text(title) }
    }

    /// Allows truncating the cells of the column to fit the width.
    #[must_use]
    pub(crate) fn flexible(self) -> Self {
        Self { flexible: true, ..self }
    }

    /// Allows omitting the column to fit the width.
    #[must_use]
    pub(crate) fn optional(self) -> Self {
        Self { optional: true, ..self }
    }
}

/// A cell: its escaped text and its tone.
#[derive(Clone, Debug)]
pub(crate) struct Cell(String, Option<Tone>);

impl Cell {
    /// Returns a cell with a tone.
    pub(crate) fn toned(text: impl Into<String>, tone: Tone) -> Self {
        Self(text.into(), Some(tone))
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self(text.into(), None)
    }
}

/// Rows of cells under column titles.
#[derive(Clone, Debug)]
pub(crate) struct TextTable {
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
}

const COLUMN_GAP: usize = 2;
/// The minimum width of a flexible column.
const MIN_FLEXIBLE_WIDTH: usize = 8;

impl TextTable {
    /// Returns a table without rows.
    pub(crate) fn new(columns: impl Into<Vec<Column>>) -> Self {
        Self { columns: columns.into(), rows: Vec::new() }
    }

    /// Adds a row with one cell per column.
    pub(crate) fn add_row(&mut self, cells: impl Into<Vec<Cell>>) {
        let mut cells = cells.into();
        cells.resize(self.columns.len(), Cell::from(""));
        self.rows.push(cells);
    }

    /// Renders the table, with each line indented by `indent` spaces and without trailing spaces. A table
    /// without titles has no header line.
    pub(crate) fn render(&self, indent: usize, style: TextStyle) -> String {
        let (shown, widths) = self.layout(indent, style);
        let mut out = String::new();
        if self.columns.iter().any(|c| !c.title.is_empty()) {
            let head: Vec<Cell> = self.columns.iter().map(|c| Cell::toned(c.title, Tone::Dim)).collect();
            self.render_row(&mut out, &head, &shown, &widths, indent, style);
        }
        for row in &self.rows {
            self.render_row(&mut out, row, &shown, &widths, indent, style);
        }
        out
    }

    /// Returns the indexes of the columns that are shown, and the width of every column.
    fn layout(&self, indent: usize, style: TextStyle) -> (Vec<usize>, Vec<usize>) {
        let mut widths: Vec<usize> = (0..self.columns.len())
            .map(|i| {
                self.rows
                    .iter()
                    .map(|row| width(&row[i].0))
                    .max()
                    .unwrap_or(0)
                    .max(width(self.columns[i].title))
            })
            .collect();
        let available = style.columns().saturating_sub(indent);
        // Optional columns without content are always omitted.
        let mut shown: Vec<usize> = (0..self.columns.len())
            .filter(|i| !self.columns[*i].optional || self.rows.iter().any(|row| !row[*i].0.is_empty()))
            .collect();
        let total = |shown: &[usize], widths: &[usize]| {
            shown.iter().map(|i| widths[*i]).sum::<usize>() + COLUMN_GAP * shown.len().saturating_sub(1)
        };
        let flexible = self.columns.iter().position(|c| c.flexible);
        // The flexible column is first truncated to 24 columns, and only then is an optional column omitted.
        let slack = |widths: &[usize]| flexible.map_or(0, |i| widths[i].saturating_sub(widths[i].min(24)));
        while total(&shown, &widths).saturating_sub(slack(&widths)) > available {
            let Some(at) = shown.iter().rposition(|i| self.columns[*i].optional) else { break };
            shown.remove(at);
        }
        if let Some(i) = flexible {
            let overflow = total(&shown, &widths).saturating_sub(available);
            widths[i] = widths[i].saturating_sub(overflow).max(MIN_FLEXIBLE_WIDTH.min(widths[i]));
        }
        (shown, widths)
    }

    fn render_row(
        &self,
        out: &mut String,
        row: &[Cell],
        shown: &[usize],
        widths: &[usize],
        indent: usize,
        style: TextStyle,
    ) {
        let start = out.len();
        out.push_str(&" ".repeat(indent));
        for (n, &i) in shown.iter().enumerate() {
            let Cell(text, tone) = &row[i];
            let text = truncate(text, widths[i], style);
            let painted = match tone {
                Some(tone) => style.paint(*tone, &text),
                None => text.into_owned(),
            };
            let is_last = n + 1 == shown.len();
            out.push_str(&match (self.columns[i].align_right, is_last) {
                (true, _) => pad_left(&painted, widths[i]),
                (false, true) => painted,
                (false, false) => pad(&painted, widths[i] + COLUMN_GAP),
            });
            if self.columns[i].align_right && !is_last {
                out.push_str(&" ".repeat(COLUMN_GAP));
            }
        }
        out.truncate(start + out[start..].trim_end_matches(' ').len());
        out.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> TextTable {
        let mut table = TextTable::new([
            Column::text("PATH").flexible(),
            Column::number("VIEWS"),
            Column::text("FIRST").optional(),
            Column::text("LAST").optional(),
        ]);
        table.add_row([
            "/a/rather/long/path/to/a/page".into(),
            "1,234".into(),
            "2026-09-20".into(),
            "2026-09-21".into(),
        ]);
        table.add_row(["/".into(), "7".into(), "2026-09-20".into(), Cell::toned("today", Tone::Good)]);
        table
    }

    #[test]
    fn table_fits_any_terminal_width() {
        let at = |columns| table().render(2, TextStyle { width: columns, ..TextStyle::PLAIN });
        insta::assert_snapshot!(at(None), @r"
          PATH                           VIEWS  FIRST       LAST
          /a/rather/long/path/to/a/page  1,234  2026-09-20  2026-09-21
          /                                  7  2026-09-20  today
        ");
        insta::assert_snapshot!(at(Some(50)), @"
        PATH                           VIEWS  FIRST
        /a/rather/long/path/to/a/page  1,234  2026-09-20
        /                                  7  2026-09-20
        ");
        insta::assert_snapshot!(at(Some(24)), @r"
          PATH             VIEWS
          /a/rather/long…  1,234
          /                    7
        ");
        for columns in 20..80 {
            let text = at(Some(columns));
            assert!(text.lines().all(|line| width(line) <= usize::from(columns)), "{columns}:\n{text}");
        }
    }

    #[test]
    fn colour_does_not_change_table_width() {
        let plain = table().render(0, TextStyle::PLAIN);
        let colour = table().render(0, TextStyle { color: true, ..TextStyle::PLAIN });
        assert!(colour.contains("\u{1b}[32mtoday\u{1b}[0m"));
        let widths = |text: &str| text.lines().map(width).collect::<Vec<_>>();
        assert_eq!(widths(&plain), widths(&colour));
    }
}
