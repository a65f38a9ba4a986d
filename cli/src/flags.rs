//! Parsers of flag values that several commands share.

use std::time::Duration;

/// Parses a duration such as `90s`, `10m`, `2h` or `7d`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let invalid = || format!("expected a duration such as 30s, 10m, 2h or 7d, found {text:?}");
    let unit = text.chars().next_back().ok_or_else(invalid)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return Err(invalid()),
    };
    let number: u32 = text[..text.len() - 1].parse().map_err(|_| invalid())?;
    Ok(Duration::from_secs(u64::from(number) * seconds))
}

/// The maximum length of an ID in characters.
const MAX_ID_CHARS: usize = 100;

/// Parses the ID of a message or an import.
pub(crate) fn id_argument(text: &str) -> Result<String, String> {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || "-_.:".contains(c);
    match text {
        "" => Err("expected an ID, found an empty value".to_owned()),
        _ if text.len() > MAX_ID_CHARS => Err(format!("expected at most {MAX_ID_CHARS} characters")),
        _ if !text.chars().all(is_allowed) => {
            Err(format!("expected only letters, digits and - _ . :, found {text:?}"))
        }
        _ => Ok(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn duration_accepts_whole_numbers_with_unit() {
        assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("7d"), Ok(Duration::from_hours(168)));
        for wrong in ["", "m", "10", "-1m", "1w", "1.5h", "ä"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}
