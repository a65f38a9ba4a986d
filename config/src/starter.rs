//! The short `hitctl.toml` that `init` writes: what nearly everybody sets, and the envs on AWS.

use std::fmt::Write as _;

use crate::json_schema::SCHEMA_URL;
use crate::load::{Overrides, load};
use crate::problem::Problem;

/// The settings of a short file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Starter {
    /// The name of the app.
    pub app: String,
    /// The origins whose pages may count; none is any.
    pub origins: Vec<String>,
    /// The name of the app that runs on this machine already, where that is another one.
    pub local_app: Option<String>,
}

impl Starter {
    /// Returns what is wrong with the values; none of them is in a file yet, so no place is named.
    pub fn check(&self) -> Result<(), String> {
        let loaded = load(Some(("hitctl.toml".into(), self.text())), None, &Overrides::new());
        let words = |problem: &Problem| match &problem.help {
            Some(help) => format!("{}; {help}", problem.message),
            None => problem.message.clone(),
        };
        loaded.map(drop).map_err(|errors| errors.problems.first().map(words).unwrap_or_default())
    }

    /// Returns the text of the file.
    pub fn text(&self) -> String {
        let origins: Vec<String> = self.origins.iter().map(|origin| quoted(origin)).collect();
        let all = if origins.is_empty() { "\"*\"".to_owned() } else { origins.join(", ") };
        let mut out = format!("#:schema {SCHEMA_URL}\n");
        let _ = write!(
            out,
            "# The settings of hitctl. `hitctl init --full --config all.toml` writes every key with its default.\n\n\
             # Prefix of every name: resources are called `{{app}}-{{env}}`.\n\
             app = {}\n\
             # The env that commands mean without `--env`.\n\
             default_env = \"local\"\n\
             # The AWS region; else AWS_REGION, or that of the profile.\n\
             #region = \"eu-central-1\"\n\n\
             [http]\n\
             # The origins whose pages may count, such as \"https://example.com\"; \"*\" is any.\n\
             allow_origins = [{all}]\n\n\
             # The cloud on this machine.\n\
             [env.local]\n",
            quoted(&self.app)
        );
        if let Some(app) = &self.local_app {
            let app = quoted(app);
            let _ = write!(
                out,
                "# The counter that runs here keeps its name, and with it its URL.\napp = {app}\n"
            );
        }
        if !origins.is_empty() {
            out.push_str("# Pages that are tried out come from anywhere.\nhttp.allow_origins = [\"*\"]\n");
        }
        out.push_str(
            "\n# On AWS, to try things out: hitctl deploy --env test\n[env.test]\n\n\
             # On AWS, for your visitors: hitctl deploy --env prod\n[env.prod]\n\
             # Destroying it asks for its name.\nconfirm = true\n",
        );
        out
    }
}

/// Returns a text as a value of the file.
fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::Loaded;

    fn loaded(starter: &Starter, env: &str) -> Loaded {
        match load(Some(("hitctl.toml".into(), starter.text())), Some(env), &Overrides::new()) {
            Ok(loaded) => loaded,
            Err(errors) => panic!("{errors}"),
        }
    }

    #[test]
    fn starter_declares_its_envs_and_origins() {
        let starter = Starter {
            app: "blog".to_owned(),
            origins: vec!["https://blog.example".to_owned()],
            local_app: Some("hits".to_owned()),
        };
        insta::assert_snapshot!(starter.text(), @r#"
        #:schema https://github.com/hitctl/hitctl/raw/main/config/hitctl.schema.json
        # The settings of hitctl. `hitctl init --full --config all.toml` writes every key with its default.

        # Prefix of every name: resources are called `{app}-{env}`.
        app = "blog"
        # The env that commands mean without `--env`.
        default_env = "local"
        # The AWS region; else AWS_REGION, or that of the profile.
        #region = "eu-central-1"

        [http]
        # The origins whose pages may count, such as "https://example.com"; "*" is any.
        allow_origins = ["https://blog.example"]

        # The cloud on this machine.
        [env.local]
        # The counter that runs here keeps its name, and with it its URL.
        app = "hits"
        # Pages that are tried out come from anywhere.
        http.allow_origins = ["*"]

        # On AWS, to try things out: hitctl deploy --env test
        [env.test]

        # On AWS, for your visitors: hitctl deploy --env prod
        [env.prod]
        # Destroying it asks for its name.
        confirm = true
        "#);
        for env in ["test", "prod"] {
            let loaded = loaded(&starter, env);
            assert_eq!(
                (loaded.app.app.as_str(), loaded.app.http.allow_origins),
                ("blog", starter.origins.clone())
            );
        }
        let local = loaded(&starter, "local");
        assert_eq!((local.app.app.as_str(), local.app.http.allow_origins), ("hits", vec!["*".to_owned()]));
    }

    #[test]
    fn starter_without_answers_is_the_defaults() {
        let starter = Starter { app: "hits".to_owned(), ..Starter::default() };
        assert_eq!(starter.check(), Ok(()));
        let defaults = load(None, None, &Overrides::new()).unwrap();
        let local = loaded(&starter, "local");
        assert_eq!((local.app.http, local.app.counter), (defaults.app.http, defaults.app.counter));
        assert!(local.lints.is_empty(), "{:?}", local.lints);
    }

    #[test]
    fn what_is_wrong_is_said_without_a_place() {
        let app = Starter { app: "My Blog".to_owned(), ..Starter::default() };
        let why = app.check().unwrap_err();
        assert!(why.contains("my-blog") && !why.contains("hitctl.toml:"), "{why}");
        let origins = Starter {
            app: "blog".to_owned(),
            origins: vec!["https://blog.example/about\"".to_owned()],
            local_app: None,
        };
        assert!(origins.check().unwrap_err().contains("allow_origins"));
    }
}
