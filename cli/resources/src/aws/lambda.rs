//! What the kinds that belong to a function share: its states, its resource policy, and how long to wait for Lambda.

pub(crate) mod policy;
pub(crate) mod state;
pub(crate) mod wait;
