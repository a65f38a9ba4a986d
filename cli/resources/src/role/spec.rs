//! The settings of an IAM role with one inline policy.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::spec::Spec;
use crate::tags::Tags;

/// A role that one service may assume.
///
/// Outputs: `arn`, and the unique id as `id`, which changes when the role is deleted and created again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RoleSpec {
    /// The service that may assume the role: `lambda.amazonaws.com`.
    pub trusted_service: String,
    /// All permissions of the role.
    pub statements: Vec<RolePermission>,
    /// The tags of the role.
    pub tags: Tags,
}

/// One permission of a role.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RolePermission {
    /// The id of the statement within the policy.
    pub sid: String,
    /// The allowed actions.
    pub actions: BTreeSet<String>,
    /// The ARNs of the resources on which the actions are allowed.
    pub resources: BTreeSet<String>,
}

impl Spec for RoleSpec {
    const KIND: &'static str = "role";
}
