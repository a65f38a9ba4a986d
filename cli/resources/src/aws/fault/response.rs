//! The response to a call that failed.

/// The response of a service to a call that failed, or the reason why there is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ErrorResponse {
    /// The error's code.
    pub code: Option<String>,
    /// The service's words.
    pub message: Option<String>,
    /// The HTTP status.
    pub status: Option<u16>,
    /// The service's clock, as its answer has it.
    pub date: Option<String>,
    /// The service's id of the call.
    pub request_id: Option<String>,
    /// The reason for no response at all, in the words of the connection.
    pub unanswered: Option<String>,
    /// Whether this machine refused to send the call.
    pub not_sent: bool,
}
