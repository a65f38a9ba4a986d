//! A kind of resource that is defined in this file alone, and what follows from its entry in the registry: a driver, a plan, a
//! policy, irreversible effects, prices, and conformance.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use futures::FutureExt as _;
use hitctl_config::Target;
use hitctl_engine::{Action, Change as PlannedChange, Fault, Graph, Keep, Outputs};
use hitctl_resources::aws::fault::{
    Doing, ErrorClass, ErrorResponse, ErrorRule, fault_of, is_transient, rule,
};
use hitctl_resources::aws::{Aws, CallContext, Found, Read, Resource, Typed, check_ours, managed_tags};
use hitctl_resources::{
    EffectContext, HomeRegion, IrreversibleEffect, KINDS, Kind, Naming, Operation, Price, REGISTRY, Registry,
    RequiredConfirmation, Scope, Spec, Tags, Usage,
};
use hitctl_stack::policy;
use serde::{Deserialize, Serialize};

use crate::suite::{Case, Change, Foreign, conform_in};
use crate::world::{World, place};

/// The settings of a topic.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct TopicSpec {
    display_name: String,
    is_fifo: bool,
    tags: Tags,
}

impl Spec for TopicSpec {
    const KIND: &'static str = "topic";
    const REPLACE_ON: &'static [&'static str] = &["is_fifo"];
    const KEEP: Keep = Keep::Never;
}

/// The topics of every account and region, by name, with the region that they were made in.
static TOPICS: Mutex<BTreeMap<String, (String, TopicSpec)>> = Mutex::new(BTreeMap::new());

struct Topics {
    aws: Arc<Aws>,
}

impl Topics {
    fn outputs(&self, name: &str) -> Outputs {
        Outputs::from([("arn".to_owned(), self.aws.arn("sns", name))])
    }
}

impl Resource for Topics {
    type Spec = TopicSpec;

    const RULES: &'static [ErrorRule] =
        &[rule("NotFound", "topic", ErrorClass::Retryable, "the topic is not visible yet", "")];

    fn new(aws: Arc<Aws>) -> Self {
        Self { aws }
    }

    async fn read(&self, cx: &CallContext<'_>, want: Option<&TopicSpec>) -> Read<TopicSpec> {
        let live = TOPICS.lock().unwrap().get(cx.name).map(|(_, spec)| spec.clone());
        Ok(live.map(|live| {
            let tags = managed_tags(&live.tags, want.map(|want| &want.tags));
            let outputs = self.outputs(cx.name);
            Found { tags: Some(live.tags.clone()), spec: TopicSpec { tags, ..live }, outputs }
        }))
    }

    async fn create(&self, cx: &CallContext<'_>, want: &TopicSpec) -> Result<Outputs, Fault> {
        if let Some(found) = self.read(cx, Some(want)).await? {
            check_ours(&self.aws, cx.name, &found)?;
        }
        let region = self.aws.place.region.clone();
        TOPICS.lock().unwrap().insert(cx.name.to_owned(), (region, want.clone()));
        Ok(self.outputs(cx.name))
    }

    async fn delete(&self, cx: &CallContext<'_>, _: &Found<TopicSpec>) -> Result<(), Fault> {
        TOPICS.lock().unwrap().remove(cx.name);
        Ok(())
    }
}

const TOPIC: Scope =
    Scope::new("Topic", |n| vec![n.location.arn("sns", &hitctl_config::names::base(n.app, n.env))]);
const PUBLISHES: Price = Price::new("million publishes", 0.50, "aws.amazon.com/sns/pricing");

/// The entry in the registry.
const KIND: Kind = Kind {
    name: TopicSpec::KIND,
    region: HomeRegion::Fixed("us-east-1"),
    operations: &[
        Operation::new("sns:CreateTopic", &[("sns:CreateTopic", TOPIC), ("sns:TagResource", TOPIC)]),
        Operation::new("sns:DeleteTopic", &[("sns:DeleteTopic", TOPIC)]),
    ],
    irreversible: |change, _| {
        (change.action == Action::Replace).then(|| IrreversibleEffect {
            description: "the subscriptions of the topic will be deleted".to_owned(),
            confirmation: RequiredConfirmation::Yes,
        })
    },
    prices: &[PUBLISHES],
    aws: Typed::<Topics>::KIND,
};

/// The kinds of hitctl, and the topic.
fn registry() -> Registry<'static> {
    Registry(Vec::leak([REGISTRY.0, &[KIND]].concat()))
}

fn topic(world: &World) -> TopicSpec {
    TopicSpec { display_name: "Hits".to_owned(), is_fifo: false, tags: world.tags() }
}

fn case(world: &World) -> Case {
    let topic = topic(world);
    let change = |what, spec: &TopicSpec| Change::new(what, spec.node("hits", &world.base()));
    let renamed = TopicSpec { display_name: "Views".to_owned(), ..topic.clone() };
    let ordered = TopicSpec { is_fifo: true, ..topic.clone() };
    let tagged = TopicSpec { tags: world.more_tags("team", "web"), ..topic.clone() };
    let all = TopicSpec { display_name: "All".to_owned(), is_fifo: false, ..tagged.clone() };
    Case {
        before: Vec::new(),
        node: topic.node("hits", &world.base()),
        changes: vec![
            change("display name", &renamed),
            change("order", &ordered),
            change("a tag more", &tagged),
            change("everything", &all),
        ],
        count: |world| async { usize::from(TOPICS.lock().unwrap().contains_key(&world.base())) }.boxed(),
        foreign: Foreign::Theirs,
    }
}

fn world(about: &str) -> World {
    World::new(None, about).made_of(registry())
}

/// The change of the topic in the plan from one spec to another.
async fn planned(world: &World, from: &TopicSpec, to: &TopicSpec) -> PlannedChange {
    let graph = |spec: &TopicSpec| Graph::new(vec![spec.node("hits", &world.base())]).unwrap();
    world.deploy(&graph(from)).await;
    let (_, plan) = world.plan(&graph(to)).await;
    world.deploy(&graph(from).all_absent().deleting_data()).await;
    plan.change(&TopicSpec::address("hits")).unwrap().clone()
}

#[tokio::test]
async fn own_kind_conforms() {
    let world = world("own-kind");
    conform_in(&world, &case(&world)).await;
}

#[tokio::test]
async fn drift_of_own_kind_is_planned_and_corrected() {
    let world = world("own-drift");
    let want = topic(&world);
    let graph = Graph::new(vec![want.node("hits", &world.base())]).unwrap();
    world.deploy(&graph).await;
    TOPICS.lock().unwrap().get_mut(&world.base()).unwrap().1.display_name = "by hand".to_owned();
    let (_, plan) = world.plan(&graph).await;
    let change = plan.change(&TopicSpec::address("hits")).unwrap();
    let fields: Vec<_> = change.fields.iter().map(|diff| diff.field.as_str()).collect();
    assert_eq!((change.action, fields), (Action::Update, vec!["display_name"]));
    world.deploy(&graph).await;
    assert!(world.open(&world.plan(&graph).await.1).is_empty());
    world.deploy(&graph.all_absent().deleting_data()).await;
}

#[tokio::test]
async fn own_kind_is_planned_with_its_irreversible_effects() {
    let world = world("own-plan");
    let (plain, registry) = (topic(&world), registry());
    let context = EffectContext { target: Target::Aws, now_ms: 0 };
    let renamed = TopicSpec { display_name: "Views".to_owned(), ..plain.clone() };
    let change = planned(&world, &plain, &renamed).await;
    assert_eq!((change.action, registry.irreversible(&change, context)), (Action::Update, None));
    let ordered = TopicSpec { is_fifo: true, ..plain.clone() };
    let change = planned(&world, &plain, &ordered).await;
    let effect = registry.irreversible(&change, context).unwrap();
    assert_eq!((change.action, effect.confirmation), (Action::Replace, RequiredConfirmation::Yes));
}

#[tokio::test]
async fn own_kind_is_made_in_the_region_that_it_declares() {
    let world = world("own-region");
    let graph = Graph::new(vec![topic(&world).node("hits", &world.base())]).unwrap();
    world.deploy(&graph).await;
    let region = TOPICS.lock().unwrap().get(&world.base()).unwrap().0.clone();
    assert_eq!(region, "us-east-1");
    world.deploy(&graph.all_absent().deleting_data()).await;
}

#[test]
fn policy_allows_the_calls_of_own_kind_and_no_others() {
    let world = world("own-policy");
    let place = place();
    let naming = Naming { app: &world.app, env: "test", location: place.location(), distribution: None };
    let own = policy::statements_for(&registry().calls(&[]), &naming);
    let (topics, rest): (Vec<_>, Vec<_>) = own.into_iter().partition(|statement| statement["Sid"] == "Topic");
    assert_eq!(
        topics,
        [serde_json::json!({
            "Sid": "Topic",
            "Effect": "Allow",
            "Action": ["sns:CreateTopic", "sns:DeleteTopic", "sns:TagResource"],
            "Resource": [world.arn("sns", &world.base())],
        })]
    );
    assert_eq!(rest, policy::statements_for(&REGISTRY.calls(&[]), &naming));
}

#[test]
fn own_kind_has_its_errors_and_prices() {
    let registry = registry();
    let kind = registry.kind("topic").unwrap();
    assert_eq!(registry.0.len(), KINDS.len() + 1);
    assert!((Usage::default().and(kind.prices[0], 2.0).usd() - 1.0).abs() < 1e-9);
    let rules: &'static [ErrorRule] = kind.aws.errors;
    let response = ErrorResponse {
        code: Some("NotFound".to_owned()),
        message: Some("Topic does not exist".to_owned()),
        ..ErrorResponse::default()
    };
    let doing = Doing::new("read", "topic hits", "sns:GetTopicAttributes");
    let now = std::time::SystemTime::UNIX_EPOCH;
    assert!(!is_transient(&fault_of(&doing, &response, now)), "elsewhere it is final");
    assert!(is_transient(&fault_of(&doing.with_rules(rules), &response, now)));
}
