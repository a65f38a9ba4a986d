//! What is put on queues and buses, what cannot be counted, and what comes back from them as dead letters, on an emulator's SQS and EventBridge.

mod dead;
pub(super) mod poison;
mod put;

use std::collections::BTreeMap;

use aws_sdk_sqs::types::{MessageAttributeValue, MessageSystemAttributeName};
use hitctl_emulators::Emulator;
use serde_json::Value as Json;

use super::scene::{Scene, config};

/// A queue and events, and nothing of hitctl's that takes from the queue: what is on it stays there to be looked at.
const ON: &str = "queue.enabled = true\nevents.enabled = true\n";

/// The queues of an app, asked past hitctl.
pub(super) struct Queues {
    client: aws_sdk_sqs::Client,
    runtime: tokio::runtime::Runtime,
    app: String,
}

/// A message as it is on a queue.
#[derive(Debug)]
struct Found {
    body: String,
    attributes: BTreeMap<String, String>,
}

impl Found {
    fn json(&self) -> Json {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

impl Queues {
    /// Makes both queues of an app.
    fn new(app: &str) -> Self {
        let queues = Self::of(app);
        for end in ["hits", "dlq"] {
            let made = queues.client.create_queue().queue_name(format!("{app}-test-{end}"));
            queues.runtime.block_on(made.send()).unwrap();
        }
        queues
    }

    /// The queues of an app that is deployed.
    pub(super) fn of(app: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let client = aws_sdk_sqs::Client::new(&config(Emulator::ministack()));
        Self { client, runtime, app: app.to_owned() }
    }

    fn url(&self, end: &str) -> String {
        let asked = self.client.get_queue_url().queue_name(format!("{}-test-{end}", self.app));
        self.runtime.block_on(asked.send()).unwrap().queue_url.unwrap()
    }

    pub(super) fn send(&self, end: &str, body: &str, attributes: &[(&str, &str)]) {
        let value = |text: &str| {
            MessageAttributeValue::builder().data_type("String").string_value(text).build().unwrap()
        };
        let mut call = self.client.send_message().queue_url(self.url(end)).message_body(body);
        for (name, text) in attributes {
            call = call.message_attributes(*name, value(text));
        }
        self.runtime.block_on(call.send()).unwrap();
    }

    /// Everything that can be received of a queue; it stays there.
    fn all(&self, end: &str) -> Vec<Found> {
        let url = self.url(end);
        let mut found: BTreeMap<String, Found> = BTreeMap::new();
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
                let shown = self.client.change_message_visibility().queue_url(&url).visibility_timeout(30);
                self.runtime.block_on(shown.receipt_handle(message.receipt_handle.unwrap()).send()).unwrap();
                let attributes = message.message_attributes.unwrap_or_default().into_iter();
                let attributes =
                    attributes.map(|(name, value)| (name, value.string_value.unwrap_or_default()));
                let id = message.message_id.unwrap();
                let body = message.body.unwrap();
                found.insert(id, Found { body, attributes: attributes.collect() });
            }
        }
        found.into_values().collect()
    }
}

/// A yard with queues.
fn scene(app: &str) -> (Scene, Queues) {
    (Scene::new(Emulator::ministack(), app, ON), Queues::new(app))
}
