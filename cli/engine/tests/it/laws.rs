//! The laws of the engine, for random graphs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use hitctl_engine::{
    Action, Address, Event, Graph, Mask, Outcome, Owner, Plan, Severity, Sink, Want, Why, apply, check, plan,
    survey,
};
use proptest::prelude::*;
use tokio_util::sync::CancellationToken;

use crate::toy::{Call, Cloud, Op, Trouble};
use crate::world::{SECRET, SIZE, World, address, graph, holds_data, name, nodes, world};
use crate::{recorder, run};

async fn plan_for(cloud: &Cloud, graph: &Graph) -> Plan {
    let never = CancellationToken::new();
    plan(graph, &survey(graph, &cloud.drivers(), &Sink::none(), &never).await.unwrap(), &Mask::default())
        .unwrap()
}

async fn carry_out(cloud: &Cloud, plan: &Plan, sink: &Sink) -> Outcome {
    apply(plan, &cloud.drivers(), sink, &CancellationToken::new()).await
}

/// Deploys without trouble, and asserts that nothing is left to do.
async fn deploy(cloud: &Cloud, graph: &Graph) {
    cloud.trouble(&BTreeMap::new());
    let plan = plan_for(cloud, graph).await;
    let outcome = carry_out(cloud, &plan, &Sink::none()).await;
    assert!(outcome.is_ok(), "{plan:#?}\n{outcome:#?}");
    assert_in_order(&plan, &cloud.take_calls());
    assert_settled(cloud, graph, &outcome).await;
}

/// Nothing is left to do, and what is there is what is wanted or kept.
async fn assert_settled(cloud: &Cloud, graph: &Graph, outcome: &Outcome) {
    let next = plan_for(cloud, graph).await;
    assert!(next.is_empty(), "{next:#?}");
    assert_eq!(next.outputs(), outcome.outputs);
    let due: BTreeSet<String> = next.changes.iter().map(|change| change.name().to_owned()).collect();
    assert_eq!(due, cloud.names());
    for change in &next.changes {
        let kept = matches!(change.why, Why::DataKept | Why::NeededBy(_));
        assert!(kept || change.node.want != Want::Absent, "{change:?}");
    }
}

/// Each write began after those that it has to come after had ended.
fn assert_in_order(plan: &Plan, calls: &[Call]) {
    let name_of = |address: &Address| plan.change(address).map(|change| change.name().to_owned());
    for call in calls {
        let change = plan.changes.iter().find(|change| change.name() == call.name).unwrap();
        if call.op == Op::Delete {
            let removed = |action| matches!(action, Action::Delete | Action::Replace);
            for other in plan.changes.iter().filter(|it| it.node.needs.contains(change.address())) {
                let gone = !call.live.contains(other.name()) && !call.busy.contains(other.name());
                assert!(gone || !removed(other.action), "{} still needs {}", other.name(), call.name);
            }
        } else {
            for need in change.node.needs.iter().filter_map(name_of) {
                assert!(call.live.contains(&need), "{need} is not there for {}", call.name);
                assert!(!call.busy.contains(&need), "{need} is not ready for {}", call.name);
            }
        }
    }
}

/// A cloud with one world deployed, then changed behind our back.
async fn drifted(before: &World, drift: &[(usize, u8)]) -> Cloud {
    let cloud = Cloud::default();
    deploy(&cloud, &graph(before)).await;
    for &(at, how) in drift {
        match how {
            0 => cloud.lose(&name(at)),
            1 => cloud.tamper(&name(at), "size", 77.into()),
            _ => cloud.tamper(&name(at), "shape", 77.into()),
        }
    }
    cloud
}

fn drift() -> impl Strategy<Value = Vec<(usize, u8)>> {
    prop::collection::vec((0..SIZE, 0..3_u8), 0..3)
}

fn trouble() -> impl Strategy<Value = BTreeMap<String, Trouble>> {
    use Trouble::{Fail, Hang, LoseAnswer, Panic, Transient, TransientForever};
    let kinds = prop::sample::select(vec![Fail, LoseAnswer, Hang, Panic, Transient, TransientForever]);
    prop::collection::btree_map((0..SIZE).prop_map(name), kinds, 1..4)
}

/// What cannot be done when `failed` fail, worked out without the engine's order: what needs it among what is made,
/// and what it needs among what is removed. For plans without replacements.
fn expected_skips(plan: &Plan, failed: &BTreeSet<Address>) -> BTreeSet<Address> {
    let mut out = failed.clone();
    loop {
        let makes = |action| matches!(action, Action::Create | Action::Update);
        let blocked = plan.changes.iter().find(|change| {
            !out.contains(change.address())
                && out.iter().filter_map(|it| plan.change(it)).any(|it| {
                    makes(change.action) && makes(it.action) && change.node.needs.contains(it.address())
                        || change.action == Action::Delete
                            && it.action == Action::Delete
                            && it.node.needs.contains(change.address())
                })
        });
        match blocked {
            Some(change) => out.insert(change.address().clone()),
            None => return &out - failed,
        };
    }
}

/// A sink that asks to stop at the `n`th event.
fn stopping_at(n: usize, stop: &CancellationToken) -> Sink {
    let (count, stop) = (Mutex::new(0), stop.clone());
    Sink::new(move |_| {
        let mut count = count.lock().unwrap();
        *count += 1;
        if *count == n {
            stop.cancel();
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn planning_is_deterministic(before in world(), after in world(), drift in drift()) {
        run(async {
            let cloud = drifted(&before, &drift).await;
            let once = plan_for(&cloud, &graph(&after)).await;
            let mut other_order = nodes(&after);
            other_order.reverse();
            assert_eq!(once, plan_for(&cloud, &Graph::new(other_order).unwrap()).await);
        });
    }

    #[test]
    fn planning_after_applying_is_all_keep_and_nothing_runs_too_early(
        before in world(), after in world(), drift in drift(),
    ) {
        run(async {
            let cloud = drifted(&before, &drift).await;
            deploy(&cloud, &graph(&after)).await;
        });
    }

    #[test]
    fn a_failure_skips_exactly_what_depends_on_it(
        before in world(), after in world(), trouble in trouble(), fresh in any::<bool>(),
    ) {
        run(async {
            let cloud = if fresh { Cloud::default() } else { drifted(&before, &[]).await };
            cloud.trouble(&trouble);
            let plan = plan_for(&cloud, &graph(&after)).await;
            let outcome = carry_out(&cloud, &plan, &Sink::none()).await;
            assert_in_order(&plan, &cloud.take_calls());

            let failed: BTreeSet<_> = outcome.failed.iter().map(|it| it.address.clone()).collect();
            let skipped: BTreeSet<_> = outcome.skipped.iter().map(|it| it.address.clone()).collect();
            let done: BTreeSet<_> = outcome.done.iter().map(|it| it.address.clone()).collect();
            let due = plan.changes.iter().filter(|it| it.action != Action::Keep);
            let due: Vec<_> = due.map(|it| it.address().clone()).collect();
            assert_eq!(failed.len() + skipped.len() + done.len(), due.len(), "{outcome:#?}");
            assert_eq!(&(&failed | &skipped) | &done, due.into_iter().collect::<BTreeSet<_>>());
            for failure in &outcome.failed {
                assert!(trouble[&failure.name].is_fatal());
            }
            for it in &outcome.skipped {
                assert!(it.because.as_ref().is_some_and(|because| failed.contains(because)));
            }
            for it in plan.changes.iter().filter(|it| trouble.get(it.name()).is_some_and(|t| t.is_fatal())) {
                assert!(!done.contains(it.address()));
            }
            if plan.summary().replace == 0 {
                assert_eq!(skipped, expected_skips(&plan, &failed), "{plan:#?}");
            }
        });
    }

    #[test]
    fn after_any_failure_the_next_run_converges(
        before in world(), after in world(), drift in drift(), trouble in trouble(),
    ) {
        run(async {
            let cloud = drifted(&before, &drift).await;
            cloud.trouble(&trouble);
            let plan = plan_for(&cloud, &graph(&after)).await;
            carry_out(&cloud, &plan, &Sink::none()).await;
            cloud.take_calls();
            deploy(&cloud, &graph(&after)).await;
        });
    }

    #[test]
    fn a_stop_starts_nothing_new_and_the_next_run_converges(
        before in world(), after in world(), at in 1..20_usize,
    ) {
        run(async {
            let cloud = drifted(&before, &[]).await;
            let plan = plan_for(&cloud, &graph(&after)).await;
            let stop = CancellationToken::new();
            let (recorder, events) = recorder();
            let stopper = stopping_at(at, &stop);
            let sink = Sink::new(move |event: Event| { recorder.send(event.clone()); stopper.send(event); });
            let outcome = apply(&plan, &cloud.drivers(), &sink, &stop).await;
            assert_in_order(&plan, &cloud.take_calls());

            let events = events.lock().unwrap().clone();
            let mut later = events.iter().skip_while(|event| !matches!(event, Event::Interrupted { .. })).skip(1);
            assert!(later.all(|event| !matches!(event, Event::Started { .. } | Event::Interrupted { .. })));
            assert!(outcome.failed.is_empty());
            assert!(outcome.interrupted || outcome.is_ok());
            assert!(outcome.skipped.iter().all(|it| it.because.is_none()));
            let due = plan.changes.len() - plan.summary().keep;
            assert_eq!(outcome.done.len() + outcome.skipped.len(), due);
            deploy(&cloud, &graph(&after)).await;
        });
    }

    #[test]
    fn after_a_kill_the_next_run_converges(before in world(), after in world(), at in 1..20_usize) {
        run(async {
            let cloud = drifted(&before, &[]).await;
            let plan = plan_for(&cloud, &graph(&after)).await;
            let (kill, never) = (CancellationToken::new(), CancellationToken::new());
            let sink = stopping_at(at, &kill);
            // Dropped in the middle, calls and all.
            kill.run_until_cancelled(apply(&plan, &cloud.drivers(), &sink, &never)).await;
            cloud.take_calls();
            deploy(&cloud, &graph(&after)).await;
        });
    }

    #[test]
    fn destroying_leaves_only_what_is_kept(world in world(), delete_data in any::<bool>()) {
        run(async {
            let cloud = Cloud::default();
            let graph = graph(&world);
            deploy(&cloud, &graph).await;
            let live = cloud.names();
            let none = graph.all_absent();
            let none = if delete_data { none.deleting_data() } else { none };
            let findings = check(&plan_for(&cloud, &none).await);
            deploy(&cloud, &none).await;

            let mut kept: BTreeSet<Address> = BTreeSet::new();
            for at in (0..SIZE).rev().filter(|&at| !delete_data && live.contains(&name(at))) {
                let needed = graph.nodes().iter().any(|node| {
                    kept.contains(&node.address) && node.needs.contains(&address(at))
                });
                if holds_data(at) || needed {
                    kept.insert(address(at));
                }
            }
            let kept: BTreeSet<String> = kept.iter().map(|it| format!("app-{it}")).collect();
            assert_eq!(cloud.names(), kept);
            let holders = (0..SIZE).filter(|&at| holds_data(at) && live.contains(&name(at))).count();
            let losses = findings.iter().filter(|it| it.severity == Severity::Consent).count();
            assert_eq!(losses, if delete_data { holders } else { 0 });
        });
    }

    #[test]
    fn secrets_are_nowhere_to_be_seen(before in world(), after in world(), trouble in trouble()) {
        run(async {
            let cloud = drifted(&before, &[]).await;
            cloud.trouble(&trouble);
            let plan = plan_for(&cloud, &graph(&after)).await;
            let (sink, events) = recorder();
            let outcome = carry_out(&cloud, &plan, &sink).await;
            let events = events.lock().unwrap().clone();
            let seen = [
                serde_json::to_string(&plan).unwrap(),
                serde_json::to_string(&events).unwrap(),
                serde_json::to_string(&outcome).unwrap(),
                serde_json::to_string(&check(&plan)).unwrap(),
                format!("{plan:?} {events:?} {outcome:?}"),
            ];
            assert!(seen.iter().all(|text| !text.contains(SECRET)));
        });
    }

    #[test]
    fn what_is_not_ours_is_never_touched(after in world(), foreign in 0..SIZE) {
        run(async {
            let cloud = Cloud::default();
            cloud.plant(&name(foreign), Owner::Other("app=blog env=prod".to_owned()));
            let graph = graph(&after);
            let plan = plan_for(&cloud, &graph).await;
            let wanted = graph.node(&address(foreign)).unwrap().want != Want::Absent;
            let findings = check(&plan);
            assert_eq!(findings.len(), 1);
            assert_eq!(findings[0].severity, if wanted { Severity::Error } else { Severity::Warning });

            // Even when nobody listens to the check.
            let outcome = carry_out(&cloud, &plan, &Sink::none()).await;
            assert_eq!(outcome.is_ok(), !wanted);
            assert!(cloud.take_calls().iter().all(|call| call.name != name(foreign)));
            carry_out(&cloud, &plan_for(&cloud, &graph.all_absent().deleting_data()).await, &Sink::none()).await;
            assert_eq!(cloud.names(), BTreeSet::from([name(foreign)]));
        });
    }
}
