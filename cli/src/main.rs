//! The hitctl program.

use std::process::ExitCode;

fn main() -> ExitCode {
    hitctl::run()
}
