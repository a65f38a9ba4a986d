//! The processes of a function: how long a start may take, who has a job, and which one stays longest.

use super::super::limits;
use super::*;
use crate::lambda::{Runner, RunnerConfig};
use crate::logs::Logs;

struct Place {
    _dir: tempfile::TempDir,
    version: Arc<Version>,
    load: Arc<limits::Load>,
}

impl Place {
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
        let function = Function {
            code_sha256: String::new(),
            name: "f".to_owned(),
            arn: String::new(),
            group: "g".to_owned(),
            least_level: None,
            memory_mb: 128,
            timeout: Duration::from_secs(3),
            dir: dir.path().to_owned(),
            environment: Vec::new(),
            shared,
        };
        let version = Arc::new(Version { function, pool: Pool::new() });
        Self { _dir: dir, version, load: Arc::new(limits::Load::new(Some(1))) }
    }

    fn job(&self) -> (Job, oneshot::Receiver<Reply>) {
        let permit = Permit::take(&self.version.function.shared.account, &self.load).ok().unwrap();
        job(Bytes::from_static(b"{}"), permit)
    }

    /// A process that started `age` ago; nothing of it is real but what is said about it.
    fn process(&self, age: Duration, job: Job) -> Arc<Process> {
        let (read, _write) = std::io::pipe().unwrap();
        let output = Output::new(read, "g", None, self.version.function.shared.logs.clone()).unwrap();
        let mut process = Process::new(Arc::clone(&self.version), output, Memory::of(u32::MAX), job);
        process.born = Instant::now().checked_sub(age).unwrap();
        Arc::new(process)
    }
}

fn done(reply: &mut oneshot::Receiver<Reply>) -> Option<Invocation> {
    match reply.try_recv().unwrap() {
        Reply::Done(invocation) => Some(*invocation),
        Reply::NotStarted(..) => None,
    }
}

#[tokio::test]
async fn a_start_may_take_ten_seconds() {
    let place = Place::new();
    let (job, mut reply) = place.job();
    let process = place.process(Duration::from_secs(9), job);
    process.look();
    assert!(!process.kill.is_cancelled());
    process.finish(None);
    assert!(done(&mut reply).is_some());

    let (job, mut reply) = place.job();
    let process = place.process(Duration::from_secs(11), job);
    process.look();
    assert!(process.kill.is_cancelled());
    process.finish(None);
    let failed = done(&mut reply).unwrap();
    let payload = String::from_utf8(failed.payload.to_vec()).unwrap();
    assert!(payload.contains("Sandbox.Timedout") && payload.contains("after 10.00 seconds"), "{payload}");
    assert!(failed.log_tail.contains("Phase: init\tStatus: timeout"), "{}", failed.log_tail);
}

#[tokio::test]
async fn a_job_that_an_idle_process_never_saw_goes_to_another() {
    let place = Place::new();
    let (first, mut reply) = place.job();
    let process = place.process(Duration::ZERO, first);
    let event = process.next().await.unwrap();
    assert!(process.next().await.is_none(), "one at a time");
    assert!(!process.answer("another id", Answer::TooLarge));
    assert!(process.answer(&event.request_id, Answer::Response(Bytes::from_static(b"1"))));
    assert_eq!(done(&mut reply).unwrap().payload, "1");
    let (second, mut reply) = place.job();
    assert!(process.assign(second).is_ok());
    process.finish(None);
    assert!(done(&mut reply).is_none());
    let (third, _reply) = place.job();
    assert!(process.assign(third).is_err(), "it is gone");
    assert!(process.next().await.is_none());
}

#[tokio::test]
async fn after_a_burst_the_last_process_stays_longest() {
    let place = Place::new();
    let start = Instant::now();
    let mut processes = Vec::new();
    for _ in 0..3 {
        let (job, _reply) = place.job();
        let process = place.process(Duration::ZERO, job);
        let event = process.next().await.unwrap();
        assert!(process.answer(&event.request_id, Answer::Response(Bytes::new())));
        processes.push(process);
    }
    let left = |seconds: u64| {
        place.version.pool.trim(start + Duration::from_secs(seconds));
        place.version.pool.idle()
    };
    assert_eq!((left(20), left(60), left(200), left(400)), (3, 1, 1, 0));
    assert!(processes.iter().all(|process| process.kill.is_cancelled()));
}
