//! A rule for the meaning of an AWS error code.

/// The meaning of an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorClass {
    /// A later retry may succeed.
    Retryable,
    /// The session has expired.
    Expired,
    /// AWS does not recognize the access key.
    UnknownKey,
    /// The secret key does not belong to the access key.
    WrongSecret,
    /// Another problem with the credentials or the account.
    Credentials,
    /// The clock of this machine is wrong.
    Clock,
    /// The caller's policy does not allow the action.
    Denied,
    /// A quota of the account is reached.
    Quota,
    /// A retry returns the same error.
    Final,
}

/// A rule for all errors with one code, or only for those whose message contains a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorRule {
    /// The error code.
    pub code: &'static str,
    /// The text that the service's message must contain, ignoring case. Empty for any message.
    pub text: &'static str,
    /// The meaning.
    pub class: ErrorClass,
    /// The cause, as a lower-case fragment. Empty if only the service's message tells the cause.
    pub message: &'static str,
    /// The hint; empty if there is none.
    pub hint: &'static str,
}

/// Creates a rule.
pub const fn rule(
    code: &'static str,
    text: &'static str,
    class: ErrorClass,
    message: &'static str,
    hint: &'static str,
) -> ErrorRule {
    ErrorRule { code, text, class, message, hint }
}
