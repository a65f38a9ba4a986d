//! The CloudWatch log group of the function.

#[cfg(feature = "aws")]
pub(crate) mod aws;

use serde::{Deserialize, Serialize};

use crate::{Spec, Tags};

/// A log group that forgets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LogGroupSpec {
    /// How many days events are kept.
    pub retention_days: u32,
    /// Its tags.
    pub tags: Tags,
}

impl Spec for LogGroupSpec {
    const KIND: &'static str = "log_group";
}
