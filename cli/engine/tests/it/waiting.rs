//! The one retry loop.

use std::future::pending;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use hitctl_engine::{Address, Cx, Event, Fault, FaultKind, Sink, Wait};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{recorder, run};

const POLICY: Wait = Wait::up_to(Duration::from_secs(30));

fn cx(sink: Sink) -> Cx {
    Cx::new(Address::new("function", "hits"), sink, CancellationToken::new())
}

fn not_yet() -> Fault {
    Fault::transient("InvalidParameterValue", "failed to create function hits: the role cannot be assumed")
        .caused_by("lambda:CreateFunction")
}

#[test]
fn it_tries_again_until_it_works_and_says_why() {
    run(async {
        let (sink, events) = recorder();
        let tries = AtomicU32::new(0);
        let answer = cx(sink)
            .wait(&POLICY, "waiting for the role", || async {
                let tries = tries.fetch_add(1, Ordering::Relaxed) + 1;
                if tries == 3 { Ok(tries) } else { Err(not_yet()) }
            })
            .await;
        assert_eq!(answer, Ok(3));
        let events = events.lock().unwrap();
        let [_, Event::Waiting { address, attempt: 2, why }] = &events[..] else { panic!("{events:?}") };
        assert_eq!(address.as_str(), "function.hits");
        assert_eq!(why, "waiting for the role: failed to create function hits: the role cannot be assumed");
    });
}

#[test]
fn it_keeps_the_last_cause_when_the_budget_is_spent() {
    run(async {
        let begun = Instant::now();
        let fault = cx(Sink::none())
            .wait::<(), _, _>(&POLICY, "waiting for the role", || async { Err(not_yet()) })
            .await;
        let fault = fault.unwrap_err();
        assert_eq!(begun.elapsed().as_secs(), 30);
        assert_eq!(fault.kind, FaultKind::Fatal);
        assert_eq!(fault.code, "InvalidParameterValue");
        assert_eq!(fault.cause.as_deref(), Some("lambda:CreateFunction"));
        insta::assert_snapshot!(
            fault.message,
            @"failed to create function hits: the role cannot be assumed (gave up waiting for the role after 30 s, tried 12 times)"
        );
        assert_eq!(fault.hint.as_deref(), Some("run the same command again; it continues where it stopped"));
    });
}

#[test]
fn a_lasting_fault_is_not_tried_again() {
    run(async {
        let tries = AtomicU32::new(0);
        let fault = cx(Sink::none())
            .wait::<(), _, _>(&POLICY, "waiting", || async {
                tries.fetch_add(1, Ordering::Relaxed);
                Err(Fault::fatal("AccessDenied", "failed to read table hits"))
            })
            .await;
        assert_eq!(fault, Err(Fault::fatal("AccessDenied", "failed to read table hits")));
        assert_eq!(tries.into_inner(), 1);
    });
}

#[test]
fn an_attempt_that_hangs_is_tried_again_and_ends() {
    run(async {
        let begun = Instant::now();
        let policy = POLICY.each_within(Duration::from_secs(4));
        let fault = cx(Sink::none()).wait::<(), _, _>(&policy, "asking the URL", pending).await.unwrap_err();
        assert_eq!(fault.code, "timeout");
        assert!(fault.message.starts_with("no answer within 4 s (gave up asking the URL after 3"), "{fault}");
        assert!(begun.elapsed() <= policy.budget + policy.attempt);
    });
}

#[test]
fn a_stop_ends_the_pause_but_not_the_attempt() {
    run(async {
        let stop = CancellationToken::new();
        stop.cancel();
        let cx = Cx::new(Address::new("function", "hits"), Sink::none(), stop);
        let begun = Instant::now();
        let fault = cx.wait::<(), _, _>(&POLICY, "waiting for the role", || async { Err(not_yet()) }).await;
        let fault = fault.unwrap_err();
        assert_eq!((fault.code.as_str(), begun.elapsed()), ("interrupted", Duration::ZERO));
        assert_eq!(fault.message, "interrupted while waiting for the role");
        assert_eq!(fault.cause.as_deref(), Some("lambda:CreateFunction"));
        assert_eq!(cx.wait(&POLICY, "waiting", || async { Ok(1) }).await, Ok(1));
    });
}

/// When each attempt began.
fn times(policy: Wait, address: &str) -> Vec<Duration> {
    run(async {
        let (begun, mut times) = (Instant::now(), Vec::new());
        let cx = Cx::new(Address::new("function", address), Sink::none(), CancellationToken::new());
        let wait = cx.wait::<(), _, _>(&policy, "waiting", || {
            times.push(begun.elapsed());
            async { Err(not_yet()) }
        });
        assert!(wait.await.is_err());
        times
    })
}

#[test]
fn pauses_grow_to_the_longest_and_are_the_same_in_each_run_but_not_for_each_resource() {
    let once = times(POLICY, "a");
    assert_eq!(once, times(POLICY, "a"));
    assert_ne!(once, times(POLICY, "b"));
    let pauses: Vec<Duration> = once.windows(2).map(|pair| pair[1].saturating_sub(pair[0])).collect();
    assert!(pauses[0] <= POLICY.first && pauses[0] >= POLICY.first.mul_f32(0.74), "{pauses:?}");
    assert!(pauses.iter().all(|pause| *pause <= POLICY.longest + Duration::from_millis(1)), "{pauses:?}");
    assert!(pauses[..5].windows(2).all(|pair| pair[1] > pair[0]), "{pauses:?}");

    let steady = times(Wait::up_to(Duration::from_secs(3)).every(Duration::from_secs(1)), "a");
    assert_eq!(steady, [0, 1, 2, 3].map(Duration::from_secs));
}

#[test]
fn pause_lasts_as_long_as_it_says_and_ends_early_when_the_user_stops() {
    run(async {
        let begun = Instant::now();
        let stop = CancellationToken::new();
        let cx = Cx::new(Address::new("http_api", "api"), Sink::none(), stop.clone());
        assert_eq!(cx.pause(Duration::from_secs(10), "waiting for requests").await, Ok(()));
        assert_eq!(begun.elapsed(), Duration::from_secs(10));
        stop.cancel();
        let fault = cx.pause(Duration::from_secs(10), "waiting for requests").await.unwrap_err();
        assert_eq!(fault.message, "interrupted while waiting for requests");
        assert_eq!(begun.elapsed(), Duration::from_secs(10));
    });
}
