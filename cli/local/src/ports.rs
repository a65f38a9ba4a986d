//! Chooses loopback ports that stay the same across restarts and resets, so that URLs stay valid.
//!
//! A port is derived from the state directory and a purpose, and lies below the range from which operating
//! systems assign ports. If another program uses the port, the next free one is used.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;

use sha2::{Digest as _, Sha256};

/// The first of the preferred ports.
const FIRST_PORT: u16 = 10_240;
/// The number of the preferred ports.
const PORT_COUNT: u16 = 20_000;
/// The number of ports to try before the system assigns one.
const ATTEMPTS: u16 = 64;

/// Returns the preferred port for `purpose` in this state directory.
pub(crate) fn preferred(state_dir: &Path, purpose: &str) -> u16 {
    let mut hash = Sha256::new();
    hash.update(state_dir.as_os_str().as_encoded_bytes());
    // Separates the directory and the purpose.
    hash.update([0]);
    hash.update(purpose.as_bytes());
    let digest = hash.finalize();
    FIRST_PORT + u16::from_be_bytes([digest[0], digest[1]]) % PORT_COUNT
}

/// Listens on `port`, or on the next free one.
pub(crate) fn listen(port: u16) -> std::io::Result<TcpListener> {
    let bind = |port| TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    let listener = candidates(port).find_map(|port| bind(port).ok()).map_or_else(|| bind(0), Ok)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Returns a port from `port` upwards that was free a moment ago, for callers that bind it themselves.
pub(crate) fn free(port: u16) -> Option<u16> {
    let is_free = |port: &u16| TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, *port))).is_ok();
    candidates(port).find(is_free)
}

fn candidates(port: u16) -> impl Iterator<Item = u16> {
    (0..ATTEMPTS).filter_map(move |step| port.checked_add(step))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn preferred_port_is_stable_per_directory() {
        let port = preferred(Path::new("/a"), "table");
        assert_eq!(port, preferred(Path::new("/a"), "table"));
        assert_ne!(port, preferred(Path::new("/b"), "table"));
        assert!((FIRST_PORT..FIRST_PORT + PORT_COUNT).contains(&port));
    }

    #[test]
    fn listen_on_port_in_use_takes_another_port() {
        let first = listen(preferred(Path::new("/ports"), "test")).unwrap();
        let port = first.local_addr().unwrap().port();
        assert_ne!(free(port).unwrap(), port);
        assert_ne!(listen(port).unwrap().local_addr().unwrap().port(), port);
    }
}
