//! Measurements of the function with several memory sizes: the figures of each size and the recommended one.

mod advice;
mod figures;

pub use advice::MemoryAdvice;
pub use figures::{InvocationTiming, MemoryFigures, ProcessTimings, percentile};
