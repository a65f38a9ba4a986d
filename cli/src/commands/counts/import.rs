//! `hitctl counts import`: imports counts from a file, or a start value. Repeating an import does not count twice.

use std::collections::BTreeMap;
use std::path::PathBuf;

use hitctl_cloud::{CountsTable, IMPORT_DIFFERS};
use hitctl_config::{BotPolicy, LoadedConfig};
use hitctl_counts::import::{ImportChunk, ImportFormat, ImportMode, ImportOptions, ImportReport, import_id};
use hitctl_counts::{CountRow, CounterData, fields};
use hitctl_report::{Exit, Failure, ImportView, imported_lines, phases, plural};

use crate::deployment::context::{RunContext, with_progress};
use crate::deployment::counts::key;
use crate::deployment::ingest;
use crate::flags::id_argument;
use crate::session::Session;

/// Import counts from a file (safe to repeat)
///
/// The file is CSV, JSON, or GoatCounter's export, also compressed with gzip or zip.
///
/// The same file counts only once. After an interruption, run the same command again: it continues. The whole file is
/// checked before anything is written. The latest 40 days and 36 months are kept. A path has at most 9007199254740991
/// views.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("input").required(true).args(["file", "start_at"]))]
#[command(
    after_help = "Examples:\n  hitctl counts import old.csv\n  hitctl counts import goatcounter-export-me.zip --dry-run\n  hitctl counts import --start-at 12000 --path /\n  hitctl counts export --format ndjson -e old | hitctl counts import - -e new"
)]
pub struct Import {
    /// File to import, or `-` for stdin
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Format of the file
    #[arg(long, value_enum, default_value = "auto")]
    pub format: Input,
    /// Start with this number of views instead of a file, once per path
    #[arg(long, value_name = "N", requires = "path", conflicts_with_all = ["file", "format", "replace", "id"], value_parser = fields::parse_count_argument)]
    pub start_at: Option<u64>,
    /// Path for `--start-at`
    #[arg(long, value_name = "PATH", requires = "start_at")]
    pub path: Option<String>,
    /// Replace the existing counts instead of adding to them
    #[arg(long)]
    pub replace: bool,
    /// Show what would be imported, and import nothing
    #[arg(long)]
    pub dry_run: bool,
    /// ID that makes a repeated import count once [default: the SHA-256 of the content]
    #[arg(long, value_name = "NAME", value_parser = id_argument)]
    pub id: Option<String>,
    /// Confirm the loss of views by `--replace` with the name of the environment
    #[arg(long, value_name = "NAME")]
    pub confirm: Option<String>,
}

impl Import {
    fn mode(&self) -> ImportMode {
        if self.replace { ImportMode::Replace } else { ImportMode::Add }
    }
}

/// The format of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Input {
    /// Detect the format from the content
    Auto,
    /// Lines of path,hits and optionally uniques,first,last
    Csv,
    /// JSON objects, one per line or in a list, with days and months
    Ndjson,
    /// GoatCounter's export: a zip of JSON, or CSV of page views
    Goatcounter,
}

impl From<Input> for Option<ImportFormat> {
    fn from(input: Input) -> Self {
        match input {
            Input::Auto => None,
            Input::Csv => Some(ImportFormat::Csv),
            Input::Ndjson => Some(ImportFormat::Json),
            Input::Goatcounter => Some(ImportFormat::GoatCounter),
        }
    }
}

/// The maximum size of the unpacked file in bytes. The counts of a large counter need about a hundredth of it.
const MAX_FILE_BYTES: u64 = 256 * 1024 * 1024;

/// The counts to import.
#[derive(Default)]
pub(super) struct ImportInput {
    id: String,
    data: CounterData,
    report: ImportReport,
}

/// Reads and checks the counts to import. Makes no calls.
pub(super) fn read(session: &Session, config: &LoadedConfig, args: &Import) -> Result<ImportInput, Failure> {
    match (&args.file, args.start_at, &args.path) {
        (Some(file), ..) => {
            let content = ingest::read_content(session, file, MAX_FILE_BYTES)?;
            let counter = &config.app.counter;
            let options = ImportOptions {
                keep_query: counter.keep_query.clone(),
                count_bots: counter.bots == BotPolicy::Count,
            };
            let (id, data, report) = hitctl_counts::import::read(
                content,
                args.format.into(),
                &options,
                args.mode(),
                MAX_FILE_BYTES,
            )?;
            for line in imported_lines(&report) {
                session.console.message(&line);
            }
            Ok(ImportInput { id: args.id.clone().unwrap_or(id), data, report })
        }
        (None, Some(hits), Some(path)) => {
            let (id, data) = start_value(&key(&config.app.counter.keep_query, path)?, hits);
            Ok(ImportInput { id, data, report: ImportReport::default() })
        }
        _ => Err(Failure::usage("expected one of FILE or --start-at N")),
    }
}

pub(super) async fn run(
    session: &Session,
    counts: &CountsTable,
    config: &LoadedConfig,
    args: Import,
    ImportInput { id, data, report }: ImportInput,
) -> Result<Exit, Failure> {
    let mode = args.mode();
    let mut view = new_view(&id, &data, &report, args.dry_run);
    if args.dry_run {
        for chunk in ImportChunk::split(&data) {
            let imported = counts.was_imported(&id, &chunk, mode).await?;
            *(if imported { &mut view.already } else { &mut view.counted }) += chunk.paths();
        }
        session.console.result(&view);
        return Ok(Exit::Done);
    }
    if mode == ImportMode::Replace {
        confirm(session, counts, &config.env, &data, args.confirm.as_deref()).await?;
    }
    let detail = format!("importing {}", plural(data.counts.len() as u64, "path"));
    let importing = async |run: RunContext<'_>| {
        run.sink.phase(phases::IMPORT, detail, import(run, counts, view, &data, mode)).await
    };
    let imported = with_progress(session, config, importing).await;
    let imported = imported.map_err(|failure| match args.start_at {
        Some(_) if failure.code == IMPORT_DIFFERS => already_started(args.path.as_deref()),
        _ => failure,
    });
    session.console.result(&imported?);
    Ok(Exit::Done)
}

fn new_view(id: &str, data: &CounterData, report: &ImportReport, dry_run: bool) -> ImportView {
    let total = |field: fn(&CountRow) -> u64| data.counts.iter().map(field).fold(0, u64::saturating_add);
    ImportView {
        id: id.to_owned(),
        paths: data.counts.len() as u64,
        hits: total(|row| row.hits),
        uniques: total(|row| row.uniques),
        counted: 0,
        already: 0,
        read: report.lines,
        left_out: report.skipped,
        not_kept: report.not_kept.clone(),
        dry_run,
    }
}

/// Returns an import that adds a start value to a path. Its ID depends on the path only, so a path accepts no second
/// start value.
fn start_value(path: &str, hits: u64) -> (String, CounterData) {
    let row = CountRow { hits, ..CountRow::zero(path) };
    let id = import_id(format!("start-at {path}").as_bytes(), ImportMode::Add);
    (id, CounterData { counts: vec![row], ..CounterData::default() })
}

fn already_started(path: Option<&str>) -> Failure {
    let path = path.unwrap_or_default();
    Failure::new("already_begun", format!("{path:?} already has another start value"))
        .hinted(format!("run `hitctl counts add {path} N` to add the difference"))
}

/// Asks for confirmation if a replacing import would reduce views.
async fn confirm(
    session: &Session,
    counts: &CountsTable,
    env: &str,
    data: &CounterData,
    confirm_arg: Option<&str>,
) -> Result<(), Failure> {
    let existing: BTreeMap<String, u64> =
        counts.all().await?.into_iter().map(|row| (row.path, row.hits)).collect();
    let has_fewer_hits =
        |row: &&CountRow| existing.get(&row.path).is_some_and(|existing| *existing > row.hits);
    let fewer = data.counts.iter().filter(has_fewer_hits).count() as u64;
    if fewer == 0 {
        return Ok(());
    }
    let warning = format!("This reduces the views of {} in {env}.", plural(fewer, "path"));
    session.console.confirm_loss(&warning, env, confirm_arg).await
}

async fn import(
    run: RunContext<'_>,
    counts: &CountsTable,
    mut view: ImportView,
    data: &CounterData,
    mode: ImportMode,
) -> Result<ImportView, Failure> {
    let paths = view.paths;
    for chunk in ImportChunk::split(data) {
        let done = view.counted + view.already;
        let resumable = |failure: Failure| {
            let hint = match done {
                0 => "run the command again".to_owned(),
                done => format!(
                    "run the command again; {done} of {paths} paths are imported, and do not count twice"
                ),
            };
            let hint = failure.hint.clone().filter(|_| done == 0).unwrap_or(hint);
            failure.hinted(hint).partial_if(done > 0)
        };
        if run.session.stop.is_cancelled() {
            return Err(resumable(Failure::interrupted("interrupted; the rest was not imported")));
        }
        let counted =
            counts.import(&view.id, &chunk, mode).await.map_err(|fault| resumable(Failure::from(fault)))?;
        *(if counted { &mut view.counted } else { &mut view.already }) += chunk.paths();
        run.note(phases::IMPORT, format!("{} of {paths} paths", view.counted + view.already));
    }
    Ok(view)
}
