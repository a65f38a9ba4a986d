//! The conformance case of the settings of asynchronous invocations.

use std::collections::BTreeSet;

use aws_sdk_lambda::Client;
use futures::FutureExt as _;
use hitctl_emulators::EmulatorKind;
use hitctl_engine::SpecValue;
use hitctl_resources::{AliasSpec, EventInvokeConfigSpec, QueueSpec, Spec as _};

use super::{function_name, queue, with_alias};
use crate::Gap;
use crate::suite::{CaseChange, ConformanceCase, ForeignView};
use crate::test_app::TestApp;

const REASON: &str = "always returns the settings of the first PutFunctionEventInvokeConfig";

pub(crate) const GAPS: &[Gap] = &[
    Gap::DropsField { emulator: EmulatorKind::Moto, field: "max_retries", reason: REASON },
    Gap::DropsField { emulator: EmulatorKind::Moto, field: "max_age_s", reason: REASON },
    Gap::DropsField { emulator: EmulatorKind::Moto, field: "on_failure_arn", reason: REASON },
];

pub(crate) fn case(app: &TestApp) -> ConformanceCase {
    let config = EventInvokeConfigSpec {
        function_name: function_name(app),
        qualifier: None,
        max_retries: 1,
        max_age_s: 3600,
        on_failure_arn: queue::dead_letter_arn(app),
    };
    let change =
        |label, spec: &EventInvokeConfigSpec| CaseChange::new(label, spec.node("counter", &app.base()));
    let hits = SpecValue::known(QueueSpec::address("hits"), app.arn("sqs", &queue::name(app)));
    let without_retries = EventInvokeConfigSpec { max_retries: 0, ..config.clone() };
    let shorter_age = EventInvokeConfigSpec { max_age_s: 60, ..config.clone() };
    let other_queue = EventInvokeConfigSpec { on_failure_arn: hits, ..config.clone() };
    let all = EventInvokeConfigSpec { max_retries: 2, max_age_s: 21_600, ..other_queue.clone() };
    let mut dependencies = with_alias(app);
    dependencies.extend(queue::both(app));
    ConformanceCase {
        dependencies,
        node: config.node("counter", &app.base()),
        changes: vec![
            change("no retries", &without_retries),
            change("age", &shorter_age),
            change("another queue", &other_queue),
            change("everything", &all),
        ],
        count: |app| {
            async {
                // Read each qualifier, because Moto's list is always empty. Moto returns the same configuration for the
                // function and all its aliases, so count the different ARNs.
                let client = Client::new(&app.config());
                let mut function_arns = BTreeSet::new();
                for qualifier in [None, Some(AliasSpec::NAME.to_owned())] {
                    let request = client.get_function_event_invoke_config().function_name(app.base());
                    let found = request.set_qualifier(qualifier).send().await.ok();
                    function_arns.extend(found.and_then(|found| found.function_arn));
                }
                function_arns.len()
            }
            .boxed()
        },
        foreign_view: ForeignView::Ours,
    }
}
