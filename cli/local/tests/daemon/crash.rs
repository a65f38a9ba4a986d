//! What a SIGKILL, a damaged file or a full disk does.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hitctl_local::client::Client;

use crate::harness::{LONG, Machine, Raw, exe, hits, kill, pid, table_spec};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sigkill_in_the_middle_of_writes_loses_nothing_acknowledged() {
    const WRITERS: u64 = 8;
    let machine = Machine::new();
    let client = machine.start_new().await;
    client.put_resource("table", "hits-local", &table_spec()).await.unwrap();
    let mut acknowledged = 0;
    for round in 0..3 {
        let client = machine.start().await;
        let counted = Arc::new(AtomicU64::new(0));
        let enough = Arc::new(tokio::sync::Notify::new());
        let mut writers = tokio::task::JoinSet::new();
        for _ in 0..WRITERS {
            let (counted, enough) = (Arc::clone(&counted), Arc::clone(&enough));
            let url = client.endpoint().table.clone();
            writers.spawn(async move {
                let mut raw = Raw::connect(&url).await.unwrap();
                // Until the daemon is gone.
                while let Ok((status, body)) = raw.hit("hits-local", "/").await {
                    assert_eq!(status, 200, "{body}");
                    if counted.fetch_add(1, Ordering::SeqCst) == 300 + 100 * round {
                        enough.notify_one();
                    }
                }
            });
        }
        tokio::time::timeout(LONG, enough.notified()).await.unwrap();
        kill(pid(&client));
        tokio::time::timeout(LONG, writers.join_all()).await.unwrap();
        let before = acknowledged;
        acknowledged += counted.load(Ordering::SeqCst);
        let client = machine.start_new().await;
        let found = hits(&client, "hits-local", "/").await;
        // What was written but whose answer was lost is there too; at most one a writer.
        assert!(
            (acknowledged..=acknowledged + WRITERS).contains(&found),
            "{found} hits after round {round}, {acknowledged} acknowledged, {before} before"
        );
        acknowledged = found;
    }
}

#[tokio::test]
async fn what_was_deployed_is_back_after_a_sigkill_on_the_same_ports() {
    let machine = Machine::new();
    let client = machine.start_new().await;
    let put = client.put_resource("table", "hits-local", &table_spec()).await.unwrap();
    kill(pid(&client));
    let again = machine.start_new().await;
    assert_eq!(again.resource("table", "hits-local").await.unwrap(), Some(put));
    assert_eq!(again.endpoint().table, client.endpoint().table);
    assert_ne!(again.endpoint().token, client.endpoint().token);
    assert_eq!(again.status().await.unwrap().notices, Vec::<String>::new());
}

#[tokio::test]
async fn a_table_port_that_another_program_took_is_left_to_it_with_a_notice() {
    let machine = Machine::new();
    let client = machine.start_new().await;
    let port: u16 = client.endpoint().table.rsplit(':').next().unwrap().parse().unwrap();
    Client::stop(&machine.dir(), LONG).await.unwrap();
    let _other = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
    let again = machine.start_new().await;
    assert_ne!(again.endpoint().table, client.endpoint().table);
    let notices = again.status().await.unwrap().notices;
    assert_eq!(notices.len(), 1, "{notices:?}");
    let start = format!("the tables moved from http://127.0.0.1:{port} to http://127.0.0.1:");
    assert!(notices[0].starts_with(&start), "{notices:?}");
}

#[tokio::test]
async fn a_damaged_registry_is_told_and_left_as_it_is() {
    let machine = Machine::new();
    let client = machine.start_new().await;
    client.put_resource("table", "hits-local", &table_spec()).await.unwrap();
    Client::stop(&machine.dir(), LONG).await.unwrap();
    let registry = machine.dir().join("registry.json");
    let torn = &std::fs::read(&registry).unwrap()[..100];
    std::fs::write(&registry, torn).unwrap();
    let fault = Client::ensure(&machine.dir(), &exe(), "daemon").await.unwrap_err();
    assert_eq!(fault.code, "local_start_failed");
    let cause = fault.cause.unwrap();
    assert!(cause.contains("registry.json is damaged; it was left as it is"), "{cause}");
    assert!(!cause.contains('\n'), "once, not with the rest of the log: {cause}");
    assert!(fault.hint.unwrap().contains("`hitctl local reset`"));
    assert_eq!(std::fs::read(&registry).unwrap(), torn);
}

#[tokio::test]
async fn a_daemon_whose_directory_was_removed_ends() {
    let machine = Machine::new();
    let client = machine.start_new().await;
    // In one step: while files go one by one, the daemon may write its endpoint anew beside them.
    let moved = machine.temp.path().join("removed");
    std::fs::rename(machine.dir(), &moved).unwrap();
    std::fs::remove_dir_all(moved).unwrap();
    let again = machine.start_new().await;
    let gone = async {
        while client.status().await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LONG, gone).await.unwrap();
    assert_eq!(again.status().await.unwrap().pid, again.endpoint().pid, "it left the new one's file alone");
    assert!(Client::connect(&machine.dir()).await.unwrap().is_some());
}

#[tokio::test]
async fn a_full_disk_refuses_the_change_and_loses_nothing() {
    use std::os::unix::process::CommandExt as _;
    let machine = Machine::new();
    let client = machine.start_new().await;
    client.put_resource("table", "hits-local", &table_spec()).await.unwrap();
    Client::stop(&machine.dir(), LONG).await.unwrap();
    // No file may grow over 64 KB: as on a disk that is full, a write fails with an error that names size. The blocks that
    // `ulimit` counts in are of 512 or 1,024 bytes.
    let script = "trap '' XFSZ; ulimit -f 64; exec \"$0\" local serve --state-dir \"$1\"";
    let mut limited = std::process::Command::new("sh")
        .args(["-c", script])
        .arg(exe())
        .arg(machine.dir())
        .process_group(0)
        .spawn()
        .unwrap();
    let client = wait_for(&machine).await;
    let fault = client.put_resource("role", "big", &big_role()).await.unwrap_err();
    assert_eq!(fault.code, "local_disk_full", "{fault:?}");
    assert_eq!(client.resource("role", "big").await.unwrap(), None);
    assert!(client.resource("table", "hits-local").await.unwrap().is_some());
    Client::stop(&machine.dir(), LONG).await.unwrap();
    limited.wait().unwrap();
    let client = machine.start_new().await;
    assert!(client.resource("table", "hits-local").await.unwrap().is_some());
    client.put_resource("role", "big", &big_role()).await.unwrap();
}

/// A role whose spec alone fills the limit.
fn big_role() -> serde_json::Value {
    let statement = |n: u32| {
        serde_json::json!({
            "sid": format!("S{n}"), "actions": ["dynamodb:UpdateItem"], "resources": [format!("arn:{}", "x".repeat(1_000))],
        })
    };
    serde_json::json!({
        "trusted_service": "lambda.amazonaws.com",
        "statements": (0..150).map(statement).collect::<Vec<_>>(),
        "tags": {},
    })
}

/// A daemon that this test started by hand.
async fn wait_for(machine: &Machine) -> Client {
    let connected = async {
        loop {
            if let Some(client) = Client::connect(&machine.dir()).await.unwrap() {
                return client;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LONG, connected).await.unwrap()
}
