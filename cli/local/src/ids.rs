//! Ids in the shapes that AWS gives them. They are unique, not secret: nothing may be guarded by one.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use hitctl_engine::Fault;
use uuid::Uuid;

use crate::clock::{no_random, random};

/// A request id of Lambda: a version 4 UUID.
pub(crate) fn uuid() -> String {
    Uuid::new_v4().to_string()
}

/// A request id of API Gateway: eleven bytes in base64, such as `JKJaXmPLvHcESHA=`.
pub(crate) fn extended_id() -> String {
    URL_SAFE.encode(random::<11>().unwrap_or([0; 11]))
}

/// The root of an X-Ray trace that begins at `now_ms`.
pub(crate) fn trace_root(now_ms: u64) -> String {
    format!("Root=1-{:08x}-{}", now_ms / 1000, random_hex::<12>())
}

/// A parent segment for a trace that nobody samples.
pub(crate) fn trace(now_ms: u64) -> String {
    format!("{};Parent={};Sampled=0", trace_root(now_ms), random_hex::<8>())
}

/// Random letters of an alphabet, with a little skew towards its first: the id is no secret.
pub(crate) fn letters<const N: usize>(alphabet: &[u8; 36]) -> Result<String, Fault> {
    let bytes = random::<N>().map_err(no_random)?;
    Ok(bytes.iter().map(|byte| char::from(alphabet[usize::from(*byte) % alphabet.len()])).collect())
}

fn random_hex<const N: usize>() -> String {
    hex::encode(random::<N>().unwrap_or([0; N]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_the_shapes_of_aws() {
        let id = uuid();
        assert_eq!(id.len(), 36);
        assert_eq!(id.split('-').map(str::len).collect::<Vec<_>>(), [8, 4, 4, 4, 12]);
        assert_eq!(&id[14..15], "4");
        assert!("89ab".contains(&id[19..20]));
        let extended = extended_id();
        assert_eq!((extended.len(), extended.ends_with('=')), (16, true));
        let root = trace_root(1_583_348_638_390);
        assert!(root.starts_with("Root=1-5e5ffb9e-"), "{root}");
        assert_eq!(root.len(), "Root=1-5e5ffb9e-".len() + 24);
    }

    #[test]
    fn ids_differ() {
        let ids: std::collections::BTreeSet<String> = (0..10_000).map(|_| uuid()).collect();
        assert_eq!(ids.len(), 10_000);
    }
}
