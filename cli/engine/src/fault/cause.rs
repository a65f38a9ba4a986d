//! The cause of a fault: an error that can be cloned, compared and serialized.

use std::error::Error;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The error that caused a fault, with its own sources. Serialization and comparison use only the text of the error.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct FaultCause {
    text: Arc<str>,
    error: Arc<dyn Error + Send + Sync>,
}

impl FaultCause {
    /// Creates a cause from an error or from the message of a service.
    pub fn new(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        let error = error.into();
        Self { text: error.to_string().into(), error: error.into() }
    }
}

impl Deref for FaultCause {
    type Target = str;

    fn deref(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for FaultCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

impl Error for FaultCause {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.error.source()
    }
}

impl PartialEq for FaultCause {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for FaultCause {}

impl PartialEq<&str> for FaultCause {
    fn eq(&self, other: &&str) -> bool {
        **self == **other
    }
}

impl From<String> for FaultCause {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl From<FaultCause> for String {
    fn from(cause: FaultCause) -> Self {
        cause.text.as_ref().to_owned()
    }
}
