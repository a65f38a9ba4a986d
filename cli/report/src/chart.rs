//! Renders text charts: column charts and horizontal bars.

use super::style::TextStyle;

/// The characters for columns with a height of 0 to 8 eighths of a line.
const EIGHTHS: [char; 9] =
    [' ', '\u{2581}', '\u{2582}', '\u{2583}', '\u{2584}', '\u{2585}', '\u{2586}', '\u{2587}', '\u{2588}'];
/// The characters for bars with a width of 0 to 8 eighths of a column.
const LEFT_EIGHTHS: [char; 9] =
    [' ', '\u{258f}', '\u{258e}', '\u{258d}', '\u{258c}', '\u{258b}', '\u{258a}', '\u{2589}', '\u{2588}'];

/// Returns a column chart of `values` with `lines` lines, the top line first. Each column is `column_width`
/// characters wide. If `column_width` is more than 1, the last character is a space. A value above 0 is always
/// visible, and the largest value fills the height.
pub(crate) fn column_chart(
    values: &[u64],
    lines: usize,
    column_width: usize,
    style: TextStyle,
) -> Vec<String> {
    let max = values.iter().copied().max().unwrap_or(0);
    let steps = if style.unicode { 8 } else { 1 };
    let heights: Vec<usize> = values.iter().map(|value| scaled(*value, max, lines * steps)).collect();
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
                text.extend(std::iter::repeat_n(column, column_width.saturating_sub(1).max(1)));
                if column_width > 1 {
                    text.push(' ');
                }
            }
            text.trim_end().to_owned()
        })
        .collect()
}

/// Returns the bar of `value`. The bar of `max` has `columns` columns. A value above 0 is always visible.
pub(crate) fn bar(value: u64, max: u64, columns: usize, style: TextStyle) -> String {
    if !style.unicode {
        return "#".repeat(scaled(value, max, columns));
    }
    let eighths = scaled(value, max, columns * 8);
    let mut text = LEFT_EIGHTHS[8].to_string().repeat(eighths / 8);
    if !eighths.is_multiple_of(8) {
        text.push(LEFT_EIGHTHS[eighths % 8]);
    }
    text
}

/// Scales `value` from the range 0 to `max` to the range 0 to `steps`, rounded. A value above 0 becomes at least 1.
fn scaled(value: u64, max: u64, steps: usize) -> usize {
    if value == 0 || max == 0 {
        return 0;
    }
    let steps = steps as u128;
    let scaled = (u128::from(value) * steps + u128::from(max) / 2) / u128::from(max);
    usize::try_from(scaled.clamp(1, steps)).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::test_styles::WIDE;

    const ASCII: TextStyle = TextStyle { unicode: false, ..WIDE };

    #[test]
    fn column_chart_with_large_value_shows_small_values() {
        let values = [0, 1, 4, 8, 2, 100, 50];
        insta::assert_snapshot!(column_chart(&values, 3, 3, WIDE).join("\n"), @"
                    ██
                    ██ ▄▄
        ▁▁ ▁▁ ▂▂ ▁▁ ██ ██
        ");
        insta::assert_snapshot!(column_chart(&values, 3, 1, ASCII).join("\n"), @"
            #
            ##
        ######
        ");
        assert_eq!(column_chart(&[], 2, 2, WIDE), ["", ""]);
        assert_eq!(column_chart(&[0, 0], 1, 2, WIDE), [""]);
    }

    #[test]
    fn bar_has_length_in_proportion_to_value() {
        insta::assert_snapshot!(bar(10, 16, 4, WIDE), @"██▌");
        assert_eq!(bar(10, 16, 8, ASCII), "#####");
        assert_eq!((bar(0, 9, 8, ASCII), bar(1, u64::MAX, 8, ASCII)), (String::new(), "#".to_owned()));
        assert_eq!(bar(u64::MAX, u64::MAX, 3, ASCII), "###");
    }

    proptest! {
        #[test]
        fn larger_value_is_never_drawn_shorter(a in any::<u64>(), b in any::<u64>(), columns in 1_usize..80) {
            let (less, more) = (a.min(b), a.max(b));
            let width = |value| super::super::text::width(&bar(value, more, columns, WIDE));
            prop_assert!(width(less) <= width(more) && width(more) <= columns);
        }
    }
}
