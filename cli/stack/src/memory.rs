//! The function measured under several memory sizes: the figures of each, and which to take.

mod advice;
mod figures;

pub use advice::Advice;
pub use figures::{Call, Figures, Start, percentile};
