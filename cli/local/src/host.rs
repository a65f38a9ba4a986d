//! The check whether a `Host` header is a loopback name or address. `hitctl_config` implements it; the tests here cover
//! its use against DNS rebinding: a page whose host name resolves to 127.0.0.1 can reach the servers of the local cloud.
//! Its requests have the page's host name in `Host`, so the servers reject them.

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
