//! Tests of missing, empty and newer files in the state directory: the daemon refuses to start with them.

use std::path::Path;

use hitctl_local::client::LocalClient;
use hitctl_local::{OfflineCloud, state};
use serde_json::{Value as Json, json};

use crate::harness::{
    DaemonTestEnv, RawConnection, TIMEOUT, daemon_exe, daemon_pid, hit_count, sigkill, table_spec,
};
use crate::queues::queue_spec;

fn rule_spec() -> Json {
    let arn = |name: &str| format!("arn:aws:sqs:local:000000000000:{name}");
    json!({
        "bus": "default", "pattern": { "source": ["a"] }, "enabled": true, "target_arn": arn("hits-local"),
        "max_retries": 1, "max_age_s": 60, "dead_letter_arn": arn("hits-local"), "tags": {},
    })
}

/// Returns the environment of a stopped cloud with two tables, a queue, a rule and a hit.
async fn deployed_env() -> DaemonTestEnv {
    let env = DaemonTestEnv::new();
    let client = env.start_new().await;
    for name in ["hits-local", "seen-local"] {
        client.put_resource("table", name, &table_spec()).await.unwrap();
    }
    client.put_resource("queue", "hits-local", &queue_spec()).await.unwrap();
    client.put_resource("event_rule", "hits-local", &rule_spec()).await.unwrap();
    RawConnection::connect(&client.endpoint().table).await.unwrap().hit("hits-local", "/").await.unwrap();
    LocalClient::stop(&env.dir(), TIMEOUT).await.unwrap();
    env
}

/// Starts the daemon, which must fail. Returns the cause, without the path of the state directory, and the
/// hint.
async fn start_error(env: &DaemonTestEnv) -> (String, String) {
    let fault = LocalClient::ensure_running(&env.dir(), &daemon_exe(), "daemon").await.unwrap_err();
    assert_eq!(fault.code, "local_start_failed", "{fault:?}");
    let dir = format!("{}/", env.dir().display());
    (fault.cause.unwrap().replace(&dir, ""), fault.hint.unwrap())
}

fn remove_all_of(dir: &Path, file: &str) {
    for suffix in ["", "-wal", "-shm"] {
        drop(std::fs::remove_file(dir.join(format!("{file}{suffix}"))));
    }
}

/// The databases, and the reason why a deployed state needs each.
const FILES: [(&str, &str); 3] = [
    ("tables.db", "the registry lists 2 tables: hits-local, seen-local"),
    ("queues.sqlite", "the registry lists 1 queue: hits-local"),
    ("events.sqlite", "the registry lists 1 event rule: hits-local"),
];

#[tokio::test]
async fn start_without_required_file_is_refused_and_creates_none() {
    for (file, reason) in FILES {
        let env = deployed_env().await;
        remove_all_of(&env.dir(), file);
        let (cause, hint) = start_error(&env).await;
        assert_eq!(cause, format!("{file} is missing: {reason}"));
        assert_eq!(
            hint,
            "restore the file from a backup, or run `hitctl local reset`, which deletes all local data"
        );
        assert!(!env.dir().join(file).exists(), "{file}");
        // The deployed resources can still be read, and a reset helps.
        assert_eq!(OfflineCloud::read(&env.dir()).unwrap().resources["table"].len(), 2);
        LocalClient::reset(&env.dir(), TIMEOUT).await.unwrap();
        env.start_new().await;
    }
}

#[tokio::test]
async fn start_over_empty_required_file_is_refused_and_keeps_it() {
    for (file, reason) in FILES {
        let env = deployed_env().await;
        let content = std::fs::read(env.dir().join(file)).unwrap();
        std::fs::write(env.dir().join(file), "").unwrap();
        assert_eq!(start_error(&env).await.0, format!("{file} is empty: {reason}"));
        assert_eq!(std::fs::read(env.dir().join(file)).unwrap(), b"", "{file}");
        // With the file from a backup, everything is as before.
        std::fs::write(env.dir().join(file), content).unwrap();
        let client = env.start_new().await;
        assert_eq!(hit_count(&client, "hits-local", "/").await, 1, "{file}");
    }
}

#[tokio::test]
async fn start_over_file_without_a_table_or_queue_of_registry_is_refused() {
    let env = deployed_env().await;
    let other = DaemonTestEnv::new();
    let client = other.start_new().await;
    client.put_resource("table", "hits-local", &table_spec()).await.unwrap();
    LocalClient::stop(&other.dir(), TIMEOUT).await.unwrap();
    for (file, expected) in [
        (
            "tables.db",
            "tables.db is incomplete: it lacks 1 table: seen-local: the registry lists 2 tables: hits-local, seen-local",
        ),
        (
            "queues.sqlite",
            "queues.sqlite is incomplete: it lacks 1 queue: hits-local: the registry lists 1 queue: hits-local",
        ),
    ] {
        let ours = env.dir().join(file);
        let backup = env.temp.path().join(file);
        std::fs::copy(&ours, &backup).unwrap();
        remove_all_of(&env.dir(), file);
        std::fs::copy(other.dir().join(file), &ours).unwrap();
        assert_eq!(start_error(&env).await.0, expected);
        remove_all_of(&env.dir(), file);
        std::fs::copy(&backup, &ours).unwrap();
    }
    env.start_new().await;
}

#[tokio::test]
async fn start_without_files_and_resources_creates_files() {
    let env = DaemonTestEnv::new();
    env.start_new().await;
    LocalClient::stop(&env.dir(), TIMEOUT).await.unwrap();
    for (file, _) in FILES {
        remove_all_of(&env.dir(), file);
    }
    let client = env.start_new().await;
    client.put_resource("table", "hits-local", &table_spec()).await.unwrap();
}

#[tokio::test]
async fn start_after_sigkill_during_deletion_succeeds() {
    let env = deployed_env().await;
    // This is the state after a SIGKILL between the deletion of the data and that of the registry entry.
    let path = env.dir().join("registry.json");
    let mut registry: Json = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    registry["resources"]["table"]["gone-local"] =
        json!({ "spec": table_spec(), "outputs": {}, "deleting": true });
    registry["resources"]["queue"]["gone-local"] =
        json!({ "spec": queue_spec(), "outputs": {}, "deleting": true });
    std::fs::write(&path, registry.to_string()).unwrap();
    let client = env.start_new().await;
    // The deletion can be repeated.
    let mut unprotected = table_spec();
    unprotected["deletion_protection"] = json!(false);
    client.put_resource("table", "gone-local", &unprotected).await.unwrap();
    for kind in ["table", "queue"] {
        client.delete_resource(kind, "gone-local").await.unwrap();
        assert_eq!(client.resource(kind, "gone-local").await.unwrap(), None);
    }
    sigkill(daemon_pid(&client));
    env.start_new().await;
}

#[tokio::test]
async fn refused_deletion_of_protected_table_leaves_no_mark() {
    let env = DaemonTestEnv::new();
    let client = env.start_new().await;
    client.put_resource("table", "hits-local", &table_spec()).await.unwrap();
    client.delete_resource("table", "hits-local").await.unwrap_err();
    let registry = std::fs::read_to_string(env.dir().join("registry.json")).unwrap();
    assert!(!registry.contains("deleting"), "{registry}");
}

#[tokio::test]
async fn start_over_newer_files_is_refused_and_keeps_them() {
    for (file, newer) in [
        ("registry.json", r#"{"v":2,"resources":{}}"#),
        ("invalidations.json", r#"{"v":2,"in_progress_s":0,"asked":[]}"#),
    ] {
        let env = deployed_env().await;
        std::fs::write(env.dir().join(file), newer).unwrap();
        let fault = LocalClient::ensure_running(&env.dir(), &daemon_exe(), "daemon").await.unwrap_err();
        let cause = fault.cause.unwrap();
        assert!(
            cause.contains("was written by a newer hitctl: expected a layout version of at most 1, found 2"),
            "{file}: {cause}"
        );
        assert!(fault.hint.unwrap().starts_with("use the newer hitctl"), "{file}");
        assert_eq!(std::fs::read_to_string(env.dir().join(file)).unwrap(), newer, "{file}");
    }
    assert_eq!(state::STATE_VERSION, 1, "a new version must be able to read older files");
}

#[tokio::test]
async fn endpoint_of_unknown_version_counts_as_none() {
    let env = DaemonTestEnv::new();
    let client = env.start_new().await;
    let file = env.dir().join("daemon.json");
    for v in [json!(0), json!(2), Json::Null] {
        let mut endpoint = serde_json::to_value(client.endpoint()).unwrap();
        endpoint["v"] = v.clone();
        std::fs::write(&file, endpoint.to_string()).unwrap();
        let dir = state::StateDir::existing(&env.dir()).unwrap().unwrap();
        // The daemon may have written the file again in the meantime.
        let found = dir.endpoint().unwrap();
        assert!(found.is_none_or(|found| &found == client.endpoint()), "{v}");
    }
    assert_eq!(env.start().await.endpoint(), client.endpoint());
}
