//! SQS's errors: the name, the code in the older query protocol, and the message.

use hitctl_config::limits;

use super::store::QueueStoreError;

/// The maximum size of a message with its attributes, and of a batch, in bytes: 1 MiB.
pub(super) const MAX_BYTES: usize = limits::SQS_MESSAGE_BYTES;

/// An error of SQS, with its message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SqsError {
    #[error("The specified queue does not exist.")]
    QueueDoesNotExist,
    #[error("{0}")]
    InvalidParameter(String),
    #[error("The request must contain the parameter {0}.")]
    MissingParameter(String),
    #[error(
        "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to \
         #xFFFD | #x10000 to #x10FFFF"
    )]
    InvalidContents,
    #[error("The input receipt handle \"{0}\" is not a valid receipt handle.")]
    InvalidReceiptHandle(String),
    #[error("The specified message isn't in flight.")]
    NotInFlight,
    #[error(
        "Value {0} for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not available for \
         visibility timeout change."
    )]
    MessageNotFound(String),
    #[error("There should be at least one entry in the request.")]
    EmptyBatch,
    #[error("Maximum number of entries per request are 10. You have sent {0}.")]
    TooManyEntries(usize),
    #[error("Id {0} repeated.")]
    DuplicateBatchEntryId(String),
    #[error(
        "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most \
         80 letters long."
    )]
    InvalidBatchEntryId,
    #[error("Batch requests cannot be longer than {MAX_BYTES} bytes. You have sent {0} bytes.")]
    BatchRequestTooLong(usize),
    #[error("Unknown Attribute {0}.")]
    UnknownAttribute(String),
    #[error("{0}")]
    Unsupported(String),
    #[error("SQS has no operation {0:?}.")]
    UnknownOperation(String),
    #[error("failed to access the local queues: {0}")]
    Internal(#[from] QueueStoreError),
}

impl SqsError {
    /// Creates the error for a number out of range.
    pub(crate) fn out_of_range(value: i64, name: &str, min: i64, max: i64) -> Self {
        Self::InvalidParameter(format!(
            "Value {value} for parameter {name} is invalid. Reason: Must be between {min} and {max}, if provided."
        ))
    }

    /// Returns the error's name in the service model, and its code in the older query protocol, which the header
    /// `x-amzn-query-error` contains.
    pub(super) fn name_and_code(&self) -> (&'static str, &'static str) {
        match self {
            Self::QueueDoesNotExist => ("QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue"),
            Self::InvalidParameter(_) | Self::MessageNotFound(_) => {
                ("InvalidParameterValueException", "InvalidParameterValue")
            }
            Self::MissingParameter(_) => ("MissingRequiredParameterException", "MissingParameter"),
            Self::InvalidContents => ("InvalidMessageContents", "InvalidMessageContents"),
            Self::InvalidReceiptHandle(_) => ("ReceiptHandleIsInvalid", "ReceiptHandleIsInvalid"),
            Self::NotInFlight => ("MessageNotInflight", "AWS.SimpleQueueService.MessageNotInflight"),
            Self::EmptyBatch => ("EmptyBatchRequest", "AWS.SimpleQueueService.EmptyBatchRequest"),
            Self::TooManyEntries(_) => {
                ("TooManyEntriesInBatchRequest", "AWS.SimpleQueueService.TooManyEntriesInBatchRequest")
            }
            Self::DuplicateBatchEntryId(_) => {
                ("BatchEntryIdsNotDistinct", "AWS.SimpleQueueService.BatchEntryIdsNotDistinct")
            }
            Self::InvalidBatchEntryId => {
                ("InvalidBatchEntryId", "AWS.SimpleQueueService.InvalidBatchEntryId")
            }
            Self::BatchRequestTooLong(_) => {
                ("BatchRequestTooLong", "AWS.SimpleQueueService.BatchRequestTooLong")
            }
            Self::UnknownAttribute(_) => ("InvalidAttributeName", "InvalidAttributeName"),
            Self::Unsupported(_) => ("UnsupportedOperation", "AWS.SimpleQueueService.UnsupportedOperation"),
            Self::UnknownOperation(_) => ("UnknownOperationException", "InvalidAction"),
            Self::Internal(_) => ("InternalFailure", "InternalFailure"),
        }
    }

    /// Returns whether the caller caused the error.
    pub(super) fn is_sender_fault(&self) -> bool {
        !matches!(self, Self::Internal(_))
    }
}
