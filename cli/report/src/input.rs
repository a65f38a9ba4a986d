//! Reads stdin on threads of its own: nothing can end a read of a terminal, and Ctrl-C has to be heard meanwhile.

use std::io::{self, BufRead, Read as _};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

/// An answer longer than this is none.
const LONGEST_ANSWER: u64 = 1024;
/// How often a read of everything looks whether it was interrupted.
const LISTEN: Duration = Duration::from_millis(20);

/// Stdin.
pub(super) struct Input(Arc<Mutex<Box<dyn BufRead + Send>>>);

impl Input {
    pub(super) fn new(stdin: Box<dyn BufRead + Send>) -> Self {
        Self(Arc::new(Mutex::new(stdin)))
    }

    /// Reads everything, but no more than one byte over `max`. Fails with [`io::ErrorKind::Interrupted`] when `stop` is
    /// cancelled.
    pub(super) fn read(&self, max: u64, stop: &CancellationToken) -> io::Result<Vec<u8>> {
        let (send, receive) = mpsc::channel();
        let stdin = Arc::clone(&self.0);
        std::thread::Builder::new().name("input".to_owned()).spawn(move || {
            let mut stdin = stdin.lock().unwrap_or_else(PoisonError::into_inner);
            let mut input = Vec::new();
            let read = (&mut *stdin).take(max.saturating_add(1)).read_to_end(&mut input);
            // Whoever wanted it may have given up.
            drop(send.send(read.map(|_| input)));
        })?;
        loop {
            match receive.recv_timeout(LISTEN) {
                Ok(input) => return input,
                Err(RecvTimeoutError::Timeout) if !stop.is_cancelled() => {}
                Err(RecvTimeoutError::Timeout) => return Err(io::ErrorKind::Interrupted.into()),
                Err(RecvTimeoutError::Disconnected) => return Err(io::ErrorKind::UnexpectedEof.into()),
            }
        }
    }

    /// Begins to read one line; it comes with its end, unless the input ends before.
    pub(super) fn ask(&self) -> io::Result<oneshot::Receiver<Option<String>>> {
        let (send, receive) = oneshot::channel();
        let stdin = Arc::clone(&self.0);
        std::thread::Builder::new().name("answer".to_owned()).spawn(move || {
            // Whoever asked may have given up.
            drop(send.send(line(&mut **stdin.lock().unwrap_or_else(PoisonError::into_inner))));
        })?;
        Ok(receive)
    }
}

fn line(stdin: &mut (dyn BufRead + Send)) -> Option<String> {
    let mut answer = Vec::new();
    stdin.take(LONGEST_ANSWER).read_until(b'\n', &mut answer).ok()?;
    String::from_utf8(answer).ok()
}
