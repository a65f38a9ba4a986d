//! Tests that a registry entry is all that a new kind of resource needs. The kind in this file is only a registry
//! entry, and gets a driver, plans, a policy, irreversible effects, prices and conformance tests.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use futures::FutureExt as _;
use hitctl_config::DeployTarget;
use hitctl_engine::{Action, Change as PlannedChange, DeletionPolicy, Fault, Graph, Outputs};
use hitctl_resources::aws::fault::{
    ApiOperation, ErrorClass, ErrorResponse, ErrorRule, fault_of, is_transient, rule,
};
use hitctl_resources::aws::{
    Aws, CallContext, ReadResult, ReadState, Resource, ResourceDriver, check_ours, managed_tags,
};
use hitctl_resources::{
    ArnParts, EffectContext, HomeRegion, IrreversibleEffect, KINDS, KindRegistry, Operation, PolicyScope,
    Price, REGISTRY, RequiredConfirmation, ResourceKind, Spec, Tags, Usage,
};
use hitctl_stack::policy;
use serde::{Deserialize, Serialize};

use crate::suite::{CaseChange, ConformanceCase, ForeignView, assert_conformance_in};
use crate::test_app::{TestApp, cloud_location};

/// The settings of a topic.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct TopicSpec {
    display_name: String,
    is_fifo: bool,
    tags: Tags,
}

impl Spec for TopicSpec {
    const KIND: &'static str = "topic";
    const IMMUTABLE_FIELDS: &'static [&'static str] = &["is_fifo"];
    const DELETION_POLICY: DeletionPolicy = DeletionPolicy::Delete;
}

/// All existing topics by name, each with the region in which it was created.
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

    async fn read(&self, cx: &CallContext<'_>, want: Option<&TopicSpec>) -> ReadResult<TopicSpec> {
        let observed = TOPICS.lock().unwrap().get(cx.name).map(|(_, spec)| spec.clone());
        Ok(observed.map(|observed| {
            let tags = managed_tags(&observed.tags, want.map(|want| &want.tags));
            let outputs = self.outputs(cx.name);
            ReadState { tags: Some(observed.tags.clone()), spec: TopicSpec { tags, ..observed }, outputs }
        }))
    }

    async fn create(&self, cx: &CallContext<'_>, want: &TopicSpec) -> Result<Outputs, Fault> {
        if let Some(found) = self.read(cx, Some(want)).await? {
            check_ours(&self.aws, cx.name, &found)?;
        }
        let region = self.aws.location.region.clone();
        TOPICS.lock().unwrap().insert(cx.name.to_owned(), (region, want.clone()));
        Ok(self.outputs(cx.name))
    }

    async fn delete(&self, cx: &CallContext<'_>, _: &ReadState<TopicSpec>) -> Result<(), Fault> {
        TOPICS.lock().unwrap().remove(cx.name);
        Ok(())
    }
}

const TOPIC: PolicyScope = PolicyScope::new("Topic", |parts| {
    vec![parts.location.arn("sns", &hitctl_config::names::base_name(parts.app, parts.env))]
});
const PUBLISHES: Price = Price::new("million publishes", 0.50, "aws.amazon.com/sns/pricing");

/// The registry entry of the kind.
const KIND: ResourceKind = ResourceKind {
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
    aws: ResourceDriver::<Topics>::KIND,
};

/// Returns the registry of all kinds of hitctl and the topic.
fn registry() -> KindRegistry<'static> {
    KindRegistry(Vec::leak([REGISTRY.0, &[KIND]].concat()))
}

fn topic(app: &TestApp) -> TopicSpec {
    TopicSpec { display_name: "Hits".to_owned(), is_fifo: false, tags: app.tags() }
}

fn case(app: &TestApp) -> ConformanceCase {
    let topic = topic(app);
    let change = |label, spec: &TopicSpec| CaseChange::new(label, spec.node("hits", &app.base()));
    let renamed = TopicSpec { display_name: "Views".to_owned(), ..topic.clone() };
    let fifo = TopicSpec { is_fifo: true, ..topic.clone() };
    let tagged = TopicSpec { tags: app.tags_with("team", "web"), ..topic.clone() };
    let all = TopicSpec { display_name: "All".to_owned(), is_fifo: false, ..tagged.clone() };
    ConformanceCase {
        dependencies: Vec::new(),
        node: topic.node("hits", &app.base()),
        changes: vec![
            change("display name", &renamed),
            change("FIFO", &fifo),
            change("an additional tag", &tagged),
            change("everything", &all),
        ],
        count: |app| async { usize::from(TOPICS.lock().unwrap().contains_key(&app.base())) }.boxed(),
        foreign_view: ForeignView::OtherOwner,
    }
}

fn topic_app(name_prefix: &str) -> TestApp {
    TestApp::new(None, name_prefix).with_registry(registry())
}

/// Returns the planned change of the topic from one spec to another.
async fn planned_change(app: &TestApp, from: &TopicSpec, to: &TopicSpec) -> PlannedChange {
    let graph = |spec: &TopicSpec| Graph::new(vec![spec.node("hits", &app.base())]).unwrap();
    app.deploy(&graph(from)).await;
    let (_, plan) = app.plan(&graph(to)).await;
    app.deploy(&graph(from).all_absent().allow_data_deletion()).await;
    plan.change(&TopicSpec::address("hits")).unwrap().clone()
}

#[tokio::test]
async fn custom_kind_conforms() {
    let app = topic_app("custom-kind");
    assert_conformance_in(&app, &case(&app)).await;
}

#[tokio::test]
async fn drift_of_custom_kind_is_planned_and_corrected() {
    let app = topic_app("custom-drift");
    let want = topic(&app);
    let graph = Graph::new(vec![want.node("hits", &app.base())]).unwrap();
    app.deploy(&graph).await;
    TOPICS.lock().unwrap().get_mut(&app.base()).unwrap().1.display_name = "by hand".to_owned();
    let (_, plan) = app.plan(&graph).await;
    let change = plan.change(&TopicSpec::address("hits")).unwrap();
    let fields: Vec<_> = change.fields.iter().map(|diff| diff.field.as_str()).collect();
    assert_eq!((change.action, fields), (Action::Update, vec!["display_name"]));
    app.deploy(&graph).await;
    assert!(app.pending_changes(&app.plan(&graph).await.1).is_empty());
    app.deploy(&graph.all_absent().allow_data_deletion()).await;
}

#[tokio::test]
async fn custom_kind_is_planned_with_its_irreversible_effects() {
    let app = topic_app("custom-plan");
    let (plain, registry) = (topic(&app), registry());
    let context = EffectContext { target: DeployTarget::Aws, now_ms: 0 };
    let renamed = TopicSpec { display_name: "Views".to_owned(), ..plain.clone() };
    let change = planned_change(&app, &plain, &renamed).await;
    assert_eq!((change.action, registry.irreversible(&change, context)), (Action::Update, None));
    let fifo = TopicSpec { is_fifo: true, ..plain.clone() };
    let change = planned_change(&app, &plain, &fifo).await;
    let effect = registry.irreversible(&change, context).unwrap();
    assert_eq!((change.action, effect.confirmation), (Action::Replace, RequiredConfirmation::Yes));
}

#[tokio::test]
async fn custom_kind_is_created_in_declared_region() {
    let app = topic_app("custom-region");
    let graph = Graph::new(vec![topic(&app).node("hits", &app.base())]).unwrap();
    app.deploy(&graph).await;
    let region = TOPICS.lock().unwrap().get(&app.base()).unwrap().0.clone();
    assert_eq!(region, "us-east-1");
    app.deploy(&graph.all_absent().allow_data_deletion()).await;
}

#[test]
fn policy_allows_exactly_the_operations_of_custom_kind() {
    let app = topic_app("custom-policy");
    let cloud_location = cloud_location();
    let arn_parts = ArnParts {
        app: &app.app_name,
        env: "test",
        location: cloud_location.as_location(),
        distribution: None,
    };
    let allowed = policy::statements_for(&registry().operations(&[]), &arn_parts);
    let (topic_statements, other_statements): (Vec<_>, Vec<_>) =
        allowed.into_iter().partition(|statement| statement["Sid"] == "Topic");
    assert_eq!(
        topic_statements,
        [serde_json::json!({
            "Sid": "Topic",
            "Effect": "Allow",
            "Action": ["sns:CreateTopic", "sns:DeleteTopic", "sns:TagResource"],
            "Resource": [app.arn("sns", &app.base())],
        })]
    );
    assert_eq!(other_statements, policy::statements_for(&REGISTRY.operations(&[]), &arn_parts));
}

#[test]
fn custom_kind_has_its_errors_and_prices() {
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
    let operation = ApiOperation::new("read", "topic hits", "sns:GetTopicAttributes");
    let now = std::time::SystemTime::UNIX_EPOCH;
    assert!(!is_transient(&fault_of(&operation, &response, now)), "the rule applies to topics only");
    assert!(is_transient(&fault_of(&operation.with_rules(rules), &response, now)));
}
