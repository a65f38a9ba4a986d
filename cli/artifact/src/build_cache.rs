//! What the last build was made from, kept beside its zip: a build with nothing to do costs a few milliseconds, not a run
//! of cargo.
//!
//! The sources go into it by content, the toolchain by the files that change with it. Whatever is missing, damaged or
//! different makes cargo run, which decides by its own rules.

use std::path::PathBuf;

use hitctl_config::Arch;
use hitctl_engine::Fault;
use serde::{Deserialize, Serialize};

use super::request::{Artifact, BuildRequest, Target};
use super::store::{self, Hasher};
use super::toolchain;

/// Changes when another program version would make another zip of the same sources.
const FORMAT: &str = "1";

/// The file beside the zip.
#[derive(Serialize, Deserialize)]
struct Kept {
    made_from: String,
    sha256: String,
    arch: Arch,
}

/// A zip, and what it would be made from now.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) zip: PathBuf,
    file: PathBuf,
    /// `None` where the sources cannot be read: cargo will say more.
    made_from: Option<String>,
}

impl Record {
    pub(super) fn of(request: &BuildRequest) -> Self {
        let name = match request.target {
            Target::Host => "hit-counter-local".to_owned(),
            Target::Lambda(arch) => format!("hit-counter-{arch}"),
        };
        let mut hasher = Hasher::default();
        hasher.field("format", FORMAT.as_bytes());
        hasher.field("target", name.as_bytes());
        toolchain::fingerprint(&request.env, &mut hasher);
        let sources = request.source.fingerprint(&mut hasher);
        Self {
            zip: request.out_dir.join(format!("{name}.zip")),
            file: request.out_dir.join(format!("{name}.json")),
            made_from: sources.is_ok().then(|| hasher.hex()),
        }
    }

    /// The zip of last time, if it would come out the same now.
    pub(super) fn fresh(&self) -> Option<Artifact> {
        let kept: Kept = serde_json::from_slice(&std::fs::read(&self.file).ok()?).ok()?;
        if Some(kept.made_from) != self.made_from {
            return None;
        }
        let zip = std::fs::read(&self.zip).ok()?;
        let same = store::sha256(&zip) == kept.sha256;
        same.then(|| Artifact {
            zip: self.zip.clone(),
            bytes: zip.len() as u64,
            sha256: kept.sha256,
            arch: kept.arch,
            built: false,
        })
    }

    /// Keeps what a zip was made from.
    pub(super) fn remember(&self, artifact: &Artifact) -> Result<(), Fault> {
        let Some(made_from) = self.made_from.clone() else { return Ok(()) };
        let kept = Kept { made_from, sha256: artifact.sha256.clone(), arch: artifact.arch };
        let text = serde_json::to_vec(&kept)
            .map_err(|error| Fault::fatal("record", "failed to note what was built").caused_by(error))?;
        store::write_atomically(&self.file, &text)
    }
}
