//! One build at a time in one build folder, by a lock on a file: the system drops it with the process, however that ends.

use std::fs::{self, File, TryLockError};
use std::path::Path;
use std::time::Duration;

use hitctl_engine::{Event, Fault, Sink};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::cargo::interrupted;
use super::request::BUILD_PHASE;
use super::store::{make_dir, refused};

/// How often a taken lock is tried again.
const TICK: Duration = Duration::from_millis(50);
/// How often it is said that another build is waited for: what shows it may not show every note.
const REMIND: Duration = Duration::from_secs(5);

/// Takes the lock, waiting at most `limit` for another build to end. It is held as long as the file is open.
pub(super) async fn take(
    path: &Path,
    limit: Duration,
    sink: &Sink,
    stop: &CancellationToken,
) -> Result<File, Fault> {
    make_dir(path.parent().unwrap_or(Path::new(".")))?;
    let open = fs::OpenOptions::new().create(true).truncate(false).write(true).open(path);
    let file = open.map_err(|error| refused("open", path, &error))?;
    let deadline = Instant::now() + limit;
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut told: Option<Instant> = None;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::Error(error)) => return Err(refused("lock", path, &error)),
            Err(TryLockError::WouldBlock) => {}
        }
        if told.is_none_or(|told| told.elapsed() >= REMIND) {
            let note = "another build is running: waiting for it".to_owned();
            sink.send(Event::PhaseNote { phase: BUILD_PHASE, note });
            told = Some(Instant::now());
        }
        if Instant::now() >= deadline {
            return Err(Fault::fatal(
                "build_locked",
                format!("another build did not end within {} minutes", limit.as_secs() / 60),
            )
            .hinted(format!("end the other hitctl; `fuser {}` says which process it is", path.display())));
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
    async fn the_second_waits_says_so_and_goes_on_when_the_first_is_done() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cache/build.lock");
        let stop = CancellationToken::new();
        let first = take(&path, TICK, &Sink::none(), &stop).await.unwrap();
        let notes = Arc::new(Mutex::new(Vec::new()));
        let first = Mutex::new(Some(first));
        let sink = {
            let notes = Arc::clone(&notes);
            Sink::new(move |event| {
                notes.lock().unwrap().push(event);
                drop(first.lock().unwrap().take());
            })
        };
        take(&path, Duration::from_mins(1), &sink, &stop).await.unwrap();
        let note = "another build is running: waiting for it".to_owned();
        assert_eq!(*notes.lock().unwrap(), [Event::PhaseNote { phase: BUILD_PHASE, note }]);
    }

    #[tokio::test]
    async fn the_wait_is_bounded_and_can_be_interrupted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("build.lock");
        let stop = CancellationToken::new();
        let _first = take(&path, TICK, &Sink::none(), &stop).await.unwrap();
        let fault = take(&path, Duration::ZERO, &Sink::none(), &stop).await.err().unwrap();
        assert_eq!(fault.code, "build_locked");
        stop.cancel();
        let fault = take(&path, Duration::from_mins(1), &Sink::none(), &stop).await.err().unwrap();
        assert_eq!(fault.code, "interrupted");
    }
}
