//! Reads the body of a request up to a size limit.

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::HeaderMap;
use hyper::body::Incoming;

/// A body over the limit is read and discarded up to this size, in bytes. A client that is still sending then
/// receives the response instead of a connection reset.
const MAX_DISCARDED_BYTES: usize = 64 * 1024 * 1024;

/// The reason why a body could not be read.
#[derive(Debug)]
pub(crate) enum BodyError {
    /// The body is larger than the limit.
    TooLarge,
    /// The client disconnected or sent invalid HTTP.
    Incomplete,
}

/// Reads the whole body, and its trailers if there are any.
pub(crate) async fn read(mut body: Incoming, limit: usize) -> Result<(Bytes, Option<HeaderMap>), BodyError> {
    // A body that arrives in one frame is returned without copying it.
    let mut first = Bytes::new();
    let mut buffer: Option<BytesMut> = None;
    let mut trailers = None;
    let mut total = 0;
    while let Some(frame) = body.frame().await {
        let frame = match frame.map_err(|_| BodyError::Incomplete)?.into_data() {
            Ok(data) => data,
            Err(frame) => {
                trailers = frame.into_trailers().ok();
                continue;
            }
        };
        total += frame.len();
        if total > limit {
            (first, buffer) = (Bytes::new(), None);
            if total > MAX_DISCARDED_BYTES {
                break;
            }
        } else if let Some(buffer) = &mut buffer {
            buffer.extend_from_slice(&frame);
        } else if first.is_empty() {
            first = frame;
        } else {
            let mut joined = BytesMut::with_capacity((first.len() + frame.len()) * 2);
            joined.extend_from_slice(&first);
            joined.extend_from_slice(&frame);
            buffer = Some(joined);
        }
    }
    if total > limit {
        return Err(BodyError::TooLarge);
    }
    Ok((buffer.map_or(first, BytesMut::freeze), trailers))
}
