//! The guard process of an emulator: a script that stops the emulator and all its processes when the standard input of
//! the script is closed. The operating system closes this input when the test process ends.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Stdio};

/// A running guard process. Its emulator stops when this value is dropped, and at the latest with the test process.
#[derive(Debug)]
pub(crate) struct EmulatorGuard(Child);

impl EmulatorGuard {
    /// Starts the guard and waits for a line that begins with `ready`. Returns the other words of this line. Any other output is
    /// the error.
    pub(crate) fn start(command: &mut Command) -> Result<(Self, Vec<String>), String> {
        // The standard input of the guard is closed when this process ends for any reason.
        let mut guard = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| error.to_string())?;
        let mut output = BufReader::new(guard.stdout.take().ok_or("it has no output")?);
        let mut line = String::new();
        output.read_line(&mut line).map_err(|error| error.to_string())?;
        let mut words = line.split_whitespace().map(str::to_owned);
        if words.next().as_deref() == Some("ready") {
            return Ok((Self(guard), words.collect()));
        }
        let mut rest = String::new();
        // Ignores output that is not UTF-8: it would not explain the error.
        drop(output.read_to_string(&mut rest));
        drop(guard.wait());
        Err(format!("{line}{rest}"))
    }
}

impl Drop for EmulatorGuard {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        // The guard stops the emulator and exits now. After this wait, none of its processes runs.
        drop(self.0.wait());
    }
}
