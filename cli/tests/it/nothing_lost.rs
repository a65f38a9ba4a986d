//! A hundred thousand hits through a queue, while the function's processes, and here the cloud itself, are killed at random: each
//! counts exactly once with `exact = true`, and nearly so without.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value as Json, json};

use crate::support::{Http, Ran, Yard, artifact};

/// Hits through the queue of this machine.
const HITS: usize = 100_000;
const PATHS: usize = 10;
/// The most messages of one call.
const CALL: usize = 10;
/// How long all of it may take. Generous: it is for what never ends.
const ALL_OF_IT: Duration = Duration::from_mins(8);

/// A queue that is fed, wherever it is.
pub(crate) struct Queue<'a> {
    /// Where it is asked.
    pub(crate) endpoint: &'a str,
    /// Its URL.
    pub(crate) url: &'a str,
}

impl Queue<'_> {
    /// Calls an operation of SQS; `None` where there was no answer, or none that says that it was done.
    fn call(&self, operation: &str, request: &Json) -> Option<Json> {
        let headers = format!(
            "content-type: application/x-amz-json-1.0\r\nx-amz-target: AmazonSQS.{operation}\r\nx-amz-date: 20261121T000000Z\r\n\
             authorization: AWS4-HMAC-SHA256 Credential=123456789012/20261121/eu-central-1/sqs/aws4_request, SignedHeaders=host, Signature={}\r\n",
            "0".repeat(64)
        );
        let answer =
            Http::connect(self.endpoint).ok()?.ask("POST", "/", &headers, request.to_string().as_bytes());
        answer.ok().filter(|answer| answer.status == 200).map(|answer| answer.json())
    }

    /// Sends messages `from` to `to`, each with an id of its own: what got no answer is sent again, so that every one is there, and
    /// some are there twice.
    pub(crate) fn send(&self, from: usize, to: usize) {
        for first in (from..to).step_by(CALL) {
            let entries: Vec<Json> = (first..to.min(first + CALL))
                .map(|n| {
                    let body = json!({ "v": 1, "path": format!("/{}", n % PATHS), "id": format!("hit-{n}") });
                    json!({ "Id": format!("m{}", n - first), "MessageBody": body.to_string() })
                })
                .collect();
            let request = json!({ "QueueUrl": self.url, "Entries": entries });
            let since = Instant::now();
            while self
                .call("SendMessageBatch", &request)
                .is_none_or(|answer| answer["Successful"].as_array().map(Vec::len) != Some(entries.len()))
            {
                assert!(since.elapsed() < ALL_OF_IT, "the queue does not take it");
                std::thread::yield_now();
            }
        }
    }

    /// How many messages are in it, in flight or not; `None` when it does not answer.
    fn held(&self) -> Option<u64> {
        let names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"];
        let answer =
            self.call("GetQueueAttributes", &json!({ "QueueUrl": self.url, "AttributeNames": names }))?;
        let number =
            |name: &str| answer["Attributes"][name].as_str().and_then(|text| text.parse::<u64>().ok());
        Some(number(names[0])? + number(names[1])?)
    }

    /// Waits until nothing is in it any more.
    pub(crate) fn drained(&self) {
        let since = Instant::now();
        while self.held() != Some(0) {
            assert!(since.elapsed() < ALL_OF_IT, "{:?} messages are left", self.held());
            a_moment(100);
        }
    }
}

/// Kills one of some processes now and then, until it is told to stop.
pub(crate) struct Killer {
    stop: AtomicBool,
    killed: AtomicU32,
}

impl Killer {
    pub(crate) fn new() -> Self {
        Self { stop: AtomicBool::new(false), killed: AtomicU32::new(0) }
    }

    /// Kills at most `most` of what `victims` finds, every `every_ms`.
    pub(crate) fn work(&self, most: u32, every_ms: u64, victims: &dyn Fn() -> Vec<i32>) {
        let mut dice = 0x9E37_79B9_u32;
        while !self.stop.load(Ordering::SeqCst) && self.killed.load(Ordering::SeqCst) < most {
            a_moment(every_ms);
            dice = dice.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let found = victims();
            if let Some(pid) = found.get((dice >> 16) as usize % found.len().max(1)) {
                // It may have ended by itself.
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

/// The processes whose `look` says so.
pub(crate) fn processes(look: &dyn Fn(&Path) -> bool) -> Vec<i32> {
    let all = std::fs::read_dir("/proc").unwrap();
    let pid = |entry: std::io::Result<std::fs::DirEntry>| {
        let entry = entry.ok()?;
        let pid = entry.file_name().to_str()?.parse().ok()?;
        look(&entry.path()).then_some(pid)
    };
    all.filter_map(pid).collect()
}

#[expect(
    clippy::disallowed_methods,
    reason = "the pace of what is killed and of what is asked of another process"
)]
fn a_moment(ms: u64) {
    std::thread::sleep(Duration::from_millis(ms));
}

/// The configuration. With markers a batch is as large as one transaction takes, and comes again soon; without them it is as
/// small as what one killed process may count twice.
pub(crate) fn config(exact: bool, batch: u32) -> String {
    let visibility = if exact { 3 } else { 20 };
    format!(
        "function.timeout_s = 2\nfunction.reserved_concurrency = \"none\"\ntable.max_write_units = 40000\n\
         [queue]\nenabled = true\nbatch_size = {batch}\nwindow_s = 1\nmax_receive_count = 1000\nvisibility_s = {visibility}\n\
         [counter]\npaths = \"open\"\nvisitors = \"none\"\nbots = \"count\"\nexact = {exact}\n"
    )
}

/// The hits of each path.
pub(crate) fn counted(ran: &Ran) -> Vec<u64> {
    let json = ran.json();
    let rows = json["counts"].as_array().unwrap();
    let mut hits: Vec<u64> = rows.iter().map(|row| row["hits"].as_u64().unwrap()).collect();
    hits.sort_unstable();
    hits
}

/// Where the queue of hits is, by `status`.
pub(crate) fn queue_url(status: &Json) -> String {
    let rows = status["resources"].as_array().unwrap();
    let queue = rows.iter().find(|row| row["address"] == "queue.hits").expect("there is a queue");
    queue["outputs"]["url"].as_str().unwrap().to_owned()
}

fn ok(yard: &Yard, args: &[&str]) -> Ran {
    let ran = yard.run(args);
    assert_eq!(ran.code, 0, "{args:?}: {ran:?}");
    ran
}

/// Sends all of it, while processes are killed; gives back what was counted.
fn through(exact: bool, batch: u32, kills: u32) -> Vec<u64> {
    let yard = Yard::with(&config(exact, batch));
    ok(&yard, &["deploy", "--artifact", &artifact()]);
    let url = queue_url(&ok(&yard, &["status", "--json"]).json());
    let endpoint = url.split("/000000000000/").next().unwrap().to_owned();
    let queue = Queue { endpoint: &endpoint, url: &url };
    let code = yard.state().join("code");
    let functions =
        || processes(&|process| process.join("exe").read_link().is_ok_and(|exe| exe.starts_with(&code)));
    let killer = Killer::new();
    std::thread::scope(|scope| {
        scope.spawn(|| killer.work(kills, 300, &functions));
        queue.send(0, HITS / 2);
        if exact {
            // The whole cloud, in the middle of it.
            let pid = ok(&yard, &["local", "status", "--json"]).json()["pid"].as_i64().unwrap();
            kill_process(Pid::from_raw(i32::try_from(pid).unwrap()).unwrap(), Signal::KILL).unwrap();
            ok(&yard, &["local", "start"]);
        }
        queue.send(HITS / 2, HITS);
        if exact {
            // Some of them once more: a sender that is not sure sends again.
            queue.send(0, HITS / 100);
        }
        queue.drained();
        assert!(killer.stop() > 0, "nothing was killed");
    });
    counted(&ok(&yard, &["counts", "list", "--json"]))
}

#[test]
fn each_of_a_hundred_thousand_hits_counts_exactly_once() {
    assert_eq!(through(true, 80, u32::MAX), vec![(HITS / PATHS) as u64; PATHS]);
}

#[test]
fn without_markers_a_hundred_thousand_hits_are_right_within_a_thousandth() {
    // A process that is killed between its write and its answer counts its batch twice: four of 25 are a thousandth.
    let hits = through(false, 25, 4);
    let sum: u64 = hits.iter().sum();
    assert!((HITS as u64..=HITS as u64 + HITS as u64 / 1000).contains(&sum), "{sum}: {hits:?}");
}
