//! `hitctl init`: writes a short or complete configuration file. It must not change a counter that runs on this
//! machine.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};
use std::path::Path;

use hitctl_config::{CONFIG_FILE, Overrides, StarterConfig};
use hitctl_local::client;
use hitctl_report::{Exit, Failure, InitView};

use crate::session::Session;

/// The default name of the app.
const DEFAULT_APP: &str = "hits";
/// The number of invalid answers to a prompt after which the command fails.
const MAX_ATTEMPTS: usize = 3;

/// Write a hitctl.toml for your site
///
/// Never overwrites a file.
///
/// On a terminal it asks for the name of the app and the origin of your pages, unless you pass them. A counter that already
/// runs on this machine keeps its URL.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  hitctl init\n  hitctl init --app blog --origin https://blog.example\n  hitctl init --full --config all.toml"
)]
pub struct Args {
    /// Name of the app, the prefix of all names on AWS [default: hits]
    #[arg(long, value_name = "NAME", conflicts_with = "full")]
    pub app: Option<String>,
    /// Origin of pages that may count, such as `https://blog.example`; can be repeated [default: any]
    #[arg(long, value_name = "URL", conflicts_with = "full")]
    pub origin: Vec<String>,
    /// Write every key with its description and default
    #[arg(long)]
    pub full: bool,
}

/// Writes the configuration file.
pub async fn run(session: &mut Session, args: &Args) -> Result<Exit, Failure> {
    let path = match &session.global.config {
        Some(path) => session.cwd.join(path),
        None => session.cwd.join(CONFIG_FILE),
    };
    if path.symlink_metadata().is_ok() {
        return Err(exists(&path));
    }
    let text =
        if args.full { hitctl_config::full_template() } else { starter(session, args, &path).await?.text() };
    write(&path, &text)?;
    session.console.result(&InitView { path, next: "hitctl deploy --env local".to_owned() });
    Ok(Exit::Done)
}

/// Returns the contents of the short file, from the flags, the user's answers, and the counter that runs on this
/// machine.
async fn starter(session: &Session, args: &Args, path: &Path) -> Result<StarterConfig, Failure> {
    let has_local_counter = has_local_counter(session, path).await;
    let mut starter = StarterConfig {
        app: args.app.clone().unwrap_or_else(|| DEFAULT_APP.to_owned()),
        origins: args.origin.clone(),
        local_app: None,
    };
    starter.check().map_err(Failure::usage)?;
    if args.app.is_none() {
        let question = format!("Name of the app, the prefix of all names on AWS [{DEFAULT_APP}]: ");
        prompt(session, &question, &mut starter, |starter, app| starter.app = app).await?;
    }
    if args.origin.is_empty() {
        let question = "Origin of your pages, such as https://blog.example [any]: ";
        prompt(session, question, &mut starter, |starter, origin| starter.origins = vec![origin]).await?;
    }
    starter.local_app = (has_local_counter && starter.app != DEFAULT_APP).then(|| DEFAULT_APP.to_owned());
    Ok(starter)
}

/// Prompts for a value until it is valid, and passes it to `set`. Without an answer or a terminal, the default is kept.
async fn prompt(
    session: &Session,
    question: &str,
    starter: &mut StarterConfig,
    set: impl Fn(&mut StarterConfig, String),
) -> Result<(), Failure> {
    let mut last_error = String::new();
    for _ in 0..MAX_ATTEMPTS {
        let Some(answer) = session.console.prompt_line(question).await? else { return Ok(()) };
        let mut changed = starter.clone();
        set(&mut changed, answer);
        match changed.check() {
            Ok(()) => {
                *starter = changed;
                return Ok(());
            }
            Err(why) => {
                session.console.warn(&why);
                last_error = why;
            }
        }
    }
    Err(Failure::usage(last_error))
}

/// Whether a counter was deployed to this machine from the directory of `path` before the directory had a hitctl.toml.
///
/// Earlier versions of hitctl shared one state directory between all directories without a hitctl.toml. That state is
/// moved to this directory's own state directory first, because it would no longer be found after `init`.
async fn has_local_counter(session: &Session, path: &Path) -> bool {
    let Ok(mut config) = hitctl_config::load(None, None, &Overrides::new()) else { return false };
    if path.parent() == Some(&*session.cwd)
        && let Ok(paths) = session.local_state_paths(&config)
        && let Ok(Some(moved)) = client::adopt_shared_state(&paths).await
    {
        session.console.message(&moved);
    }
    config.path = Some(path.to_owned());
    session.local_state_paths(&config).is_ok_and(|paths| paths.state_dir().symlink_metadata().is_ok())
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let failed = || Failure::new("not_written", format!("failed to write {}", path.display()));
    // Use `create_new` instead of a check: two `init` commands at the same time must not overwrite each other's file.
    let mut file =
        OpenOptions::new().write(true).create_new(true).open(path).map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => exists(path),
            _ => failed().caused_by(error),
        })?;
    if let Err(error) = file.write_all(text.as_bytes()).and_then(|()| file.sync_all()) {
        // Leave no partial configuration.
        drop(std::fs::remove_file(path));
        return Err(failed().caused_by(error));
    }
    Ok(())
}

fn exists(path: &Path) -> Failure {
    Failure::new("exists", format!("{} already exists", path.display()))
        .hinted("edit it, or remove it and run `hitctl init` again")
}
