//! What a look at this machine found.

use std::fmt::Write as _;

use serde::Serialize;

use crate::render::View;
use crate::style::{Style, Tone};
use crate::{format, text};

/// What a look at this machine found.
#[derive(Clone, Debug, Serialize)]
pub struct DoctorView {
    /// One a thing looked at.
    pub checks: Vec<Check>,
}

/// One thing looked at.
#[derive(Clone, Debug, Serialize)]
pub struct Check {
    /// What.
    pub name: String,
    /// How it is.
    pub status: CheckStatus,
    /// What was found.
    pub detail: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// How a thing looked at is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckStatus {
    /// As it should be.
    Ok,
    /// Something will not work, which not everybody needs.
    Warn,
    /// Something does not work.
    Fail,
}

impl DoctorView {
    /// The worst that was found.
    pub fn worst(&self) -> CheckStatus {
        self.checks.iter().map(|check| check.status).max().unwrap_or(CheckStatus::Ok)
    }
}

impl View for DoctorView {
    fn render(&self, style: Style) -> String {
        let wide = self.checks.iter().map(|check| text::width(&check.name)).max().unwrap_or(0).min(22);
        let mut out = String::new();
        for check in &self.checks {
            let (word, tone) = match check.status {
                CheckStatus::Ok => ("ok  ", Tone::Good),
                CheckStatus::Warn => ("warn", Tone::Warn),
                CheckStatus::Fail => ("fail", Tone::Bad),
            };
            let name = text::pad(&text::clean(&check.name), wide);
            let head = format!("  {}  {name} ", style.paint(tone, word));
            let _ = writeln!(out, "{}", text::headed(&head, &text::clean_lines(&check.detail), 8, style));
            if let Some(hint) = &check.hint {
                let head = format!("        {}", style.paint(Tone::Link, "hint:"));
                let _ = writeln!(out, "{}", text::headed(&head, &text::clean_lines(hint), 14, style));
            }
        }
        let count = |status| self.checks.iter().filter(|check| check.status == status).count() as u64;
        let (warn, fail) = (count(CheckStatus::Warn), count(CheckStatus::Fail));
        let verdict = match (fail, warn) {
            (0, 0) => "All is well.".to_owned(),
            (0, warn) => format!("{}, no failure.", format::plural(warn, "warning")),
            (fail, 0) => format!("{}.", format::plural(fail, "failure")),
            (fail, warn) => {
                format!("{} and {}.", format::plural(fail, "failure"), format::plural(warn, "warning"))
            }
        };
        let _ = writeln!(out, "\n{verdict}");
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::Report;
    use crate::test_styles::{NARROW, WIDE};

    #[test]
    fn doctor() {
        let check = |name: &str, status, detail: &str, hint: Option<&str>| Check {
            name: name.to_owned(),
            status,
            detail: detail.to_owned(),
            hint: hint.map(str::to_owned),
        };
        let view = DoctorView {
            checks: vec![
                check("cargo", CheckStatus::Ok, "1.95.0", None),
                check(
                    "target arm64",
                    CheckStatus::Warn,
                    "neither a musl target nor cargo-zigbuild is installed",
                    Some("Run `rustup target add aarch64-unknown-linux-musl`."),
                ),
                check("state directory", CheckStatus::Fail, "/s is read-only", None),
            ],
        };
        insta::assert_snapshot!(Report::human(&view, WIDE), @"
          ok    cargo            1.95.0
          warn  target arm64     neither a musl target nor cargo-zigbuild is installed
                hint: Run `rustup target add aarch64-unknown-linux-musl`.
          fail  state directory  /s is read-only

        1 failure and 1 warning.
        ");
        insta::assert_snapshot!(Report::human(&view, NARROW), @"
          ok    cargo            1.95.0
          warn  target arm64     neither a musl
                target nor cargo-zigbuild is
                installed
                hint: Run
                      `rustup target add aarch64-unknown-linux-musl`.
          fail  state directory  /s is read-only

        1 failure and 1 warning.
        ");
        assert_eq!(view.worst(), CheckStatus::Fail);
        assert!(view.json().starts_with(
            r#"{"v":1,"checks":[{"name":"cargo","status":"ok","detail":"1.95.0","hint":null},"#
        ));
        assert_eq!(Report::human(&DoctorView { checks: vec![] }, WIDE), "\nAll is well.\n");
    }
}
