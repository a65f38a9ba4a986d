//! The subcommands that only read counts: `list`, `get` and `export`.

use std::path::PathBuf;

use hitctl_cloud::CountsTable;
use hitctl_counts::{CountRow, CounterData};
use hitctl_report::{CountsTotal, CountsView, Exit, Failure, plural};

use crate::deployment::counts::key;
use crate::files::write_new;
use crate::session::Session;

/// List every path and its views
///
/// The paths with the most views come first.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  hitctl counts list --limit 10\n  hitctl counts list --env prod --json")]
pub struct List {
    /// Maximum number of rows to show; the total covers all paths
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: Option<u32>,
}

/// Show the counts of some paths
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  hitctl counts get /\n  hitctl counts get /about /blog --json")]
pub struct Get {
    /// Paths, as a page sends them
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<String>,
}

/// Export all counts to a file or stdout
///
/// Paths are in alphabetical order.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  hitctl counts export --out counts.csv\n  hitctl counts export --format ndjson --env prod"
)]
pub struct Export {
    /// Format of the export
    #[arg(long, value_enum, default_value = "csv")]
    pub format: Format,
    /// Write to this new file
    #[arg(short, long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// The file formats that `counts export` writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// A header and one line per path, without days, months and the site's visitors
    Csv,
    /// One JSON object per line with everything, for an import elsewhere
    Ndjson,
}

/// Shows the counts of all paths.
pub(super) async fn list(session: &Session, counts: &CountsTable, args: &List) -> Result<Exit, Failure> {
    let mut counts = counts.all().await?;
    counts.sort_by(|a, b| b.hits.cmp(&a.hits).then_with(|| a.path.cmp(&b.path)));
    let total = CountsTotal::of(&counts);
    let limit = args.limit.and_then(|limit| usize::try_from(limit).ok());
    counts.truncate(limit.unwrap_or(usize::MAX));
    // Only `get` and `export` show days and months. A list of thousands of paths would be too long with them.
    let counts = counts.into_iter().map(CountRow::without_history).collect();
    session.console.result(&CountsView { counts, total: Some(total) });
    Ok(Exit::Done)
}

/// Shows the counts of some paths.
pub(super) async fn get(session: &Session, counts: &CountsTable, args: &Get) -> Result<Exit, Failure> {
    let keys = args.paths.iter().map(|path| key(counts.keep_query(), path)).collect::<Result<Vec<_>, _>>()?;
    let mut rows = Vec::new();
    for key in &keys {
        // A path without an item has 0 views, as in the HTTP API.
        rows.push(counts.get(key).await?.unwrap_or_else(|| CountRow::zero(key)));
    }
    session.console.result(&CountsView { counts: rows, total: None });
    Ok(Exit::Done)
}

/// Writes all counts to stdout or a file.
pub(super) async fn export(session: &Session, counts: &CountsTable, args: &Export) -> Result<Exit, Failure> {
    let data = counts.numbers().await?;
    match &args.out {
        None if session.console.is_json() => session.console.result(&data),
        None => session.console.text(&render(&data, args.format)),
        Some(out) => {
            let path = session.cwd.join(out);
            write_new(&path, &render(&data, args.format))?;
            let paths = data.counts.len() as u64;
            let message = format!("wrote the counts of {} to {}", plural(paths, "path"), out.display());
            session.console.file_written(&path, &message);
        }
    }
    Ok(Exit::Done)
}

/// Formats the counts as text.
fn render(data: &CounterData, format: Format) -> String {
    match format {
        Format::Csv => hitctl_counts::to_csv(&data.counts),
        Format::Ndjson => hitctl_counts::to_ndjson(data),
    }
}
