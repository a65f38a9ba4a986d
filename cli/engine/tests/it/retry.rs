//! Tests of the retry loop.

use std::future::pending;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use hitctl_engine::{Address, DriverContext, Event, EventSink, Fault, FaultKind, RetryPolicy};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{recorder, run};

const POLICY: RetryPolicy = RetryPolicy::with_budget(Duration::from_secs(30));

fn cx(sink: EventSink) -> DriverContext {
    DriverContext::new(Address::new("function", "hits"), sink, CancellationToken::new())
}

fn not_yet() -> Fault {
    Fault::transient("InvalidParameterValue", "failed to create function hits: the role cannot be assumed")
        .caused_by("lambda:CreateFunction")
}

#[test]
fn retry_repeats_transient_fault_until_success_and_sends_event() {
    run(async {
        let (sink, events) = recorder();
        let attempts = AtomicU32::new(0);
        let result = cx(sink)
            .retry(&POLICY, "waiting for the role", || async {
                let attempts = attempts.fetch_add(1, Ordering::Relaxed) + 1;
                if attempts == 3 { Ok(attempts) } else { Err(not_yet()) }
            })
            .await;
        assert_eq!(result, Ok(3));
        let events = events.lock().unwrap();
        let [_, Event::Waiting { address, attempt: 2, why }] = &events[..] else { panic!("{events:?}") };
        assert_eq!(address.as_str(), "function.hits");
        assert_eq!(why, "waiting for the role: failed to create function hits: the role cannot be assumed");
    });
}

#[test]
fn retry_returns_last_fault_when_budget_is_used_up() {
    run(async {
        let started = Instant::now();
        let fault = cx(EventSink::none())
            .retry::<(), _, _>(&POLICY, "waiting for the role", || async { Err(not_yet()) })
            .await;
        let fault = fault.unwrap_err();
        assert_eq!(started.elapsed().as_secs(), 30);
        assert_eq!(fault.kind, FaultKind::Fatal);
        assert_eq!(fault.code, "InvalidParameterValue");
        assert_eq!(fault.cause.as_deref(), Some("lambda:CreateFunction"));
        insta::assert_snapshot!(
            fault.message,
            @"failed to create function hits: the role cannot be assumed (gave up waiting for the role after 30 s and 12 attempts)"
        );
        assert_eq!(fault.hint.as_deref(), Some("run the same command again; it continues where it stopped"));
    });
}

#[test]
fn retry_returns_fatal_fault_immediately() {
    run(async {
        let attempts = AtomicU32::new(0);
        let fault = cx(EventSink::none())
            .retry::<(), _, _>(&POLICY, "waiting", || async {
                attempts.fetch_add(1, Ordering::Relaxed);
                Err(Fault::fatal("AccessDenied", "failed to read table hits"))
            })
            .await;
        assert_eq!(fault, Err(Fault::fatal("AccessDenied", "failed to read table hits")));
        assert_eq!(attempts.into_inner(), 1);
    });
}

#[test]
fn retry_repeats_hanging_attempt_until_budget_is_used_up() {
    run(async {
        let started = Instant::now();
        let policy = POLICY.with_attempt_timeout(Duration::from_secs(4));
        let fault = cx(EventSink::none())
            .retry::<(), _, _>(&policy, "requesting the URL", pending)
            .await
            .unwrap_err();
        assert_eq!(fault.code, "timeout");
        assert!(
            fault.message.starts_with("no response within 4 s (gave up requesting the URL after 3"),
            "{fault}"
        );
        assert!(started.elapsed() <= policy.budget + policy.attempt_timeout);
    });
}

#[test]
fn interruption_ends_pause_but_not_attempt() {
    run(async {
        let stop = CancellationToken::new();
        stop.cancel();
        let cx = DriverContext::new(Address::new("function", "hits"), EventSink::none(), stop);
        let started = Instant::now();
        let fault = cx.retry::<(), _, _>(&POLICY, "waiting for the role", || async { Err(not_yet()) }).await;
        let fault = fault.unwrap_err();
        assert_eq!((fault.code.as_str(), started.elapsed()), ("interrupted", Duration::ZERO));
        assert_eq!(fault.message, "interrupted while waiting for the role");
        assert_eq!(fault.cause.as_deref(), Some("lambda:CreateFunction"));
        assert_eq!(cx.retry(&POLICY, "waiting", || async { Ok(1) }).await, Ok(1));
    });
}

/// Returns the start time of each attempt.
fn times(policy: RetryPolicy, address: &str) -> Vec<Duration> {
    run(async {
        let (started, mut times) = (Instant::now(), Vec::new());
        let cx = DriverContext::new(
            Address::new("function", address),
            EventSink::none(),
            CancellationToken::new(),
        );
        let wait = cx.retry::<(), _, _>(&policy, "waiting", || {
            times.push(started.elapsed());
            async { Err(not_yet()) }
        });
        assert!(wait.await.is_err());
        times
    })
}

#[test]
fn delays_grow_to_maximum_and_depend_only_on_resource() {
    let once = times(POLICY, "a");
    assert_eq!(once, times(POLICY, "a"));
    assert_ne!(once, times(POLICY, "b"));
    let pauses: Vec<Duration> = once.windows(2).map(|pair| pair[1].saturating_sub(pair[0])).collect();
    assert!(
        pauses[0] <= POLICY.initial_delay && pauses[0] >= POLICY.initial_delay.mul_f32(0.74),
        "{pauses:?}"
    );
    assert!(pauses.iter().all(|pause| *pause <= POLICY.max_delay + Duration::from_millis(1)), "{pauses:?}");
    assert!(pauses[..5].windows(2).all(|pair| pair[1] > pair[0]), "{pauses:?}");

    let steady = times(RetryPolicy::with_budget(Duration::from_secs(3)).every(Duration::from_secs(1)), "a");
    assert_eq!(steady, [0, 1, 2, 3].map(Duration::from_secs));
}

#[test]
fn pause_lasts_for_duration_and_ends_early_when_interrupted() {
    run(async {
        let started = Instant::now();
        let stop = CancellationToken::new();
        let cx = DriverContext::new(Address::new("http_api", "api"), EventSink::none(), stop.clone());
        assert_eq!(cx.pause(Duration::from_secs(10), "waiting for requests").await, Ok(()));
        assert_eq!(started.elapsed(), Duration::from_secs(10));
        stop.cancel();
        let fault = cx.pause(Duration::from_secs(10), "waiting for requests").await.unwrap_err();
        assert_eq!(fault.message, "interrupted while waiting for requests");
        assert_eq!(started.elapsed(), Duration::from_secs(10));
    });
}
