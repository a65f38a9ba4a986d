//! The IAM role that the function runs as, with its one inline policy.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::spec::Spec;
use crate::tags::Tags;

/// A role that one service may assume.
///
/// Outputs: `arn`; and `id`, its unique id, which is another one once the role was deleted and created again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RoleSpec {
    /// The service that may assume it: `lambda.amazonaws.com`.
    pub trusted_service: String,
    /// What it may do; nothing else.
    pub statements: Vec<Statement>,
    /// Its tags.
    pub tags: Tags,
}

/// One permission of a role.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Statement {
    /// Its name within the policy.
    pub sid: String,
    /// The actions it allows.
    pub actions: BTreeSet<String>,
    /// The ARNs it allows them on.
    pub resources: BTreeSet<String>,
}

impl Spec for RoleSpec {
    const KIND: &'static str = "role";
}
