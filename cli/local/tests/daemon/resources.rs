//! Tests of resources through the control API, as the driver uses it.

use std::io::Write as _;

use bytes::Bytes;
use hitctl_local::client::LocalClient;
use hitctl_local::logs::LogEventQuery;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::harness::{DaemonTestEnv, RawConnection, TIMEOUT, hit_count, table_spec};

#[tokio::test]
async fn every_kind_can_be_put_read_and_deleted_twice() {
    let env = DaemonTestEnv::new();
    let client = env.start_new().await;
    let zip = zip_of("#!/bin/sh\nexit 1\n");
    let sha256 = sha256_of(&zip);
    let path = env.temp.path().join("code.zip");
    std::fs::write(&path, &zip).unwrap();
    let tags = json!({ "hitctl:app": "hits", "hitctl:env": "local" });
    let function = json!({
        "runtime": "provided.al2023", "arch": "x86_64", "code_sha256": sha256, "memory_mb": 128, "timeout_s": 10,
        "reserved_concurrency": 1, "environment": {}, "role_arn": "arn:aws:iam::000000000000:role/hits-local",
        "log_group": "/aws/lambda/hits-local", "tags": tags,
    });
    let fault = client.put_resource("function", "hits-local", &function).await.unwrap_err();
    assert_eq!(fault.code, "code_missing");
    client.put_code(&sha256, &path).await.unwrap();
    assert!(client.has_code(&sha256).await.unwrap());
    client.put_code(&sha256, &path).await.unwrap();
    let api = json!({
        "function_arn": "arn:aws:lambda:local:000000000000:function:hits-local", "routes": ["ANY /counter"],
        "cors": { "allow_origins": ["*"], "allow_methods": ["*"], "allow_headers": ["content-type"],
                  "expose_headers": [], "max_age_s": 3600 },
        "throttle": { "rate_per_second": 10.0, "burst": 20 }, "tags": tags,
    });
    let api_outputs = client.put_resource("http_api", "hits-local", &api).await.unwrap().outputs;
    assert_eq!(api_outputs["api_id"].len(), 10);
    assert!(api_outputs["url"].starts_with("http://127.0.0.1:"), "{api_outputs:?}");
    let specs = [
        (
            "table",
            "hits-local",
            json!({ "partition_key": "path", "point_in_time_recovery": true,
            "deletion_protection": false, "max_write_units": 100, "tags": tags }),
        ),
        (
            "role",
            "hits-local",
            json!({ "trusted_service": "lambda.amazonaws.com", "statements": [], "tags": tags }),
        ),
        ("log_group", "/aws/lambda/hits-local", json!({ "retention_days": 14, "tags": tags })),
        ("function", "hits-local", function),
        ("http_api", "hits-local", api),
        (
            "permission",
            "hits-local:hitctl-http-api",
            json!({ "function_name": "hits-local",
            "principal": "apigateway.amazonaws.com", "source_arn": api_outputs["call_arn"], "source_account": "000000000000" }),
        ),
    ];
    for (kind, name, spec) in &specs {
        let first = client.put_resource(kind, name, spec).await.unwrap();
        assert_eq!(&first.spec, spec, "{kind}");
        assert_eq!(client.put_resource(kind, name, spec).await.unwrap(), first, "{kind}");
        let mut read = client.resource(kind, name).await.unwrap().unwrap();
        // The age of the log lines is added at request time.
        let oldest_ms = read.outputs.remove(hitctl_resources::OLDEST_MS);
        assert_eq!(oldest_ms.is_some(), *kind == "log_group", "{kind}");
        assert_eq!(read, first, "{kind}");
    }
    assert_eq!(client.status().await.unwrap().resources, 6);

    // Everything is restored after a restart, and the API keeps its id and URL.
    LocalClient::stop(&env.dir(), TIMEOUT).await.unwrap();
    let client = env.start_new().await;
    assert_eq!(client.resource("http_api", "hits-local").await.unwrap().unwrap().outputs, api_outputs);
    let status = client.status().await.unwrap();
    assert_eq!((status.resources, status.notices), (6, vec![]));

    for (kind, name, _) in specs.iter().rev() {
        client.delete_resource(kind, name).await.unwrap();
        client.delete_resource(kind, name).await.unwrap();
        assert_eq!(client.resource(kind, name).await.unwrap(), None, "{kind}");
    }
    assert!(client.resources().await.unwrap().is_empty());
}

#[tokio::test]
async fn api_with_port_in_use_moves_with_notice() {
    let env = DaemonTestEnv::new();
    let client = env.start_new().await;
    let api = json!({
        "function_arn": "arn:aws:lambda:local:000000000000:function:hits-local", "routes": ["ANY /counter"],
        "cors": { "allow_origins": ["*"], "allow_methods": ["*"], "allow_headers": [], "expose_headers": [],
                  "max_age_s": 3600 },
        "throttle": { "rate_per_second": 10.0, "burst": 20 }, "tags": {},
    });
    let before = client.put_resource("http_api", "hits-local", &api).await.unwrap().outputs;
    let port: u16 = before["url"].rsplit(':').next().unwrap().parse().unwrap();
    LocalClient::stop(&env.dir(), TIMEOUT).await.unwrap();
    let _other = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
    let client = env.start_new().await;
    let after = client.resource("http_api", "hits-local").await.unwrap().unwrap().outputs;
    assert_ne!(after["url"], before["url"]);
    assert_eq!(after["api_id"], before["api_id"]);
    let expected = format!(
        "http_api hits-local moved from {} to {}: another program uses its port",
        before["url"], after["url"]
    );
    assert_eq!(client.status().await.unwrap().notices, [expected]);
}

#[tokio::test]
async fn items_are_read_in_pages() {
    let env = DaemonTestEnv::new();
    let client = env.start_new().await;
    client.put_resource("table", "hits-local", &table_spec()).await.unwrap();
    let mut connection = RawConnection::connect(&client.endpoint().table).await.unwrap();
    for n in 0..7 {
        for _ in 0..=n {
            connection.hit("hits-local", &format!("/{n}")).await.unwrap();
        }
    }
    let mut found = Vec::new();
    let mut after = None;
    loop {
        let page = client.items("hits-local", after.as_ref(), 3).await.unwrap();
        assert!(page.items.len() <= 3);
        found.extend(page.items.iter().map(|item| item["path"]["S"].as_str().unwrap().to_owned()));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    found.sort();
    assert_eq!(found, ["/0", "/1", "/2", "/3", "/4", "/5", "/6"]);
    assert_eq!(hit_count(&client, "hits-local", "/6").await, 7);
    assert_eq!(hit_count(&client, "hits-local", "/nothing").await, 0);
    let fault = client.items("nothing", None, 0).await.unwrap_err();
    assert_eq!(fault.code, "ResourceNotFoundException");
}

#[tokio::test]
async fn missing_or_unknown_resources_get_specific_errors() {
    let env = DaemonTestEnv::new();
    let client = env.start_new().await;
    assert_eq!(client.resource("table", "nothing").await.unwrap(), None);
    let fault = client.put_resource("bucket", "hits", &json!({})).await.unwrap_err();
    assert_eq!(fault.code, "unknown_kind");
    let fault = client.invoke("nothing", Bytes::from("{}")).await.unwrap_err();
    assert_eq!(fault.code, "ResourceNotFoundException");
    let page = client.logs("/aws/lambda/nothing", &LogEventQuery::default()).await.unwrap();
    assert!(page.events.is_empty());
    let created = client.put_resource("table", "hits-local", &table_spec()).await;
    created.unwrap();
    let fault = client.delete_resource("table", "hits-local").await.unwrap_err();
    assert_eq!(fault.code, "ValidationException");
    assert!(client.resource("table", "hits-local").await.unwrap().is_some());
}

/// Returns a zip with a `bootstrap`.
pub(crate) fn zip_of(bootstrap: &str) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    zip.start_file("bootstrap", zip::write::SimpleFileOptions::default().unix_permissions(0o755)).unwrap();
    zip.write_all(bootstrap.as_bytes()).unwrap();
    zip.finish().unwrap().into_inner()
}

pub(crate) fn sha256_of(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    Sha256::digest(bytes).iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").unwrap();
        hex
    })
}
