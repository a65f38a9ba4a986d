//! The code of a function that is deployed.

use std::path::PathBuf;

/// A zip with the code of a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodePackage {
    /// Its SHA-256, in hex.
    pub sha256: String,
    /// The path of the zip.
    pub zip: PathBuf,
}
