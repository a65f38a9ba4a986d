//! The maximum sizes that AWS accepts, and the blocks by which AWS bills requests. The cost estimate and the local
//! cloud share them.

/// The largest request body that an HTTP API accepts, in bytes ("Quotas for configuring and running an HTTP API"). The quota
/// cannot be lowered, so a large request is billed even if the function rejects it.
pub const HTTP_API_BODY_BYTES: usize = 10 * 1024 * 1024;
/// An HTTP API bills each started block of this many bytes as one request: aws.amazon.com/api-gateway/pricing.
pub const HTTP_API_BILLED_BYTES: usize = 512 * 1024;
/// The largest message that SQS accepts, in bytes.
pub const SQS_MESSAGE_BYTES: usize = 1024 * 1024;
/// SQS bills each started block of this many payload bytes as one request: aws.amazon.com/sqs/pricing.
pub const SQS_BILLED_BYTES: usize = 64 * 1024;

/// Returns the number of requests that AWS bills for a payload: one per started block of `billed_bytes`, and one for an
/// empty payload.
pub const fn billed_requests(payload_bytes: usize, billed_bytes: usize) -> usize {
    if payload_bytes == 0 { 1 } else { payload_bytes.div_ceil(billed_bytes) }
}
