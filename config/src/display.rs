//! Decides which characters must not be shown unchanged. The error messages of this crate and all output of the
//! deployer use the same list.

/// Whether a character of external text must be escaped or replaced before it is shown: a control character, one that
/// changes the direction or order of text, one that ends a line, or an invisible one.
///
/// The joiners U+200C and U+200D and the variation selectors are allowed, because Persian and emoji need them.
pub fn is_unsafe_to_show(c: char) -> bool {
    c.is_control()
        || matches!(c,
            // Soft hyphen, grapheme joiner, Arabic letter mark.
            '\u{ad}' | '\u{34f}' | '\u{61c}'
            // Fillers of Hangul and Khmer, separators and selectors of Mongolian.
            | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{3164}' | '\u{ffa0}'
            // Zero-width space, marks of direction, ends of lines, embeddings and overrides of direction.
            | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
            // Word joiner, invisible operators, isolates, deprecated format characters.
            | '\u{2060}'..='\u{206f}'
            // Byte order mark, reserved invisible characters, interlinear annotations.
            | '\u{feff}' | '\u{fff0}'..='\u{fffb}'
            // Format characters of shorthand and musical notation.
            | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
            // Tags and reserved invisible characters. The variation selectors between them are allowed.
            | '\u{e0000}'..='\u{e00ff}' | '\u{e01f0}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invisible_and_reordering_characters_are_unsafe() {
        for c in "\u{0}\u{7}\n\t\u{1b}\u{7f}\u{9b}\u{ad}\u{34f}\u{61c}\u{115f}\u{1160}\u{17b4}\u{17b5}\u{180b}\u{180e}\u{200b}\
                  \u{200e}\u{200f}\u{2028}\u{2029}\u{202a}\u{202e}\u{2060}\u{2066}\u{2069}\u{206f}\u{3164}\u{feff}\u{ffa0}\
                  \u{fff9}\u{fffb}\u{e0000}\u{e0001}\u{e0041}\u{e007f}"
            .chars()
        {
            assert!(is_unsafe_to_show(c), "U+{:04X}", u32::from(c));
        }
    }

    #[test]
    fn text_joiners_and_variation_selectors_are_safe() {
        for c in " aé数ا\u{301}\u{64b}\u{200c}\u{200d}\u{fe00}\u{fe0e}\u{fe0f}\u{e0100}\u{e01ef}\u{fffd}\u{1f468}\u{a0}".chars() {
            assert!(!is_unsafe_to_show(c), "U+{:04X}", u32::from(c));
        }
    }
}
