//! The conformance case of a mapping from a queue to a function, and then to its alias. Mappings have no names, so the
//! case counts the mappings of the queue.

use aws_sdk_lambda::Client;
use futures::FutureExt as _;
use hitctl_emulators::EmulatorKind;
use hitctl_engine::SpecValue;
use hitctl_resources::{EventSourceMappingSpec, QueueSpec, Spec as _};

use super::{alias_arn, function_arn, queue, with_alias};
use crate::Gap;
use crate::suite::{CaseChange, ConformanceCase, ForeignView};
use crate::test_app::TestApp;

pub(crate) const GAPS: &[Gap] = &[Gap::DropsField {
    emulator: EmulatorKind::Moto,
    field: "function_arn",
    reason: "stores the version of an alias instead of the alias",
}];

pub(crate) fn case(app: &TestApp) -> ConformanceCase {
    let mapping = EventSourceMappingSpec {
        queue_arn: SpecValue::known(QueueSpec::address("hits"), app.arn("sqs", &queue::name(app))),
        function_arn: function_arn(app),
        enabled: true,
        batch_size: 25,
        window_s: 60,
        max_concurrency: 2,
        reports_failures: true,
        tags: app.tags(),
    };
    let change =
        |label, spec: &EventSourceMappingSpec| CaseChange::new(label, spec.node("hits", &queue::name(app)));
    let batched = EventSourceMappingSpec { batch_size: 10, window_s: 0, ..mapping.clone() };
    let more_concurrency = EventSourceMappingSpec { max_concurrency: 10, ..mapping.clone() };
    let unlimited = EventSourceMappingSpec { max_concurrency: 0, ..mapping.clone() };
    let without_failure_reports = EventSourceMappingSpec { reports_failures: false, ..mapping.clone() };
    let disabled = EventSourceMappingSpec { enabled: false, ..mapping.clone() };
    let to_alias = EventSourceMappingSpec { function_arn: alias_arn(app), ..mapping.clone() };
    let tagged = EventSourceMappingSpec { tags: app.tags_with("team", "web"), ..mapping.clone() };
    let all_but_function = EventSourceMappingSpec {
        enabled: false,
        batch_size: 100,
        window_s: 5,
        max_concurrency: 50,
        reports_failures: false,
        tags: app.tags_with("team", "ops"),
        ..mapping.clone()
    };
    let mut dependencies = with_alias(app);
    dependencies.extend(queue::both(app));
    ConformanceCase {
        dependencies,
        node: mapping.node("hits", &queue::name(app)),
        changes: vec![
            change("batches", &batched),
            change("concurrency", &more_concurrency),
            change("unlimited concurrency", &unlimited),
            change("no failure reports", &without_failure_reports),
            change("disabled", &disabled),
            change("to the alias", &to_alias),
            change("back to the function", &mapping),
            change("an additional tag", &tagged),
            change("everything but the function", &all_but_function),
            change(
                "everything",
                &EventSourceMappingSpec {
                    function_arn: to_alias.function_arn.clone(),
                    ..all_but_function.clone()
                },
            ),
        ],
        count: |app| {
            async {
                let client = Client::new(&app.config());
                let queue = app.arn("sqs", &queue::name(app));
                let listed = client.list_event_source_mappings().event_source_arn(queue).send().await;
                listed.unwrap().event_source_mappings().len()
            }
            .boxed()
        },
        foreign_view: ForeignView::Missing,
    }
}
