//! Files in S3 buckets: the views in access logs are counted, and the changed objects of a site are invalidated.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use hitctl_emulators::Emulator;
use serde_json::{Value as Json, json};

use super::event_commands::Queues;
use super::event_commands::poison::{queue_depth, run_until, wait_for_hits};
use super::examples::{call_cloudfront, create_distribution};
use super::recorded_env::RecordedAwsEnv;
use crate::support::{CommandOutput, TestConnection};

const FIREFOX: &str = "Mozilla/5.0%20(X11;%20Linux%20x86_64;%20rv:140.0)%20Gecko/20100101%20Firefox/140.0";
const CURL: &str = "curl/8.5.0";

/// Sends a PUT request to the emulator's S3. The emulator does not check the signature, but reads the account from it.
fn s3_put(path: &str, body: &[u8]) {
    let headers = format!(
        "authorization: AWS4-HMAC-SHA256 Credential={}/20261121/{}/s3/aws4_request, SignedHeaders=host, Signature=0\r\n",
        Emulator::ACCOUNT,
        Emulator::REGION
    );
    let response = TestConnection::connect(Emulator::ministack().endpoint())
        .unwrap()
        .send("PUT", path, &headers, body)
        .unwrap();
    assert_eq!(response.status, 200, "{path}: {response:?}");
}

/// Creates a bucket in the emulator.
fn create_bucket(name: &str) {
    let location = format!(
        "<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><LocationConstraint>{}</LocationConstraint>\
         </CreateBucketConfiguration>",
        Emulator::REGION
    );
    s3_put(&format!("/{name}"), location.as_bytes());
}

/// Creates a bucket that sends its events to EventBridge.
fn create_notifying_bucket(name: &str) {
    create_bucket(name);
    let configuration = b"<NotificationConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><EventBridgeConfiguration/></NotificationConfiguration>";
    s3_put(&format!("/{name}?notification"), configuration);
}

fn gzipped(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

/// Returns a log in the W3C format with these views: method, path, status and user agent.
fn w3c(views: &[(&str, &str, u16, &str)]) -> Vec<u8> {
    let now = jiff::Timestamp::now().strftime("%Y-%m-%d\t%H:%M:%S").to_string();
    let mut text = "#Version: 1.0\n#Fields: date time c-ip cs-method cs-uri-stem sc-status cs(User-Agent) cs-uri-query\n".to_owned();
    for (method, path, status, agent) in views {
        text += &[&now, "192.0.2.1", method, path, &status.to_string(), agent, "-\n"].join("\t");
    }
    text.into_bytes()
}

/// Returns EventBridge's event for a created object.
fn object_created(bucket: &str, key: &str) -> Json {
    json!({
        "version": "0", "id": format!("id-{key}"), "detail-type": "Object Created", "source": "aws.s3",
        "account": Emulator::ACCOUNT, "time": jiff::Timestamp::now().to_string(), "region": Emulator::REGION, "resources": [],
        "detail": { "version": "0", "bucket": { "name": bucket },
                    "object": { "key": key, "size": 1, "etag": "e", "sequencer": "0055AED6DCD90281E5" }, "reason": "PutObject" },
    })
}

/// Invokes the function with this event.
fn invoke(aws_env: &RecordedAwsEnv, event: &Json) -> CommandOutput {
    aws_env.env.base.write("event.json", &event.to_string());
    aws_env.env.run(&["invoke", "--payload", "event.json", "--json"])
}

#[test]
fn access_log_views_count_once_and_unreadable_files_fail() {
    let bucket = "accesslogs-of-a-test";
    create_bucket(bucket);
    let mut aws_env = RecordedAwsEnv::new(
        Emulator::ministack(),
        "accesslogs",
        &format!("counter.visitors = \"none\"\ncloudfront.log_bucket = \"{bucket}\"\n"),
    );
    aws_env.deploy();
    let views = [
        ("GET", "/", 200, FIREFOX),
        ("GET", "/about/", 200, FIREFOX),
        ("GET", "/about/index.html", 304, FIREFOX),
        // Requests that are not page views, or are not from a person.
        ("GET", "/logo.png", 200, FIREFOX),
        ("GET", "/missing", 404, FIREFOX),
        ("POST", "/form", 200, FIREFOX),
        ("GET", "/", 200, CURL),
    ];
    s3_put(&format!("/{bucket}/E1.2026.gz"), &gzipped(&w3c(&views)));
    let now = jiff::Timestamp::now();
    let line = json!({
        "date": now.strftime("%Y-%m-%d").to_string(), "time": now.strftime("%H:%M:%S").to_string(), "c-ip": "2001:db8::1",
        "cs-method": "GET", "cs-uri-stem": "/json", "sc-status": "200", "cs(User-Agent)": FIREFOX,
    });
    s3_put(&format!("/{bucket}/E1.json"), format!("{line}\n{line}\n").as_bytes());
    // S3 may send the event of an object twice.
    for key in ["E1.2026.gz", "E1.json", "E1.json", "E1.2026.gz"] {
        let output = invoke(&aws_env, &object_created(bucket, key));
        assert_eq!(output.code, 0, "{output:?}");
    }
    let rows = aws_env.env.run(&["counts", "list", "--json"]).json();
    let counted: std::collections::BTreeSet<_> = rows["counts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["path"].as_str().unwrap(), row["hits"].as_u64().unwrap()))
        .collect();
    assert_eq!(counted, [("/", 1), ("/about", 2), ("/json", 2)].into());

    s3_put(&format!("/{bucket}/bomb.gz"), &gzipped(&vec![b'\n'; 65 * 1024 * 1024]));
    for (key, expected) in
        [("bomb.gz", "larger than 67108864 bytes"), ("gone.gz", "no longer exists in its bucket")]
    {
        let output = invoke(&aws_env, &object_created(bucket, key));
        assert_eq!(output.code, 1, "{output:?}");
        assert!(output.stdout.contains(expected), "{output:?}");
    }
    assert_eq!(aws_env.env.run(&["counts", "list", "--json"]).json()["counts"], rows["counts"]);
}

#[test]
fn bucket_objects_are_handled_through_rule_and_queue() {
    let (site, logs) = ("buckets-site-of-a-test", "buckets-logs-of-a-test");
    create_notifying_bucket(site);
    create_notifying_bucket(logs);
    let id = create_distribution("access-logs");
    let mut aws_env = RecordedAwsEnv::new(
        Emulator::ministack(),
        "buckets",
        &format!(
            "cloudfront = {{ distribution_id = \"{id}\", site_bucket = \"{site}\", log_bucket = \"{logs}\" }}\n\
             queue = {{ enabled = true, window_s = 0, batch_size = 10, max_receive_count = 2, visibility_s = 3 }}\n\
             function.timeout_s = 3\nfunction.reserved_concurrency = \"none\"\n"
        ),
    );
    aws_env.deploy();
    s3_put(&format!("/{logs}/E1.gz"), &gzipped(&w3c(&[("GET", "/by-rule", 200, FIREFOX)])));
    wait_for_hits(&aws_env, "/by-rule", 1);
    s3_put(&format!("/{site}/a/index.html"), b"<!doctype html>");
    let get = |suffix: &str| {
        call_cloudfront("GET", &format!("/2020-05-31/distribution/{id}/invalidation{suffix}"), b"").body
    };
    // The counted hit causes an invalidation too, so every invalidation is searched.
    run_until(&aws_env, &["status"], |_| {
        let list = get("");
        let ids =
            list.split("<InvalidationSummary><Id>").skip(1).map(|rest| rest.split_once("</Id>").unwrap().0);
        let invalidations: Vec<_> = ids.map(|id| get(&format!("/{id}"))).collect();
        let expected = ["<Path>/a/</Path>", "<Path>/a/index.html</Path>"];
        invalidations.iter().any(|one| expected.iter().all(|path| one.contains(path)))
    });

    // The event of a file that no longer exists becomes a dead letter with the reason.
    Queues::of_app("buckets").send("hits", &object_created(logs, "gone.gz").to_string(), &[]);
    run_until(&aws_env, &["status"], |status| queue_depth(status, "queue.dlq") == 1);
    let list = aws_env.env.run(&["dlq", "list", "--json"]).json();
    assert!(
        list["messages"][0]["why"].as_str().unwrap().contains("no longer exists in its bucket"),
        "{list}"
    );
}
