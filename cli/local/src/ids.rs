//! Ids in the shapes that AWS gives them. They are unique, not secret: nothing may be guarded by one.

use std::cell::Cell;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;

use crate::clock;

thread_local! {
    /// A thread's own generator, so that no request waits for another's.
    static STATE: Cell<u64> = Cell::new(seed());
}

fn seed() -> u64 {
    clock::random()
        .map_or_else(|_| clock::now_ms() ^ (u64::from(std::process::id()) << 40), u64::from_le_bytes)
}

/// The next number of this thread's generator (splitmix64).
fn next() -> u64 {
    STATE.with(|state| {
        let now = state.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        state.set(now);
        let mixed = (now ^ (now >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    })
}

/// A request id of Lambda: a version 4 UUID.
pub(crate) fn uuid() -> String {
    let (a, b) = (next(), next());
    format!(
        "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
        a >> 32,
        (a >> 16) & 0xffff,
        a & 0xfff,
        0x8000 | ((b >> 48) & 0x3fff),
        b & 0xffff_ffff_ffff
    )
}

/// A request id of API Gateway: eleven bytes in base64, such as `JKJaXmPLvHcESHA=`.
pub(crate) fn extended_id() -> String {
    let mut bytes = [0; 11];
    bytes[..8].copy_from_slice(&next().to_le_bytes());
    bytes[8..].copy_from_slice(&next().to_le_bytes()[..3]);
    URL_SAFE.encode(bytes)
}

/// The root of an X-Ray trace that begins at `now_ms`.
pub(crate) fn trace_root(now_ms: u64) -> String {
    format!("Root=1-{:08x}-{:016x}{:08x}", now_ms / 1000, next(), next() >> 32)
}

/// A parent segment for a trace that nobody samples.
pub(crate) fn trace(now_ms: u64) -> String {
    format!("{};Parent={:016x};Sampled=0", trace_root(now_ms), next())
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
