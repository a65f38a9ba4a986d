//! The function as it is deployed, under AWS's own Runtime Interface Emulator: what it makes of the Runtime API is AWS's
//! program's word, not ours.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use hitctl_emulators::Rie;
use serde_json::{Value as Json, json};

use crate::support::{Http, Yard, artifact};

const HITS: u64 = 25;

#[test]
fn events_under_the_runtime_interface_emulator_are_counted_exactly() {
    let yard = Yard::with("");
    yard.deploy();
    let table = yard.run(&["local", "status", "--json"]).json()["table"].as_str().unwrap().to_owned();
    let bootstrap = yard.path().join("bootstrap");
    unpack(Path::new(&artifact()), &bootstrap);
    let rie = Rie::start(
        &bootstrap,
        &[
            ("AWS_LAMBDA_FUNCTION_NAME", "hits-local"),
            ("AWS_LAMBDA_FUNCTION_TIMEOUT", "10"),
            ("AWS_REGION", "eu-central-1"),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("HITS_TABLE_NAME", "hits-local"),
            ("HITCTL_BOTS", "count"),
            ("DYNAMODB_ENDPOINT", &table),
        ],
    );
    let mut http = Http::connect(rie.endpoint()).unwrap();
    let mut invoke =
        |event: &Json| http.ask("POST", Rie::INVOCATIONS, "", event.to_string().as_bytes()).unwrap().json();
    for hits in 1..=HITS {
        let answer = invoke(&event("path=%2Frie"));
        assert_eq!((&answer["statusCode"], &body(&answer)["hits"]), (&200.into(), &hits.into()), "{answer}");
    }
    // One that is not understood fails alone, and the same process goes on.
    assert_eq!(invoke(&json!({"what": "else"}))["errorType"], "Hitctl.UnsupportedEvent");
    assert_eq!(invoke(&event("path=%00"))["statusCode"], 400);
    assert_eq!(body(&invoke(&event("path=%2Frie&ro=1")))["hits"], HITS);
    let counts = yard.run(&["counts", "get", "/rie", "--json"]).json();
    assert_eq!(counts["counts"][0]["hits"], HITS, "{counts}");
}

/// A request of an HTTP API.
fn event(query: &str) -> Json {
    json!({
        "version": "2.0",
        "routeKey": "GET /counter",
        "rawPath": "/counter",
        "rawQueryString": query,
        "headers": {"host": "x.execute-api.eu-central-1.amazonaws.com"},
        "requestContext": {
            "http": {"method": "GET", "path": "/counter", "sourceIp": "203.0.113.7", "userAgent": "curl/8"},
            "stage": "$default",
        },
        "isBase64Encoded": false,
    })
}

fn body(answer: &Json) -> Json {
    serde_json::from_str(answer["body"].as_str().unwrap()).unwrap()
}

fn unpack(zip: &Path, bootstrap: &Path) {
    let mut archive = zip::ZipArchive::new(std::fs::File::open(zip).unwrap()).unwrap();
    let mut packed = archive.by_name("bootstrap").unwrap();
    let mut file = std::fs::File::create(bootstrap).unwrap();
    std::io::copy(&mut packed, &mut file).unwrap();
    file.set_permissions(std::fs::Permissions::from_mode(0o755)).unwrap();
}
