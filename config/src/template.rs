//! Generates the commented `hitctl.toml` that `init --full` writes: every key with its description and default.

use crate::json_schema::SCHEMA_URL;
use crate::keys::{ConfigKey, KeyScope, join_doc_lines};
use crate::schema::{KEYS, SECTIONS};

/// The maximum width of a comment, in characters.
const WIDTH: usize = 100;

/// Returns the commented file.
///
/// A line that begins with `# ` is a comment. A line that begins with `#` and a name is a setting: without the `#`, it
/// sets the default, or an example if there is no default.
pub fn full_template() -> String {
    let mut out = format!("#:schema {SCHEMA_URL}\n\n");
    let intro = "The settings of hitctl and their defaults. To change one, remove the # before its name. Settings that you \
                 do not change can be left out.";
    write_comment(&mut out, intro);
    for (section, about) in SECTIONS {
        out.push('\n');
        if !section.is_empty() {
            write_comment(&mut out, &join_doc_lines(about));
            out.extend(["[", section, "]\n"]);
        }
        for key in KEYS.iter().filter(|key| key.section == *section && key.scope != KeyScope::Env) {
            write_setting(&mut out, key);
        }
    }
    out.push('\n');
    write_comment(
        &mut out,
        "An environment overrides any of the above, as in `function.memory_mb = 256`. `local` is always this machine, and `test` \
         always exists on AWS. Declare others as `[env.prod]`, or several at once as `[env.\"pr-*\"]`.",
    );
    out.push_str("[env.local]\n\n#[env.prod]\n");
    for key in KEYS.iter().filter(|key| key.scope == KeyScope::Env) {
        write_setting(&mut out, key);
    }
    out
}

fn write_setting(out: &mut String, key: &ConfigKey) {
    write_comment(out, &key.description());
    // This key is set from the start, so that a command without `--env` never writes to AWS.
    let prefix = if key.name == "default_env" { "" } else { "#" };
    out.extend([prefix, key.name, " = ", &key.default_or_example().to_string(), "\n"]);
}

/// Writes a comment, wrapped at spaces.
fn write_comment(out: &mut String, text: &str) {
    let mut line = String::from("#");
    for word in text.split(' ') {
        if line.len() > 1 && line.chars().count() + 1 + word.chars().count() > WIDTH {
            out.push_str(&line);
            out.push('\n');
            line.truncate(1);
        }
        line.push(' ');
        line.push_str(word);
    }
    out.push_str(&line);
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::full_template;
    use crate::keys::KeyScope;
    use crate::load::{LoadedConfig, Overrides, load};
    use crate::schema::KEYS;

    fn load_text(text: String) -> LoadedConfig {
        match load(Some(("hitctl.toml".into(), text)), None, &Overrides::new()) {
            Ok(loaded) => loaded,
            Err(errors) => panic!("{errors}"),
        }
    }

    #[test]
    fn template_unchanged_loads_defaults() {
        let loaded = load_text(full_template());
        let defaults = load(None, None, &Overrides::new()).unwrap();
        assert_eq!(loaded.app.default_env.as_deref(), Some("local"));
        assert_eq!(
            loaded.app,
            crate::schema::AppConfig { default_env: loaded.app.default_env.clone(), ..defaults.app }
        );
        assert_eq!((loaded.env, loaded.lints), (defaults.env, defaults.lints));
    }

    #[test]
    fn template_with_all_settings_enabled_loads() {
        let mut section = String::new();
        let mut names = Vec::new();
        let template = full_template();
        let lines = template.lines().map(|line| {
            let bare = line.strip_prefix('#').filter(|rest| !rest.starts_with([' ', ':'])).unwrap_or(line);
            if let Some(header) = bare.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                section = if header.starts_with("env.") { String::new() } else { format!("{header}.") };
            }
            let Some((name, _)) = bare.split_once(" = ").filter(|_| !bare.starts_with('#')) else {
                return bare.to_owned();
            };
            let path = format!("{section}{name}");
            names.push(path);
            bare.to_owned()
        });
        let text = lines.collect::<Vec<_>>().join("\n");
        let loaded = load_text(text);
        assert_eq!(names, keys_in_order(), "every key, once");
        assert_eq!(loaded.app.region.as_deref(), Some("eu-central-1"));
        assert_eq!(loaded.app.account.as_deref(), Some("123456789012"));
        assert_eq!(loaded.envs.len(), 3, "prod, local and test");
        assert!(loaded.lints.is_empty(), "{:?}", loaded.lints);
    }

    /// Returns the keys in the order of the template, in which the keys of an env come last.
    fn keys_in_order() -> Vec<String> {
        let (env_keys, others): (Vec<_>, Vec<_>) = KEYS.iter().partition(|key| key.scope == KeyScope::Env);
        others.into_iter().chain(env_keys).map(crate::keys::ConfigKey::path).collect()
    }

    #[test]
    fn template_lines_fit_window() {
        let text = full_template();
        assert!(text.lines().all(|line| line.chars().count() <= 110), "lines fit a window");
        let start: Vec<&str> = text.lines().take(15).collect();
        insta::assert_snapshot!(start.join("\n"), @r#"
        #:schema https://github.com/hitctl/hitctl/raw/main/config/hitctl.schema.json

        # The settings of hitctl and their defaults. To change one, remove the # before its name. Settings
        # that you do not change can be left out.

        # Prefix of every name: resources are called `{app}-{env}`.
        #app = "hits"
        # The environment that commands use without `--env`. Default: the only declared one, or `local` if
        # none is declared.
        default_env = "local"
        # The AWS region. Default: AWS_REGION, or the region of the profile.
        #region = "eu-central-1"
        # The only AWS account to deploy to: twelve digits, in quotes. Every other account is an error.
        #account = "123456789012"
        # Whether limits of the account, such as too little concurrency to reserve, are errors instead of
        "#);
    }
}
