//! Runs the program for Windows: natively on Windows, and elsewhere with a runner such as wine. Not part of
//! `cargo test --workspace`, because it needs that program and the runner:
//!
//!     HITCTL_EXE=PATH HITCTL_RUNNER=wine cargo test -p hitctl --test windows
//!
//! The function that is deployed is built for this machine, because the emulator runs on this machine.

#![expect(clippy::disallowed_methods, reason = "programs are started with variables of this process")]

mod account;
#[cfg(unix)]
mod console;
mod machine;
mod program;
