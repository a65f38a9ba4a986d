//! Queues, event source mappings, and the outputs that are read at the time of each request.

use hitctl_engine::{Fault, Outputs, plural};
use hitctl_resources::{EventSourceMappingSpec, LogGroupSpec, OLDEST_MS, QueueSpec, Spec as _};

use super::{CloudServices, arn, invalid_spec, outputs};
use crate::clock::now_ms;
use crate::ids::uuid;
use crate::logs::LogEventQuery;
use crate::registry::RegistryEntry;

impl CloudServices {
    pub(super) async fn apply_queue(&self, name: &str, spec: &QueueSpec) -> Result<Outputs, Fault> {
        let queue = self.queues.put(name, arn("sqs", name), spec).await?;
        let url = self.queues.url(name);
        Ok(outputs(&[("arn", queue.arn.clone()), ("name", name.to_owned()), ("url", url)]))
    }

    pub(super) async fn apply_mapping(
        &self,
        name: &str,
        spec: &EventSourceMappingSpec,
        old: Option<&RegistryEntry>,
    ) -> Result<Outputs, Fault> {
        let kind = EventSourceMappingSpec::KIND;
        let (Some(queue), Some(_)) = (spec.queue_arn.get(), spec.function_arn.get()) else {
            let reason = "queue_arn and function_arn: expected values, found an unresolved reference";
            return Err(invalid_spec(kind, name, reason));
        };
        if self.queues.by_arn(queue).is_none() {
            return Err(invalid_spec(kind, name, &format!("the queue {queue:?} does not exist")));
        }
        if spec.batch_size == 0 {
            return Err(invalid_spec(kind, name, "batch_size: expected at least 1, found 0"));
        }
        self.mappings.put(name, spec).await;
        let uuid = old.and_then(|old| old.outputs.get("uuid").cloned()).unwrap_or_else(uuid);
        let state = if spec.enabled { "Enabled" } else { "Disabled" };
        Ok(outputs(&[("uuid", uuid), ("state", state.to_owned())]))
    }

    /// Returns the outputs of a resource that change without a deployment: the number of messages on a queue,
    /// the age of the oldest message in seconds, and the time of a log group's oldest line in milliseconds
    /// since the Unix epoch.
    pub(crate) async fn live_outputs(&self, kind: &str, name: &str) -> Outputs {
        let mut outputs = Outputs::new();
        if kind == LogGroupSpec::KIND {
            let (logs, group) = (self.logs.clone(), name.to_owned());
            let first = LogEventQuery { after: None, since_ms: 0, limit: 1 };
            let page = tokio::task::spawn_blocking(move || logs.read(&group, &first)).await;
            if let Ok(Ok(page)) = page {
                let oldest_ms = page.events.first().map_or_else(now_ms, |event| event.timestamp);
                outputs.insert(OLDEST_MS.to_owned(), oldest_ms.to_string());
            }
        }
        if kind == QueueSpec::KIND
            && let Some(queue) = self.queues.get(name)
            && let Ok(depth) = self.queues.depth(&queue).await
        {
            let messages = Some(depth.total()).filter(|n| *n > 0).map(|n| plural(n, "message"));
            outputs.extend(messages.map(|messages| ("held".to_owned(), messages)));
            let oldest = depth.oldest_ms.map(|age| (age / 1_000).to_string());
            outputs.extend(oldest.map(|age| ("oldest_s".to_owned(), age)));
        }
        outputs
    }
}
