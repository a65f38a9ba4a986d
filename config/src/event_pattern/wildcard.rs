//! Wildcards: `*` stands for any characters; `\*` and `\\` for a star and a backslash.

/// Pieces of text between stars: the first is where the value begins, the last where it ends. One piece: no star.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Wildcard {
    pieces: Vec<String>,
}

impl Wildcard {
    /// Reads it; an error is a fragment that says what is wrong.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        let mut pieces = vec![String::new()];
        let mut letters = text.chars();
        let mut after_star = false;
        while let Some(letter) = letters.next() {
            let star = letter == '*';
            if star && after_star {
                return Err("a wildcard cannot have two stars side by side");
            }
            after_star = star;
            let letter = match letter {
                '*' => {
                    pieces.push(String::new());
                    continue;
                }
                '\\' => match letters.next() {
                    Some(escaped @ ('*' | '\\')) => escaped,
                    _ => return Err("in a wildcard a backslash stands before `*` or another backslash only"),
                },
                letter => letter,
            };
            if let Some(piece) = pieces.last_mut() {
                piece.push(letter);
            }
        }
        Ok(Self { pieces })
    }

    pub(super) fn matches(&self, text: &str) -> bool {
        let [first, middle @ .., last] = self.pieces.as_slice() else {
            return self.pieces.first().is_some_and(|only| only == text);
        };
        let Some(mut rest) = text.strip_prefix(first.as_str()) else { return false };
        // The earliest place of each piece leaves the most room for the others.
        for piece in middle {
            match rest.find(piece.as_str()) {
                Some(at) => rest = &rest[at + piece.len()..],
                None => return false,
            }
        }
        rest.ends_with(last.as_str())
    }
}
