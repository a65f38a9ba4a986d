//! `hitctl counts`: the numbers, straight from the table.

use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use hit_counter::rules::{self, Verdict};
use hitctl_config::{Loaded, contract, names};
use serde_json::Value as Json;

use crate::cloud::{self, Access, Cloud, Item};
use crate::report::{CountRow, CountsView, Exit, Failure, plural};
use crate::session::Session;

/// What to do with the counts.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// List every path and its hits, most hits first
    List(List),
    /// Show the counts of some paths
    Get(Get),
    /// Write every count to a file or stdout
    Export(Export),
}

/// List every path and its hits, most hits first
#[derive(Debug, clap::Args)]
pub struct List {
    /// Show so many at most
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: Option<u32>,
}

/// Show the counts of some paths
#[derive(Debug, clap::Args)]
pub struct Get {
    /// The paths, as a page would send them
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<String>,
}

/// Write every count to a file or stdout, in the order of the paths
#[derive(Debug, clap::Args)]
pub struct Export {
    /// The format
    #[arg(long, value_enum, default_value = "csv")]
    pub format: Format,
    /// Write to this file, which must not be there yet
    #[arg(short, long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// The formats of an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// A header line, then one line a path
    Csv,
    /// One JSON object a line
    Ndjson,
}

/// Does it.
pub async fn run(session: &mut Session, command: Command) -> Result<Exit, Failure> {
    let loaded = session.load()?;
    let cloud = cloud::open(session, &loaded, Access::Read, &hitctl_engine::Sink::none()).await?;
    match command {
        Command::List(args) => {
            let mut counts = all(&*cloud, &loaded).await?;
            counts.sort_by(|a, b| b.hits.cmp(&a.hits).then_with(|| a.path.cmp(&b.path)));
            let limit = args.limit.and_then(|limit| usize::try_from(limit).ok());
            counts.truncate(limit.unwrap_or(usize::MAX));
            session.console.result(&CountsView { counts });
        }
        Command::Get(args) => {
            let table = names::table(&loaded.app.app, &loaded.env);
            let mut counts = Vec::new();
            for path in &args.paths {
                let key = match rules::judge(path) {
                    Verdict::Counted { key } => key,
                    Verdict::Refused { why } => {
                        return Err(Failure::usage(format!("{path:?} is not counted: {why}")));
                    }
                };
                let item = cloud.item(&table, key.as_str()).await?;
                // A path that was never hit has 0 hits, here as over HTTP.
                let row = item.as_ref().and_then(count).unwrap_or_else(|| CountRow::zero(key.as_str()));
                counts.push(row);
            }
            session.console.result(&CountsView { counts });
        }
        Command::Export(args) => {
            let counts = all(&*cloud, &loaded).await?;
            match &args.out {
                None if session.console.is_json() => session.console.result(&CountsView { counts }),
                None => session.console.text(&render(&counts, args.format)),
                Some(out) => {
                    let path = session.cwd.join(out);
                    write_new(&path, &render(&counts, args.format))?;
                    let paths = counts.len() as u64;
                    let talk = format!("wrote the counts of {} to {}", plural(paths, "path"), out.display());
                    session.console.wrote(&path, &talk);
                }
            }
        }
    }
    Ok(Exit::Done)
}

/// Every count, in the order of the paths.
pub(super) async fn all(cloud: &dyn Cloud, loaded: &Loaded) -> Result<Vec<CountRow>, Failure> {
    let table = names::table(&loaded.app.app, &loaded.env);
    let (mut counts, mut start) = (Vec::new(), None);
    loop {
        let (items, next) = cloud.items(&table, start).await?;
        counts.extend(items.iter().filter_map(count));
        match next {
            Some(_) => start = next,
            None => break,
        }
    }
    counts.sort_by(|a: &CountRow, b| a.path.cmp(&b.path));
    Ok(counts)
}

/// An item as a count; hitctl's own items are none.
fn count(item: &Item) -> Option<CountRow> {
    let text = |name: &str| item.get(name)?.get("S").and_then(Json::as_str).map(str::to_owned);
    let path = text(contract::ATTR_PATH).filter(|path| !path.starts_with(contract::RESERVED_PREFIX))?;
    let hits = item.get(contract::ATTR_HITS)?.get("N").and_then(Json::as_str)?.parse().ok()?;
    Some(CountRow { path, hits, first: text(contract::ATTR_FIRST), last: text(contract::ATTR_LAST) })
}

/// The counts as text.
pub(super) fn render(counts: &[CountRow], format: Format) -> String {
    match format {
        Format::Csv => crate::report::csv(counts),
        Format::Ndjson => crate::report::ndjson(counts),
    }
}

/// Writes a file that is not there yet, whole or not at all.
pub(super) fn write_new(path: &Path, text: &str) -> Result<(), Failure> {
    let failed = |error: &std::io::Error| {
        let failure = Failure::new("not_written", format!("failed to write {}", path.display()));
        match error.kind() {
            ErrorKind::AlreadyExists => {
                Failure::new("exists", format!("{} is there already", path.display()))
                    .hinted("choose another name, or remove the file")
            }
            ErrorKind::NotFound => failure
                .caused_by("there is no such directory")
                .hinted("make the directory, or choose another one"),
            // Without the name of the file that was to become this one.
            _ => failure
                .caused_by(error.get_ref().map_or_else(|| error.to_string(), |_| error.kind().to_string())),
        }
    };
    let dir = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(dir).map_err(|error| failed(&error))?;
    file.write_all(text.as_bytes())
        .and_then(|()| file.as_file().sync_all())
        .map_err(|error| failed(&error))?;
    file.persist_noclobber(path).map_err(|error| failed(&error.error))?;
    Ok(())
}
