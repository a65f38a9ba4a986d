//! The conformance case of the statement that lets the HTTP API invoke the function.

use aws_sdk_lambda::Client;
use futures::FutureExt as _;
use hitctl_engine::SpecValue;
use hitctl_resources::{HttpApiSpec, PermissionSpec, Spec as _};

use super::{function_name, http_api, with_function};
use crate::Gap;
use crate::suite::{CaseChange, ConformanceCase, ForeignView};
use crate::test_app::TestApp;

pub(crate) const GAPS: &[Gap] = &[];

/// The id of the statement.
const ID: &str = "hitctl-http-api";

pub(crate) fn case(app: &TestApp) -> ConformanceCase {
    let permission = PermissionSpec {
        function_name: function_name(app),
        qualifier: None,
        principal: "apigateway.amazonaws.com".to_owned(),
        source_arn: SpecValue::output(HttpApiSpec::address("api"), "call_arn"),
        source_account: Some("123456789012".to_owned()),
    };
    let change = |label, spec: &PermissionSpec| CaseChange::new(label, spec.node("http_api", ID));
    let other_account =
        PermissionSpec { source_account: Some("210987654321".to_owned()), ..permission.clone() };
    let without_account = PermissionSpec { source_account: None, ..permission.clone() };
    let all = PermissionSpec {
        source_arn: SpecValue::from("arn:aws:events:eu-central-1:123456789012:rule/hits-test".to_owned()),
        ..other_account.clone()
    };
    let mut dependencies = with_function(app);
    dependencies.push(http_api::node(app));
    ConformanceCase {
        dependencies,
        node: permission.node("http_api", ID),
        changes: vec![
            change("the account", &other_account),
            change("no account", &without_account),
            change("everything", &all),
        ],
        count: |app| {
            async {
                let client = Client::new(&app.config());
                // The call fails if the function has no policy.
                let found = client.get_policy().function_name(app.base()).send().await;
                let policy = found.ok().and_then(|found| found.policy).unwrap_or_default();
                // The second id of the statement begins with the first, so this counts both.
                policy.matches(&format!("\"{ID}")).count()
            }
            .boxed()
        },
        foreign_view: ForeignView::Ours,
    }
}
