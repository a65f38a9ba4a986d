//! Files of the state directory that are lost, emptied or of a newer program: the daemon does not start over them.

use std::path::Path;

use hitctl_local::client::Client;
use hitctl_local::{Offline, state};
use serde_json::{Value as Json, json};

use crate::harness::{LONG, Machine, Raw, exe, hits, kill, pid, table_spec};
use crate::queues::queue_spec;

fn rule_spec() -> Json {
    let arn = |name: &str| format!("arn:aws:sqs:local:000000000000:{name}");
    json!({
        "bus": "default", "pattern": { "source": ["a"] }, "enabled": true, "target_arn": arn("hits-local"),
        "max_retries": 1, "max_age_s": 60, "dead_letter_arn": arn("hits-local"), "tags": {},
    })
}

/// A stopped cloud with two tables, a queue and a rule, and a hit.
async fn deployed() -> Machine {
    let machine = Machine::new();
    let client = machine.start_new().await;
    for name in ["hits-local", "seen-local"] {
        client.put_resource("table", name, &table_spec()).await.unwrap();
    }
    client.put_resource("queue", "hits-local", &queue_spec()).await.unwrap();
    client.put_resource("event_rule", "hits-local", &rule_spec()).await.unwrap();
    Raw::connect(&client.endpoint().table).await.unwrap().hit("hits-local", "/").await.unwrap();
    Client::stop(&machine.dir(), LONG).await.unwrap();
    machine
}

/// Starts it in vain: the cause, without the state directory in it, and the hint.
async fn refused(machine: &Machine) -> (String, String) {
    let fault = Client::ensure(&machine.dir(), &exe(), "daemon").await.unwrap_err();
    assert_eq!(fault.code, "local_start_failed", "{fault:?}");
    let dir = format!("{}/", machine.dir().display());
    (fault.cause.unwrap().replace(&dir, ""), fault.hint.unwrap())
}

fn remove_all_of(dir: &Path, file: &str) {
    for suffix in ["", "-wal", "-shm"] {
        drop(std::fs::remove_file(dir.join(format!("{file}{suffix}"))));
    }
}

const FILES: [(&str, &str); 3] = [
    ("tables.db", "the registry names 2 tables: hits-local, seen-local"),
    ("queues.sqlite", "the registry names 1 queue: hits-local"),
    ("events.sqlite", "the registry names 1 event rule: hits-local"),
];

#[tokio::test]
async fn start_without_file_that_registry_needs_is_refused_and_makes_none() {
    for (file, named) in FILES {
        let machine = deployed().await;
        remove_all_of(&machine.dir(), file);
        let (cause, hint) = refused(&machine).await;
        assert_eq!(cause, format!("{file} is missing: {named}"));
        assert_eq!(
            hint,
            "restore the file from a backup, or run `hitctl local reset` to start again, which loses the local counts"
        );
        assert!(!machine.dir().join(file).exists(), "{file}");
        // What is deployed can be read as before, and a reset is a way out.
        assert_eq!(Offline::read(&machine.dir()).unwrap().resources["table"].len(), 2);
        Client::reset(&machine.dir(), LONG).await.unwrap();
        machine.start_new().await;
    }
}

#[tokio::test]
async fn start_over_empty_file_that_registry_needs_is_refused_and_leaves_it() {
    for (file, named) in FILES {
        let machine = deployed().await;
        let whole = std::fs::read(machine.dir().join(file)).unwrap();
        std::fs::write(machine.dir().join(file), "").unwrap();
        assert_eq!(refused(&machine).await.0, format!("{file} is empty: {named}"));
        assert_eq!(std::fs::read(machine.dir().join(file)).unwrap(), b"", "{file}");
        // The file from a backup, and all is as before.
        std::fs::write(machine.dir().join(file), whole).unwrap();
        let client = machine.start_new().await;
        assert_eq!(hits(&client, "hits-local", "/").await, 1, "{file}");
    }
}

#[tokio::test]
async fn start_over_file_without_a_table_or_queue_of_registry_is_refused() {
    let machine = deployed().await;
    let other = Machine::new();
    let client = other.start_new().await;
    client.put_resource("table", "hits-local", &table_spec()).await.unwrap();
    Client::stop(&other.dir(), LONG).await.unwrap();
    for (file, expected) in [
        (
            "tables.db",
            "tables.db is incomplete: it lacks 1 table: seen-local: the registry names 2 tables: hits-local, seen-local",
        ),
        (
            "queues.sqlite",
            "queues.sqlite is incomplete: it lacks 1 queue: hits-local: the registry names 1 queue: hits-local",
        ),
    ] {
        let ours = machine.dir().join(file);
        let aside = machine.temp.path().join(file);
        std::fs::copy(&ours, &aside).unwrap();
        remove_all_of(&machine.dir(), file);
        std::fs::copy(other.dir().join(file), &ours).unwrap();
        assert_eq!(refused(&machine).await.0, expected);
        remove_all_of(&machine.dir(), file);
        std::fs::copy(&aside, &ours).unwrap();
    }
    machine.start_new().await;
}

#[tokio::test]
async fn start_without_files_and_without_resources_makes_them() {
    let machine = Machine::new();
    machine.start_new().await;
    Client::stop(&machine.dir(), LONG).await.unwrap();
    for (file, _) in FILES {
        remove_all_of(&machine.dir(), file);
    }
    let client = machine.start_new().await;
    client.put_resource("table", "hits-local", &table_spec()).await.unwrap();
}

#[tokio::test]
async fn start_after_sigkill_in_the_middle_of_deletion_works() {
    let machine = deployed().await;
    // As after a SIGKILL between the loss of the data and the end of the entry.
    let path = machine.dir().join("registry.json");
    let mut registry: Json = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    registry["resources"]["table"]["gone-local"] =
        json!({ "spec": table_spec(), "outputs": {}, "deleting": true });
    registry["resources"]["queue"]["gone-local"] =
        json!({ "spec": queue_spec(), "outputs": {}, "deleting": true });
    std::fs::write(&path, registry.to_string()).unwrap();
    let client = machine.start_new().await;
    // The deletion can be made again.
    let mut open = table_spec();
    open["deletion_protection"] = json!(false);
    client.put_resource("table", "gone-local", &open).await.unwrap();
    for kind in ["table", "queue"] {
        client.delete_resource(kind, "gone-local").await.unwrap();
        assert_eq!(client.resource(kind, "gone-local").await.unwrap(), None);
    }
    kill(pid(&client));
    machine.start_new().await;
}

#[tokio::test]
async fn refused_deletion_of_protected_table_leaves_no_mark() {
    let machine = Machine::new();
    let client = machine.start_new().await;
    client.put_resource("table", "hits-local", &table_spec()).await.unwrap();
    client.delete_resource("table", "hits-local").await.unwrap_err();
    let registry = std::fs::read_to_string(machine.dir().join("registry.json")).unwrap();
    assert!(!registry.contains("deleting"), "{registry}");
}

#[tokio::test]
async fn start_over_files_of_newer_program_is_refused_and_leaves_them() {
    for (file, newer) in [
        ("registry.json", r#"{"v":2,"resources":{}}"#),
        ("invalidations.json", r#"{"v":2,"in_progress_s":0,"asked":[]}"#),
    ] {
        let machine = deployed().await;
        std::fs::write(machine.dir().join(file), newer).unwrap();
        let fault = Client::ensure(&machine.dir(), &exe(), "daemon").await.unwrap_err();
        let cause = fault.cause.unwrap();
        assert!(cause.contains("was written by a newer hitctl: its layout is version 2"), "{file}: {cause}");
        assert!(fault.hint.unwrap().starts_with("use that newer hitctl"), "{file}");
        assert_eq!(std::fs::read_to_string(machine.dir().join(file)).unwrap(), newer, "{file}");
    }
    assert_eq!(state::STATE_VERSION, 1, "a new version needs a look at what older files hold");
}

#[tokio::test]
async fn endpoint_of_unknown_version_counts_as_none() {
    let machine = Machine::new();
    let client = machine.start_new().await;
    let file = machine.dir().join("daemon.json");
    for v in [json!(0), json!(2), Json::Null] {
        let mut endpoint = serde_json::to_value(client.endpoint()).unwrap();
        endpoint["v"] = v.clone();
        std::fs::write(&file, endpoint.to_string()).unwrap();
        let dir = state::StateDir::existing(&machine.dir()).unwrap().unwrap();
        // The daemon may have written it anew meanwhile.
        let found = dir.endpoint().unwrap();
        assert!(found.is_none_or(|found| &found == client.endpoint()), "{v}");
    }
    assert_eq!(machine.start().await.endpoint(), client.endpoint());
}
