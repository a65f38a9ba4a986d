//! What becomes of events that the function fails on.

use std::collections::BTreeSet;

use aws_sdk_lambda::Client;
use futures::FutureExt as _;
use hitctl_emulators::Kind;
use hitctl_engine::Value;
use hitctl_resources::{AliasSpec, EventInvokeConfigSpec, QueueSpec, Spec as _};

use super::{function_name, queue, with_alias};
use crate::Gap;
use crate::suite::{Case, Change, Foreign};
use crate::world::World;

const WHY: &str = "answers with the first of all that was ever put";

pub(crate) const GAPS: &[Gap] = &[
    Gap::Forgets { by: Kind::Moto, field: "max_retries", why: WHY },
    Gap::Forgets { by: Kind::Moto, field: "max_age_s", why: WHY },
    Gap::Forgets { by: Kind::Moto, field: "on_failure_arn", why: WHY },
];

pub(crate) fn case(world: &World) -> Case {
    let config = EventInvokeConfigSpec {
        function_name: function_name(world),
        qualifier: None,
        max_retries: 1,
        max_age_s: 3600,
        on_failure_arn: queue::dead_letter_arn(world),
    };
    let change = |what, spec: &EventInvokeConfigSpec| Change::new(what, spec.node("counter", &world.base()));
    let hits = Value::known(QueueSpec::address("hits"), world.arn("sqs", &queue::name(world)));
    let once = EventInvokeConfigSpec { max_retries: 0, ..config.clone() };
    let shorter = EventInvokeConfigSpec { max_age_s: 60, ..config.clone() };
    let elsewhere = EventInvokeConfigSpec { on_failure_arn: hits, ..config.clone() };
    let all = EventInvokeConfigSpec { max_retries: 2, max_age_s: 21_600, ..elsewhere.clone() };
    let mut before = with_alias(world);
    before.extend(queue::both(world));
    Case {
        before,
        node: config.node("counter", &world.base()),
        changes: vec![
            change("no retries", &once),
            change("age", &shorter),
            change("another queue", &elsewhere),
            change("everything", &all),
        ],
        count: |world| {
            async {
                // Moto lists none, and has one for the function and all of its aliases.
                let client = Client::new(&world.config());
                let mut of = BTreeSet::new();
                for qualifier in [None, Some(AliasSpec::NAME.to_owned())] {
                    let request = client.get_function_event_invoke_config().function_name(world.base());
                    let found = request.set_qualifier(qualifier).send().await.ok();
                    of.extend(found.and_then(|found| found.function_arn));
                }
                of.len()
            }
            .boxed()
        },
        foreign: Foreign::Ours,
    }
}
