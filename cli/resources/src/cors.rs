//! Cross-origin settings, as the HTTP API and the function URL have them.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// Cross-origin settings. The service answers preflights itself and overrides what the function says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cors {
    /// Origins, or `*`.
    pub allow_origins: BTreeSet<String>,
    /// Methods, or `*`.
    pub allow_methods: BTreeSet<String>,
    /// Request headers, in lower case.
    pub allow_headers: BTreeSet<String>,
    /// Answer headers that scripts may read, in lower case.
    pub expose_headers: BTreeSet<String>,
    /// How long a browser may remember the preflight, in seconds.
    pub max_age_s: u32,
}
