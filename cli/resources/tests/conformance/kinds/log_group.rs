//! The log group of a function.

use aws_sdk_cloudwatchlogs::Client;
use futures::FutureExt as _;
use hitctl_config::names;
use hitctl_engine::Node;
use hitctl_resources::{LogGroupSpec, Spec as _};

use crate::Gap;
use crate::suite::{Case, Change, Foreign};
use crate::world::World;

pub(crate) const GAPS: &[Gap] = &[];

/// A log group.
pub(crate) fn node(world: &World) -> Node {
    LogGroupSpec { retention_days: 30, tags: world.tags() }.node("function", &name(world))
}

pub(crate) fn name(world: &World) -> String {
    names::log_group(&world.app, "test")
}

pub(crate) fn case(world: &World) -> Case {
    let group = LogGroupSpec { retention_days: 30, tags: world.tags() };
    let change = |what, spec: &LogGroupSpec| Change::new(what, spec.node("function", &name(world)));
    let shorter = LogGroupSpec { retention_days: 7, ..group.clone() };
    let tagged = LogGroupSpec { tags: world.more_tags("team", "web"), ..group.clone() };
    let all = LogGroupSpec { retention_days: 90, tags: world.more_tags("team", "ops") };
    Case {
        before: Vec::new(),
        node: node(world),
        changes: vec![
            change("retention", &shorter),
            change("a tag more", &tagged),
            change("everything", &all),
        ],
        count: |world| {
            async {
                let client = Client::new(&world.config());
                let listed =
                    client.describe_log_groups().log_group_name_prefix(name(world)).send().await.unwrap();
                listed.log_groups().len()
            }
            .boxed()
        },
        foreign: Foreign::Theirs,
    }
}
