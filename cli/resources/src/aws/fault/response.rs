//! The response to a failed call.

/// The response of a service to a failed call, or the reason why there was no response.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ErrorResponse {
    /// The error's code.
    pub code: Option<String>,
    /// The service's message.
    pub message: Option<String>,
    /// The HTTP status.
    pub status: Option<u16>,
    /// The service's clock, from the response's `Date` header.
    pub date: Option<String>,
    /// The service's request id.
    pub request_id: Option<String>,
    /// The transport error, if there was no response.
    pub transport_error: Option<String>,
    /// Whether the call was never sent because of an error on this machine.
    pub not_sent: bool,
}
