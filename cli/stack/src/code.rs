//! The code that the function runs, as a design refers to it.

use hitctl_config::BUILD_ID_CHARS;

/// The code that the function runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Code {
    /// SHA-256 of the zip, in hex.
    pub sha256: String,
    /// The instruction set.
    pub arch: hitctl_resources::Arch,
}

impl Code {
    /// The id of the build, as `/healthz` shows it.
    pub fn build_id(&self) -> String {
        self.sha256.chars().take(BUILD_ID_CHARS).collect()
    }
}
