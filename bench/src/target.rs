//! What is asked: an `http` URL on this machine. Load on other people's machines is refused here, and only here.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// A parsed URL of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    /// Where to connect.
    pub(crate) address: SocketAddr,
    /// The whole request, as it goes over the wire.
    pub(crate) request: String,
}

impl Target {
    /// Parses `http://LOOPBACK[:PORT]/path?query`.
    pub(crate) fn parse(url: &str) -> Result<Self, String> {
        let rest = url.strip_prefix("http://").ok_or("only http:// URLs of this machine are asked")?;
        let (authority, path) = match rest.find(['/', '?']) {
            Some(at) => rest.split_at(at),
            None => (rest, ""),
        };
        let address = loopback(authority)?;
        if path.bytes().any(|byte| byte <= b' ' || byte == 0x7f) {
            return Err("the path has a space or a control character: escape it".to_owned());
        }
        let path = path.split('#').next().unwrap_or_default();
        let slash = if path.starts_with('/') { "" } else { "/" };
        let request = format!(
            "GET {slash}{path} HTTP/1.1\r\nHost: {authority}\r\nUser-Agent: hitctl-bench\r\nAccept: */*\r\n\r\n"
        );
        Ok(Self { address, request })
    }
}

/// The address that `authority` names, if it is of this machine; no name but `localhost` is looked up.
fn loopback(authority: &str) -> Result<SocketAddr, String> {
    let address = if let Ok(address) = authority.parse::<SocketAddr>() {
        address
    } else if let Ok(ip) = authority.trim_matches(['[', ']']).parse::<IpAddr>() {
        SocketAddr::new(ip, 80)
    } else {
        let (host, port) = authority.rsplit_once(':').unwrap_or((authority, "80"));
        let port = port.parse().map_err(|_| format!("`{port}` is no port"))?;
        if host != "localhost" {
            return Err(format!(
                "`{host}` is not this machine: only 127.0.0.1, [::1] and localhost are asked"
            ));
        }
        SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port)
    };
    if address.ip().is_loopback() {
        Ok(address)
    } else {
        Err(format!("{} is not a loopback address: load is for this machine only", address.ip()))
    }
}

#[cfg(test)]
mod tests {
    use super::Target;

    #[test]
    fn a_url_of_this_machine_becomes_a_request() {
        let target = Target::parse("http://127.0.0.1:4487/counter?path=/a%20b#top").unwrap();
        assert_eq!(target.address, "127.0.0.1:4487".parse().unwrap());
        assert!(target.request.starts_with("GET /counter?path=/a%20b HTTP/1.1\r\nHost: 127.0.0.1:4487\r\n"));
        assert!(target.request.ends_with("\r\n\r\n"));
        assert!(
            Target::parse("http://localhost:80?x=1").unwrap().request.starts_with("GET /?x=1 HTTP/1.1\r\n")
        );
        assert_eq!(Target::parse("http://[::1]:9/").unwrap().address, "[::1]:9".parse().unwrap());
    }

    #[test]
    fn everything_else_is_refused() {
        for url in [
            "https://127.0.0.1/",
            "http://example.com/",
            "http://192.0.2.1:80/",
            "http://localhost.example.com/",
            "http://127.0.0.1@example.com/",
            "http://localhost:99999/",
            "http://127.0.0.1/a b",
            "http://127.0.0.1/\r\nX: y",
            "",
        ] {
            assert!(Target::parse(url).is_err(), "{url}");
        }
    }
}
