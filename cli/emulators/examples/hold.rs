//! Starts a `MiniStack` like a test process and then exits without running destructors. A test checks that the emulator does not
//! outlive it.

#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a test reads its output and needs it to exit abnormally"
)]

use std::io::{Read as _, stdin};

use hitctl_emulators::Emulator;

fn main() {
    let emulator = Emulator::ministack();
    println!("{} {}", emulator.endpoint(), emulator.pid());
    let mut command = [0];
    // A byte on standard input is the command to exit without destructors. Otherwise the test kills the process here.
    if stdin().read_exact(&mut command).is_ok() {
        std::process::exit(7);
    }
}
