//! Surveys and runs, with what goes wrong in them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, pending};
use hitctl_engine::{
    Action, Address, Cx, Driver, Drivers, Event, Fault, FieldDiff, Graph, Limits, Live, Mask, Node, Outcome,
    Outputs, Owner, Plan, Sink, Snapshot, Value, Want, apply, plan, survey,
};
use serde_json::{Value as Json, json};
use tokio_util::sync::CancellationToken;

use crate::toy::{Cloud, Op, Trouble};
use crate::{recorder, run};

fn at(name: &str) -> Address {
    Address::new("toy", name)
}

/// A node that needs others; `shape` cannot be changed.
fn node(name: &str, needs: &[&str], shape: u8) -> Node {
    let links: Vec<_> = needs.iter().map(|need| Value::<String>::output(at(need), "id")).collect();
    Node::present(at(name), name, json!({"links": links, "shape": shape})).replaced_on(&["shape"])
}

/// a <- b <- c, and d alone.
fn graph(shape: u8) -> Graph {
    let nodes =
        vec![node("a", &[], shape), node("b", &["a"], shape), node("c", &["b"], 0), node("d", &[], 0)];
    Graph::new(nodes).unwrap()
}

async fn plan_for(cloud: &Cloud, graph: &Graph) -> Plan {
    let stop = CancellationToken::new();
    plan(graph, &survey(graph, &cloud.drivers(), &Sink::none(), &stop).await.unwrap(), &Mask::default())
        .unwrap()
}

async fn deploy(cloud: &Cloud, graph: &Graph, sink: &Sink) -> Outcome {
    apply(&plan_for(cloud, graph).await, &cloud.drivers(), sink, &CancellationToken::new()).await
}

fn troubled(trouble: &[(&str, Trouble)]) -> Cloud {
    let cloud = Cloud::default();
    cloud.trouble(&trouble.iter().map(|(name, trouble)| ((*name).to_owned(), *trouble)).collect());
    cloud
}

/// The events, a line each.
fn lines(events: &[Event]) -> String {
    let line = |event: &Event| match event {
        Event::Started { address, action, .. } => format!("{} {address}", action.doing()),
        Event::Finished { address, action, took_ms } => {
            format!("{} {address} in {took_ms} ms", action.done())
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
fn a_deploy_does_all_that_is_ready_at_once_and_a_second_one_does_nothing() {
    run(async {
        let (cloud, (sink, events)) = (Cloud::default(), recorder());
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
fn a_rise_comes_before_what_it_leads_and_a_fall_after() {
    let graph = |n: u32| {
        let led = Node::present(at("a"), "a", json!({ "timeout": n }));
        Graph::new(vec![
            led,
            Node::present(at("b"), "b", json!({ "hidden": 6 * n })).leading("hidden", at("a")),
        ])
        .unwrap()
    };
    run(async {
        let cloud = Cloud::default();
        deploy(&cloud, &graph(2), &Sink::none()).await;
        for (n, due) in [(3, ["b", "a"]), (1, ["a", "b"])] {
            let (sink, events) = recorder();
            assert!(deploy(&cloud, &graph(n), &sink).await.is_ok());
            let [first, second] = due;
            let due = format!(
                "updating toy.{first}\nupdated toy.{first} in 10 ms\nupdating toy.{second}\nupdated toy.{second} in 10 ms"
            );
            assert_eq!(lines(&events.lock().unwrap()), due);
        }
        // Where the one it leads fails, a fall does not take place: the other still counts on it.
        cloud.trouble(&[("a".to_owned(), Trouble::Fail)].into());
        let outcome = deploy(&cloud, &graph(0), &Sink::none()).await;
        assert_eq!(outcome.skipped.len(), 1);
    });
}

#[test]
fn resource_that_an_update_will_use_is_created_before_it() {
    let graph = |uses_it: bool| {
        let api = Node::present(at("a"), "a", json!({ "routes": usize::from(uses_it) }));
        let permission = json!({ "source": hitctl_engine::Value::<String>::output(at("a"), "id") });
        let permission = Node::present(at("p"), "p", permission).before_update_of(at("a"));
        Graph::new(vec![api, permission.present_if(uses_it)]).unwrap()
    };
    run(async {
        // Both are new: first what has the output.
        let (sink, events) = recorder();
        assert!(deploy(&Cloud::default(), &graph(true), &sink).await.is_ok());
        assert_eq!(
            lines(&events.lock().unwrap()),
            "creating toy.a\ncreated toy.a in 10 ms\ncreating toy.p\ncreated toy.p in 10 ms"
        );
        // The one is there already and has its output.
        let cloud = Cloud::default();
        deploy(&cloud, &graph(false), &Sink::none()).await;
        let (sink, events) = recorder();
        assert!(deploy(&cloud, &graph(true), &sink).await.is_ok());
        assert_eq!(
            lines(&events.lock().unwrap()),
            "creating toy.p\ncreated toy.p in 10 ms\nupdating toy.a\nupdated toy.a in 10 ms"
        );
        // And the other way round: it is deleted when nothing uses it any more.
        let (sink, events) = recorder();
        assert!(deploy(&cloud, &graph(false), &sink).await.is_ok());
        assert_eq!(
            lines(&events.lock().unwrap()),
            "updating toy.a\nupdated toy.a in 10 ms\ndeleting toy.p\ndeleted toy.p in 10 ms"
        );
        // Where it cannot be created, the update that would use it does not take place.
        cloud.trouble(&[("p".to_owned(), Trouble::Fail)].into());
        let outcome = deploy(&cloud, &graph(true), &Sink::none()).await;
        assert_eq!((outcome.failed.len(), outcome.skipped.len()), (1, 1));
    });
}

#[test]
fn replacements_are_taken_down_from_the_top_and_made_from_the_bottom() {
    run(async {
        let cloud = Cloud::default();
        deploy(&cloud, &graph(0), &Sink::none()).await;
        cloud.take_calls();
        assert!(deploy(&cloud, &graph(1), &Sink::none()).await.is_ok());
        let calls: Vec<_> = cloud.take_calls().into_iter().map(|call| (call.op, call.name)).collect();
        let due =
            [(Op::Delete, "b"), (Op::Delete, "a"), (Op::Create, "a"), (Op::Create, "b"), (Op::Update, "c")];
        assert_eq!(calls, due.map(|(op, name)| (op, name.to_owned())));
    });
}

#[test]
fn nothing_is_taken_down_before_what_it_needs_is_made() {
    run(async {
        let cloud = Cloud::default();
        let before = Graph::new(vec![node("b", &[], 0)]).unwrap();
        deploy(&cloud, &before, &Sink::none()).await;
        // Replaced, and from now on with a need that cannot be met.
        cloud.trouble(&BTreeMap::from([("new".to_owned(), Trouble::Fail)]));
        let after = Graph::new(vec![node("new", &[], 0), node("b", &["new"], 1)]).unwrap();
        let outcome = deploy(&cloud, &after, &Sink::none()).await;
        assert_eq!(outcome.skipped[0].address, at("b"));
        assert!(cloud.names().contains("b"), "it still does what it did");
    });
}

#[test]
fn nothing_is_taken_down_that_cannot_be_made_again() {
    run(async {
        let nodes = |shape, size: u8| {
            let mut link = node("a", &["z"], 0);
            link.want =
                Want::Present(json!({"links": [Value::<String>::output(at("z"), "id")], "size": size}));
            vec![node("z", &[], shape), link, node("b", &["a"], shape), node("slow_one", &["b"], shape)]
        };
        let cloud = Cloud::default();
        deploy(&cloud, &Graph::new(nodes(0, 0)).unwrap(), &Sink::none()).await;
        // While b waits for slow_one to go, it turns out that b could not be made again.
        cloud.trouble(&BTreeMap::from([("z".to_owned(), Trouble::Fail)]));
        let outcome = deploy(&cloud, &Graph::new(nodes(1, 1)).unwrap(), &Sink::none()).await;
        assert_eq!(outcome.failed.len(), 1);
        assert!(cloud.names().contains("b"), "{outcome:#?}");
        assert!(outcome.skipped.iter().any(|it| it.address == at("b") && it.because == Some(at("z"))));
    });
}

#[test]
fn what_is_not_wanted_goes_when_nothing_can_use_it_any_more() {
    run(async {
        let cloud = Cloud::default();
        let (q, user) = (node("q", &[], 0), node("user_of_q", &["q"], 0));
        deploy(&cloud, &Graph::new(vec![q.clone(), user]).unwrap(), &Sink::none()).await;
        cloud.take_calls();
        let after = Graph::new(vec![q.absent(), node("user_of_q", &[], 0)]).unwrap();
        assert!(deploy(&cloud, &after, &Sink::none()).await.is_ok());
        let calls: Vec<_> =
            cloud.take_calls().into_iter().map(|call| (call.op, call.name, call.busy.len())).collect();
        assert_eq!(calls, [(Op::Update, "user_of_q".to_owned(), 0), (Op::Delete, "q".to_owned(), 0)]);
    });
}

#[test]
fn a_failure_is_told_with_what_it_skips_and_the_rest_is_done() {
    run(async {
        let (cloud, (sink, events)) =
            (troubled(&[("a", Trouble::Fail), ("d", Trouble::Transient)]), recorder());
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
fn hanging_calls_and_panics_are_faults_with_words() {
    run(async {
        let cloud = troubled(&[("a", Trouble::Hang), ("d", Trouble::Panic)]);
        let outcome = deploy(&cloud, &graph(0), &Sink::none()).await;
        let faults: Vec<_> =
            outcome.failed.iter().map(|it| (it.fault.code.as_str(), it.fault.message.as_str())).collect();
        assert_eq!(faults[0], ("panic", "failed to create toy d: the program made a mistake"));
        assert_eq!(outcome.failed[0].fault.cause.as_deref(), Some("told to"));
        assert_eq!(faults[1], ("timeout", "failed to create toy a: no end after 10 min"));
    });
}

#[test]
fn a_stop_is_told_with_what_is_in_flight() {
    run(async {
        let (cloud, stop) = (Cloud::default(), CancellationToken::new());
        let (into, events) = recorder();
        let stopper = stop.clone();
        let sink = Sink::new(move |event| {
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
fn a_stop_with_nothing_left_to_do_interrupts_nothing() {
    run(async {
        let cloud = Cloud::default();
        deploy(&cloud, &graph(0), &Sink::none()).await;
        let (plan, stop) = (plan_for(&cloud, &graph(0)).await, CancellationToken::new());
        stop.cancel();
        assert!(apply(&plan, &cloud.drivers(), &Sink::none(), &stop).await.is_ok());
    });
}

/// Answers reads by the name of the node; creates without saying an id.
struct Odd;

impl Driver for Odd {
    fn read<'a>(&'a self, _: &'a Cx, node: &'a Node) -> BoxFuture<'a, Result<Option<Live>, Fault>> {
        match node.name.as_str() {
            "a" => async { Err(Fault::fatal("AccessDenied", "failed to read toy a")) }.boxed(),
            "b" => pending().boxed(),
            "c" => panic!("told to"),
            _ => async { Ok(None) }.boxed(),
        }
    }

    fn create<'a>(&'a self, _: &'a Cx, _: &'a Node, _: &'a Json) -> BoxFuture<'a, Result<Outputs, Fault>> {
        async { Ok(Outputs::new()) }.boxed()
    }

    fn update<'a>(
        &'a self,
        _: &'a Cx,
        _: &'a Node,
        _: &'a Live,
        _: &'a Json,
        _: &'a [FieldDiff],
    ) -> BoxFuture<'a, Result<Outputs, Fault>> {
        async { Ok(Outputs::new()) }.boxed()
    }

    fn delete<'a>(&'a self, _: &'a Cx, _: &'a Node, _: &'a Live) -> BoxFuture<'a, Result<(), Fault>> {
        async { Ok(()) }.boxed()
    }
}

#[test]
fn a_survey_keeps_every_fault() {
    run(async {
        let limits = Limits { read: Duration::from_secs(9), ..Limits::default() };
        let stop = CancellationToken::new();
        let drivers = Drivers::all(Arc::new(Odd)).within(limits);
        let error = survey(&graph(0), &drivers, &Sink::none(), &stop).await.unwrap_err();
        let faults: Vec<_> = error.faults.values().map(ToString::to_string).collect();
        let due = [
            "failed to read toy a",
            "failed to read toy b: no end after 9 s",
            "failed to read toy c: the program made a mistake",
        ];
        assert_eq!(faults, due);
        assert_eq!(error.to_string(), "failed to read toy a (and 2 more)");

        let nobody = survey(&graph(0), &Drivers::default(), &Sink::none(), &stop).await.unwrap_err();
        assert_eq!(nobody.faults[&at("d")].message, "no driver for resources of kind toy");
    });
}

#[test]
fn resource_deleted_while_it_is_read_is_absent() {
    run(async {
        let (cloud, stop) = (Cloud::default(), CancellationToken::new());
        cloud.plant("a", Owner::Ours);
        cloud.trouble(&BTreeMap::from([("a".to_owned(), Trouble::DeletedWhileRead)]));
        let found = survey(&graph(0), &cloud.drivers(), &Sink::none(), &stop).await.unwrap();
        assert_eq!(found.live(&at("a")), None);
    });
}

#[test]
fn a_survey_stops_at_once() {
    run(async {
        let stop = CancellationToken::new();
        stop.cancel();
        let error = survey(&graph(0), &Cloud::default().drivers(), &Sink::none(), &stop).await.unwrap_err();
        assert!(error.interrupted);
        assert_eq!(error.to_string(), "interrupted while reading what is live");
    });
}

#[test]
fn an_output_that_was_promised_and_did_not_come_is_a_fault() {
    run(async {
        let nothing: Snapshot = graph(0).nodes().iter().map(|node| (node.address.clone(), None)).collect();
        let plan = plan(&graph(0), &nothing, &Mask::default()).unwrap();
        let outcome =
            apply(&plan, &Drivers::all(Arc::new(Odd)), &Sink::none(), &CancellationToken::new()).await;
        assert_eq!(outcome.failed.len(), 1);
        assert_eq!(outcome.failed[0].action, Action::Create);
        assert_eq!(outcome.failed[0].fault.message, "failed to create toy b: toy.a does not say its id");
        assert_eq!(outcome.skipped[0].address, at("c"));
    });
}
