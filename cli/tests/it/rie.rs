//! The deployed function under AWS's Runtime Interface Emulator, an independent implementation of the Runtime API.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use hitctl_emulators::RuntimeInterfaceEmulator;
use serde_json::{Value as Json, json};

use crate::support::{TestConnection, TestEnv, artifact};

const HITS: u64 = 25;

#[test]
fn events_under_the_runtime_interface_emulator_are_counted_exactly() {
    let test_env = TestEnv::with_config("");
    test_env.deploy();
    let table = test_env.run(&["local", "status", "--json"]).json()["table"].as_str().unwrap().to_owned();
    let bootstrap = test_env.path().join("bootstrap");
    unpack(Path::new(&artifact()), &bootstrap);
    let rie = RuntimeInterfaceEmulator::start(
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
    let mut http = TestConnection::connect(rie.endpoint()).unwrap();
    let mut invoke = |event: &Json| {
        http.send("POST", RuntimeInterfaceEmulator::INVOCATIONS, "", event.to_string().as_bytes())
            .unwrap()
            .json()
    };
    for hits in 1..=HITS {
        let response = invoke(&event("path=%2Frie"));
        assert_eq!(
            (&response["statusCode"], &body(&response)["hits"]),
            (&200.into(), &hits.into()),
            "{response}"
        );
    }
    // An unsupported event fails alone, and the same process continues.
    assert_eq!(invoke(&json!({"what": "else"}))["errorType"], "Hitctl.UnsupportedEvent");
    assert_eq!(invoke(&event("path=%00"))["statusCode"], 400);
    assert_eq!(body(&invoke(&event("path=%2Frie&ro=1")))["hits"], HITS);
    let counts = test_env.run(&["counts", "get", "/rie", "--json"]).json();
    assert_eq!(counts["counts"][0]["hits"], HITS, "{counts}");
}

/// Returns the event of an HTTP API request.
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

fn body(response: &Json) -> Json {
    serde_json::from_str(response["body"].as_str().unwrap()).unwrap()
}

fn unpack(zip: &Path, bootstrap: &Path) {
    let mut archive = zip::ZipArchive::new(std::fs::File::open(zip).unwrap()).unwrap();
    let mut packed = archive.by_name("bootstrap").unwrap();
    let mut file = std::fs::File::create(bootstrap).unwrap();
    std::io::copy(&mut packed, &mut file).unwrap();
    file.set_permissions(std::fs::Permissions::from_mode(0o755)).unwrap();
}
