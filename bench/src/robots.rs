//! `robots`: says of each user agent on standard input, one a line, whether the function takes it for a robot's, and by what.
//! `robots.py` measures the matcher with it. It decides nothing by itself.

use std::io::{BufRead as _, Write as _};
use std::process::ExitCode;

use hit_counter::bots;

fn main() -> ExitCode {
    match judge() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            drop(writeln!(std::io::stderr(), "error: failed to read user agents: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// Writes a line for each line: `person`, or `robot` and the sentence that says why.
fn judge() -> std::io::Result<()> {
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    for line in std::io::stdin().lock().lines() {
        match bots::sign(Some(&line?)) {
            None => writeln!(out, "person")?,
            Some(sign) => writeln!(out, "robot {sign}")?,
        }
    }
    out.flush()
}
