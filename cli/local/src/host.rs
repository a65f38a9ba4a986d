//! Checks whether a `Host` header names the loopback of this machine.
//!
//! A web page whose own host name resolves to 127.0.0.1 (DNS rebinding) sends that name. A server that checks the
//! header therefore refuses the requests of the page.

pub(crate) use hitctl_config::is_loopback;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_loopback_accepts_only_loopback_hosts() {
        for host in ["127.0.0.1", "127.0.0.1:8080", "localhost", "LocalHost:1", "[::1]:80", "[::1]"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "evil.example:80",
            "127.0.0.1.evil.example",
            "localhost.evil.example:1",
            "10.0.0.1",
        ] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
