//! `hitctl status`: shows the current state of the deployed resources.

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
use crate::deployment::context::{CloudContext, RunContext, with_progress};
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
    /// List all deployed apps and environments of the account and region, or of this machine
    #[arg(long, conflicts_with = "detailed_exitcode")]
    pub all: bool,
}

/// Shows the status.
pub async fn run(session: &mut Session, args: Args) -> Result<Exit, Failure> {
    let config = session.load()?;
    if args.all {
        let deployments = gc::deployments(session, &config).await?;
        let target = config.target.to_string();
        session.console.result(&DeploymentsView { target, deployments, only_undeclared: false });
        return Ok(Exit::Done);
    }
    let view = with_progress(session, &config, view).await?;
    let drifted = view.is_drifted();
    session.console.result(&view);
    Ok(if drifted && args.detailed_exitcode { Exit::Changes } else { Exit::Done })
}

async fn view(run: RunContext<'_>) -> Result<StatusView, Failure> {
    let RunContext { session, config, .. } = run;
    let cloud = run.cloud(AccessMode::Read).await?;
    let context = run.in_cloud(&*cloud);
    let (_, live) = read_live(&context).await?;
    // `status` does not build the function, so fields that depend on the build are compared with the live build.
    let code = live_code(&live, config);
    let graph = design(config, cloud.location(), code.as_ref())?;
    let (fitted, foreign) = tokio::join!(
        quota::fit(config, &*cloud, code.as_ref(), graph.clone(), &live),
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
    // The counts of a local cloud that is not running cannot be read. The view shows that it is not running.
    let mut warnings = cloud.notices().await?;
    let (hits, new_paths) = match (has_table, cloud.is_running()) {
        (true, true) => {
            let data = counts::read_all_uninterrupted(&*cloud, config).await?;
            let hits = data.counts.iter().map(|row| row.hits).fold(0, u64::saturating_add);
            (Some(hits), new_paths(&data.budget, config))
        }
        (true, false) => (None, None),
        (false, _) => (Some(0), None),
    };
    warnings.extend(new_paths.iter().flat_map(NewPathBudget::warnings));
    warnings.extend(foreign.iter().map(|finding| format!("{}: {}", finding.address, finding.message)));
    let url = url(&plan.outputs());
    let version = version(&context, &live).await?;
    let distribution = distribution::check(config, &*cloud).await?;
    let deployed = if has_table && cloud.is_running() { last_deploy(&*cloud, config).await? } else { None };
    let location = cloud.location();
    Ok(StatusView {
        app: config.app.app.clone(),
        account: location.account.clone(),
        region: location.region.clone(),
        release: code.map(|code| code.build_id()),
        deployed,
        env: config.env.clone(),
        target: config.target.to_string(),
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
async fn last_deploy(cloud: &dyn Cloud, config: &LoadedConfig) -> Result<Option<LastDeploy>, Failure> {
    let table = cloud.table(&names::table(&config.app.app, &config.env))?;
    let record = DeployRecord::read(&table).await?;
    Ok(record.map(|DeployRecord { at, by, command }| {
        let at = i64::try_from(at).ok().and_then(|at| jiff::Timestamp::from_second(at).ok());
        LastDeploy { at: at.map(|at| at.to_string()).unwrap_or_default(), by, command }
    }))
}

/// Returns the code of the live function. Its architecture comes from the configuration on AWS, and from the build on
/// this machine.
fn live_code(live: &Snapshot, config: &LoadedConfig) -> Option<FunctionArtifact> {
    let spec = &live.observed(&address::counter())?.spec;
    let sha256 = spec.get("code_sha256")?.as_str()?.to_owned();
    let arch = match config.target {
        DeployTarget::Aws => config.app.function.arch,
        DeployTarget::Local => serde_json::from_value(spec.get("arch")?.clone()).ok()?,
    };
    Some(FunctionArtifact { sha256, arch })
}

/// Returns the row of a resource.
fn row(change: &Change, live: &Snapshot) -> ResourceRow {
    let observed = live.observed(change.address());
    let drift = match change.action {
        Action::Update | Action::Replace => change.fields.iter().map(|field| field.field.clone()).collect(),
        Action::Keep | Action::Create | Action::Delete => Vec::new(),
    };
    ResourceRow {
        address: change.address().to_string(),
        kind: change.kind().to_owned(),
        name: change.name().to_owned(),
        present: observed.is_some(),
        unwanted: change.action == Action::Delete,
        conflict: change.is_conflict(),
        drift,
        outputs: observed.map(|live| live.outputs.clone()).unwrap_or_default(),
    }
}

/// Returns the numbers of messages in a queue as outputs. The age of the oldest message is not among them: the local
/// cloud reports it as an output of the queue. SQS does not report it, and receiving messages would hide them from
/// the function.
async fn depth(cloud: &dyn Cloud, name: &str) -> Result<Vec<(String, String)>, Failure> {
    let QueueDepth { visible, in_flight, delayed } = cloud.queue(name)?.depth().await?;
    let rows = [("visible", visible), ("in_flight", in_flight), ("delayed", delayed)];
    Ok(rows.map(|(name, n)| (name.to_owned(), n.to_string())).into())
}

/// Returns the live version, or `None` if no versions are published. After a rollback or an incomplete deploy, it
/// differs from the deployed function; the version of that function is then found in the list of versions.
async fn version(context: &CloudContext<'_>, live: &Snapshot) -> Result<Option<LiveVersion>, Failure> {
    let address = address::live_alias();
    let Some(alias) = live.observed(&address) else { return Ok(None) };
    let Some(number) = alias.outputs.get("version").and_then(|version| version.parse().ok()) else {
        return Ok(None);
    };
    let function = |role: &str| {
        let observed = live.observed(&FunctionSpec::address(role));
        observed.and_then(|function| serde_json::from_value::<FunctionSpec>(function.spec.clone()).ok())
    };
    let release =
        function("counter").map(|counter| stack::release_hash(&counter, function("reader").as_ref()));
    let newest = match release {
        Some(release) if alias.spec.get("release").and_then(Json::as_str) != Some(&release) => {
            let versions = context.cloud.versions(&context.run_context().driver_context(address)).await?;
            versions.iter().find(|version| version.release == release).map(|version| version.number)
        }
        _ => None,
    };
    Ok(Some(LiveVersion { live: number, newest: newest.filter(|newest| *newest > number) }))
}

/// Returns how much of the budget for new paths is used, or `None` without a budget.
fn new_paths(budget: &BTreeMap<String, u64>, config: &LoadedConfig) -> Option<NewPathBudget> {
    let counter = &config.app.counter;
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
