//! Reads the body of a request up to a limit.

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::HeaderMap;
use hyper::body::Incoming;

/// What is over the limit is read and thrown away up to here, so that a client that is still sending hears the answer
/// instead of a reset connection.
const DISCARD_BYTES: usize = 64 * 1024 * 1024;

/// Why a body could not be had.
#[derive(Debug)]
pub(crate) enum BodyError {
    /// It is over the limit.
    TooLarge,
    /// The other side went away, or sent no HTTP.
    Broken,
}

/// Reads the whole body, and its trailers when it has some.
pub(crate) async fn read(mut body: Incoming, limit: usize) -> Result<(Bytes, Option<HeaderMap>), BodyError> {
    let mut first = Bytes::new();
    let mut all: Option<BytesMut> = None;
    let mut trailers = None;
    let mut total = 0;
    while let Some(frame) = body.frame().await {
        let frame = match frame.map_err(|_| BodyError::Broken)?.into_data() {
            Ok(data) => data,
            Err(frame) => {
                trailers = frame.into_trailers().ok();
                continue;
            }
        };
        total += frame.len();
        if total > limit {
            (first, all) = (Bytes::new(), None);
            if total > DISCARD_BYTES {
                break;
            }
        } else if let Some(all) = &mut all {
            all.extend_from_slice(&frame);
        } else if first.is_empty() {
            first = frame;
        } else {
            let mut joined = BytesMut::with_capacity((first.len() + frame.len()) * 2);
            joined.extend_from_slice(&first);
            joined.extend_from_slice(&frame);
            all = Some(joined);
        }
    }
    if total > limit {
        return Err(BodyError::TooLarge);
    }
    Ok((all.map_or(first, BytesMut::freeze), trailers))
}
