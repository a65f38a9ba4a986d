//! A file lock that allows one build at a time in a build folder. The operating system releases it when the process ends.

use std::fs::{self, File, TryLockError};
use std::path::Path;
use std::time::Duration;

use hitctl_engine::{Event, EventSink, Fault};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::cargo::interrupted;
use super::request::BUILD_PHASE;
use super::store::{create_dir, write_fault};

/// The interval between attempts to acquire a lock that another build holds.
const RETRY_INTERVAL: Duration = Duration::from_millis(50);
/// The interval between progress notes about the wait. The note is repeated because a display may skip notes.
const NOTE_INTERVAL: Duration = Duration::from_secs(5);

/// Acquires the lock and waits at most `timeout` for another build to end. The lock is held while the returned file is open.
pub(super) async fn acquire(
    path: &Path,
    timeout: Duration,
    sink: &EventSink,
    stop: &CancellationToken,
) -> Result<File, Fault> {
    create_dir(path.parent().unwrap_or(Path::new(".")))?;
    let open = fs::OpenOptions::new().create(true).truncate(false).write(true).open(path);
    let file = open.map_err(|error| write_fault("open", path, &error))?;
    let deadline = Instant::now() + timeout;
    let mut ticks = interval(RETRY_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last_note: Option<Instant> = None;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::Error(error)) => return Err(write_fault("lock", path, &error)),
            Err(TryLockError::WouldBlock) => {}
        }
        if last_note.is_none_or(|sent| sent.elapsed() >= NOTE_INTERVAL) {
            let note = "waiting for another build".to_owned();
            sink.send(Event::PhaseNote { phase: BUILD_PHASE, note });
            last_note = Some(Instant::now());
        }
        if Instant::now() >= deadline {
            return Err(Fault::fatal(
                "build_locked",
                format!("another build did not finish within {} minutes", timeout.as_secs() / 60),
            )
            .hinted(format!("stop the other hitctl; `fuser {}` shows its process ID", path.display())));
        }
        tokio::select! {
            () = stop.cancelled() => return Err(interrupted()),
            _ = ticks.tick() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[tokio::test]
    async fn acquire_sends_note_and_waits_for_other_build() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cache/build.lock");
        let stop = CancellationToken::new();
        let first = acquire(&path, RETRY_INTERVAL, &EventSink::none(), &stop).await.unwrap();
        let notes = Arc::new(Mutex::new(Vec::new()));
        let first = Mutex::new(Some(first));
        // The first note makes the other build release its lock.
        let sink = {
            let notes = Arc::clone(&notes);
            EventSink::new(move |event| {
                notes.lock().unwrap().push(event);
                drop(first.lock().unwrap().take());
            })
        };
        acquire(&path, Duration::from_mins(1), &sink, &stop).await.unwrap();
        let note = "waiting for another build".to_owned();
        assert_eq!(*notes.lock().unwrap(), [Event::PhaseNote { phase: BUILD_PHASE, note }]);
    }

    #[tokio::test]
    async fn acquire_times_out_and_can_be_interrupted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("build.lock");
        let stop = CancellationToken::new();
        let _first = acquire(&path, RETRY_INTERVAL, &EventSink::none(), &stop).await.unwrap();
        let fault = acquire(&path, Duration::ZERO, &EventSink::none(), &stop).await.err().unwrap();
        assert_eq!(fault.code, "build_locked");
        stop.cancel();
        let fault = acquire(&path, Duration::from_mins(1), &EventSink::none(), &stop).await.err().unwrap();
        assert_eq!(fault.code, "interrupted");
    }
}
