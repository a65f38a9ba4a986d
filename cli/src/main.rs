//! The program: runs, and gives back the exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    hitctl::run()
}
