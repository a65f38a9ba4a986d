//! Tests of `survey` and `apply`, with their failures.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, pending};
use hitctl_engine::{
    Action, Address, ApplyOutcome, DesiredState, Driver, DriverContext, DriverTimeouts, Drivers, Event,
    EventSink, Fault, FieldDiff, Graph, Node, ObservedState, Outputs, Owner, Plan, SecretMask, Snapshot,
    SpecValue, apply, plan, survey,
};
use serde_json::{Value as Json, json};
use tokio_util::sync::CancellationToken;

use crate::toy_cloud::{InjectedFault, ToyCloud, WriteOp};
use crate::{recorder, run};

/// Returns the address of a resource by its name.
fn at(name: &str) -> Address {
    Address::new("toy", name)
}

/// Returns a node with dependencies and the immutable field `shape`.
fn node(name: &str, needs: &[&str], shape: u8) -> Node {
    let links: Vec<_> = needs.iter().map(|need| SpecValue::<String>::output(at(need), "id")).collect();
    Node::present(at(name), name, json!({"links": links, "shape": shape})).with_immutable_fields(&["shape"])
}

/// Returns the graph a <- b <- c, and d without dependencies.
fn graph(shape: u8) -> Graph {
    let nodes =
        vec![node("a", &[], shape), node("b", &["a"], shape), node("c", &["b"], 0), node("d", &[], 0)];
    Graph::new(nodes).unwrap()
}

async fn plan_for(cloud: &ToyCloud, graph: &Graph) -> Plan {
    let stop = CancellationToken::new();
    plan(
        graph,
        &survey(graph, &cloud.drivers(), &EventSink::none(), &stop).await.unwrap(),
        &SecretMask::default(),
    )
    .unwrap()
}

async fn deploy(cloud: &ToyCloud, graph: &Graph, sink: &EventSink) -> ApplyOutcome {
    apply(&plan_for(cloud, graph).await, &cloud.drivers(), sink, &CancellationToken::new()).await
}

fn cloud_with_faults(faults: &[(&str, InjectedFault)]) -> ToyCloud {
    let cloud = ToyCloud::default();
    cloud.set_faults(&faults.iter().map(|(name, fault)| ((*name).to_owned(), *fault)).collect());
    cloud
}

/// Formats the events, one per line.
fn lines(events: &[Event]) -> String {
    let line = |event: &Event| match event {
        Event::Started { address, action, .. } => format!("{} {address}", action.present_participle()),
        Event::Finished { address, action, took_ms } => {
            format!("{} {address} in {took_ms} ms", action.past_participle())
        }
        Event::Waiting { address, attempt, why } => format!("{address} waits ({attempt}): {why}"),
        Event::Failed { address, action, fault } => format!("failed to {action} {address}: {fault}"),
        Event::Skipped { address, because: Some(because), .. } => {
            format!("skipped {address}: {because} failed")
        }
        Event::Skipped { address, because: None, .. } => format!("skipped {address}: interrupted"),
        Event::Interrupted { in_flight } => {
            let names: Vec<_> = in_flight.iter().map(Address::as_str).collect();
            format!("interrupted, in flight: {}", names.join(" "))
        }
        other => format!("{other:?}"),
    };
    events.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn deploy_runs_ready_changes_concurrently_and_second_deploy_changes_nothing() {
    run(async {
        let (cloud, (sink, events)) = (ToyCloud::default(), recorder());
        let outcome = deploy(&cloud, &graph(0), &sink).await;
        assert!(outcome.is_ok());
        assert_eq!(outcome.outputs[&at("c")]["id"], "id-4");
        insta::assert_snapshot!(lines(&events.lock().unwrap()), @r"
        creating toy.a
        creating toy.d
        created toy.a in 10 ms
        creating toy.b
        created toy.d in 10 ms
        created toy.b in 10 ms
        creating toy.c
        created toy.c in 10 ms
        ");
        let (sink, events) = recorder();
        assert!(deploy(&cloud, &graph(0), &sink).await.is_ok());
        assert!(events.lock().unwrap().is_empty());
    });
}

#[test]
fn conditional_order_runs_increase_before_and_decrease_after_other_change() {
    let graph = |n: u32| {
        let function = Node::present(at("a"), "a", json!({ "timeout": n }));
        Graph::new(vec![
            function,
            Node::present(at("b"), "b", json!({ "hidden": 6 * n })).with_conditional_order("hidden", at("a")),
        ])
        .unwrap()
    };
    run(async {
        let cloud = ToyCloud::default();
        deploy(&cloud, &graph(2), &EventSink::none()).await;
        for (n, expected) in [(3, ["b", "a"]), (1, ["a", "b"])] {
            let (sink, events) = recorder();
            assert!(deploy(&cloud, &graph(n), &sink).await.is_ok());
            let [first, second] = expected;
            let expected = format!(
                "updating toy.{first}\nupdated toy.{first} in 10 ms\nupdating toy.{second}\nupdated toy.{second} in 10 ms"
            );
            assert_eq!(lines(&events.lock().unwrap()), expected);
        }
        // A decrease is skipped when the other change fails, because the other resource still relies on the old value.
        cloud.set_faults(&[("a".to_owned(), InjectedFault::Fail)].into());
        let outcome = deploy(&cloud, &graph(0), &EventSink::none()).await;
        assert_eq!(outcome.skipped.len(), 1);
    });
}

#[test]
fn create_before_update_of_creates_resource_before_update() {
    let graph = |has_permission: bool| {
        let api = Node::present(at("a"), "a", json!({ "routes": usize::from(has_permission) }));
        let permission = json!({ "source": hitctl_engine::SpecValue::<String>::output(at("a"), "id") });
        let permission = Node::present(at("p"), "p", permission).create_before_update_of(at("a"));
        Graph::new(vec![api, permission.present_if(has_permission)]).unwrap()
    };
    run(async {
        // Both are new: the resource with the output is created first.
        let (sink, events) = recorder();
        assert!(deploy(&ToyCloud::default(), &graph(true), &sink).await.is_ok());
        assert_eq!(
            lines(&events.lock().unwrap()),
            "creating toy.a\ncreated toy.a in 10 ms\ncreating toy.p\ncreated toy.p in 10 ms"
        );
        // The other resource exists and has its output.
        let cloud = ToyCloud::default();
        deploy(&cloud, &graph(false), &EventSink::none()).await;
        let (sink, events) = recorder();
        assert!(deploy(&cloud, &graph(true), &sink).await.is_ok());
        assert_eq!(
            lines(&events.lock().unwrap()),
            "creating toy.p\ncreated toy.p in 10 ms\nupdating toy.a\nupdated toy.a in 10 ms"
        );
        // The resource is deleted after the update that stops using it.
        let (sink, events) = recorder();
        assert!(deploy(&cloud, &graph(false), &sink).await.is_ok());
        assert_eq!(
            lines(&events.lock().unwrap()),
            "updating toy.a\nupdated toy.a in 10 ms\ndeleting toy.p\ndeleted toy.p in 10 ms"
        );
        // If the resource cannot be created, the update that uses it is skipped.
        cloud.set_faults(&[("p".to_owned(), InjectedFault::Fail)].into());
        let outcome = deploy(&cloud, &graph(true), &EventSink::none()).await;
        assert_eq!((outcome.failed.len(), outcome.skipped.len()), (1, 1));
    });
}

#[test]
fn replacements_are_deleted_in_reverse_order_then_created() {
    run(async {
        let cloud = ToyCloud::default();
        deploy(&cloud, &graph(0), &EventSink::none()).await;
        cloud.take_calls();
        assert!(deploy(&cloud, &graph(1), &EventSink::none()).await.is_ok());
        let calls: Vec<_> = cloud.take_calls().into_iter().map(|call| (call.op, call.name)).collect();
        let expected = [
            (WriteOp::Delete, "b"),
            (WriteOp::Delete, "a"),
            (WriteOp::Create, "a"),
            (WriteOp::Create, "b"),
            (WriteOp::Update, "c"),
        ];
        assert_eq!(calls, expected.map(|(op, name)| (op, name.to_owned())));
    });
}

#[test]
fn replacement_is_not_deleted_when_new_dependency_fails() {
    run(async {
        let cloud = ToyCloud::default();
        let before = Graph::new(vec![node("b", &[], 0)]).unwrap();
        deploy(&cloud, &before, &EventSink::none()).await;
        // The resource is replaced and gets a dependency that cannot be created.
        cloud.set_faults(&BTreeMap::from([("new".to_owned(), InjectedFault::Fail)]));
        let after = Graph::new(vec![node("new", &[], 0), node("b", &["new"], 1)]).unwrap();
        let outcome = deploy(&cloud, &after, &EventSink::none()).await;
        assert_eq!(outcome.skipped[0].address, at("b"));
        assert!(cloud.names().contains("b"), "the working resource is kept");
    });
}

#[test]
fn replacement_is_not_deleted_when_it_cannot_be_created_again() {
    run(async {
        let nodes = |shape, size: u8| {
            let mut link = node("a", &["z"], 0);
            link.desired = DesiredState::Present(
                json!({"links": [SpecValue::<String>::output(at("z"), "id")], "size": size}),
            );
            vec![node("z", &[], shape), link, node("b", &["a"], shape), node("slow_one", &["b"], shape)]
        };
        let cloud = ToyCloud::default();
        deploy(&cloud, &Graph::new(nodes(0, 0)).unwrap(), &EventSink::none()).await;
        // While b waits for the deletion of slow_one, z fails, so b could not be created again.
        cloud.set_faults(&BTreeMap::from([("z".to_owned(), InjectedFault::Fail)]));
        let outcome = deploy(&cloud, &Graph::new(nodes(1, 1)).unwrap(), &EventSink::none()).await;
        assert_eq!(outcome.failed.len(), 1);
        assert!(cloud.names().contains("b"), "{outcome:#?}");
        assert!(outcome.skipped.iter().any(|it| it.address == at("b") && it.because == Some(at("z"))));
    });
}

#[test]
fn absent_resource_is_deleted_after_last_dependent_is_updated() {
    run(async {
        let cloud = ToyCloud::default();
        let (q, user) = (node("q", &[], 0), node("user_of_q", &["q"], 0));
        deploy(&cloud, &Graph::new(vec![q.clone(), user]).unwrap(), &EventSink::none()).await;
        cloud.take_calls();
        let after = Graph::new(vec![q.absent(), node("user_of_q", &[], 0)]).unwrap();
        assert!(deploy(&cloud, &after, &EventSink::none()).await.is_ok());
        let calls: Vec<_> =
            cloud.take_calls().into_iter().map(|call| (call.op, call.name, call.busy.len())).collect();
        assert_eq!(
            calls,
            [(WriteOp::Update, "user_of_q".to_owned(), 0), (WriteOp::Delete, "q".to_owned(), 0)]
        );
    });
}

#[test]
fn failure_skips_dependents_and_other_changes_are_made() {
    run(async {
        let (cloud, (sink, events)) =
            (cloud_with_faults(&[("a", InjectedFault::Fail), ("d", InjectedFault::Transient)]), recorder());
        let outcome = deploy(&cloud, &graph(0), &sink).await;
        assert!(!outcome.is_ok());
        insta::assert_snapshot!(lines(&events.lock().unwrap()), @r"
        creating toy.a
        creating toy.d
        failed to create toy.a: failed to write toy a
        skipped toy.b: toy.a failed
        skipped toy.c: toy.a failed
        toy.d waits (1): waiting for the toy: not yet
        toy.d waits (2): waiting for the toy: not yet
        created toy.d in 492 ms
        ");
        insta::assert_snapshot!(serde_json::to_string(&outcome.skipped[0]).unwrap(),
            @r#"{"address":"toy.b","action":"create","because":"toy.a"}"#);
    });
}

#[test]
fn hanging_calls_and_panics_are_reported_as_faults() {
    run(async {
        let cloud = cloud_with_faults(&[("a", InjectedFault::Hang), ("d", InjectedFault::Panic)]);
        let outcome = deploy(&cloud, &graph(0), &EventSink::none()).await;
        let faults: Vec<_> =
            outcome.failed.iter().map(|it| (it.fault.code.as_str(), it.fault.message.as_str())).collect();
        assert_eq!(faults[0], ("panic", "internal error: failed to create toy d; please report it"));
        assert_eq!(outcome.failed[0].fault.cause.as_deref(), Some("injected panic"));
        assert_eq!(faults[1], ("timeout", "failed to create toy a: timed out after 10 min"));
    });
}

#[test]
fn interruption_event_lists_changes_in_flight() {
    run(async {
        let (cloud, stop) = (ToyCloud::default(), CancellationToken::new());
        let (into, events) = recorder();
        let stopper = stop.clone();
        let sink = EventSink::new(move |event| {
            if matches!(&event, Event::Started { address, .. } if *address == at("d")) {
                stopper.cancel();
            }
            into.send(event);
        });
        let plan = plan_for(&cloud, &graph(0)).await;
        let outcome = apply(&plan, &cloud.drivers(), &sink, &stop).await;
        assert!(outcome.interrupted);
        insta::assert_snapshot!(lines(&events.lock().unwrap()), @r"
        creating toy.a
        creating toy.d
        interrupted, in flight: toy.a toy.d
        created toy.a in 10 ms
        created toy.d in 10 ms
        skipped toy.b: interrupted
        skipped toy.c: interrupted
        ");
    });
}

#[test]
fn interruption_without_pending_changes_is_ignored() {
    run(async {
        let cloud = ToyCloud::default();
        deploy(&cloud, &graph(0), &EventSink::none()).await;
        let (plan, stop) = (plan_for(&cloud, &graph(0)).await, CancellationToken::new());
        stop.cancel();
        assert!(apply(&plan, &cloud.drivers(), &EventSink::none(), &stop).await.is_ok());
    });
}

/// A driver whose reads depend on the name of the node, and whose creates return no outputs.
struct OddDriver;

impl Driver for OddDriver {
    fn read<'a>(
        &'a self,
        _: &'a DriverContext,
        node: &'a Node,
    ) -> BoxFuture<'a, Result<Option<ObservedState>, Fault>> {
        match node.name.as_str() {
            "a" => async { Err(Fault::fatal("AccessDenied", "failed to read toy a")) }.boxed(),
            "b" => pending().boxed(),
            "c" => panic!("injected panic"),
            _ => async { Ok(None) }.boxed(),
        }
    }

    fn create<'a>(
        &'a self,
        _: &'a DriverContext,
        _: &'a Node,
        _: &'a Json,
    ) -> BoxFuture<'a, Result<Outputs, Fault>> {
        async { Ok(Outputs::new()) }.boxed()
    }

    fn update<'a>(
        &'a self,
        _: &'a DriverContext,
        _: &'a Node,
        _: &'a ObservedState,
        _: &'a Json,
        _: &'a [FieldDiff],
    ) -> BoxFuture<'a, Result<Outputs, Fault>> {
        async { Ok(Outputs::new()) }.boxed()
    }

    fn delete<'a>(
        &'a self,
        _: &'a DriverContext,
        _: &'a Node,
        _: &'a ObservedState,
    ) -> BoxFuture<'a, Result<(), Fault>> {
        async { Ok(()) }.boxed()
    }
}

#[test]
fn survey_returns_all_faults() {
    run(async {
        let limits = DriverTimeouts { read: Duration::from_secs(9), ..DriverTimeouts::default() };
        let stop = CancellationToken::new();
        let drivers = Drivers::for_all_kinds(Arc::new(OddDriver)).with_timeouts(limits);
        let error = survey(&graph(0), &drivers, &EventSink::none(), &stop).await.unwrap_err();
        let faults: Vec<_> = error.faults.values().map(ToString::to_string).collect();
        let expected = [
            "failed to read toy a",
            "failed to read toy b: timed out after 9 s",
            "internal error: failed to read toy c; please report it",
        ];
        assert_eq!(faults, expected);
        assert_eq!(error.to_string(), "failed to read toy a (and 2 more)");

        let without_drivers =
            survey(&graph(0), &Drivers::default(), &EventSink::none(), &stop).await.unwrap_err();
        assert_eq!(
            without_drivers.faults[&at("d")].message,
            "internal error: no driver for resources of kind toy; please report it"
        );
    });
}

#[test]
fn resource_deleted_during_read_is_absent() {
    run(async {
        let (cloud, stop) = (ToyCloud::default(), CancellationToken::new());
        cloud.create_externally("a", Owner::Ours);
        cloud.set_faults(&BTreeMap::from([("a".to_owned(), InjectedFault::DeletedWhileRead)]));
        let found = survey(&graph(0), &cloud.drivers(), &EventSink::none(), &stop).await.unwrap();
        assert_eq!(found.observed(&at("a")), None);
    });
}

#[test]
fn survey_stops_immediately_when_interrupted() {
    run(async {
        let stop = CancellationToken::new();
        stop.cancel();
        let error =
            survey(&graph(0), &ToyCloud::default().drivers(), &EventSink::none(), &stop).await.unwrap_err();
        assert!(error.interrupted);
        assert_eq!(error.to_string(), "interrupted while reading the deployed resources");
    });
}

#[test]
fn missing_output_after_create_is_reported_as_fault() {
    run(async {
        let nothing: Snapshot = graph(0).nodes().iter().map(|node| (node.address.clone(), None)).collect();
        let plan = plan(&graph(0), &nothing, &SecretMask::default()).unwrap();
        let outcome = apply(
            &plan,
            &Drivers::for_all_kinds(Arc::new(OddDriver)),
            &EventSink::none(),
            &CancellationToken::new(),
        )
        .await;
        assert_eq!(outcome.failed.len(), 1);
        assert_eq!(outcome.failed[0].action, Action::Create);
        assert_eq!(
            outcome.failed[0].fault.message,
            "internal error: failed to create toy b: toy.a has no output id; please report it"
        );
        assert_eq!(outcome.skipped[0].address, at("c"));
    });
}
