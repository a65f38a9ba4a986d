//! `hitctl gc`: lists and removes leftovers, which are deployments of renamed apps and deleted environments.

use std::path::PathBuf;

use hitctl_cloud::{AccessMode, DriverOptions};
use hitctl_config::{LoadedConfig, names};
use hitctl_report::{DeploymentRow, DeploymentsView, Exit, Failure};
use hitctl_stack::address;

use crate::commands::destroy;
use crate::deployment::context::{RunContext, with_progress};
use crate::deployment::design::design_removal;
use crate::deployment::lock::LockArgs;
use crate::deployment::plan::survey;
use crate::session::Session;

/// Remove leftovers of other apps
///
/// Without an argument, lists the deployments that the configuration does not contain.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  hitctl gc\n  hitctl gc old-app/test")]
pub struct Args {
    /// Deployment to remove; without it, all are listed
    #[arg(value_name = "APP/ENV")]
    pub deployment: Option<String>,
    /// Also delete its counts and log; the counts are exported to a file first
    #[arg(long, requires = "deployment")]
    pub delete_data: bool,
    /// Confirm with the name of the environment
    #[arg(long, value_name = "NAME", requires = "deployment")]
    pub confirm: Option<String>,
    /// Export the counts to this file before they are deleted
    #[arg(long, value_name = "FILE", requires = "delete_data")]
    pub export: Option<PathBuf>,
    /// How long to wait for another deploy.
    #[command(flatten)]
    pub lock: LockArgs,
}

/// Lists the leftovers, or removes one deployment.
pub async fn run(session: &mut Session, args: Args) -> Result<Exit, Failure> {
    let config = session.load()?;
    let Some(deployment) = args.deployment else {
        let rows = deployments(session, &config).await?;
        let leftovers = rows.into_iter().filter(|row| !row.declared).collect();
        let target = config.target.to_string();
        session.console.result(&DeploymentsView { target, deployments: leftovers, only_undeclared: true });
        return Ok(Exit::Done);
    };
    let leftover = leftover_config(&config, &deployment)?;
    let destroy = destroy::Args {
        delete_data: args.delete_data,
        confirm: args.confirm,
        export: args.export,
        lock: args.lock,
    };
    destroy::destroy(session, &leftover, destroy).await
}

/// Returns the configuration with the app and environment of a leftover, because resources are found by their names.
/// Its removal must be confirmed with the environment's name, because the user cannot look it up in the
/// configuration.
fn leftover_config(config: &LoadedConfig, deployment: &str) -> Result<LoadedConfig, Failure> {
    let Some((app, env)) = deployment.split_once('/').filter(|(app, env)| !app.is_empty() && !env.is_empty())
    else {
        return Err(Failure::usage(format!(
            "expected APP/ENV as listed by `hitctl gc`, found {deployment:?}"
        )));
    };
    if config.has_env(app, env) {
        let message = format!("{deployment} is in the configuration, so it is not a leftover");
        return Err(Failure::usage(message).hinted(format!("run `hitctl destroy --env {env}`")));
    }
    let mut other = config.clone();
    app.clone_into(&mut other.app.app);
    env.clone_into(&mut other.env);
    other.app.confirm = true;
    Ok(other)
}

/// Returns every app and environment with an existing resource. They are found by tags. The resources are then read,
/// because tags can outlive their resources.
pub(super) async fn deployments(
    session: &Session,
    config: &LoadedConfig,
) -> Result<Vec<DeploymentRow>, Failure> {
    with_progress(session, config, find_deployments).await
}

async fn find_deployments(run: RunContext<'_>) -> Result<Vec<DeploymentRow>, Failure> {
    let RunContext { session, config, sink } = run;
    let cloud = run.cloud(AccessMode::Read).await?;
    let mut rows = Vec::new();
    for (app, env) in cloud.deployments(sink, &session.stop).await? {
        let mut other = config.clone();
        (other.app.app, other.env) = (app, env);
        let graph = design_removal(&other, cloud.location())?;
        let tags = names::tags(&other.app.app, &other.env);
        let drivers = cloud.drivers(DriverOptions { tags: Some(tags), ..DriverOptions::default() });
        let context = RunContext { config: &other, ..run }.in_cloud(&*cloud).with_drivers(drivers);
        let live = survey(&context, &graph).await?;
        let is_ours = |live: &&hitctl_engine::ObservedState| live.owner == hitctl_engine::Owner::Ours;
        let resources = live.iter().filter_map(|(_, live)| live).filter(is_ours).count();
        if resources > 0 {
            rows.push(DeploymentRow {
                declared: config.has_env(&other.app.app, &other.env),
                has_counts: live.observed(&address::hits_table()).is_some_and(|live| is_ours(&live)),
                app: other.app.app,
                env: other.env,
                resources,
            });
        }
    }
    Ok(rows)
}
