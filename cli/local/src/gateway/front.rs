//! The state that requests to one API are answered from.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, OnceLock, RwLock};

use super::settings::Settings;
use crate::lambda::Runner;
use crate::lock::read;
use crate::queue_sender::QueueSender;

/// State that all APIs of a gateway share.
pub(super) struct Shared {
    pub(super) runner: Runner,
    pub(super) region: String,
    pub(super) account: String,
    /// The functions that an API may call, by the API's id.
    pub(super) permits: RwLock<HashMap<String, HashSet<String>>>,
    /// The queues, for what goes to them without a function.
    pub(super) post: OnceLock<Arc<dyn QueueSender>>,
}

impl Shared {
    /// Whether an API may call a function.
    pub(super) fn permitted(&self, api_id: &str, function: &str) -> bool {
        read(&self.permits).get(api_id).is_some_and(|functions| functions.contains(function))
    }
}

/// State that all connections of one API share.
pub(super) struct Front {
    pub(super) gateway: Arc<Shared>,
    pub(super) port: u16,
    pub(super) settings: RwLock<Arc<Settings>>,
}

impl Front {
    pub(super) fn settings(&self) -> Arc<Settings> {
        Arc::clone(&read(&self.settings))
    }
}
