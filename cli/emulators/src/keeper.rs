//! The process that keeps an emulator: a small script, whose standard input ties its life, and that of all it started, to ours.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Stdio};

/// A running keeper. What it keeps ends when this is dropped, and at the latest with the test process.
#[derive(Debug)]
pub(crate) struct Keeper(Child);

impl Keeper {
    /// Starts it, and waits until it says `ready` and some words, which are returned. What else it says is the error.
    pub(crate) fn start(command: &mut Command) -> Result<(Self, Vec<String>), String> {
        // The pipe to its standard input is closed by whatever ends this process.
        let mut keeper = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| error.to_string())?;
        let mut said = BufReader::new(keeper.stdout.take().ok_or("it has no output")?);
        let mut line = String::new();
        said.read_line(&mut line).map_err(|error| error.to_string())?;
        let mut words = line.split_whitespace().map(str::to_owned);
        if words.next().as_deref() == Some("ready") {
            return Ok((Self(keeper), words.collect()));
        }
        let mut rest = String::new();
        // What is not text is no explanation either.
        drop(said.read_to_string(&mut rest));
        drop(keeper.wait());
        Err(format!("{line}{rest}"))
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        // It ends by itself now; waiting says that nothing of it is left.
        drop(self.0.wait());
    }
}
