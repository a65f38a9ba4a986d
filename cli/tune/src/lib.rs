//! What the memory size brings: the function measured under several, what each costs, and which to take. `model`, `advice`,
//! `lambda_report` and `request` are pure; `bench` measures on this machine, `function_copy` in an account.

mod bench;
mod cpu_quota;
mod function_copy;
mod lambda_report;
mod process_tag;
mod request;
mod runtime;

pub use bench::{Bench, WARM_CALLS};
pub use cpu_quota::{Shares, vcpus};
pub use function_copy::{Copy, code, deployed};
pub use process_tag::Scratch;
pub use request::Asks;
