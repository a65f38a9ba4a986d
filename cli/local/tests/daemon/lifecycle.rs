//! Starting, finding, replacing, stopping and resetting.

use std::process::Command;

use hitctl_local::client::{Client, Started, Stopped};

use crate::harness::{LONG, Machine, exe, kill, pid, table_spec};

#[tokio::test]
async fn two_starts_at_once_give_one_daemon() {
    let machine = Machine::new();
    let (dir, exe) = (machine.dir(), exe());
    let start = || Client::ensure(&dir, &exe, "daemon");
    let (a, b, c) = tokio::join!(start(), start(), start());
    let started = [a.unwrap(), b.unwrap(), c.unwrap()];
    assert!(started.iter().all(|(client, _)| client.endpoint() == started[0].0.endpoint()));
    assert_eq!(started.iter().filter(|(_, started)| *started == Started::New).count(), 1);
    let (_, started) = start().await.unwrap();
    assert_eq!(started, Started::Already);
}

#[tokio::test]
async fn a_second_daemon_is_refused_and_says_whose_place_it_is() {
    let machine = Machine::new();
    let client = machine.start_new().await;
    let second =
        Command::new(exe()).args(["local", "serve", "--state-dir"]).arg(machine.dir()).output().unwrap();
    assert!(!second.status.success());
    let log = std::fs::read_to_string(machine.dir().join("daemon.log")).unwrap();
    let pid = client.endpoint().pid;
    assert!(log.contains(&format!("error: a local cloud (pid {pid}) is running in ")), "{log}");
    assert_eq!(client.status().await.unwrap().pid, pid, "the first goes on");
}

#[tokio::test]
async fn nothing_running_is_none_and_a_dead_ones_file_is_forgotten() {
    let machine = Machine::new();
    assert!(Client::connect(&machine.dir()).await.unwrap().is_none());
    assert!(!machine.dir().exists(), "asking makes nothing");
    let client = machine.start_new().await;
    kill(pid(&client));
    wait_until_dead(&machine).await;
    assert!(machine.dir().join("daemon.json").exists());
    assert!(Client::connect(&machine.dir()).await.unwrap().is_none());
    assert!(!machine.dir().join("daemon.json").exists());
    let fault = client.status().await.unwrap_err();
    assert_eq!(fault.code, "local_unreachable");
    assert_eq!(fault.hint.unwrap(), "run `hitctl local start`");
}

#[tokio::test]
async fn a_stale_file_that_points_at_another_program_misleads_nobody() {
    let machine = Machine::new();
    let client = machine.start_new().await;
    Client::stop(&machine.dir(), LONG).await.unwrap();
    // Another program now has the port; it takes what it is sent and says something else.
    let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut endpoint = client.endpoint().clone();
    endpoint.control = format!("http://{}", other.local_addr().unwrap());
    std::thread::spawn(move || {
        use std::io::Write as _;
        while let Ok((mut stream, _)) = other.accept() {
            drop(stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi"));
        }
    });
    let file = machine.dir().join("daemon.json");
    std::fs::write(&file, serde_json::to_vec(&endpoint).unwrap()).unwrap();
    assert!(Client::connect(&machine.dir()).await.unwrap().is_none());
    std::fs::write(&file, "{\"pid\":").unwrap();
    assert!(Client::connect(&machine.dir()).await.unwrap().is_none());
    machine.start_new().await;
}

#[tokio::test]
async fn a_daemon_of_another_build_is_replaced_and_keeps_what_is_deployed() {
    let machine = Machine::new();
    let client = machine.start_new().await;
    client.put_resource("table", "hits-local", &table_spec()).await.unwrap();
    let newer = machine.temp.path().join("newer");
    std::fs::copy(exe(), &newer).unwrap();
    let (after, started) = Client::ensure(&machine.dir(), &newer, "newer").await.unwrap();
    assert_eq!(started, Started::Replaced);
    assert_eq!(after.status().await.unwrap().build_id, "newer");
    assert_ne!(after.endpoint().pid, client.endpoint().pid);
    assert!(after.resource("table", "hits-local").await.unwrap().is_some());
}

#[tokio::test]
async fn a_program_that_ends_at_once_is_told_with_its_last_words() {
    let machine = Machine::new();
    let fault = Client::ensure(&machine.dir(), std::path::Path::new("/bin/false"), "x").await.unwrap_err();
    assert_eq!(fault.code, "local_start_failed");
    assert!(fault.message.contains("the daemon ended at once (exit status: 1)"), "{fault}");
    let fault = Client::ensure(&machine.dir(), std::path::Path::new("/no/such"), "x").await.unwrap_err();
    assert_eq!(fault.message, "could not start /no/such as the local cloud");
}

#[tokio::test]
async fn a_stop_is_quick_graceful_and_repeatable() {
    let machine = Machine::new();
    let client = machine.start_new().await;
    let since = std::time::Instant::now();
    assert_eq!(Client::stop(&machine.dir(), LONG).await.unwrap(), Stopped::Gracefully);
    assert!(since.elapsed().as_millis() < 2_000, "{:?}", since.elapsed());
    assert!(!machine.dir().join("daemon.json").exists());
    assert_eq!(Client::stop(&machine.dir(), LONG).await.unwrap(), Stopped::NotRunning);
    assert_eq!(client.status().await.unwrap_err().code, "local_unreachable");
}

#[tokio::test]
async fn a_signal_stops_it_gracefully() {
    let machine = Machine::new();
    let client = machine.start_new().await;
    let target = rustix::process::Pid::from_raw(pid(&client)).unwrap();
    // The end of a terminal is not its end.
    rustix::process::kill_process(target, rustix::process::Signal::HUP).unwrap();
    assert_eq!(client.status().await.unwrap().pid, client.endpoint().pid);
    rustix::process::kill_process(target, rustix::process::Signal::TERM).unwrap();
    wait_until_dead(&machine).await;
    assert!(!machine.dir().join("daemon.json").exists());
    let log = std::fs::read_to_string(machine.dir().join("daemon.log")).unwrap();
    assert!(log.trim_end().ends_with("stopped"), "{log}");
}

#[tokio::test]
async fn a_daemon_that_hangs_is_told_and_can_be_stopped() {
    let machine = Machine::new();
    let client = machine.start_new().await;
    let target = rustix::process::Pid::from_raw(pid(&client)).unwrap();
    rustix::process::kill_process(target, rustix::process::Signal::STOP).unwrap();
    wait_until_stopped(pid(&client)).await;
    let fault = Client::connect(&machine.dir()).await.unwrap_err();
    assert_eq!(fault.code, "local_unresponsive");
    assert_eq!(fault.hint.unwrap(), "run `hitctl local stop`, then the command again");
    let within = std::time::Duration::from_millis(200);
    assert_eq!(Client::stop(&machine.dir(), within).await.unwrap(), Stopped::Killed);
    machine.start_new().await;
}

#[tokio::test]
async fn a_lost_or_damaged_endpoint_hides_no_daemon() {
    let machine = Machine::new();
    let client = machine.start_new().await;
    let file = machine.dir().join("daemon.json");
    std::fs::write(&file, "{\"pid\":").unwrap();
    let found = Client::connect(&machine.dir()).await.unwrap().unwrap();
    assert_eq!(found.endpoint(), client.endpoint());
    std::fs::remove_file(&file).unwrap();
    assert_eq!(machine.start().await.endpoint(), client.endpoint());
    std::fs::write(&file, "").unwrap();
    assert_eq!(Client::stop(&machine.dir(), LONG).await.unwrap(), Stopped::Gracefully);
    assert!(!file.exists());
}

#[tokio::test]
async fn a_reset_removes_what_is_ours_and_only_that() {
    let machine = Machine::new();
    let client = machine.start_new().await;
    client.put_resource("table", "hits-local", &table_spec()).await.unwrap();
    std::fs::write(machine.dir().join("mine.txt"), "keep").unwrap();
    Client::reset(&machine.dir(), LONG).await.unwrap();
    let left = || machine.dir().read_dir().unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<_> = left().collect();
    names.sort();
    assert_eq!(names, ["hitctl-local.json", "mine.txt"], "the marker keeps the directory usable");
    Client::reset(&machine.dir(), LONG).await.unwrap();
    assert_eq!(left().count(), 2);
    std::fs::remove_file(machine.dir().join("mine.txt")).unwrap();
    let client = machine.start_new().await;
    assert!(client.resources().await.unwrap().is_empty());
    Client::reset(&machine.dir(), LONG).await.unwrap();
    assert!(!machine.dir().exists());
    Client::reset(&machine.dir(), LONG).await.unwrap();
}

#[tokio::test]
async fn the_state_of_a_newer_program_can_be_reset() {
    let machine = Machine::new();
    std::fs::create_dir(machine.dir()).unwrap();
    std::fs::write(machine.dir().join("hitctl-local.json"), r#"{"v":99}"#).unwrap();
    let fault = Client::ensure(&machine.dir(), &exe(), "daemon").await.unwrap_err();
    assert_eq!(fault.code, "local_state_newer");
    Client::reset(&machine.dir(), LONG).await.unwrap();
    assert!(!machine.dir().exists());
}

/// A signal that stops a process reaches its threads one after the other.
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
    tokio::time::timeout(LONG, all_stopped).await.unwrap();
}

async fn wait_until_dead(machine: &Machine) {
    let dead = async {
        while machine.is_locked() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LONG, dead).await.unwrap();
}
