//! The function's code, as the resource graph refers to it.

use hitctl_config::BUILD_ID_CHARS;

/// The built code of the function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionArtifact {
    /// The SHA-256 of the zip, in hex.
    pub sha256: String,
    /// The instruction set.
    pub arch: hitctl_resources::Arch,
}

impl FunctionArtifact {
    /// Returns the build id that `/healthz` shows.
    pub fn build_id(&self) -> String {
        self.sha256.chars().take(BUILD_ID_CHARS).collect()
    }
}
