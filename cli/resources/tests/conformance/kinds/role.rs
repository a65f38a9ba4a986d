//! The role of a function.

use aws_sdk_iam::Client;
use futures::FutureExt as _;
use hitctl_resources::{RoleSpec, Spec as _, Statement};

use super::set;
use crate::Gap;
use crate::suite::{Case, Change, Foreign};
use crate::world::World;

pub(crate) const GAPS: &[Gap] = &[];

/// What a function may do, in the order of names.
pub(crate) fn spec(world: &World) -> RoleSpec {
    let base = world.base();
    let statement = |sid: &str, actions: &[&str], resource: String| Statement {
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
                world.arn("logs", &format!("log-group:/aws/lambda/{base}:*")),
            ),
            statement(
                "Table",
                &["dynamodb:GetItem", "dynamodb:UpdateItem"],
                world.arn("dynamodb", &format!("table/{base}")),
            ),
        ],
        tags: world.tags(),
    }
}

pub(crate) fn case(world: &World) -> Case {
    let role = spec(world);
    let change = |what, spec: &RoleSpec| Change::new(what, spec.node("function", &world.base()));
    let mut more = role.clone();
    more.statements.insert(
        0,
        Statement {
            sid: "Invalidation".to_owned(),
            actions: set(&["cloudfront:CreateInvalidation"]),
            resources: set(&["arn:aws:cloudfront::123456789012:distribution/E123"]),
        },
    );
    let mut scanning = role.clone();
    scanning.statements[1].actions.insert("dynamodb:Scan".to_owned());
    // A letter that has to be escaped in a policy, and one that has to be in a URL.
    scanning.statements[1].resources.insert(world.arn("dynamodb", "table/a+b%c/index/ü"));
    let tagged = RoleSpec { tags: world.more_tags("team", "web"), ..role.clone() };
    let edge = RoleSpec { trusted_service: "edgelambda.amazonaws.com".to_owned(), ..role.clone() };
    let all = RoleSpec {
        tags: world.more_tags("team", "ops"),
        statements: more.statements.clone(),
        ..edge.clone()
    };
    Case {
        before: Vec::new(),
        node: role.node("function", &world.base()),
        changes: vec![
            change("a statement more", &more),
            change("a statement less", &role),
            change("an action and a resource more", &scanning),
            change("who may assume it", &edge),
            change("a tag more", &tagged),
            change("everything", &all),
        ],
        count: |world| {
            async {
                let client = Client::new(&world.config());
                let roles: Vec<_> =
                    client.list_roles().into_paginator().items().send().try_collect().await.unwrap();
                roles.iter().filter(|role| role.role_name() == world.base()).count()
            }
            .boxed()
        },
        foreign: Foreign::Theirs,
    }
}
