//! A rule for the meaning of an AWS error code.

/// The meaning of an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorClass {
    /// A retry helps, after a while.
    Retryable,
    /// The session has expired.
    Expired,
    /// AWS does not recognize the access key.
    UnknownKey,
    /// The secret key does not belong to the access key.
    WrongSecret,
    /// Something else is wrong with the credentials or the account.
    Credentials,
    /// The clock of this machine is wrong.
    Clock,
    /// An action is missing from the caller's policy.
    Denied,
    /// A quota of the account is reached.
    Quota,
    /// A retry gives the same error.
    Final,
}

/// A rule for one error code, or for some errors of that code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorRule {
    /// The error code.
    pub code: &'static str,
    /// The text that the service's message contains; empty for any message. Case does not matter.
    pub text: &'static str,
    /// The meaning.
    pub class: ErrorClass,
    /// The cause: a lower-case fragment. Empty where only the service knows it.
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
