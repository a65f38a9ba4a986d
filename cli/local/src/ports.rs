//! Ports on loopback that stay the same: over restarts, and even after a reset.
//!
//! A port is derived from the state directory and what it is for, below the range that systems hand out by themselves, so
//! that a URL in a browser's tab stays good. When another program has it, the next free one is taken.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;

use sha2::{Digest as _, Sha256};

const FIRST: u16 = 10_240;
const COUNT: u16 = 20_000;
/// How many ports are tried before the system picks one.
const TRIES: u16 = 64;

/// The port that something in this state directory would like to have.
pub(crate) fn preferred(state_dir: &Path, what: &str) -> u16 {
    let mut hash = Sha256::new();
    hash.update(state_dir.as_os_str().as_encoded_bytes());
    hash.update([0]);
    hash.update(what.as_bytes());
    let digest = hash.finalize();
    FIRST + u16::from_be_bytes([digest[0], digest[1]]) % COUNT
}

/// Listens on `port`, or on the next free one.
pub(crate) fn listen(port: u16) -> std::io::Result<TcpListener> {
    let bind = |port| TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    let listener = candidates(port).find_map(|port| bind(port).ok()).map_or_else(|| bind(0), Ok)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// A port that was free a moment ago, from `port` upwards; for those who listen themselves.
pub(crate) fn free(port: u16) -> Option<u16> {
    let is_free = |port: &u16| TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, *port))).is_ok();
    candidates(port).find(is_free)
}

fn candidates(port: u16) -> impl Iterator<Item = u16> {
    (0..TRIES).filter_map(move |step| port.checked_add(step))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_place_asks_for_the_same_port() {
        let port = preferred(Path::new("/a"), "table");
        assert_eq!(port, preferred(Path::new("/a"), "table"));
        assert_ne!(port, preferred(Path::new("/b"), "table"));
        assert!((FIRST..FIRST + COUNT).contains(&port));
    }

    #[test]
    fn a_taken_port_is_left_to_who_has_it() {
        let first = listen(preferred(Path::new("/ports"), "test")).unwrap();
        let port = first.local_addr().unwrap().port();
        assert_ne!(free(port).unwrap(), port);
        assert_ne!(listen(port).unwrap().local_addr().unwrap().port(), port);
    }
}
