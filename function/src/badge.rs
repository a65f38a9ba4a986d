//! Draws badges: a label and a message as a small SVG image, or as the JSON from which shields.io draws a badge.
//! Pure text processing; must not know what the number means or which route requested the badge.

use std::fmt::Write as _;

use hitctl_config::is_unsafe_to_show;

use crate::json::JsonObject;

/// The maximum number of characters of a label or a message; longer texts are truncated.
pub const MAX_CHARS: usize = 64;

/// The height of a badge in pixels: the usual height of badges on the web.
const HEIGHT: u32 = 20;
/// The padding on each side of a text, in tenths of a pixel.
const PADDING: u32 = 60;
/// The font size, in pixels.
const FONT_SIZE: u32 = 11;
/// Backgrounds brighter than this, out of 255, get dark text, because white would be unreadable.
const BRIGHT_THRESHOLD: u32 = 176;

/// The text and appearance of a badge image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Badge<'a> {
    /// The label: any text, or empty to show only the message.
    pub label: &'a str,
    /// The message, such as a number written by [`message`].
    pub message: &'a str,
    /// The background of the message.
    pub color: BadgeColor,
    /// The background of the label.
    pub label_color: BadgeColor,
    /// The style in which the badge is drawn.
    pub style: BadgeStyle,
}

/// The style of a badge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BadgeStyle {
    /// Round corners and a slight gradient.
    #[default]
    Flat,
    /// Square corners, no gradient.
    FlatSquare,
    /// A transparent image of one pixel, for pages that count without showing a number.
    None,
}

impl BadgeStyle {
    /// Parses a style: `flat`, `flat-square` or `none`.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "flat" => Some(Self::Flat),
            "flat-square" => Some(Self::FlatSquare),
            "none" => Some(Self::None),
            _ => None,
        }
    }
}

/// An allowed color, so that no untrusted text gets into the image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadgeColor {
    /// The name that shields.io uses, or the digits.
    name: String,
    /// 3, 4, 6 or 8 hexadecimal digits.
    hex: String,
}

/// The names that shields.io documents, and the colors that it draws for them.
const NAMED_COLORS: &[(&str, &str)] = &[
    ("brightgreen", "44cc11"),
    ("green", "97ca00"),
    ("yellowgreen", "a4a61d"),
    ("yellow", "dfb317"),
    ("orange", "fe7d37"),
    ("red", "e05d44"),
    ("blue", "007ec6"),
    ("grey", "555555"),
    ("gray", "555555"),
    ("lightgrey", "9f9f9f"),
    ("lightgray", "9f9f9f"),
    ("success", "44cc11"),
    ("important", "fe7d37"),
    ("critical", "e05d44"),
    ("informational", "007ec6"),
    ("inactive", "9f9f9f"),
    ("black", "000000"),
    ("white", "ffffff"),
];

impl BadgeColor {
    /// Returns the default color of a message.
    pub fn blue() -> Self {
        Self { name: "blue".to_owned(), hex: "007ec6".to_owned() }
    }

    /// Returns the default color of a label.
    pub fn grey() -> Self {
        Self { name: "grey".to_owned(), hex: "555555".to_owned() }
    }

    /// Returns the color of a missing message.
    pub fn light_grey() -> Self {
        Self { name: "lightgrey".to_owned(), hex: "9f9f9f".to_owned() }
    }

    /// Parses a color: one of the known names, or 3, 4, 6 or 8 hexadecimal digits without `#`, in any case.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > 16 {
            return None;
        }
        let name = text.to_ascii_lowercase();
        if let Some((_, hex)) = NAMED_COLORS.iter().find(|(known, _)| *known == name) {
            return Some(Self { name, hex: (*hex).to_owned() });
        }
        let is_hex = name.bytes().all(|byte| byte.is_ascii_hexdigit());
        (is_hex && matches!(name.len(), 3 | 4 | 6 | 8)).then(|| Self { hex: name.clone(), name })
    }

    /// Returns the color as shields.io accepts it: digits without `#` must not include transparency.
    fn shields(&self) -> &str {
        match (self.name == self.hex, self.name.len()) {
            (true, 4) => &self.name[..3],
            (true, 8) => &self.name[..6],
            _ => &self.name,
        }
    }

    /// Returns whether text on this color has to be dark. The brightness is the luma of ITU-R BT.601, with weights
    /// in thousandths.
    fn is_bright(&self) -> bool {
        let digits: Vec<u32> = self.hex.chars().filter_map(|digit| digit.to_digit(16)).collect();
        // In the short forms, one digit stands for two equal digits.
        let channel = |at: usize| match digits.len() {
            3 | 4 => digits[at] * 17,
            _ => digits[2 * at] * 16 + digits[2 * at + 1],
        };
        let (red, green, blue) = (channel(0), channel(1), channel(2));
        (red * 299 + green * 587 + blue * 114) / 1000 > BRIGHT_THRESHOLD
    }
}

impl<'a> Badge<'a> {
    /// Creates a badge in the default colors and style.
    pub fn new(label: &'a str, message: &'a str) -> Self {
        Self {
            label,
            message,
            color: BadgeColor::blue(),
            label_color: BadgeColor::grey(),
            style: BadgeStyle::Flat,
        }
    }

    /// Creates a badge that shows `n/a` instead of a number, so that no page shows a broken image.
    pub fn error(label: &'a str) -> Self {
        Self { color: BadgeColor::light_grey(), ..Self::new(label, "n/a") }
    }

    /// Returns the image: a complete SVG document, whatever the texts are.
    pub fn svg(&self) -> String {
        if self.style == BadgeStyle::None {
            return r#"<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1" aria-hidden="true"/>"#
                .to_owned();
        }
        let square = self.style == BadgeStyle::FlatSquare;
        let (label, message) = (clean_text(self.label), clean_text(self.message));
        let left = BadgeSection::new(&label, 0, &self.label_color);
        let right = BadgeSection::new(&message, left.end(), &self.color);
        let accessible_text = match (label.as_str(), message.as_str()) {
            ("", only) | (only, "") => escaped(only),
            (label, message) => format!("{}: {}", escaped(label), escaped(message)),
        };
        let width = right.end();
        let mut svg = format!(
            r#"<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{HEIGHT}" role="img" aria-label="{accessible_text}"><title>{accessible_text}</title>"#
        );
        if square {
            svg.push_str(r#"<g shape-rendering="crispEdges">"#);
        } else {
            let _ = write!(
                svg,
                concat!(
                    r##"<linearGradient id="s" x2="0" y2="100%"><stop offset="0" stop-color="#bbb" stop-opacity=".1"/>"##,
                    r#"<stop offset="1" stop-opacity=".1"/></linearGradient>"#,
                    r##"<clipPath id="r"><rect width="{}" height="{}" rx="3" fill="#fff"/></clipPath><g clip-path="url(#r)">"##
                ),
                width, HEIGHT
            );
        }
        left.push_box(&mut svg);
        right.push_box(&mut svg);
        if !square {
            let _ = write!(svg, r#"<rect width="{width}" height="{HEIGHT}" fill="url(#s)"/>"#);
        }
        let _ = write!(
            svg,
            r#"</g><g text-anchor="middle" font-family="Verdana,Geneva,DejaVu Sans,sans-serif" font-size="{FONT_SIZE}" text-rendering="geometricPrecision">"#
        );
        left.push_text(&mut svg, !square);
        right.push_text(&mut svg, !square);
        svg.push_str("</g></svg>");
        svg
    }

    /// Returns the response for shields.io's endpoint badge: <https://shields.io/badges/endpoint-badge>.
    /// shields.io rejects an empty message, so an empty message becomes `n/a`.
    pub fn json(&self) -> String {
        let (label, mut message) = (clean_text(self.label), clean_text(self.message));
        if message.is_empty() {
            "n/a".clone_into(&mut message);
        }
        let json =
            JsonObject::new().number("schemaVersion", 1).text("label", &label).text("message", &message);
        let json = json.text("color", self.color.shields());
        let is_usual = self.label_color == BadgeColor::grey();
        if is_usual { json } else { json.text("labelColor", self.label_color.shields()) }.end()
    }
}

/// One of the two sections of a badge.
struct BadgeSection<'a> {
    text: &'a str,
    /// The left edge and the width, in pixels.
    x: u32,
    width: u32,
    /// The width of the text, in tenths of a pixel.
    text_width: u32,
    color: &'a BadgeColor,
}

impl<'a> BadgeSection<'a> {
    fn new(text: &'a str, x: u32, color: &'a BadgeColor) -> Self {
        let text_width = width(text);
        let width = if text.is_empty() { 0 } else { (text_width + 2 * PADDING).div_ceil(10) };
        Self { text, x, width, text_width, color }
    }

    fn end(&self) -> u32 {
        self.x + self.width
    }

    fn push_box(&self, svg: &mut String) {
        let Self { x, width, color: BadgeColor { hex, .. }, .. } = self;
        if *width > 0 {
            let _ = write!(svg, r##"<rect x="{x}" width="{width}" height="{HEIGHT}" fill="#{hex}"/>"##);
        }
    }

    /// Draws the text with exactly the reserved width, even if the viewer has another font.
    fn push_text(&self, svg: &mut String, shadow: bool) {
        let Self { text, width, text_width, color, .. } = self;
        if text.is_empty() {
            return;
        }
        let text = escaped(text);
        let middle = self.x * 10 + width * 5;
        let (ink, shade) = if color.is_bright() { ("#333", "#ccc") } else { ("#fff", "#010101") };
        let (x, tenth) = (middle / 10, middle % 10);
        let (length, length_tenth) = (text_width / 10, text_width % 10);
        let at = format!(
            r#"x="{x}.{tenth}" textLength="{length}.{length_tenth}" lengthAdjust="spacingAndGlyphs""#
        );
        if shadow {
            let _ = write!(
                svg,
                r#"<text aria-hidden="true" y="15" fill="{shade}" fill-opacity=".3" {at}>{text}</text>"#
            );
        }
        let _ = write!(svg, r#"<text y="14" fill="{ink}" {at}>{text}</text>"#);
    }
}

/// Formats a number for a badge. If `abbreviated`, it has at most three digits and is rounded down: 1234 is
/// `1.2k`, 3456789 is `3.4M`.
pub fn message(n: u64, abbreviated: bool) -> String {
    if !abbreviated || n < 1000 {
        return n.to_string();
    }
    let (mut tenths, mut unit) = (n / 100, 0);
    while tenths >= 10_000 {
        tenths /= 1000;
        unit += 1;
    }
    let unit = ["k", "M", "G", "T", "P", "E"].get(unit).copied().unwrap_or_default();
    match (tenths / 10, tenths % 10) {
        (whole, 0) => format!("{whole}{unit}"),
        (whole, _) if whole >= 100 => format!("{whole}{unit}"),
        (whole, tenth) => format!("{whole}.{tenth}{unit}"),
    }
}

/// Cleans a text for drawing: one line of limited length, without characters that XML forbids and without
/// invisible and reordering characters.
fn clean_text(text: &str) -> String {
    let mut out = String::new();
    let legal = text.chars().filter_map(|c| match c {
        '\t' | '\n' | '\r' => Some(' '),
        '\u{fffe}' | '\u{ffff}' => None,
        c if is_unsafe_to_show(c) => None,
        c => Some(c),
    });
    for (at, c) in legal.enumerate() {
        if at == MAX_CHARS {
            out.pop();
            out.push('…');
            break;
        }
        out.push(c);
    }
    out.trim().to_owned()
}

/// Escapes a text for XML and HTML, in an element or an attribute: all five special characters.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// The advance widths of Verdana Regular from the space to `~`, in thousandths of an em. They are from the
/// font's own `hmtx` table, which uses 2048ths of an em. They are rounded down, as PDF libraries do for `Widths`.
const VERDANA: [u16; 95] = [
    351, 393, 458, 818, 635, 1076, 726, 268, 454, 454, 635, 818, 363, 454, 363, 454, // space to /
    635, 635, 635, 635, 635, 635, 635, 635, 635, 635, 454, 454, 818, 818, 818, 545, // 0 to ?
    1000, 683, 685, 698, 770, 632, 574, 775, 751, 420, 454, 692, 556, 842, 748, 787, // @ to O
    603, 787, 695, 683, 616, 731, 683, 988, 685, 615, 685, 454, 454, 454, 818, 635, // P to _
    635, 600, 623, 520, 623, 595, 351, 623, 632, 274, 344, 591, 274, 972, 632, 606, // ` to o
    623, 623, 426, 520, 394, 632, 591, 818, 591, 591, 525, 634, 454, 634, 818, // p to ~
];

/// Returns the width of a text, in tenths of a pixel. For characters beyond ASCII, the width is
/// estimated by script. The attribute `textLength` makes the text fit it.
fn width(text: &str) -> u32 {
    let thousandths: u32 = text.chars().map(advance).sum();
    (thousandths * FONT_SIZE * 10).div_ceil(1000)
}

fn advance(c: char) -> u32 {
    match c {
        ' '..='~' => u32::from(VERDANA[c as usize - ' ' as usize]),
        // Combining marks and joiners.
        '\u{300}'..='\u{36f}' | '\u{200b}'..='\u{200d}' | '\u{fe00}'..='\u{fe0f}' => 0,
        '…' => 818,
        // East Asian scripts and emoji.
        '\u{1100}'..='\u{115f}'
        | '\u{2e80}'..='\u{a4cf}'
        | '\u{ac00}'..='\u{d7a3}'
        | '\u{f900}'..='\u{faff}'
        | '\u{ff01}'..='\u{ff60}'
        | '\u{1f000}'.. => 1000,
        // About the width of a Greek or Cyrillic letter.
        _ => 650,
    }
}

#[cfg(test)]
mod tests;
