//! `hitctl paths`: lists the known paths, and adds the pages of a site with `sync`. With `paths = "strict"`, only
//! views of known paths are counted.

mod site;

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt as _, TryStreamExt as _};
use hitctl_cloud::{AccessMode, CountEdit, CountsTable};
use hitctl_counts::pages::SitePages;
use hitctl_engine::{EventSink, Fault};
use hitctl_report::{Exit, Failure, PathListView, PathsView, StrayPath, phases, plural};

use crate::deployment::context::{RunContext, with_progress};
use crate::deployment::counts;
use crate::session::Session;

/// The number of concurrent writes. It hides the latency of AWS, but leaves write capacity for views.
const CONCURRENT_WRITES: usize = 16;
/// The number of changed paths between two progress notes.
const PATHS_PER_NOTE: u64 = 100;

/// Subcommands of `paths`.
#[derive(Debug, clap::Subcommand)]
#[expect(missing_docs, reason = "the help texts are the comments of the argument types")]
pub enum Command {
    /// List every known path, one per line
    List,
    Sync(Sync),
}

/// Add the pages of a site
///
/// The pages then count with `paths = "strict"`. Existing pages keep their counts; new ones start with 0 views. Counted paths without a page are listed and kept. Run it after each
/// build of the site; it writes only what changed.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  hitctl paths sync public --dry-run\n  hitctl paths sync https://me.example/sitemap.xml\n  hitctl paths sync dist --clean-urls --prune"
)]
pub struct Sync {
    /// Directory of the built site, or a sitemap: a file or URL, also compressed with gzip
    #[arg(value_name = "DIR|SITEMAP")]
    pub source: String,
    /// Show what would change, and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Remove paths without a page and without views
    #[arg(long)]
    pub prune: bool,
    /// The site is served without `.html`: about.html is the page /about
    #[arg(long)]
    pub clean_urls: bool,
}

/// Runs a subcommand of `paths`.
pub async fn run(session: &mut Session, command: Command) -> Result<Exit, Failure> {
    let config = match &command {
        Command::Sync(args) if !args.dry_run => session.load_for_writing("change the paths of").await?,
        _ => session.load()?,
    };
    let session = &*session;
    let run = RunContext { session, config: &config, sink: &EventSink::none() };
    let Command::Sync(args) = command else {
        let cloud = run.cloud(AccessMode::Read).await?;
        let counts = counts::open(&*cloud, &config, &session.stop)?;
        let paths = counts.all().await?.into_iter().map(|row| row.path).collect();
        session.console.result(&PathListView { paths });
        return Ok(Exit::Done);
    };
    let pages = site::find(session, &args.source, args.clean_urls, &config.app.counter.keep_query).await?;
    if pages.keys.is_empty() {
        return Err(Failure::usage(format!("found no pages in {}", args.source))
            .hinted("pass the directory of the built HTML files, or the site's sitemap"));
    }
    let cloud = if args.dry_run {
        run.cloud(AccessMode::Read).await?
    } else {
        run.open_and_announce(AccessMode::Read).await?
    };
    let counts = counts::open(&*cloud, &config, &session.stop)?;
    let detail = format!("comparing {}", plural(pages.keys.len() as u64, "page"));
    let syncing = async |run: RunContext<'_>| {
        run.sink.phase(phases::PATHS, detail, sync(run, &counts, pages, &args)).await
    };
    session.console.result(&with_progress(session, &config, syncing).await?);
    Ok(Exit::Done)
}

async fn sync(
    run: RunContext<'_>,
    counts: &CountsTable,
    pages: SitePages,
    args: &Sync,
) -> Result<PathsView, Failure> {
    let existing: BTreeMap<String, u64> =
        counts.all().await?.into_iter().map(|row| (row.path, row.hits)).collect();
    let new: Vec<&String> = pages.keys.iter().filter(|key| !existing.contains_key(*key)).collect();
    let mut view = PathsView {
        dry_run: args.dry_run,
        kept: (pages.keys.len() - new.len()) as u64,
        refused: pages.rejected,
        ..PathsView::default()
    };
    let (prunable, strays): (Vec<_>, Vec<_>) = existing
        .into_iter()
        .filter(|(path, _)| !pages.keys.contains(path))
        .map(|(path, hits)| StrayPath { path, hits })
        .partition(|stray| args.prune && stray.hits == 0);
    view.strays = strays;
    if args.dry_run {
        view.added = new.into_iter().cloned().collect();
        view.removed = prunable.into_iter().map(|stray| stray.path).collect();
        return Ok(view);
    }
    let creations = new.iter().map(|path| async move {
        counts.create_path(path).await.map(|created| created.then(|| (*path).clone()))
    });
    view.added = apply_changes(run, creations, new.len(), "new").await?;
    // A path that was not created exists by now: with `paths = "open"`, a view created it in the meantime.
    view.kept += (new.len() - view.added.len()) as u64;
    let removals = prunable.iter().map(|stray| async move {
        // A path that was viewed in the meantime is kept.
        let change =
            counts.change(&stray.path, |hits| Ok(hits.filter(|hits| *hits == 0).map(|_| CountEdit::Delete)));
        change.await.map(|change| change.new.is_none().then(|| stray.path.clone()))
    });
    view.removed = apply_changes(run, removals, prunable.len(), "removed").await?;
    if !view.removed.is_empty() {
        counts.release_unused_budget().await?;
    }
    Ok(view)
}

/// Runs the `changes` with limited concurrency and returns the changed paths in order. Starts no further change after
/// an interrupt or a failure.
async fn apply_changes(
    run: RunContext<'_>,
    changes: impl Iterator<Item = impl Future<Output = Result<Option<String>, Fault>>>,
    total: usize,
    adjective: &str,
) -> Result<Vec<String>, Failure> {
    let stop = &run.session.stop;
    let mut done = 0_u64;
    let mut changed_paths = BTreeSet::new();
    let mut running = futures::stream::iter(changes)
        .take_while(|_| std::future::ready(!stop.is_cancelled()))
        .buffer_unordered(CONCURRENT_WRITES);
    let resumable = |failure: Failure, done: u64| {
        failure.hinted("run the command again; it continues where it stopped").partial_if(done > 0)
    };
    while let Some(path) = running.try_next().await.map_err(|fault| resumable(Failure::from(fault), done))? {
        done += 1;
        changed_paths.extend(path);
        if done.is_multiple_of(PATHS_PER_NOTE) {
            run.note(phases::PATHS, format!("{done} of {total} {adjective} paths"));
        }
    }
    if stop.is_cancelled() {
        return Err(resumable(Failure::interrupted("interrupted; the rest was not changed"), done));
    }
    Ok(changed_paths.into_iter().collect())
}
