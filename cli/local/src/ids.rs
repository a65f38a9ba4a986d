//! Creates ids in the formats of AWS. They are unique but not secret: do not use one to protect anything.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use hitctl_engine::Fault;
use uuid::Uuid;

use crate::clock::{no_random_fault, random};

/// Returns a Lambda request id: a version 4 UUID.
pub(crate) fn uuid() -> String {
    Uuid::new_v4().to_string()
}

/// Returns an API Gateway request id: eleven bytes in base64, such as `JKJaXmPLvHcESHA=`.
pub(crate) fn extended_request_id() -> String {
    // Zeros if the system provides no random bytes: an id must not fail a request.
    URL_SAFE.encode(random::<11>().unwrap_or([0; 11]))
}

/// Returns the root of an X-Ray trace that begins at `now_ms` (milliseconds since the Unix epoch).
pub(crate) fn trace_root(now_ms: u64) -> String {
    format!("Root=1-{:08x}-{}", now_ms / 1000, random_hex::<12>())
}

/// Returns a trace header with a parent segment, for a trace that is not sampled.
pub(crate) fn trace_header(now_ms: u64) -> String {
    format!("{};Parent={};Sampled=0", trace_root(now_ms), random_hex::<8>())
}

/// Returns `N` random characters of an alphabet. The first characters of the alphabet are slightly more
/// likely, which is fine for an id that is not secret.
pub(crate) fn random_string<const N: usize>(alphabet: &[u8; 36]) -> Result<String, Fault> {
    let bytes = random::<N>().map_err(no_random_fault)?;
    Ok(bytes.iter().map(|byte| char::from(alphabet[usize::from(*byte) % alphabet.len()])).collect())
}

/// Returns `N` random bytes in hex, or zeros if the system provides no random bytes.
fn random_hex<const N: usize>() -> String {
    hex::encode(random::<N>().unwrap_or([0; N]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_formats_of_aws() {
        let id = uuid();
        assert_eq!(id.len(), 36);
        assert_eq!(id.split('-').map(str::len).collect::<Vec<_>>(), [8, 4, 4, 4, 12]);
        assert_eq!(&id[14..15], "4");
        assert!("89ab".contains(&id[19..20]));
        let extended = extended_request_id();
        assert_eq!((extended.len(), extended.ends_with('=')), (16, true));
        let root = trace_root(1_583_348_638_390);
        assert!(root.starts_with("Root=1-5e5ffb9e-"), "{root}");
        assert_eq!(root.len(), "Root=1-5e5ffb9e-".len() + 24);
    }

    #[test]
    fn uuid_is_unique() {
        let ids: std::collections::BTreeSet<String> = (0..10_000).map(|_| uuid()).collect();
        assert_eq!(ids.len(), 10_000);
    }
}
