//! What the environment says about the way out.

use super::*;

fn env(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn refused(pairs: &[(&str, &str)]) -> Fault {
    Web::new(&env(pairs)).expect_err("it cannot be used")
}

#[test]
fn a_bundle_that_cannot_be_used_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).display().to_string();
    std::fs::write(path("text.pem"), "no certificate").unwrap();
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    std::fs::write(path("broken.pem"), broken).unwrap();
    for name in ["missing.pem", "text.pem", "broken.pem"] {
        let failure = refused(&[("AWS_CA_BUNDLE", &path(name))]);
        assert_eq!((failure.code.as_str(), failure.kind), ("bad_ca_bundle", FaultKind::Usage));
        assert!(failure.message.contains(name) && failure.cause.is_some(), "{failure:?}");
    }
}

#[test]
fn a_proxy_is_checked_and_its_password_is_not_shown() {
    for (name, url) in [("HTTPS_PROXY", "socks5://user:s3cret@proxy"), ("http_proxy", "http://user:s3cret@")]
    {
        let failure = refused(&[(name, url)]);
        assert_eq!((failure.code.as_str(), failure.kind), ("bad_proxy", FaultKind::Usage));
        assert!(failure.message.contains(name), "{failure:?}");
        assert!(!format!("{failure:?}").contains("s3cret"), "{failure:?}");
    }
    for fine in ["proxy.example:3128", "http://user:s3cret@proxy.example:3128", "", " "] {
        Web::new(&env(&[("HTTPS_PROXY", fine)])).expect("it can be used");
    }
}

#[test]
fn only_https_is_secure() {
    for (url, expected) in
        [("https://a", true), ("HTTPS://a", true), ("http://a", false), ("", false), ("https:/", false)]
    {
        assert_eq!(is_secure(url), expected, "{url}");
    }
}

/// Answers each connection once, and says what it was asked.
async fn serve(answer: &'static str) -> (String, tokio::task::JoinHandle<String>) {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let task = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut asked = vec![0; 4096];
        let n = stream.read(&mut asked).await.unwrap();
        stream.write_all(answer.as_bytes()).await.unwrap();
        String::from_utf8_lossy(&asked[..n]).into_owned()
    });
    (url, task)
}

#[tokio::test]
async fn a_question_reads_the_status_and_one_header() {
    let (url, asked) = serve("HTTP/1.1 203 x\r\nhitctl-build: b1\r\ncontent-length: 2\r\n\r\nok").await;
    // This machine is reached directly, whatever the proxy.
    let web =
        Web::new(&env(&[("http_proxy", "http://127.0.0.1:1"), ("all_proxy", "http://127.0.0.1:1")])).unwrap();
    let (answer, _) = web.ask(&format!("{url}/healthz"), "hitctl-build", 100).await.unwrap();
    assert_eq!((answer.status, answer.header.as_deref()), (203, Some("b1")));
    assert!(asked.await.unwrap().starts_with("GET /healthz HTTP/1.1\r\n"));
}

#[tokio::test]
async fn an_endless_answer_is_cut_and_a_missing_one_is_said() {
    let (url, _) = serve("HTTP/1.1 200 x\r\ncontent-length: 9\r\n\r\n123456789").await;
    let web = Web::new(&BTreeMap::new()).unwrap();
    let error = web.ask(&url, "x", 8).await.unwrap_err();
    assert!(error.contains("limit"), "{error}");
    let error = web.ask("http://127.0.0.1:1/", "x", 8).await.unwrap_err();
    assert!(error.contains("refused"), "{error}");
}

#[tokio::test]
async fn what_is_fetched_comes_over_redirections_and_nothing_but_200_will_do() {
    let web = Web::new(&BTreeMap::new()).unwrap();
    let (end, _) = serve("HTTP/1.1 200 x\r\ncontent-length: 4\r\n\r\n<x/>").await;
    let moved = format!("HTTP/1.1 301 x\r\nlocation: {end}/b\r\ncontent-length: 0\r\n\r\n");
    let (begin, asked) = serve(moved.leak()).await;
    assert_eq!(web.fetch(&format!("{begin}/a"), 10).await.unwrap(), b"<x/>");
    assert!(asked.await.unwrap().contains(concat!("user-agent: hitctl/", env!("CARGO_PKG_VERSION"))));
    let (url, _) = serve("HTTP/1.1 404 x\r\ncontent-length: 0\r\n\r\n").await;
    assert_eq!(web.fetch(&url, 10).await.unwrap_err(), "the answer was HTTP 404");
    let (url, _) = serve("HTTP/1.1 302 x\r\nlocation: file:///etc/passwd\r\ncontent-length: 0\r\n\r\n").await;
    assert_eq!(web.fetch(&url, 10).await.unwrap_err(), "it leads to \"file:///etc/passwd\"");
}

#[test]
fn a_redirection_stays_with_http_and_does_not_leave_tls() {
    let to = |from: &str, to: &str| redirected(from, to);
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
