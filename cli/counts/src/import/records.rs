//! Reads CSV according to RFC 4180, one record at a time, so that a file with a million lines does not need a million vectors in
//! memory. Also accepts other separators and blanks around cells, as spreadsheets write them.

use std::iter::Peekable;
use std::str::Chars;

/// An iterator over the records that are not blank: the cells and the line on which the record starts.
pub(crate) struct CsvRecords<'a> {
    chars: Peekable<Chars<'a>>,
    separator: char,
    line: usize,
}

/// Returns the records of a text whose first line has the number `line`.
pub(crate) fn csv_records(text: &str, separator: char, line: usize) -> CsvRecords<'_> {
    CsvRecords { chars: text.chars().peekable(), separator, line }
}

impl Iterator for CsvRecords<'_> {
    type Item = (usize, Result<Vec<String>, String>);

    fn next(&mut self) -> Option<Self::Item> {
        while self.chars.peek().is_some() {
            let start_line = self.line;
            let (mut cells, mut cell, mut error) = (Vec::new(), String::new(), None);
            let (mut quoted, mut was_quoted) = (false, false);
            loop {
                match self.chars.next() {
                    None if quoted => {
                        error = Some("expected a closing quote, found the end of the file".to_owned());
                        break;
                    }
                    None => break,
                    Some('"') if quoted && self.chars.peek() == Some(&'"') => {
                        cell.push('"');
                        self.chars.next();
                    }
                    Some('"') if quoted => quoted = false,
                    Some('"') if !was_quoted && cell.trim().is_empty() => {
                        cell.clear();
                        (quoted, was_quoted) = (true, true);
                    }
                    Some(c) if c == self.separator && !quoted => {
                        cells.push(finish_cell(std::mem::take(&mut cell), was_quoted));
                        was_quoted = false;
                    }
                    Some('\r') if !quoted && self.chars.peek() == Some(&'\n') => {}
                    Some('\n') => {
                        self.line += 1;
                        if !quoted {
                            break;
                        }
                        cell.push('\n');
                    }
                    Some(c) if was_quoted && !quoted => {
                        if !c.is_whitespace() {
                            error = Some(format!(
                                "expected a separator or the end of the line after a closing quote, found {c:?}"
                            ));
                        }
                    }
                    Some(c) => cell.push(c),
                }
            }
            let is_blank = cells.is_empty() && cell.trim().is_empty() && !was_quoted && error.is_none();
            cells.push(finish_cell(cell, was_quoted));
            if !is_blank {
                return Some((start_line, error.map_or(Ok(cells), Err)));
            }
        }
        None
    }
}

/// Returns the value of a cell. Blanks at its ends belong to it only if it was quoted.
fn finish_cell(cell: String, was_quoted: bool) -> String {
    if was_quoted || cell.trim().len() == cell.len() { cell } else { cell.trim().to_owned() }
}
