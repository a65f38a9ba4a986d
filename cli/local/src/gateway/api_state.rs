//! The state that the request handlers of an API use.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, OnceLock, RwLock};

use super::settings::ApiSettings;
use crate::lambda::Runner;
use crate::lock::read;
use crate::queue_sender::QueueSender;

/// The state that all APIs of a gateway share.
pub(super) struct GatewayState {
    pub(super) runner: Runner,
    pub(super) region: String,
    pub(super) account: String,
    /// The functions that an API may invoke, by the id of the API.
    pub(super) permissions: RwLock<HashMap<String, HashSet<String>>>,
    /// The sender for requests that go to a queue instead of a function.
    pub(super) queue_sender: OnceLock<Arc<dyn QueueSender>>,
}

impl GatewayState {
    /// Whether an API may invoke a function.
    pub(super) fn is_permitted(&self, api_id: &str, function: &str) -> bool {
        read(&self.permissions).get(api_id).is_some_and(|functions| functions.contains(function))
    }
}

/// The state that all connections of one API share.
pub(super) struct ApiState {
    pub(super) gateway: Arc<GatewayState>,
    pub(super) port: u16,
    pub(super) settings: RwLock<Arc<ApiSettings>>,
}

impl ApiState {
    pub(super) fn settings(&self) -> Arc<ApiSettings> {
        Arc::clone(&read(&self.settings))
    }
}
