//! The function URL: the function on an address of its own, without an API in front of it.

use std::collections::BTreeSet;

use hitctl_engine::Value;
use serde::{Deserialize, Serialize};

use crate::cors::Cors;
use crate::spec::Spec;

/// A URL that anybody may ask, with the two statements of the function's policy that let them. It takes no tags, and is
/// ours by belonging to a function that is ours.
///
/// Outputs: `url`, without a trailing slash.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FunctionUrlSpec {
    /// The function that answers, by name.
    pub function_name: Value<String>,
    /// The alias that answers; `None` is the function as it was last changed.
    pub qualifier: Option<Value<String>>,
    /// Who may ask: `NONE` is anybody.
    pub auth_type: String,
    /// What anybody is allowed. Since October 2025 a URL needs both `lambda:InvokeFunctionUrl` and, through the URL only,
    /// `lambda:InvokeFunction` (AWS's guide, "Control access to function URLs").
    pub allowed_actions: BTreeSet<String>,
    /// Who may ask from a browser.
    pub cors: Cors,
}

impl FunctionUrlSpec {
    /// What a URL for anybody needs.
    pub const ACTIONS: [&'static str; 2] = ["lambda:InvokeFunction", "lambda:InvokeFunctionUrl"];
}

impl Spec for FunctionUrlSpec {
    const KIND: &'static str = "function_url";
    const REPLACE_ON: &'static [&'static str] = &["function_name", "qualifier"];
}
