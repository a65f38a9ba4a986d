//! Cross-origin settings of the HTTP API and of the function URL.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// Cross-origin settings. The service answers preflight requests itself and overrides the function's headers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cors {
    /// Origins, or `*`.
    pub allow_origins: BTreeSet<String>,
    /// Methods, or `*`.
    pub allow_methods: BTreeSet<String>,
    /// Request headers, in lower case.
    pub allow_headers: BTreeSet<String>,
    /// Response headers that scripts may read, in lower case.
    pub expose_headers: BTreeSet<String>,
    /// How long a browser may cache the preflight response, in seconds.
    pub max_age_s: u32,
}
