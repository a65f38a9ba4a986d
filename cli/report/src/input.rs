//! Reads stdin on separate threads, because a blocking read of a terminal cannot be cancelled and Ctrl-C must work
//! during the read.

use std::io::{self, BufRead, Read as _};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

/// The maximum length of an answer in bytes.
const MAX_ANSWER_BYTES: u64 = 1024;
/// The interval at which a read of all input checks for an interrupt.
const INTERRUPT_CHECK_INTERVAL: Duration = Duration::from_millis(20);

/// The stdin of the program.
pub(super) struct StdinReader(Arc<Mutex<Box<dyn BufRead + Send>>>);

impl StdinReader {
    pub(super) fn new(stdin: Box<dyn BufRead + Send>) -> Self {
        Self(Arc::new(Mutex::new(stdin)))
    }

    /// Reads all input, but at most one byte more than `max`. Fails with [`io::ErrorKind::Interrupted`] when
    /// `stop` is cancelled.
    pub(super) fn read(&self, max: u64, stop: &CancellationToken) -> io::Result<Vec<u8>> {
        let (send, receive) = mpsc::channel();
        let stdin = Arc::clone(&self.0);
        std::thread::Builder::new().name("input".to_owned()).spawn(move || {
            let mut stdin = stdin.lock().unwrap_or_else(PoisonError::into_inner);
            let mut input = Vec::new();
            let read = (&mut *stdin).take(max.saturating_add(1)).read_to_end(&mut input);
            // Sending fails if the receiver was dropped after an interrupt.
            drop(send.send(read.map(|_| input)));
        })?;
        loop {
            match receive.recv_timeout(INTERRUPT_CHECK_INTERVAL) {
                Ok(input) => return input,
                Err(RecvTimeoutError::Timeout) if !stop.is_cancelled() => {}
                Err(RecvTimeoutError::Timeout) => return Err(io::ErrorKind::Interrupted.into()),
                Err(RecvTimeoutError::Disconnected) => return Err(io::ErrorKind::UnexpectedEof.into()),
            }
        }
    }

    /// Starts reading one line. The line includes its line end, unless the input ends without one.
    pub(super) fn read_line(&self) -> io::Result<oneshot::Receiver<Option<String>>> {
        let (send, receive) = oneshot::channel();
        let stdin = Arc::clone(&self.0);
        std::thread::Builder::new().name("answer".to_owned()).spawn(move || {
            // Sending fails if the receiver was dropped after an interrupt.
            drop(send.send(read_answer(&mut **stdin.lock().unwrap_or_else(PoisonError::into_inner))));
        })?;
        Ok(receive)
    }
}

fn read_answer(stdin: &mut (dyn BufRead + Send)) -> Option<String> {
    let mut answer = Vec::new();
    stdin.take(MAX_ANSWER_BYTES).read_until(b'\n', &mut answer).ok()?;
    String::from_utf8(answer).ok()
}
