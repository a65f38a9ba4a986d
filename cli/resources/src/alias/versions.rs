//! Lists the published versions of the function, and switches the alias to one of them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aws_sdk_lambda::Client;
use aws_sdk_lambda::types::{
    AliasConfiguration, AliasRoutingConfiguration, EnvironmentResponse, FunctionConfiguration,
};
use hitctl_config::contract::{ENV_BUILD, ENV_ROLE_ID};
use hitctl_engine::{DriverContext, Fault, RetryPolicy};
use sha2::{Digest as _, Sha256};

use crate::alias::spec::AliasSpec;
use crate::aws::account::Aws;
use crate::aws::call::ApiCall;
use crate::aws::fault::ApiOperation;
use crate::aws::lambda::wait::WRITE;

/// A published version of the function. Version 1 is the first; `$LATEST` is the function itself and not a
/// version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// The version number. Numbers are never reused.
    pub number: u64,
    /// The release for which the version was published.
    pub release: String,
    /// The build id of the version's code, which `/healthz` returns.
    pub build: Option<String>,
    /// The id of the role for which the version was published.
    pub role_id: Option<String>,
    /// The settings of the version by name: `code`, `arch`, `memory_mb`, `timeout_s`, and the hash of each environment
    /// variable, because values may be secrets.
    pub settings: BTreeMap<String, String>,
    /// The time of publication, as AWS formats it: `2026-01-01T00:00:00.000+0000`.
    pub published_at: String,
    /// Whether the alias points at this version.
    pub live: bool,
}

/// The retry policy for switching an alias.
const SWITCH_RETRY: RetryPolicy = RetryPolicy { budget: Duration::from_mins(1), ..WRITE };

/// Returns the versions of the app's function, newest first; empty if there is no function.
pub async fn list(aws: &Aws, cx: &DriverContext) -> Result<Vec<Version>, Fault> {
    let (client, name) = (Client::new(&aws.config), aws.base());
    let (mut found, live) =
        tokio::try_join!(published_versions(cx, &client, &name), live_version(cx, &client, &name))?;
    for version in &mut found {
        version.live = Some(version.number) == live;
    }
    Ok(found)
}

/// Points the alias of the function at `target`, in one step for all requests, and the reader's alias at the reader's
/// version of the same release. The reader is switched first: if the command is interrupted, the function's alias
/// still shows that the switch must be repeated. If the reader has no version of that release, its alias is unchanged.
pub async fn switch(aws: &Aws, cx: &DriverContext, target: &Version) -> Result<(), Fault> {
    let (client, name, reader) = (Client::new(&aws.config), aws.base(), aws.reader());
    let reader_versions = published_versions(cx, &client, &reader).await?;
    if let Some(counterpart) = reader_versions.iter().find(|version| version.release == target.release) {
        let call = update_alias_call(cx, &reader).retrying(&SWITCH_RETRY, "switching the reader's alias");
        point_alias(call, &client, &reader, counterpart.number, &counterpart.release).await?;
    }
    let call = update_alias_call(cx, &name).retrying(&SWITCH_RETRY, "switching the alias");
    if point_alias(call, &client, &name, target.number, &target.release).await? {
        return Ok(());
    }
    Err(Fault::fatal("no_alias", format!("function {name} has no alias {:?}", AliasSpec::NAME))
        .hinted("run `hitctl deploy` to create it"))
}

/// Returns the call that points the alias of a function at a version.
pub(crate) fn update_alias_call<'a>(cx: &'a DriverContext, name: &str) -> ApiCall<'a> {
    ApiCall::new(
        cx,
        ApiOperation::new("switch", format!("alias {name}:{}", AliasSpec::NAME), "lambda:UpdateAlias"),
    )
}

/// Points the alias at a version. Returns `false` if the alias does not exist.
pub(crate) async fn point_alias(
    call: ApiCall<'_>,
    client: &Client,
    name: &str,
    number: u64,
    release: &str,
) -> Result<bool, Fault> {
    let request = client
        .update_alias()
        .function_name(name)
        .name(AliasSpec::NAME)
        .function_version(number.to_string())
        .description(release)
        // Clear weights that a user set, so that no other version receives requests.
        .routing_config(
            AliasRoutingConfiguration::builder().set_additional_version_weights(Some([].into())).build(),
        );
    Ok(call.find(|| request.clone().send()).await?.is_some())
}

/// Returns the published versions, newest first. Does not set [`Version::live`].
pub(crate) async fn published_versions(
    cx: &DriverContext,
    client: &Client,
    name: &str,
) -> Result<Vec<Version>, Fault> {
    let operation = ApiOperation::new(
        "list",
        format!("the versions of function {name}"),
        "lambda:ListVersionsByFunction",
    );
    let request = client.list_versions_by_function().function_name(name);
    let found: Option<Vec<FunctionConfiguration>> = ApiCall::new(cx, operation)
        .find(|| request.clone().into_paginator().items().send().try_collect())
        .await?;
    let mut found: Vec<_> = found.iter().flatten().filter_map(to_version).collect();
    found.sort_by_key(|version| std::cmp::Reverse(version.number));
    Ok(found)
}

/// Returns the versions at which an alias points, alone or with a weight.
pub(crate) async fn aliased_versions(
    cx: &DriverContext,
    client: &Client,
    function: &str,
) -> Result<BTreeSet<u64>, Fault> {
    let operation =
        ApiOperation::new("list", format!("the aliases of function {function}"), "lambda:ListAliases");
    let request = client.list_aliases().function_name(function);
    let aliases: Vec<AliasConfiguration> = ApiCall::new(cx, operation)
        .send(|| request.clone().into_paginator().items().send().try_collect())
        .await?;
    let numbers = aliases.iter().flat_map(|alias| {
        let weighted = alias.routing_config().and_then(|routing| routing.additional_version_weights());
        let weighted = weighted.into_iter().flatten().map(|(number, _)| number.as_str());
        alias.function_version().into_iter().chain(weighted)
    });
    Ok(numbers.filter_map(|number| number.parse().ok()).collect())
}

/// Returns the number of the version at which the alias points.
async fn live_version(cx: &DriverContext, client: &Client, name: &str) -> Result<Option<u64>, Fault> {
    let operation = ApiOperation::new("read", format!("alias {name}:{}", AliasSpec::NAME), "lambda:GetAlias");
    let request = client.get_alias().function_name(name).name(AliasSpec::NAME);
    let alias = ApiCall::new(cx, operation).find(|| request.clone().send()).await?;
    Ok(alias.and_then(|alias| alias.function_version()?.parse().ok()))
}

/// Converts a configuration to a version; `None` for `$LATEST`.
fn to_version(configuration: &FunctionConfiguration) -> Option<Version> {
    Some(Version {
        number: configuration.version()?.parse().ok()?,
        release: configuration.description().unwrap_or_default().to_owned(),
        build: variable(configuration.environment(), ENV_BUILD),
        role_id: role_id(configuration.environment()),
        settings: settings(configuration),
        published_at: configuration.last_modified().unwrap_or_default().to_owned(),
        live: false,
    })
}

fn settings(configuration: &FunctionConfiguration) -> BTreeMap<String, String> {
    let limits_and_code = [
        ("code", configuration.code_sha256().map(str::to_owned)),
        ("arch", configuration.architectures().first().map(ToString::to_string)),
        ("memory_mb", configuration.memory_size().map(|n| n.to_string())),
        ("timeout_s", configuration.timeout().map(|n| n.to_string())),
    ];
    let variables = configuration.environment().and_then(EnvironmentResponse::variables);
    let variables = variables
        .into_iter()
        .flatten()
        .map(|(name, value)| (format!("environment.{name}"), hex::encode(Sha256::digest(value.as_bytes()))));
    let present = limits_and_code.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    present.chain(variables).collect()
}

/// Returns the id of the role for which a version was published.
pub(crate) fn role_id(environment: Option<&EnvironmentResponse>) -> Option<String> {
    variable(environment, ENV_ROLE_ID)
}

fn variable(environment: Option<&EnvironmentResponse>, name: &str) -> Option<String> {
    environment?.variables()?.get(name).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn to_version_ignores_latest() {
        let environment = EnvironmentResponse::builder()
            .variables(ENV_BUILD, "0123456789ab")
            .variables(ENV_ROLE_ID, "AROA1")
            .build();
        let configuration = FunctionConfiguration::builder().description("f00d").environment(environment);
        assert_eq!(to_version(&configuration.clone().version("$LATEST").build()), None);
        let expected = Version {
            number: 12,
            release: "f00d".to_owned(),
            build: Some("0123456789ab".to_owned()),
            role_id: Some("AROA1".to_owned()),
            settings: settings(&configuration.clone().build()),
            published_at: String::new(),
            live: false,
        };
        assert_eq!(to_version(&configuration.version("12").build()), Some(expected));
    }
}
