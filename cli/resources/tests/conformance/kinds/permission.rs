//! The statement that lets the HTTP API call the function.

use aws_sdk_lambda::Client;
use futures::FutureExt as _;
use hitctl_engine::Value;
use hitctl_resources::{HttpApiSpec, PermissionSpec, Spec as _};

use super::{function_name, http_api, with_function};
use crate::Gap;
use crate::suite::{Case, Change, Foreign};
use crate::world::World;

pub(crate) const GAPS: &[Gap] = &[];

/// The id of the statement.
const ID: &str = "hitctl-http-api";

pub(crate) fn case(world: &World) -> Case {
    let permission = PermissionSpec {
        function_name: function_name(world),
        qualifier: None,
        principal: "apigateway.amazonaws.com".to_owned(),
        source_arn: Value::output(HttpApiSpec::address("api"), "call_arn"),
        source_account: Some("123456789012".to_owned()),
    };
    let change = |what, spec: &PermissionSpec| Change::new(what, spec.node("http_api", ID));
    let elsewhere = PermissionSpec { source_account: Some("210987654321".to_owned()), ..permission.clone() };
    let nowhere = PermissionSpec { source_account: None, ..permission.clone() };
    let all = PermissionSpec {
        source_arn: Value::from("arn:aws:events:eu-central-1:123456789012:rule/hits-test".to_owned()),
        ..elsewhere.clone()
    };
    let mut before = with_function(world);
    before.push(http_api::node(world));
    Case {
        before,
        node: permission.node("http_api", ID),
        changes: vec![
            change("the account", &elsewhere),
            change("no account", &nowhere),
            change("everything", &all),
        ],
        count: |world| {
            async {
                let client = Client::new(&world.config());
                // No policy at all is an error.
                let found = client.get_policy().function_name(world.base()).send().await;
                let policy = found.ok().and_then(|found| found.policy).unwrap_or_default();
                // Under either of its ids.
                policy.matches(&format!("\"{ID}")).count()
            }
            .boxed()
        },
        foreign: Foreign::Ours,
    }
}
