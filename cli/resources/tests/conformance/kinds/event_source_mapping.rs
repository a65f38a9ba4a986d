//! The mapping from a queue to a function, and then to its alias. It has no name: two of them would both read the queue.

use aws_sdk_lambda::Client;
use futures::FutureExt as _;
use hitctl_emulators::Kind;
use hitctl_engine::Value;
use hitctl_resources::{EventSourceMappingSpec, QueueSpec, Spec as _};

use super::{alias_arn, function_arn, queue, with_alias};
use crate::Gap;
use crate::suite::{Case, Change, Foreign};
use crate::world::World;

pub(crate) const GAPS: &[Gap] = &[Gap::Forgets {
    by: Kind::Moto,
    field: "function_arn",
    why: "stores the version behind an alias in place of the alias",
}];

pub(crate) fn case(world: &World) -> Case {
    let mapping = EventSourceMappingSpec {
        queue_arn: Value::known(QueueSpec::address("hits"), world.arn("sqs", &queue::name(world))),
        function_arn: function_arn(world),
        enabled: true,
        batch_size: 25,
        window_s: 60,
        max_concurrency: 2,
        reports_failures: true,
        tags: world.tags(),
    };
    let change =
        |what, spec: &EventSourceMappingSpec| Change::new(what, spec.node("hits", &queue::name(world)));
    let batched = EventSourceMappingSpec { batch_size: 10, window_s: 0, ..mapping.clone() };
    let wider = EventSourceMappingSpec { max_concurrency: 10, ..mapping.clone() };
    let free = EventSourceMappingSpec { max_concurrency: 0, ..mapping.clone() };
    let silent = EventSourceMappingSpec { reports_failures: false, ..mapping.clone() };
    let off = EventSourceMappingSpec { enabled: false, ..mapping.clone() };
    let to_alias = EventSourceMappingSpec { function_arn: alias_arn(world), ..mapping.clone() };
    let tagged = EventSourceMappingSpec { tags: world.more_tags("team", "web"), ..mapping.clone() };
    let almost = EventSourceMappingSpec {
        enabled: false,
        batch_size: 100,
        window_s: 5,
        max_concurrency: 50,
        reports_failures: false,
        tags: world.more_tags("team", "ops"),
        ..mapping.clone()
    };
    let mut before = with_alias(world);
    before.extend(queue::both(world));
    Case {
        before,
        node: mapping.node("hits", &queue::name(world)),
        changes: vec![
            change("batches", &batched),
            change("concurrency", &wider),
            change("any concurrency", &free),
            change("no word of failures", &silent),
            change("off", &off),
            change("to the alias", &to_alias),
            change("back to the function", &mapping),
            change("a tag more", &tagged),
            change("everything but the function", &almost),
            change(
                "everything",
                &EventSourceMappingSpec { function_arn: to_alias.function_arn.clone(), ..almost.clone() },
            ),
        ],
        count: |world| {
            async {
                let client = Client::new(&world.config());
                let queue = world.arn("sqs", &queue::name(world));
                let listed = client.list_event_source_mappings().event_source_arn(queue).send().await;
                listed.unwrap().event_source_mappings().len()
            }
            .boxed()
        },
        foreign: Foreign::Unseen,
    }
}
