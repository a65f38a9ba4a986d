//! Reads counts from CSV as `counts export` writes it, also after a spreadsheet has changed it.

use super::lines::{LineContent, NumberedLine, parse_count};
use super::records::csv_records;
use crate::model::CountRow;

/// The columns of an export.
const COLUMNS: [&str; 5] = ["path", "hits", "uniques", "first", "last"];
/// The separators in the order in which they are tried.
const SEPARATORS: [char; 3] = [',', ';', '\t'];

/// Returns the lines of a text and the names of the columns that are not read.
///
/// A header names the columns. Without a header, the columns are those of an export. Older exports have no column for
/// visitors.
pub(crate) fn parse_csv(text: &str) -> (Box<dyn Iterator<Item = NumberedLine> + '_>, Vec<String>) {
    let (separator, text, first_line) = match declared_separator(text) {
        Some((separator, rest)) => (separator, rest, 2),
        None => (detect_separator(text), text, 1),
    };
    let mut records = csv_records(text, separator, first_line).peekable();
    let to_strings = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let mut columns = to_strings(&["path", "hits", "first", "last"]);
    if let Some((line, Ok(cells))) = records.peek() {
        // Without a header, the second cell is a number of hits, and the third a number of visitors or a day.
        // In a row with all five cells, the third is the number of visitors even if it is empty.
        if is_number(cells.get(1)) {
            if is_number(cells.get(2)) || cells.len() == COLUMNS.len() {
                columns = to_strings(&COLUMNS);
            }
        } else {
            let names = column_names(cells);
            let missing: Vec<_> = ["path", "hits"]
                .into_iter()
                .filter(|name| !names.iter().any(|found| found == name))
                .collect();
            if !missing.is_empty() {
                let why = format!(
                    "expected a header with the columns path and hits, found none named {}",
                    missing.join(" or ")
                );
                return (Box::new(std::iter::once((*line, Err(why)))), Vec::new());
            }
            columns = names;
            records.next();
        }
    }
    let unread_columns = columns.iter().filter(|name| !name.is_empty() && !COLUMNS.contains(&name.as_str()));
    let unread_columns = unread_columns.cloned().collect();
    (
        Box::new(
            records.map(move |(line, cells)| (line, cells.and_then(|cells| parse_row(&columns, cells)))),
        ),
        unread_columns,
    )
}

/// Returns the separator that a first line such as `sep=;` declares, and the text after that line. Spreadsheets write and read
/// such lines.
fn declared_separator(text: &str) -> Option<(char, &str)> {
    let (line, rest) = text.split_once('\n').unwrap_or((text, ""));
    let line = line.strip_suffix('\r').unwrap_or(line);
    let line = line.strip_prefix('"').and_then(|line| line.strip_suffix('"')).unwrap_or(line);
    let (name, separator) = line.split_at_checked(4)?;
    let mut separator = separator.chars();
    match (separator.next(), separator.next()) {
        (Some(separator), None) if name.eq_ignore_ascii_case("sep=") && separator != '"' => {
            Some((separator, rest))
        }
        _ => None,
    }
}

/// Detects the separator: the one with which the first record is a header or contains a number of hits.
fn detect_separator(text: &str) -> char {
    let fits = |separator: &&char| match csv_records(text, **separator, 1).next() {
        Some((_, Ok(cells))) => {
            is_number(cells.get(1))
                || ["path", "hits"].iter().all(|name| column_names(&cells).iter().any(|found| found == name))
        }
        _ => false,
    };
    SEPARATORS.iter().find(fits).copied().unwrap_or(SEPARATORS[0])
}

fn is_number(cell: Option<&String>) -> bool {
    cell.is_some_and(|cell| cell.parse::<u64>().is_ok())
}

fn column_names(cells: &[String]) -> Vec<String> {
    cells.iter().map(|cell| cell.trim().to_ascii_lowercase()).collect()
}

/// Parses the cells of a line. Columns that an export does not have are ignored.
fn parse_row(columns: &[String], cells: Vec<String>) -> Result<LineContent, String> {
    // Spreadsheets add a separator for each empty column at the end of a line.
    let filled = cells.iter().rposition(|cell| !cell.is_empty()).map_or(0, |last| last + 1);
    if filled > columns.len() {
        return Err(format!("expected at most {} cells, found {}", columns.len(), cells.len()));
    }
    let mut row = CountRow::default();
    let (mut has_path, mut has_hits) = (false, false);
    for (name, cell) in columns.iter().zip(cells) {
        match name.as_str() {
            "path" => (row.path, has_path) = (unescape_formula(cell), true),
            "hits" => (row.hits, has_hits) = (parse_count(&cell, "hits")?, true),
            // A spreadsheet without visitors may leave these cells empty.
            "uniques" if cell.trim().is_empty() => {}
            "uniques" => row.uniques = parse_count(&cell, "uniques")?,
            "first" => row.first = Some(cell),
            "last" => row.last = Some(cell),
            _ => {}
        }
    }
    if has_path && has_hits {
        Ok(LineContent::Row(row))
    } else {
        Err("expected cells for path and hits, found fewer".to_owned())
    }
}

/// Removes the apostrophe that an export adds to a cell that looks like a formula.
pub(crate) fn unescape_formula(cell: String) -> String {
    match cell.strip_prefix('\'') {
        Some(rest) if crate::export::is_formula(rest) => rest.to_owned(),
        _ => cell,
    }
}
