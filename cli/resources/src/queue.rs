//! A queue of SQS: of hits that wait to be counted, or of dead letters.

#[cfg(feature = "aws")]
pub(crate) mod aws;
pub(crate) mod spec;
