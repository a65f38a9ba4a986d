//! Queues brought to life, and what is said of them at the time of asking.

use hitctl_engine::{Fault, Outputs};
use hitctl_resources::{QueueSpec, Spec as _};

use super::{Cloud, arn, outputs};

impl Cloud {
    pub(super) async fn bring_queue(&self, name: &str, spec: &QueueSpec) -> Result<Outputs, Fault> {
        let queue = self.queues.put(name, arn("sqs", name), spec).await?;
        let url = self.queues.url(name);
        Ok(outputs(&[("arn", queue.arn.clone()), ("name", name.to_owned()), ("url", url)]))
    }

    /// What a resource offers that can only be said at the time of asking: how much a queue holds.
    pub(crate) async fn live(&self, kind: &str, name: &str) -> Outputs {
        let mut live = Outputs::new();
        if kind == QueueSpec::KIND
            && let Some(queue) = self.queues.get(name)
            && let Ok(depth) = self.queues.depth(&queue).await
        {
            let held = match depth.all() {
                0 => None,
                1 => Some("1 message".to_owned()),
                many => Some(format!("{many} messages")),
            };
            live.extend(held.map(|held| ("held".to_owned(), held)));
        }
        live
    }
}
