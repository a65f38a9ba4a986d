//! Parses DynamoDB's numbers as counts. They have up to 38 digits, fractions and exponents, and manual edits
//! may produce any of them.

use hitctl_config::contract::MAX_COUNT;

/// The maximum number of computed digits before the decimal point. DynamoDB's numbers have at most 38 digits,
/// and exponents up to 125.
const MAX_DIGITS: i64 = 200;

/// Returns the count of a stored number: at most [`MAX_COUNT`], and 0 if negative. `None` if it is not a
/// number.
pub fn count_of(number: &str) -> Option<u64> {
    whole_part(number).map(|count| count.min(MAX_COUNT))
}

/// Returns the whole part of a number like `1.25E+3`, limited to 64 bits, and 0 if negative. `None` if it is
/// not a number. Implemented here, because the standard library's parser of fractions adds 20 KB to the
/// function.
pub fn whole_part(number: &str) -> Option<u64> {
    if let Ok(count) = number.parse() {
        return Some(count);
    }
    let (sign, number) = match number.strip_prefix('-') {
        // A negative number becomes 0.
        Some(rest) => (0, rest),
        None => (1, number.strip_prefix('+').unwrap_or(number)),
    };
    let (digits, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let mut all = whole.bytes().chain(fraction.bytes()).peekable();
    all.peek()?;
    if !all.all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let before_point = i64::try_from(whole.len()).ok()?.saturating_add(exponent_of(exponent)?);
    let digit_count = usize::try_from(before_point.clamp(0, MAX_DIGITS)).ok()?;
    let digits = whole.bytes().chain(fraction.bytes()).chain(std::iter::repeat(b'0')).take(digit_count);
    let count =
        digits.fold(0_u64, |count, digit| count.saturating_mul(10).saturating_add(u64::from(digit - b'0')));
    Some(sign * count)
}

/// Parses an exponent. It is limited to `MAX_DIGITS`, positive or negative: beyond it, the number exceeds 64 bits
/// or is 0.
fn exponent_of(text: &str) -> Option<i64> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let is_number = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
    is_number.then(|| sign * digits.parse::<i64>().unwrap_or(MAX_DIGITS).min(MAX_DIGITS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_truncated_to_whole_counts() {
        for (number, value) in [
            ("0", 0),
            ("12", 12),
            ("1.25E+3", 1250),
            ("1234E-2", 12),
            ("0.00012e5", 12),
            ("9E-1", 0),
            ("-2.5", 0),
            ("-7E2", 0),
            ("-18446744073709551616", 0),
            ("1.8446744073709551614E19", u64::MAX - 1),
            ("18446744073709551616", u64::MAX),
            ("9E+125", u64::MAX),
            ("0E125", 0),
            ("1E-130", 0),
            ("1E999999999999999999", u64::MAX),
            ("1E99999999999999999999", u64::MAX),
            ("1E-99999999999999999999", 0),
        ] {
            assert_eq!(whole_part(number), Some(value), "{number}");
            assert_eq!(count_of(number), Some(value.min(MAX_COUNT)), "{number}");
        }
    }

    #[test]
    fn text_that_is_not_a_number_is_none() {
        for text in ["", "-", "x", "E5", "1E", "1Ex", "1.2.3E9", "0x10", "--1", ".", "1 "] {
            assert_eq!(whole_part(text), None, "{text}");
        }
    }
}
