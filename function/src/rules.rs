//! The rules: what is counted, under which key, or why not. `hitctl explain` asks the same function that the Lambda
//! does. Pure; later rules (bots, origins, budgets) join here.

use crate::path::{self, Key, Refusal};

/// What becomes of a hit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is counted under this key.
    Counted {
        /// The normalised path.
        key: Key,
    },
    /// It is refused, and the caller is told why.
    Refused {
        /// The reason, fit for people and, by [`Refusal::code`], for programs.
        why: Refusal,
    },
}

/// Judges a hit by what the client calls the page: a path, a URL or a plain string.
pub fn judge(path: &str) -> Verdict {
    match path::normalise(path) {
        Ok(key) => Verdict::Counted { key },
        Err(why) => Verdict::Refused { why },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_the_key_or_the_reason() {
        let Verdict::Counted { key } = judge("https://example.com/a/?b") else { panic!("refused") };
        assert_eq!(key.as_str(), "/a");
        let Verdict::Refused { why } = judge("!lease") else { panic!("counted") };
        assert_eq!(why.code(), "bad_path");
        insta::assert_snapshot!(why, @"the path begins with `!`, which is reserved");
    }

    #[test]
    fn reasons_read_as_sentences() {
        let reason = |raw: &str| match judge(raw) {
            Verdict::Refused { why } => why.to_string(),
            Verdict::Counted { key } => panic!("counted as {key}"),
        };
        insta::assert_snapshot!(reason("/%00"), @"the path holds a control character");
        insta::assert_snapshot!(reason("/\\"), @"the path holds a backslash");
        insta::assert_snapshot!(reason("/%ff"), @"the path is not UTF-8");
        insta::assert_snapshot!(reason("https://"), @"the URL has no valid host");
        let long = "/a".repeat(300);
        insta::assert_snapshot!(reason(&long), @"the path is 600 bytes long after normalising, the limit is 512");
    }
}
