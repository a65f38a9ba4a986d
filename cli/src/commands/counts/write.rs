//! The subcommands that change counts: `add`, `set`, `reset`, `merge`, `rename` and `delete`.
//!
//! A change that loses numbers needs the environment's name, typed or given with `--confirm`. A merge or a reduction by
//! `add` needs a yes. All other changes need no confirmation.

use std::collections::BTreeSet;

use hitctl_cloud::{CountEdit, CountsTable, MAX_MERGED_PATHS};
use hitctl_config::contract::MAX_COUNT;
use hitctl_counts::{CountChange, fields};
use hitctl_engine::Fault;
use hitctl_report::{ChangesView, Exit, Failure, plural, readable_path};

use crate::deployment::counts::key;
use crate::session::Session;

/// Add views to a path, or subtract some
///
/// Visitors, days, months and times stay unchanged.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  hitctl counts add / 1000\n  hitctl counts add /draft -5 --yes")]
pub struct Add {
    /// Path, as a page sends it
    #[arg(value_name = "PATH")]
    pub path: String,
    /// Number of views; a negative number subtracts, down to 0. A path has at most 9007199254740991 views
    #[arg(value_name = "N", allow_negative_numbers = true, value_parser = parse_change)]
    pub n: i64,
}

/// Set the views of a path
///
/// Visitors, days, months and times stay unchanged.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  hitctl counts set / 12345\n  hitctl counts set /draft 0 --confirm prod --env prod"
)]
pub struct Set {
    /// Path, as a page sends it
    #[arg(value_name = "PATH")]
    pub path: String,
    /// Number of views, up to 9007199254740991
    #[arg(value_name = "N", value_parser = fields::parse_count_argument)]
    pub n: u64,
    /// Confirm the loss of views with the name of the environment
    #[arg(long, value_name = "NAME")]
    pub confirm: Option<String>,
}

/// Set the counts of paths to 0
///
/// `--all` also resets the visitors of the site. Visitors of today do not count again until the end of the day (UTC).
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("input").required(true).args(["paths", "all"]))]
#[command(after_help = "Examples:\n  hitctl counts reset /draft\n  hitctl counts reset --all --confirm prod")]
pub struct Reset {
    /// Paths, as a page sends them
    #[arg(value_name = "PATH")]
    pub paths: Vec<String>,
    /// Reset every path
    #[arg(long)]
    pub all: bool,
    /// Confirm with the name of the environment
    #[arg(long, value_name = "NAME")]
    pub confirm: Option<String>,
}

/// Merge the counts of several paths into one
///
/// Views, visitors, days, months, first and last time are merged in one transaction.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  hitctl counts merge /old /new\n  hitctl counts merge /old /older /new --yes"
)]
pub struct Merge {
    /// Paths to merge, followed by the path that receives their counts
    #[arg(required = true, num_args = 2.., value_names = ["FROM", "INTO"])]
    pub paths: Vec<String>,
}

/// Rename a path
///
/// The path keeps all its counts. The command fails if the new path has counts.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  hitctl counts rename /old /new\n  hitctl counts rename /2025/post /post --env prod"
)]
pub struct Rename {
    /// Current path
    #[arg(value_name = "OLD")]
    pub old: String,
    /// New path
    #[arg(value_name = "NEW")]
    pub new: String,
}

/// Delete paths
///
/// A new view of a deleted path starts at 1.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  hitctl counts delete /typo\n  hitctl counts delete /draft /typo --confirm prod --env prod"
)]
pub struct Delete {
    /// Paths, as a page sends them
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<String>,
    /// Confirm with the name of the environment
    #[arg(long, value_name = "NAME")]
    pub confirm: Option<String>,
}

/// Parses the number of views to add, which may be negative.
fn parse_change(text: &str) -> Result<i64, String> {
    let change = text.parse::<i64>().ok().filter(|change| change.unsigned_abs() <= MAX_COUNT);
    change.ok_or_else(|| format!("expected a whole number from -{MAX_COUNT} to {MAX_COUNT}"))
}

pub(super) async fn add(session: &Session, counts: &CountsTable, args: &Add) -> Result<Exit, Failure> {
    let path = key(counts.keep_query(), &args.path)?;
    if args.n < 0 {
        let question =
            format!("Subtract {} from {}?", plural(args.n.unsigned_abs(), "view"), readable_path(&path));
        session.console.confirm(&question, session.global.yes).await?;
    }
    let decide = |old: Option<u64>| {
        let current = old.unwrap_or(0);
        if current.checked_add_signed(args.n).is_none_or(|n| n > MAX_COUNT) {
            let current = plural(current, "view");
            return Err(Fault::fatal(
                "out_of_range",
                format!(
                    "failed to add {} to {current} of {path:?}: expected a sum from 0 to {MAX_COUNT}",
                    args.n
                ),
            ));
        }
        Ok((args.n != 0).then_some(CountEdit::Add(args.n)))
    };
    let change = counts.change(&path, decide).await?;
    show(session, counts, vec![change]).await
}

pub(super) async fn set(
    session: &Session,
    counts: &CountsTable,
    env: &str,
    args: &Set,
) -> Result<Exit, Failure> {
    let path = key(counts.keep_query(), &args.path)?;
    let current = counts.get(&path).await?.map_or(0, |row| row.hits);
    let may_lose = current > args.n;
    if may_lose {
        let difference = plural(current - args.n, "view");
        let warning = format!(
            "This sets {} in {env} from {current} to {} and loses {difference}.",
            readable_path(&path),
            args.n
        );
        session.console.confirm_loss(&warning, env, args.confirm.as_deref()).await?;
    }
    let decide = |old: Option<u64>| match old {
        Some(old) if old == args.n => Ok(None),
        Some(old) if old > args.n && !may_lose => Err(Fault::fatal(
            "changed",
            format!("{path:?} now has {}; nothing was changed", plural(old, "view")),
        )
        .hinted("run the command again")),
        _ => Ok(Some(CountEdit::Set(args.n))),
    };
    let change = counts.change(&path, decide).await?;
    show(session, counts, vec![change]).await
}

pub(super) async fn reset(
    session: &Session,
    counts: &CountsTable,
    env: &str,
    args: &Reset,
) -> Result<Exit, Failure> {
    let mut affected = Vec::new();
    if args.all {
        affected = counts.all().await?.into_iter().map(|row| (row.path, row.hits)).collect();
    } else {
        for path in keys(counts, &args.paths)? {
            let hits = counts.get(&path).await?.map_or(0, |row| row.hits);
            affected.push((path, hits));
        }
    }
    affected.retain(|(_, hits)| *hits > 0);
    confirm(session, "resets", &affected, env, args.confirm.as_deref()).await?;
    if args.all && !affected.is_empty() {
        // A reset of all paths also resets the visitors of the site.
        counts.delete_site_visitors().await?;
    }
    apply_changes(session, counts, &affected, |old| {
        Ok(old.filter(|hits| *hits > 0).map(|_| CountEdit::Reset))
    })
    .await
}

pub(super) async fn delete(
    session: &Session,
    counts: &CountsTable,
    env: &str,
    args: &Delete,
) -> Result<Exit, Failure> {
    let mut affected = Vec::new();
    for path in keys(counts, &args.paths)? {
        affected.extend(counts.get(&path).await?.map(|row| (path, row.hits)));
    }
    confirm(session, "deletes", &affected, env, args.confirm.as_deref()).await?;
    let result = apply_changes(session, counts, &affected, |old| Ok(old.map(|_| CountEdit::Delete))).await;
    counts.release_unused_budget().await?;
    result
}

pub(super) async fn merge(session: &Session, counts: &CountsTable, args: Merge) -> Result<Exit, Failure> {
    let (into, from) =
        args.paths.split_last().ok_or_else(|| Failure::usage("expected at least two paths"))?;
    let (into, from) = (key(counts.keep_query(), into)?, keys(counts, from)?);
    if from.contains(&into) {
        return Err(Failure::usage(format!("{into:?} cannot be merged into itself")));
    }
    if from.len() > MAX_MERGED_PATHS {
        return Err(Failure::usage(format!(
            "expected at most {MAX_MERGED_PATHS} paths to merge, found {}",
            from.len()
        )));
    }
    let from: Vec<String> = from.into_iter().collect();
    let question = format!(
        "Merge {} into {}? This cannot be undone.",
        plural(from.len() as u64, "path"),
        readable_path(&into)
    );
    session.console.confirm(&question, session.global.yes).await?;
    let changes = counts.merge(&from, &into).await?;
    counts.release_unused_budget().await?;
    show(session, counts, changes).await
}

pub(super) async fn rename(session: &Session, counts: &CountsTable, args: &Rename) -> Result<Exit, Failure> {
    let (old, new) = (key(counts.keep_query(), &args.old)?, key(counts.keep_query(), &args.new)?);
    if old == new {
        return Err(Failure::usage(format!("expected two different paths, found {old:?} twice")));
    }
    let changes = counts.rename(&old, &new).await?;
    show(session, counts, changes).await
}

/// Returns the keys of the paths, without duplicates.
fn keys(counts: &CountsTable, paths: &[String]) -> Result<BTreeSet<String>, Failure> {
    paths.iter().map(|path| key(counts.keep_query(), path)).collect()
}

/// Asks for confirmation before counts are lost. Paths without views need no confirmation.
async fn confirm(
    session: &Session,
    verb: &str,
    affected: &[(String, u64)],
    env: &str,
    confirm_arg: Option<&str>,
) -> Result<(), Failure> {
    let hits = affected.iter().fold(0_u64, |sum, (_, hits)| sum.saturating_add(*hits));
    if hits == 0 {
        return Ok(());
    }
    let paths = match affected {
        [(path, _)] => readable_path(path).into_owned(),
        many => plural(many.len() as u64, "path"),
    };
    let warning = format!("This {verb} {paths} in {env} and loses {}.", plural(hits, "view"));
    session.console.confirm_loss(&warning, env, confirm_arg).await
}

/// Changes the paths one after the other. Completed changes are shown even if a later change fails.
async fn apply_changes(
    session: &Session,
    counts: &CountsTable,
    paths: &[(String, u64)],
    decide: impl Fn(Option<u64>) -> Result<Option<CountEdit>, Fault> + Sync,
) -> Result<Exit, Failure> {
    let mut changes = Vec::new();
    let mut failed = None;
    for (path, _) in paths {
        if session.stop.is_cancelled() {
            failed = Some(Failure::interrupted("interrupted; the rest was not changed"));
            break;
        }
        match counts.change(path, &decide).await {
            Ok(change) => changes.push(change),
            Err(fault) => {
                let failure = Failure::from(fault);
                let exit = if changes.is_empty() { failure.exit } else { Exit::Partial };
                failed = Some(failure.with_exit(exit));
                break;
            }
        }
    }
    match failed {
        Some(failure) if changes.is_empty() => return Err(failure),
        _ => show(session, counts, changes).await?,
    };
    failed.map_or(Ok(Exit::Done), Err)
}

/// Shows the changes.
async fn show(session: &Session, counts: &CountsTable, changed: Vec<CountChange>) -> Result<Exit, Failure> {
    let mut rows = Vec::new();
    if session.console.is_json() {
        for change in changed.iter().filter(|change| change.new.is_some()) {
            rows.extend(counts.get(&change.path).await?);
        }
    }
    let changed = changed.into_iter().filter(|change| change.old != change.new).collect();
    session.console.result(&ChangesView { counts: rows, changed });
    Ok(Exit::Done)
}
