//! Tests of the appearance of badges, and that untrusted text cannot break them.

use proptest::prelude::*;
use roxmltree::Document;

use super::*;

const STYLES: [BadgeStyle; 3] = [BadgeStyle::Flat, BadgeStyle::FlatSquare, BadgeStyle::None];

/// Returns the texts that are visible in the image, in order, without shadows.
fn visible_texts(svg: &str) -> Vec<String> {
    let document = Document::parse(svg).unwrap_or_else(|why| panic!("{why}: {svg}"));
    let texts =
        document.descendants().filter(|node| node.has_tag_name(("http://www.w3.org/2000/svg", "text")));
    let texts = texts.filter(|node| node.attribute("aria-hidden").is_none());
    texts.map(|node| node.text().unwrap_or_default().to_owned()).collect()
}

fn attribute(svg: &str, name: &str) -> Option<String> {
    let document = Document::parse(svg).unwrap_or_else(|why| panic!("{why}: {svg}"));
    document.root_element().attribute(name).map(str::to_owned)
}

#[test]
fn svg_badge_matches_snapshot_and_is_accessible() {
    insta::assert_snapshot!(Badge::new("views", "1.2k").svg().replace('>', ">\n"), @r##"
    <svg xmlns="http://www.w3.org/2000/svg" width="80" height="20" role="img" aria-label="views: 1.2k">
    <title>
    views: 1.2k</title>
    <linearGradient id="s" x2="0" y2="100%">
    <stop offset="0" stop-color="#bbb" stop-opacity=".1"/>
    <stop offset="1" stop-opacity=".1"/>
    </linearGradient>
    <clipPath id="r">
    <rect width="80" height="20" rx="3" fill="#fff"/>
    </clipPath>
    <g clip-path="url(#r)">
    <rect x="0" width="43" height="20" fill="#555555"/>
    <rect x="43" width="37" height="20" fill="#007ec6"/>
    <rect width="80" height="20" fill="url(#s)"/>
    </g>
    <g text-anchor="middle" font-family="Verdana,Geneva,DejaVu Sans,sans-serif" font-size="11" text-rendering="geometricPrecision">
    <text aria-hidden="true" y="15" fill="#010101" fill-opacity=".3" x="21.5" textLength="30.8" lengthAdjust="spacingAndGlyphs">
    views</text>
    <text y="14" fill="#fff" x="21.5" textLength="30.8" lengthAdjust="spacingAndGlyphs">
    views</text>
    <text aria-hidden="true" y="15" fill="#010101" fill-opacity=".3" x="61.5" textLength="24.5" lengthAdjust="spacingAndGlyphs">
    1.2k</text>
    <text y="14" fill="#fff" x="61.5" textLength="24.5" lengthAdjust="spacingAndGlyphs">
    1.2k</text>
    </g>
    </svg>
    "##);
    let square = Badge { style: BadgeStyle::FlatSquare, ..Badge::new("views", "1.2k") };
    insta::assert_snapshot!(square.svg().replace('>', ">\n"), @r##"
    <svg xmlns="http://www.w3.org/2000/svg" width="80" height="20" role="img" aria-label="views: 1.2k">
    <title>
    views: 1.2k</title>
    <g shape-rendering="crispEdges">
    <rect x="0" width="43" height="20" fill="#555555"/>
    <rect x="43" width="37" height="20" fill="#007ec6"/>
    </g>
    <g text-anchor="middle" font-family="Verdana,Geneva,DejaVu Sans,sans-serif" font-size="11" text-rendering="geometricPrecision">
    <text y="14" fill="#fff" x="21.5" textLength="30.8" lengthAdjust="spacingAndGlyphs">
    views</text>
    <text y="14" fill="#fff" x="61.5" textLength="24.5" lengthAdjust="spacingAndGlyphs">
    1.2k</text>
    </g>
    </svg>
    "##);
}

#[test]
fn pixel_is_invisible() {
    let pixel = Badge { style: BadgeStyle::None, ..Badge::new("views", "12") }.svg();
    insta::assert_snapshot!(pixel, @r#"<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1" aria-hidden="true"/>"#);
    assert_eq!(visible_texts(&pixel), Vec::<String>::new());
}

#[test]
fn error_badge_shows_not_available() {
    let error = Badge::error("views");
    assert_eq!(visible_texts(&error.svg()), ["views", "n/a"]);
    insta::assert_snapshot!(error.json(), @r#"{"schemaVersion":1,"label":"views","message":"n/a","color":"lightgrey"}"#);
}

#[test]
fn json_badge_matches_shields_endpoint_schema() {
    insta::assert_snapshot!(Badge::new("views", "1.2k").json(), @r#"{"schemaVersion":1,"label":"views","message":"1.2k","color":"blue"}"#);
    let mut badge = Badge::new("say \"hi\"", "");
    badge.color = BadgeColor::parse("ABCD").unwrap();
    badge.label_color = BadgeColor::parse("11223344").unwrap();
    insta::assert_snapshot!(badge.json(), @r#"{"schemaVersion":1,"label":"say \"hi\"","message":"n/a","color":"abc","labelColor":"112233"}"#);
}

#[test]
fn label_with_xml_special_characters_is_escaped() {
    let svg = Badge::new("<a href=\"x\">&'", "1").svg();
    assert!(svg.contains("&lt;a href=&quot;x&quot;&gt;&amp;&#39;"), "{svg}");
    assert_eq!(visible_texts(&svg), ["<a href=\"x\">&'", "1"]);
    assert_eq!(attribute(&svg, "aria-label").unwrap(), "<a href=\"x\">&': 1");
}

#[test]
fn label_with_characters_forbidden_in_xml_is_drawn_without_them() {
    let svg = Badge::new("a\0b\u{1b}c\u{ffff}d\te\u{202e}f\n", "1").svg();
    assert_eq!(visible_texts(&svg), ["abcd ef", "1"]);
}

#[test]
fn label_with_invisible_characters_is_drawn_without_them() {
    let svg = Badge::new("vi\u{200b}e\u{61c}w\u{3164}s\u{e0041}", "\u{2764}\u{fe0f} 1\u{2060}").svg();
    assert_eq!(visible_texts(&svg), ["views", "\u{2764}\u{fe0f} 1"]);
}

#[test]
fn long_label_is_truncated() {
    let exact = "x".repeat(MAX_CHARS);
    assert_eq!(visible_texts(&Badge::new(&exact, "1").svg()), [exact.as_str(), "1"]);
    let cut = format!("{}…", "é".repeat(MAX_CHARS - 1));
    assert_eq!(visible_texts(&Badge::new(&"é".repeat(10_000), "1").svg()), [cut.as_str(), "1"]);
}

#[test]
fn empty_label_leaves_only_the_message() {
    let svg = Badge::new(" ", "12").svg();
    assert_eq!(visible_texts(&svg), ["12"]);
    assert_eq!(attribute(&svg, "aria-label").unwrap(), "12");
    assert_eq!(attribute(&svg, "width").unwrap(), "26");
}

#[test]
fn styles_and_colors_outside_the_allowed_set_are_rejected() {
    assert_eq!(BadgeStyle::parse("flat"), Some(BadgeStyle::Flat));
    assert_eq!(BadgeStyle::parse("flat-square"), Some(BadgeStyle::FlatSquare));
    assert_eq!(BadgeStyle::parse("none"), Some(BadgeStyle::None));
    for wrong in ["", "FLAT", "plastic", "flat "] {
        assert_eq!(BadgeStyle::parse(wrong), None, "{wrong:?}");
    }
    for good in ["blue", "Blue", "brightgreen", "abc", "ABCD", "a1b2c3", "a1b2c3d4"] {
        assert!(BadgeColor::parse(good).is_some(), "{good:?}");
    }
    for wrong in
        ["", "ab", "abcde", "a1b2c3d", "a1b2c3d4e", "#abc", "url(#x)", "red\"/>", "éa", "rebeccapurple"]
    {
        assert_eq!(BadgeColor::parse(wrong), None, "{wrong:?}");
    }
    for (color, name) in
        [(BadgeColor::blue(), "blue"), (BadgeColor::grey(), "grey"), (BadgeColor::light_grey(), "lightgrey")]
    {
        assert_eq!(Some(color), BadgeColor::parse(name));
    }
}

#[test]
fn text_on_bright_color_is_dark() {
    let has_dark_text = |color: &str| {
        let badge = Badge { color: BadgeColor::parse(color).unwrap(), ..Badge::new("", "1") };
        badge.svg().contains(r##"fill="#333""##)
    };
    for bright in ["fff", "ffff", "ffffff", "white", "ff0", "eeeeee80"] {
        assert!(has_dark_text(bright), "{bright}");
    }
    for dark in ["000", "black", "blue", "red", "grey", "00f", "f00", "0008"] {
        assert!(!has_dark_text(dark), "{dark}");
    }
}

#[test]
fn abbreviated_numbers_are_rounded_down() {
    for (n, short) in [
        (0, "0"),
        (999, "999"),
        (1000, "1k"),
        (1049, "1k"),
        (1234, "1.2k"),
        (1999, "1.9k"),
        (12_345, "12.3k"),
        (99_999, "99.9k"),
        (100_900, "100k"),
        (999_999, "999k"),
        (1_000_000, "1M"),
        (3_456_789, "3.4M"),
        (999_999_999, "999M"),
        (7_900_000_000, "7.9G"),
        (u64::MAX, "18.4E"),
    ] {
        assert_eq!(message(n, true), short);
        assert_eq!(message(n, false), n.to_string());
    }
}

#[test]
fn text_width_matches_verdana() {
    // At 11 pixels: digits are 0.635 em each, `i` 0.274 and `m` 0.972.
    assert_eq!(width("0123456789"), 699);
    assert_eq!(width("i"), 31);
    assert_eq!(width("m"), 107);
    assert_eq!(width(""), 0);
    assert!(width("漢字") > width("ab"));
    assert_eq!(width("e\u{301}"), width("e"));
}

proptest! {
    #[test]
    fn any_text_yields_well_formed_svg(label in any::<String>(), text in any::<String>(), style in 0..3_usize) {
        let badge = Badge { style: STYLES[style], ..Badge::new(&label, &text) };
        let svg = badge.svg();
        let texts = visible_texts(&svg);
        if badge.style != BadgeStyle::None {
            let expected: Vec<String> = [clean_text(&label), clean_text(&text)].into_iter().filter(|text| !text.is_empty()).collect();
            prop_assert_eq!(texts, expected);
        }
        prop_assert!(svg.len() < 12 * 1024);
    }

    #[test]
    fn markup_stays_text(label in "[<>&\"'a-z/=!\\[\\]-]{0,80}") {
        let svg = Badge::new(&label, "1").svg();
        let document = Document::parse(&svg).unwrap();
        let names: Vec<&str> = document.descendants().map(|node| node.tag_name().name()).collect();
        for name in names {
            prop_assert!(["", "svg", "title", "linearGradient", "stop", "clipPath", "rect", "g", "text"].contains(&name), "{}", name);
        }
    }

    #[test]
    fn any_allowed_color_is_a_name_or_digits(text in any::<String>()) {
        if let Some(color) = BadgeColor::parse(&text) {
            prop_assert!(color.hex.bytes().all(|byte| byte.is_ascii_hexdigit()));
            prop_assert!(color.shields().bytes().all(|byte| byte.is_ascii_alphanumeric()));
        }
    }

    #[test]
    fn abbreviation_is_short_and_never_exceeds_the_number(n in any::<u64>()) {
        let short = message(n, true);
        prop_assert!(short.len() <= 5, "{}", short);
        let digits: f64 = short.trim_end_matches(char::is_alphabetic).parse().unwrap();
        let unit = short.chars().last().and_then(|c| "kMGTPE".find(c)).map_or(0, |at| at + 1);
        let value = digits * 1000_f64.powi(i32::try_from(unit).unwrap());
        #[expect(clippy::cast_precision_loss, reason = "a comparison within a tenth")]
        let n = n as f64;
        prop_assert!(value <= n * 1.000_001 && value > n * 0.9 - 1.0, "{} for {}", short, n);
    }
}
