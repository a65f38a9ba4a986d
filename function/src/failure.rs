//! What is told to Lambda where an invocation or an init fails.

use crate::json::Object;

/// An invocation or an init that failed, as Lambda shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Lambda's `errorType`.
    pub kind: &'static str,
    /// Lambda's `errorMessage`.
    pub message: String,
}

impl Failure {
    /// The error as the Runtime API takes it.
    pub fn json(&self) -> String {
        Object::new()
            .text("errorMessage", &self.message)
            .text("errorType", self.kind)
            .raw("stackTrace", "[]")
            .end()
    }
}
