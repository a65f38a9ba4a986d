//! Parses the target of a load: an `http` URL or a queue on this machine. This module rejects all other machines.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// The target of a load on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LoadTarget {
    /// The address to connect to.
    pub(crate) address: SocketAddr,
    /// The complete HTTP requests, which are sent in rotation.
    pub(crate) requests: Vec<String>,
}

/// The maximum number of messages in a call (service model of SQS).
const MAX_BATCH_MESSAGES: usize = 10;

impl LoadTarget {
    /// Parses `http://LOOPBACK[:PORT]/path?query`.
    pub(crate) fn parse(url: &str) -> Result<Self, String> {
        let rest = url.strip_prefix("http://").ok_or("expected an http:// URL of this machine")?;
        let (authority, path) = match rest.find(['/', '?']) {
            Some(index) => rest.split_at(index),
            None => (rest, ""),
        };
        let address = parse_loopback(authority)?;
        if path.bytes().any(|byte| byte <= b' ' || byte == 0x7f) {
            return Err("the path contains a space or a control character; escape it".to_owned());
        }
        let path = path.split('#').next().unwrap_or_default();
        let slash = if path.starts_with('/') { "" } else { "/" };
        let request = format!(
            "GET {slash}{path} HTTP/1.1\r\nHost: {authority}\r\nUser-Agent: hitctl-bench\r\nAccept: */*\r\n\r\n"
        );
        Ok(Self { address, requests: vec![request] })
    }

    /// Returns a target that rotates over `paths` paths: a number is appended to the `path=/` of the query. If `paths`
    /// is 0, the target is unchanged.
    pub(crate) fn with_paths(self, paths: u16) -> Self {
        let requests = (0..paths.max(1)).flat_map(|n| {
            self.requests.iter().map(move |request| request.replacen("path=/", &format!("path=/{n}"), 1))
        });
        Self {
            address: self.address,
            requests: if paths == 0 { self.requests.clone() } else { requests.collect() },
        }
    }

    /// Returns a target for an SQS queue, in the JSON protocol. Each call sends ten messages with one hit each. The
    /// hits rotate over `paths` paths.
    pub(crate) fn queue(url: &str, paths: u16) -> Result<Self, String> {
        let rest = url.strip_prefix("http://").ok_or("expected an http:// URL of this machine")?;
        let authority = rest.split('/').next().unwrap_or_default();
        let address = parse_loopback(authority)?;
        let paths = usize::from(paths.max(1));
        // After this number of calls, the rotation starts again with the first path at the first position.
        let requests = (0..paths).map(|call| {
            let entries: Vec<String> = (0..MAX_BATCH_MESSAGES)
                .map(|n| {
                    let path = (call * MAX_BATCH_MESSAGES + n) % paths;
                    format!(r#"{{"Id":"{n}","MessageBody":"{{\"v\":1,\"path\":\"/{path}\"}}"}}"#)
                })
                .collect();
            let body = format!(r#"{{"QueueUrl":"{url}","Entries":[{}]}}"#, entries.join(","));
            format!(
                "POST / HTTP/1.1\r\nHost: {authority}\r\nContent-Type: application/x-amz-json-1.0\r\n\
                 X-Amz-Target: AmazonSQS.SendMessageBatch\r\nX-Amz-Date: 20261121T000000Z\r\n\
                 Authorization: AWS4-HMAC-SHA256 Credential=test/20261121/us-east-1/sqs/aws4_request, SignedHeaders=host, \
                 Signature=0000000000000000000000000000000000000000000000000000000000000000\r\n\
                 Content-Length: {}\r\n\r\n{body}",
                body.len()
            )
        });
        Ok(Self { address, requests: requests.collect() })
    }
}

/// Returns the address of `authority` if it is a loopback address. `localhost` is the only accepted name.
fn parse_loopback(authority: &str) -> Result<SocketAddr, String> {
    let address = if let Ok(address) = authority.parse::<SocketAddr>() {
        address
    } else if let Ok(ip) = authority.trim_matches(['[', ']']).parse::<IpAddr>() {
        SocketAddr::new(ip, 80)
    } else {
        let (host, port) = authority.rsplit_once(':').unwrap_or((authority, "80"));
        let port = port.parse().map_err(|_| format!("expected a port, found `{port}`"))?;
        if host != "localhost" {
            return Err(format!("expected 127.0.0.1, [::1] or localhost, found `{host}`"));
        }
        SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port)
    };
    if address.ip().is_loopback() {
        Ok(address)
    } else {
        Err(format!("expected a loopback address, found {}", address.ip()))
    }
}

#[cfg(test)]
mod tests {
    use super::LoadTarget;

    #[test]
    fn parse_loopback_url_returns_request() {
        let target = LoadTarget::parse("http://127.0.0.1:4487/counter?path=/a%20b#top").unwrap();
        assert_eq!(target.address, "127.0.0.1:4487".parse().unwrap());
        assert!(
            target.requests[0].starts_with("GET /counter?path=/a%20b HTTP/1.1\r\nHost: 127.0.0.1:4487\r\n")
        );
        assert!(target.requests[0].ends_with("\r\n\r\n"));
        assert!(
            LoadTarget::parse("http://localhost:80?x=1").unwrap().requests[0]
                .starts_with("GET /?x=1 HTTP/1.1\r\n")
        );
        assert_eq!(LoadTarget::parse("http://[::1]:9/").unwrap().address, "[::1]:9".parse().unwrap());
    }

    #[test]
    fn with_paths_rotates_over_paths() {
        let one = LoadTarget::parse("http://127.0.0.1:1/counter?path=/").unwrap();
        assert_eq!(one.clone().with_paths(0), one);
        let three = one.with_paths(3).requests;
        assert_eq!(three.len(), 3);
        assert!(three[2].starts_with("GET /counter?path=/2 HTTP/1.1\r\n"), "{}", three[2]);
    }

    #[test]
    fn queue_sends_ten_messages_per_call() {
        let queue = LoadTarget::queue("http://127.0.0.1:9/000000000000/hits", 3).unwrap();
        assert_eq!((queue.address, queue.requests.len()), ("127.0.0.1:9".parse().unwrap(), 3));
        let (head, body) = queue.requests[0].split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("Content-Length: {}", body.len())));
        let body: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(body["Entries"].as_array().unwrap().len(), 10);
        assert_eq!(body["Entries"][9]["MessageBody"], r#"{"v":1,"path":"/0"}"#);
        assert!(LoadTarget::queue("https://sqs.eu-central-1.amazonaws.com/1/q", 1).is_err());
    }

    #[test]
    fn parse_rejects_other_urls() {
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
            assert!(LoadTarget::parse(url).is_err(), "{url}");
        }
    }
}
