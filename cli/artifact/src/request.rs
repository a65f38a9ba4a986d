//! The request for a build, and its result, the artifact.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use hitctl_config::Arch;
use hitctl_engine::{Fault, Phase};

use crate::source::FunctionSource;
use crate::store;

/// The phase of a command in which the function is built.
pub const BUILD_PHASE: Phase = Phase::new("build");

/// The machine that the function is built for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BuildTarget {
    /// This machine.
    Host,
    /// Lambda with this architecture.
    Lambda(Arch),
}

/// A request for a build.
#[derive(Clone, Debug)]
pub struct BuildRequest {
    /// The machine that will run the function.
    pub target: BuildTarget,
    /// The sources to build from.
    pub source: FunctionSource,
    /// A prebuilt zip or executable to use instead of building.
    pub prebuilt: Option<PathBuf>,
    /// The folder for the zip.
    pub out_dir: PathBuf,
    /// The process environment. Tools are found by its `PATH`, and flags for cargo and rustc are passed on.
    pub env: BTreeMap<String, String>,
    /// The timeout of the build, and of the wait for another build.
    pub timeout: Duration,
}

impl BuildRequest {
    /// Creates a request to build `source`; see [`FunctionSource::choose`].
    pub fn new(target: BuildTarget, source: FunctionSource, env: BTreeMap<String, String>) -> Self {
        let out_dir = match &source {
            FunctionSource::Checkout { .. } => source.target_dir(&env),
            FunctionSource::Embedded { cache } => cache.join("out"),
        };
        // A first build on a slow machine takes a few minutes. A build that takes half an hour hangs.
        Self { target, source, prebuilt: None, out_dir, env, timeout: Duration::from_mins(30) }
    }
}

/// A deployment package of the function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artifact {
    /// The path of the zip.
    pub zip: PathBuf,
    /// The size of the zip in bytes.
    pub bytes: u64,
    /// The SHA-256 of the zip, in hex.
    pub sha256: String,
    /// The instruction set of the binary.
    pub arch: Arch,
    /// Whether this build compiled the binary; false for a prebuilt or an up-to-date zip.
    pub built: bool,
}

impl Artifact {
    /// Reads the zip. Returns the fault `artifact_changed` if its content changed after it was checked.
    pub fn read(&self) -> Result<Vec<u8>, Fault> {
        let zip = std::fs::read(&self.zip).map_err(|error| {
            Fault::fatal("artifact_unreadable", format!("failed to read the zip {}", self.zip.display()))
                .caused_by(error)
                .hinted("run the command again")
        })?;
        if store::sha256(&zip) == self.sha256 {
            return Ok(zip);
        }
        let message = format!("the zip {} changed during the deployment", self.zip.display());
        Err(Fault::fatal("artifact_changed", message).hinted("run the command again"))
    }
}
