//! The result of `doctor`: the checks of this machine and the AWS account.

use std::fmt::Write as _;

use serde::Serialize;

use crate::render::CommandView;
use crate::style::{TextStyle, Tone};
use crate::{format, text};

/// The results of all checks.
#[derive(Clone, Debug, Serialize)]
pub struct DoctorView {
    /// One entry per check.
    pub checks: Vec<DoctorCheck>,
}

/// The result of one check.
#[derive(Clone, Debug, Serialize)]
pub struct DoctorCheck {
    /// The name of the check.
    pub name: String,
    /// Whether the check passed.
    pub status: CheckStatus,
    /// The result as text, such as a version or a problem.
    pub detail: String,
    /// A hint how to fix the problem.
    pub hint: Option<String>,
}

/// The status of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckStatus {
    /// No problem.
    Ok,
    /// An optional feature does not work.
    Warn,
    /// A required feature does not work.
    Fail,
}

impl DoctorView {
    /// Returns the worst status of all checks.
    pub fn worst(&self) -> CheckStatus {
        self.checks.iter().map(|check| check.status).max().unwrap_or(CheckStatus::Ok)
    }
}

impl CommandView for DoctorView {
    fn render(&self, style: TextStyle) -> String {
        let name_width = self.checks.iter().map(|check| text::width(&check.name)).max().unwrap_or(0).min(22);
        let mut out = String::new();
        for check in &self.checks {
            let (word, tone) = match check.status {
                CheckStatus::Ok => ("ok  ", Tone::Good),
                CheckStatus::Warn => ("warn", Tone::Warn),
                CheckStatus::Fail => ("fail", Tone::Bad),
            };
            let name = text::pad(&text::clean(&check.name), name_width);
            let head = format!("  {}  {name} ", style.paint(tone, word));
            let _ = writeln!(
                out,
                "{}",
                text::wrap_after_head(&head, &text::clean_lines(&check.detail), 8, style)
            );
            if let Some(hint) = &check.hint {
                let head = format!("        {}", style.paint(Tone::Link, "hint:"));
                let _ =
                    writeln!(out, "{}", text::wrap_after_head(&head, &text::clean_lines(hint), 14, style));
            }
        }
        let count = |status| self.checks.iter().filter(|check| check.status == status).count() as u64;
        let (warn, fail) = (count(CheckStatus::Warn), count(CheckStatus::Fail));
        let summary = match (fail, warn) {
            (0, 0) => "All checks passed.".to_owned(),
            (0, warn) => format!("{}, no failures.", format::plural(warn, "warning")),
            (fail, 0) => format!("{}.", format::plural(fail, "failure")),
            (fail, warn) => {
                format!("{} and {}.", format::plural(fail, "failure"), format::plural(warn, "warning"))
            }
        };
        let _ = writeln!(out, "\n{summary}");
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::Renderable;
    use crate::test_styles::{NARROW, WIDE};

    #[test]
    fn doctor_shows_problems_with_hints_and_summary() {
        let check = |name: &str, status, detail: &str, hint: Option<&str>| DoctorCheck {
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
        insta::assert_snapshot!(Renderable::to_text(&view, WIDE), @"
          ok    cargo            1.95.0
          warn  target arm64     neither a musl target nor cargo-zigbuild is installed
                hint: Run `rustup target add aarch64-unknown-linux-musl`.
          fail  state directory  /s is read-only

        1 failure and 1 warning.
        ");
        insta::assert_snapshot!(Renderable::to_text(&view, NARROW), @"
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
        assert!(view.to_json().starts_with(
            r#"{"v":1,"checks":[{"name":"cargo","status":"ok","detail":"1.95.0","hint":null},"#
        ));
        assert_eq!(Renderable::to_text(&DoctorView { checks: vec![] }, WIDE), "\nAll checks passed.\n");
    }
}
