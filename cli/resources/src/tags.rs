//! Tags of resources.

use std::collections::BTreeMap;

/// Tags of a resource, as AWS has them.
pub type Tags = BTreeMap<String, String>;
