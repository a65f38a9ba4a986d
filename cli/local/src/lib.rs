//! The local cloud: a daemon that stores the resources of an app and runs them on this machine.
//!
//! It serves on loopback only: a control API for the local driver (protected by a token), an endpoint with the
//! AWS services, the Lambda Runtime API for function processes, and one port per HTTP API. Every acknowledged
//! change survives a SIGKILL.

mod blocking;
mod body;
mod bus;
pub mod client;
mod clock;
mod cloud;
mod cloudfront;
mod code;
pub mod codes;
mod connections;
mod constants;
mod control;
pub mod daemon;
mod disk;
pub mod driver;
mod endpoint;
mod fault;
pub mod gateway;
mod host;
mod ids;
mod inventory;
mod invocation;
mod invoke;
mod journal;
pub mod lambda;
mod lock;
pub mod logs;
mod mapping;
mod ports;
pub mod protocol;
mod queue;
mod queue_sender;
mod registry;
mod response;
pub mod scratch;
mod secret;
mod server;
mod service_response;
mod sqlite;
pub mod state;
mod table;

pub use client::LocalClient;
pub use constants::{ACCOUNT, REGION, location};
pub use daemon::ServeOptions;
pub use driver::{LocalDriver, OfflineCloud, deployments};
pub use state::project::StatePaths;

/// Fails on systems on which the local cloud cannot run.
pub fn check_supported() -> Result<(), hitctl_engine::Fault> {
    if hitctl_platform::HAS_LOCAL_CLOUD {
        return Ok(());
    }
    let system = hitctl_platform::SYSTEM;
    Err(hitctl_engine::Fault::fatal(
        codes::UNSUPPORTED,
        format!("the local cloud does not run on {system}; use hitctl in WSL"),
    )
    .hinted("run `wsl --install`, then install hitctl in WSL; environments on AWS work from here"))
}
