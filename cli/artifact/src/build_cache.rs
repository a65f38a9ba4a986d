//! The build record: a fingerprint of the inputs of the last build, stored beside its zip. If nothing changed, a build
//! takes a few milliseconds, because cargo does not run.
//!
//! The fingerprint covers the contents of the sources and the state of the toolchain's files. If the record is missing,
//! damaged or different, cargo runs and decides itself what to compile.

use std::path::PathBuf;

use hitctl_config::Arch;
use hitctl_engine::Fault;
use serde::{Deserialize, Serialize};

use super::request::{Artifact, BuildRequest, BuildTarget};
use super::store::{self, Hasher};
use super::toolchain;

/// The version of the build process. It changes when a version of hitctl builds a different zip from the same sources.
const FORMAT: &str = "1";

/// The content of the record file beside the zip.
#[derive(Serialize, Deserialize)]
struct RecordFile {
    #[serde(rename = "made_from")]
    fingerprint: String,
    /// The SHA-256 of the zip, in hex.
    sha256: String,
    arch: Arch,
}

/// The path of a zip, with the fingerprint of the current inputs.
#[derive(Clone, Debug)]
pub(super) struct BuildRecord {
    pub(super) zip: PathBuf,
    file: PathBuf,
    /// The fingerprint; `None` if the sources cannot be read. In this case cargo runs and reports the error.
    fingerprint: Option<String>,
}

impl BuildRecord {
    pub(super) fn for_request(request: &BuildRequest) -> Self {
        let name = match request.target {
            BuildTarget::Host => "hit-counter-local".to_owned(),
            BuildTarget::Lambda(arch) => format!("hit-counter-{arch}"),
        };
        let mut hasher = Hasher::default();
        hasher.field("format", FORMAT.as_bytes());
        hasher.field("target", name.as_bytes());
        toolchain::fingerprint(&request.env, &mut hasher);
        let sources = request.source.fingerprint(&mut hasher);
        Self {
            zip: request.out_dir.join(format!("{name}.zip")),
            file: request.out_dir.join(format!("{name}.json")),
            fingerprint: sources.is_ok().then(|| hasher.hex()),
        }
    }

    /// Returns the zip of the last build if its inputs have not changed.
    pub(super) fn cached_artifact(&self) -> Option<Artifact> {
        let stored: RecordFile = serde_json::from_slice(&std::fs::read(&self.file).ok()?).ok()?;
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
        let stored = RecordFile { fingerprint, sha256: artifact.sha256.clone(), arch: artifact.arch };
        let text = serde_json::to_vec(&stored)
            .map_err(|error| Fault::fatal("record", "failed to encode the build record").caused_by(error))?;
        store::write_atomically(&self.file, &text)
    }
}
