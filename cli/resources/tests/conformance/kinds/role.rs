//! The conformance case of the role of a function.

use aws_sdk_iam::Client;
use futures::FutureExt as _;
use hitctl_resources::{RolePermission, RoleSpec, Spec as _};

use super::set;
use crate::Gap;
use crate::suite::{CaseChange, ConformanceCase, ForeignView};
use crate::test_app::TestApp;

pub(crate) const GAPS: &[Gap] = &[];

/// Returns a role with the permissions of a function, sorted by id.
pub(crate) fn spec(app: &TestApp) -> RoleSpec {
    let base = app.base();
    let statement = |sid: &str, actions: &[&str], resource: String| RolePermission {
        sid: sid.to_owned(),
        actions: set(actions),
        resources: [resource].into(),
    };
    RoleSpec {
        trusted_service: "lambda.amazonaws.com".to_owned(),
        statements: vec![
            statement(
                "Logs",
                &["logs:CreateLogStream", "logs:PutLogEvents"],
                app.arn("logs", &format!("log-group:/aws/lambda/{base}:*")),
            ),
            statement(
                "Table",
                &["dynamodb:GetItem", "dynamodb:UpdateItem"],
                app.arn("dynamodb", &format!("table/{base}")),
            ),
        ],
        tags: app.tags(),
    }
}

pub(crate) fn case(app: &TestApp) -> ConformanceCase {
    let role = spec(app);
    let change = |label, spec: &RoleSpec| CaseChange::new(label, spec.node("function", &app.base()));
    let mut with_statement = role.clone();
    with_statement.statements.insert(
        0,
        RolePermission {
            sid: "Invalidation".to_owned(),
            actions: set(&["cloudfront:CreateInvalidation"]),
            resources: set(&["arn:aws:cloudfront::123456789012:distribution/E123"]),
        },
    );
    let mut with_action_and_resource = role.clone();
    with_action_and_resource.statements[1].actions.insert("dynamodb:Scan".to_owned());
    // These characters need escaping in URL-encoded policies.
    with_action_and_resource.statements[1].resources.insert(app.arn("dynamodb", "table/a+b%c/index/ü"));
    let tagged = RoleSpec { tags: app.tags_with("team", "web"), ..role.clone() };
    let other_service = RoleSpec { trusted_service: "edgelambda.amazonaws.com".to_owned(), ..role.clone() };
    let all = RoleSpec {
        tags: app.tags_with("team", "ops"),
        statements: with_statement.statements.clone(),
        ..other_service.clone()
    };
    ConformanceCase {
        dependencies: Vec::new(),
        node: role.node("function", &app.base()),
        changes: vec![
            change("an additional statement", &with_statement),
            change("a removed statement", &role),
            change("an additional action and resource", &with_action_and_resource),
            change("the trusted service", &other_service),
            change("an additional tag", &tagged),
            change("everything", &all),
        ],
        count: |app| {
            async {
                let client = Client::new(&app.config());
                let roles: Vec<_> =
                    client.list_roles().into_paginator().items().send().try_collect().await.unwrap();
                roles.iter().filter(|role| role.role_name() == app.base()).count()
            }
            .boxed()
        },
        foreign_view: ForeignView::OtherOwner,
    }
}
