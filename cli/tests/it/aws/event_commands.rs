//! `send`, `emit` and `dlq` with the SQS and EventBridge of an emulator, and messages that cannot be counted.

mod dead_letters;
pub(super) mod poison;
mod send_and_emit;

use std::collections::BTreeMap;

use aws_sdk_sqs::types::{MessageAttributeValue, MessageSystemAttributeName};
use hitctl_emulators::Emulator;
use serde_json::Value as Json;

use super::recorded_env::{RecordedAwsEnv, sdk_config};

/// Enables the queue and events. The tests deploy nothing, so that messages stay on the queue and can be inspected.
const QUEUE_AND_EVENTS: &str = "queue.enabled = true\nevents.enabled = true\n";

/// The queues of an app, accessed with the AWS SDK.
pub(super) struct Queues {
    client: aws_sdk_sqs::Client,
    runtime: tokio::runtime::Runtime,
    app: String,
}

/// A message on a queue.
#[derive(Debug)]
struct QueuedTestMessage {
    body: String,
    attributes: BTreeMap<String, String>,
}

impl QueuedTestMessage {
    fn json(&self) -> Json {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

impl Queues {
    /// Creates both queues of an app.
    fn new(app: &str) -> Self {
        let queues = Self::of_app(app);
        for suffix in ["hits", "dlq"] {
            let made = queues.client.create_queue().queue_name(format!("{app}-test-{suffix}"));
            queues.runtime.block_on(made.send()).unwrap();
        }
        queues
    }

    /// Returns the queues of a deployed app.
    pub(super) fn of_app(app: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let client = aws_sdk_sqs::Client::new(&sdk_config(Emulator::ministack()));
        Self { client, runtime, app: app.to_owned() }
    }

    fn url(&self, suffix: &str) -> String {
        let request = self.client.get_queue_url().queue_name(format!("{}-test-{suffix}", self.app));
        self.runtime.block_on(request.send()).unwrap().queue_url.unwrap()
    }

    pub(super) fn send(&self, suffix: &str, body: &str, attributes: &[(&str, &str)]) {
        let value = |text: &str| {
            MessageAttributeValue::builder().data_type("String").string_value(text).build().unwrap()
        };
        let mut call = self.client.send_message().queue_url(self.url(suffix)).message_body(body);
        for (name, text) in attributes {
            call = call.message_attributes(*name, value(text));
        }
        self.runtime.block_on(call.send()).unwrap();
    }

    /// Receives all visible messages of a queue without deleting them.
    fn receive_all(&self, suffix: &str) -> Vec<QueuedTestMessage> {
        let url = self.url(suffix);
        let mut found: BTreeMap<String, QueuedTestMessage> = BTreeMap::new();
        loop {
            let call = self.client.receive_message().queue_url(&url).max_number_of_messages(10);
            let call = call
                .visibility_timeout(30)
                .message_attribute_names("All")
                .message_system_attribute_names(MessageSystemAttributeName::All);
            let messages = self.runtime.block_on(call.send()).unwrap().messages.unwrap_or_default();
            if messages.is_empty() {
                break;
            }
            for message in messages {
                let change = self.client.change_message_visibility().queue_url(&url).visibility_timeout(30);
                self.runtime.block_on(change.receipt_handle(message.receipt_handle.unwrap()).send()).unwrap();
                let attributes = message.message_attributes.unwrap_or_default().into_iter();
                let attributes =
                    attributes.map(|(name, value)| (name, value.string_value.unwrap_or_default()));
                let id = message.message_id.unwrap();
                let body = message.body.unwrap();
                found.insert(id, QueuedTestMessage { body, attributes: attributes.collect() });
            }
        }
        found.into_values().collect()
    }
}

/// Creates an environment with queues.
fn env_with_queues(app: &str) -> (RecordedAwsEnv, Queues) {
    (RecordedAwsEnv::new(Emulator::ministack(), app, QUEUE_AND_EVENTS), Queues::new(app))
}
