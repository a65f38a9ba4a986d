//! The causes of faults.

use std::error::Error;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The error that led to a fault, with its own sources. JSON has its text alone, and two causes are equal when their texts are.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct Cause {
    text: Arc<str>,
    error: Arc<dyn Error + Send + Sync>,
}

impl Cause {
    /// A cause: an error, or the message of a service.
    pub fn new(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        let error = error.into();
        Self { text: error.to_string().into(), error: error.into() }
    }
}

impl Deref for Cause {
    type Target = str;

    fn deref(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

impl Error for Cause {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.error.source()
    }
}

impl PartialEq for Cause {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Cause {}

impl PartialEq<&str> for Cause {
    fn eq(&self, other: &&str) -> bool {
        **self == **other
    }
}

impl From<String> for Cause {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl From<Cause> for String {
    fn from(cause: Cause) -> Self {
        cause.text.as_ref().to_owned()
    }
}
