//! The text shown in place of a secret. The engine has no key: the caller of `plan` passes one.

use std::fmt;
use std::sync::Arc;

/// Turns a secret into a short text that may be shown, the same for the same secret, so that a change can be seen.
#[derive(Clone)]
pub struct Mask(Arc<dyn Fn(&str) -> String + Send + Sync>);

impl Mask {
    /// Shows secrets as `shown` says.
    pub fn new(shown: impl Fn(&str) -> String + Send + Sync + 'static) -> Self {
        Self(Arc::new(shown))
    }

    pub(crate) fn of(&self, secret: &str) -> String {
        (self.0)(secret)
    }
}

impl Default for Mask {
    /// Shows nothing of any secret.
    fn default() -> Self {
        Self::new(|_| "(hidden)".to_owned())
    }
}

impl fmt::Debug for Mask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mask").finish_non_exhaustive()
    }
}
