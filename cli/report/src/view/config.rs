//! The results of `init`, `config show` and `env list`.

use std::fmt::Write as _;
use std::path::PathBuf;

use serde::Serialize;
use serde_json::Value as Json;

use super::facts::path_text;
use crate::render::CommandView;
use crate::style::{TextStyle, Tone};
use crate::table::{Cell, Column, TextTable};
use crate::text;

/// The environments of the configuration.
#[derive(Clone, Debug, Serialize)]
pub struct EnvListView {
    /// One row per environment.
    pub envs: Vec<EnvRow>,
}

/// An environment of the configuration.
#[derive(Clone, Debug, Serialize)]
pub struct EnvRow {
    /// The name in the configuration.
    pub name: String,
    /// `aws` or `local`.
    pub target: String,
    /// Whether it is the selected environment.
    pub current: bool,
}

/// The effective configuration.
#[derive(Clone, Debug, Serialize)]
pub struct ConfigView {
    /// The TOML, for people.
    #[serde(skip)]
    pub toml: String,
    /// The JSON object, for programs.
    #[serde(flatten)]
    pub json: Json,
}

/// A written configuration file.
#[derive(Clone, Debug, Serialize)]
pub struct InitView {
    /// The path of the file.
    pub path: PathBuf,
    /// The command to run next.
    pub next: String,
}

impl CommandView for EnvListView {
    fn render(&self, style: TextStyle) -> String {
        let mut table =
            TextTable::new([Column::text(""), Column::text("ENV").flexible(), Column::text("TARGET")]);
        for env in &self.envs {
            let tone = if env.current { Tone::Strong } else { Tone::Dim };
            let mark = if env.current { "*" } else { "" };
            table.add_row([
                mark.into(),
                Cell::toned(text::clean(&env.name), tone),
                text::clean(&env.target).into(),
            ]);
        }
        table.render(0, style)
    }
}

impl CommandView for ConfigView {
    fn render(&self, _: TextStyle) -> String {
        text::clean_lines(self.toml.trim_end()) + "\n"
    }
}

impl CommandView for InitView {
    fn render(&self, style: TextStyle) -> String {
        let mut out = format!("Wrote {}\n\n", style.paint(Tone::Strong, path_text(&self.path)));
        let _ = writeln!(out, "  next  {}", style.paint(Tone::Link, text::clean(&self.next)));
        out
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::render::Renderable;
    use crate::test_styles::{NARROW, WIDE};

    #[test]
    fn env_list_marks_selected_environment() {
        let env = |name: &str, target: &str, current| EnvRow {
            name: name.to_owned(),
            target: target.to_owned(),
            current,
        };
        let view = EnvListView { envs: vec![env("local", "local", true), env("prod", "aws", false)] };
        insta::assert_snapshot!(Renderable::to_text(&view, NARROW), @"
           ENV    TARGET
        *  local  local
           prod   aws
        ");
        assert_eq!(
            view.to_json(),
            r#"{"v":1,"envs":[{"name":"local","target":"local","current":true},{"name":"prod","target":"aws","current":false}]}"#
        );
    }

    #[test]
    fn config_is_toml_as_text_and_object_as_json() {
        let view = ConfigView { toml: "app = \"hits\"\n".to_owned(), json: json!({"app": "hits"}) };
        assert_eq!(Renderable::to_text(&view, WIDE), "app = \"hits\"\n");
        assert_eq!(view.to_json(), r#"{"v":1,"app":"hits"}"#);
    }

    #[test]
    fn init_shows_path_and_next_command() {
        let view = InitView { path: "hitctl.toml".into(), next: "hitctl deploy --env local".to_owned() };
        assert_eq!(
            Renderable::to_text(&view, WIDE),
            "Wrote hitctl.toml\n\n  next  hitctl deploy --env local\n"
        );
        assert_eq!(view.to_json(), r#"{"v":1,"path":"hitctl.toml","next":"hitctl deploy --env local"}"#);
    }
}
