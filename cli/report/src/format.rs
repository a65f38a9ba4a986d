//! Formats numbers and durations for people.

pub use hitctl_engine::plural;

use super::style::TextStyle;

/// Formats a duration: `12ms`, `0.3s`, `59.9s`, `1m 04s`, `2h 05m`.
pub(crate) fn took(ms: u64) -> String {
    let seconds = ms / 1000;
    match ms {
        0..100 => format!("{ms}ms"),
        // Rounded down, so that the text is never longer than the duration.
        100..60_000 => format!("{seconds}.{}s", ms % 1000 / 100),
        60_000..3_600_000 => format!("{}m {:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h {:02}m", seconds / 3600, seconds % 3600 / 60),
    }
}

/// Formats a size: `512 B`, `1.4 KiB`, `512 KiB`, `1.5 MiB`.
pub(crate) fn bytes(n: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if n < 1024 {
        return format!("{n} B");
    }
    // Count in integer tenths: a float could be rounded up to 1024 of a unit.
    let mut tenths = u128::from(n) * 10 / 1024;
    let mut unit = UNITS[0];
    for next in &UNITS[1..] {
        if tenths < 10_240 {
            break;
        }
        tenths /= 1024;
        unit = next;
    }
    if tenths >= 1000 || tenths % 10 == 0 {
        format!("{} {unit}", tenths / 10)
    } else {
        format!("{}.{} {unit}", tenths / 10, tenths % 10)
    }
}

/// Formats an integer. On a terminal, it has commas between thousands.
pub(crate) fn number(n: u64, style: TextStyle) -> String {
    let digits = n.to_string();
    if !style.tty {
        return digits;
    }
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Formats a count like [`plural`], with the number formatted by [`number`].
pub(crate) fn count(n: u64, noun: &str, style: TextStyle) -> String {
    format!("{} {noun}{}", number(n, style), if n == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn took_formats_durations() {
        let shown: Vec<_> =
            [0, 12, 99, 100, 349, 1200, 59_999, 60_000, 64_000, 3_599_999, 7_500_000].map(took).to_vec();
        assert_eq!(
            shown,
            ["0ms", "12ms", "99ms", "0.1s", "0.3s", "1.2s", "59.9s", "1m 00s", "1m 04s", "59m 59s", "2h 05m"]
        );
    }

    #[test]
    fn bytes_formats_sizes() {
        let shown: Vec<_> =
            [0, 1023, 1024, 1500, 524_288, 1_048_575, 1_048_576, 1_572_864, u64::MAX].map(bytes).to_vec();
        assert_eq!(
            shown,
            ["0 B", "1023 B", "1 KiB", "1.4 KiB", "512 KiB", "1023 KiB", "1 MiB", "1.5 MiB", "16777215 TiB"]
        );
    }

    #[test]
    fn number_has_separators_only_on_terminal() {
        let tty = TextStyle { tty: true, ..TextStyle::PLAIN };
        let shown: Vec<_> = [0, 999, 1000, 1_234_567].iter().map(|n| number(*n, tty)).collect();
        assert_eq!(shown, ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(number(1_234_567, TextStyle::PLAIN), "1234567");
        assert_eq!(
            (plural(1, "change"), plural(2, "change")),
            ("1 change".to_owned(), "2 changes".to_owned())
        );
    }
}
