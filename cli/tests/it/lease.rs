//! Concurrent deploys: only one at a time makes changes, a killed run does not block others, and a wrong clock does not
//! break a lease.

use std::process::Stdio;
use std::time::Duration;

use hitctl_cloud::{DynamoDbTable, Lease, LeaseHolder, LeaseRequest};
use serde_json::{Value as Json, json};
use tokio_util::sync::CancellationToken;

use crate::proxy::{CloudProxy, Cut};
use crate::support::{CommandOutput, TestEnv, artifact};

const CHANGED: &str = "[function]\nmemory_mb = 256\n";

/// Runs a deploy that waits up to `lock_timeout` for another deploy.
fn deploy(test_env: &TestEnv, lock_timeout: &str) -> CommandOutput {
    test_env.run(&["deploy", "--json", "--artifact", &artifact(), "--lock-timeout", lock_timeout])
}

fn lease(test_env: &TestEnv) -> Option<Json> {
    let key = json!({ "TableName": "hits-local", "Key": { "path": { "S": "!lease" } } });
    test_env.table("GetItem", &key).get("Item").cloned()
}

/// Writes a lease that another machine holds. `lasts` is a number of seconds, `expires` a time in seconds since 1970.
fn put_foreign_lease(test_env: &TestEnv, lasts: u64, expires: u64) {
    let item = json!({
        "path": { "S": "!lease" }, "owner": { "S": "another" }, "who": { "S": "ann@laptop (pid 12, hitctl deploy)" },
        "since": { "N": "1790000000" }, "expires": { "N": expires.to_string() }, "lasts": { "N": lasts.to_string() },
        "beat": { "N": "3" }
    });
    test_env.table("PutItem", &json!({ "TableName": "hits-local", "Item": item }));
}

/// A time in the far future, in seconds since 1970.
const FAR_FUTURE: u64 = 4_000_000_000;

#[test]
fn lock_timeout_names_lease_holder_and_changes_nothing() {
    let test_env = TestEnv::with_config("");
    test_env.deploy();
    put_foreign_lease(&test_env, 60, FAR_FUTURE);
    test_env.write("hitctl.toml", CHANGED);
    let proxy = CloudProxy::attach(&test_env);
    let output = deploy(&test_env, "0s");
    assert_eq!(output.code, 7, "{output:?}");
    let error = output.json()["error"].clone();
    assert_eq!(error["code"], "lease_held");
    let message = error["message"].as_str().unwrap();
    let start = "another deploy holds the lease: ann@laptop (pid 12, hitctl deploy), since 2026-09-21T14:13:20Z (expires in ";
    assert!(message.starts_with(start), "{message}");
    assert!(error["hint"].as_str().unwrap().contains("`--lock-timeout 5m`"), "{error}");
    let output = test_env.run(&["destroy", "--yes", "--json", "--lock-timeout", "0s"]);
    assert_eq!(output.code, 7, "{output:?}");
    for call in proxy.take_calls() {
        let harmless = ["GET ", "HEAD ", "dynamodb:PutItem", "dynamodb:GetItem"];
        assert!(harmless.iter().any(|start| call.starts_with(start)), "{call}");
    }
    drop(proxy);
    assert_eq!(lease(&test_env).unwrap()["owner"]["S"], "another");
    // Runs that change nothing take no lease.
    test_env.write("hitctl.toml", "");
    let proxy = CloudProxy::attach(&test_env);
    assert_eq!(deploy(&test_env, "0s").code, 0);
    assert_eq!(test_env.run(&["status"]).code, 0);
    let reads = |call: &String| {
        call.starts_with("GET ") || ["dynamodb:Scan", "dynamodb:GetItem"].contains(&call.as_str())
    };
    assert!(proxy.take_calls().iter().all(reads));
}

#[test]
fn lease_is_released_after_failure_and_success() {
    let test_env = TestEnv::with_config("");
    test_env.deploy();
    assert_eq!(lease(&test_env), None);
    test_env.write("hitctl.toml", CHANGED);
    let proxy = CloudProxy::attach(&test_env);
    // After the reads of a plan come the call that takes the lease, and the first change, which fails.
    let zip = artifact();
    let args = ["deploy", "--json", "--artifact", &zip];
    let calls = {
        test_env.run(&["plan", "--artifact", &zip]);
        proxy.take_calls().len()
    };
    proxy.cut(calls + 2, Cut::RequestLost);
    let output = test_env.run(&args);
    assert_ne!(output.code, 0, "{output:?}");
    drop(proxy);
    assert_eq!(lease(&test_env), None);
    assert_eq!(deploy(&test_env, "0s").code, 0);
    assert_eq!(lease(&test_env), None);
}

#[test]
fn abandoned_lease_is_taken_after_observation() {
    let test_env = TestEnv::with_config("");
    test_env.deploy();
    // A lease of another machine that lasts one second and is never renewed.
    put_foreign_lease(&test_env, 1, 0);
    test_env.write("hitctl.toml", CHANGED);
    let output = test_env.run(&["deploy", "--artifact", &artifact()]);
    assert_eq!(output.code, 0, "{output:?}");
    assert!(output.stderr.contains("the lease, held by ann@laptop (pid 12, hitctl deploy)"), "{output:?}");
    assert_eq!(lease(&test_env), None);
}

/// If the holder's clock is behind, its lease looks expired although it is fresh.
#[test]
fn apparently_expired_lease_is_not_taken_at_once() {
    let test_env = TestEnv::with_config("");
    test_env.deploy();
    put_foreign_lease(&test_env, 60, 1_790_000_000);
    test_env.write("hitctl.toml", CHANGED);
    let output = deploy(&test_env, "1s");
    assert_eq!(output.code, 7, "{output:?}");
    assert!(output.json()["error"]["message"].as_str().unwrap().contains("appears expired"), "{output:?}");
    assert_eq!(lease(&test_env).unwrap()["beat"]["N"], "3");
}

#[test]
fn lease_of_killed_local_process_is_free_at_once() {
    let test_env = TestEnv::with_config("");
    test_env.deploy();
    test_env.write("hitctl.toml", CHANGED);
    let zip = artifact();
    test_env.run(&["plan", "--artifact", &zip]);
    let proxy = CloudProxy::attach(&test_env);
    test_env.run(&["plan", "--artifact", &zip]);
    let reads = proxy.take_calls().len();
    proxy.cut(reads + 1, Cut::ProgramKilledAfter);
    let mut program = test_env.command(&["deploy", "--artifact", &zip]);
    let mut program = program.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    proxy.set_program(&program);
    program.wait().unwrap();
    drop(proxy);
    assert!(lease(&test_env).is_some(), "the killed run still has the lease");
    let output = deploy(&test_env, "0s");
    assert_eq!(output.code, 0, "{output:?}");
    assert_eq!(lease(&test_env), None);
}

/// Returns a fixed time, in seconds since 1970.
fn now() -> u64 {
    1_790_000_000
}

/// Returns the time of a clock that is 20 minutes ahead.
fn ahead() -> u64 {
    now() + 1200
}

/// Returns a request for the lease by this process. Durations are in seconds.
fn lease_request(test_env: &TestEnv, lasts: u64, max_wait: u64, clock: fn() -> u64) -> LeaseRequest {
    let endpoint: Json =
        serde_json::from_slice(&std::fs::read(test_env.state().join("daemon.json")).unwrap()).unwrap();
    let keys = aws_credential_types::Credentials::new("local", "local", None, None, "test");
    let config = aws_config::SdkConfig::builder()
        .behavior_version(aws_config::BehaviorVersion::latest())
        .endpoint_url(endpoint["table"].as_str().unwrap())
        .region(aws_config::Region::from_static("local"))
        .credentials_provider(aws_credential_types::provider::SharedCredentialsProvider::new(keys))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    LeaseRequest {
        table: DynamoDbTable::new(&config, "hits-local"),
        holder: LeaseHolder::new(&test_env.env(), "deploy"),
        duration: Duration::from_secs(lasts),
        max_wait: Duration::from_secs(max_wait),
        sink: hitctl_engine::EventSink::none(),
        stop: CancellationToken::new(),
        run: CancellationToken::new(),
        clock,
    }
}

fn with_deployed_table(test: impl AsyncFnOnce(&TestEnv)) {
    let test_env = TestEnv::with_config("");
    test_env.deploy();
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(test(&test_env));
}

#[test]
fn lease_has_one_holder_at_a_time() {
    with_deployed_table(async |test_env| {
        let (first, waited) = Lease::take(&lease_request(test_env, 60, 0, now)).await.unwrap();
        assert!(!waited);
        for clock in [now, ahead] {
            let fault = Lease::take(&lease_request(test_env, 60, 0, clock)).await.err().unwrap();
            assert_eq!(fault.code, "lease_held");
        }
        first.release().await;
        let (second, waited) = Lease::take(&lease_request(test_env, 60, 0, now)).await.unwrap();
        assert!(!waited);
        // A lease that a failed run has dropped can be taken again by the same process.
        drop(second);
        Lease::take(&lease_request(test_env, 60, 0, now)).await.unwrap().0.release().await;
    });
}

#[test]
fn renewed_lease_is_kept_despite_fast_clock_of_another_run() {
    with_deployed_table(async |test_env| {
        let (held, _) = Lease::take(&lease_request(test_env, 9, 0, now)).await.unwrap();
        let fault = Lease::take(&lease_request(test_env, 9, 8, ahead)).await.err().unwrap();
        assert_eq!(fault.code, "lease_held");
        assert!(held.loss().is_none());
        let heartbeat: u64 = lease(test_env).unwrap()["beat"]["N"].as_str().unwrap().parse().unwrap();
        assert!(heartbeat > 0);
        held.release().await;
    });
}

#[test]
fn run_that_loses_its_lease_stops() {
    with_deployed_table(async |test_env| {
        let request = lease_request(test_env, 3, 0, now);
        let (lost, _) = Lease::take(&request).await.unwrap();
        put_foreign_lease(test_env, 60, FAR_FUTURE);
        request.run.cancelled().await;
        assert_eq!(lost.loss().unwrap().cause.unwrap(), "another run has taken it");
        lost.release().await;
        assert_eq!(lease(test_env).unwrap()["owner"]["S"], "another", "the lease of the other run is kept");
        put_foreign_lease(test_env, 1, 0);
        let request = lease_request(test_env, 3, 60, now);
        let (cut_off, waited) = Lease::take(&request).await.unwrap();
        assert!(waited);
        let state = test_env.state();
        tokio::task::spawn_blocking(move || kill_cloud(&state)).await.unwrap();
        request.run.cancelled().await;
        assert_eq!(cut_off.loss().unwrap().code, "lease_lost");
        cut_off.release().await;
    });
}

/// Kills the local cloud.
fn kill_cloud(state: &std::path::Path) {
    let endpoint: Json = serde_json::from_slice(&std::fs::read(state.join("daemon.json")).unwrap()).unwrap();
    let pid = i32::try_from(endpoint["pid"].as_i64().unwrap()).unwrap();
    rustix::process::kill_process(
        rustix::process::Pid::from_raw(pid).unwrap(),
        rustix::process::Signal::KILL,
    )
    .unwrap();
}

#[test]
fn three_concurrent_first_deploys_create_one_counter() {
    let test_env = TestEnv::with_config("");
    assert_eq!(test_env.run(&["local", "start"]).code, 0);
    let zip = artifact();
    let programs: Vec<_> = (0..3)
        .map(|_| {
            let mut program =
                test_env.command(&["deploy", "--json", "--artifact", &zip, "--lock-timeout", "5m"]);
            program.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    let mut urls = std::collections::BTreeSet::new();
    for program in programs {
        let ended = program.wait_with_output().unwrap();
        assert_eq!(ended.status.code(), Some(0), "{ended:?}");
        let result: Json = serde_json::from_slice(&ended.stdout).unwrap();
        urls.insert(result["outputs"]["url"].as_str().unwrap().to_owned());
    }
    assert_eq!(urls.len(), 1);
    assert_eq!(lease(&test_env), None);
    let plan = test_env.run(&["plan", "--detailed-exitcode", "--artifact", &zip]);
    assert_eq!(plan.code, 0, "{plan:?}");
}
