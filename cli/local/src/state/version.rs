//! Checks the version of the JSON files of a state directory: the field `v`, the version of a file's layout.
//!
//! A file of a newer layout may parse and yet mean something else, so its version is read before the rest.

use crate::codes;
use std::path::Path;

use hitctl_engine::Fault;
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// The version of the layout that this program writes. Newer programs use higher numbers.
pub const STATE_VERSION: u32 = 1;

#[derive(Deserialize)]
struct Versioned {
    v: Option<u64>,
}

/// Parses a file of a state directory. Rejects a file with a newer layout, without a version, or with invalid
/// content.
pub(crate) fn parse<T: DeserializeOwned>(path: &Path, text: &[u8]) -> Result<T, Fault> {
    let damaged = |error: &dyn std::fmt::Display| corrupt(path, error);
    let found: Versioned = serde_json::from_slice(text).map_err(|error| damaged(&error))?;
    match found.v {
        // Versions begin at 1.
        None | Some(0) => Err(damaged(&"the version is missing")),
        Some(v) if v > u64::from(STATE_VERSION) => Err(newer(path.parent().unwrap_or(path), v)),
        Some(_) => serde_json::from_slice(text).map_err(|error| damaged(&error)),
    }
}

/// Returns the fault for a file with content that hitctl does not write.
pub(crate) fn corrupt(path: &Path, error: &dyn std::fmt::Display) -> Fault {
    Fault::fatal(codes::STATE_CORRUPT, format!("{} is damaged; it was left unchanged", path.display()))
        .caused_by(error.to_string())
        .hinted("restore the file from a backup, or run `hitctl local reset`, which deletes all local data")
}

fn newer(dir: &Path, v: u64) -> Fault {
    Fault::fatal(
        "local_state_newer",
        format!("the state directory {} was written by a newer hitctl", dir.display()),
    )
    .caused_by(format!("expected a layout version of at most {STATE_VERSION}, found {v}"))
    .hinted("use the newer hitctl, or run `hitctl local reset`, which deletes all local data")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    struct File {
        text: String,
    }

    fn parsed(text: &str) -> Result<String, Fault> {
        parse::<File>(Path::new("/state/file.json"), text.as_bytes()).map(|file| file.text)
    }

    #[test]
    fn parse_of_known_version_returns_file() {
        assert_eq!(parsed(r#"{"v":1,"text":"a"}"#), Ok("a".to_owned()));
    }

    #[test]
    fn parse_of_newer_version_fails_whatever_its_content() {
        for text in [r#"{"v":2,"text":"a"}"#, r#"{"v":2}"#, r#"{"v":18446744073709551615,"text":1}"#] {
            let fault = parsed(text).unwrap_err();
            assert_eq!(fault.code, "local_state_newer", "{text}");
            assert_eq!(fault.message, "the state directory /state was written by a newer hitctl", "{text}");
        }
        let cause = parsed(r#"{"v":2}"#).unwrap_err().cause.unwrap();
        assert_eq!(cause, "expected a layout version of at most 1, found 2");
    }

    #[test]
    fn parse_without_valid_version_fails_as_damaged() {
        for text in [
            r#"{"v":0,"text":"a"}"#,
            r#"{"text":"a"}"#,
            r#"{"v":null,"text":"a"}"#,
            r#"{"v":-1,"text":"a"}"#,
            r#"{"v":"1","text":"a"}"#,
            r#"{"v":1}"#,
            "{",
            "",
            "[]",
        ] {
            let fault = parsed(text).unwrap_err();
            assert_eq!(fault.code, "local_state_corrupt", "{text}");
            assert_eq!(fault.message, "/state/file.json is damaged; it was left unchanged", "{text}");
        }
    }
}
