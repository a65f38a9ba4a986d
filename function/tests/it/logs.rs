//! Tests of access logs, from the event to the table, with a bucket that is a fake server.

use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};

use hit_counter::moment::Moment;
use serde_json::json;

use crate::engine::{COUNTS, CallHandling, SEEN, TestDynamoDb};
use crate::fake::{BootstrapProcess, FakeReply, FakeServer, environment};

/// Returns a time some hours ago, because the program uses the real clock.
#[expect(clippy::disallowed_methods, reason = "the program under test uses the real clock")]
fn recently() -> Moment {
    let now = Moment::from(std::time::SystemTime::now());
    Moment::from_millis(now.millis() - 3 * 3_600_000)
}

/// Returns a log with `views` views of `pages` pages by two people, one view by a bot, and one request for an image.
fn log(views: usize, pages: usize) -> String {
    let at = recently().rfc3339();
    let (date, time) = (&at[..10], &at[11..19]);
    let mut text =
        "#Version: 1.0\n#Fields: date time c-ip cs-method cs-uri-stem sc-status cs(User-Agent)\n".to_owned();
    let mut line = |ip: &str, stem: &str, agent: &str| {
        writeln!(text, "{date}\t{time}\t{ip}\tGET\t{stem}\t200\t{agent}").unwrap();
    };
    let people = "Mozilla/5.0%20(X11;%20Linux%20x86_64;%20rv:140.0)%20Gecko/20100101%20Firefox/140.0";
    for n in 0..views {
        line(&format!("203.0.113.{}", n % 2), &format!("/p/{}", n % pages), people);
    }
    line("203.0.113.9", "/p/0", "curl/8.14.1");
    line("203.0.113.9", "/x.png", people);
    text
}

fn gzip(text: &str) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packed.write_all(text.as_bytes()).unwrap();
    packed.finish().unwrap()
}

fn bucket(status: u16, body: Vec<u8>) -> FakeServer {
    FakeServer::serve(move |_, _| {
        let mut response =
            format!("HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len())
                .into_bytes();
        response.extend_from_slice(&body);
        FakeReply::Raw(response)
    })
}

fn host(engine: &TestDynamoDb, bucket: &FakeServer, visitors: &str) -> BootstrapProcess {
    let mut environment = environment(&format!("http://{}", engine.fake.address));
    environment.push(("AWS_ENDPOINT_URL_S3", format!("http://{}", bucket.address)));
    environment.push(("HITCTL_LOG_BUCKET", "logs".to_owned()));
    environment.push(("HITCTL_BOTS", "ignore".to_owned()));
    environment.push(("HITS_SEEN_TABLE_NAME", SEEN.to_owned()));
    environment.push(("HITCTL_VISITORS", visitors.to_owned()));
    BootstrapProcess::start_with(environment, 30_000)
}

fn event(key: &str) -> String {
    json!({"detail-type": "Object Created", "source": "aws.s3", "id": "e", "detail":
        {"bucket": {"name": "logs"}, "object": {"key": key, "sequencer": "0055AED6DCD90281E5"}}})
    .to_string()
}

#[test]
fn redelivered_log_file_counts_once() {
    let engine = TestDynamoDb::start();
    let bucket = bucket(200, gzip(&log(30, 3)));
    let program = host(&engine, &bucket, "hash");
    assert_eq!(program.invoke(event("a b/x.gz")).body, r#"{"v":1,"hits":30,"ignored":1}"#);
    assert_eq!(program.invoke(event("a b/x.gz")).body, r#"{"v":1,"hits":0,"ignored":1}"#);
    assert_eq!((engine.number("/p/0", "hits"), engine.number("/p/0", "uniques")), (10, 2));
    assert_eq!(engine.number("!site", "uniques"), 2);
    assert_eq!(
        engine
            .items(COUNTS)
            .iter()
            .filter(|item| item["path"]["S"].as_str().unwrap().starts_with('/'))
            .count(),
        3
    );
    let requests = &bucket.received()[0];
    assert_eq!(requests.line, "GET /logs/a%20b/x.gz HTTP/1.1");
    assert!(requests.headers["authorization"].contains("/eu-central-1/s3/aws4_request"));
    assert!(!program.stop().1.contains("203.0.113"));
}

/// The table fails in the middle of a large file, so that the file is delivered again.
#[test]
fn chunks_of_a_redelivered_log_file_count_once() {
    let transactions = AtomicUsize::new(0);
    let engine = TestDynamoDb::start_with(move |_, request| {
        let is_one = request.operation() == "TransactWriteItems";
        if is_one && transactions.fetch_add(1, Ordering::Relaxed) == 1 {
            return CallHandling::Refuse(FakeReply::Json(
                400,
                r#"{"__type":"x#ResourceNotFoundException"}"#.to_owned(),
            ));
        }
        CallHandling::Serve
    });
    let bucket = bucket(200, log(2500, 200).into_bytes());
    let program = host(&engine, &bucket, "none");
    let first = program.invoke(event("x.log"));
    assert_eq!(first.error_type.as_deref(), Some("Hitctl.NotCounted"), "{first:?}");
    assert!(program.invoke(event("x.log")).error_type.is_none());
    let hits: u64 = (0..200).map(|n| engine.number(&format!("/p/{n}"), "hits")).sum();
    assert_eq!(hits, 2500);
}

#[test]
fn invalid_log_file_is_rejected_and_unavailable_file_is_retried() {
    let mut cut = gzip(&log(3, 1));
    cut.truncate(40);
    for (status, body, kind, why) in [
        (200, cut, "Hitctl.MalformedEvent", "the gzip file is corrupt: invalid compressed data"),
        (200, b"<html>\n".to_vec(), "Hitctl.MalformedEvent", "expected an access log with a `#Fields:` line"),
        (
            200,
            b"#Fields: date time cs-uri-stem\n2026-09-20\t10:00:00\t/\n".to_vec(),
            "Hitctl.MalformedEvent",
            "the access log lacks required fields: `cs-method`, `sc-status`, `cs(User-Agent)`",
        ),
        (404, Vec::new(), "Hitctl.MalformedEvent", "the file no longer exists in its bucket"),
        (403, Vec::new(), "Hitctl.NotCounted", "s3 GetObject: status 403"),
        (503, Vec::new(), "Hitctl.NotCounted", "s3 GetObject: status 503"),
        (200, gzip(&"x".repeat(1_000_000)), "Hitctl.MalformedEvent", "a line of the file is too long"),
        (
            200,
            gzip(&format!("{}\n", "x".repeat(10_000)).repeat(7_000)),
            "Hitctl.MalformedEvent",
            "larger than 67108864 bytes",
        ),
    ] {
        let engine = TestDynamoDb::start();
        let bucket = bucket(status, body);
        let program = host(&engine, &bucket, "none");
        let report = program.invoke(event("x.gz"));
        assert_eq!(report.error_type.as_deref(), Some(kind), "{why}: {report:?}");
        assert!(report.body.contains(why), "{report:?}");
        assert!(engine.items(COUNTS).is_empty());
    }
}

/// A page has the same key whether the widget or a log counts it, although the log encodes `%` once more.
#[test]
fn page_in_a_log_has_the_same_key_as_in_the_widget() {
    const PEOPLE: &str = "Mozilla/5.0%20(X11;%20Linux%20x86_64;%20rv:140.0)%20Gecko/20100101%20Firefox/140.0";
    let at = recently();
    let text = format!(
        "#Version: 1.0\n#Fields: c-ip cs-method cs-uri-stem sc-status cs(User-Agent) cs-uri-query sc-content-type timestamp(ms)\n{}",
        ["/caf%25C3%25A9/", "/a%2520b", "/100%2525", "/posts/rust-1.80", "/%7Ebob/", "/users/john.doe"]
            .map(|stem| format!("192.0.2.7\tGET\t{stem}\t200\t{PEOPLE}\t-\ttext/html\t{}\n", at.millis()))
            .concat()
    );
    let engine = TestDynamoDb::start();
    let bucket = bucket(200, text.into_bytes());
    let program = host(&engine, &bucket, "hash");
    assert_eq!(program.invoke(event("x.log")).body, r#"{"v":1,"hits":6,"ignored":0}"#);
    for key in ["/caf%C3%A9", "/a%20b", "/100%25", "/posts/rust-1.80", "/~bob", "/users/john.doe"] {
        assert_eq!(engine.number(key, "hits"), 1, "{key}");
    }
}

#[test]
fn uncounted_lines_are_logged() {
    let now = recently();
    let line = |millis: u64, stem: &str| format!("GET\t{stem}\t200\tMozilla/5.0%20Firefox/140.0\t{millis}\n");
    let old = now.millis() - 61 * 86_400_000;
    let text = format!(
        "#Fields: cs-method cs-uri-stem sc-status cs(User-Agent) timestamp(ms)\n{}{}GET\n",
        line(now.millis(), "/x"),
        line(old, "/x")
    );
    let engine = TestDynamoDb::start();
    let bucket = bucket(200, text.into_bytes());
    let program = host(&engine, &bucket, "none");
    assert_eq!(program.invoke(event("x.log")).body, r#"{"v":1,"hits":1,"ignored":0}"#);
    let log = program.stop().1;
    assert!(
        log.contains("ignored views of an access log, older than sixty days or in the future")
            && log.contains(r#""views":1"#),
        "{log}"
    );
    assert!(
        log.contains("skipped unreadable lines of an access log") && log.contains(r#""lines":1"#),
        "{log}"
    );
}
