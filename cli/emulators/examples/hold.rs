//! Starts a `MiniStack` as a test process does, and then ends in a way of which nothing is told: for the test that no
//! emulator outlives it.

#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "it speaks with a test, and shall end badly"
)]

use std::io::{Read as _, stdin};

use hitctl_emulators::Emulator;

fn main() {
    let emulator = Emulator::ministack();
    println!("{} {}", emulator.endpoint(), emulator.pid());
    let mut order = [0];
    // An order to leave without destructors; without one, it is killed here.
    if stdin().read_exact(&mut order).is_ok() {
        std::process::exit(7);
    }
}
