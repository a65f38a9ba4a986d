//! Tests of SIGKILLs, damaged files and a full disk.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hitctl_local::client::LocalClient;

use crate::harness::{
    DaemonTestEnv, RawConnection, TIMEOUT, daemon_exe, daemon_pid, hit_count, sigkill, table_spec,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigkill_during_writes_loses_no_acknowledged_hit() {
    const WRITERS: u64 = 8;
    let env = DaemonTestEnv::new();
    let client = env.start_new().await;
    client.put_resource("table", "hits-local", &table_spec()).await.unwrap();
    let mut acknowledged = 0;
    for round in 0..3 {
        let client = env.start().await;
        let counted = Arc::new(AtomicU64::new(0));
        let enough = Arc::new(tokio::sync::Notify::new());
        let mut writers = tokio::task::JoinSet::new();
        for _ in 0..WRITERS {
            let (counted, enough) = (Arc::clone(&counted), Arc::clone(&enough));
            let url = client.endpoint().table.clone();
            writers.spawn(async move {
                let mut connection = RawConnection::connect(&url).await.unwrap();
                // Repeats until the daemon has exited.
                while let Ok((status, body)) = connection.hit("hits-local", "/").await {
                    assert_eq!(status, 200, "{body}");
                    if counted.fetch_add(1, Ordering::SeqCst) == 300 + 100 * round {
                        enough.notify_one();
                    }
                }
            });
        }
        tokio::time::timeout(TIMEOUT, enough.notified()).await.unwrap();
        sigkill(daemon_pid(&client));
        tokio::time::timeout(TIMEOUT, writers.join_all()).await.unwrap();
        let before = acknowledged;
        acknowledged += counted.load(Ordering::SeqCst);
        let client = env.start_new().await;
        let counted_hits = hit_count(&client, "hits-local", "/").await;
        // Writes whose response was lost count too: at most one per writer.
        assert!(
            (acknowledged..=acknowledged + WRITERS).contains(&counted_hits),
            "{counted_hits} hits after round {round}, {acknowledged} acknowledged, {before} before"
        );
        acknowledged = counted_hits;
    }
}

#[tokio::test]
async fn resources_and_ports_survive_sigkill() {
    let env = DaemonTestEnv::new();
    let client = env.start_new().await;
    let put = client.put_resource("table", "hits-local", &table_spec()).await.unwrap();
    sigkill(daemon_pid(&client));
    let restarted = env.start_new().await;
    assert_eq!(restarted.resource("table", "hits-local").await.unwrap(), Some(put));
    assert_eq!(restarted.endpoint().table, client.endpoint().table);
    assert_ne!(restarted.endpoint().token, client.endpoint().token);
    assert_eq!(restarted.status().await.unwrap().notices, Vec::<String>::new());
}

#[tokio::test]
async fn table_port_in_use_is_replaced_with_notice() {
    let env = DaemonTestEnv::new();
    let client = env.start_new().await;
    let port: u16 = client.endpoint().table.rsplit(':').next().unwrap().parse().unwrap();
    LocalClient::stop(&env.dir(), TIMEOUT).await.unwrap();
    let _other = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
    let restarted = env.start_new().await;
    assert_ne!(restarted.endpoint().table, client.endpoint().table);
    let notices = restarted.status().await.unwrap().notices;
    assert_eq!(notices.len(), 1, "{notices:?}");
    let start = format!("the tables moved from http://127.0.0.1:{port} to http://127.0.0.1:");
    assert!(notices[0].starts_with(&start), "{notices:?}");
}

#[tokio::test]
async fn start_over_damaged_registry_fails_and_keeps_it() {
    let env = DaemonTestEnv::new();
    let client = env.start_new().await;
    client.put_resource("table", "hits-local", &table_spec()).await.unwrap();
    LocalClient::stop(&env.dir(), TIMEOUT).await.unwrap();
    let registry = env.dir().join("registry.json");
    let torn = &std::fs::read(&registry).unwrap()[..100];
    std::fs::write(&registry, torn).unwrap();
    let fault = LocalClient::ensure_running(&env.dir(), &daemon_exe(), "daemon").await.unwrap_err();
    assert_eq!(fault.code, "local_start_failed");
    let cause = fault.cause.unwrap();
    assert!(cause.contains("registry.json is damaged; it was left unchanged"), "{cause}");
    assert!(!cause.contains('\n'), "the cause is one line of the log: {cause}");
    assert!(fault.hint.unwrap().contains("`hitctl local reset`"));
    assert_eq!(std::fs::read(&registry).unwrap(), torn);
}

#[tokio::test]
async fn daemon_stops_when_its_directory_is_removed() {
    let env = DaemonTestEnv::new();
    let client = env.start_new().await;
    // The directory is moved first, so that it disappears in one step. While files are removed one by one, the
    // daemon may write its endpoint again.
    let moved = env.temp.path().join("removed");
    std::fs::rename(env.dir(), &moved).unwrap();
    std::fs::remove_dir_all(moved).unwrap();
    let restarted = env.start_new().await;
    let stopped = async {
        while client.status().await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(TIMEOUT, stopped).await.unwrap();
    assert_eq!(
        restarted.status().await.unwrap().pid,
        restarted.endpoint().pid,
        "the first daemon kept the endpoint file of the new one"
    );
    assert!(LocalClient::connect(&env.dir()).await.unwrap().is_some());
}

#[tokio::test]
async fn full_disk_refuses_change_and_loses_no_resource() {
    use std::os::unix::process::CommandExt as _;
    let env = DaemonTestEnv::new();
    let client = env.start_new().await;
    client.put_resource("table", "hits-local", &table_spec()).await.unwrap();
    LocalClient::stop(&env.dir(), TIMEOUT).await.unwrap();
    // No file may grow over 32 or 64 KB, because `ulimit` counts in blocks of 512 or 1,024 bytes. A write beyond
    // that fails, as on a full disk.
    let script = "trap '' XFSZ; ulimit -f 64; exec \"$0\" local serve --state-dir \"$1\"";
    let mut limited = std::process::Command::new("sh")
        .args(["-c", script])
        .arg(daemon_exe())
        .arg(env.dir())
        .process_group(0)
        .spawn()
        .unwrap();
    let client = wait_for_daemon(&env).await;
    let fault = client.put_resource("role", "big", &big_role()).await.unwrap_err();
    assert_eq!(fault.code, "local_disk_full", "{fault:?}");
    assert_eq!(client.resource("role", "big").await.unwrap(), None);
    assert!(client.resource("table", "hits-local").await.unwrap().is_some());
    LocalClient::stop(&env.dir(), TIMEOUT).await.unwrap();
    limited.wait().unwrap();
    let client = env.start_new().await;
    assert!(client.resource("table", "hits-local").await.unwrap().is_some());
    client.put_resource("role", "big", &big_role()).await.unwrap();
}

/// A role whose spec alone exceeds the limit.
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

/// Connects to a daemon that the test started itself.
async fn wait_for_daemon(env: &DaemonTestEnv) -> LocalClient {
    let connected = async {
        loop {
            if let Some(client) = LocalClient::connect(&env.dir()).await.unwrap() {
                return client;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(TIMEOUT, connected).await.unwrap()
}
