//! Skips a build whose inputs have not changed. A record beside the zip holds the fingerprint of the last build's inputs:
//! the contents of the sources and the state of the toolchain's files. If the record is missing, damaged or different,
//! cargo runs and decides itself what to compile.

use std::path::PathBuf;

use hitctl_config::Arch;
use hitctl_engine::Fault;
use serde::{Deserialize, Serialize};

use super::request::{Artifact, BuildRequest, BuildTarget};
use super::store::{self, Hasher};
use super::toolchain;

/// The version of the build process. Increase it when hitctl begins to build a different zip from the same sources.
const BUILD_VERSION: &str = "1";

/// The record of the last build, stored as JSON beside the zip.
#[derive(Serialize, Deserialize)]
struct BuildRecord {
    /// The fingerprint of the inputs of that build.
    #[serde(rename = "made_from")]
    fingerprint: String,
    /// The SHA-256 of the zip, in hex.
    sha256: String,
    arch: Arch,
}

/// The last build of a target, and the fingerprint of the current inputs.
#[derive(Clone, Debug)]
pub(super) struct BuildCache {
    pub(super) zip: PathBuf,
    record_path: PathBuf,
    /// The fingerprint of the current inputs. `None` if the sources cannot be read; cargo then runs and reports the error.
    fingerprint: Option<String>,
}

impl BuildCache {
    pub(super) fn for_request(request: &BuildRequest) -> Self {
        let name = match request.target {
            BuildTarget::Host => "hit-counter-local".to_owned(),
            BuildTarget::Lambda(arch) => format!("hit-counter-{arch}"),
        };
        let mut hasher = Hasher::default();
        hasher.field("format", BUILD_VERSION.as_bytes());
        hasher.field("target", name.as_bytes());
        toolchain::fingerprint(&request.env, &mut hasher);
        let sources = request.source.fingerprint(&mut hasher);
        Self {
            zip: request.out_dir.join(format!("{name}.zip")),
            record_path: request.out_dir.join(format!("{name}.json")),
            fingerprint: sources.is_ok().then(|| hasher.hex()),
        }
    }

    /// Returns the zip of the last build if its inputs have not changed.
    pub(super) fn cached_artifact(&self) -> Option<Artifact> {
        let stored: BuildRecord = serde_json::from_slice(&std::fs::read(&self.record_path).ok()?).ok()?;
        if Some(stored.fingerprint) != self.fingerprint {
            return None;
        }
        let zip = std::fs::read(&self.zip).ok()?;
        let unchanged = store::sha256(&zip) == stored.sha256;
        unchanged.then(|| Artifact {
            zip: self.zip.clone(),
            bytes: zip.len() as u64,
            sha256: stored.sha256,
            arch: stored.arch,
            built: false,
        })
    }

    /// Writes the record beside the zip, unless the sources could not be read.
    pub(super) fn save(&self, artifact: &Artifact) -> Result<(), Fault> {
        let Some(fingerprint) = self.fingerprint.clone() else { return Ok(()) };
        let stored = BuildRecord { fingerprint, sha256: artifact.sha256.clone(), arch: artifact.arch };
        let text = serde_json::to_vec(&stored)
            .map_err(|error| Fault::fatal("record", "failed to encode the build record").caused_by(error))?;
        store::write_atomically(&self.record_path, &text)
    }
}
