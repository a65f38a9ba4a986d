//! `hitctl counts import`: counts what a file says, once.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use hitctl_engine::{Event, Phase, Sink};

use super::parse;
use crate::cloud::{CHUNK, Counts, Mode, id_of};
use crate::commands::steps::millis;
use crate::report::{CountRow, Exit, Failure, ImportView, plural};
use crate::session::Session;

/// Count what a file says, once: `path,hits` with `first` and `last` as `counts export` writes them, as CSV or NDJSON
///
/// The same file counts only once, however often it is imported and wherever an import was killed: run it again, and it goes on.
/// Nothing is written before the whole file is found to be right. The days and months of a path are not in such a file.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  hitctl counts import old.csv\n  hitctl counts export -e old | hitctl counts import - -e new"
)]
pub struct Import {
    /// The file, or `-` for stdin
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Take the place of what is there instead of adding to it
    #[arg(long)]
    pub replace: bool,
    /// What this import is known by when it is repeated [default: the SHA-256 of the content]
    #[arg(long, value_name = "NAME", value_parser = id)]
    pub id: Option<String>,
    /// Confirm without a question that hits are lost by `--replace`: the name of the environment
    #[arg(long, value_name = "NAME")]
    pub confirm: Option<String>,
}

/// The largest file, in bytes: a hundred times the paths that a counter takes.
const LARGEST: u64 = 256 * 1024 * 1024;

/// An id is a part of a key.
fn id(text: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_.:".contains(c);
    match text {
        "" => Err("it is empty".to_owned()),
        _ if text.len() > 100 => Err("it has more than 100 characters".to_owned()),
        _ if !text.chars().all(fits) => Err("it takes letters, digits and - _ . : only".to_owned()),
        _ => Ok(text.to_owned()),
    }
}

pub(super) async fn run(
    session: &Session,
    counts: &Counts,
    env: &str,
    args: Import,
) -> Result<Exit, Failure> {
    let mode = if args.replace { Mode::Replace } else { Mode::Add };
    let content = content(session, &args.file)?;
    let rows = parse::rows(&content)?;
    let id = args.id.unwrap_or_else(|| id_of(&content, mode));
    if mode == Mode::Replace {
        let there: BTreeMap<String, u64> =
            counts.all().await?.into_iter().map(|row| (row.path, row.hits)).collect();
        let less = |row: &&CountRow| there.get(&row.path).is_some_and(|has| *has > row.hits);
        let fewer = rows.iter().filter(less).count() as u64;
        if fewer > 0 {
            let warning = format!("This gives {} of {env} fewer hits than now.", plural(fewer, "path"));
            session.console.confirm_loss(&warning, env, args.confirm.as_deref()).await?;
        }
    }
    let progress = session.console.progress();
    let sink = progress.sink();
    let started = Instant::now();
    let detail = format!("importing {}", plural(rows.len() as u64, "path"));
    sink.send(Event::PhaseStarted { phase: Phase::Import, detail });
    let imported = import(session, counts, &id, &rows, mode, &sink).await;
    let ok = imported.is_ok();
    sink.send(Event::PhaseEnded { phase: Phase::Import, ok, took_ms: millis(started) });
    progress.finish();
    session.console.result(&imported?);
    Ok(Exit::Done)
}

async fn import(
    session: &Session,
    counts: &Counts,
    id: &str,
    rows: &[CountRow],
    mode: Mode,
    sink: &Sink,
) -> Result<ImportView, Failure> {
    let hits = rows.iter().fold(0_u64, |sum, row| sum.saturating_add(row.hits));
    let paths = rows.len() as u64;
    let mut view = ImportView { id: id.to_owned(), paths, hits, counted: 0, already: 0 };
    for (n, chunk) in rows.chunks(CHUNK).enumerate() {
        let done = view.counted + view.already;
        let left = |failure: Failure| {
            let hint = match done {
                0 => "run the command again".to_owned(),
                done => format!(
                    "run the command again: {done} of {paths} paths are in, and are not counted twice"
                ),
            };
            let hint = failure.hint.clone().filter(|_| done == 0).unwrap_or(hint);
            let exit = if done > 0 && failure.exit == Exit::Error { Exit::Partial } else { failure.exit };
            failure.hinted(hint).exits(exit)
        };
        if session.stop.is_cancelled() {
            return Err(left(Failure::interrupted("interrupted; the rest was not imported")));
        }
        let counted = counts.import(id, n, chunk, mode).await.map_err(|fault| left(Failure::from(fault)))?;
        let part = chunk.len() as u64;
        *(if counted { &mut view.counted } else { &mut view.already }) += part;
        let note = format!("{} of {paths} paths", view.counted + view.already);
        sink.send(Event::PhaseNote { phase: Phase::Import, note });
    }
    Ok(view)
}

/// The whole file.
fn content(session: &Session, file: &Path) -> Result<Vec<u8>, Failure> {
    let name = if file == Path::new("-") { "stdin".to_owned() } else { file.display().to_string() };
    let failed = |error: std::io::Error| {
        Failure::new("not_read", format!("failed to read {name}")).caused_by(error).exits(Exit::Usage)
    };
    let mut content = Vec::new();
    if file == Path::new("-") {
        session.console.read_input(LARGEST, &mut content).map_err(failed)?;
    } else {
        use std::io::Read as _;
        let file = std::fs::File::open(session.cwd.join(file)).map_err(failed)?;
        file.take(LARGEST + 1).read_to_end(&mut content).map_err(failed)?;
    }
    if content.len() as u64 > LARGEST {
        return Err(Failure::usage(format!("{name} has more than {} MiB", LARGEST / 1024 / 1024)));
    }
    Ok(content)
}
