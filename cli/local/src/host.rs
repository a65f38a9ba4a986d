//! Whether a Host header names this machine's loopback. A web page that had its own name resolved to 127.0.0.1 (DNS
//! rebinding) sends that name, so a port that looks at it is out of the page's reach.

pub(crate) use hitctl_config::is_loopback;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_is() {
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
