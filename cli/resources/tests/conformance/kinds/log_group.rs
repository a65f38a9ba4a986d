//! The conformance case of the log group of a function.

use aws_sdk_cloudwatchlogs::Client;
use futures::FutureExt as _;
use hitctl_config::names;
use hitctl_engine::Node;
use hitctl_resources::{LogGroupSpec, Spec as _};

use crate::Gap;
use crate::suite::{CaseChange, ConformanceCase, ForeignView};
use crate::test_app::TestApp;

pub(crate) const GAPS: &[Gap] = &[];

pub(crate) fn node(app: &TestApp) -> Node {
    LogGroupSpec { retention_days: 30, tags: app.tags() }.node("function", &name(app))
}

pub(crate) fn name(app: &TestApp) -> String {
    names::log_group(&app.app_name, "test")
}

pub(crate) fn case(app: &TestApp) -> ConformanceCase {
    let group = LogGroupSpec { retention_days: 30, tags: app.tags() };
    let change = |label, spec: &LogGroupSpec| CaseChange::new(label, spec.node("function", &name(app)));
    let shorter = LogGroupSpec { retention_days: 7, ..group.clone() };
    let tagged = LogGroupSpec { tags: app.tags_with("team", "web"), ..group.clone() };
    let all = LogGroupSpec { retention_days: 90, tags: app.tags_with("team", "ops") };
    ConformanceCase {
        dependencies: Vec::new(),
        node: node(app),
        changes: vec![
            change("retention", &shorter),
            change("an additional tag", &tagged),
            change("everything", &all),
        ],
        count: |app| {
            async {
                let client = Client::new(&app.config());
                let listed =
                    client.describe_log_groups().log_group_name_prefix(name(app)).send().await.unwrap();
                listed.log_groups().len()
            }
            .boxed()
        },
        foreign_view: ForeignView::OtherOwner,
    }
}
