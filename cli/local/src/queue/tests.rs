//! Tests queues under tokio's paused clock, so that an hour passes at once.

use std::collections::BTreeSet;

use hitctl_engine::SpecValue;
use hitctl_resources::RedrivePolicy;

use super::*;

struct TestQueues {
    queues: Queues,
    dir: tempfile::TempDir,
}

fn clock() -> NowFn {
    let start = Instant::now();
    Arc::new(move || 1_700_000_000_000 + i64::try_from(start.elapsed().as_millis()).unwrap())
}

fn spec() -> QueueSpec {
    QueueSpec {
        visibility_timeout_s: 30,
        retention_s: 3600,
        managed_encryption: true,
        redrive: None,
        senders: BTreeSet::new(),
        tags: hitctl_resources::Tags::new(),
    }
}

fn arn(name: &str) -> String {
    format!("arn:aws:sqs:local:000000000000:{name}")
}

impl TestQueues {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let queues = Queues::open(&dir.path().join("q"), "http://127.0.0.1:1".into(), clock()).unwrap();
        Self { queues, dir }
    }

    async fn queue(&self, name: &str, change: impl FnOnce(&mut QueueSpec)) -> Arc<Queue> {
        let mut spec = spec();
        change(&mut spec);
        self.queues.put(name, arn(name), &spec).await.unwrap()
    }

    async fn send(&self, queue: &Arc<Queue>, body: &str) {
        let message = NewMessage { body: body.to_owned(), ..NewMessage::default() };
        self.queues.send(queue, vec![message]).await.unwrap();
    }

    async fn receive(&self, queue: &Arc<Queue>, wait_s: u64) -> Vec<QueueMessage> {
        let options =
            ReceiveOptions { max: 10, visibility_timeout_s: None, wait: Duration::from_secs(wait_s) };
        self.queues.receive(queue, options).await.unwrap().into_messages()
    }

    async fn depth(&self, queue: &Arc<Queue>) -> (u64, u64, u64) {
        let MessageCounts { visible, in_flight, delayed, .. } = self.queues.depth(queue).await.unwrap();
        (visible, in_flight, delayed)
    }
}

fn bodies(messages: &[QueueMessage]) -> Vec<&str> {
    messages.iter().map(|message| message.body.as_str()).collect()
}

fn redrive(name: &str, max_receive_count: u32) -> RedrivePolicy {
    RedrivePolicy { dead_letter_arn: SpecValue::Literal(arn(name)), max_receive_count }
}

#[tokio::test(start_paused = true)]
async fn received_message_is_hidden_and_reappears_unless_deleted() {
    let env = TestQueues::new();
    let queue = env.queue("q", |_| {}).await;
    env.send(&queue, "a").await;
    env.send(&queue, "b").await;
    let first = env.receive(&queue, 0).await;
    assert_eq!(bodies(&first), ["a", "b"]);
    assert_eq!(env.depth(&queue).await, (0, 2, 0));
    env.queues.delete_messages(vec![first[0].receipt()]).await.unwrap();
    assert!(env.receive(&queue, 0).await.is_empty());
    let started = Instant::now();
    let second = env.receive(&queue, 40).await;
    assert_eq!(bodies(&second), ["b"]);
    assert_eq!(started.elapsed().as_secs(), 30);
    assert_eq!(second[0].receive_count, 2);
    assert_eq!(second[0].first_received_ms, first[1].first_received_ms);
    // Only the newest receipt is valid; an older one deletes nothing and is not an error.
    env.queues.delete_messages(vec![first[1].receipt()]).await.unwrap();
    assert_eq!(env.depth(&queue).await, (0, 1, 0));
    env.queues.delete_messages(vec![second[0].receipt()]).await.unwrap();
    assert_eq!(env.depth(&queue).await, (0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn message_moves_to_dead_letter_queue_after_maximum_receives() {
    let env = TestQueues::new();
    let queue = env.queue("q", |spec| spec.redrive = Some(redrive("dead", 3))).await;
    let dlq = env.queue("dead", |_| {}).await;
    env.send(&queue, "poison").await;
    let mut sent = None;
    for count in 1..=3 {
        let received = env.receive(&queue, 60).await;
        assert_eq!(received[0].receive_count, count);
        sent = Some((received[0].id.clone(), received[0].sent_ms));
    }
    let waiting_receive = tokio::spawn({
        let (queues, dlq) = (env.queues.clone(), Arc::clone(&dlq));
        let options = ReceiveOptions { max: 1, visibility_timeout_s: None, wait: Duration::from_secs(100) };
        async move { queues.receive(&dlq, options).await.unwrap().into_messages() }
    });
    assert!(env.receive(&queue, 60).await.is_empty());
    let received = waiting_receive.await.unwrap();
    assert_eq!((received[0].id.clone(), received[0].sent_ms), sent.unwrap());
    assert_eq!(received[0].source_arn.as_deref(), Some("arn:aws:sqs:local:000000000000:q"));
    assert_eq!(received[0].receive_count, 4, "earlier receives still count");
    assert_eq!(received[0].system_attributes()["DeadLetterQueueSourceArn"], arn("q"));
    assert_eq!(env.depth(&queue).await, (0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn message_remains_if_dead_letter_queue_does_not_exist() {
    let env = TestQueues::new();
    let queue = env.queue("q", |spec| spec.redrive = Some(redrive("nowhere", 1))).await;
    env.send(&queue, "a").await;
    for _ in 0..3 {
        assert_eq!(bodies(&env.receive(&queue, 60).await), ["a"]);
    }
}

#[tokio::test(start_paused = true)]
async fn delay_retention_and_visibility_change_are_exact_to_the_second() {
    let env = TestQueues::new();
    let queue = env.queue("q", |_| {}).await;
    let delayed_message = NewMessage { body: "late".into(), delay_s: 900, ..NewMessage::default() };
    env.queues.send(&queue, vec![delayed_message]).await.unwrap();
    assert_eq!(env.depth(&queue).await, (0, 0, 1));
    let started = Instant::now();
    let received = env.receive(&queue, 1000).await;
    assert_eq!((bodies(&received), started.elapsed().as_secs()), (vec!["late"], 900));
    let set_visibility =
        |seconds| env.queues.change_visibility(&queue, vec![(received[0].receipt(), seconds)]);
    assert_eq!(set_visibility(100).await.unwrap(), [VisibilityChange::Changed]);
    tokio::time::advance(Duration::from_secs(99)).await;
    assert_eq!(env.depth(&queue).await, (0, 1, 0));
    assert_eq!(set_visibility(0).await.unwrap(), [VisibilityChange::Changed]);
    assert_eq!(env.depth(&queue).await, (1, 0, 0));
    assert_eq!(set_visibility(5).await.unwrap(), [VisibilityChange::NotInFlight]);
    // The retention of one hour counts from the time of sending.
    tokio::time::advance(Duration::from_secs(3600 - 999)).await;
    assert_eq!(env.depth(&queue).await, (1, 0, 0));
    tokio::time::advance(Duration::from_secs(61)).await;
    assert!(env.receive(&queue, 0).await.is_empty());
    assert_eq!(env.depth(&queue).await, (0, 0, 0));
    assert_eq!(set_visibility(5).await.unwrap(), [VisibilityChange::NotFound]);
}

#[tokio::test(start_paused = true)]
async fn waiting_receive_gets_new_message_and_dropped_batch_is_returned() {
    let env = TestQueues::new();
    let queue = env.queue("q", |_| {}).await;
    let started = Instant::now();
    let (received, ()) = tokio::join!(env.receive(&queue, 20), async {
        tokio::time::advance(Duration::from_secs(7)).await;
        env.send(&queue, "a").await;
    });
    assert_eq!((bodies(&received), started.elapsed().as_secs()), (vec!["a"], 7));
    // A message in a dropped batch counts as not received.
    env.send(&queue, "b").await;
    let options = ReceiveOptions { max: 1, visibility_timeout_s: None, wait: Duration::ZERO };
    drop(env.queues.receive(&queue, options).await.unwrap());
    let second = env.receive(&queue, 0).await;
    assert_eq!((bodies(&second), second[0].receive_count), (vec!["b"], 1));
}

#[tokio::test(start_paused = true)]
async fn receive_without_visibility_timeout_returns_each_message_once() {
    let env = TestQueues::new();
    let queue = env.queue("q", |spec| spec.redrive = Some(redrive("dead", 2))).await;
    env.queue("dead", |_| {}).await;
    env.send(&queue, "a").await;
    let received_now = || async {
        let options = ReceiveOptions { max: 10, visibility_timeout_s: Some(0), wait: Duration::ZERO };
        env.queues.receive(&queue, options).await.unwrap().into_messages().len()
    };
    assert_eq!((received_now().await, received_now().await, received_now().await), (1, 1, 0));
}

#[tokio::test(start_paused = true)]
async fn settings_change_keeps_messages_and_delete_removes_them() {
    let env = TestQueues::new();
    let queue = env.queue("q", |_| {}).await;
    env.send(&queue, "a").await;
    let changed = env.queue("q", |spec| spec.visibility_timeout_s = 5).await;
    assert_eq!(env.depth(&changed).await, (1, 0, 0));
    let received = env.receive(&changed, 0).await;
    env.queues.delete("q").await.unwrap();
    env.queues.delete("q").await.unwrap();
    let new = env.queue("q", |_| {}).await;
    env.send(&new, "b").await;
    // A receipt from the deleted queue has no effect on the new one.
    env.queues.delete_messages(vec![received[0].receipt()]).await.unwrap();
    assert_eq!(env.depth(&new).await, (1, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn queues_survive_reopening_the_file() {
    let env = TestQueues::new();
    let queue = env.queue("q", |_| {}).await;
    for body in ["a", "b", "c"] {
        env.send(&queue, body).await;
    }
    let options = ReceiveOptions { max: 2, visibility_timeout_s: None, wait: Duration::ZERO };
    let received = env.queues.receive(&queue, options).await.unwrap().into_messages();
    env.queues.delete_messages(vec![received[0].receipt()]).await.unwrap();
    env.queues.flush().await;
    let reopened = Queues::open(&env.dir.path().join("q"), "http://127.0.0.1:1".into(), clock()).unwrap();
    let queue = reopened.put("q", arn("q"), &spec()).await.unwrap();
    let MessageCounts { visible, in_flight, delayed, oldest_ms } = reopened.depth(&queue).await.unwrap();
    assert_eq!((visible, in_flight, delayed), (1, 1, 0));
    assert!(oldest_ms.is_some(), "a message remains");
    reopened.delete_messages(vec![received[1].receipt()]).await.unwrap();
    assert_eq!(reopened.depth(&queue).await.unwrap().total(), 1);
}

#[tokio::test(start_paused = true)]
async fn settings_beyond_sqs_limits_are_rejected() {
    let env = TestQueues::new();
    for change in [
        |spec: &mut QueueSpec| spec.visibility_timeout_s = 43_201,
        |spec: &mut QueueSpec| spec.retention_s = 59,
        |spec: &mut QueueSpec| spec.redrive = Some(redrive("dead", 0)),
    ] {
        let mut spec = spec();
        change(&mut spec);
        assert_eq!(env.queues.put("q", arn("q"), &spec).await.err().unwrap().code, "invalid_request");
    }
    assert!(env.queues.put("a.fifo", arn("a"), &spec()).await.is_err());
}

#[test]
fn sqlite_version_has_reviewed_advisories() {
    let reviewed = include_str!("../../../../deny.toml");
    let version = format!("SQLite {}", rusqlite::version());
    assert!(
        reviewed.contains(&version),
        "{version} is built in: review its advisories and say so in deny.toml"
    );
}
