//! Finds access that others added to our resources: policies of the role and statements in the function's
//! resource policy. This module reports such access and never removes it, because somebody may need it.

use std::collections::BTreeSet;

use aws_sdk_iam::Client;
use aws_sdk_iam::types::AttachedPolicy;
use futures::FutureExt as _;
use futures::future::{BoxFuture, try_join};
use hitctl_engine::{Address, DriverContext, EventSink, Fault, Finding, Graph, Owner, Severity, Snapshot};

use crate::alias::spec::AliasSpec;
use crate::aws::account::Aws;
use crate::aws::call::ApiCall;
use crate::aws::fault::ApiOperation;
use crate::aws::lambda::QualifiedFunction;
use crate::aws::lambda::policy::{FunctionPolicy, PolicyStatement};
use crate::function::spec::FunctionSpec;
use crate::function_url::aws::STATEMENTS;
use crate::permission::spec::PermissionSpec;
use crate::role::aws::POLICY;
use crate::role::spec::RoleSpec;
use crate::spec::Spec as _;

/// Returns a finding for each permission that others added to the live resources of a graph, and for each policy
/// that could not be read.
pub async fn foreign_access(
    aws: &Aws,
    cx: &DriverContext,
    graph: &Graph,
    observed: &Snapshot,
) -> Vec<Finding> {
    let statements: BTreeSet<&str> = graph
        .nodes()
        .iter()
        .filter(|node| node.address.kind() == PermissionSpec::KIND)
        .map(|node| node.name.as_str())
        .chain(STATEMENTS)
        .collect();
    let (roles, functions) = (Client::new(&aws.config), aws_sdk_lambda::Client::new(&aws.without_retries()));
    let reader = PolicyReader { roles: &roles, functions: &functions, statements: &statements };
    let is_ours =
        |address: &Address| observed.observed(address).is_some_and(|observed| observed.owner == Owner::Ours);
    let reads = graph.nodes().iter().filter(|node| is_ours(&node.address)).filter_map(|node| {
        let cx = DriverContext::new(node.address.clone(), EventSink::none(), cx.stop().clone());
        let name = node.name.as_str();
        let reading: BoxFuture<'_, Result<Vec<String>, Fault>> = match node.address.kind() {
            RoleSpec::KIND => reader.role_policies(cx, name).boxed(),
            FunctionSpec::KIND => {
                reader.function_policy(cx, QualifiedFunction { function: name, qualifier: None }).boxed()
            }
            AliasSpec::KIND => {
                let (function, alias) = name.rsplit_once(':').unwrap_or((name, AliasSpec::NAME));
                reader.function_policy(cx, QualifiedFunction { function, qualifier: Some(alias) }).boxed()
            }
            _ => return None,
        };
        let address = &node.address;
        Some(reading.map(move |reading| (address, reading)))
    });
    let readings = futures::future::join_all(reads).await;
    let new_finding = |address: &Address, code: &'static str, message: String| Finding {
        severity: Severity::Warning,
        code: code.into(),
        address: address.clone(),
        message,
        hint: None,
    };
    readings
        .into_iter()
        .flat_map(|(address, reading)| match reading {
            Ok(messages) => {
                messages.into_iter().map(|message| new_finding(address, "foreign_access", message)).collect()
            }
            Err(fault) => {
                let message = format!("access added by others was not checked: {}", fault.message);
                vec![new_finding(address, "not_checked", message)]
            }
        })
        .collect()
}

/// Reads policies and describes the permissions in them that are not ours.
struct PolicyReader<'a> {
    roles: &'a Client,
    functions: &'a aws_sdk_lambda::Client,
    /// The ids of our statements.
    statements: &'a BTreeSet<&'a str>,
}

impl PolicyReader<'_> {
    async fn role_policies(&self, cx: DriverContext, name: &str) -> Result<Vec<String>, Fault> {
        let operation =
            |operation| ApiOperation::new("list the policies of", format!("role {name}"), operation);
        let (inline, attached) = (
            self.roles.list_role_policies().role_name(name),
            self.roles.list_attached_role_policies().role_name(name),
        );
        let inline = ApiCall::new(&cx, operation("iam:ListRolePolicies"))
            .find(|| inline.clone().into_paginator().items().send().try_collect());
        let attached = ApiCall::new(&cx, operation("iam:ListAttachedRolePolicies"))
            .find(|| attached.clone().into_paginator().items().send().try_collect());
        let (inline, attached): (Option<Vec<String>>, Option<Vec<AttachedPolicy>>) =
            try_join(inline, attached).await?;
        let inline = inline.into_iter().flatten().filter(|policy| policy != POLICY).map(|policy| {
            format!(
                "role {name} has the inline policy {policy}, which hitctl did not create; to remove it, run `aws iam \
                 delete-role-policy --role-name {name} --policy-name {policy}`"
            )
        });
        let arns = attached.into_iter().flatten().filter_map(|policy| policy.policy_arn);
        let attached = arns.map(|arn| {
            format!(
                "role {name} has the managed policy {arn}, which hitctl did not attach; to remove it, run `aws iam \
                 detach-role-policy --role-name {name} --policy-arn {arn}`"
            )
        });
        Ok(inline.chain(attached).collect())
    }

    async fn function_policy(
        &self,
        cx: DriverContext,
        target: QualifiedFunction<'_>,
    ) -> Result<Vec<String>, Fault> {
        let statements = FunctionPolicy { client: self.functions, target }.read(&cx).await?;
        // A statement that was replaced may have its second id, which ends with `-2` (see `policy::statement_ids`).
        let is_ours = |sid: &str| {
            self.statements.contains(sid)
                || sid.strip_suffix("-2").is_some_and(|sid| self.statements.contains(sid))
        };
        let others = statements.iter().filter(|statement| !is_ours(&statement.grant.sid));
        Ok(others.map(|statement| describe(statement, target)).collect())
    }
}

/// Describes a statement that is not ours.
fn describe(statement: &PolicyStatement, target: QualifiedFunction<'_>) -> String {
    let grant = &statement.grant;
    let principal = match grant.principal.as_str() {
        "*" if grant.source_arn.is_none() && grant.source_account.is_none() && !grant.via_url => {
            "anyone".to_owned()
        }
        "*" => "anyone (with conditions)".to_owned(),
        principal => principal.to_owned(),
    };
    let function = target.function;
    let option = target.qualifier.map(|qualifier| format!(" --qualifier {qualifier}")).unwrap_or_default();
    format!(
        "the policy of {target} allows {principal} to call {} by statement {}, which hitctl did not create; to remove it, run `aws lambda \
         remove-permission --function-name {function}{option} --statement-id {}`",
        statement.with_unexpected(&grant.action),
        grant.sid,
        grant.sid
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statements(json: &str) -> Vec<PolicyStatement> {
        PolicyStatement::parse_all(json).unwrap()
    }

    #[test]
    fn describe_names_principal() {
        let policy = r#"{"Statement": [
            {"Sid": "all", "Effect": "Allow", "Principal": "*", "Action": "lambda:InvokeFunction", "Resource": "arn:f"},
            {"Sid": "some", "Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "lambda:InvokeFunction", "Resource": "arn:f",
             "Condition": {"StringEquals": {"AWS:SourceAccount": "123456789012"}}},
            {"Sid": "sns", "Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "lambda:InvokeFunction",
             "Resource": "arn:f"}]}"#;
        let described: Vec<String> = statements(policy)
            .iter()
            .map(|statement| {
                super::describe(
                    statement,
                    QualifiedFunction { function: "hits-test", qualifier: Some("live") },
                )
            })
            .map(|text| text.split(" by statement").next().unwrap().to_owned())
            .collect();
        let sentence = |principal: &str| {
            format!("the policy of hits-test:live allows {principal} to call lambda:InvokeFunction")
        };
        assert_eq!(described, ["anyone", "anyone (with conditions)", "sns.amazonaws.com"].map(sentence));
    }
}
