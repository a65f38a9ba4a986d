//! `hitctl rollback`: makes an earlier published version live again, without a build.

use std::collections::BTreeSet;
use std::time::Instant;

use hitctl_cloud::{AccessMode, Cloud, Version};
use hitctl_config::contract::{ENV_BUILD, ENV_ROLE_ID};
use hitctl_report::{Exit, Failure, RollbackView, VersionRow, VersionsView};
use hitctl_stack::address;

use crate::deployment::context::{CloudContext, RunContext, with_progress};
use crate::deployment::lock::{DeployLock, LockArgs};
use crate::deployment::plan::{compare, read_live};
use crate::deployment::smoke;
use crate::deployment::view::url;
use crate::elapsed::millis;
use crate::session::Session;

/// Switch back to the previous version
///
/// Switches the alias of the counter and of the reader in one step. It loses no data, and the next deployment undoes it.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  hitctl rollback --env test\n  hitctl rollback --env test --list\n  hitctl rollback --env test --to 3"
)]
pub struct Args {
    /// Version to switch to
    #[arg(long, value_name = "VERSION", value_parser = clap::value_parser!(u64).range(1..))]
    pub to: Option<u64>,
    /// List the versions without switching
    #[arg(long, conflicts_with_all = ["to", "no_smoke"])]
    pub list: bool,
    /// Skip the check of the live URL
    #[arg(long)]
    pub no_smoke: bool,
    /// How long to wait for another deploy.
    #[command(flatten)]
    pub lock: LockArgs,
}

/// Rolls back, or lists the versions.
pub async fn run(session: &mut Session, args: Args) -> Result<Exit, Failure> {
    let config = if args.list { session.load()? } else { session.load_for_writing("roll back").await? };
    let (cloud, versions) =
        with_progress(session, &config, async |run| list_versions(run, &args).await).await?;
    if args.list {
        let (env, versions) = (config.env.clone(), rows(session, &versions));
        session.console.result(&VersionsView { env, versions });
        return Ok(Exit::Done);
    }
    let (from, to) = choose(&versions, args.to)?;
    if from.number != to.number {
        let question = format!("Switch {} from {} to {}?", config.env, describe(from), describe(to));
        session.console.confirm(&question, session.global.yes).await?;
    }
    let switching = async |run: RunContext<'_>| roll_back(&run.in_cloud(&*cloud), from, to, &args).await;
    let (view, failure) = with_progress(session, &config, switching).await?;
    session.console.result(&view);
    failure.map_or(Ok(Exit::Done), Err)
}

/// Connects to the cloud and lists the published versions.
async fn list_versions(run: RunContext<'_>, args: &Args) -> Result<(Box<dyn Cloud>, Vec<Version>), Failure> {
    let cloud = run.open_and_announce(AccessMode::Read).await?;
    let versions = cloud.versions(&run.driver_context(address::live_alias())).await?;
    if versions.is_empty() && !args.list {
        let env = &run.config.env;
        return Err(Failure::new("no_versions", format!("no version is published in environment {env}"))
            .hinted(format!("set `publish = true` in [function], then run `hitctl deploy --env {env}`")));
    }
    Ok((cloud, versions))
}

/// Takes the lease, switches the version, and checks that it responds at the live URL.
async fn roll_back(
    context: &CloudContext<'_>,
    from: &Version,
    to: &Version,
    args: &Args,
) -> Result<(RollbackView, Option<Failure>), Failure> {
    let env = &context.config.env;
    let started = Instant::now();
    let lock = DeployLock::hold(context, "rollback", args.lock).await?;
    let result = match check_unchanged(context, from, to, lock.waited).await {
        Ok(()) => switch(context, from, to, args.no_smoke).await,
        Err(failure) => Err(failure),
    };
    if result.is_ok() && from.number != to.number {
        lock.record(context, "rollback").await;
    }
    let lease_failure = lock.release(None).await;
    let (url, failure) = result?;
    let view = RollbackView {
        env: env.clone(),
        from: from.number,
        to: to.number,
        build: to.build.clone(),
        url,
        took_ms: millis(started),
        next: format!("hitctl deploy --env {env}"),
    };
    Ok((view, lease_failure.or(failure)))
}

/// Fails if another command has switched the live version while this one waited for the lease.
async fn check_unchanged(
    context: &CloudContext<'_>,
    from: &Version,
    to: &Version,
    waited: bool,
) -> Result<(), Failure> {
    if !waited {
        return Ok(());
    }
    let versions =
        context.cloud.versions(&context.run_context().driver_context(address::live_alias())).await?;
    if choose(&versions, Some(to.number))?.0.number == from.number {
        return Ok(());
    }
    Err(Failure::new("changed_meanwhile", "another version was published while this command waited")
        .hinted(format!("run `hitctl rollback --env {} --list`, then choose again", context.config.env)))
}

/// Switches the version and checks that it responds at the live URL. Returns the URL, and a failure if the check
/// failed.
async fn switch(
    context: &CloudContext<'_>,
    from: &Version,
    to: &Version,
    no_smoke: bool,
) -> Result<(Option<String>, Option<Failure>), Failure> {
    let (graph, live) = read_live(context).await?;
    let plan = compare(context, &graph, &live)?;
    if from.number != to.number {
        context
            .cloud
            .switch_live_version(&context.run_context().driver_context(address::live_alias()), to)
            .await?;
    }
    let url = url(&plan.outputs());
    let mut failure = None;
    if let (Some(build), false) = (&to.build, no_smoke) {
        failure = smoke::run(context, url.as_deref(), build).await.err();
    }
    Ok((url, failure))
}

/// Returns the live version and the version to switch to. The latter is the requested version, or the newest one that
/// is older than the live version.
fn choose(versions: &[Version], to: Option<u64>) -> Result<(&Version, &Version), Failure> {
    let from = versions.iter().find(|version| version.live).ok_or_else(|| {
        Failure::new("no_alias", "no published version is live: requests go to the function itself")
            .hinted("set `publish = true` in [function], then run `hitctl deploy`")
    })?;
    let requested = to.and_then(|number| versions.iter().find(|version| version.number == number));
    if let Some(version) = requested.filter(|version| has_old_role(version, from)) {
        return Err(Failure::new(
            "role_recreated",
            format!("version {} was published for a role that has since been deleted", version.number),
        )
        .caused_by("Lambda cannot decrypt its environment variables with the current role")
        .hinted("deploy that code again; `hitctl deploy` publishes it with the current role"));
    }
    let numbers = || versions.iter().map(|version| version.number.to_string()).collect::<Vec<_>>().join(", ");
    let to = match to {
        Some(number) => versions.iter().find(|version| version.number == number).ok_or_else(|| {
            Failure::new("no_version", format!("there is no version {number}"))
                .hinted(format!("choose one of {}, newest first", numbers()))
        })?,
        None => versions
            .iter()
            .filter(|version| version.number < from.number && !has_old_role(version, from))
            .max_by_key(|version| version.number)
            .ok_or_else(|| {
                Failure::new("nothing_before", format!("there is no version before {}", from.number))
                    .hinted(format!("choose one of {} with `--to`", numbers()))
            })?,
    };
    Ok((from, to))
}

/// Whether a version was published with an earlier role of the same name than the live version. Every invocation of
/// such a version fails.
fn has_old_role(version: &Version, live: &Version) -> bool {
    matches!((&version.role_id, &live.role_id), (Some(id), Some(live)) if id != live)
}

fn describe(version: &Version) -> String {
    match &version.build {
        Some(build) => format!("version {} (build {build})", version.number),
        None => format!("version {}", version.number),
    }
}

fn rows(session: &Session, versions: &[Version]) -> Vec<VersionRow> {
    let key = session.fingerprint_key();
    let row = |(index, version): (usize, &Version)| VersionRow {
        version: version.number,
        changes: versions.get(index + 1).map(|previous| changes(previous, version)),
        live: version.live,
        build: version.build.clone(),
        published: version.published_at.clone(),
        // The release is a hash that includes the environment variables, so only its fingerprint is shown.
        release: key.fingerprint(&version.release),
    };
    versions.iter().enumerate().map(row).collect()
}

/// Returns the settings that differ between a version and the previous one, with their values except for code and
/// environment variables.
fn changes(previous: &Version, version: &Version) -> Vec<String> {
    // Skip hitctl's own variables: the build follows from the code, and the role ID is not a setting.
    let is_setting =
        |name: &&String| ![ENV_BUILD, ENV_ROLE_ID].iter().any(|variable| name.ends_with(variable));
    let names: BTreeSet<&String> = previous.settings.keys().chain(version.settings.keys()).collect();
    let change = |name: &String| {
        let (old, new) = (previous.settings.get(name), version.settings.get(name));
        let is_readable = name != "code" && !name.starts_with("environment.");
        (old != new).then(|| match (old, new) {
            (Some(old), Some(new)) if is_readable => format!("{name} {old} -> {new}"),
            (None, _) => format!("{name} added"),
            (_, None) => format!("{name} removed"),
            _ => name.clone(),
        })
    };
    names.into_iter().filter(is_setting).filter_map(change).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn versions(numbers: &[u64], live: Option<u64>) -> Vec<Version> {
        let version = |number: &u64| Version {
            number: *number,
            release: String::new(),
            build: None,
            role_id: None,
            settings: std::collections::BTreeMap::new(),
            published_at: String::new(),
            live: Some(*number) == live,
        };
        numbers.iter().map(version).collect()
    }

    fn chosen(numbers: &[u64], live: Option<u64>, to: Option<u64>) -> Result<(u64, u64), String> {
        match choose(&versions(numbers, live), to) {
            Ok((from, to)) => Ok((from.number, to.number)),
            Err(failure) => Err(failure.code.to_string()),
        }
    }

    #[test]
    fn choose_without_number_returns_version_before_live_one() {
        assert_eq!(chosen(&[7, 5, 4], Some(7), None), Ok((7, 5)));
        // Repeating the command goes back one version further.
        assert_eq!(chosen(&[7, 5, 4], Some(5), None), Ok((5, 4)));
        assert_eq!(chosen(&[7, 5, 4], Some(4), Some(7)), Ok((4, 7)));
        assert_eq!(chosen(&[7, 5, 4], Some(4), Some(4)), Ok((4, 4)));
    }

    #[test]
    fn choose_skips_versions_of_deleted_role() {
        let mut all = versions(&[7, 6, 5], Some(7));
        for (version, id) in all.iter_mut().zip(["AROA2", "AROA1", "AROA2"]) {
            version.role_id = Some(id.to_owned());
        }
        assert_eq!(choose(&all, None).unwrap().1.number, 5);
        assert_eq!(choose(&all, Some(6)).unwrap_err().code, "role_recreated");
        // Versions that were published by earlier releases of hitctl have no role ID.
        all[1].role_id = None;
        assert_eq!(choose(&all, None).unwrap().1.number, 6);
    }

    #[test]
    fn changes_contain_no_values_of_environment_variables() {
        let version_with = |settings: &[(&str, &str)]| Version {
            settings: settings
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            ..versions(&[1], None).remove(0)
        };
        let old = version_with(&[
            ("code", "a"),
            ("memory_mb", "128"),
            ("environment.A", "1"),
            ("environment.B", "1"),
        ]);
        let build = ("environment.HITCTL_BUILD", "x");
        let new = version_with(&[
            ("code", "b"),
            ("memory_mb", "256"),
            ("environment.A", "2"),
            ("environment.C", "1"),
            build,
        ]);
        assert_eq!(
            changes(&old, &new),
            ["code", "environment.A", "environment.B removed", "environment.C added", "memory_mb 128 -> 256"]
        );
        assert!(changes(&old, &old).is_empty());
    }

    #[test]
    fn choose_without_candidate_fails() {
        assert_eq!(chosen(&[7, 5, 4], Some(4), None), Err("nothing_before".to_owned()));
        assert_eq!(chosen(&[7, 5, 4], Some(7), Some(6)), Err("no_version".to_owned()));
        assert_eq!(chosen(&[7, 5, 4], None, None), Err("no_alias".to_owned()));
    }
}
