//! The terminal for progress bars. It converts the operations of indicatif into escape sequences, and writes each frame
//! to stderr with one call.

use std::fmt;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use indicatif::TermLike;

/// A stream that several threads share. Each write is one complete text.
#[derive(Clone)]
pub(crate) struct SharedStream(Arc<Mutex<Box<dyn Write + Send>>>);

impl SharedStream {
    pub(crate) fn new(stream: Box<dyn Write + Send>) -> Self {
        Self(Arc::new(Mutex::new(stream)))
    }

    /// Writes all of `text` and flushes.
    pub(crate) fn write(&self, text: &[u8]) -> io::Result<()> {
        // Ignore a poisoned lock: a thread that panicked during a write has left at most an incomplete line.
        let mut stream = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        stream.write_all(text)?;
        stream.flush()
    }
}

/// A terminal on a shared stream.
#[derive(Clone)]
pub(crate) struct StreamTerm {
    stream: SharedStream,
    width: u16,
    frame: Arc<Mutex<String>>,
}

impl StreamTerm {
    pub(crate) fn new(stream: SharedStream, width: u16) -> Self {
        Self { stream, width, frame: Arc::default() }
    }

    fn append(&self, add: impl FnOnce(&mut String) -> fmt::Result) -> io::Result<()> {
        let mut frame = self.frame.lock().unwrap_or_else(PoisonError::into_inner);
        add(&mut frame).map_err(io::Error::other)
    }

    fn move_by(&self, n: usize, direction: char) -> io::Result<()> {
        if n == 0 { Ok(()) } else { self.append(|frame| write!(frame, "\u{1b}[{n}{direction}")) }
    }
}

impl fmt::Debug for StreamTerm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamTerm").field("width", &self.width).finish_non_exhaustive()
    }
}

impl TermLike for StreamTerm {
    fn width(&self) -> u16 {
        self.width
    }

    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        self.move_by(n, 'A')
    }

    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        self.move_by(n, 'B')
    }

    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        self.move_by(n, 'C')
    }

    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        self.move_by(n, 'D')
    }

    fn write_line(&self, s: &str) -> io::Result<()> {
        self.append(|frame| writeln!(frame, "{s}"))
    }

    fn write_str(&self, s: &str) -> io::Result<()> {
        self.append(|frame| frame.write_str(s))
    }

    fn clear_line(&self) -> io::Result<()> {
        self.append(|frame| frame.write_str("\r\u{1b}[2K"))
    }

    fn flush(&self) -> io::Result<()> {
        let frame = std::mem::take(&mut *self.frame.lock().unwrap_or_else(PoisonError::into_inner));
        if frame.is_empty() { Ok(()) } else { self.stream.write(frame.as_bytes()) }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A stream that stores the written bytes.
    #[derive(Clone, Default)]
    pub(crate) struct CapturedStream(Arc<Mutex<Vec<u8>>>);

    impl CapturedStream {
        pub(crate) fn shared(&self) -> SharedStream {
            SharedStream::new(Box::new(self.clone()))
        }

        pub(crate) fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl Write for CapturedStream {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn frame_is_one_write() {
        let out = CapturedStream::default();
        let term = StreamTerm::new(out.shared(), 80);
        term.move_cursor_up(0).unwrap();
        term.move_cursor_up(2).unwrap();
        term.clear_line().unwrap();
        term.write_line("a").unwrap();
        assert_eq!(out.text(), "");
        term.flush().unwrap();
        assert_eq!(out.text(), "\u{1b}[2A\r\u{1b}[2Ka\n");
    }
}
