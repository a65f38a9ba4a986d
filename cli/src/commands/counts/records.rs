//! CSV by RFC 4180, record by record: a file of a million lines is never held as a million vectors.

use std::iter::Peekable;
use std::str::Chars;

/// The cells of each record that is not blank, with the line that it begins on.
pub(super) struct Records<'a> {
    chars: Peekable<Chars<'a>>,
    line: usize,
}

/// The records of a text.
pub(super) fn records(text: &str) -> Records<'_> {
    Records { chars: text.chars().peekable(), line: 1 }
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
                        wrong = Some("a quote is not closed".to_owned());
                        break;
                    }
                    None => break,
                    Some('"') if quoted && self.chars.peek() == Some(&'"') => {
                        cell.push('"');
                        self.chars.next();
                    }
                    Some('"') if quoted => quoted = false,
                    Some('"') if cell.is_empty() && !was_quoted => (quoted, was_quoted) = (true, true),
                    Some(',') if !quoted => {
                        cells.push(std::mem::take(&mut cell));
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
                    Some(_) if was_quoted && !quoted => {
                        wrong = Some("something follows a closing quote".to_owned());
                    }
                    Some(c) => cell.push(c),
                }
            }
            let is_blank = cells.is_empty() && cell.trim().is_empty() && !was_quoted && wrong.is_none();
            cells.push(cell);
            if !is_blank {
                return Some((begun, wrong.map_or(Ok(cells), Err)));
            }
        }
        None
    }
}
