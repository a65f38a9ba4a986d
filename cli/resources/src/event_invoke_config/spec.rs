//! The settings of asynchronous invocations: retries, maximum age and the queue for failed events.

use hitctl_engine::SpecValue;
use serde::{Deserialize, Serialize};

use crate::spec::Spec;

/// The settings of asynchronous invocations of a function or its alias. They have no tags; they are ours if the
/// function is ours. The resource has the name of the function.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EventInvokeConfigSpec {
    /// The name of the function.
    pub function_name: SpecValue<String>,
    /// The alias that is invoked; `None` for the function's latest state (`$LATEST`).
    pub qualifier: Option<SpecValue<String>>,
    /// The number of retries after a failed invocation: 0 to 2.
    pub max_retries: u32,
    /// The maximum age of an event, in seconds: 60 to 21,600.
    pub max_age_s: u32,
    /// The ARN of the queue that receives failed events, each with the reason of the failure.
    pub on_failure_arn: SpecValue<String>,
}

impl Spec for EventInvokeConfigSpec {
    const KIND: &'static str = "event_invoke_config";
    const IMMUTABLE_FIELDS: &'static [&'static str] = &["function_name", "qualifier"];
}
