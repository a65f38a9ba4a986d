//! Two deploys at once: one at a time changes something, whoever was killed is no obstacle, and no clock decides alone.

use std::process::Stdio;
use std::time::Duration;

use hitctl_cloud::{Holder, Lease, LeaseRequest, Table};
use serde_json::{Value as Json, json};
use tokio_util::sync::CancellationToken;

use crate::support::{Ran, Yard, artifact};
use crate::wire::{Cut, Wire};

const CHANGED: &str = "[function]\nmemory_mb = 256\n";

/// Runs a deploy that waits so long for another one.
fn deploy(yard: &Yard, lock: &str) -> Ran {
    yard.run(&["deploy", "--json", "--artifact", &artifact(), "--lock-timeout", lock])
}

fn lease(yard: &Yard) -> Option<Json> {
    let key = json!({ "TableName": "hits-local", "Key": { "path": { "S": "!lease" } } });
    yard.table("GetItem", &key).get("Item").cloned()
}

/// Puts a lease there that somebody on another machine holds.
fn held(yard: &Yard, lasts: u64, expires: u64) {
    let item = json!({
        "path": { "S": "!lease" }, "owner": { "S": "another" }, "who": { "S": "ann@laptop (pid 12, hitctl deploy)" },
        "since": { "N": "1790000000" }, "expires": { "N": expires.to_string() }, "lasts": { "N": lasts.to_string() },
        "beat": { "N": "3" }
    });
    yard.table("PutItem", &json!({ "TableName": "hits-local", "Item": item }));
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

fn now() -> u64 {
    1_790_000_000
}

/// A clock that is 20 minutes ahead.
fn ahead() -> u64 {
    now() + 1200
}

/// Somebody of this process who wants the lease, once.
fn taking(yard: &Yard, lasts: u64, patience: u64, clock: fn() -> u64) -> LeaseRequest {
    let said: Json =
        serde_json::from_slice(&std::fs::read(yard.state().join("daemon.json")).unwrap()).unwrap();
    let keys = aws_credential_types::Credentials::new("local", "local", None, None, "test");
    let config = aws_config::SdkConfig::builder()
        .behavior_version(aws_config::BehaviorVersion::latest())
        .endpoint_url(said["table"].as_str().unwrap())
        .region(aws_config::Region::from_static("local"))
        .credentials_provider(aws_credential_types::provider::SharedCredentialsProvider::new(keys))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    LeaseRequest {
        table: Table::new(&config, "hits-local"),
        holder: Holder::of(&yard.env(), "deploy"),
        lasts: Duration::from_secs(lasts),
        patience: Duration::from_secs(patience),
        sink: hitctl_engine::Sink::none(),
        stop: CancellationToken::new(),
        run: CancellationToken::new(),
        clock,
    }
}

fn at_the_table(test: impl AsyncFnOnce(&Yard)) {
    let yard = Yard::with("");
    yard.deploy();
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(test(&yard));
}

#[test]
fn one_at_a_time_has_it() {
    at_the_table(async |yard| {
        let (first, waited) = Lease::take(&taking(yard, 60, 0, now)).await.unwrap();
        assert!(!waited);
        for clock in [now, ahead] {
            let fault = Lease::take(&taking(yard, 60, 0, clock)).await.err().unwrap();
            assert_eq!(fault.code, "lease_held");
        }
        first.release().await;
        let (second, waited) = Lease::take(&taking(yard, 60, 0, now)).await.unwrap();
        assert!(!waited);
        // One that was dropped by a run that failed is its process's own to take.
        drop(second);
        Lease::take(&taking(yard, 60, 0, now)).await.unwrap().0.release().await;
    });
}

#[test]
fn who_lives_keeps_it_though_another_clock_says_it_has_expired() {
    at_the_table(async |yard| {
        let (held, _) = Lease::take(&taking(yard, 9, 0, now)).await.unwrap();
        let fault = Lease::take(&taking(yard, 9, 8, ahead)).await.err().unwrap();
        assert_eq!(fault.code, "lease_held");
        assert!(held.lost().is_none());
        let beat: u64 = lease(yard).unwrap()["beat"]["N"].as_str().unwrap().parse().unwrap();
        assert!(beat > 0);
        held.release().await;
    });
}

#[test]
fn who_loses_it_stops() {
    at_the_table(async |yard| {
        let run = taking(yard, 3, 0, now);
        let (lost, _) = Lease::take(&run).await.unwrap();
        held(yard, 60, FAR);
        run.run.cancelled().await;
        assert_eq!(lost.lost().unwrap().cause.unwrap(), "somebody else has taken it");
        lost.release().await;
        assert_eq!(lease(yard).unwrap()["owner"]["S"], "another", "what is another's stays");
        held(yard, 1, 0);
        let run = taking(yard, 3, 60, now);
        let (cut_off, waited) = Lease::take(&run).await.unwrap();
        assert!(waited);
        let state = yard.state();
        tokio::task::spawn_blocking(move || stop(&state)).await.unwrap();
        run.run.cancelled().await;
        assert_eq!(cut_off.lost().unwrap().code, "lease_lost");
        cut_off.release().await;
    });
}

/// Kills the cloud.
fn stop(state: &std::path::Path) {
    let said: Json = serde_json::from_slice(&std::fs::read(state.join("daemon.json")).unwrap()).unwrap();
    let pid = i32::try_from(said["pid"].as_i64().unwrap()).unwrap();
    rustix::process::kill_process(
        rustix::process::Pid::from_raw(pid).unwrap(),
        rustix::process::Signal::KILL,
    )
    .unwrap();
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
