//! Generates the short `hitctl.toml` that `init` writes: the most common settings and the envs on AWS.

use std::fmt::Write as _;

use crate::json_schema::SCHEMA_URL;
use crate::load::{Overrides, load};
use crate::problem::ConfigProblem;

/// The settings of the short configuration file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StarterConfig {
    /// The name of the app.
    pub app: String,
    /// The origins whose pages may count. An empty list allows any origin.
    pub origins: Vec<String>,
    /// The name of the app that already runs on this machine, if it is a different one.
    pub local_app: Option<String>,
}

impl StarterConfig {
    /// Checks the values. The error has no location, because the values are not yet in a file.
    pub fn check(&self) -> Result<(), String> {
        let loaded = load(Some(("hitctl.toml".into(), self.text())), None, &Overrides::new());
        let describe = |problem: &ConfigProblem| match &problem.help {
            Some(help) => format!("{}; {help}", problem.message),
            None => problem.message.clone(),
        };
        loaded.map(drop).map_err(|errors| errors.problems.first().map(describe).unwrap_or_default())
    }

    /// Returns the text of the file.
    pub fn text(&self) -> String {
        let origins: Vec<String> = self.origins.iter().map(|origin| quoted(origin)).collect();
        let origin_list = if origins.is_empty() { "\"*\"".to_owned() } else { origins.join(", ") };
        let mut toml = format!("#:schema {SCHEMA_URL}\n");
        let _ = write!(
            toml,
            "# The settings of hitctl. `hitctl init --full --config all.toml` writes every key with its default.\n\n\
             # Prefix of every name: resources are called `{{app}}-{{env}}`.\n\
             app = {}\n\
             # The environment that commands use without `--env`.\n\
             default_env = \"local\"\n\
             # The AWS region. Default: AWS_REGION, or the region of the profile.\n\
             #region = \"eu-central-1\"\n\n\
             [http]\n\
             # Origins of pages that may count views, such as \"https://example.com\". \"*\" allows any.\n\
             allow_origins = [{origin_list}]\n\n\
             # The cloud on this machine.\n\
             [env.local]\n",
            quoted(&self.app)
        );
        if let Some(app) = &self.local_app {
            let app = quoted(app);
            let _ = write!(
                toml,
                "# Keeps the name and the URL of the counter that already runs on this machine.\napp = {app}\n"
            );
        }
        if !origins.is_empty() {
            toml.push_str("# Pages of any origin may count views here.\nhttp.allow_origins = [\"*\"]\n");
        }
        toml.push_str(
            "\n# On AWS, to try things out: hitctl deploy --env test\n[env.test]\n\n\
             # On AWS, for your visitors: hitctl deploy --env prod\n[env.prod]\n\
             # `destroy` asks for the name of the environment.\nconfirm = true\n",
        );
        toml
    }
}

/// Quotes a text as a TOML string.
fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::LoadedConfig;

    fn loaded(starter: &StarterConfig, env: &str) -> LoadedConfig {
        match load(Some(("hitctl.toml".into(), starter.text())), Some(env), &Overrides::new()) {
            Ok(loaded) => loaded,
            Err(errors) => panic!("{errors}"),
        }
    }

    #[test]
    fn starter_declares_its_envs_and_origins() {
        let starter = StarterConfig {
            app: "blog".to_owned(),
            origins: vec!["https://blog.example".to_owned()],
            local_app: Some("hits".to_owned()),
        };
        insta::assert_snapshot!(starter.text(), @r#"
        #:schema https://github.com/hitctl/hitctl/raw/main/config/hitctl.schema.json
        # The settings of hitctl. `hitctl init --full --config all.toml` writes every key with its default.

        # Prefix of every name: resources are called `{app}-{env}`.
        app = "blog"
        # The environment that commands use without `--env`.
        default_env = "local"
        # The AWS region. Default: AWS_REGION, or the region of the profile.
        #region = "eu-central-1"

        [http]
        # Origins of pages that may count views, such as "https://example.com". "*" allows any.
        allow_origins = ["https://blog.example"]

        # The cloud on this machine.
        [env.local]
        # Keeps the name and the URL of the counter that already runs on this machine.
        app = "hits"
        # Pages of any origin may count views here.
        http.allow_origins = ["*"]

        # On AWS, to try things out: hitctl deploy --env test
        [env.test]

        # On AWS, for your visitors: hitctl deploy --env prod
        [env.prod]
        # `destroy` asks for the name of the environment.
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
    fn starter_without_origins_loads_defaults() {
        let starter = StarterConfig { app: "hits".to_owned(), ..StarterConfig::default() };
        assert_eq!(starter.check(), Ok(()));
        let defaults = load(None, None, &Overrides::new()).unwrap();
        let local = loaded(&starter, "local");
        assert_eq!((local.app.http, local.app.counter), (defaults.app.http, defaults.app.counter));
        assert!(local.lints.is_empty(), "{:?}", local.lints);
    }

    #[test]
    fn check_of_invalid_values_reports_no_location() {
        let app = StarterConfig { app: "My Blog".to_owned(), ..StarterConfig::default() };
        let reason = app.check().unwrap_err();
        assert!(reason.contains("my-blog") && !reason.contains("hitctl.toml:"), "{reason}");
        let origins = StarterConfig {
            app: "blog".to_owned(),
            origins: vec!["https://blog.example/about\"".to_owned()],
            local_app: None,
        };
        assert!(origins.check().unwrap_err().contains("allow_origins"));
    }
}
