//! What changes counts by hand: `add`, `set`, `reset`, `merge`, `rename` and `delete`.
//!
//! What loses numbers for good has the environment's name typed, or given with `--confirm`; what only moves them asks for
//! a yes. What is added, or can be taken back, asks nothing.

use std::collections::BTreeSet;

use hitctl_cloud::{CountEdit, Counts, MOST_MERGED};
use hitctl_config::contract::MAX_COUNT;
use hitctl_counts::{CountChange, fields};
use hitctl_engine::Fault;
use hitctl_report::{ChangesView, Exit, Failure, plural};

use crate::deployment::counts::key;
use crate::session::Session;

/// Add hits to a path, or take some away: visitors, days, months and times stay as they are
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  hitctl counts add / 1000\n  hitctl counts add /draft -5 --yes")]
pub struct Add {
    /// The path, as a page would send it
    #[arg(value_name = "PATH")]
    pub path: String,
    /// How many; a negative number takes away, down to 0. A path has at most 9007199254740991 hits
    #[arg(value_name = "N", allow_negative_numbers = true, value_parser = change)]
    pub n: i64,
}

/// Set the hits of a path: visitors, days, months and times stay as they are
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  hitctl counts set / 12345")]
pub struct Set {
    /// The path, as a page would send it
    #[arg(value_name = "PATH")]
    pub path: String,
    /// How many, up to 9007199254740991
    #[arg(value_name = "N", value_parser = fields::count_argument)]
    pub n: u64,
    /// Confirm without a question that hits are lost: the name of the environment
    #[arg(long, value_name = "NAME")]
    pub confirm: Option<String>,
}

/// Begin again with 0 hits, as if nobody had ever come; the paths stay listed
///
/// With `--all` the visitors of the site are forgotten too. Who was seen today is still known until the day is over, and does not
/// count as a visitor once more.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  hitctl counts reset /draft\n  hitctl counts reset --all --confirm prod")]
pub struct Reset {
    /// The paths, as a page would send them
    #[arg(value_name = "PATH", required_unless_present = "all")]
    pub paths: Vec<String>,
    /// Every path
    #[arg(long, conflicts_with = "paths")]
    pub all: bool,
    /// Confirm without a question: the name of the environment
    #[arg(long, value_name = "NAME")]
    pub confirm: Option<String>,
}

/// Add the counts of some paths to another one, and forget them: all at once, with visitors, days, months, and the first and last time
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  hitctl counts merge /old /older /new")]
pub struct Merge {
    /// The paths to merge, and last the one that gets their counts
    #[arg(required = true, num_args = 2.., value_names = ["FROM", "INTO"])]
    pub paths: Vec<String>,
}

/// Give a path another name, with everything that it has; a name that has counts is refused
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  hitctl counts rename /old /new")]
pub struct Rename {
    /// What it is called
    #[arg(value_name = "OLD")]
    pub old: String,
    /// What it is to be called
    #[arg(value_name = "NEW")]
    pub new: String,
}

/// Forget some paths; one that is hit again begins anew
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  hitctl counts delete /draft /typo --confirm prod")]
pub struct Delete {
    /// The paths, as a page would send them
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<String>,
    /// Confirm without a question: the name of the environment
    #[arg(long, value_name = "NAME")]
    pub confirm: Option<String>,
}

/// Reads how many hits are added, or taken away.
fn change(text: &str) -> Result<i64, String> {
    let change = text.parse::<i64>().ok().filter(|change| change.unsigned_abs() <= MAX_COUNT);
    change.ok_or_else(|| format!("expected a whole number from -{MAX_COUNT} to {MAX_COUNT}"))
}

pub(super) async fn add(session: &Session, counts: &Counts, args: &Add) -> Result<Exit, Failure> {
    let path = key(counts, &args.path)?;
    if args.n < 0 {
        let question = format!("Take {} from {path}?", plural(args.n.unsigned_abs(), "hit"));
        session.console.agree(&question, session.global.yes).await?;
    }
    let decide = |old: Option<u64>| {
        let has = old.unwrap_or(0);
        if has.checked_add_signed(args.n).is_none_or(|n| n > MAX_COUNT) {
            let has = plural(has, "hit");
            return Err(Fault::fatal(
                "out_of_range",
                format!(
                    "expected 0 to {MAX_COUNT} hits of {path:?}, found {has}: {} cannot be added",
                    args.n
                ),
            ));
        }
        Ok((args.n != 0).then_some(CountEdit::Plus(args.n)))
    };
    let change = counts.change(&path, decide).await?;
    show(session, counts, vec![change]).await
}

pub(super) async fn set(session: &Session, counts: &Counts, env: &str, args: &Set) -> Result<Exit, Failure> {
    let path = key(counts, &args.path)?;
    let has = counts.get(&path).await?.map_or(0, |row| row.hits);
    let may_lose = has > args.n;
    if may_lose {
        let lost = plural(has - args.n, "hit");
        let warning = format!("This sets {path} from {has} to {}: {lost} of {env} are lost.", args.n);
        session.console.confirm_loss(&warning, env, args.confirm.as_deref()).await?;
    }
    let decide = |old: Option<u64>| match old {
        Some(old) if old == args.n => Ok(None),
        Some(old) if old > args.n && !may_lose => {
            Err(Fault::fatal("changed", format!("{path:?} has {old} hits by now; nothing was changed"))
                .hinted("run the command again"))
        }
        _ => Ok(Some(CountEdit::Hits(args.n))),
    };
    let change = counts.change(&path, decide).await?;
    show(session, counts, vec![change]).await
}

pub(super) async fn reset(
    session: &Session,
    counts: &Counts,
    env: &str,
    args: &Reset,
) -> Result<Exit, Failure> {
    let mut lost = Vec::new();
    if args.all {
        lost = counts.all().await?.into_iter().map(|row| (row.path, row.hits)).collect();
    } else {
        for path in keys(counts, &args.paths)? {
            let hits = counts.get(&path).await?.map_or(0, |row| row.hits);
            lost.push((path, hits));
        }
    }
    lost.retain(|(_, hits)| *hits > 0);
    confirm(session, "resets", &lost, env, args.confirm.as_deref()).await?;
    if args.all && !lost.is_empty() {
        // Nobody has ever come: to no page, and not to the site.
        counts.forget_site().await?;
    }
    each(session, counts, &lost, |old| Ok(old.filter(|hits| *hits > 0).map(|_| CountEdit::Zero))).await
}

pub(super) async fn delete(
    session: &Session,
    counts: &Counts,
    env: &str,
    args: &Delete,
) -> Result<Exit, Failure> {
    let mut lost = Vec::new();
    for path in keys(counts, &args.paths)? {
        lost.extend(counts.get(&path).await?.map(|row| (path, row.hits)));
    }
    confirm(session, "forgets", &lost, env, args.confirm.as_deref()).await?;
    let done = each(session, counts, &lost, |old| Ok(old.map(|_| CountEdit::Delete))).await;
    counts.give_back().await?;
    done
}

pub(super) async fn merge(session: &Session, counts: &Counts, args: Merge) -> Result<Exit, Failure> {
    let (into, from) = args.paths.split_last().ok_or_else(|| Failure::usage("there is nothing to merge"))?;
    let (into, from) = (key(counts, into)?, keys(counts, from)?);
    if from.contains(&into) {
        return Err(Failure::usage(format!("{into:?} cannot be merged into itself")));
    }
    if from.len() > MOST_MERGED {
        return Err(Failure::usage(format!("at most {MOST_MERGED} paths can be merged at once")));
    }
    let from: Vec<String> = from.into_iter().collect();
    let question = format!("Merge {} into {into}? It cannot be undone.", plural(from.len() as u64, "path"));
    session.console.agree(&question, session.global.yes).await?;
    let changes = counts.merge(&from, &into).await?;
    counts.give_back().await?;
    show(session, counts, changes).await
}

pub(super) async fn rename(session: &Session, counts: &Counts, args: &Rename) -> Result<Exit, Failure> {
    let (old, new) = (key(counts, &args.old)?, key(counts, &args.new)?);
    if old == new {
        return Err(Failure::usage(format!("both are {old:?}")));
    }
    let changes = counts.rename(&old, &new).await?;
    show(session, counts, changes).await
}

/// The keys of some paths, each once.
fn keys(counts: &Counts, paths: &[String]) -> Result<BTreeSet<String>, Failure> {
    paths.iter().map(|path| key(counts, path)).collect()
}

/// Has the loss of some counts confirmed; that of nothing needs no word.
async fn confirm(
    session: &Session,
    verb: &str,
    lost: &[(String, u64)],
    env: &str,
    given: Option<&str>,
) -> Result<(), Failure> {
    let hits = lost.iter().fold(0_u64, |sum, (_, hits)| sum.saturating_add(*hits));
    if hits == 0 {
        return Ok(());
    }
    let paths = match lost {
        [(path, _)] => path.clone(),
        many => plural(many.len() as u64, "path"),
    };
    let warning = format!("This {verb} {paths} of {env}: {} are lost.", plural(hits, "hit"));
    session.console.confirm_loss(&warning, env, given).await
}

/// Changes one path after the other. What is done is shown even if the next one fails.
async fn each(
    session: &Session,
    counts: &Counts,
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
                failed = Some(failure.exits(exit));
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

/// Shows what was changed.
async fn show(session: &Session, counts: &Counts, changed: Vec<CountChange>) -> Result<Exit, Failure> {
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
