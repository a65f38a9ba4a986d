//! What SQS says to what it cannot do: the error's name, its older code, and a sentence.

use hitctl_config::limits;

use super::store::Broken;

/// The largest message, its attributes included, and the largest batch: 1 MiB.
pub(super) const MAX_BYTES: usize = limits::SQS_MESSAGE_BYTES;

/// An error of SQS, with the sentence that says what is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("The specified queue does not exist.")]
    NoQueue,
    #[error("{0}")]
    Invalid(String),
    #[error("The request must contain the parameter {0}.")]
    Missing(String),
    #[error(
        "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to \
         #xFFFD | #x10000 to #x10FFFF"
    )]
    Contents,
    #[error("The input receipt handle \"{0}\" is not a valid receipt handle.")]
    Handle(String),
    #[error("The specified message isn't in flight.")]
    NotInFlight,
    #[error(
        "Value {0} for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not available for \
         visibility timeout change."
    )]
    Gone(String),
    #[error("There should be at least one entry in the request.")]
    EmptyBatch,
    #[error("Maximum number of entries per request are 10. You have sent {0}.")]
    TooMany(usize),
    #[error("Id {0} repeated.")]
    Twice(String),
    #[error(
        "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most \
         80 letters long."
    )]
    BatchId,
    #[error("Batch requests cannot be longer than {MAX_BYTES} bytes. You have sent {0} bytes.")]
    BatchTooLong(usize),
    #[error("Unknown Attribute {0}.")]
    AttributeName(String),
    #[error("{0}")]
    Unsupported(String),
    #[error("SQS has no operation {0:?}.")]
    UnknownOperation(String),
    #[error("the queues of this machine failed: {0}")]
    Internal(#[from] Broken),
}

impl Refusal {
    /// A number outside of its bounds.
    pub(crate) fn bounds(value: i64, name: &str, min: i64, max: i64) -> Self {
        Self::Invalid(format!(
            "Value {value} for parameter {name} is invalid. Reason: Must be between {min} and {max}, if provided."
        ))
    }

    /// Returns the name in the service model, and the code of the older protocol, which is in the header `x-amzn-query-error`.
    pub(super) fn name_and_code(&self) -> (&'static str, &'static str) {
        match self {
            Self::NoQueue => ("QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue"),
            Self::Invalid(_) | Self::Gone(_) => ("InvalidParameterValueException", "InvalidParameterValue"),
            Self::Missing(_) => ("MissingRequiredParameterException", "MissingParameter"),
            Self::Contents => ("InvalidMessageContents", "InvalidMessageContents"),
            Self::Handle(_) => ("ReceiptHandleIsInvalid", "ReceiptHandleIsInvalid"),
            Self::NotInFlight => ("MessageNotInflight", "AWS.SimpleQueueService.MessageNotInflight"),
            Self::EmptyBatch => ("EmptyBatchRequest", "AWS.SimpleQueueService.EmptyBatchRequest"),
            Self::TooMany(_) => {
                ("TooManyEntriesInBatchRequest", "AWS.SimpleQueueService.TooManyEntriesInBatchRequest")
            }
            Self::Twice(_) => ("BatchEntryIdsNotDistinct", "AWS.SimpleQueueService.BatchEntryIdsNotDistinct"),
            Self::BatchId => ("InvalidBatchEntryId", "AWS.SimpleQueueService.InvalidBatchEntryId"),
            Self::BatchTooLong(_) => ("BatchRequestTooLong", "AWS.SimpleQueueService.BatchRequestTooLong"),
            Self::AttributeName(_) => ("InvalidAttributeName", "InvalidAttributeName"),
            Self::Unsupported(_) => ("UnsupportedOperation", "AWS.SimpleQueueService.UnsupportedOperation"),
            Self::UnknownOperation(_) => ("UnknownOperationException", "InvalidAction"),
            Self::Internal(_) => ("InternalFailure", "InternalFailure"),
        }
    }

    /// Whether it is the caller's fault.
    pub(super) fn is_by_sender(&self) -> bool {
        !matches!(self, Self::Internal(_))
    }
}
