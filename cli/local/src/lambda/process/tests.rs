//! Tests of the processes of a function: the time limit of a start, the assignment of invocations, and the
//! pool after a burst.

use super::super::limits;
use super::*;
use crate::lambda::{Runner, RunnerConfig};
use crate::logs::Logs;

struct PoolTestEnv {
    _dir: tempfile::TempDir,
    version: Arc<FunctionVersion>,
    concurrency: Arc<limits::FunctionConcurrency>,
}

impl PoolTestEnv {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config = RunnerConfig {
            code_dir: dir.path().to_owned(),
            zip_dir: dir.path().to_owned(),
            region: "r".to_owned(),
            account: "a".to_owned(),
            endpoint: String::new(),
            account_concurrency: 10,
        };
        let shared = Runner::new(config, Logs::open(dir.path()).unwrap()).shared;
        let function = FunctionConfig {
            code_sha256: String::new(),
            name: "f".to_owned(),
            arn: String::new(),
            group: "g".to_owned(),
            min_log_level: None,
            memory_mb: 128,
            timeout: Duration::from_secs(3),
            dir: dir.path().to_owned(),
            environment: Vec::new(),
            shared,
        };
        let version = Arc::new(FunctionVersion { function, pool: IdlePool::new() });
        Self { _dir: dir, version, concurrency: Arc::new(limits::FunctionConcurrency::new(Some(1))) }
    }

    fn request(&self) -> (InvocationRequest, oneshot::Receiver<InvocationOutcome>) {
        let permit =
            InvocationPermit::acquire(&self.version.function.shared.account, &self.concurrency).ok().unwrap();
        invocation_request(Bytes::from_static(b"{}"), permit)
    }

    /// Creates the state of a process that started `age` ago. There is no real process.
    fn process(&self, age: Duration, request: InvocationRequest) -> Arc<FunctionProcess> {
        let (read, _write) = std::io::pipe().unwrap();
        let output = ProcessOutput::new(read, "g", None, self.version.function.shared.logs.clone()).unwrap();
        let mut process =
            FunctionProcess::new(Arc::clone(&self.version), output, MemoryMonitor::open(u32::MAX), request);
        process.started_at = Instant::now().checked_sub(age).unwrap();
        Arc::new(process)
    }
}

fn completed(outcome: &mut oneshot::Receiver<InvocationOutcome>) -> Option<Invocation> {
    match outcome.try_recv().unwrap() {
        InvocationOutcome::Completed(invocation) => Some(*invocation),
        InvocationOutcome::NotStarted(..) => None,
    }
}

#[tokio::test]
async fn start_over_ten_seconds_times_out() {
    let env = PoolTestEnv::new();
    let (request, mut outcome) = env.request();
    let process = env.process(Duration::from_secs(9), request);
    process.check_limits();
    assert!(!process.kill.is_cancelled());
    process.finish(None);
    assert!(completed(&mut outcome).is_some());

    let (request, mut outcome) = env.request();
    let process = env.process(Duration::from_secs(11), request);
    process.check_limits();
    assert!(process.kill.is_cancelled());
    process.finish(None);
    let failed = completed(&mut outcome).unwrap();
    let payload = String::from_utf8(failed.payload.to_vec()).unwrap();
    assert!(payload.contains("Sandbox.Timedout") && payload.contains("after 10.00 seconds"), "{payload}");
    assert!(failed.log_tail.contains("Phase: init\tStatus: timeout"), "{}", failed.log_tail);
}

#[tokio::test]
async fn invocation_that_process_never_received_is_not_started() {
    let env = PoolTestEnv::new();
    let (first, mut outcome) = env.request();
    let process = env.process(Duration::ZERO, first);
    let event = process.next().await.unwrap();
    assert!(process.next().await.is_none(), "a process handles one invocation at a time");
    assert!(!process.record_result("another id", RuntimeResult::TooLarge));
    assert!(process.record_result(&event.request_id, RuntimeResult::Response(Bytes::from_static(b"1"))));
    assert_eq!(completed(&mut outcome).unwrap().payload, "1");
    let (second, mut outcome) = env.request();
    assert!(process.assign(second).is_ok());
    process.finish(None);
    assert!(completed(&mut outcome).is_none());
    let (third, _outcome) = env.request();
    assert!(process.assign(third).is_err(), "the process has ended");
    assert!(process.next().await.is_none());
}

#[tokio::test]
async fn trim_after_burst_keeps_last_process_longest() {
    let env = PoolTestEnv::new();
    let start = Instant::now();
    let mut processes = Vec::new();
    for _ in 0..3 {
        let (request, _outcome) = env.request();
        let process = env.process(Duration::ZERO, request);
        let event = process.next().await.unwrap();
        assert!(process.record_result(&event.request_id, RuntimeResult::Response(Bytes::new())));
        processes.push(process);
    }
    let idle_after = |seconds: u64| {
        env.version.pool.trim(start + Duration::from_secs(seconds));
        env.version.pool.idle_count()
    };
    assert_eq!((idle_after(20), idle_after(60), idle_after(200), idle_after(400)), (3, 1, 1, 0));
    assert!(processes.iter().all(|process| process.kill.is_cancelled()));
}
