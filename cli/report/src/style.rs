//! How text may look on one stream: colour, width, and which characters it can show.
//!
//! The decision is made here, once per stream, from what the caller passes in; it reads no environment and asks no
//! terminal.

use std::collections::BTreeMap;

use anstyle::{AnsiColor, Style as Ansi};

/// What the user said about colour (`--color`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ColorChoice {
    /// Where it makes sense.
    #[default]
    Auto,
    /// Even in a file.
    Always,
    /// Never.
    Never,
}

/// What one stream can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Whether to send colours.
    pub color: bool,
    /// Whether a person reads it: numbers get separators, prose is wrapped.
    pub tty: bool,
    /// Columns; `None` means that lines may have any length.
    pub width: Option<u16>,
    /// Whether more than ASCII can be shown.
    pub unicode: bool,
}

/// What a piece of text means. Each is also said in words or by a symbol: colour never carries meaning alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// It went well; it is added.
    Good,
    /// It is changed; it deserves a look.
    Warn,
    /// It failed; it is removed.
    Bad,
    /// It is replaced.
    Special,
    /// It matters less.
    Dim,
    /// It matters more.
    Strong,
    /// It can be opened or typed.
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

impl Style {
    /// Plain text of any width, for files, pipes and tests.
    pub const PLAIN: Self = Self { color: false, tty: false, width: None, unicode: true };

    /// Decides for one stream: `--color`, then `NO_COLOR`, then `CLICOLOR_FORCE` and `FORCE_COLOR`, then whether it is
    /// a terminal that is no `dumb` one. A width is used only where it is a terminal.
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
        // A terminal that says 0 columns does not know.
        let width = width.filter(|w| tty && *w > 0);
        Self { color, tty, width, unicode: speaks_unicode(env) }
    }

    /// `text` in a tone.
    pub fn paint(self, tone: Tone, text: impl AsRef<str>) -> String {
        let text = text.as_ref();
        if !self.color || text.is_empty() {
            return text.to_owned();
        }
        let ansi = tone.ansi();
        format!("{ansi}{text}{ansi:#}")
    }

    /// The columns that a line may fill.
    pub fn columns(self) -> usize {
        self.width.map_or(usize::MAX, |w| usize::from(w).max(20))
    }

    /// Whether there is too little room for what is only nice to have.
    pub fn narrow(self) -> bool {
        self.columns() < 60
    }

    /// What stands for text that was cut off.
    pub fn ellipsis(self) -> &'static str {
        if self.unicode { "…" } else { "..." }
    }
}

/// Whether a machine watches (`CI`): no bars, no questions, no colour unless forced.
pub(crate) fn is_ci(env: &BTreeMap<String, String>) -> bool {
    env.get("CI").is_some_and(|value| !matches!(value.as_str(), "" | "0" | "false"))
}

/// Whether the terminal can only print lines (`TERM=dumb`).
pub(crate) fn is_dumb(env: &BTreeMap<String, String>) -> bool {
    env.get("TERM").is_some_and(|value| value == "dumb")
}

/// Whether the locale can show more than ASCII. One that is not set says nothing against it.
fn speaks_unicode(env: &BTreeMap<String, String>) -> bool {
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
    fn colour_follows_flag_then_environment_then_terminal() {
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
        for (choice, env, tty, want) in cases {
            assert_eq!(Style::decide(choice, &env, tty, None).color, want, "{choice:?} {env:?} tty={tty}");
        }
    }

    #[test]
    fn width_counts_only_on_a_terminal_that_knows_it() {
        let none = env(&[]);
        assert_eq!(Style::decide(ColorChoice::Auto, &none, true, Some(80)).width, Some(80));
        assert_eq!(Style::decide(ColorChoice::Auto, &none, false, Some(80)).width, None);
        assert_eq!(Style::decide(ColorChoice::Auto, &none, true, Some(0)).width, None);
    }

    #[test]
    fn only_a_locale_that_says_otherwise_is_ascii() {
        for (pairs, want) in [
            (vec![], true),
            (vec![("LANG", "de_DE.UTF-8")], true),
            (vec![("LANG", "C.utf8")], true),
            (vec![("LANG", "C")], false),
            (vec![("LC_ALL", "POSIX"), ("LANG", "en_GB.UTF-8")], false),
            (vec![("LC_ALL", ""), ("LANG", "en_GB.UTF-8")], true),
        ] {
            assert_eq!(Style::decide(ColorChoice::Auto, &env(&pairs), true, None).unicode, want, "{pairs:?}");
        }
    }
}
