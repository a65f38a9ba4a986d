//! A rule on the default bus, with its target.

use aws_sdk_eventbridge::Client;
use futures::FutureExt as _;
use hitctl_engine::Value;
use hitctl_resources::{EventRuleSpec, QueueSpec, Spec as _};
use serde_json::json;

use super::{alias_arn, function_arn, queue, with_alias};
use crate::Gap;
use crate::suite::{Case, Change, Foreign};
use crate::world::World;

pub(crate) const GAPS: &[Gap] = &[];

/// A rule that calls the function.
pub(crate) fn spec(world: &World) -> EventRuleSpec {
    EventRuleSpec {
        bus: "default".to_owned(),
        pattern: json!({ "source": ["cli"], "detail": { "note": ["<&>"] } }),
        enabled: true,
        target_arn: function_arn(world),
        max_retries: 3,
        max_age_s: 3600,
        dead_letter_arn: queue::dead_letter_arn(world),
        tags: world.tags(),
    }
}

pub(crate) fn case(world: &World) -> Case {
    let rule = spec(world);
    let change = |what, spec: &EventRuleSpec| Change::new(what, spec.node("events", &world.base()));
    let to_queue = Value::known(QueueSpec::address("hits"), world.arn("sqs", &queue::name(world)));
    let other = EventRuleSpec {
        pattern: json!({ "source": [{ "prefix": "c" }], "detail": { "n": [{ "numeric": [">", 0, "<=", 5] }] } }),
        ..rule.clone()
    };
    let off = EventRuleSpec { enabled: false, ..rule.clone() };
    let to_alias = EventRuleSpec { target_arn: alias_arn(world), ..rule.clone() };
    let to_queue = EventRuleSpec { target_arn: to_queue, ..rule.clone() };
    let once = EventRuleSpec { max_retries: 0, ..rule.clone() };
    let shorter = EventRuleSpec { max_age_s: 60, ..rule.clone() };
    let tagged = EventRuleSpec { tags: world.more_tags("team", "web"), ..rule.clone() };
    let all = EventRuleSpec {
        pattern: other.pattern.clone(),
        enabled: false,
        target_arn: to_queue.target_arn.clone(),
        max_retries: 185,
        max_age_s: 86_400,
        tags: world.more_tags("team", "ops"),
        ..rule.clone()
    };
    let mut before = with_alias(world);
    before.extend(queue::both(world));
    Case {
        before,
        node: rule.node("events", &world.base()),
        changes: vec![
            change("pattern", &other),
            change("off", &off),
            change("to the alias", &to_alias),
            change("to the queue", &to_queue),
            change("no retries", &once),
            change("age", &shorter),
            change("a tag more", &tagged),
            change("everything", &all),
        ],
        count: |world| {
            async {
                let client = Client::new(&world.config());
                let listed = client.list_rules().name_prefix(world.base()).send().await.unwrap();
                listed.rules().len()
            }
            .boxed()
        },
        foreign: Foreign::Theirs,
    }
}
