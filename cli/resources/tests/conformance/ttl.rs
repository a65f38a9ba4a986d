//! The time to live of a table, as AWS has it and the emulators do not: one change an hour, and none that is made already.

use hitctl_emulators::{Call, Fault, Kind, Wire};
use hitctl_engine::{Fault as Told, Graph};
use hitctl_resources::{Spec as _, TableSpec};

use crate::kinds::expiring_table::spec;
use crate::world::World;

const SET: &str = "dynamodb:UpdateTimeToLive";
const LOOK: &str = "dynamodb:DescribeTimeToLive";

/// A table whose items expire by that attribute.
fn table(world: &World, attribute: Option<&str>) -> Graph {
    let spec = TableSpec { ttl_attribute: attribute.map(str::to_owned), ..spec(world) };
    Graph::new(vec![spec.node("seen", &world.base())]).unwrap()
}

/// Deploys by a wire, while each call goes wrong as the rule says: what failed, and the calls that wrote.
async fn under(
    world: &World,
    graph: &Graph,
    rule: impl FnMut(&Call) -> Option<Fault> + Send + 'static,
) -> (Option<Told>, Vec<String>) {
    let wire = Wire::new(world.endpoint());
    wire.rule(rule);
    let outcome = world.deploy_by(wire.endpoint(), graph).await.unwrap();
    // What an emulator cannot hold is written each time: that is not looked at here.
    let writes = wire.writes().into_iter().filter(|call| call != "dynamodb:UpdateTable").collect();
    (outcome.failed.into_iter().map(|failed| failed.fault).next(), writes)
}

async fn gone(world: &World, graph: &Graph) {
    world.deploy(&graph.clone().all_absent().deleting_data()).await;
}

fn refused(message: &str) -> Fault {
    Fault::status(400, "ValidationException", message)
}

#[tokio::test]
async fn a_table_whose_items_expire_is_made_by_two_calls() {
    for kind in [Kind::MiniStack, Kind::Moto] {
        let world = World::new(kind, "ttl-made");
        let graph = table(&world, Some("ttl"));
        let (failed, writes) = under(&world, &graph, |_| None).await;
        assert_eq!(failed, None, "{kind:?}");
        assert_eq!(writes, ["dynamodb:CreateTable", SET], "{kind:?}");
        gone(&world, &graph).await;
    }
}

#[tokio::test]
async fn another_attribute_takes_two_runs_and_the_first_says_so() {
    for kind in [Kind::MiniStack, Kind::Moto] {
        let world = World::new(kind, "ttl-other");
        world.deploy(&table(&world, Some("old"))).await;
        let graph = table(&world, Some("new"));
        let (failed, writes) = under(&world, &graph, |_| None).await;
        let failed = failed.unwrap();
        assert_eq!(failed.code, "ttl_attribute", "{kind:?}");
        assert_eq!(
            failed.message,
            format!(
                "the items of table {} no longer expire by old, and do not expire by new yet: AWS takes one such change an hour",
                world.base()
            )
        );
        assert_eq!(writes, [SET], "{kind:?}: one change a run");
        assert!(!world.open(&world.plan(&graph).await.1).is_empty(), "{kind:?}: it is not done");
        let (failed, writes) = under(&world, &graph, |_| None).await;
        assert_eq!((failed, writes), (None, vec![SET.to_owned()]), "{kind:?}");
        assert!(world.open(&world.plan(&graph).await.1).is_empty(), "{kind:?}: it is done");
        gone(&world, &graph).await;
    }
}

#[tokio::test]
async fn a_change_too_soon_is_not_tried_again_and_says_when_to_come_back() {
    let world = World::new(Kind::MiniStack, "ttl-soon");
    world.deploy(&table(&world, None)).await;
    let graph = table(&world, Some("ttl"));
    for (message, why) in [
        (
            "Time to live has been modified multiple times within a fixed interval",
            "its time to live was changed less than an hour ago",
        ),
        (
            "TimeToLive is active on a different AttributeName: current AttributeName is old",
            "its items still expire by another attribute",
        ),
    ] {
        let (failed, writes) =
            under(&world, &graph, move |call| call.is(SET).then(|| refused(message))).await;
        let failed = failed.unwrap();
        assert_eq!(
            failed.message,
            format!("failed to set the time to live of table {}: {why}", world.base())
        );
        assert!(failed.hint.is_some_and(|hint| hint.contains("one such change of a table an hour")));
        assert_eq!(writes, [SET], "once");
    }
    world.deploy(&graph).await;
    gone(&world, &graph).await;
}

#[tokio::test]
async fn a_change_whose_answer_was_lost_may_be_refused_the_second_time() {
    let world = World::new(Kind::MiniStack, "ttl-lost");
    let (on, off) = (table(&world, Some("ttl")), table(&world, None));
    let was_off = r#"{"TimeToLiveDescription":{"TimeToLiveStatus":"DISABLED"}}"#;
    let was_on = r#"{"TimeToLiveDescription":{"TimeToLiveStatus":"ENABLED","AttributeName":"ttl"}}"#;
    for (graph, message, before) in
        [(&on, "TimeToLive is already enabled", was_off), (&off, "TimeToLive is already disabled", was_on)]
    {
        let (mut set, mut looked) = (0, 0);
        let (failed, writes) = under(&world, graph, move |call| {
            set += u32::from(call.is(SET));
            looked += u32::from(set == 2 && call.is(LOOK));
            match (set, looked) {
                (1, _) if call.is(SET) => Some(Fault::LostAnswer),
                (2, 0) => Some(refused(message)),
                // What is read lags behind what was written.
                (2, 1) => Some(Fault::Answer {
                    status: 200,
                    content_type: "application/x-amz-json-1.0".to_owned(),
                    body: before.to_owned(),
                }),
                _ => None,
            }
        })
        .await;
        assert_eq!(failed, None, "{message}");
        assert_eq!(writes.iter().filter(|call| *call == SET).count(), 2, "{message}");
        assert!(world.open(&world.plan(graph).await.1).is_empty(), "{message}");
    }
    gone(&world, &off).await;
}
