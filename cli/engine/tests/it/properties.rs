//! Property tests of the engine with random graphs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use hitctl_engine::{
    Action, Address, ApplyOutcome, ChangeReason, DesiredState, Event, EventSink, Graph, Owner, Plan,
    SecretMask, Severity, apply, check, plan, survey,
};
use proptest::prelude::*;
use tokio_util::sync::CancellationToken;

use crate::random_graphs::{SECRET, SIZE, World, address, graph, holds_data, name, nodes, world};
use crate::toy_cloud::{InjectedFault, ToyCloud, WriteCall, WriteOp};
use crate::{recorder, run};

async fn plan_for(cloud: &ToyCloud, graph: &Graph) -> Plan {
    let stop = CancellationToken::new();
    plan(
        graph,
        &survey(graph, &cloud.drivers(), &EventSink::none(), &stop).await.unwrap(),
        &SecretMask::default(),
    )
    .unwrap()
}

async fn apply_plan(cloud: &ToyCloud, plan: &Plan, sink: &EventSink) -> ApplyOutcome {
    apply(plan, &cloud.drivers(), sink, &CancellationToken::new()).await
}

/// Deploys without faults, and asserts that the next plan is empty.
async fn deploy(cloud: &ToyCloud, graph: &Graph) {
    cloud.set_faults(&BTreeMap::new());
    let plan = plan_for(cloud, graph).await;
    let outcome = apply_plan(cloud, &plan, &EventSink::none()).await;
    assert!(outcome.is_ok(), "{plan:#?}\n{outcome:#?}");
    assert_in_order(&plan, &cloud.take_calls());
    assert_converged(cloud, graph, &outcome).await;
}

/// Asserts that the next plan is empty and that exactly the desired and the kept resources exist.
async fn assert_converged(cloud: &ToyCloud, graph: &Graph, outcome: &ApplyOutcome) {
    let next = plan_for(cloud, graph).await;
    assert!(next.is_empty(), "{next:#?}");
    assert_eq!(next.outputs(), outcome.outputs);
    let expected: BTreeSet<String> = next.changes.iter().map(|change| change.name().to_owned()).collect();
    assert_eq!(expected, cloud.names());
    for change in &next.changes {
        let kept = matches!(change.why, ChangeReason::DataKept | ChangeReason::RequiredBy(_));
        assert!(kept || change.node.desired != DesiredState::Absent, "{change:?}");
    }
}

/// Asserts that each write started after the end of the writes that must come before it.
fn assert_in_order(plan: &Plan, calls: &[WriteCall]) {
    let name_of = |address: &Address| plan.change(address).map(|change| change.name().to_owned());
    for call in calls {
        let change = plan.changes.iter().find(|change| change.name() == call.name).unwrap();
        if call.op == WriteOp::Delete {
            let is_deletion = |action| matches!(action, Action::Delete | Action::Replace);
            for other in plan.changes.iter().filter(|it| it.node.dependencies.contains(change.address())) {
                let was_deleted = !call.existing.contains(other.name()) && !call.busy.contains(other.name());
                assert!(
                    was_deleted || !is_deletion(other.action),
                    "{} still needs {}",
                    other.name(),
                    call.name
                );
            }
        } else {
            for dependency in change.node.dependencies.iter().filter_map(name_of) {
                assert!(call.existing.contains(&dependency), "{dependency} is missing for {}", call.name);
                assert!(!call.busy.contains(&dependency), "{dependency} is not ready for {}", call.name);
            }
        }
    }
}

/// Returns a cloud with a deployed world that was then changed outside of hitctl.
async fn drifted(before: &World, drift: &[(usize, u8)]) -> ToyCloud {
    let cloud = ToyCloud::default();
    deploy(&cloud, &graph(before)).await;
    for &(index, kind) in drift {
        match kind {
            0 => cloud.delete_externally(&name(index)),
            1 => cloud.change_externally(&name(index), "size", 77.into()),
            _ => cloud.change_externally(&name(index), "shape", 77.into()),
        }
    }
    cloud
}

/// Returns random changes outside of hitctl: the index of a resource, and the kind of change as in [`drifted`].
fn drift() -> impl Strategy<Value = Vec<(usize, u8)>> {
    prop::collection::vec((0..SIZE, 0..3_u8), 0..3)
}

fn faults() -> impl Strategy<Value = BTreeMap<String, InjectedFault>> {
    use InjectedFault::{Fail, Hang, LoseResponse, Panic, Transient, TransientForever};
    let kinds = prop::sample::select(vec![Fail, LoseResponse, Hang, Panic, Transient, TransientForever]);
    prop::collection::btree_map((0..SIZE).prop_map(name), kinds, 1..4)
}

/// Returns the changes that are skipped when the changes in `failed` fail, computed independently of the engine: after
/// a failed create or update its dependents, after a failed deletion its dependencies. Only valid for plans without
/// replacements.
fn expected_skips(plan: &Plan, failed: &BTreeSet<Address>) -> BTreeSet<Address> {
    let mut not_applied = failed.clone();
    loop {
        let is_write = |action| matches!(action, Action::Create | Action::Update);
        let blocked = plan.changes.iter().find(|change| {
            !not_applied.contains(change.address())
                && not_applied.iter().filter_map(|it| plan.change(it)).any(|it| {
                    is_write(change.action)
                        && is_write(it.action)
                        && change.node.dependencies.contains(it.address())
                        || change.action == Action::Delete
                            && it.action == Action::Delete
                            && it.node.dependencies.contains(change.address())
                })
        });
        match blocked {
            Some(change) => not_applied.insert(change.address().clone()),
            None => return &not_applied - failed,
        };
    }
}

/// Returns a sink that cancels `stop` at the event with this number, from 1.
fn stopping_at(event_number: usize, stop: &CancellationToken) -> EventSink {
    let (count, stop) = (Mutex::new(0), stop.clone());
    EventSink::new(move |_| {
        let mut count = count.lock().unwrap();
        *count += 1;
        if *count == event_number {
            stop.cancel();
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn plan_is_deterministic(before in world(), after in world(), drift in drift()) {
        run(async {
            let cloud = drifted(&before, &drift).await;
            let once = plan_for(&cloud, &graph(&after)).await;
            let mut other_order = nodes(&after);
            other_order.reverse();
            assert_eq!(once, plan_for(&cloud, &Graph::new(other_order).unwrap()).await);
        });
    }

    #[test]
    fn plan_after_apply_is_empty_and_steps_run_in_order(
        before in world(), after in world(), drift in drift(),
    ) {
        run(async {
            let cloud = drifted(&before, &drift).await;
            deploy(&cloud, &graph(&after)).await;
        });
    }

    #[test]
    fn failure_skips_exactly_its_dependents(
        before in world(), after in world(), faults in faults(), fresh in any::<bool>(),
    ) {
        run(async {
            let cloud = if fresh { ToyCloud::default() } else { drifted(&before, &[]).await };
            cloud.set_faults(&faults);
            let plan = plan_for(&cloud, &graph(&after)).await;
            let outcome = apply_plan(&cloud, &plan, &EventSink::none()).await;
            assert_in_order(&plan, &cloud.take_calls());

            let failed: BTreeSet<_> = outcome.failed.iter().map(|it| it.address.clone()).collect();
            let skipped: BTreeSet<_> = outcome.skipped.iter().map(|it| it.address.clone()).collect();
            let done: BTreeSet<_> = outcome.done.iter().map(|it| it.address.clone()).collect();
            let expected = plan.changes.iter().filter(|it| it.action != Action::Keep);
            let expected: Vec<_> = expected.map(|it| it.address().clone()).collect();
            assert_eq!(failed.len() + skipped.len() + done.len(), expected.len(), "{outcome:#?}");
            assert_eq!(&(&failed | &skipped) | &done, expected.into_iter().collect::<BTreeSet<_>>());
            for failure in &outcome.failed {
                assert!(faults[&failure.name].is_fatal());
            }
            for it in &outcome.skipped {
                assert!(it.because.as_ref().is_some_and(|because| failed.contains(because)));
            }
            for it in plan.changes.iter().filter(|it| faults.get(it.name()).is_some_and(|t| t.is_fatal())) {
                assert!(!done.contains(it.address()));
            }
            if plan.summary().replace == 0 {
                assert_eq!(skipped, expected_skips(&plan, &failed), "{plan:#?}");
            }
        });
    }

    #[test]
    fn run_after_failure_converges(
        before in world(), after in world(), drift in drift(), faults in faults(),
    ) {
        run(async {
            let cloud = drifted(&before, &drift).await;
            cloud.set_faults(&faults);
            let plan = plan_for(&cloud, &graph(&after)).await;
            apply_plan(&cloud, &plan, &EventSink::none()).await;
            cloud.take_calls();
            deploy(&cloud, &graph(&after)).await;
        });
    }

    #[test]
    fn interruption_starts_nothing_new_and_next_run_converges(
        before in world(), after in world(), event_number in 1..20_usize,
    ) {
        run(async {
            let cloud = drifted(&before, &[]).await;
            let plan = plan_for(&cloud, &graph(&after)).await;
            let stop = CancellationToken::new();
            let (recorder, events) = recorder();
            let stopper = stopping_at(event_number, &stop);
            let sink = EventSink::new(move |event: Event| { recorder.send(event.clone()); stopper.send(event); });
            let outcome = apply(&plan, &cloud.drivers(), &sink, &stop).await;
            assert_in_order(&plan, &cloud.take_calls());

            let events = events.lock().unwrap().clone();
            let mut later = events.iter().skip_while(|event| !matches!(event, Event::Interrupted { .. })).skip(1);
            assert!(later.all(|event| !matches!(event, Event::Started { .. } | Event::Interrupted { .. })));
            assert!(outcome.failed.is_empty());
            assert!(outcome.interrupted || outcome.is_ok());
            assert!(outcome.skipped.iter().all(|it| it.because.is_none()));
            let expected = plan.changes.len() - plan.summary().keep;
            assert_eq!(outcome.done.len() + outcome.skipped.len(), expected);
            deploy(&cloud, &graph(&after)).await;
        });
    }

    #[test]
    fn run_after_kill_converges(before in world(), after in world(), event_number in 1..20_usize) {
        run(async {
            let cloud = drifted(&before, &[]).await;
            let plan = plan_for(&cloud, &graph(&after)).await;
            let (kill, stop) = (CancellationToken::new(), CancellationToken::new());
            let sink = stopping_at(event_number, &kill);
            // The future is dropped with the calls in flight.
            kill.run_until_cancelled(apply(&plan, &cloud.drivers(), &sink, &stop)).await;
            cloud.take_calls();
            deploy(&cloud, &graph(&after)).await;
        });
    }

    #[test]
    fn destroy_leaves_only_kept_resources(world in world(), delete_data in any::<bool>()) {
        run(async {
            let cloud = ToyCloud::default();
            let graph = graph(&world);
            deploy(&cloud, &graph).await;
            let existing = cloud.names();
            let absent = graph.all_absent();
            let absent = if delete_data { absent.allow_data_deletion() } else { absent };
            let findings = check(&plan_for(&cloud, &absent).await);
            deploy(&cloud, &absent).await;

            let mut kept: BTreeSet<Address> = BTreeSet::new();
            for index in (0..SIZE).rev().filter(|&index| !delete_data && existing.contains(&name(index))) {
                let is_needed = graph.nodes().iter().any(|node| {
                    kept.contains(&node.address) && node.dependencies.contains(&address(index))
                });
                if holds_data(index) || is_needed {
                    kept.insert(address(index));
                }
            }
            let kept: BTreeSet<String> = kept.iter().map(|it| format!("app-{it}")).collect();
            assert_eq!(cloud.names(), kept);
            let with_data =
                (0..SIZE).filter(|&index| holds_data(index) && existing.contains(&name(index))).count();
            let losses = findings.iter().filter(|it| it.severity == Severity::Consent).count();
            assert_eq!(losses, if delete_data { with_data } else { 0 });
        });
    }

    #[test]
    fn secrets_are_in_no_output(before in world(), after in world(), faults in faults()) {
        run(async {
            let cloud = drifted(&before, &[]).await;
            cloud.set_faults(&faults);
            let plan = plan_for(&cloud, &graph(&after)).await;
            let (sink, events) = recorder();
            let outcome = apply_plan(&cloud, &plan, &sink).await;
            let events = events.lock().unwrap().clone();
            let outputs = [
                serde_json::to_string(&plan).unwrap(),
                serde_json::to_string(&events).unwrap(),
                serde_json::to_string(&outcome).unwrap(),
                serde_json::to_string(&check(&plan)).unwrap(),
                format!("{plan:?} {events:?} {outcome:?}"),
            ];
            assert!(outputs.iter().all(|text| !text.contains(SECRET)));
        });
    }

    #[test]
    fn foreign_resource_is_never_changed(after in world(), foreign in 0..SIZE) {
        run(async {
            let cloud = ToyCloud::default();
            cloud.create_externally(&name(foreign), Owner::Other("app=blog env=prod".to_owned()));
            let graph = graph(&after);
            let plan = plan_for(&cloud, &graph).await;
            let is_desired = graph.node(&address(foreign)).unwrap().desired != DesiredState::Absent;
            let findings = check(&plan);
            assert_eq!(findings.len(), 1);
            assert_eq!(findings[0].severity, if is_desired { Severity::Error } else { Severity::Warning });

            // Apply the plan in spite of the findings.
            let outcome = apply_plan(&cloud, &plan, &EventSink::none()).await;
            assert_eq!(outcome.is_ok(), !is_desired);
            assert!(cloud.take_calls().iter().all(|call| call.name != name(foreign)));
            apply_plan(&cloud, &plan_for(&cloud, &graph.all_absent().allow_data_deletion()).await, &EventSink::none()).await;
            assert_eq!(cloud.names(), BTreeSet::from([name(foreign)]));
        });
    }
}
