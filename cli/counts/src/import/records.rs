//! Reads CSV by RFC 4180, record by record, so that a file of a million lines is never held as a million vectors. Separators other
//! than the comma and blanks around cells are understood too, as spreadsheets write them.

use std::iter::Peekable;
use std::str::Chars;

/// The cells of each record that is not blank, with the line that it begins on.
pub(crate) struct Records<'a> {
    chars: Peekable<Chars<'a>>,
    separator: char,
    line: usize,
}

/// Returns the records of a text that begins on the line `line`.
pub(crate) fn records(text: &str, separator: char, line: usize) -> Records<'_> {
    Records { chars: text.chars().peekable(), separator, line }
}

impl Iterator for Records<'_> {
    type Item = (usize, Result<Vec<String>, String>);

    fn next(&mut self) -> Option<Self::Item> {
        while self.chars.peek().is_some() {
            let begun = self.line;
            let (mut cells, mut cell, mut wrong) = (Vec::new(), String::new(), None);
            let (mut quoted, mut was_quoted) = (false, false);
            loop {
                match self.chars.next() {
                    None if quoted => {
                        wrong = Some("expected a closing quote, found the end of the file".to_owned());
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
                        cells.push(ended(std::mem::take(&mut cell), was_quoted));
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
                            wrong = Some(format!(
                                "expected a separator or the end of the line after a closing quote, found {c:?}"
                            ));
                        }
                    }
                    Some(c) => cell.push(c),
                }
            }
            let is_blank = cells.is_empty() && cell.trim().is_empty() && !was_quoted && wrong.is_none();
            cells.push(ended(cell, was_quoted));
            if !is_blank {
                return Some((begun, wrong.map_or(Ok(cells), Err)));
            }
        }
        None
    }
}

/// Returns a cell as it is meant: blanks at its ends belong to it only where it was quoted.
fn ended(cell: String, was_quoted: bool) -> String {
    if was_quoted || cell.trim().len() == cell.len() { cell } else { cell.trim().to_owned() }
}
