//! Charts of text: columns for a row of days, a bar for a share. Pure; numbers in, lines out.

use super::style::Style;

/// A column in eighths of a line.
const EIGHTHS: [char; 9] =
    [' ', '\u{2581}', '\u{2582}', '\u{2583}', '\u{2584}', '\u{2585}', '\u{2586}', '\u{2587}', '\u{2588}'];
/// A bar in eighths of a column.
const LEFT_EIGHTHS: [char; 9] =
    [' ', '\u{258f}', '\u{258e}', '\u{258d}', '\u{258c}', '\u{258b}', '\u{258a}', '\u{2589}', '\u{2588}'];

/// Columns of `values`, `lines` high and each `wide` wide with a space behind it if it is wider than one, the highest
/// line first. What is not zero can be seen, and the largest fills the height.
pub(crate) fn columns(values: &[u64], lines: usize, wide: usize, style: Style) -> Vec<String> {
    let most = values.iter().copied().max().unwrap_or(0);
    let steps = if style.unicode { 8 } else { 1 };
    let heights: Vec<usize> = values.iter().map(|value| scaled(*value, most, lines * steps)).collect();
    (0..lines)
        .rev()
        .map(|line| {
            let mut text = String::new();
            for height in &heights {
                let part = height.saturating_sub(line * steps).min(steps);
                let column = match (style.unicode, part) {
                    (true, part) => EIGHTHS[part],
                    (false, 0) => ' ',
                    (false, _) => '#',
                };
                text.extend(std::iter::repeat_n(column, wide.saturating_sub(1).max(1)));
                if wide > 1 {
                    text.push(' ');
                }
            }
            text.trim_end().to_owned()
        })
        .collect()
}

/// A bar of `value` where `most` would be `columns` wide. What is not zero can be seen.
pub(crate) fn bar(value: u64, most: u64, columns: usize, style: Style) -> String {
    if !style.unicode {
        return "#".repeat(scaled(value, most, columns));
    }
    let eighths = scaled(value, most, columns * 8);
    let mut text = LEFT_EIGHTHS[8].to_string().repeat(eighths / 8);
    if !eighths.is_multiple_of(8) {
        text.push(LEFT_EIGHTHS[eighths % 8]);
    }
    text
}

/// `value` of `most` as so many of `steps`, rounded, at least one if it is not zero.
fn scaled(value: u64, most: u64, steps: usize) -> usize {
    if value == 0 || most == 0 {
        return 0;
    }
    let steps = steps as u128;
    let scaled = (u128::from(value) * steps + u128::from(most) / 2) / u128::from(most);
    usize::try_from(scaled.clamp(1, steps)).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::test_styles::WIDE;

    const ASCII: Style = Style { unicode: false, ..WIDE };

    #[test]
    fn days_as_columns() {
        let values = [0, 1, 4, 8, 2, 100, 50];
        insta::assert_snapshot!(columns(&values, 3, 3, WIDE).join("\n"), @"
                    ██
                    ██ ▄▄
        ▁▁ ▁▁ ▂▂ ▁▁ ██ ██
        ");
        insta::assert_snapshot!(columns(&values, 3, 1, ASCII).join("\n"), @"
            #
            ##
        ######
        ");
        assert_eq!(columns(&[], 2, 2, WIDE), ["", ""]);
        assert_eq!(columns(&[0, 0], 1, 2, WIDE), [""]);
    }

    #[test]
    fn shares_as_bars() {
        insta::assert_snapshot!(bar(10, 16, 4, WIDE), @"██▌");
        assert_eq!(bar(10, 16, 8, ASCII), "#####");
        assert_eq!((bar(0, 9, 8, ASCII), bar(1, u64::MAX, 8, ASCII)), (String::new(), "#".to_owned()));
        assert_eq!(bar(u64::MAX, u64::MAX, 3, ASCII), "###");
    }

    proptest! {
        #[test]
        fn more_is_never_drawn_shorter(a in any::<u64>(), b in any::<u64>(), columns in 1_usize..80) {
            let (less, more) = (a.min(b), a.max(b));
            let width = |value| super::super::text::width(&bar(value, more, columns, WIDE));
            prop_assert!(width(less) <= width(more) && width(more) <= columns);
        }
    }
}
