//! `hitctl doctor`: checks the requirements of the other commands, and prints a hint for each that is not met. It
//! must not change anything.

use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use hitctl_artifact as artifact;
use hitctl_artifact::{Arch, Tool, toolchain_facts};
use hitctl_cloud::{AccessMode, Cloud};
use hitctl_config::{DeployTarget, LoadedConfig};
use hitctl_engine::{EventSink, Fault};
use hitctl_local::LocalClient;
use hitctl_report::{CheckStatus, DoctorCheck, DoctorView, Exit, Failure};
use hitctl_resources::CloudLocation;

use crate::deployment::build::source;
use crate::deployment::distribution::{self, Problem};
use crate::deployment::quota;
use crate::session::Session;

/// The timeout of each check that calls AWS.
const AWS_TIMEOUT: Duration = Duration::from_secs(20);

/// Check toolchain, credentials and quotas
///
/// Checks toolchain, targets, ports, directories and configuration; on AWS also credentials, account, region and quotas. Prints how to
/// fix each problem.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  hitctl doctor\n  hitctl doctor --env prod --json")]
pub struct Args {}

/// Runs the checks.
pub async fn run(session: &mut Session, _: Args) -> Result<Exit, Failure> {
    let mut checks = Vec::new();
    let config = match session.load_any_env() {
        Ok(config) => {
            let source = config
                .path
                .as_ref()
                .map_or("no hitctl.toml; using the defaults".to_owned(), |path| path.display().to_string());
            checks.push(ok("configuration", source));
            Some(config)
        }
        Err(failure) => {
            checks.push(failed("configuration", &failure));
            None
        }
    };
    checks.extend(toolchain(session, config.as_ref()).await);
    checks.push(ports());
    if let Some(config) = &config {
        match config.target {
            DeployTarget::Local => checks.extend(local_cloud(session, config).await),
            DeployTarget::Aws => checks.extend(account(session, config).await),
        }
    }
    checks.push(match session.cache_dir() {
        Ok(cache) => writable(
            "cache directory",
            &cache,
            "free disk space, or set XDG_CACHE_HOME to a writable directory",
        ),
        Err(failure) => failed("cache directory", &failure),
    });
    let view = DoctorView { checks };
    let exit = if view.worst() == CheckStatus::Fail { Exit::Error } else { Exit::Done };
    session.console.result(&view);
    Ok(exit)
}

/// Checks the toolchain that builds the function, for this machine and for Lambda.
async fn toolchain(session: &Session, config: Option<&LoadedConfig>) -> Vec<DoctorCheck> {
    let source = match source(session, false) {
        Ok(source) => source,
        Err(failure) => return vec![failed("sources", &failure)],
    };
    let facts = toolchain_facts(&session.env, &source.tool_dir(), &session.stop).await;
    let tool = |name: &str, tool: Option<&Tool>, hint: &str| match tool {
        Some(tool) => ok(name, tool.version.clone()),
        None => fail(name, "not found".to_owned(), Some(hint.to_owned())),
    };
    let mut checks = vec![
        tool("cargo", facts.cargo.as_ref(), "install Rust from https://rustup.rs"),
        tool("rustc", facts.rustc.as_ref(), "install Rust from https://rustup.rs"),
        tool("C compiler", facts.cc.as_ref(), "install gcc or clang, which Rust needs as its linker"),
    ];
    let arch = config.map_or(Arch::default(), |config| config.app.function.arch);
    let mut builds = vec![("build for this machine", artifact::BuildTarget::Host, true)];
    // Without an environment on AWS, the build for Lambda is not checked.
    if config.is_some_and(|config| {
        config
            .envs
            .iter()
            .any(|env| env.target == DeployTarget::Aws && (env.declared || env.name == config.env))
    }) {
        let needed = config.is_some_and(|config| config.target == DeployTarget::Aws);
        builds.push(("build for Lambda", artifact::BuildTarget::Lambda(arch), needed));
    }
    for (name, target, needed) in builds {
        checks.push(match artifact::describe_build(&facts, target, &source) {
            Ok(description) => ok(name, description),
            Err(fault) if needed => failed(name, &fault),
            Err(fault) => warn(name, fault.message, fault.hint),
        });
    }
    checks
}

/// Checks that hitctl can listen on a loopback port.
fn ports() -> DoctorCheck {
    match TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)) {
        Ok(_) => ok("ports", "can listen on 127.0.0.1".to_owned()),
        Err(error) => fail(
            "ports",
            format!("failed to listen on 127.0.0.1: {error}"),
            Some("allow this program to listen on 127.0.0.1".to_owned()),
        ),
    }
}

/// Checks the credentials, the quotas of the account, and the CloudFront distribution. It only reads.
async fn account(session: &Session, config: &LoadedConfig) -> Vec<DoctorCheck> {
    let sink = EventSink::none();
    let connection = tokio::time::timeout(AWS_TIMEOUT, session.cloud(config, AccessMode::Read, &sink)).await;
    let cloud = match connection {
        Ok(Ok(cloud)) => cloud,
        Ok(Err(failure)) => {
            let cause = failure.cause.as_ref().map(|cause| format!("\n{cause}")).unwrap_or_default();
            let detail = format!("{}{cause}", failure.message);
            return vec![DoctorCheck { detail, ..failed("AWS credentials", &failure) }];
        }
        Err(_) => {
            let hint = "check the network, the proxy, and any `credential_process` of the profile";
            let timed_out = format!("no response within {} s", AWS_TIMEOUT.as_secs());
            return vec![fail("AWS credentials", timed_out, Some(hint.to_owned()))];
        }
    };
    let CloudLocation { account, region, endpoint, .. } = cloud.location();
    let suffix = endpoint.as_ref().map(|endpoint| format!(", endpoint {endpoint}")).unwrap_or_default();
    let mut checks = vec![
        ok("AWS credentials", cloud.identity().unwrap_or("valid").to_owned()),
        ok("AWS account", format!("{account}, region {region}{suffix}")),
        concurrency(config, &*cloud).await,
    ];
    checks.extend(cloudfront(config, &*cloud).await);
    checks
}

/// Checks that the configured distribution exists, is enabled, and serves only pages that `allow_origins` allows.
async fn cloudfront(config: &LoadedConfig, cloud: &dyn Cloud) -> Vec<DoctorCheck> {
    let name = "CloudFront distribution";
    match tokio::time::timeout(AWS_TIMEOUT, distribution::check(config, cloud)).await {
        Ok(Ok(None)) => Vec::new(),
        Ok(Ok(Some(checked))) if checked.problems.is_empty() => vec![ok(name, checked.row.summary())],
        Ok(Ok(Some(checked))) => {
            let check = |is_error: bool| if is_error { fail } else { warn };
            let to_check = |problem: Problem| check(problem.is_error)(name, problem.message, problem.hint);
            checked.problems.into_iter().map(to_check).collect()
        }
        Ok(Err(failure)) => vec![failed(name, &failure)],
        Err(_) => vec![warn(name, format!("no response within {} s", AWS_TIMEOUT.as_secs()), None)],
    }
}

/// Checks that the configured concurrency can be reserved.
async fn concurrency(config: &LoadedConfig, cloud: &dyn Cloud) -> DoctorCheck {
    let name = "reserved concurrency";
    let Some(desired) = config.app.function.reserved_concurrency else {
        return ok(name, "not configured".to_owned());
    };
    let Ok(quota) = tokio::time::timeout(AWS_TIMEOUT, cloud.concurrency_quota()).await else {
        return warn(name, format!("not checked: no response within {} s", AWS_TIMEOUT.as_secs()), None);
    };
    match quota {
        None => {
            warn(name, "not checked: Lambda reports no concurrency quota for the account".to_owned(), None)
        }
        Some(Err(fault)) => warn(name, format!("not checked: {}", fault.message), fault.hint),
        // An existing reservation of the function itself lowers `unreserved`, and can be reused.
        Some(Ok(quota)) if quota.can_reserve(desired, None) || quota.unreserved < quota.limit => ok(
            name,
            format!("{desired} of {} concurrent executions, {} unreserved", quota.limit, quota.unreserved),
        ),
        Some(Ok(quota)) => {
            let check = if config.app.strict { fail } else { warn };
            let command = quota::increase_command(&cloud.location().region);
            let effect = if config.app.strict { "deploys fail" } else { "deploys reserve no concurrency" };
            check(
                name,
                format!("{}; {effect}", quota::shortage(quota, desired, None)),
                Some(format!("run `{command}`")),
            )
        }
    }
}

/// Checks the local cloud and its state directory.
async fn local_cloud(session: &Session, config: &LoadedConfig) -> Vec<DoctorCheck> {
    let dir = match session.local_state_paths(config) {
        Ok(paths) => paths.state_dir(),
        Err(failure) => return vec![failed("local cloud", &failure)],
    };
    let running = match LocalClient::connect(&dir).await {
        Ok(Some(client)) => client.status().await.map(Some),
        Ok(None) => Ok(None),
        Err(fault) => Err(fault),
    };
    let cloud = match running {
        Ok(Some(status)) if status.notices.is_empty() => {
            ok("local cloud", format!("running: process {}, table endpoint {}", status.pid, status.table))
        }
        Ok(Some(status)) => warn("local cloud", status.notices.join("\n"), None),
        Ok(None) => ok("local cloud", "not running; `hitctl deploy --env local` starts it".to_owned()),
        Err(fault) => failed("local cloud", &fault),
    };
    vec![
        cloud,
        writable("state directory", &dir, "free disk space, or set XDG_STATE_HOME to a writable directory"),
    ]
}

/// Checks that a directory is writable, or can be created. No file remains.
fn writable(name: &str, dir: &Path, hint: &str) -> DoctorCheck {
    let existing_dir = dir.ancestors().find(|dir| dir.is_dir()).unwrap_or(dir);
    match tempfile::tempfile_in(existing_dir) {
        Ok(_) => ok(name, dir.display().to_string()),
        Err(error) => fail(
            name,
            format!("failed to write to {}: {error}", existing_dir.display()),
            Some(hint.to_owned()),
        ),
    }
}

fn ok(name: &str, detail: String) -> DoctorCheck {
    DoctorCheck { name: name.to_owned(), status: CheckStatus::Ok, detail, hint: None }
}

fn warn(name: &str, detail: String, hint: Option<String>) -> DoctorCheck {
    DoctorCheck { status: CheckStatus::Warn, hint, ..ok(name, detail) }
}

fn failed(name: &str, fault: &Fault) -> DoctorCheck {
    fail(name, fault.message.clone(), fault.hint.clone())
}

fn fail(name: &str, detail: String, hint: Option<String>) -> DoctorCheck {
    DoctorCheck { status: CheckStatus::Fail, hint, ..ok(name, detail) }
}
