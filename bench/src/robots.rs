//! `robots`: prints for each user agent on standard input, one per line, whether the function detects a bot, and by which rule.
//! `robots.py` uses it to measure the detection.

use std::io::{BufRead as _, Write as _};
use std::process::ExitCode;

use hit_counter::bots;

fn main() -> ExitCode {
    match classify() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            drop(writeln!(std::io::stderr(), "error: failed to read user agents: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// Writes a line for each user agent: `person`, or `robot` with the reason.
fn classify() -> std::io::Result<()> {
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    for line in std::io::stdin().lock().lines() {
        match bots::detect_bot(Some(&line?)) {
            None => writeln!(out, "person")?,
            Some(signal) => writeln!(out, "robot {signal}")?,
        }
    }
    out.flush()
}
