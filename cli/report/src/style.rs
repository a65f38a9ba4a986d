//! The style of text on one stream: colour, width and character set.
//!
//! The caller passes the environment variables and the properties of the terminal. This module must not read them
//! itself.

use std::collections::BTreeMap;

use anstyle::{AnsiColor, Style as Ansi};

/// The value of `--color`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ColorChoice {
    /// Colour on terminals.
    #[default]
    Auto,
    /// Colour even in files.
    Always,
    /// No colour.
    Never,
}

/// The capabilities of one stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextStyle {
    /// Whether to use colour.
    pub color: bool,
    /// Whether the stream is a terminal. Numbers then have separators, and prose is wrapped.
    pub tty: bool,
    /// The width in columns. `None` means unlimited.
    pub width: Option<u16>,
    /// Whether characters outside ASCII can be shown.
    pub unicode: bool,
}

/// The meaning of a text, which determines its colour. A word or a symbol must also express the meaning, because not
/// every user sees the colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// Success or addition.
    Good,
    /// A change or a warning.
    Warn,
    /// An error or a removal.
    Bad,
    /// A replacement.
    Special,
    /// Less important.
    Dim,
    /// Important.
    Strong,
    /// A URL or a command.
    Link,
}

impl Tone {
    fn ansi(self) -> Ansi {
        let colour = |c: AnsiColor| Ansi::new().fg_color(Some(c.into()));
        match self {
            Self::Good => colour(AnsiColor::Green),
            Self::Warn => colour(AnsiColor::Yellow),
            Self::Bad => colour(AnsiColor::Red),
            Self::Special => colour(AnsiColor::Magenta),
            Self::Dim => Ansi::new().dimmed(),
            Self::Strong => Ansi::new().bold(),
            Self::Link => colour(AnsiColor::Cyan),
        }
    }
}

impl TextStyle {
    /// Plain text of unlimited width, for files, pipes and tests.
    pub const PLAIN: Self = Self { color: false, tty: false, width: None, unicode: true };

    /// Decides the style of one stream. The colour depends, in this order of precedence, on `--color`, on `NO_COLOR`,
    /// on `CLICOLOR_FORCE` and `FORCE_COLOR`, and on whether the stream is a terminal outside CI that is not `dumb`.
    /// The width applies only to a terminal.
    pub fn decide(
        choice: ColorChoice,
        env: &BTreeMap<String, String>,
        tty: bool,
        width: Option<u16>,
    ) -> Self {
        let set = |key: &str| env.get(key).is_some_and(|value| !value.is_empty());
        let forced = |key: &str| env.get(key).is_some_and(|value| !value.is_empty() && value != "0");
        let color = match choice {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto if set("NO_COLOR") => false,
            ColorChoice::Auto if forced("CLICOLOR_FORCE") || forced("FORCE_COLOR") => true,
            ColorChoice::Auto => tty && !is_ci(env) && !is_dumb(env),
        };
        // A width of 0 means that the terminal does not know it.
        let width = width.filter(|w| tty && *w > 0);
        Self { color, tty, width, unicode: supports_unicode(env) }
    }

    /// Applies a tone to `text`.
    pub fn paint(self, tone: Tone, text: impl AsRef<str>) -> String {
        let text = text.as_ref();
        if !self.color || text.is_empty() {
            return text.to_owned();
        }
        let ansi = tone.ansi();
        format!("{ansi}{text}{ansi:#}")
    }

    /// Returns the maximum length of a line in columns.
    pub fn columns(self) -> usize {
        self.width.map_or(usize::MAX, |w| usize::from(w).max(20))
    }

    /// Whether a line is too short for optional details.
    pub fn narrow(self) -> bool {
        self.columns() < 60
    }

    /// Returns the text that replaces truncated text.
    pub fn ellipsis(self) -> &'static str {
        if self.unicode { "…" } else { "..." }
    }
}

/// Whether hitctl runs in CI, which sets `CI`. There are then no bars and no questions, and no colour unless forced.
pub(crate) fn is_ci(env: &BTreeMap<String, String>) -> bool {
    env.get("CI").is_some_and(|value| !matches!(value.as_str(), "" | "0" | "false"))
}

/// Whether the terminal supports no cursor movements (`TERM=dumb`).
pub(crate) fn is_dumb(env: &BTreeMap<String, String>) -> bool {
    env.get("TERM").is_some_and(|value| value == "dumb")
}

/// Whether the locale supports UTF-8. An unset locale counts as UTF-8.
fn supports_unicode(env: &BTreeMap<String, String>) -> bool {
    let locale =
        ["LC_ALL", "LC_CTYPE", "LANG"].iter().find_map(|key| env.get(*key).filter(|v| !v.is_empty()));
    locale.is_none_or(|value| {
        let value = value.to_ascii_lowercase();
        value.contains("utf-8") || value.contains("utf8")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn colour_follows_flag_environment_and_terminal_in_order() {
        let cases = [
            (ColorChoice::Auto, env(&[]), true, true),
            (ColorChoice::Auto, env(&[]), false, false),
            (ColorChoice::Auto, env(&[("NO_COLOR", "1")]), true, false),
            (ColorChoice::Auto, env(&[("NO_COLOR", "")]), true, true),
            (ColorChoice::Auto, env(&[("CLICOLOR_FORCE", "1")]), false, true),
            (ColorChoice::Auto, env(&[("CLICOLOR_FORCE", "0")]), false, false),
            (ColorChoice::Auto, env(&[("FORCE_COLOR", "3")]), false, true),
            (ColorChoice::Auto, env(&[("NO_COLOR", "1"), ("FORCE_COLOR", "1")]), true, false),
            (ColorChoice::Auto, env(&[("TERM", "dumb")]), true, false),
            (ColorChoice::Auto, env(&[("CI", "true")]), true, false),
            (ColorChoice::Auto, env(&[("CI", "false")]), true, true),
            (ColorChoice::Always, env(&[("NO_COLOR", "1")]), false, true),
            (ColorChoice::Never, env(&[("FORCE_COLOR", "1")]), true, false),
        ];
        for (choice, env, tty, expected) in cases {
            assert_eq!(
                TextStyle::decide(choice, &env, tty, None).color,
                expected,
                "{choice:?} {env:?} tty={tty}"
            );
        }
    }

    #[test]
    fn width_applies_only_to_terminal_with_known_width() {
        let none = env(&[]);
        assert_eq!(TextStyle::decide(ColorChoice::Auto, &none, true, Some(80)).width, Some(80));
        assert_eq!(TextStyle::decide(ColorChoice::Auto, &none, false, Some(80)).width, None);
        assert_eq!(TextStyle::decide(ColorChoice::Auto, &none, true, Some(0)).width, None);
    }

    #[test]
    fn unset_or_utf8_locale_supports_unicode() {
        for (pairs, expected) in [
            (vec![], true),
            (vec![("LANG", "de_DE.UTF-8")], true),
            (vec![("LANG", "C.utf8")], true),
            (vec![("LANG", "C")], false),
            (vec![("LC_ALL", "POSIX"), ("LANG", "en_GB.UTF-8")], false),
            (vec![("LC_ALL", ""), ("LANG", "en_GB.UTF-8")], true),
        ] {
            assert_eq!(
                TextStyle::decide(ColorChoice::Auto, &env(&pairs), true, None).unicode,
                expected,
                "{pairs:?}"
            );
        }
    }
}
