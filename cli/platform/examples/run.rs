//! Runs a program and exits with its exit code: `run PROGRAM ARGS`. wine reports the exit code of a program with several threads
//! only sometimes; this program has one thread.

use std::process::{Command, ExitCode};

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1);
    let Some(program) = args.next() else { return ExitCode::from(64) };
    let code =
        Command::new(program).args(args).status().ok().and_then(|status| u8::try_from(status.code()?).ok());
    ExitCode::from(code.unwrap_or(70))
}
