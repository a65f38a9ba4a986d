//! What becomes of events that Lambda took and the function could not handle: without it, they are gone after two retries.

use hitctl_engine::Value;
use serde::{Deserialize, Serialize};

use crate::spec::Spec;

/// The settings of asynchronous invocations of a function or its alias. It takes no tags, and is ours by belonging to a
/// function that is ours; its node is named after the function.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EventInvokeConfigSpec {
    /// The function, by name.
    pub function_name: Value<String>,
    /// The alias that is invoked; `None` is the function as it was last changed.
    pub qualifier: Option<Value<String>>,
    /// How often a failed invocation is tried again: at most twice.
    pub max_retries: u32,
    /// How old an event may become meanwhile, in seconds: 60 to 21,600.
    pub max_age_s: u32,
    /// The queue that gets what failed, with the reason.
    pub on_failure_arn: Value<String>,
}

impl Spec for EventInvokeConfigSpec {
    const KIND: &'static str = "event_invoke_config";
    const REPLACE_ON: &'static [&'static str] = &["function_name", "qualifier"];
}
