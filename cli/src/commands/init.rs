//! `hitctl init`: writes a configuration, short or whole. What runs on this machine already stays what it is.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};
use std::path::Path;

use hitctl_config::{FILE_NAME, Overrides, Starter};
use hitctl_local::client;
use hitctl_report::{Exit, Failure, InitView};

use crate::session::Session;

/// The name of the app where no file names one.
const APP: &str = "hits";
/// So often a value is asked for that cannot be used.
const ATTEMPTS: usize = 3;

/// Write a hitctl.toml here; never overwrites one
///
/// On a terminal it asks for the name of the app and the origin of your pages, unless flags say so. A counter that runs on this machine
/// stays as it is.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  hitctl init\n  hitctl init --app blog --origin https://blog.example\n  hitctl init --full --config all.toml"
)]
pub struct Args {
    /// The name of the app, which every name on AWS begins with [default: hits]
    #[arg(long, value_name = "NAME", conflicts_with = "full")]
    pub app: Option<String>,
    /// An origin whose pages may count, such as <https://blog.example>; can be repeated [default: any]
    #[arg(long, value_name = "URL", conflicts_with = "full")]
    pub origin: Vec<String>,
    /// Write every key with its meaning and its default
    #[arg(long)]
    pub full: bool,
}

/// Writes the file.
pub async fn run(session: &mut Session, args: &Args) -> Result<Exit, Failure> {
    let path = match &session.global.config {
        Some(path) => session.cwd.join(path),
        None => session.cwd.join(FILE_NAME),
    };
    if path.symlink_metadata().is_ok() {
        return Err(exists(&path));
    }
    let text =
        if args.full { hitctl_config::template() } else { starter(session, args, &path).await?.text() };
    write(&path, &text)?;
    session.console.result(&InitView { path, next: "hitctl deploy --env local".to_owned() });
    Ok(Exit::Done)
}

/// Returns what the short file says: by the flags, by what is answered, by what runs here.
async fn starter(session: &Session, args: &Args, path: &Path) -> Result<Starter, Failure> {
    let runs = runs_here(session, path).await;
    let mut starter = Starter {
        app: args.app.clone().unwrap_or_else(|| APP.to_owned()),
        origins: args.origin.clone(),
        local_app: None,
    };
    starter.check().map_err(Failure::usage)?;
    if args.app.is_none() {
        let question = format!("Name of the app, which every name on AWS begins with [{APP}]: ");
        ask(session, &question, &mut starter, |starter, app| starter.app = app).await?;
    }
    if args.origin.is_empty() {
        let question = "Origin of your pages, such as https://blog.example [any]: ";
        ask(session, question, &mut starter, |starter, origin| starter.origins = vec![origin]).await?;
    }
    starter.local_app = (runs && starter.app != APP).then(|| APP.to_owned());
    Ok(starter)
}

/// Asks for a value until one can be used. Without an answer, or a terminal, it stays as it is.
async fn ask(
    session: &Session,
    question: &str,
    starter: &mut Starter,
    set: impl Fn(&mut Starter, String),
) -> Result<(), Failure> {
    let mut last = String::new();
    for _ in 0..ATTEMPTS {
        let Some(answer) = session.console.question(question).await? else { return Ok(()) };
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

/// Whether a counter was deployed to this machine from the directory of that file, without one. State that earlier versions shared
/// between such directories becomes that of this one: with a file it would not be found any more.
async fn runs_here(session: &Session, path: &Path) -> bool {
    let Ok(mut loaded) = hitctl_config::load(None, None, &Overrides::new()) else { return false };
    if path.parent() == Some(&*session.cwd)
        && let Ok(places) = session.local_places(&loaded)
        && let Ok(Some(moved)) = client::adopt_shared(&places).await
    {
        session.console.talk(&moved);
    }
    loaded.path = Some(path.to_owned());
    session.local_places(&loaded).is_ok_and(|places| places.state_dir().symlink_metadata().is_ok())
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let failed = || Failure::new("not_written", format!("failed to write {}", path.display()));
    // `create_new` and not a look beforehand: two inits at once must not overwrite one another.
    let mut file =
        OpenOptions::new().write(true).create_new(true).open(path).map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => exists(path),
            _ => failed().caused_by(error),
        })?;
    if let Err(error) = file.write_all(text.as_bytes()).and_then(|()| file.sync_all()) {
        // Half a configuration is worse than none.
        drop(std::fs::remove_file(path));
        return Err(failed().caused_by(error));
    }
    Ok(())
}

fn exists(path: &Path) -> Failure {
    Failure::new("exists", format!("{} is there already", path.display()))
        .hinted("edit it, or remove it and run `hitctl init` again")
}
