//! A queue of hits, with its queue of dead letters.

use aws_sdk_sqs::Client;
use futures::FutureExt as _;
use hitctl_engine::{Node, Value};
use hitctl_resources::{QueueSpec, Redrive, Sender, Spec as _};

use crate::Gap;
use crate::suite::{Case, Change, Foreign};
use crate::world::World;

pub(crate) const GAPS: &[Gap] = &[];

/// What the queue of hits is called.
pub(super) fn name(world: &World) -> String {
    format!("{}-hits", world.base())
}

fn dead_letter_name(world: &World) -> String {
    format!("{}-dlq", world.base())
}

/// The ARN of the queue of dead letters, in a spec.
pub(super) fn dead_letter_arn(world: &World) -> Value<String> {
    Value::known(QueueSpec::address("dlq"), world.arn("sqs", &dead_letter_name(world)))
}

fn sender(world: &World, rule: &str) -> Sender {
    Sender {
        service: "events.amazonaws.com".to_owned(),
        source_arn: world.arn("events", &format!("rule/{}{rule}", world.base())),
    }
}

/// The queue of dead letters, where rules put some.
pub(super) fn dead_letters(world: &World) -> Node {
    QueueSpec { retention_s: 1_209_600, redrive: None, senders: [sender(world, "")].into(), ..spec(world) }
        .node("dlq", &dead_letter_name(world))
}

/// The queue of hits.
pub(super) fn spec(world: &World) -> QueueSpec {
    QueueSpec {
        visibility_timeout_s: 120,
        retention_s: 345_600,
        managed_encryption: true,
        redrive: Some(Redrive { dead_letter_arn: dead_letter_arn(world), max_receive_count: 5 }),
        senders: [sender(world, "")].into(),
        tags: world.tags(),
    }
}

/// Both, in order.
pub(super) fn both(world: &World) -> [Node; 2] {
    [dead_letters(world), spec(world).node("hits", &name(world))]
}

pub(crate) fn case(world: &World) -> Case {
    let queue = spec(world);
    let change = |what, spec: &QueueSpec| Change::new(what, spec.node("hits", &name(world)));
    let hidden = QueueSpec { visibility_timeout_s: 60, ..queue.clone() };
    let kept = QueueSpec { retention_s: 60, ..queue.clone() };
    let plain = QueueSpec { managed_encryption: false, ..queue.clone() };
    let patient = Redrive { max_receive_count: 10, dead_letter_arn: dead_letter_arn(world) };
    let patient = QueueSpec { redrive: Some(patient), ..queue.clone() };
    let endless = QueueSpec { redrive: None, ..queue.clone() };
    let busy = QueueSpec { senders: [sender(world, ""), sender(world, "-s3")].into(), ..queue.clone() };
    let shut = QueueSpec { senders: [].into(), ..queue.clone() };
    let tagged = QueueSpec { tags: world.more_tags("team", "web"), ..queue.clone() };
    let all = QueueSpec {
        visibility_timeout_s: 43_200,
        retention_s: 1_209_600,
        managed_encryption: false,
        redrive: None,
        senders: busy.senders.clone(),
        tags: world.more_tags("team", "ops"),
    };
    Case {
        before: vec![dead_letters(world)],
        node: queue.node("hits", &name(world)),
        changes: vec![
            change("visibility", &hidden),
            change("retention", &kept),
            change("encryption", &plain),
            change("receives", &patient),
            change("no redrive", &endless),
            change("a sender more", &busy),
            change("no sender", &shut),
            change("a tag more", &tagged),
            change("everything", &all),
        ],
        count: |world| {
            async {
                let listed =
                    Client::new(&world.config()).list_queues().queue_name_prefix(name(world)).send().await;
                listed.unwrap().queue_urls().len()
            }
            .boxed()
        },
        foreign: Foreign::Theirs,
    }
}
