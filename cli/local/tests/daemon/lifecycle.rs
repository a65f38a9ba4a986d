//! Tests of starting, finding, replacing, stopping and resetting the daemon.

use std::process::Command;

use hitctl_local::client::{LocalClient, StartOutcome, StopOutcome};

use crate::harness::{DaemonTestEnv, TIMEOUT, daemon_exe, daemon_pid, sigkill, table_spec};

#[tokio::test]
async fn concurrent_starts_create_one_daemon() {
    let env = DaemonTestEnv::new();
    let (dir, daemon_exe) = (env.dir(), daemon_exe());
    let start = || LocalClient::ensure_running(&dir, &daemon_exe, "daemon");
    let (a, b, c) = tokio::join!(start(), start(), start());
    let started = [a.unwrap(), b.unwrap(), c.unwrap()];
    assert!(started.iter().all(|(client, _)| client.endpoint() == started[0].0.endpoint()));
    assert_eq!(started.iter().filter(|(_, started)| *started == StartOutcome::Started).count(), 1);
    let (_, started) = start().await.unwrap();
    assert_eq!(started, StartOutcome::AlreadyRunning);
}

#[tokio::test]
async fn second_daemon_is_refused_with_pid_of_first() {
    let env = DaemonTestEnv::new();
    let client = env.start_new().await;
    let second =
        Command::new(daemon_exe()).args(["local", "serve", "--state-dir"]).arg(env.dir()).output().unwrap();
    assert!(!second.status.success());
    let log = std::fs::read_to_string(env.dir().join("daemon.log")).unwrap();
    let pid = client.endpoint().pid;
    assert!(log.contains(&format!("error: a local cloud (pid {pid}) is already running in ")), "{log}");
    assert_eq!(client.status().await.unwrap().pid, pid, "the first daemon still runs");
}

#[tokio::test]
async fn connect_without_daemon_returns_none_and_removes_dead_endpoint() {
    let env = DaemonTestEnv::new();
    assert!(LocalClient::connect(&env.dir()).await.unwrap().is_none());
    assert!(!env.dir().exists(), "`connect` creates no files");
    let client = env.start_new().await;
    sigkill(daemon_pid(&client));
    wait_until_dead(&env).await;
    assert!(env.dir().join("daemon.json").exists());
    assert!(LocalClient::connect(&env.dir()).await.unwrap().is_none());
    assert!(!env.dir().join("daemon.json").exists());
    let fault = client.status().await.unwrap_err();
    assert_eq!(fault.code, "local_unreachable");
    assert_eq!(fault.hint.unwrap(), "run `hitctl local start`");
}

#[tokio::test]
async fn connect_with_stale_endpoint_of_other_program_returns_none() {
    let env = DaemonTestEnv::new();
    let client = env.start_new().await;
    LocalClient::stop(&env.dir(), TIMEOUT).await.unwrap();
    // Another program now has the port. It reads the request and sends an unrelated response.
    let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut endpoint = client.endpoint().clone();
    endpoint.control = format!("http://{}", other.local_addr().unwrap());
    std::thread::spawn(move || {
        use std::io::Write as _;
        while let Ok((mut stream, _)) = other.accept() {
            drop(stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi"));
        }
    });
    let file = env.dir().join("daemon.json");
    std::fs::write(&file, serde_json::to_vec(&endpoint).unwrap()).unwrap();
    assert!(LocalClient::connect(&env.dir()).await.unwrap().is_none());
    std::fs::write(&file, "{\"pid\":").unwrap();
    assert!(LocalClient::connect(&env.dir()).await.unwrap().is_none());
    env.start_new().await;
}

#[tokio::test]
async fn daemon_of_other_build_is_replaced_and_resources_are_kept() {
    let env = DaemonTestEnv::new();
    let client = env.start_new().await;
    client.put_resource("table", "hits-local", &table_spec()).await.unwrap();
    let newer = env.temp.path().join("newer");
    std::fs::copy(daemon_exe(), &newer).unwrap();
    let (after, started) = LocalClient::ensure_running(&env.dir(), &newer, "newer").await.unwrap();
    assert_eq!(started, StartOutcome::Replaced);
    assert_eq!(after.status().await.unwrap().build_id, "newer");
    assert_ne!(after.endpoint().pid, client.endpoint().pid);
    assert!(after.resource("table", "hits-local").await.unwrap().is_some());
}

#[tokio::test]
async fn start_of_program_that_exits_fails_with_cause() {
    let env = DaemonTestEnv::new();
    let fault =
        LocalClient::ensure_running(&env.dir(), std::path::Path::new("/bin/false"), "x").await.unwrap_err();
    assert_eq!(fault.code, "local_start_failed");
    assert!(fault.message.contains("the daemon exited immediately (exit status: 1)"), "{fault}");
    let fault =
        LocalClient::ensure_running(&env.dir(), std::path::Path::new("/no/such"), "x").await.unwrap_err();
    assert_eq!(fault.message, "failed to start /no/such as the local cloud");
}

#[tokio::test]
async fn stop_is_fast_graceful_and_repeatable() {
    let env = DaemonTestEnv::new();
    let client = env.start_new().await;
    let since = std::time::Instant::now();
    assert_eq!(LocalClient::stop(&env.dir(), TIMEOUT).await.unwrap(), StopOutcome::Gracefully);
    assert!(since.elapsed().as_millis() < 2_000, "{:?}", since.elapsed());
    assert!(!env.dir().join("daemon.json").exists());
    assert_eq!(LocalClient::stop(&env.dir(), TIMEOUT).await.unwrap(), StopOutcome::NotRunning);
    assert_eq!(client.status().await.unwrap_err().code, "local_unreachable");
}

#[tokio::test]
async fn sigterm_stops_daemon_gracefully_and_sighup_does_not() {
    let env = DaemonTestEnv::new();
    let client = env.start_new().await;
    let target = rustix::process::Pid::from_raw(daemon_pid(&client)).unwrap();
    // The daemon survives the end of its terminal.
    rustix::process::kill_process(target, rustix::process::Signal::HUP).unwrap();
    assert_eq!(client.status().await.unwrap().pid, client.endpoint().pid);
    rustix::process::kill_process(target, rustix::process::Signal::TERM).unwrap();
    wait_until_dead(&env).await;
    assert!(!env.dir().join("daemon.json").exists());
    let log = std::fs::read_to_string(env.dir().join("daemon.log")).unwrap();
    assert!(log.trim_end().ends_with("stopped"), "{log}");
}

#[tokio::test]
async fn hanging_daemon_is_reported_and_can_be_stopped() {
    let env = DaemonTestEnv::new();
    let client = env.start_new().await;
    let target = rustix::process::Pid::from_raw(daemon_pid(&client)).unwrap();
    rustix::process::kill_process(target, rustix::process::Signal::STOP).unwrap();
    wait_until_stopped(daemon_pid(&client)).await;
    let fault = LocalClient::connect(&env.dir()).await.unwrap_err();
    assert_eq!(fault.code, "local_unresponsive");
    assert_eq!(fault.hint.unwrap(), "run `hitctl local stop`, then run the command again");
    let within = std::time::Duration::from_millis(200);
    assert_eq!(LocalClient::stop(&env.dir(), within).await.unwrap(), StopOutcome::Killed);
    env.start_new().await;
}

#[tokio::test]
async fn daemon_with_missing_or_damaged_endpoint_is_found() {
    let env = DaemonTestEnv::new();
    let client = env.start_new().await;
    let file = env.dir().join("daemon.json");
    std::fs::write(&file, "{\"pid\":").unwrap();
    let found = LocalClient::connect(&env.dir()).await.unwrap().unwrap();
    assert_eq!(found.endpoint(), client.endpoint());
    std::fs::remove_file(&file).unwrap();
    assert_eq!(env.start().await.endpoint(), client.endpoint());
    std::fs::write(&file, "").unwrap();
    assert_eq!(LocalClient::stop(&env.dir(), TIMEOUT).await.unwrap(), StopOutcome::Gracefully);
    assert!(!file.exists());
}

#[tokio::test]
async fn reset_removes_our_files_only() {
    let env = DaemonTestEnv::new();
    let client = env.start_new().await;
    client.put_resource("table", "hits-local", &table_spec()).await.unwrap();
    std::fs::write(env.dir().join("mine.txt"), "keep").unwrap();
    LocalClient::reset(&env.dir(), TIMEOUT).await.unwrap();
    let files = || env.dir().read_dir().unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<_> = files().collect();
    names.sort();
    assert_eq!(names, ["hitctl-local.json", "mine.txt"], "the marker keeps the directory usable");
    LocalClient::reset(&env.dir(), TIMEOUT).await.unwrap();
    assert_eq!(files().count(), 2);
    std::fs::remove_file(env.dir().join("mine.txt")).unwrap();
    let client = env.start_new().await;
    assert!(client.resources().await.unwrap().is_empty());
    LocalClient::reset(&env.dir(), TIMEOUT).await.unwrap();
    assert!(!env.dir().exists());
    LocalClient::reset(&env.dir(), TIMEOUT).await.unwrap();
}

#[tokio::test]
async fn reset_of_newer_state_succeeds() {
    let env = DaemonTestEnv::new();
    std::fs::create_dir(env.dir()).unwrap();
    std::fs::write(env.dir().join("hitctl-local.json"), r#"{"v":99}"#).unwrap();
    let fault = LocalClient::ensure_running(&env.dir(), &daemon_exe(), "daemon").await.unwrap_err();
    assert_eq!(fault.code, "local_state_newer");
    LocalClient::reset(&env.dir(), TIMEOUT).await.unwrap();
    assert!(!env.dir().exists());
}

/// Waits until all threads of a process have stopped, because the signal reaches them one after the other.
async fn wait_until_stopped(pid: i32) {
    let stopped =
        |status: &str| status.lines().any(|line| line.starts_with("State:") && line.contains("T (stopped)"));
    let all_stopped = async {
        let threads = std::path::PathBuf::from(format!("/proc/{pid}/task"));
        let is_stopped = |thread: std::io::Result<std::fs::DirEntry>| {
            stopped(&std::fs::read_to_string(thread.unwrap().path().join("status")).unwrap())
        };
        while !threads.read_dir().unwrap().all(is_stopped) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(TIMEOUT, all_stopped).await.unwrap();
}

async fn wait_until_dead(env: &DaemonTestEnv) {
    let dead = async {
        while env.is_locked() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(TIMEOUT, dead).await.unwrap();
}
