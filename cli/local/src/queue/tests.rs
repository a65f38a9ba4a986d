//! Queues under a clock of the test's own: tokio's, paused, so that an hour passes at once and nobody waits.

use std::collections::BTreeSet;

use hitctl_engine::Value;
use hitctl_resources::Redrive;

use super::*;

struct World {
    queues: Queues,
    dir: tempfile::TempDir,
}

fn clock() -> Now {
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

impl World {
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
        let message = Outgoing { body: body.to_owned(), ..Outgoing::default() };
        self.queues.send(queue, vec![message]).await.unwrap();
    }

    async fn receive(&self, queue: &Arc<Queue>, wait_s: u64) -> Vec<Message> {
        let wish = Wish { max: 10, hidden_s: None, wait: Duration::from_secs(wait_s) };
        self.queues.receive(queue, wish).await.unwrap().take()
    }

    async fn depth(&self, queue: &Arc<Queue>) -> (u64, u64, u64) {
        let Depth { visible, in_flight, delayed, .. } = self.queues.depth(queue).await.unwrap();
        (visible, in_flight, delayed)
    }
}

fn bodies(messages: &[Message]) -> Vec<&str> {
    messages.iter().map(|message| message.body.as_str()).collect()
}

fn redrive(name: &str, max_receive_count: u32) -> Redrive {
    Redrive { dead_letter_arn: Value::Literal(arn(name)), max_receive_count }
}

#[tokio::test(start_paused = true)]
async fn what_is_received_is_hidden_and_comes_back_unless_it_is_deleted() {
    let world = World::new();
    let queue = world.queue("q", |_| {}).await;
    world.send(&queue, "a").await;
    world.send(&queue, "b").await;
    let first = world.receive(&queue, 0).await;
    assert_eq!(bodies(&first), ["a", "b"]);
    assert_eq!(world.depth(&queue).await, (0, 2, 0));
    world.queues.remove(vec![first[0].receipt()]).await.unwrap();
    assert!(world.receive(&queue, 0).await.is_empty());
    let began = Instant::now();
    let again = world.receive(&queue, 40).await;
    assert_eq!(bodies(&again), ["b"]);
    assert_eq!(began.elapsed().as_secs(), 30);
    assert_eq!(again[0].received, 2);
    assert_eq!(again[0].first_received_ms, first[1].first_received_ms);
    // The newest handle counts; an older one deletes nothing, and says nothing.
    world.queues.remove(vec![first[1].receipt()]).await.unwrap();
    assert_eq!(world.depth(&queue).await, (0, 1, 0));
    world.queues.remove(vec![again[0].receipt()]).await.unwrap();
    assert_eq!(world.depth(&queue).await, (0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_message_goes_to_the_dead_letters_after_exactly_so_many_receives() {
    let world = World::new();
    let queue = world.queue("q", |spec| spec.redrive = Some(redrive("dead", 3))).await;
    let dead = world.queue("dead", |_| {}).await;
    world.send(&queue, "poison").await;
    let mut sent = None;
    for count in 1..=3 {
        let got = world.receive(&queue, 60).await;
        assert_eq!(got[0].received, count);
        sent = Some((got[0].id.clone(), got[0].sent_ms));
    }
    let waits = tokio::spawn({
        let (queues, dead) = (world.queues.clone(), Arc::clone(&dead));
        let wish = Wish { max: 1, hidden_s: None, wait: Duration::from_secs(100) };
        async move { queues.receive(&dead, wish).await.unwrap().take() }
    });
    assert!(world.receive(&queue, 60).await.is_empty());
    let got = waits.await.unwrap();
    assert_eq!((got[0].id.clone(), got[0].sent_ms), sent.unwrap());
    assert_eq!(got[0].source.as_deref(), Some("arn:aws:sqs:local:000000000000:q"));
    assert_eq!(got[0].received, 4, "its receives stay counted");
    assert_eq!(got[0].system_attributes()["DeadLetterQueueSourceArn"], arn("q"));
    assert_eq!(world.depth(&queue).await, (0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn without_the_queue_of_dead_letters_nothing_is_lost() {
    let world = World::new();
    let queue = world.queue("q", |spec| spec.redrive = Some(redrive("nowhere", 1))).await;
    world.send(&queue, "a").await;
    for _ in 0..3 {
        assert_eq!(bodies(&world.receive(&queue, 60).await), ["a"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_delay_a_retention_and_a_change_of_visibility_are_kept_to_the_second() {
    let world = World::new();
    let queue = world.queue("q", |_| {}).await;
    let late = Outgoing { body: "late".into(), delay_s: 900, ..Outgoing::default() };
    world.queues.send(&queue, vec![late]).await.unwrap();
    assert_eq!(world.depth(&queue).await, (0, 0, 1));
    let began = Instant::now();
    let got = world.receive(&queue, 1000).await;
    assert_eq!((bodies(&got), began.elapsed().as_secs()), (vec!["late"], 900));
    let hide = |seconds| world.queues.hide(&queue, vec![(got[0].receipt(), seconds)]);
    assert_eq!(hide(100).await.unwrap(), [Change::Done]);
    tokio::time::advance(Duration::from_secs(99)).await;
    assert_eq!(world.depth(&queue).await, (0, 1, 0));
    assert_eq!(hide(0).await.unwrap(), [Change::Done]);
    assert_eq!(world.depth(&queue).await, (1, 0, 0));
    assert_eq!(hide(5).await.unwrap(), [Change::NotInFlight]);
    // Its hour is over, counted from when it was sent.
    tokio::time::advance(Duration::from_secs(3600 - 999)).await;
    assert_eq!(world.depth(&queue).await, (1, 0, 0));
    tokio::time::advance(Duration::from_secs(61)).await;
    assert!(world.receive(&queue, 0).await.is_empty());
    assert_eq!(world.depth(&queue).await, (0, 0, 0));
    assert_eq!(hide(5).await.unwrap(), [Change::Gone]);
}

#[tokio::test(start_paused = true)]
async fn who_waits_gets_what_comes_and_who_left_gets_nothing() {
    let world = World::new();
    let queue = world.queue("q", |_| {}).await;
    let began = Instant::now();
    let (got, ()) = tokio::join!(world.receive(&queue, 20), async {
        tokio::time::advance(Duration::from_secs(7)).await;
        world.send(&queue, "a").await;
    });
    assert_eq!((bodies(&got), began.elapsed().as_secs()), (vec!["a"], 7));
    // One that is received and not taken is as if it had not been.
    world.send(&queue, "b").await;
    let wish = Wish { max: 1, hidden_s: None, wait: Duration::ZERO };
    drop(world.queues.receive(&queue, wish).await.unwrap());
    let again = world.receive(&queue, 0).await;
    assert_eq!((bodies(&again), again[0].received), (vec!["b"], 1));
}

#[tokio::test(start_paused = true)]
async fn a_hidden_time_of_zero_hands_each_message_out_once_a_call() {
    let world = World::new();
    let queue = world.queue("q", |spec| spec.redrive = Some(redrive("dead", 2))).await;
    world.queue("dead", |_| {}).await;
    world.send(&queue, "a").await;
    let look = || async {
        let wish = Wish { max: 10, hidden_s: Some(0), wait: Duration::ZERO };
        world.queues.receive(&queue, wish).await.unwrap().take().len()
    };
    assert_eq!((look().await, look().await, look().await), (1, 1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_change_of_settings_keeps_the_messages_and_a_removal_takes_them() {
    let world = World::new();
    let queue = world.queue("q", |_| {}).await;
    world.send(&queue, "a").await;
    let changed = world.queue("q", |spec| spec.visibility_timeout_s = 5).await;
    assert_eq!(world.depth(&changed).await, (1, 0, 0));
    let got = world.receive(&changed, 0).await;
    world.queues.delete("q").await.unwrap();
    world.queues.delete("q").await.unwrap();
    let new = world.queue("q", |_| {}).await;
    world.send(&new, "b").await;
    // What was received from the old one is nobody's in the new one.
    world.queues.remove(vec![got[0].receipt()]).await.unwrap();
    assert_eq!(world.depth(&new).await, (1, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn everything_is_there_after_opening_again() {
    let world = World::new();
    let queue = world.queue("q", |_| {}).await;
    for body in ["a", "b", "c"] {
        world.send(&queue, body).await;
    }
    let wish = Wish { max: 2, hidden_s: None, wait: Duration::ZERO };
    let got = world.queues.receive(&queue, wish).await.unwrap().take();
    world.queues.remove(vec![got[0].receipt()]).await.unwrap();
    world.queues.settle().await;
    let again = Queues::open(&world.dir.path().join("q"), "http://127.0.0.1:1".into(), clock()).unwrap();
    let queue = again.put("q", arn("q"), &spec()).await.unwrap();
    let Depth { visible, in_flight, delayed, oldest_ms } = again.depth(&queue).await.unwrap();
    assert_eq!((visible, in_flight, delayed), (1, 1, 0));
    assert!(oldest_ms.is_some(), "there is an oldest one");
    again.remove(vec![got[1].receipt()]).await.unwrap();
    assert_eq!(again.depth(&queue).await.unwrap().all(), 1);
}

#[tokio::test(start_paused = true)]
async fn settings_beyond_sqs_bounds_are_refused() {
    let world = World::new();
    for change in [
        |spec: &mut QueueSpec| spec.visibility_timeout_s = 43_201,
        |spec: &mut QueueSpec| spec.retention_s = 59,
        |spec: &mut QueueSpec| spec.redrive = Some(redrive("dead", 0)),
    ] {
        let mut spec = spec();
        change(&mut spec);
        assert_eq!(world.queues.put("q", arn("q"), &spec).await.err().unwrap().code, "invalid_request");
    }
    assert!(world.queues.put("a.fifo", arn("a"), &spec()).await.is_err());
}

#[test]
fn sqlite_is_the_version_whose_advisories_were_reviewed() {
    let reviewed = include_str!("../../../../deny.toml");
    let version = format!("SQLite {}", rusqlite::version());
    assert!(
        reviewed.contains(&version),
        "{version} is built in: review its advisories and say so in deny.toml"
    );
}
