//! The configuration: what `init` wrote, what `config show` and `env list` show.

use std::fmt::Write as _;
use std::path::PathBuf;

use serde::Serialize;
use serde_json::Value as Json;

use super::facts::shown;
use crate::render::View;
use crate::style::{Style, Tone};
use crate::table::{Cell, Column, Table};
use crate::text;

/// The environments of the configuration.
#[derive(Clone, Debug, Serialize)]
pub struct EnvListView {
    /// One a name.
    pub envs: Vec<EnvRow>,
}

/// One environment.
#[derive(Clone, Debug, Serialize)]
pub struct EnvRow {
    /// Its name.
    pub name: String,
    /// `aws` or `local`.
    pub target: String,
    /// Whether it is in force.
    pub current: bool,
}

/// The configuration in force.
#[derive(Clone, Debug, Serialize)]
pub struct ConfigView {
    /// For people.
    #[serde(skip)]
    pub toml: String,
    /// For programs: an object.
    #[serde(flatten)]
    pub json: Json,
}

/// A written configuration.
#[derive(Clone, Debug, Serialize)]
pub struct InitView {
    /// Where it is.
    pub path: PathBuf,
    /// The command to run next.
    pub next: String,
}

impl View for EnvListView {
    fn render(&self, style: Style) -> String {
        let mut table =
            Table::new([Column::text(""), Column::text("ENV").flexible(), Column::text("TARGET")]);
        for env in &self.envs {
            let tone = if env.current { Tone::Strong } else { Tone::Dim };
            let mark = if env.current { "*" } else { "" };
            table.row([
                mark.into(),
                Cell::toned(text::clean(&env.name), tone),
                text::clean(&env.target).into(),
            ]);
        }
        table.render(0, style)
    }
}

impl View for ConfigView {
    fn render(&self, _: Style) -> String {
        text::clean_lines(self.toml.trim_end()) + "\n"
    }
}

impl View for InitView {
    fn render(&self, style: Style) -> String {
        let mut out = format!("Wrote {}\n\n", style.paint(Tone::Strong, shown(&self.path)));
        let _ = writeln!(out, "  next  {}", style.paint(Tone::Link, text::clean(&self.next)));
        out
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::render::Report;
    use crate::test_styles::{NARROW, WIDE};

    #[test]
    fn env_list() {
        let env = |name: &str, target: &str, current| EnvRow {
            name: name.to_owned(),
            target: target.to_owned(),
            current,
        };
        let view = EnvListView { envs: vec![env("local", "local", true), env("prod", "aws", false)] };
        insta::assert_snapshot!(Report::human(&view, NARROW), @"
           ENV    TARGET
        *  local  local
           prod   aws
        ");
        assert_eq!(
            view.json(),
            r#"{"v":1,"envs":[{"name":"local","target":"local","current":true},{"name":"prod","target":"aws","current":false}]}"#
        );
    }

    #[test]
    fn config() {
        let view = ConfigView { toml: "app = \"hits\"\n".to_owned(), json: json!({"app": "hits"}) };
        assert_eq!(Report::human(&view, WIDE), "app = \"hits\"\n");
        assert_eq!(view.json(), r#"{"v":1,"app":"hits"}"#);
    }

    #[test]
    fn init() {
        let view = InitView { path: "hitctl.toml".into(), next: "hitctl deploy --env local".to_owned() };
        assert_eq!(Report::human(&view, WIDE), "Wrote hitctl.toml\n\n  next  hitctl deploy --env local\n");
        assert_eq!(view.json(), r#"{"v":1,"path":"hitctl.toml","next":"hitctl deploy --env local"}"#);
    }
}
