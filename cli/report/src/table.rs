//! Aligned columns that fit the terminal: the last optional columns go first, then the flexible one is cut.

use super::style::{Style, Tone};
use super::text::{pad, pad_left, truncate, width};

/// One column.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    title: &'static str,
    right: bool,
    /// Its cells may be cut to make room.
    flexible: bool,
    /// It may be left out to make room.
    optional: bool,
}

impl Column {
    /// A column of text, on the left.
    pub(crate) fn text(title: &'static str) -> Self {
        Self { title, right: false, flexible: false, optional: false }
    }

    /// A column of numbers, on the right.
    pub(crate) fn number(title: &'static str) -> Self {
        Self { right: true, ..Self::text(title) }
    }

    /// The column whose cells are cut when there is too little room.
    #[must_use]
    pub(crate) fn flexible(self) -> Self {
        Self { flexible: true, ..self }
    }

    /// A column that is left out when there is too little room.
    #[must_use]
    pub(crate) fn optional(self) -> Self {
        Self { optional: true, ..self }
    }
}

/// A cell: its text, already clean, and its tone.
#[derive(Clone, Debug)]
pub(crate) struct Cell(String, Option<Tone>);

impl Cell {
    /// A cell in a tone.
    pub(crate) fn toned(text: impl Into<String>, tone: Tone) -> Self {
        Self(text.into(), Some(tone))
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self(text.into(), None)
    }
}

/// Rows under columns.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
}

const GAP: usize = 2;
/// A flexible column is never cut below this.
const LEAST: usize = 8;

impl Table {
    /// An empty table.
    pub(crate) fn new(columns: impl Into<Vec<Column>>) -> Self {
        Self { columns: columns.into(), rows: Vec::new() }
    }

    /// Adds a row: one cell a column.
    pub(crate) fn row(&mut self, cells: impl Into<Vec<Cell>>) {
        let mut cells = cells.into();
        cells.resize(self.columns.len(), Cell::from(""));
        self.rows.push(cells);
    }

    /// The table as text, each line indented by `indent`, without spaces at line ends. A table whose columns have no
    /// titles has no head.
    pub(crate) fn render(&self, indent: usize, style: Style) -> String {
        let (shown, widths) = self.fit(indent, style);
        let mut out = String::new();
        if self.columns.iter().any(|c| !c.title.is_empty()) {
            let head: Vec<Cell> = self.columns.iter().map(|c| Cell::toned(c.title, Tone::Dim)).collect();
            self.line(&mut out, &head, &shown, &widths, indent, style);
        }
        for row in &self.rows {
            self.line(&mut out, row, &shown, &widths, indent, style);
        }
        out
    }

    /// Which columns are shown, and how wide each is.
    fn fit(&self, indent: usize, style: Style) -> (Vec<usize>, Vec<usize>) {
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
        let room = style.columns().saturating_sub(indent);
        // Columns with nothing to say are left out too.
        let mut shown: Vec<usize> = (0..self.columns.len())
            .filter(|i| !self.columns[*i].optional || self.rows.iter().any(|row| !row[*i].0.is_empty()))
            .collect();
        let total = |shown: &[usize], widths: &[usize]| {
            shown.iter().map(|i| widths[*i]).sum::<usize>() + GAP * shown.len().saturating_sub(1)
        };
        let flexible = self.columns.iter().position(|c| c.flexible);
        // What the flexible column could give before another column has to go.
        let slack = |widths: &[usize]| flexible.map_or(0, |i| widths[i].saturating_sub(widths[i].min(24)));
        while total(&shown, &widths).saturating_sub(slack(&widths)) > room {
            let Some(at) = shown.iter().rposition(|i| self.columns[*i].optional) else { break };
            shown.remove(at);
        }
        if let Some(i) = flexible {
            let over = total(&shown, &widths).saturating_sub(room);
            widths[i] = widths[i].saturating_sub(over).max(LEAST.min(widths[i]));
        }
        (shown, widths)
    }

    fn line(
        &self,
        out: &mut String,
        row: &[Cell],
        shown: &[usize],
        widths: &[usize],
        indent: usize,
        style: Style,
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
            let last = n + 1 == shown.len();
            out.push_str(&match (self.columns[i].right, last) {
                (true, _) => pad_left(&painted, widths[i]),
                (false, true) => painted,
                (false, false) => pad(&painted, widths[i] + GAP),
            });
            if self.columns[i].right && !last {
                out.push_str(&" ".repeat(GAP));
            }
        }
        out.truncate(start + out[start..].trim_end_matches(' ').len());
        out.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new([
            Column::text("PATH").flexible(),
            Column::number("HITS"),
            Column::text("FIRST").optional(),
            Column::text("LAST").optional(),
        ]);
        table.row([
            "/a/rather/long/path/to/a/page".into(),
            "1,234".into(),
            "2026-09-20".into(),
            "2026-09-21".into(),
        ]);
        table.row(["/".into(), "7".into(), "2026-09-20".into(), Cell::toned("today", Tone::Good)]);
        table
    }

    #[test]
    fn wide_narrow_and_tiny() {
        let at = |columns| table().render(2, Style { width: columns, ..Style::PLAIN });
        insta::assert_snapshot!(at(None), @r"
          PATH                            HITS  FIRST       LAST
          /a/rather/long/path/to/a/page  1,234  2026-09-20  2026-09-21
          /                                  7  2026-09-20  today
        ");
        insta::assert_snapshot!(at(Some(50)), @"
        PATH                            HITS  FIRST
        /a/rather/long/path/to/a/page  1,234  2026-09-20
        /                                  7  2026-09-20
        ");
        insta::assert_snapshot!(at(Some(24)), @r"
          PATH              HITS
          /a/rather/long…  1,234
          /                    7
        ");
        for columns in 20..80 {
            let text = at(Some(columns));
            assert!(text.lines().all(|line| width(line) <= usize::from(columns)), "{columns}:\n{text}");
        }
    }

    #[test]
    fn colour_takes_no_room() {
        let plain = table().render(0, Style::PLAIN);
        let colour = table().render(0, Style { color: true, ..Style::PLAIN });
        assert!(colour.contains("\u{1b}[32mtoday\u{1b}[0m"));
        let widths = |text: &str| text.lines().map(width).collect::<Vec<_>>();
        assert_eq!(widths(&plain), widths(&colour));
    }
}
