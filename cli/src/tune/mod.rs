//! What the memory size brings: the function measured under several, what each costs, and which to take. `model`, `advice`,
//! `lambda_report` and `request` are pure; `bench` measures on this machine, `copy` in an account.

mod advice;
mod bench;
mod copy;
mod lambda_report;
mod mark;
mod model;
mod request;
mod runtime;
mod share;

pub use advice::Advice;
pub use bench::{Bench, WARM_CALLS};
pub use copy::{Copy, code, deployed, with_copy};
pub use mark::Scratch;
pub use model::Figures;
pub use request::Asks;
pub use share::{Shares, vcpus};
