//! The settings of a function URL: a URL that invokes the function directly.

use std::collections::BTreeSet;

use hitctl_engine::SpecValue;
use serde::{Deserialize, Serialize};

use crate::cors::Cors;
use crate::spec::Spec;

/// A public URL, with the two statements in the function's policy that allow requests to the URL. A URL has no tags;
/// it is ours if its function is ours.
///
/// Outputs: `url`, without a trailing slash.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FunctionUrlSpec {
    /// The name of the function.
    pub function_name: SpecValue<String>,
    /// The alias that the URL invokes; `None` for the function's latest state (`$LATEST`).
    pub qualifier: Option<SpecValue<String>>,
    /// The authentication type: `NONE` allows anybody.
    pub auth_type: String,
    /// The actions that are allowed to anybody. Since October 2025 a URL needs both `lambda:InvokeFunctionUrl` and
    /// `lambda:InvokeFunction`; the latter is allowed only through the URL (AWS's guide, "Control access to function
    /// URLs").
    pub allowed_actions: BTreeSet<String>,
    /// The cross-origin access from browsers.
    pub cors: Cors,
}

impl FunctionUrlSpec {
    /// The actions that a public URL needs.
    pub const ACTIONS: [&'static str; 2] = ["lambda:InvokeFunction", "lambda:InvokeFunctionUrl"];
}

impl Spec for FunctionUrlSpec {
    const KIND: &'static str = "function_url";
    const IMMUTABLE_FIELDS: &'static [&'static str] = &["function_name", "qualifier"];
}
