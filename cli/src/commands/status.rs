//! `hitctl status`: shows the deployed resources, read live.

use std::collections::BTreeMap;

use hit_counter::moment::Moment;
use hit_counter::share;
use hitctl_cloud::{AccessMode, Cloud, DeployRecord, QueueDepth};
use hitctl_config::contract::ATTR_BUDGET_PATHS;
use hitctl_config::{DeployTarget, LoadedConfig, PathPolicy, names};
use hitctl_engine::{Action, Change, Snapshot};
use hitctl_report::{
    DeploymentsView, Exit, Failure, LastDeploy, LiveVersion, NewPathBudget, ResourceRow, StatusView,
};
use hitctl_resources::{FunctionSpec, QueueSpec, Spec as _};
use hitctl_stack as stack;
use hitctl_stack::{FunctionArtifact, address};
use serde_json::Value as Json;

use crate::commands::gc;
use crate::deployment::context::{DeployContext, RunContext, with_progress};
use crate::deployment::design::design;
use crate::deployment::plan::{compare, read_live};
use crate::deployment::view::url;
use crate::deployment::{counts, distribution, quota};
use crate::session::Session;

/// Show resources, drift, URL, views and queues
///
/// The number of messages in a queue is SQS's approximation. The local cloud also shows the age of the oldest message; on
/// AWS it is the CloudWatch metric `ApproximateAgeOfOldestMessage`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  hitctl status --env prod\n  hitctl status --all")]
pub struct Args {
    /// Exit with 2 if a resource is missing or has drifted
    #[arg(long)]
    pub detailed_exitcode: bool,
    /// List every app and environment that is deployed there
    #[arg(long, conflicts_with = "detailed_exitcode")]
    pub all: bool,
}

/// Shows the status.
pub async fn run(session: &mut Session, args: Args) -> Result<Exit, Failure> {
    let loaded = session.load()?;
    if args.all {
        let deployments = gc::deployments(session, &loaded).await?;
        let target = loaded.target.to_string();
        session.console.result(&DeploymentsView { target, deployments, only_left_behind: false });
        return Ok(Exit::Done);
    }
    let view = with_progress(session, &loaded, view).await?;
    let drifted = view.is_drifted();
    session.console.result(&view);
    Ok(if drifted && args.detailed_exitcode { Exit::Changes } else { Exit::Done })
}

async fn view(run: RunContext<'_>) -> Result<StatusView, Failure> {
    let RunContext { session, config: loaded, .. } = run;
    let cloud = run.cloud(AccessMode::Read).await?;
    let context = run.in_cloud(&*cloud);
    let (_, live) = read_live(&context).await?;
    // Fields that depend on the build are compared with the live build, since `status` builds nothing. `plan` does.
    let code = live_code(&live, loaded);
    let graph = design(loaded, cloud.location(), code.as_ref())?;
    let (fitted, foreign) = tokio::join!(
        quota::fit(loaded, &*cloud, code.as_ref(), graph.clone(), &live),
        cloud.foreign_access(&graph, &live, &session.stop),
    );
    let (graph, _) = fitted?;
    let plan = compare(&context, &graph, &live)?;
    let mut resources: Vec<_> = plan.changes.iter().map(|change| row(change, &live)).collect();
    if cloud.is_running() {
        for queue in resources.iter_mut().filter(|row| row.present && row.kind == QueueSpec::KIND) {
            queue.outputs.extend(depth(&*cloud, &queue.name).await?);
        }
    }
    let has_table = resources.iter().any(|row| row.address == address::hits_table().as_str() && row.present);
    // A local cloud that does not run has no counts to read. The view says that it does not run.
    let mut warnings = cloud.notices().await?;
    let (hits, new_paths) = match (has_table, cloud.is_running()) {
        (true, true) => {
            let numbers = counts::all(&*cloud, loaded).await?;
            let hits = numbers.counts.iter().map(|row| row.hits).fold(0, u64::saturating_add);
            (Some(hits), new_paths(&numbers.budget, loaded))
        }
        (true, false) => (None, None),
        (false, _) => (Some(0), None),
    };
    warnings.extend(new_paths.iter().flat_map(NewPathBudget::warnings));
    warnings.extend(foreign.iter().map(|finding| format!("{}: {}", finding.address, finding.message)));
    let url = url(&plan.outputs());
    let version = version(&context, &live).await?;
    let distribution = distribution::check(loaded, &*cloud).await?;
    let deployed = if has_table && cloud.is_running() { last_deploy(&*cloud, loaded).await? } else { None };
    let location = cloud.location();
    Ok(StatusView {
        app: loaded.app.app.clone(),
        account: location.account.clone(),
        region: location.region.clone(),
        release: code.map(|code| code.build_id()),
        deployed,
        env: loaded.env.clone(),
        target: loaded.target.to_string(),
        resources,
        url,
        hits,
        version,
        running: cloud.is_running(),
        distribution: distribution.map(|checked| checked.row),
        new_paths,
        warnings,
    })
}

/// Returns the last change of the deployment, if it was recorded.
async fn last_deploy(cloud: &dyn Cloud, loaded: &LoadedConfig) -> Result<Option<LastDeploy>, Failure> {
    let table = cloud.table(&names::table(&loaded.app.app, &loaded.env))?;
    let record = DeployRecord::read(&table).await?;
    Ok(record.map(|DeployRecord { at, by, command }| {
        let at = i64::try_from(at).ok().and_then(|at| jiff::Timestamp::from_second(at).ok());
        LastDeploy { at: at.map(|at| at.to_string()).unwrap_or_default(), by, command }
    }))
}

/// Returns the code of the live function. Its architecture comes from the configuration on AWS, and from the build on
/// this machine.
fn live_code(live: &Snapshot, loaded: &LoadedConfig) -> Option<FunctionArtifact> {
    let spec = &live.observed(&address::counter())?.spec;
    let sha256 = spec.get("code_sha256")?.as_str()?.to_owned();
    let arch = match loaded.target {
        DeployTarget::Aws => loaded.app.function.arch,
        DeployTarget::Local => serde_json::from_value(spec.get("arch")?.clone()).ok()?,
    };
    Some(FunctionArtifact { sha256, arch })
}

/// Returns the row of a resource.
fn row(change: &Change, live: &Snapshot) -> ResourceRow {
    let found = live.observed(change.address());
    let drift = match change.action {
        Action::Update | Action::Replace => change.fields.iter().map(|field| field.field.clone()).collect(),
        Action::Keep | Action::Create | Action::Delete => Vec::new(),
    };
    ResourceRow {
        address: change.address().to_string(),
        kind: change.kind().to_owned(),
        name: change.name().to_owned(),
        present: found.is_some(),
        unwanted: change.action == Action::Delete,
        conflict: change.is_conflict(),
        drift,
        outputs: found.map(|live| live.outputs.clone()).unwrap_or_default(),
    }
}

/// Returns the numbers of messages on a queue for JSON output. The local cloud reports the age of the oldest message
/// with its resources. SQS does not report it, and reading messages to find it would hide them from the function.
async fn depth(cloud: &dyn Cloud, name: &str) -> Result<Vec<(String, String)>, Failure> {
    let QueueDepth { visible, in_flight, delayed } = cloud.queue(name)?.depth().await?;
    let rows = [("visible", visible), ("in_flight", in_flight), ("delayed", delayed)];
    Ok(rows.map(|(name, n)| (name.to_owned(), n.to_string())).into())
}

/// Returns the live version, if versions are published. It is the version of the function itself, unless somebody
/// rolled back or a deploy failed partway. Only then are the versions listed.
async fn version(context: &DeployContext<'_>, live: &Snapshot) -> Result<Option<LiveVersion>, Failure> {
    let address = address::live_alias();
    let Some(alias) = live.observed(&address) else { return Ok(None) };
    let Some(number) = alias.outputs.get("version").and_then(|version| version.parse().ok()) else {
        return Ok(None);
    };
    let function = |role: &str| {
        let found = live.observed(&FunctionSpec::address(role));
        found.and_then(|function| serde_json::from_value::<FunctionSpec>(function.spec.clone()).ok())
    };
    let release =
        function("counter").map(|counter| stack::release_hash(&counter, function("reader").as_ref()));
    let newest = match release {
        Some(release) if alias.spec.get("release").and_then(Json::as_str) != Some(&release) => {
            let versions = context.cloud.versions(&context.run().driver_context(address)).await?;
            versions.iter().find(|version| version.release == release).map(|version| version.number)
        }
        _ => None,
    };
    Ok(Some(LiveVersion { live: number, newest: newest.filter(|newest| *newest > number) }))
}

/// Returns the use of the budget of new paths, if there is one.
fn new_paths(budget: &BTreeMap<String, u64>, loaded: &LoadedConfig) -> Option<NewPathBudget> {
    let counter = &loaded.app.counter;
    if counter.paths != PathPolicy::Budget {
        return None;
    }
    let now_ms = u64::try_from(jiff::Timestamp::now().as_millisecond()).unwrap_or(0);
    let today = Moment::from_millis(now_ms).day();
    let number = |name: &str| budget.get(name).copied().unwrap_or(0);
    let per_day = u64::from(counter.new_paths_per_day);
    let is_spent = |(name, n): (&String, &u64)| {
        share::day_and_limit(name, per_day).is_some_and(|(day, limit)| day == today && *n >= limit)
    };
    Some(NewPathBudget {
        today: number(&today.attribute()),
        per_day,
        in_all: number(ATTR_BUDGET_PATHS),
        max: u64::from(counter.max_paths),
        shares_spent: budget.iter().filter(|entry| is_spent(*entry)).count(),
        share: share::limits(per_day).0,
    })
}
