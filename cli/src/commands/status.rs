//! `hitctl status`: what is deployed, from live reads.

use std::collections::BTreeMap;

use hit_counter::moment::Moment;
use hit_counter::share;
use hitctl_cloud::{Access, Cloud, Depth};
use hitctl_config::contract::ATTR_BUDGET_PATHS;
use hitctl_config::{Loaded, Paths, Target};
use hitctl_engine::{Action, Change, Snapshot};
use hitctl_report::{DeploymentsView, Exit, Failure, LiveVersion, NewPaths, ResourceRow, StatusView};
use hitctl_resources::{FunctionSpec, QueueSpec, Spec as _};
use hitctl_stack as stack;
use hitctl_stack::{Code, address};
use serde_json::Value as Json;

use crate::commands::gc;
use crate::deployment::context::{DeployContext, RunContext, with_progress};
use crate::deployment::design::design;
use crate::deployment::plan::{difference, look};
use crate::deployment::view::url;
use crate::deployment::{counts, distribution, quota};
use crate::session::Session;

/// Show each resource, its real name, its drift from the configuration, the URL, the hits and the queues; only reads
///
/// How much is on a queue is what SQS says: about so many. The age of its oldest message is shown on this machine; in AWS it is a
/// metric of CloudWatch (`ApproximateAgeOfOldestMessage`), since SQS tells it only to those who receive.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Exit with 2 when something is missing or has drifted
    #[arg(long)]
    pub detailed_exitcode: bool,
    /// Every app and env that is deployed there, whether this configuration has it or not
    #[arg(long, conflicts_with = "detailed_exitcode")]
    pub all: bool,
}

/// Looks.
pub async fn run(session: &mut Session, args: Args) -> Result<Exit, Failure> {
    let loaded = session.load()?;
    if args.all {
        let deployments = gc::found(session, &loaded).await?;
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
    let cloud = run.cloud(Access::Read).await?;
    let context = run.in_cloud(&*cloud);
    let (_, live) = look(&context).await?;
    // What depends on the build, which a look does not make, is compared with the build that is live: `plan` builds.
    let code = live_code(&live, loaded);
    let graph = design(loaded, cloud.place(), code.as_ref())?;
    let (fitted, foreign) = tokio::join!(
        quota::fit(loaded, &*cloud, code.as_ref(), graph.clone(), &live),
        cloud.foreign_access(&graph, &live, &session.stop),
    );
    let (graph, _) = fitted?;
    let plan = difference(&context, &graph, &live)?;
    let mut resources: Vec<_> = plan.changes.iter().map(|change| row(change, &live)).collect();
    if cloud.is_running() {
        for queue in resources.iter_mut().filter(|row| row.present && row.kind == QueueSpec::KIND) {
            queue.outputs.extend(depth(&*cloud, &queue.name).await?);
        }
    }
    let has_table = resources.iter().any(|row| row.address == address::hits_table().as_str() && row.present);
    // What does not run cannot be asked for its counts; the view says that it does not.
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
    warnings.extend(new_paths.iter().flat_map(NewPaths::warnings));
    warnings.extend(foreign.iter().map(|finding| format!("{}: {}", finding.address, finding.message)));
    let url = url(&plan.outputs());
    let version = version(&context, &live).await?;
    let distribution = distribution::check(loaded, &*cloud).await?;
    Ok(StatusView {
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

/// The code that the live function runs. In AWS the configuration says for which instruction set; on this machine, the build.
fn live_code(live: &Snapshot, loaded: &Loaded) -> Option<Code> {
    let spec = &live.live(&address::counter())?.spec;
    let sha256 = spec.get("code_sha256")?.as_str()?.to_owned();
    let arch = match loaded.target {
        Target::Aws => loaded.app.function.arch,
        Target::Local => serde_json::from_value(spec.get("arch")?.clone()).ok()?,
    };
    Some(Code { sha256, arch })
}

/// A resource as it is shown.
fn row(change: &Change, live: &Snapshot) -> ResourceRow {
    let found = live.live(change.address());
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

/// How much is on a queue, as it is said to scripts. How old the oldest message is, the local cloud says with its resources; SQS
/// does not say it, and to look for it would hide messages from the function.
async fn depth(cloud: &dyn Cloud, name: &str) -> Result<Vec<(String, String)>, Failure> {
    let Depth { visible, in_flight, delayed } = cloud.queue(name)?.depth().await?;
    let told = [("visible", visible), ("in_flight", in_flight), ("delayed", delayed)];
    Ok(told.map(|(name, n)| (name.to_owned(), n.to_string())).into())
}

/// Which version answers, where versions are published. It is that of the function as it is, unless somebody rolled back or
/// a deploy did not come to its end; only then is it asked which ones there are.
async fn version(context: &DeployContext<'_>, live: &Snapshot) -> Result<Option<LiveVersion>, Failure> {
    let address = address::live();
    let Some(alias) = live.live(&address) else { return Ok(None) };
    let Some(number) = alias.outputs.get("version").and_then(|version| version.parse().ok()) else {
        return Ok(None);
    };
    let function = |role: &str| {
        let found = live.live(&FunctionSpec::address(role));
        found.and_then(|function| serde_json::from_value::<FunctionSpec>(function.spec.clone()).ok())
    };
    let release = function("counter").map(|counter| stack::release(&counter, function("reader").as_ref()));
    let newest = match release {
        Some(release) if alias.spec.get("release").and_then(Json::as_str) != Some(&release) => {
            let versions = context.cloud.versions(&context.run().cx(address)).await?;
            versions.iter().find(|version| version.release == release).map(|version| version.number)
        }
        _ => None,
    };
    Ok(Some(LiveVersion { live: number, newest: newest.filter(|newest| *newest > number) }))
}

/// How much of the budget of new paths is spent, where there is one.
fn new_paths(budget: &BTreeMap<String, u64>, loaded: &Loaded) -> Option<NewPaths> {
    let counter = &loaded.app.counter;
    if counter.paths != Paths::Budget {
        return None;
    }
    let now_ms = u64::try_from(jiff::Timestamp::now().as_millisecond()).unwrap_or(0);
    let today = Moment::from_millis(now_ms).day();
    let number = |name: &str| budget.get(name).copied().unwrap_or(0);
    let per_day = u64::from(counter.new_paths_per_day);
    let is_spent = |(name, n): (&String, &u64)| {
        share::day_and_limit(name, per_day).is_some_and(|(day, limit)| day == today && *n >= limit)
    };
    Some(NewPaths {
        today: number(&today.attribute()),
        per_day,
        in_all: number(ATTR_BUDGET_PATHS),
        max: u64::from(counter.max_paths),
        shares_spent: budget.iter().filter(|entry| is_spent(*entry)).count(),
        share: share::limits(per_day).0,
    })
}
