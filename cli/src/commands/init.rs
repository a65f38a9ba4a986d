//! `hitctl init`: writes a configuration, short or complete. It does not change a counter that runs on this machine.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};
use std::path::Path;

use hitctl_config::{CONFIG_FILE, Overrides, StarterConfig};
use hitctl_local::client;
use hitctl_report::{Exit, Failure, InitView};

use crate::session::Session;

/// The default name of the app.
const APP: &str = "hits";
/// The number of prompts for a value before invalid answers fail the command.
const ATTEMPTS: usize = 3;

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

/// Returns the contents of the short file: from flags, from answers, and from what runs on this machine.
async fn starter(session: &Session, args: &Args, path: &Path) -> Result<StarterConfig, Failure> {
    let runs = runs_here(session, path).await;
    let mut starter = StarterConfig {
        app: args.app.clone().unwrap_or_else(|| APP.to_owned()),
        origins: args.origin.clone(),
        local_app: None,
    };
    starter.check().map_err(Failure::usage)?;
    if args.app.is_none() {
        let question = format!("Name of the app, the prefix of all names on AWS [{APP}]: ");
        prompt(session, &question, &mut starter, |starter, app| starter.app = app).await?;
    }
    if args.origin.is_empty() {
        let question = "Origin of your pages, such as https://blog.example [any]: ";
        prompt(session, question, &mut starter, |starter, origin| starter.origins = vec![origin]).await?;
    }
    starter.local_app = (runs && starter.app != APP).then(|| APP.to_owned());
    Ok(starter)
}

/// Prompts for a value until it is valid. Without an answer or a terminal, the value stays as it is.
async fn prompt(
    session: &Session,
    question: &str,
    starter: &mut StarterConfig,
    set: impl Fn(&mut StarterConfig, String),
) -> Result<(), Failure> {
    let mut last = String::new();
    for _ in 0..ATTEMPTS {
        let Some(answer) = session.console.prompt_line(question).await? else { return Ok(()) };
        let mut with = starter.clone();
        set(&mut with, answer);
        match with.check() {
            Ok(()) => {
                *starter = with;
                return Ok(());
            }
            Err(why) => session.console.warn(&why),
        }
        last = with.check().err().unwrap_or_default();
    }
    Err(Failure::usage(last))
}

/// Whether a counter was deployed to this machine from the directory of that file while there was no file. State that
/// earlier versions shared between such directories becomes that of this directory: with a file it would not be found
/// any more.
async fn runs_here(session: &Session, path: &Path) -> bool {
    let Ok(mut loaded) = hitctl_config::load(None, None, &Overrides::new()) else { return false };
    if path.parent() == Some(&*session.cwd)
        && let Ok(paths) = session.local_state_paths(&loaded)
        && let Ok(Some(moved)) = client::adopt_shared_state(&paths).await
    {
        session.console.message(&moved);
    }
    loaded.path = Some(path.to_owned());
    session.local_state_paths(&loaded).is_ok_and(|paths| paths.state_dir().symlink_metadata().is_ok())
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let failed = || Failure::new("not_written", format!("failed to write {}", path.display()));
    // `create_new` instead of a check beforehand: two inits at the same time must not overwrite one another.
    let mut file =
        OpenOptions::new().write(true).create_new(true).open(path).map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => exists(path),
            _ => failed().caused_by(error),
        })?;
    if let Err(error) = file.write_all(text.as_bytes()).and_then(|()| file.sync_all()) {
        // A partial configuration is worse than none.
        drop(std::fs::remove_file(path));
        return Err(failed().caused_by(error));
    }
    Ok(())
}

fn exists(path: &Path) -> Failure {
    Failure::new("exists", format!("{} already exists", path.display()))
        .hinted("edit it, or remove it and run `hitctl init` again")
}
