//! Sends a hundred thousand hits through a queue while random processes of the function, and once the local cloud
//! itself, are killed. Each hit counts exactly once with `exact = true`, and almost exactly once without.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value as Json, json};

use crate::support::{CommandOutput, TestConnection, TestEnv, artifact, pause};

/// The number of hits through the local queue.
const HITS: usize = 100_000;
const PATHS: usize = 10;
/// The maximum number of messages per call.
const MESSAGES_PER_CALL: usize = 10;
/// The timeout of each wait. It is generous, since it only ends tests that would wait forever.
const TIMEOUT: Duration = Duration::from_mins(8);

/// An SQS queue, local or on an emulator.
pub(crate) struct Queue<'a> {
    /// The endpoint of SQS.
    pub(crate) endpoint: &'a str,
    /// The URL of the queue.
    pub(crate) url: &'a str,
}

impl Queue<'_> {
    /// Calls an operation of SQS. Returns `None` without a successful response.
    fn call(&self, operation: &str, request: &Json) -> Option<Json> {
        let headers = format!(
            "content-type: application/x-amz-json-1.0\r\nx-amz-target: AmazonSQS.{operation}\r\nx-amz-date: 20261121T000000Z\r\n\
             authorization: AWS4-HMAC-SHA256 Credential=123456789012/20261121/eu-central-1/sqs/aws4_request, SignedHeaders=host, Signature={}\r\n",
            "0".repeat(64)
        );
        let response = TestConnection::connect(self.endpoint).ok()?.send(
            "POST",
            "/",
            &headers,
            request.to_string().as_bytes(),
        );
        response.ok().filter(|response| response.status == 200).map(|response| response.json())
    }

    /// Sends the messages with the numbers `from..to`, each with its own id. Calls without a response are repeated, so
    /// that every message arrives, and some arrive twice.
    pub(crate) fn send(&self, from: usize, to: usize) {
        for first in (from..to).step_by(MESSAGES_PER_CALL) {
            let entries: Vec<Json> = (first..to.min(first + MESSAGES_PER_CALL))
                .map(|n| {
                    let body = json!({ "v": 1, "path": format!("/{}", n % PATHS), "id": format!("hit-{n}") });
                    json!({ "Id": format!("m{}", n - first), "MessageBody": body.to_string() })
                })
                .collect();
            let request = json!({ "QueueUrl": self.url, "Entries": entries });
            let since = Instant::now();
            while self
                .call("SendMessageBatch", &request)
                .is_none_or(|response| response["Successful"].as_array().map(Vec::len) != Some(entries.len()))
            {
                assert!(since.elapsed() < TIMEOUT, "the queue accepts no messages");
                std::thread::yield_now();
            }
        }
    }

    /// Returns the number of messages, in flight or not; `None` without a response.
    fn depth(&self) -> Option<u64> {
        let names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"];
        let response =
            self.call("GetQueueAttributes", &json!({ "QueueUrl": self.url, "AttributeNames": names }))?;
        let number =
            |name: &str| response["Attributes"][name].as_str().and_then(|text| text.parse::<u64>().ok());
        Some(number(names[0])? + number(names[1])?)
    }

    /// Waits until the queue is empty.
    pub(crate) fn wait_until_drained(&self) {
        let since = Instant::now();
        while self.depth() != Some(0) {
            assert!(since.elapsed() < TIMEOUT, "{:?} messages are left", self.depth());
            pause(Duration::from_millis(100));
        }
    }
}

/// Kills random processes until it is stopped.
pub(crate) struct Killer {
    stop: AtomicBool,
    killed: AtomicU32,
}

impl Killer {
    pub(crate) fn new() -> Self {
        Self { stop: AtomicBool::new(false), killed: AtomicU32::new(0) }
    }

    /// Kills a random one of the processes that `victims` returns, once per `every_ms` milliseconds, at most
    /// `max_kills` times.
    pub(crate) fn work(&self, max_kills: u32, every_ms: u64, victims: &dyn Fn() -> Vec<i32>) {
        // A linear congruential generator is random enough here.
        let mut random = 0x9E37_79B9_u32;
        while !self.stop.load(Ordering::SeqCst) && self.killed.load(Ordering::SeqCst) < max_kills {
            pause(Duration::from_millis(every_ms));
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let found = victims();
            if let Some(pid) = found.get((random >> 16) as usize % found.len().max(1)) {
                // The process may have ended already.
                if kill_process(Pid::from_raw(*pid).unwrap(), Signal::KILL).is_ok() {
                    self.killed.fetch_add(1, Ordering::SeqCst);
                }
            }
        }
    }

    pub(crate) fn stop(&self) -> u32 {
        self.stop.store(true, Ordering::SeqCst);
        self.killed.load(Ordering::SeqCst)
    }
}

/// Returns the ids of the processes whose `/proc` directory `matches` accepts.
pub(crate) fn processes(matches: &dyn Fn(&Path) -> bool) -> Vec<i32> {
    let all = std::fs::read_dir("/proc").unwrap();
    let pid = |entry: std::io::Result<std::fs::DirEntry>| {
        let entry = entry.ok()?;
        let pid = entry.file_name().to_str()?.parse().ok()?;
        matches(&entry.path()).then_some(pid)
    };
    all.filter_map(pid).collect()
}

/// Returns the configuration. With markers (`exact`), a batch fills one transaction, and is redelivered soon after a
/// kill. Without them, a batch is small, since a killed process may count it twice.
pub(crate) fn config(exact: bool, batch: u32) -> String {
    let visibility = if exact { 3 } else { 20 };
    format!(
        "function.timeout_s = 2\nfunction.reserved_concurrency = \"none\"\ntable.max_write_units = 40000\n\
         [queue]\nenabled = true\nbatch_size = {batch}\nwindow_s = 1\nmax_receive_count = 1000\nvisibility_s = {visibility}\n\
         [counter]\npaths = \"open\"\nvisitors = \"none\"\nbots = \"count\"\nexact = {exact}\n"
    )
}

/// Returns the hits of each path, sorted.
pub(crate) fn counted(output: &CommandOutput) -> Vec<u64> {
    let json = output.json();
    let rows = json["counts"].as_array().unwrap();
    let mut hits: Vec<u64> = rows.iter().map(|row| row["hits"].as_u64().unwrap()).collect();
    hits.sort_unstable();
    hits
}

/// Returns the URL of the queue of hits from the output of `status`.
pub(crate) fn queue_url(status: &Json) -> String {
    let rows = status["resources"].as_array().unwrap();
    let queue = rows.iter().find(|row| row["address"] == "queue.hits").expect("there is a queue");
    queue["outputs"]["url"].as_str().unwrap().to_owned()
}

fn ok(test_env: &TestEnv, args: &[&str]) -> CommandOutput {
    let output = test_env.run(args);
    assert_eq!(output.code, 0, "{args:?}: {output:?}");
    output
}

/// Sends all hits while processes are killed. Returns the hits of each path.
fn counts_after_kills(exact: bool, batch: u32, kills: u32) -> Vec<u64> {
    let test_env = TestEnv::with_config(&config(exact, batch));
    ok(&test_env, &["deploy", "--artifact", &artifact()]);
    let url = queue_url(&ok(&test_env, &["status", "--json"]).json());
    let endpoint = url.split("/000000000000/").next().unwrap().to_owned();
    let queue = Queue { endpoint: &endpoint, url: &url };
    let code = test_env.state().join("code");
    let functions =
        || processes(&|process| process.join("exe").read_link().is_ok_and(|exe| exe.starts_with(&code)));
    let killer = Killer::new();
    std::thread::scope(|scope| {
        scope.spawn(|| killer.work(kills, 300, &functions));
        queue.send(0, HITS / 2);
        if exact {
            // Kills the whole cloud halfway.
            let pid = ok(&test_env, &["local", "status", "--json"]).json()["pid"].as_i64().unwrap();
            kill_process(Pid::from_raw(i32::try_from(pid).unwrap()).unwrap(), Signal::KILL).unwrap();
            ok(&test_env, &["local", "start"]);
        }
        queue.send(HITS / 2, HITS);
        if exact {
            // Sends some hits twice, as a sender without a response would.
            queue.send(0, HITS / 100);
        }
        queue.wait_until_drained();
        assert!(killer.stop() > 0, "nothing was killed");
    });
    counted(&ok(&test_env, &["counts", "list", "--json"]))
}

#[test]
fn each_of_100000_hits_counts_exactly_once() {
    assert_eq!(counts_after_kills(true, 80, u32::MAX), vec![(HITS / PATHS) as u64; PATHS]);
}

#[test]
fn hits_without_markers_are_within_a_thousandth() {
    // The batch of a process that is killed between its write and its response counts twice. Four batches of 25 hits
    // are a thousandth.
    let hits = counts_after_kills(false, 25, 4);
    let sum: u64 = hits.iter().sum();
    assert!((HITS as u64..=HITS as u64 + HITS as u64 / 1000).contains(&sum), "{sum}: {hits:?}");
}
