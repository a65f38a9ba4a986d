//! What a process prints, line by line into its log group, and the platform's own lines between them.
//!
//! Standard output and error share one pipe, so their order stays. What was printed before an answer is read before the
//! answer's END line is written, so a log reads in the order of events.

use std::io::{self, PipeReader};
use std::sync::Mutex;

use tokio::net::unix::pipe::Receiver;

use super::level::Level;
use crate::lock::lock;
use crate::logs::{Logs, MESSAGE_BYTES};

/// A longer line becomes several events.
const LINE_BYTES: usize = MESSAGE_BYTES;
/// How much of a log an invocation's caller is told.
const TAIL_BYTES: usize = 4096;
/// How much is read at once before others get their turn.
const TURN_BYTES: usize = 1024 * 1024;

/// The output of one process.
pub(super) struct Output {
    logs: Logs,
    group: String,
    /// The lowest level that is kept; `None` where the log format has no levels.
    least: Option<Level>,
    pipe: Receiver,
    /// The beginning of a line whose end has not come yet.
    partial: Mutex<Vec<u8>>,
    tail: Mutex<String>,
}

impl Output {
    /// Reads `pipe` into the log group `group`, without lines below the level `least`.
    pub(super) fn new(pipe: PipeReader, group: &str, least: Option<Level>, logs: Logs) -> io::Result<Self> {
        Ok(Self {
            logs,
            group: group.to_owned(),
            least,
            pipe: Receiver::from_owned_fd(pipe.into())?,
            partial: Mutex::new(Vec::new()),
            tail: Mutex::new(String::new()),
        })
    }

    /// Reads until every writer is gone. It may be dropped at any time: nothing is lost that [`Output::drain`] would find.
    pub(super) async fn follow(&self) {
        let mut buffer = vec![0; 16 * 1024];
        while self.pipe.readable().await.is_ok() {
            let mut partial = lock(&self.partial);
            match self.pipe.try_read(&mut buffer) {
                Ok(0) => return,
                Ok(read) => self.take_in(&mut partial, &buffer[..read]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return,
            }
        }
    }

    /// Reads what is there now, past the reactor, which may not have heard of it yet.
    pub(super) fn drain(&self) {
        let mut partial = lock(&self.partial);
        let mut buffer = [0; 8 * 1024];
        let mut total = 0;
        while total < TURN_BYTES {
            match rustix::io::read(&self.pipe, &mut buffer) {
                Ok(0) | Err(_) => return,
                Ok(read) => {
                    total += read;
                    self.take_in(&mut partial, &buffer[..read]);
                }
            }
        }
    }

    /// As [`Output::drain`], and what has no newline is a line too.
    pub(super) fn finish(&self) {
        self.drain();
        let rest = std::mem::take(&mut *lock(&self.partial));
        self.printed(&rest);
    }

    /// Writes one line.
    pub(super) fn line(&self, line: &str) {
        self.logs.write(&self.group, line);
        let mut tail = lock(&self.tail);
        tail.push_str(line);
        tail.push('\n');
        if tail.len() > 2 * TAIL_BYTES {
            cut(&mut tail);
        }
    }

    /// Begins the tail of the next invocation.
    pub(super) fn begin_tail(&self) {
        lock(&self.tail).clear();
    }

    /// The last 4 KB since then.
    pub(super) fn tail(&self) -> String {
        let mut tail = std::mem::take(&mut *lock(&self.tail));
        cut(&mut tail);
        tail
    }

    fn take_in(&self, partial: &mut Vec<u8>, bytes: &[u8]) {
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let (head, tail) = rest.split_at(end);
            rest = &tail[1..];
            if partial.is_empty() {
                self.printed(head);
            } else {
                partial.extend_from_slice(head);
                self.printed(partial);
                partial.clear();
            }
        }
        partial.extend_from_slice(rest);
        while partial.len() >= LINE_BYTES {
            let rest = partial.split_off(LINE_BYTES);
            self.printed(partial);
            *partial = rest;
        }
    }

    fn printed(&self, line: &[u8]) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() || self.least.is_some_and(|least| Level::of(line) < least) {
            return;
        }
        // What came in whole may still be longer than one event.
        for part in line.chunks(LINE_BYTES) {
            self.line(&String::from_utf8_lossy(part));
        }
    }
}

fn cut(tail: &mut String) {
    if tail.len() > TAIL_BYTES {
        let from = tail.ceil_char_boundary(tail.len() - TAIL_BYTES);
        tail.drain(..from);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    #[tokio::test]
    async fn lines_are_whole_and_the_tail_is_bounded() {
        let dir = tempfile::tempdir().unwrap();
        let logs = Logs::open(dir.path()).unwrap();
        let (read, mut write) = std::io::pipe().unwrap();
        let output = Output::new(read, "/aws/lambda/f", None, logs.clone()).unwrap();
        write.write_all(b"one\ntw").unwrap();
        output.drain();
        write.write_all(b"o\r\n\n\xff\nno newline").unwrap();
        output.finish();
        logs.flush();
        let page = logs.read("/aws/lambda/f", &crate::logs::Query::default()).unwrap();
        let lines: Vec<_> = page.events.iter().map(|event| event.message.as_str()).collect();
        assert_eq!(lines, ["one", "two", "\u{fffd}", "no newline"]);
        output.begin_tail();
        for number in 0..2000 {
            output.line(&format!("line {number} \u{e9}"));
        }
        let tail = output.tail();
        assert!(tail.len() <= TAIL_BYTES && tail.len() > TAIL_BYTES - 20);
        assert!(tail.ends_with("line 1999 \u{e9}\n"));
    }

    #[tokio::test]
    async fn a_line_without_end_is_cut() {
        let dir = tempfile::tempdir().unwrap();
        let logs = Logs::open(dir.path()).unwrap();
        let (read, mut write) = std::io::pipe().unwrap();
        let output = Output::new(read, "/aws/lambda/f", None, logs.clone()).unwrap();
        let writer = std::thread::spawn(move || {
            write.write_all(&vec![b'x'; LINE_BYTES + 10])?;
            // Its end comes in the same read as what is beyond the bound.
            write.write_all(b"\n")?;
            write.write_all(&vec![b'y'; LINE_BYTES])
        });
        output.follow().await;
        writer.join().unwrap().unwrap();
        output.finish();
        logs.flush();
        let page = logs.read("/aws/lambda/f", &crate::logs::Query::default()).unwrap();
        let lengths: Vec<_> = page.events.iter().map(|event| event.message.len()).collect();
        assert_eq!(lengths.iter().sum::<usize>(), 2 * LINE_BYTES + 10);
        assert_eq!((lengths[0], lengths[lengths.len() - 1]), (LINE_BYTES, LINE_BYTES));
    }

    #[tokio::test]
    async fn lines_below_the_level_are_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let logs = Logs::open(dir.path()).unwrap();
        let (read, mut write) = std::io::pipe().unwrap();
        let output = Output::new(read, "/aws/lambda/f", Some(Level::Warn), logs.clone()).unwrap();
        let time = r#""timestamp":"2026-09-20T10:00:00.123Z""#;
        let line = |level: &str| format!("{{{time},\"level\":\"{level}\"}}\n");
        write
            .write_all(format!("plain\n{}{}{}", line("INFO"), line("WARN"), line("ERROR")).as_bytes())
            .unwrap();
        output.drain();
        output.line("END RequestId: 1");
        output.finish();
        logs.flush();
        let page = logs.read("/aws/lambda/f", &crate::logs::Query::default()).unwrap();
        let lines: Vec<_> = page.events.iter().map(|event| event.message.clone()).collect();
        assert_eq!(lines, [line("WARN").trim(), line("ERROR").trim(), "END RequestId: 1"]);
    }
}
