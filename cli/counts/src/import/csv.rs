//! Reads counts from CSV: what `counts export` writes, and what spreadsheets make of it.

use super::lines::{Line, Object, count};
use super::records::records;
use crate::model::CountRow;

/// The columns of an export.
const COLUMNS: [&str; 5] = ["path", "hits", "uniques", "first", "last"];
/// The separators that are tried, in this order.
const SEPARATORS: [char; 3] = [',', ';', '\t'];

/// Returns the lines of a text, and the columns that are not read. A header names the columns; without one they are those of an
/// export, as of now or as of when visitors were not in it.
pub(crate) fn csv(text: &str) -> (Box<dyn Iterator<Item = Line> + '_>, Vec<String>) {
    let (separator, text, line) = match told_separator(text) {
        Some((separator, rest)) => (separator, rest, 2),
        None => (separator_of(text), text, 1),
    };
    let mut records = records(text, separator, line).peekable();
    let own = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let mut columns = own(&["path", "hits", "first", "last"]);
    if let Some((line, Ok(cells))) = records.peek() {
        if is_number(cells.get(1)) {
            if is_number(cells.get(2)) || cells.len() == COLUMNS.len() {
                columns = own(&COLUMNS);
            }
        } else {
            let names = names(cells);
            let missing: Vec<_> =
                ["path", "hits"].into_iter().filter(|name| !names.iter().any(|own| own == name)).collect();
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
    let others = columns.iter().filter(|name| !name.is_empty() && !COLUMNS.contains(&name.as_str()));
    let others = others.cloned().collect();
    (Box::new(records.map(move |(line, cells)| (line, cells.and_then(|cells| row(&columns, cells))))), others)
}

/// Returns the separator that a first line such as `sep=;` names, and the text behind that line. Spreadsheets write and heed it.
fn told_separator(text: &str) -> Option<(char, &str)> {
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

/// Returns the separator that the first record is made with: the one that gives it a header, or a number of hits.
fn separator_of(text: &str) -> char {
    let fits = |separator: &&char| match records(text, **separator, 1).next() {
        Some((_, Ok(cells))) => {
            is_number(cells.get(1))
                || ["path", "hits"].iter().all(|name| names(&cells).iter().any(|own| own == name))
        }
        _ => false,
    };
    SEPARATORS.iter().find(fits).copied().unwrap_or(SEPARATORS[0])
}

fn is_number(cell: Option<&String>) -> bool {
    cell.is_some_and(|cell| cell.parse::<u64>().is_ok())
}

fn names(cells: &[String]) -> Vec<String> {
    cells.iter().map(|cell| cell.trim().to_ascii_lowercase()).collect()
}

/// Reads a line by its columns; others than those of an export are passed over.
fn row(columns: &[String], cells: Vec<String>) -> Result<Object, String> {
    // Spreadsheets end each line with a separator for each empty column.
    let filled = cells.iter().rposition(|cell| !cell.is_empty()).map_or(0, |last| last + 1);
    if filled > columns.len() {
        return Err(format!("expected at most {} cells, found {}", columns.len(), cells.len()));
    }
    let mut row = CountRow::default();
    let mut seen = (false, false);
    for (name, cell) in columns.iter().zip(cells) {
        match name.as_str() {
            "path" => (row.path, seen.0) = (not_a_formula(cell), true),
            "hits" => (row.hits, seen.1) = (count(&cell, "hits")?, true),
            // A sheet without visitors may well leave the cells of theirs empty.
            "uniques" if cell.trim().is_empty() => {}
            "uniques" => row.uniques = count(&cell, "uniques")?,
            "first" => row.first = Some(cell),
            "last" => row.last = Some(cell),
            _ => {}
        }
    }
    if seen == (true, true) {
        Ok(Object::Row(row))
    } else {
        Err("expected a path and a number of hits, found fewer cells".to_owned())
    }
}

/// Undoes what an export does to a cell that a spreadsheet would take for a formula.
pub(crate) fn not_a_formula(cell: String) -> String {
    match cell.strip_prefix('\'') {
        Some(rest) if crate::export::is_formula(rest) => rest.to_owned(),
        _ => cell,
    }
}
