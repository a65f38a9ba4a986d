//! Cross-origin resource sharing (CORS) settings of an HTTP API or a function URL.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// CORS settings. API Gateway or Lambda answers preflight requests itself and replaces the CORS headers of the
/// function's response.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cors {
    /// The allowed origins, or `*`.
    pub allow_origins: BTreeSet<String>,
    /// The allowed methods, or `*`.
    pub allow_methods: BTreeSet<String>,
    /// The allowed request headers, in lower case.
    pub allow_headers: BTreeSet<String>,
    /// Response headers that scripts may read, in lower case.
    pub expose_headers: BTreeSet<String>,
    /// How long a browser may cache the preflight response, in seconds.
    pub max_age_s: u32,
}
