//! Files in buckets: access logs whose views are counted, and objects of a site that are invalidated.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use hitctl_emulators::Emulator;
use serde_json::{Value as Json, json};

use super::examples::{cloudfront, distribution};
use super::feed::Queues;
use super::feed::poison::{hits, on, until};
use super::scene::Scene;
use crate::support::{Http, Ran};

const FIREFOX: &str = "Mozilla/5.0%20(X11;%20Linux%20x86_64;%20rv:140.0)%20Gecko/20100101%20Firefox/140.0";
const CURL: &str = "curl/8.5.0";

/// Puts something into S3, past hitctl. The emulator asks for no signature, only for whose it would be.
fn s3(path: &str, body: &[u8]) {
    let headers = format!(
        "authorization: AWS4-HMAC-SHA256 Credential={}/20261121/{}/s3/aws4_request, SignedHeaders=host, Signature=0\r\n",
        Emulator::ACCOUNT,
        Emulator::REGION
    );
    let answer =
        Http::connect(Emulator::ministack().endpoint()).unwrap().ask("PUT", path, &headers, body).unwrap();
    assert_eq!(answer.status, 200, "{path}: {answer:?}");
}

/// A bucket.
fn bucket(name: &str) {
    let place = format!(
        "<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><LocationConstraint>{}</LocationConstraint>\
         </CreateBucketConfiguration>",
        Emulator::REGION
    );
    s3(&format!("/{name}"), place.as_bytes());
}

/// A bucket that tells EventBridge what is put into it.
fn telling(name: &str) {
    bucket(name);
    let on = b"<NotificationConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><EventBridgeConfiguration/></NotificationConfiguration>";
    s3(&format!("/{name}?notification"), on);
}

fn packed(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

/// A log in W3C's format with these views: method, path, status, agent.
fn w3c(views: &[(&str, &str, u16, &str)]) -> Vec<u8> {
    let now = jiff::Timestamp::now().strftime("%Y-%m-%d\t%H:%M:%S").to_string();
    let mut text = "#Version: 1.0\n#Fields: date time c-ip cs-method cs-uri-stem sc-status cs(User-Agent) cs-uri-query\n".to_owned();
    for (method, path, status, agent) in views {
        text += &[&now, "192.0.2.1", method, path, &status.to_string(), agent, "-\n"].join("\t");
    }
    text.into_bytes()
}

/// What EventBridge tells of an object.
fn created(bucket: &str, key: &str) -> Json {
    json!({
        "version": "0", "id": format!("id-{key}"), "detail-type": "Object Created", "source": "aws.s3",
        "account": Emulator::ACCOUNT, "time": jiff::Timestamp::now().to_string(), "region": Emulator::REGION, "resources": [],
        "detail": { "version": "0", "bucket": { "name": bucket },
                    "object": { "key": key, "size": 1, "etag": "e", "sequencer": "0055AED6DCD90281E5" }, "reason": "PutObject" },
    })
}

/// Gives the function that event itself.
fn invoke(scene: &Scene, event: &Json) -> Ran {
    scene.yard.yard.write("event.json", &event.to_string());
    scene.yard.run(&["invoke", "--payload", "event.json", "--json"])
}

#[test]
fn views_in_access_logs_count_once_and_what_cannot_be_read_is_told() {
    let bucket_name = "accesslogs-of-a-test";
    bucket(bucket_name);
    let mut scene = Scene::new(
        Emulator::ministack(),
        "accesslogs",
        &format!("counter.visitors = \"none\"\ncloudfront.log_bucket = \"{bucket_name}\"\n"),
    );
    scene.deploy();
    let views = [
        ("GET", "/", 200, FIREFOX),
        ("GET", "/about/", 200, FIREFOX),
        ("GET", "/about/index.html", 304, FIREFOX),
        // No views of pages, or of nobody.
        ("GET", "/logo.png", 200, FIREFOX),
        ("GET", "/missing", 404, FIREFOX),
        ("POST", "/form", 200, FIREFOX),
        ("GET", "/", 200, CURL),
    ];
    s3(&format!("/{bucket_name}/E1.2026.gz"), &packed(&w3c(&views)));
    let now = jiff::Timestamp::now();
    let line = json!({
        "date": now.strftime("%Y-%m-%d").to_string(), "time": now.strftime("%H:%M:%S").to_string(), "c-ip": "2001:db8::1",
        "cs-method": "GET", "cs-uri-stem": "/json", "sc-status": "200", "cs(User-Agent)": FIREFOX,
    });
    s3(&format!("/{bucket_name}/E1.json"), format!("{line}\n{line}\n").as_bytes());
    // Each is announced twice, as it may be.
    for key in ["E1.2026.gz", "E1.json", "E1.json", "E1.2026.gz"] {
        let ran = invoke(&scene, &created(bucket_name, key));
        assert_eq!(ran.code, 0, "{ran:?}");
    }
    let rows = scene.yard.run(&["counts", "list", "--json"]).json();
    let told: std::collections::BTreeSet<_> = rows["counts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["path"].as_str().unwrap(), row["hits"].as_u64().unwrap()))
        .collect();
    assert_eq!(told, [("/", 1), ("/about", 2), ("/json", 2)].into());

    s3(&format!("/{bucket_name}/bomb.gz"), &packed(&vec![b'\n'; 65 * 1024 * 1024]));
    for (key, says) in [("bomb.gz", "larger than 67108864 bytes, unpacked"), ("gone.gz", "not in its bucket")]
    {
        let ran = invoke(&scene, &created(bucket_name, key));
        assert_eq!(ran.code, 1, "{ran:?}");
        assert!(ran.stdout.contains(says), "{ran:?}");
    }
    assert_eq!(scene.yard.run(&["counts", "list", "--json"]).json()["counts"], rows["counts"]);
}

#[test]
fn what_is_put_into_buckets_comes_by_the_rule_and_the_queue() {
    let (site, logs) = ("buckets-site-of-a-test", "buckets-logs-of-a-test");
    telling(site);
    telling(logs);
    let id = distribution("access-logs");
    let mut scene = Scene::new(
        Emulator::ministack(),
        "buckets",
        &format!(
            "cloudfront = {{ distribution_id = \"{id}\", site_bucket = \"{site}\", log_bucket = \"{logs}\" }}\n\
             queue = {{ enabled = true, window_s = 0, batch_size = 10, max_receive_count = 2, visibility_s = 3 }}\n\
             function.timeout_s = 3\nfunction.reserved_concurrency = \"none\"\n"
        ),
    );
    scene.deploy();
    s3(&format!("/{logs}/E1.gz"), &packed(&w3c(&[("GET", "/by-rule", 200, FIREFOX)])));
    hits(&scene, "/by-rule", 1);
    s3(&format!("/{site}/a/index.html"), b"<!doctype html>");
    let ask = |more: &str| {
        cloudfront("GET", &format!("/2020-05-31/distribution/{id}/invalidation{more}"), b"").body
    };
    // Beside it there is the one after the hit.
    until(&scene, &["status"], |_| {
        let list = ask("");
        let ids =
            list.split("<InvalidationSummary><Id>").skip(1).map(|rest| rest.split_once("</Id>").unwrap().0);
        let asked: Vec<_> = ids.map(|id| ask(&format!("/{id}"))).collect();
        let both = ["<Path>/a/</Path>", "<Path>/a/index.html</Path>"];
        asked.iter().any(|one| both.iter().all(|path| one.contains(path)))
    });

    // A file that is gone again is a dead letter, with its reason.
    Queues::of("buckets").send("hits", &created(logs, "gone.gz").to_string(), &[]);
    until(&scene, &["status"], |status| on(status, "queue.dlq") == 1);
    let list = scene.yard.run(&["dlq", "list", "--json"]).json();
    assert!(list["messages"][0]["why"].as_str().unwrap().contains("not in its bucket"), "{list}");
}
