//! The conformance case of the queue of hits, whose dead-letter queue is a dependency.

use aws_sdk_sqs::Client;
use futures::FutureExt as _;
use hitctl_engine::{Node, SpecValue};
use hitctl_resources::{AllowedSender, QueueSpec, RedrivePolicy, Spec as _};

use crate::Gap;
use crate::suite::{CaseChange, ConformanceCase, ForeignView};
use crate::test_app::TestApp;

pub(crate) const GAPS: &[Gap] = &[];

/// Returns the name of the queue of hits.
pub(super) fn name(app: &TestApp) -> String {
    format!("{}-hits", app.base())
}

fn dead_letter_name(app: &TestApp) -> String {
    format!("{}-dlq", app.base())
}

/// Returns the ARN of the dead-letter queue as a value in a spec.
pub(super) fn dead_letter_arn(app: &TestApp) -> SpecValue<String> {
    SpecValue::known(QueueSpec::address("dlq"), app.arn("sqs", &dead_letter_name(app)))
}

/// Returns a rule as sender; its name is the app's base name with a suffix.
fn sender(app: &TestApp, rule_suffix: &str) -> AllowedSender {
    AllowedSender {
        service: "events.amazonaws.com".to_owned(),
        source_arn: app.arn("events", &format!("rule/{}{rule_suffix}", app.base())),
    }
}

/// Returns the dead-letter queue, to which a rule may send messages too.
pub(super) fn dead_letters(app: &TestApp) -> Node {
    QueueSpec { retention_s: 1_209_600, redrive: None, senders: [sender(app, "")].into(), ..spec(app) }
        .node("dlq", &dead_letter_name(app))
}

/// Returns the queue of hits.
pub(super) fn spec(app: &TestApp) -> QueueSpec {
    QueueSpec {
        visibility_timeout_s: 120,
        retention_s: 345_600,
        managed_encryption: true,
        redrive: Some(RedrivePolicy { dead_letter_arn: dead_letter_arn(app), max_receive_count: 5 }),
        senders: [sender(app, "")].into(),
        tags: app.tags(),
    }
}

/// Returns the dead-letter queue and the queue of hits, which depends on it.
pub(super) fn both(app: &TestApp) -> [Node; 2] {
    [dead_letters(app), spec(app).node("hits", &name(app))]
}

pub(crate) fn case(app: &TestApp) -> ConformanceCase {
    let queue = spec(app);
    let change = |label, spec: &QueueSpec| CaseChange::new(label, spec.node("hits", &name(app)));
    let shorter_visibility = QueueSpec { visibility_timeout_s: 60, ..queue.clone() };
    let shorter_retention = QueueSpec { retention_s: 60, ..queue.clone() };
    let unencrypted = QueueSpec { managed_encryption: false, ..queue.clone() };
    let more_receives = RedrivePolicy { max_receive_count: 10, dead_letter_arn: dead_letter_arn(app) };
    let more_receives = QueueSpec { redrive: Some(more_receives), ..queue.clone() };
    let without_redrive = QueueSpec { redrive: None, ..queue.clone() };
    let more_senders = QueueSpec { senders: [sender(app, ""), sender(app, "-s3")].into(), ..queue.clone() };
    let without_senders = QueueSpec { senders: [].into(), ..queue.clone() };
    let tagged = QueueSpec { tags: app.tags_with("team", "web"), ..queue.clone() };
    let all = QueueSpec {
        visibility_timeout_s: 43_200,
        retention_s: 1_209_600,
        managed_encryption: false,
        redrive: None,
        senders: more_senders.senders.clone(),
        tags: app.tags_with("team", "ops"),
    };
    ConformanceCase {
        dependencies: vec![dead_letters(app)],
        node: queue.node("hits", &name(app)),
        changes: vec![
            change("visibility", &shorter_visibility),
            change("retention", &shorter_retention),
            change("encryption", &unencrypted),
            change("receives", &more_receives),
            change("no redrive", &without_redrive),
            change("an additional sender", &more_senders),
            change("no sender", &without_senders),
            change("an additional tag", &tagged),
            change("everything", &all),
        ],
        count: |app| {
            async {
                let listed =
                    Client::new(&app.config()).list_queues().queue_name_prefix(name(app)).send().await;
                listed.unwrap().queue_urls().len()
            }
            .boxed()
        },
        foreign_view: ForeignView::OtherOwner,
    }
}
