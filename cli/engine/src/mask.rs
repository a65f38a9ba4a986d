//! The text that is shown in place of a secret. The caller of `plan` passes the mask, because the engine has no key to
//! hash secrets with.

use std::fmt;
use std::sync::Arc;

/// Maps a secret to a short text that may be shown. Equal secrets have equal texts; different texts show a change.
#[derive(Clone)]
pub struct SecretMask(Arc<dyn Fn(&str) -> String + Send + Sync>);

impl SecretMask {
    /// Creates a mask from the function that maps a secret to its text.
    pub fn new(render: impl Fn(&str) -> String + Send + Sync + 'static) -> Self {
        Self(Arc::new(render))
    }

    pub(crate) fn apply(&self, secret: &str) -> String {
        (self.0)(secret)
    }
}

impl Default for SecretMask {
    /// Shows the same text for all secrets.
    fn default() -> Self {
        Self::new(|_| "(hidden)".to_owned())
    }
}

impl fmt::Debug for SecretMask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mask").finish_non_exhaustive()
    }
}
