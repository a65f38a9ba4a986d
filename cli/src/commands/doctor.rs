//! `hitctl doctor`: what has to be there, and what to do where it is not.

use std::net::TcpListener;
use std::path::Path;

use hitctl_config::{Loaded, Target};
use hitctl_local::Client;

use crate::artifact::{self, Arch, Tool, toolchain_facts};
use crate::report::{Check, CheckStatus, DoctorView, Exit, Failure};
use crate::session::Session;

/// Check this machine: toolchain, targets, ports, directories and configuration
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Checks.
pub async fn run(session: &mut Session, _: Args) -> Result<Exit, Failure> {
    let mut checks = Vec::new();
    let loaded = match session.load_quietly() {
        Ok(loaded) => {
            let from = loaded
                .path
                .as_ref()
                .map_or("no hitctl.toml: the defaults".to_owned(), |path| path.display().to_string());
            checks.push(ok("configuration", from));
            Some(loaded)
        }
        Err(failure) => {
            checks.push(fail("configuration", failure.message.clone(), failure.hint.clone()));
            None
        }
    };
    checks.extend(toolchain(session, loaded.as_ref()).await);
    checks.push(ports());
    if let Some(loaded) = &loaded {
        checks.extend(local_cloud(session, loaded).await);
    }
    let cache = session.cache_dir();
    checks.push(writable(
        "cache directory",
        &cache,
        "Free space, or set XDG_CACHE_HOME to a directory that can be written.",
    ));
    let view = DoctorView { checks };
    let exit = if view.worst() == CheckStatus::Fail { Exit::Error } else { Exit::Done };
    session.console.result(&view);
    Ok(exit)
}

/// What builds the function, for this machine and for Lambda.
async fn toolchain(session: &Session, loaded: Option<&Loaded>) -> Vec<Check> {
    let facts = toolchain_facts(&session.env, &session.cwd, &session.stop).await;
    let tool = |name: &str, tool: Option<&Tool>, hint: &str| match tool {
        Some(tool) => ok(name, tool.version.clone()),
        None => fail(name, "not found".to_owned(), Some(hint.to_owned())),
    };
    let mut checks = vec![
        tool("cargo", facts.cargo.as_ref(), "Install Rust from https://rustup.rs."),
        tool("rustc", facts.rustc.as_ref(), "Install Rust from https://rustup.rs."),
        tool("C compiler", facts.cc.as_ref(), "Install gcc or clang: Rust links with it."),
    ];
    let source = artifact::Source::locate(&session.cwd, &session.cache_dir());
    let arch = loaded.map_or(Arch::default(), |loaded| loaded.app.function.arch);
    let mut builds = vec![("build for this machine", artifact::Target::Host, true)];
    // Who counts on this machine only has nothing to install for Lambda.
    if loaded.is_some_and(|loaded| loaded.envs.iter().any(|env| env.target == Target::Aws)) {
        let needed = loaded.is_some_and(|loaded| loaded.target == Target::Aws);
        builds.push(("build for Lambda", artifact::Target::Lambda(arch), needed));
    }
    for (name, target, needed) in builds {
        checks.push(match artifact::how(&facts, target, &source) {
            Ok(how) => ok(name, how),
            Err(fault) if needed => fail(name, fault.message, fault.hint),
            Err(fault) => warn(name, fault.message, fault.hint),
        });
    }
    checks
}

/// Whether a port of this machine's own can be listened on.
fn ports() -> Check {
    match TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)) {
        Ok(_) => ok("ports", "127.0.0.1 takes listeners".to_owned()),
        Err(error) => fail(
            "ports",
            format!("failed to listen on 127.0.0.1: {error}"),
            Some("Allow this program to listen on loopback.".to_owned()),
        ),
    }
}

/// Whether the local cloud runs, or could.
async fn local_cloud(session: &Session, loaded: &Loaded) -> Vec<Check> {
    let dir = session.state_dir(loaded);
    let running = match Client::connect(&dir).await {
        Ok(Some(client)) => client.status().await.map(Some),
        Ok(None) => Ok(None),
        Err(fault) => Err(fault),
    };
    let cloud = match running {
        Ok(Some(status)) if status.notices.is_empty() => {
            ok("local cloud", format!("runs, process {}, table endpoint {}", status.pid, status.table))
        }
        Ok(Some(status)) => warn("local cloud", status.notices.join("\n"), None),
        Ok(None) => ok("local cloud", "does not run; `hitctl deploy --env local` starts it".to_owned()),
        Err(fault) => fail("local cloud", fault.message, fault.hint),
    };
    vec![cloud, writable("state directory", &dir, "Move the project to a directory that can be written.")]
}

/// Whether a directory can be written, or made. Makes nothing that stays.
fn writable(name: &str, dir: &Path, hint: &str) -> Check {
    let there = dir.ancestors().find(|dir| dir.is_dir()).unwrap_or(dir);
    match tempfile::tempfile_in(there) {
        Ok(_) => ok(name, dir.display().to_string()),
        Err(error) => {
            fail(name, format!("{} cannot be written: {error}", there.display()), Some(hint.to_owned()))
        }
    }
}

fn ok(name: &str, detail: String) -> Check {
    Check { name: name.to_owned(), status: CheckStatus::Ok, detail, hint: None }
}

fn warn(name: &str, detail: String, hint: Option<String>) -> Check {
    Check { status: CheckStatus::Warn, hint, ..ok(name, detail) }
}

fn fail(name: &str, detail: String, hint: Option<String>) -> Check {
    Check { status: CheckStatus::Fail, hint, ..ok(name, detail) }
}
