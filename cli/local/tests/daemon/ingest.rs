//! Tests of an HTTP API with a route that sends hits to a queue and other routes to a function.

use serde_json::{Value as Json, json};

use crate::harness::{DaemonTestEnv, RawConnection, call_service, daemon_pid, sigkill};

const BROWSER: &str = "user-agent: Firefox\r\norigin: https://a.example\r\ncontent-type: text/plain";

async fn send(url: &str, line: &str, headers: &str, body: &str) -> (u16, String) {
    let mut connection = RawConnection::connect(url).await.unwrap();
    connection.send(&format!("{line} HTTP/1.1\r\nhost: x\r\n{headers}"), body).await.unwrap()
}

#[tokio::test]
async fn ingested_hit_waits_on_queue_and_survives_sigkill() {
    let env = DaemonTestEnv::new();
    let client = env.start_new().await;
    let queue = json!({
        "visibility_timeout_s": 30, "retention_s": 345_600, "managed_encryption": true, "redrive": null, "senders": [],
        "tags": {},
    });
    let queue = client.put_resource("queue", "hits-local-hits", &queue).await.unwrap();
    let api = json!({
        "function_arn": "arn:aws:lambda:local:000000000000:function:hits-local", "routes": ["ANY /v1/hit", "ANY /counter"],
        "ingest": {
            "route": "POST /v1/hit", "queue_url": queue.outputs["url"], "role_arn": "arn:aws:iam::000000000000:role/r",
            "attributes": {
                "ip": "context.identity.sourceIp", "origin": "request.header.origin", "ua": "context.identity.userAgent",
            },
        },
        "cors": { "allow_origins": ["https://a.example"], "allow_methods": ["*"], "allow_headers": ["content-type"],
                  "expose_headers": [], "max_age_s": 3600 },
        "throttle": { "rate_per_second": 0.001, "burst": 6 }, "tags": {},
    });
    let url = client.put_resource("http_api", "hits-local", &api).await.unwrap().outputs["url"].clone();
    let (status, response) = send(&url, "POST /v1/hit?quiet=1", BROWSER, "/x").await;
    assert_eq!(status, 200, "{response}");
    let response: Json = serde_json::from_str(&response).unwrap();
    let sent = &response["SendMessageResponse"]["SendMessageResult"];
    sigkill(daemon_pid(&client));
    let client = env.start_new().await;
    let url = client.resource("http_api", "hits-local").await.unwrap().unwrap().outputs["url"].clone();
    let receive_request = json!({ "QueueUrl": queue.outputs["url"], "MessageAttributeNames": ["All"] });
    let (_, received) = call_service(&client, "AmazonSQS.ReceiveMessage", &receive_request).await;
    let message = &received["Messages"][0];
    assert_eq!(message["Body"], "/x");
    assert_eq!(message["MessageId"], sent["MessageId"]);
    assert_eq!(message["MD5OfBody"], sent["MD5OfMessageBody"]);
    assert_eq!(message["MD5OfMessageAttributes"], sent["MD5OfMessageAttributes"]);
    let attribute = |name: &str| message["MessageAttributes"][name]["StringValue"].as_str();
    let attributes = ["ip", "origin", "ua"].map(attribute);
    assert_eq!(attributes, [Some("127.0.0.1"), Some("https://a.example"), Some("Firefox")]);

    let preflight = format!("{BROWSER}\r\naccess-control-request-method: POST");
    for (line, headers, body, status) in [
        ("OPTIONS /v1/hit", preflight.as_str(), "", 204),
        ("POST /v1/hit", BROWSER, "", 400),
        ("POST /v1/hit", "origin: https://a.example", "/x", 400),
        // Another method is routed to the function, which does not exist.
        ("GET /v1/hit", BROWSER, "", 500),
        ("GET /counter", BROWSER, "", 500),
        ("POST /v1/hit", BROWSER, "/y", 200),
        ("POST /v1/hit", BROWSER, "\u{1}", 400),
        ("POST /v1/hit", BROWSER, "/z", 429),
    ] {
        let (found, response) = send(&url, line, headers, body).await;
        assert_eq!(found, status, "{line} {response}");
    }
}
