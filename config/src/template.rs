//! The commented `hitctl.toml` that `init --full` writes: every key with what it means and its default.

use crate::json_schema::SCHEMA_URL;
use crate::keys::{Key, Scope, one_line};
use crate::schema::{KEYS, SECTIONS};

/// How wide an explanation may be, in characters.
const WIDTH: usize = 100;

/// The commented file. `# ` begins an explanation and `#` a setting: with that removed, the line sets the default, or an
/// example where there is none.
pub fn template() -> String {
    let mut out = format!("#:schema {SCHEMA_URL}\n\n");
    let intro = "The settings of hitctl, and their defaults. Remove the # before a name to change it; leave out what you \
                 do not change.";
    explain(&mut out, intro);
    for (section, about) in SECTIONS {
        out.push('\n');
        if !section.is_empty() {
            explain(&mut out, &one_line(about));
            out.extend(["[", section, "]\n"]);
        }
        for key in KEYS.iter().filter(|key| key.section == *section && key.scope != Scope::Env) {
            setting(&mut out, key);
        }
    }
    out.push('\n');
    explain(
        &mut out,
        "An env overlays any of the above, as in `function.memory_mb = 256`. `local` is always this machine, and `test` is \
         always there on AWS; any other has to be declared, as `[env.prod]`, or many at once, as `[env.\"pr-*\"]`.",
    );
    out.push_str("[env.local]\n\n#[env.prod]\n");
    for key in KEYS.iter().filter(|key| key.scope == Scope::Env) {
        setting(&mut out, key);
    }
    out
}

fn setting(out: &mut String, key: &Key) {
    explain(out, &key.description());
    // Said from the start: a command that names no env never writes to AWS then.
    let mark = if key.name == "default_env" { "" } else { "#" };
    out.extend([mark, key.name, " = ", &key.sample().to_string(), "\n"]);
}

/// Writes a comment, wrapped at words.
fn explain(out: &mut String, text: &str) {
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
    use super::template;
    use crate::keys::Scope;
    use crate::load::{Loaded, Overrides, load};
    use crate::schema::KEYS;

    fn load_text(text: String) -> Loaded {
        match load(Some(("hitctl.toml".into(), text)), None, &Overrides::new()) {
            Ok(loaded) => loaded,
            Err(errors) => panic!("{errors}"),
        }
    }

    #[test]
    fn as_it_is_it_says_what_no_file_says() {
        let loaded = load_text(template());
        let defaults = load(None, None, &Overrides::new()).unwrap();
        assert_eq!(loaded.app.default_env.as_deref(), Some("local"));
        assert_eq!(
            loaded.app,
            crate::schema::App { default_env: loaded.app.default_env.clone(), ..defaults.app }
        );
        assert_eq!((loaded.env, loaded.lints), (defaults.env, defaults.lints));
    }

    #[test]
    fn with_every_marker_removed_it_still_loads() {
        let mut section = String::new();
        let mut set = Vec::new();
        let template = template();
        let lines = template.lines().map(|line| {
            let bare = line.strip_prefix('#').filter(|rest| !rest.starts_with([' ', ':'])).unwrap_or(line);
            if let Some(header) = bare.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                section = if header.starts_with("env.") { String::new() } else { format!("{header}.") };
            }
            let Some((name, _)) = bare.split_once(" = ").filter(|_| !bare.starts_with('#')) else {
                return bare.to_owned();
            };
            let path = format!("{section}{name}");
            set.push(path);
            bare.to_owned()
        });
        let text = lines.collect::<Vec<_>>().join("\n");
        let loaded = load_text(text);
        assert_eq!(set, keys_in_order(), "every key, once");
        assert_eq!(loaded.app.region.as_deref(), Some("eu-central-1"));
        assert_eq!(loaded.app.account.as_deref(), Some("123456789012"));
        assert_eq!(loaded.envs.len(), 3, "prod, local and test");
        assert!(loaded.lints.is_empty(), "{:?}", loaded.lints);
    }

    /// The keys as the template has them: those of an env come last.
    fn keys_in_order() -> Vec<String> {
        let (of_env, others): (Vec<_>, Vec<_>) = KEYS.iter().partition(|key| key.scope == Scope::Env);
        others.into_iter().chain(of_env).map(crate::keys::Key::path).collect()
    }

    #[test]
    fn it_reads_well() {
        let text = template();
        assert!(text.lines().all(|line| line.chars().count() <= 110), "lines fit a window");
        let start: Vec<&str> = text.lines().take(15).collect();
        insta::assert_snapshot!(start.join("\n"), @r#"
        #:schema https://github.com/hitctl/hitctl/raw/main/config/hitctl.schema.json

        # The settings of hitctl, and their defaults. Remove the # before a name to change it; leave out
        # what you do not change.

        # Prefix of every name: resources are called `{app}-{env}`.
        #app = "hits"
        # The env that commands mean without `--env`; else the only one declared, else `local` if none is.
        default_env = "local"
        # The AWS region; else AWS_REGION, or that of the profile.
        #region = "eu-central-1"
        # A guard: the only AWS account to deploy into. Twelve digits, in quotes.
        #account = "123456789012"
        # Whether what AWS does not grant, such as reserved concurrency on a new account, is an error and
        # not a warning.
        "#);
    }
}
