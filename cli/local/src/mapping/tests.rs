//! Tests mappings under tokio's paused clock, with a function that each test controls.

use std::collections::BTreeSet;

use hitctl_engine::SpecValue;
use hitctl_resources::{QueueSpec, RedrivePolicy};
use tokio::sync::{mpsc, oneshot};

use super::*;
use crate::queue::{MessageAttributeValue, MessageCounts, NewMessage, Queue};

const QUEUE_ARN: &str = "arn:aws:sqs:local:000000000000:q";

/// An invocation of the function, with the channel for its outcome.
struct PendingInvocation {
    function: String,
    event: serde_json::Value,
    outcome_sender: oneshot::Sender<InvokeOutcome>,
}

impl PendingInvocation {
    fn bodies(&self) -> Vec<String> {
        let records = self.event["Records"].as_array().unwrap().iter();
        records.map(|record| record["body"].as_str().unwrap().to_owned()).collect()
    }

    fn id(&self, index: usize) -> &str {
        self.event["Records"][index]["messageId"].as_str().unwrap()
    }

    fn succeed(self, response: &str) {
        self.outcome_sender.send(InvokeOutcome::Succeeded(response.to_owned().into())).unwrap();
    }

    fn finish(self, outcome: InvokeOutcome) {
        self.outcome_sender.send(outcome).unwrap();
    }
}

struct TestFunction(mpsc::UnboundedSender<PendingInvocation>);

impl Invoker for TestFunction {
    fn invoke(&self, function: &str, event: Bytes) -> BoxFuture<'static, InvokeOutcome> {
        let (outcome_sender, outcome) = oneshot::channel();
        let event = serde_json::from_slice(&event).unwrap();
        self.0.send(PendingInvocation { function: function.to_owned(), event, outcome_sender }).ok().unwrap();
        async move { outcome.await.unwrap_or(InvokeOutcome::Failed) }.boxed()
    }
}

struct TestMapping {
    queues: Queues,
    queue: Arc<Queue>,
    dlq: Arc<Queue>,
    mappings: EventSourceMappings,
    invocations: mpsc::UnboundedReceiver<PendingInvocation>,
    started: Instant,
    _dir: tempfile::TempDir,
}

fn spec() -> EventSourceMappingSpec {
    EventSourceMappingSpec {
        queue_arn: SpecValue::Literal(QUEUE_ARN.to_owned()),
        function_arn: SpecValue::Literal("arn:aws:lambda:local:000000000000:function:f:live".to_owned()),
        enabled: true,
        batch_size: 10,
        window_s: 0,
        max_concurrency: 2,
        reports_failures: true,
        tags: hitctl_resources::Tags::new(),
    }
}

impl TestMapping {
    async fn new(change: impl FnOnce(&mut EventSourceMappingSpec)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let started = Instant::now();
        let now = Arc::new(move || 1_700_000_000_000 + i64::try_from(started.elapsed().as_millis()).unwrap());
        let queues = Queues::open(&dir.path().join("q"), "http://127.0.0.1:1".into(), now).unwrap();
        let mut queue = QueueSpec {
            visibility_timeout_s: 100,
            retention_s: 3600 * 24,
            managed_encryption: true,
            redrive: None,
            senders: BTreeSet::new(),
            tags: hitctl_resources::Tags::new(),
        };
        let dlq = queues.put("dead", QUEUE_ARN.replace(":q", ":dead"), &queue).await.unwrap();
        queue.redrive = Some(RedrivePolicy {
            dead_letter_arn: SpecValue::Literal(dlq.arn.clone()),
            max_receive_count: 2,
        });
        let queue = queues.put("q", QUEUE_ARN.to_owned(), &queue).await.unwrap();
        let (send, invocations) = mpsc::unbounded_channel();
        let mappings = EventSourceMappings::new(queues.clone(), Arc::new(TestFunction(send)));
        let mut spec = spec();
        change(&mut spec);
        mappings.put("q", &spec).await;
        Self { queues, queue, dlq, mappings, invocations, started, _dir: dir }
    }

    async fn send(&self, bodies: impl IntoIterator<Item = impl Into<String>>) {
        let message = |body: String| NewMessage { body, ..NewMessage::default() };
        let all = bodies.into_iter().map(|body| message(body.into())).collect();
        self.queues.send(&self.queue, all).await.unwrap();
    }

    async fn next_invocation(&mut self) -> PendingInvocation {
        self.invocations.recv().await.unwrap()
    }

    /// Asserts that no invocation starts within that time.
    async fn assert_no_invocation(&mut self, seconds: u64) {
        let invocation = tokio::time::timeout(Duration::from_secs(seconds), self.invocations.recv()).await;
        assert!(invocation.is_err(), "{:?}", invocation.unwrap().unwrap().bodies());
    }

    fn seconds(&self) -> u64 {
        self.started.elapsed().as_secs()
    }

    async fn depth(&self) -> MessageCounts {
        self.queues.depth(&self.queue).await.unwrap()
    }

    /// Waits until all invocations have ended and their results are written.
    async fn drain_invocations(&self) {
        let slots = Arc::clone(&lock(&self.mappings.inner.running)["q"].slots);
        // The poller occupies one slot while it waits.
        while slots.in_use() > 1 {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn batch_ends_with_window_of_first_message_or_when_full() {
    let mut env = TestMapping::new(|spec| (spec.window_s, spec.batch_size) = (60, 3)).await;
    env.assert_no_invocation(5).await;
    env.send(["a"]).await;
    env.assert_no_invocation(30).await;
    env.send(["b"]).await;
    let invocation = env.next_invocation().await;
    assert_eq!((env.seconds(), invocation.bodies()), (65, vec!["a".to_owned(), "b".to_owned()]));
    assert_eq!(invocation.function, "f");
    invocation.succeed("");
    env.send(["c", "d", "e", "f"]).await;
    let invocation = env.next_invocation().await;
    assert_eq!((env.seconds(), invocation.bodies().len()), (65, 3));
    invocation.succeed("null");
    let invocation = env.next_invocation().await;
    assert_eq!((env.seconds(), invocation.bodies()), (125, vec!["f".to_owned()]));
    invocation.succeed("{}");
    env.drain_invocations().await;
    assert_eq!(env.depth().await.total(), 0);
}

#[tokio::test(start_paused = true)]
async fn concurrency_limit_delays_further_receives() {
    let mut env = TestMapping::new(|spec| spec.batch_size = 1).await;
    env.send(["a", "b", "c"]).await;
    let (first, second) = (env.next_invocation().await, env.next_invocation().await);
    env.assert_no_invocation(5).await;
    assert_eq!(env.depth().await.visible, 1);
    first.succeed("");
    let third = env.next_invocation().await;
    assert_eq!(third.bodies(), ["c"]);
    second.succeed("");
    third.succeed("");
    env.drain_invocations().await;
    assert_eq!(env.depth().await.total(), 0);
}

#[tokio::test(start_paused = true)]
async fn failed_message_is_retried_and_moves_to_dead_letter_queue() {
    let mut env = TestMapping::new(|_| {}).await;
    env.send(["good", "bad"]).await;
    for count in ["1", "2"] {
        let invocation = env.next_invocation().await;
        let last = invocation.event["Records"].as_array().unwrap().len() - 1;
        assert_eq!(invocation.bodies()[last], "bad");
        assert_eq!(invocation.event["Records"][last]["attributes"]["ApproximateReceiveCount"], count);
        let failed = format!(r#"{{"batchItemFailures":[{{"itemIdentifier":"{}"}}]}}"#, invocation.id(last));
        invocation.succeed(&failed);
    }
    assert_eq!(env.seconds(), 100);
    env.assert_no_invocation(200).await;
    assert_eq!(env.depth().await.total(), 0);
    assert_eq!(env.queues.depth(&env.dlq).await.unwrap().visible, 1);
}

#[tokio::test(start_paused = true)]
async fn batch_that_fails_entirely_is_retried_entirely() {
    let mut env = TestMapping::new(|spec| spec.window_s = 1).await;
    env.send(["a", "b"]).await;
    for (seconds, outcome) in [
        (1, InvokeOutcome::Failed),
        (101, InvokeOutcome::Succeeded(r#"{"batchItemFailures":[{"id":1}]}"#.into())),
    ] {
        let invocation = env.next_invocation().await;
        assert_eq!((env.seconds(), invocation.bodies().len()), (seconds, 2));
        invocation.finish(outcome);
    }
    env.assert_no_invocation(300).await;
    assert_eq!(env.queues.depth(&env.dlq).await.unwrap().visible, 2);
}

#[tokio::test(start_paused = true)]
async fn throttled_batch_is_retried_until_visibility_timeout() {
    let mut env = TestMapping::new(|_| {}).await;
    env.send(["a"]).await;
    let mut attempts = 0;
    let redelivered = loop {
        let invocation = env.next_invocation().await;
        if invocation.event["Records"][0]["attributes"]["ApproximateReceiveCount"] == "2" {
            break invocation;
        }
        attempts += 1;
        assert!(env.seconds() < 100);
        invocation.finish(InvokeOutcome::Throttled);
    };
    assert_eq!(env.seconds(), 100);
    assert!((50..70).contains(&attempts), "{attempts}");
    redelivered.finish(InvokeOutcome::Throttled);
    env.next_invocation().await.succeed("");
    env.drain_invocations().await;
    assert_eq!(env.depth().await.total(), 0);
}

#[tokio::test(start_paused = true)]
async fn collected_messages_are_returned_on_stop() {
    let mut env = TestMapping::new(|spec| spec.window_s = 300).await;
    env.send(["a", "b"]).await;
    env.assert_no_invocation(10).await;
    assert_eq!(env.depth().await.in_flight, 2);
    env.mappings.stop();
    env.mappings.drain().await;
    assert_eq!(env.depth().await.visible, 2);
    let mut spec = spec();
    spec.window_s = 0;
    env.mappings.put("q", &spec).await;
    let invocation = env.next_invocation().await;
    assert_eq!(invocation.event["Records"][0]["attributes"]["ApproximateReceiveCount"], "1");
    invocation.finish(InvokeOutcome::Stopping);
    assert_eq!(env.next_invocation().await.bodies().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn disabled_mapping_receives_nothing_until_enabled() {
    let mut env = TestMapping::new(|spec| spec.enabled = false).await;
    env.send(["a"]).await;
    env.assert_no_invocation(1000).await;
    env.mappings.put("q", &spec()).await;
    env.next_invocation().await.succeed("");
    env.drain_invocations().await;
    env.mappings.delete("q").await;
    env.send(["b"]).await;
    env.assert_no_invocation(1000).await;
    assert_eq!(env.depth().await.visible, 1);
}

#[tokio::test(start_paused = true)]
async fn mapping_continues_with_recreated_queue() {
    let mut env = TestMapping::new(|_| {}).await;
    let spec = env.queue.spec();
    env.queues.delete("q").await.unwrap();
    env.assert_no_invocation(10).await;
    env.queue = env.queues.put("q", QUEUE_ARN.to_owned(), &spec).await.unwrap();
    env.send(["a"]).await;
    assert_eq!(env.next_invocation().await.bodies(), ["a"]);
}

#[tokio::test(start_paused = true)]
async fn event_size_is_limited_to_six_megabytes() {
    let mut env = TestMapping::new(|spec| (spec.batch_size, spec.window_s) = (100, 50)).await;
    // JSON escapes each character, which doubles the length.
    let large = "\"".repeat(1000 * 1024);
    for _ in 0..4 {
        env.send([large.clone()]).await;
    }
    let invocation = env.next_invocation().await;
    assert_eq!((env.seconds(), invocation.bodies().len()), (0, 3));
    assert!(invocation.event.to_string().len() <= 6 * 1024 * 1024);
    invocation.succeed("");
    let invocation = env.next_invocation().await;
    assert_eq!((env.seconds(), invocation.bodies().len()), (50, 1));
}

#[tokio::test(start_paused = true)]
async fn event_matches_lambda_format() {
    let mut env = TestMapping::new(|_| {}).await;
    let binary = MessageAttributeValue {
        data_type: "Binary".into(),
        string_value: None,
        binary_value: Some("AQI=".into()),
    };
    let attributes =
        [("ip".to_owned(), MessageAttributeValue::text("::1")), ("raw".to_owned(), binary)].into();
    let message = NewMessage {
        body: "a \"quoted\" body".into(),
        attributes,
        trace_header: Some("Root=1".into()),
        delay_s: 0,
    };
    let sent = env.queues.send(&env.queue, vec![message]).await.unwrap().remove(0);
    let mut event = env.next_invocation().await.event;
    let record = &mut event["Records"][0];
    let handle = record["receiptHandle"].take();
    assert!(Receipt::parse(handle.as_str().unwrap()).unwrap().belongs_to(&sent.message_id));
    assert_eq!(
        event,
        serde_json::json!({ "Records": [{
            "messageId": sent.message_id,
            "receiptHandle": null,
            "body": "a \"quoted\" body",
            "attributes": {
                "ApproximateReceiveCount": "1",
                "AWSTraceHeader": "Root=1",
                "SentTimestamp": "1700000000000",
                "SenderId": "000000000000",
                "ApproximateFirstReceiveTimestamp": "1700000000000",
            },
            "messageAttributes": {
                "ip": {
                    "stringValue": "::1", "stringListValues": [], "binaryListValues": [], "dataType": "String",
                },
                "raw": {
                    "binaryValue": "AQI=", "stringListValues": [], "binaryListValues": [], "dataType": "Binary",
                },
            },
            "md5OfBody": sent.md5,
            "md5OfMessageAttributes": sent.attributes_md5,
            "eventSource": "aws:sqs",
            "eventSourceARN": QUEUE_ARN,
            "awsRegion": "local",
        }] })
    );
}
