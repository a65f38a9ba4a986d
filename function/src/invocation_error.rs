//! The error that is reported to Lambda if an invocation or the init phase fails.

use crate::json::JsonObject;

/// A failed invocation or init phase, as Lambda shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvocationError {
    /// Lambda's `errorType`.
    pub kind: &'static str,
    /// Lambda's `errorMessage`.
    pub message: String,
}

impl InvocationError {
    /// Returns the error in the Runtime API's JSON format.
    pub fn json(&self) -> String {
        JsonObject::new()
            .text("errorMessage", &self.message)
            .text("errorType", self.kind)
            .raw("stackTrace", "[]")
            .end()
    }
}
