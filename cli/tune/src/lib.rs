//! What the memory size brings: the function measured under several, what each costs, and which to take. `model`, `advice`,
//! `lambda_report` and `request` are pure; `bench` measures on this machine, `copy` in an account.

mod bench;
mod copy;
mod lambda_report;
mod mark;
mod request;
mod runtime;
mod share;

pub use bench::{Bench, WARM_CALLS};
pub use copy::{Copy, code, deployed};
pub use mark::Scratch;
pub use request::Asks;
pub use share::{Shares, vcpus};
