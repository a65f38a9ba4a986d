//! Two deploys at once: one at a time changes something, whoever was killed is no obstacle, and no clock decides alone.

use std::process::Stdio;

use serde_json::{Value as Json, json};

use crate::support::{Http, Ran, Yard, artifact};
use crate::wire::{Cut, Wire};

const CHANGED: &str = "[function]\nmemory_mb = 256\n";

/// Runs a deploy that waits so long for another one.
fn deploy(yard: &Yard, lock: &str) -> Ran {
    yard.run(&["deploy", "--json", "--artifact", &artifact(), "--lock-timeout", lock])
}

/// Asks the table as any program would.
fn table(yard: &Yard, operation: &str, request: &Json) -> Json {
    let said = std::fs::read(yard.state().join("daemon.json")).unwrap();
    let said: Json = serde_json::from_slice(&said).unwrap();
    let headers = format!(
        "content-type: application/x-amz-json-1.0\r\nx-amz-target: DynamoDB_20120810.{operation}\r\n\
         x-amz-date: 20260101T000000Z\r\nauthorization: AWS4-HMAC-SHA256 \
         Credential=local/20260101/local/dynamodb/aws4_request, SignedHeaders=host, Signature=0\r\n"
    );
    let mut http = Http::connect(said["table"].as_str().unwrap()).unwrap();
    let answer = http.ask("POST", "/", &headers, request.to_string().as_bytes()).unwrap();
    assert_eq!(answer.status, 200, "{operation}: {answer:?}");
    answer.json()
}

fn lease(yard: &Yard) -> Option<Json> {
    let key = json!({ "TableName": "hits-local", "Key": { "path": { "S": "!lease" } } });
    table(yard, "GetItem", &key).get("Item").cloned()
}

/// Puts a lease there that somebody on another machine holds.
fn held(yard: &Yard, lasts: u64, expires: u64) {
    let item = json!({
        "path": { "S": "!lease" }, "owner": { "S": "another" }, "who": { "S": "ann@laptop (pid 12, hitctl deploy)" },
        "since": { "N": "1790000000" }, "expires": { "N": expires.to_string() }, "lasts": { "N": lasts.to_string() },
        "beat": { "N": "3" }
    });
    table(yard, "PutItem", &json!({ "TableName": "hits-local", "Item": item }));
}

/// A time that no clock has come to.
const FAR: u64 = 4_000_000_000;

#[test]
fn who_waits_too_long_is_told_for_whom_and_has_changed_nothing() {
    let yard = Yard::with("");
    yard.deploy();
    held(&yard, 60, FAR);
    yard.write("hitctl.toml", CHANGED);
    let wire = Wire::tap(&yard);
    let ran = deploy(&yard, "0s");
    assert_eq!(ran.code, 7, "{ran:?}");
    let error = ran.json()["error"].clone();
    assert_eq!(error["code"], "lease_held");
    let message = error["message"].as_str().unwrap();
    let start = "another deploy holds the lease: ann@laptop (pid 12, hitctl deploy), since 2026-09-21T14:13:20Z (expires in ";
    assert!(message.starts_with(start), "{message}");
    assert!(error["hint"].as_str().unwrap().contains("`--lock-timeout 5m`"), "{error}");
    let ran = yard.run(&["destroy", "--yes", "--json", "--lock-timeout", "0s"]);
    assert_eq!(ran.code, 7, "{ran:?}");
    for call in wire.calls() {
        let harmless = ["GET ", "HEAD ", "dynamodb:PutItem", "dynamodb:GetItem"];
        assert!(harmless.iter().any(|start| call.starts_with(start)), "{call}");
    }
    drop(wire);
    assert_eq!(lease(&yard).unwrap()["owner"]["S"], "another");
    // What changes nothing, and what only reads, asks for no lease.
    yard.write("hitctl.toml", "");
    let wire = Wire::tap(&yard);
    assert_eq!(deploy(&yard, "0s").code, 0);
    assert_eq!(yard.run(&["status"]).code, 0);
    assert!(wire.calls().iter().all(|call| call.starts_with("GET ") || call == "dynamodb:Scan"));
}

#[test]
fn a_lease_is_given_back_whatever_became_of_the_run() {
    let yard = Yard::with("");
    yard.deploy();
    assert_eq!(lease(&yard), None);
    yard.write("hitctl.toml", CHANGED);
    let wire = Wire::tap(&yard);
    // The first change fails.
    let zip = artifact();
    let args = ["deploy", "--json", "--artifact", &zip];
    let calls = {
        yard.run(&["plan", "--artifact", &zip]);
        wire.calls().len()
    };
    wire.cut(calls + 2, Cut::Unsent);
    let ran = yard.run(&args);
    assert_ne!(ran.code, 0, "{ran:?}");
    drop(wire);
    assert_eq!(lease(&yard), None);
    assert_eq!(deploy(&yard, "0s").code, 0);
    assert_eq!(lease(&yard), None);
}

#[test]
fn what_nobody_holds_any_more_is_taken_after_a_look() {
    let yard = Yard::with("");
    yard.deploy();
    // Another machine's, that lasts a second and never changes.
    held(&yard, 1, 0);
    yard.write("hitctl.toml", CHANGED);
    let ran = yard.run(&["deploy", "--artifact", &artifact()]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stderr.contains("the lease, held by ann@laptop (pid 12, hitctl deploy)"), "{ran:?}");
    assert_eq!(lease(&yard), None);
}

/// The holder's clock may be 20 minutes behind: its lease looks expired when it is fresh.
#[test]
fn what_looks_expired_is_not_stolen_at_sight() {
    let yard = Yard::with("");
    yard.deploy();
    held(&yard, 60, 1_790_000_000);
    yard.write("hitctl.toml", CHANGED);
    let ran = deploy(&yard, "1s");
    assert_eq!(ran.code, 7, "{ran:?}");
    assert!(ran.json()["error"]["message"].as_str().unwrap().contains("looks expired"), "{ran:?}");
    assert_eq!(lease(&yard).unwrap()["beat"]["N"], "3");
}

#[test]
fn the_lease_of_a_killed_process_on_this_machine_is_free_at_once() {
    let yard = Yard::with("");
    yard.deploy();
    yard.write("hitctl.toml", CHANGED);
    let zip = artifact();
    yard.run(&["plan", "--artifact", &zip]);
    let wire = Wire::tap(&yard);
    yard.run(&["plan", "--artifact", &zip]);
    let reads = wire.calls().len();
    wire.cut(reads + 1, Cut::ProgramAfter);
    let mut program = yard.command(&["deploy", "--artifact", &zip]);
    let mut program = program.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    wire.holds(&program);
    program.wait().unwrap();
    drop(wire);
    assert!(lease(&yard).is_some(), "it was killed with the lease in its hand");
    let ran = deploy(&yard, "0s");
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(lease(&yard), None);
}

#[test]
fn three_first_deploys_at_once_make_one_counter() {
    let yard = Yard::with("");
    assert_eq!(yard.run(&["local", "start"]).code, 0);
    let zip = artifact();
    let programs: Vec<_> = (0..3)
        .map(|_| {
            let mut program = yard.command(&["deploy", "--json", "--artifact", &zip, "--lock-timeout", "5m"]);
            program.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    let mut urls = std::collections::BTreeSet::new();
    for program in programs {
        let ended = program.wait_with_output().unwrap();
        assert_eq!(ended.status.code(), Some(0), "{ended:?}");
        let said: Json = serde_json::from_slice(&ended.stdout).unwrap();
        urls.insert(said["outputs"]["url"].as_str().unwrap().to_owned());
    }
    assert_eq!(urls.len(), 1);
    assert_eq!(lease(&yard), None);
    let plan = yard.run(&["plan", "--detailed-exitcode", "--artifact", &zip]);
    assert_eq!(plan.code, 0, "{plan:?}");
}
