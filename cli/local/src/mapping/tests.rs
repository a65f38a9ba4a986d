//! Mappings under tokio's paused time, with a function that does what a test says.

use std::collections::BTreeSet;

use hitctl_engine::Value;
use hitctl_resources::{QueueSpec, Redrive};
use tokio::sync::{mpsc, oneshot};

use super::*;
use crate::queue::{Attribute, Depth, Outgoing, Queue};

const ARN: &str = "arn:aws:sqs:local:000000000000:q";

/// A call of the function: its event, and where the answer goes.
struct Call {
    function: String,
    event: serde_json::Value,
    reply: oneshot::Sender<Outcome>,
}

impl Call {
    fn bodies(&self) -> Vec<String> {
        let records = self.event["Records"].as_array().unwrap().iter();
        records.map(|record| record["body"].as_str().unwrap().to_owned()).collect()
    }

    fn id(&self, index: usize) -> &str {
        self.event["Records"][index]["messageId"].as_str().unwrap()
    }

    fn answer(self, answer: &str) {
        self.reply.send(Outcome::Answered(answer.to_owned().into())).unwrap();
    }

    fn end(self, outcome: Outcome) {
        self.reply.send(outcome).unwrap();
    }
}

struct Function(mpsc::UnboundedSender<Call>);

impl Invoke for Function {
    fn invoke(&self, function: &str, event: Bytes) -> BoxFuture<'static, Outcome> {
        let (reply, replied) = oneshot::channel();
        let event = serde_json::from_slice(&event).unwrap();
        self.0.send(Call { function: function.to_owned(), event, reply }).ok().unwrap();
        async move { replied.await.unwrap_or(Outcome::Failed) }.boxed()
    }
}

struct World {
    queues: Queues,
    queue: Arc<Queue>,
    dead: Arc<Queue>,
    mappings: Mappings,
    calls: mpsc::UnboundedReceiver<Call>,
    began: Instant,
    _dir: tempfile::TempDir,
}

fn spec() -> EventSourceMappingSpec {
    EventSourceMappingSpec {
        queue_arn: Value::Literal(ARN.to_owned()),
        function_arn: Value::Literal("arn:aws:lambda:local:000000000000:function:f:live".to_owned()),
        enabled: true,
        batch_size: 10,
        window_s: 0,
        max_concurrency: 2,
        reports_failures: true,
        tags: hitctl_resources::Tags::new(),
    }
}

impl World {
    async fn new(change: impl FnOnce(&mut EventSourceMappingSpec)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let began = Instant::now();
        let now = Arc::new(move || 1_700_000_000_000 + i64::try_from(began.elapsed().as_millis()).unwrap());
        let queues = Queues::open(&dir.path().join("q"), "http://127.0.0.1:1".into(), now).unwrap();
        let mut queue = QueueSpec {
            visibility_timeout_s: 100,
            retention_s: 3600 * 24,
            managed_encryption: true,
            redrive: None,
            senders: BTreeSet::new(),
            tags: hitctl_resources::Tags::new(),
        };
        let dead = queues.put("dead", ARN.replace(":q", ":dead"), &queue).await.unwrap();
        queue.redrive =
            Some(Redrive { dead_letter_arn: Value::Literal(dead.arn.clone()), max_receive_count: 2 });
        let queue = queues.put("q", ARN.to_owned(), &queue).await.unwrap();
        let (send, calls) = mpsc::unbounded_channel();
        let mappings = Mappings::new(queues.clone(), Arc::new(Function(send)));
        let mut spec = spec();
        change(&mut spec);
        mappings.put("q", &spec).await;
        Self { queues, queue, dead, mappings, calls, began, _dir: dir }
    }

    async fn send(&self, bodies: impl IntoIterator<Item = impl Into<String>>) {
        let message = |body: String| Outgoing { body, ..Outgoing::default() };
        let all = bodies.into_iter().map(|body| message(body.into())).collect();
        self.queues.send(&self.queue, all).await.unwrap();
    }

    async fn call(&mut self) -> Call {
        self.calls.recv().await.unwrap()
    }

    /// No call comes within that time.
    async fn no_call(&mut self, seconds: u64) {
        let call = tokio::time::timeout(Duration::from_secs(seconds), self.calls.recv()).await;
        assert!(call.is_err(), "{:?}", call.unwrap().unwrap().bodies());
    }

    fn seconds(&self) -> u64 {
        self.began.elapsed().as_secs()
    }

    async fn depth(&self) -> Depth {
        self.queues.depth(&self.queue).await.unwrap()
    }

    /// What was answered is written: nothing runs any more.
    async fn settled(&self) {
        let slots = Arc::clone(&lock(&self.mappings.inner.running)["q"].slots);
        // The poller holds one place while it waits.
        while slots.running() > 1 {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_batch_goes_when_the_window_of_its_first_message_is_over_or_it_is_full() {
    let mut world = World::new(|spec| (spec.window_s, spec.batch_size) = (60, 3)).await;
    world.no_call(5).await;
    world.send(["a"]).await;
    world.no_call(30).await;
    world.send(["b"]).await;
    let call = world.call().await;
    assert_eq!((world.seconds(), call.bodies()), (65, vec!["a".to_owned(), "b".to_owned()]));
    assert_eq!(call.function, "f");
    call.answer("");
    world.send(["c", "d", "e", "f"]).await;
    let call = world.call().await;
    assert_eq!((world.seconds(), call.bodies().len()), (65, 3));
    call.answer("null");
    let call = world.call().await;
    assert_eq!((world.seconds(), call.bodies()), (125, vec!["f".to_owned()]));
    call.answer("{}");
    world.settled().await;
    assert_eq!(world.depth().await.all(), 0);
}

#[tokio::test(start_paused = true)]
async fn no_more_run_at_once_than_are_allowed_and_nothing_is_taken_before() {
    let mut world = World::new(|spec| spec.batch_size = 1).await;
    world.send(["a", "b", "c"]).await;
    let (first, second) = (world.call().await, world.call().await);
    world.no_call(5).await;
    assert_eq!(world.depth().await.visible, 1);
    first.answer("");
    let third = world.call().await;
    assert_eq!(third.bodies(), ["c"]);
    second.answer("");
    third.answer("");
    world.settled().await;
    assert_eq!(world.depth().await.all(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_failed_comes_back_and_then_goes_to_the_dead_letters() {
    let mut world = World::new(|_| {}).await;
    world.send(["good", "bad"]).await;
    for count in ["1", "2"] {
        let call = world.call().await;
        let last = call.event["Records"].as_array().unwrap().len() - 1;
        assert_eq!(call.bodies()[last], "bad");
        assert_eq!(call.event["Records"][last]["attributes"]["ApproximateReceiveCount"], count);
        let failed = format!(r#"{{"batchItemFailures":[{{"itemIdentifier":"{}"}}]}}"#, call.id(last));
        call.answer(&failed);
    }
    assert_eq!(world.seconds(), 100);
    world.no_call(200).await;
    assert_eq!(world.depth().await.all(), 0);
    assert_eq!(world.queues.depth(&world.dead).await.unwrap().visible, 1);
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_fails_as_a_whole_stays_as_a_whole() {
    let mut world = World::new(|spec| spec.window_s = 1).await;
    for (seconds, outcome) in
        [(1, Outcome::Failed), (102, Outcome::Answered(r#"{"batchItemFailures":[{"id":1}]}"#.into()))]
    {
        if seconds == 1 {
            world.send(["a", "b"]).await;
        }
        let call = world.call().await;
        assert_eq!((world.seconds(), call.bodies().len()), (seconds.min(101), 2));
        call.end(outcome);
    }
    world.no_call(300).await;
    assert_eq!(world.queues.depth(&world.dead).await.unwrap().visible, 2);
}

#[tokio::test(start_paused = true)]
async fn a_throttled_batch_is_tried_again_until_its_visibility_timeout() {
    let mut world = World::new(|_| {}).await;
    world.send(["a"]).await;
    let mut tries = 0;
    let second = loop {
        let call = world.call().await;
        if call.event["Records"][0]["attributes"]["ApproximateReceiveCount"] == "2" {
            break call;
        }
        tries += 1;
        assert!(world.seconds() < 100);
        call.end(Outcome::Throttled);
    };
    assert_eq!(world.seconds(), 100);
    assert!((50..70).contains(&tries), "{tries}");
    second.end(Outcome::Throttled);
    world.call().await.answer("");
    world.settled().await;
    assert_eq!(world.depth().await.all(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_was_gathered_and_not_given_is_put_back_when_it_stops() {
    let mut world = World::new(|spec| spec.window_s = 300).await;
    world.send(["a", "b"]).await;
    world.no_call(10).await;
    assert_eq!(world.depth().await.in_flight, 2);
    world.mappings.stop();
    world.mappings.settle().await;
    assert_eq!(world.depth().await.visible, 2);
    let mut spec = spec();
    spec.window_s = 0;
    world.mappings.put("q", &spec).await;
    let call = world.call().await;
    assert_eq!(call.event["Records"][0]["attributes"]["ApproximateReceiveCount"], "1");
    call.end(Outcome::Stopping);
    assert_eq!(world.call().await.bodies().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_change_takes_effect_and_one_that_is_switched_off_takes_nothing() {
    let mut world = World::new(|spec| spec.enabled = false).await;
    world.send(["a"]).await;
    world.no_call(1000).await;
    world.mappings.put("q", &spec()).await;
    world.call().await.answer("");
    world.settled().await;
    world.mappings.delete("q").await;
    world.send(["b"]).await;
    world.no_call(1000).await;
    assert_eq!(world.depth().await.visible, 1);
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_is_removed_and_made_again_is_read_on() {
    let mut world = World::new(|_| {}).await;
    let spec = world.queue.spec();
    world.queues.delete("q").await.unwrap();
    world.no_call(10).await;
    world.queue = world.queues.put("q", ARN.to_owned(), &spec).await.unwrap();
    world.send(["a"]).await;
    assert_eq!(world.call().await.bodies(), ["a"]);
}

#[tokio::test(start_paused = true)]
async fn an_event_has_at_most_six_megabytes() {
    let mut world = World::new(|spec| (spec.batch_size, spec.window_s) = (100, 50)).await;
    // Each of them is twice as long as JSON.
    let large = "\"".repeat(1000 * 1024);
    for _ in 0..4 {
        world.send([large.clone()]).await;
    }
    let call = world.call().await;
    assert_eq!((world.seconds(), call.bodies().len()), (0, 3));
    assert!(call.event.to_string().len() <= 6 * 1024 * 1024);
    call.answer("");
    let call = world.call().await;
    assert_eq!((world.seconds(), call.bodies().len()), (50, 1));
}

#[tokio::test(start_paused = true)]
async fn the_event_is_lambdas_own() {
    let mut world = World::new(|_| {}).await;
    let binary =
        Attribute { data_type: "Binary".into(), string_value: None, binary_value: Some("AQI=".into()) };
    let attributes = [("ip".to_owned(), Attribute::text("::1")), ("raw".to_owned(), binary)].into();
    let message =
        Outgoing { body: "a \"quoted\" body".into(), attributes, trace: Some("Root=1".into()), delay_s: 0 };
    let sent = world.queues.send(&world.queue, vec![message]).await.unwrap().remove(0);
    let mut event = world.call().await.event;
    let record = &mut event["Records"][0];
    let handle = record["receiptHandle"].take();
    assert!(Receipt::parse(handle.as_str().unwrap()).unwrap().is_of(&sent.message_id));
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
            "eventSourceARN": ARN,
            "awsRegion": "local",
        }] })
    );
}
