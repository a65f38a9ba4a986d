//! Tests of the proxies, certificates and HTTP requests.

use super::*;

fn env(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn rejected(pairs: &[(&str, &str)]) -> Fault {
    WebClient::new(&env(pairs)).expect_err("the settings are invalid")
}

#[test]
fn unusable_ca_bundle_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).display().to_string();
    std::fs::write(path("text.pem"), "no certificate").unwrap();
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    std::fs::write(path("broken.pem"), broken).unwrap();
    for name in ["missing.pem", "text.pem", "broken.pem"] {
        let failure = rejected(&[("AWS_CA_BUNDLE", &path(name))]);
        assert_eq!((failure.code.as_str(), failure.kind), ("bad_ca_bundle", FaultKind::Usage));
        assert!(failure.message.contains(name) && failure.cause.is_some(), "{failure:?}");
    }
}

#[test]
fn invalid_proxy_is_rejected_without_showing_its_password() {
    for (name, url) in [("HTTPS_PROXY", "socks5://user:s3cret@proxy"), ("http_proxy", "http://user:s3cret@")]
    {
        let failure = rejected(&[(name, url)]);
        assert_eq!((failure.code.as_str(), failure.kind), ("bad_proxy", FaultKind::Usage));
        assert!(failure.message.contains(name), "{failure:?}");
        assert!(!format!("{failure:?}").contains("s3cret"), "{failure:?}");
    }
    for valid in ["proxy.example:3128", "http://user:s3cret@proxy.example:3128", "", " "] {
        WebClient::new(&env(&[("HTTPS_PROXY", valid)])).expect("the proxy is valid");
    }
}

#[test]
fn is_secure_accepts_only_https() {
    for (url, expected) in
        [("https://a", true), ("HTTPS://a", true), ("http://a", false), ("", false), ("https:/", false)]
    {
        assert_eq!(is_secure(url), expected, "{url}");
    }
}

/// Starts a server that sends `response` once, and returns its URL and the request that it receives.
async fn serve(response: &'static str) -> (String, tokio::task::JoinHandle<String>) {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let task = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = vec![0; 4096];
        let n = stream.read(&mut request).await.unwrap();
        stream.write_all(response.as_bytes()).await.unwrap();
        String::from_utf8_lossy(&request[..n]).into_owned()
    });
    (url, task)
}

#[tokio::test]
async fn get_returns_status_and_requested_header() {
    let (url, request) = serve("HTTP/1.1 203 x\r\nhitctl-build: b1\r\ncontent-length: 2\r\n\r\nok").await;
    // Loopback hosts are reached directly, whatever the proxy.
    let web =
        WebClient::new(&env(&[("http_proxy", "http://127.0.0.1:1"), ("all_proxy", "http://127.0.0.1:1")]))
            .unwrap();
    let (response, _) = web.get(&format!("{url}/healthz"), "hitctl-build", 100).await.unwrap();
    assert_eq!((response.status, response.header.as_deref()), (203, Some("b1")));
    assert!(request.await.unwrap().starts_with("GET /healthz HTTP/1.1\r\n"));
}

#[tokio::test]
async fn get_fails_for_oversized_body_and_refused_connection() {
    let (url, _) = serve("HTTP/1.1 200 x\r\ncontent-length: 9\r\n\r\n123456789").await;
    let web = WebClient::new(&BTreeMap::new()).unwrap();
    let error = web.get(&url, "x", 8).await.unwrap_err();
    assert!(error.contains("limit"), "{error}");
    let error = web.get("http://127.0.0.1:1/", "x", 8).await.unwrap_err();
    assert!(error.contains("refused"), "{error}");
}

#[tokio::test]
async fn fetch_follows_redirects_and_accepts_only_status_200() {
    let web = WebClient::new(&BTreeMap::new()).unwrap();
    let (end_url, _) = serve("HTTP/1.1 200 x\r\ncontent-length: 4\r\n\r\n<x/>").await;
    let moved = format!("HTTP/1.1 301 x\r\nlocation: {end_url}/b\r\ncontent-length: 0\r\n\r\n");
    let (start_url, request) = serve(moved.leak()).await;
    assert_eq!(web.fetch(&format!("{start_url}/a"), 10).await.unwrap(), b"<x/>");
    assert!(request.await.unwrap().contains(concat!("user-agent: hitctl/", env!("CARGO_PKG_VERSION"))));
    let (url, _) = serve("HTTP/1.1 404 x\r\ncontent-length: 0\r\n\r\n").await;
    assert_eq!(web.fetch(&url, 10).await.unwrap_err(), "expected HTTP 200, found 404");
    let (url, _) = serve("HTTP/1.1 302 x\r\nlocation: file:///etc/passwd\r\ncontent-length: 0\r\n\r\n").await;
    assert_eq!(web.fetch(&url, 10).await.unwrap_err(), "unsupported redirect to \"file:///etc/passwd\"");
}

#[test]
fn redirect_target_keeps_http_and_never_downgrades_tls() {
    let to = |from: &str, to: &str| redirect_target(from, to);
    assert_eq!(to("http://a/x?y", "/b").as_deref(), Some("http://a/b"));
    assert_eq!(to("https://a", "/b").as_deref(), Some("https://a/b"));
    assert_eq!(to("http://a/x", "https://b/").as_deref(), Some("https://b/"));
    assert_eq!(to("http://a/x", "http://b/").as_deref(), Some("http://b/"));
    for (from, target) in
        [("https://a/x", "http://a/x"), ("http://a", "//b/c"), ("http://a", "b"), ("http://a", "")]
    {
        assert_eq!(to(from, target), None, "{target}");
    }
}
