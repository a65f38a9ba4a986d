//! Measures the function with several memory sizes: `bench` on this machine, `function_copy` in an AWS account. `lambda_report` and
//! `request` are pure functions. The costs and the advice are in `hitctl_stack::memory`.

mod bench;
mod cpu_quota;
mod function_copy;
mod lambda_report;
mod process_tag;
mod request;
mod runtime;

pub use bench::{Bench, WARM_CALLS};
pub use cpu_quota::{CpuGroups, vcpus};
pub use function_copy::{FunctionCopy, download_code, read_deployed};
pub use process_tag::ScratchDir;
pub use request::MeasuringRequest;
