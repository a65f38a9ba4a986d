//! The program: gathers the world, runs, and gives back the exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    hitctl::run(hitctl::World::of_this_process())
}
