//! The code package of a function.

use std::path::PathBuf;

/// A zip file with the code of a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodePackage {
    /// The SHA-256 of the zip, in hex.
    pub sha256: String,
    /// The path of the zip.
    pub zip: PathBuf,
}
