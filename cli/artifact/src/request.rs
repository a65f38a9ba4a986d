//! The request for a build, and the artifact that it gives.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use hitctl_config::Arch;
use hitctl_engine::{Fault, Phase};

use crate::source::Source;
use crate::store;

/// The part of a run that builds.
pub const BUILD_PHASE: Phase = Phase::new("build");

/// The machine that the function is built for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// This machine.
    Host,
    /// Lambda, on that architecture.
    Lambda(Arch),
}

/// A request for a build.
#[derive(Clone, Debug)]
pub struct BuildRequest {
    /// The machine that will run it.
    pub target: Target,
    /// The sources.
    pub source: Source,
    /// A ready zip or executable to take instead of building.
    pub given: Option<PathBuf>,
    /// The folder for the zip.
    pub out_dir: PathBuf,
    /// The process environment. `PATH` finds the tools; flags for cargo and rustc are honoured.
    pub env: BTreeMap<String, String>,
    /// The time limit of the build, and of waiting for another build.
    pub limit: Duration,
}

impl BuildRequest {
    /// A build of those sources; see [`Source::choose`].
    pub fn new(target: Target, source: Source, env: BTreeMap<String, String>) -> Self {
        let out_dir = match &source {
            Source::Checkout { .. } => source.target_dir(&env),
            Source::Carried { cache } => cache.join("out"),
        };
        // A first build on a slow machine takes a few minutes; half an hour means that something hangs.
        Self { target, source, given: None, out_dir, env, limit: Duration::from_mins(30) }
    }
}

/// A function, ready to be deployed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artifact {
    /// The zip.
    pub zip: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// Its SHA-256, in hex.
    pub sha256: String,
    /// The instruction set.
    pub arch: Arch,
    /// Whether it had to be compiled just now.
    pub built: bool,
}

impl Artifact {
    /// The id of this build: the beginning of the zip's hash.
    pub fn build_id(&self) -> &str {
        self.sha256.get(..16).unwrap_or(&self.sha256)
    }

    /// The zip's bytes; a fault when they are not those any more that were checked.
    pub fn read(&self) -> Result<Vec<u8>, Fault> {
        let zip = std::fs::read(&self.zip).map_err(|error| {
            Fault::fatal("artifact_unreadable", format!("failed to read {}", self.zip.display()))
                .caused_by(error)
                .hinted("run the command again")
        })?;
        if store::sha256(&zip) == self.sha256 {
            return Ok(zip);
        }
        Err(Fault::fatal(
            "artifact_changed",
            format!("{} was changed while it was being deployed", self.zip.display()),
        )
        .hinted("run the command again"))
    }
}
