//! What SQS says to what it cannot do: the error's name, its older code, and a sentence.

use hitctl_config::limits;

use super::store::Broken;

/// The largest message, its attributes included, and the largest batch: 1 MiB.
pub(super) const MAX_BYTES: usize = limits::SQS_MESSAGE_BYTES;

/// An error of SQS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// As in the service model: `QueueDoesNotExist`.
    pub(crate) name: &'static str,
    /// As in the older protocol, where that differs, and in the header `x-amzn-query-error`.
    pub(crate) code: &'static str,
    /// What is wrong.
    pub(crate) message: String,
    /// Whether it is the caller's fault.
    pub(crate) by_sender: bool,
}

impl Refusal {
    fn new(name: &'static str, code: &'static str, message: impl Into<String>) -> Self {
        Self { name, code, message: message.into(), by_sender: true }
    }

    pub(crate) fn no_queue() -> Self {
        let code = "AWS.SimpleQueueService.NonExistentQueue";
        Self::new("QueueDoesNotExist", code, "The specified queue does not exist.")
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new("InvalidParameterValueException", "InvalidParameterValue", message)
    }

    /// A number outside of its bounds.
    pub(crate) fn bounds(value: i64, name: &str, min: i64, max: i64) -> Self {
        Self::invalid(format!(
            "Value {value} for parameter {name} is invalid. Reason: Must be between {min} and {max}, if provided."
        ))
    }

    pub(crate) fn missing(name: &str) -> Self {
        let message = format!("The request must contain the parameter {name}.");
        Self::new("MissingRequiredParameterException", "MissingParameter", message)
    }

    pub(crate) fn contents() -> Self {
        let message = "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to \
                       #xFFFD | #x10000 to #x10FFFF";
        Self::new("InvalidMessageContents", "InvalidMessageContents", message)
    }

    pub(crate) fn handle(handle: &str) -> Self {
        let message = format!("The input receipt handle \"{handle}\" is not a valid receipt handle.");
        Self::new("ReceiptHandleIsInvalid", "ReceiptHandleIsInvalid", message)
    }

    pub(crate) fn not_in_flight() -> Self {
        let code = "AWS.SimpleQueueService.MessageNotInflight";
        Self::new("MessageNotInflight", code, "The specified message isn't in flight.")
    }

    pub(crate) fn gone(handle: &str) -> Self {
        Self::invalid(format!(
            "Value {handle} for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not available for \
             visibility timeout change."
        ))
    }

    pub(crate) fn empty_batch() -> Self {
        let code = "AWS.SimpleQueueService.EmptyBatchRequest";
        let message = "There should be at least one entry in the request.";
        Self::new("EmptyBatchRequest", code, message)
    }

    pub(crate) fn too_many(entries: usize) -> Self {
        let code = "AWS.SimpleQueueService.TooManyEntriesInBatchRequest";
        let message = format!("Maximum number of entries per request are 10. You have sent {entries}.");
        Self::new("TooManyEntriesInBatchRequest", code, message)
    }

    pub(crate) fn twice(id: &str) -> Self {
        let code = "AWS.SimpleQueueService.BatchEntryIdsNotDistinct";
        Self::new("BatchEntryIdsNotDistinct", code, format!("Id {id} repeated."))
    }

    pub(crate) fn batch_id() -> Self {
        let code = "AWS.SimpleQueueService.InvalidBatchEntryId";
        let message = "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most \
                       80 letters long.";
        Self::new("InvalidBatchEntryId", code, message)
    }

    pub(crate) fn batch_too_long(bytes: usize) -> Self {
        let code = "AWS.SimpleQueueService.BatchRequestTooLong";
        let message =
            format!("Batch requests cannot be longer than {MAX_BYTES} bytes. You have sent {bytes} bytes.");
        Self::new("BatchRequestTooLong", code, message)
    }

    pub(crate) fn attribute_name(name: &str) -> Self {
        Self::new("InvalidAttributeName", "InvalidAttributeName", format!("Unknown Attribute {name}."))
    }

    pub(crate) fn unsupported(message: impl Into<String>) -> Self {
        Self::new("UnsupportedOperation", "AWS.SimpleQueueService.UnsupportedOperation", message)
    }
}

impl From<Broken> for Refusal {
    fn from(broken: Broken) -> Self {
        Self {
            name: "InternalFailure",
            code: "InternalFailure",
            message: format!("the queues of this machine failed: {broken}"),
            by_sender: false,
        }
    }
}
