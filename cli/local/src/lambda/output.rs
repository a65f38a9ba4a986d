//! Writes the output of a process to its log group line by line, together with the platform's own lines.
//!
//! Standard output and error share one pipe, which preserves their order. At the end of an invocation, the output
//! that is already in the pipe is logged before the END line. So the log is in the order of events.

use std::io::{self, PipeReader};
use std::sync::Mutex;

use hitctl_platform::OutputPipe;

use super::level::LogLevel;
use crate::lock::lock;
use crate::logs::{Logs, MAX_MESSAGE_BYTES};

/// The maximum length of one log event, in bytes. A longer line becomes several events.
const MAX_LINE_BYTES: usize = MAX_MESSAGE_BYTES;
/// The size of the log tail that the caller of an invocation receives, in bytes.
const MAX_TAIL_BYTES: usize = 4096;
/// The maximum number of bytes that one call of `drain` reads, so that other work can continue.
const MAX_DRAIN_BYTES: usize = 1024 * 1024;

/// The output of one process.
pub(super) struct ProcessOutput {
    logs: Logs,
    group: String,
    /// The lowest level that is logged; `None` if the log format has no levels.
    min_level: Option<LogLevel>,
    pipe: OutputPipe,
    /// The beginning of a line that is not complete yet.
    partial: Mutex<Vec<u8>>,
    /// The last log lines of the current invocation.
    tail: Mutex<String>,
}

impl ProcessOutput {
    /// Reads `pipe` into the log group `group`, without lines below `min_level`.
    pub(super) fn new(
        pipe: PipeReader,
        group: &str,
        min_level: Option<LogLevel>,
        logs: Logs,
    ) -> io::Result<Self> {
        Ok(Self {
            logs,
            group: group.to_owned(),
            min_level,
            pipe: OutputPipe::new(pipe)?,
            partial: Mutex::new(Vec::new()),
            tail: Mutex::new(String::new()),
        })
    }

    /// Reads until every writer has closed the pipe. The future can be dropped at any time:
    /// [`ProcessOutput::drain`] reads the remaining output.
    pub(super) async fn read_to_end(&self) {
        let mut buffer = vec![0; 16 * 1024];
        while self.pipe.readable().await.is_ok() {
            let mut partial = lock(&self.partial);
            match self.pipe.try_read(&mut buffer) {
                Ok(0) => return,
                Ok(read) => self.append(&mut partial, &buffer[..read]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return,
            }
        }
    }

    /// Reads the available output, even if tokio has not reported the pipe as readable yet.
    pub(super) fn drain(&self) {
        let mut partial = lock(&self.partial);
        let mut buffer = [0; 8 * 1024];
        let mut total = 0;
        while total < MAX_DRAIN_BYTES {
            match self.pipe.read_available(&mut buffer) {
                Ok(0) | Err(_) => return,
                Ok(read) => {
                    total += read;
                    self.append(&mut partial, &buffer[..read]);
                }
            }
        }
    }

    /// Drains the pipe, and logs the last line even if it has no newline.
    pub(super) fn finish(&self) {
        self.drain();
        let rest = std::mem::take(&mut *lock(&self.partial));
        self.log_printed(&rest);
    }

    /// Writes one line to the log and the tail.
    pub(super) fn log_line(&self, line: &str) {
        self.logs.write(&self.group, line);
        let mut tail = lock(&self.tail);
        tail.push_str(line);
        tail.push('\n');
        if tail.len() > 2 * MAX_TAIL_BYTES {
            truncate_tail(&mut tail);
        }
    }

    /// Starts the tail of the next invocation.
    pub(super) fn begin_tail(&self) {
        lock(&self.tail).clear();
    }

    /// Removes and returns the tail: the last 4 KB since [`ProcessOutput::begin_tail`].
    pub(super) fn tail(&self) -> String {
        let mut tail = std::mem::take(&mut *lock(&self.tail));
        truncate_tail(&mut tail);
        tail
    }

    /// Logs the complete lines in `partial` and `bytes`. Keeps the beginning of an incomplete line in `partial`.
    fn append(&self, partial: &mut Vec<u8>, bytes: &[u8]) {
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let (head, tail) = rest.split_at(end);
            rest = &tail[1..];
            if partial.is_empty() {
                self.log_printed(head);
            } else {
                partial.extend_from_slice(head);
                self.log_printed(partial);
                partial.clear();
            }
        }
        partial.extend_from_slice(rest);
        while partial.len() >= MAX_LINE_BYTES {
            let rest = partial.split_off(MAX_LINE_BYTES);
            self.log_printed(partial);
            *partial = rest;
        }
    }

    /// Logs a line that the process printed, unless it is empty or below the minimum level.
    fn log_printed(&self, line: &[u8]) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() || self.min_level.is_some_and(|min_level| LogLevel::of_line(line) < min_level) {
            return;
        }
        // A line that arrived in one read may still be longer than one event.
        for part in line.chunks(MAX_LINE_BYTES) {
            self.log_line(&String::from_utf8_lossy(part));
        }
    }
}

fn truncate_tail(tail: &mut String) {
    if tail.len() > MAX_TAIL_BYTES {
        let from = tail.ceil_char_boundary(tail.len() - MAX_TAIL_BYTES);
        tail.drain(..from);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    #[tokio::test]
    async fn lines_in_parts_are_joined_and_tail_is_limited() {
        let dir = tempfile::tempdir().unwrap();
        let logs = Logs::open(dir.path()).unwrap();
        let (read, mut write) = std::io::pipe().unwrap();
        let output = ProcessOutput::new(read, "/aws/lambda/f", None, logs.clone()).unwrap();
        write.write_all(b"one\ntw").unwrap();
        output.drain();
        write.write_all(b"o\r\n\n\xff\nno newline").unwrap();
        output.finish();
        logs.flush();
        let page = logs.read("/aws/lambda/f", &crate::logs::LogEventQuery::default()).unwrap();
        let lines: Vec<_> = page.events.iter().map(|event| event.message.as_str()).collect();
        assert_eq!(lines, ["one", "two", "\u{fffd}", "no newline"]);
        output.begin_tail();
        for number in 0..2000 {
            output.log_line(&format!("line {number} \u{e9}"));
        }
        let tail = output.tail();
        assert!(tail.len() <= MAX_TAIL_BYTES && tail.len() > MAX_TAIL_BYTES - 20);
        assert!(tail.ends_with("line 1999 \u{e9}\n"));
    }

    #[tokio::test]
    async fn line_over_limit_is_split() {
        let dir = tempfile::tempdir().unwrap();
        let logs = Logs::open(dir.path()).unwrap();
        let (read, mut write) = std::io::pipe().unwrap();
        let output = ProcessOutput::new(read, "/aws/lambda/f", None, logs.clone()).unwrap();
        let writer = std::thread::spawn(move || {
            write.write_all(&vec![b'x'; MAX_LINE_BYTES + 10])?;
            // The end of the line arrives in the same read as the bytes beyond the limit.
            write.write_all(b"\n")?;
            write.write_all(&vec![b'y'; MAX_LINE_BYTES])
        });
        output.read_to_end().await;
        writer.join().unwrap().unwrap();
        output.finish();
        logs.flush();
        let page = logs.read("/aws/lambda/f", &crate::logs::LogEventQuery::default()).unwrap();
        let lengths: Vec<_> = page.events.iter().map(|event| event.message.len()).collect();
        assert_eq!(lengths.iter().sum::<usize>(), 2 * MAX_LINE_BYTES + 10);
        assert_eq!((lengths[0], lengths[lengths.len() - 1]), (MAX_LINE_BYTES, MAX_LINE_BYTES));
    }

    #[tokio::test]
    async fn lines_below_min_level_are_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let logs = Logs::open(dir.path()).unwrap();
        let (read, mut write) = std::io::pipe().unwrap();
        let output = ProcessOutput::new(read, "/aws/lambda/f", Some(LogLevel::Warn), logs.clone()).unwrap();
        let time = r#""timestamp":"2026-09-20T10:00:00.123Z""#;
        let line = |level: &str| format!("{{{time},\"level\":\"{level}\"}}\n");
        write
            .write_all(format!("plain\n{}{}{}", line("INFO"), line("WARN"), line("ERROR")).as_bytes())
            .unwrap();
        output.drain();
        output.log_line("END RequestId: 1");
        output.finish();
        logs.flush();
        let page = logs.read("/aws/lambda/f", &crate::logs::LogEventQuery::default()).unwrap();
        let lines: Vec<_> = page.events.iter().map(|event| event.message.clone()).collect();
        assert_eq!(lines, [line("WARN").trim(), line("ERROR").trim(), "END RequestId: 1"]);
    }
}
