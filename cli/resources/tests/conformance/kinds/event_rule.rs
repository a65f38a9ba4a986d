//! The conformance case of a rule on the default bus and its target.

use aws_sdk_eventbridge::Client;
use futures::FutureExt as _;
use hitctl_engine::SpecValue;
use hitctl_resources::{EventRuleSpec, QueueSpec, Spec as _};
use serde_json::json;

use super::{alias_arn, function_arn, queue, with_alias};
use crate::Gap;
use crate::suite::{CaseChange, ConformanceCase, ForeignView};
use crate::test_app::TestApp;

pub(crate) const GAPS: &[Gap] = &[];

/// Returns a rule that invokes the function.
pub(crate) fn spec(app: &TestApp) -> EventRuleSpec {
    EventRuleSpec {
        bus: "default".to_owned(),
        pattern: json!({ "source": ["cli"], "detail": { "note": ["<&>"] } }),
        enabled: true,
        target_arn: function_arn(app),
        max_retries: 3,
        max_age_s: 3600,
        dead_letter_arn: queue::dead_letter_arn(app),
        tags: app.tags(),
    }
}

pub(crate) fn case(app: &TestApp) -> ConformanceCase {
    let rule = spec(app);
    let change = |label, spec: &EventRuleSpec| CaseChange::new(label, spec.node("events", &app.base()));
    let queue_arn = SpecValue::known(QueueSpec::address("hits"), app.arn("sqs", &queue::name(app)));
    let other_pattern = EventRuleSpec {
        pattern: json!({ "source": [{ "prefix": "c" }], "detail": { "n": [{ "numeric": [">", 0, "<=", 5] }] } }),
        ..rule.clone()
    };
    let disabled = EventRuleSpec { enabled: false, ..rule.clone() };
    let to_alias = EventRuleSpec { target_arn: alias_arn(app), ..rule.clone() };
    let to_queue = EventRuleSpec { target_arn: queue_arn, ..rule.clone() };
    let without_retries = EventRuleSpec { max_retries: 0, ..rule.clone() };
    let shorter_age = EventRuleSpec { max_age_s: 60, ..rule.clone() };
    let tagged = EventRuleSpec { tags: app.tags_with("team", "web"), ..rule.clone() };
    let all = EventRuleSpec {
        pattern: other_pattern.pattern.clone(),
        enabled: false,
        target_arn: to_queue.target_arn.clone(),
        max_retries: 185,
        max_age_s: 86_400,
        tags: app.tags_with("team", "ops"),
        ..rule.clone()
    };
    let mut dependencies = with_alias(app);
    dependencies.extend(queue::both(app));
    ConformanceCase {
        dependencies,
        node: rule.node("events", &app.base()),
        changes: vec![
            change("pattern", &other_pattern),
            change("disabled", &disabled),
            change("to the alias", &to_alias),
            change("to the queue", &to_queue),
            change("no retries", &without_retries),
            change("maximum age", &shorter_age),
            change("an additional tag", &tagged),
            change("everything", &all),
        ],
        count: |app| {
            async {
                let client = Client::new(&app.config());
                let listed = client.list_rules().name_prefix(app.base()).send().await.unwrap();
                listed.rules().len()
            }
            .boxed()
        },
        foreign_view: ForeignView::OtherOwner,
    }
}
