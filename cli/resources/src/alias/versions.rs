//! The published versions of the function: what there is, and which of them answers.

use std::collections::BTreeSet;
use std::time::Duration;

use aws_sdk_lambda::Client;
use aws_sdk_lambda::types::{
    AliasConfiguration, AliasRoutingConfiguration, EnvironmentResponse, FunctionConfiguration,
};
use hitctl_config::contract::{ENV_BUILD, ENV_ROLE_ID};
use hitctl_engine::{Cx, Fault, Wait};

use crate::alias::spec::AliasSpec;
use crate::aws::account::Aws;
use crate::aws::call::Call;
use crate::aws::fault::Doing;
use crate::aws::lambda::wait::WRITE;

/// Version 1 is the first; `$LATEST` is the function itself and none of these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// Its number. Numbers are never used again.
    pub number: u64,
    /// The release that it was published for.
    pub release: String,
    /// The build that it runs, as `/healthz` has it.
    pub build: Option<String>,
    /// The id of the role that it was published for.
    pub role_id: Option<String>,
    /// When it was published, as AWS has it: `2026-01-01T00:00:00.000+0000`.
    pub published: String,
    /// Whether the alias points at it.
    pub live: bool,
}

/// So long may a switch take.
const SWITCH: Wait = Wait { budget: Duration::from_mins(1), ..WRITE };

/// The versions of the app's function, newest first; none when there is no function.
pub async fn list(aws: &Aws, cx: &Cx) -> Result<Vec<Version>, Fault> {
    let (client, name) = (Client::new(&aws.config), aws.base());
    let (mut found, live) = tokio::try_join!(published(cx, &client, &name), live(cx, &client, &name))?;
    for version in &mut found {
        version.live = Some(version.number) == live;
    }
    Ok(found)
}

/// Lets that version answer, in one step and for all visitors, and the reader's version of the same release: first the
/// reader's, so that a switch that was interrupted is made again as a whole. A release without a reader leaves it as it is.
pub async fn switch(aws: &Aws, cx: &Cx, to: &Version) -> Result<(), Fault> {
    let (client, name, reader) = (Client::new(&aws.config), aws.base(), aws.reader());
    let of_reader = published(cx, &client, &reader).await?;
    if let Some(same) = of_reader.iter().find(|version| version.release == to.release) {
        let call = pointing(cx, &reader).retrying(&SWITCH, "switching the reader's alias");
        point(call, &client, &reader, same.number, &same.release).await?;
    }
    let call = pointing(cx, &name).retrying(&SWITCH, "switching the alias");
    if point(call, &client, &name, to.number, &to.release).await? {
        return Ok(());
    }
    Err(Fault::fatal("no_alias", format!("function {name} has no alias {:?}", AliasSpec::NAME))
        .hinted("run `hitctl deploy`: it makes one"))
}

/// The call that points the alias of a function at a version.
pub(crate) fn pointing<'a>(cx: &'a Cx, name: &str) -> Call<'a> {
    Call::new(cx, Doing::new("switch", format!("alias {name}:{}", AliasSpec::NAME), "lambda:UpdateAlias"))
}

/// Points the alias at a version; false when there is no such alias.
pub(crate) async fn point(
    call: Call<'_>,
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
        // Nothing of it goes elsewhere any more, whatever was set by hand.
        .routing_config(
            AliasRoutingConfiguration::builder().set_additional_version_weights(Some([].into())).build(),
        );
    Ok(call.find(|| request.clone().send()).await?.is_some())
}

/// The published versions, newest first; which of them answers is not in it.
pub(crate) async fn published(cx: &Cx, client: &Client, name: &str) -> Result<Vec<Version>, Fault> {
    let doing =
        Doing::new("list", format!("the versions of function {name}"), "lambda:ListVersionsByFunction");
    let request = client.list_versions_by_function().function_name(name);
    let found: Option<Vec<FunctionConfiguration>> =
        Call::new(cx, doing).find(|| request.clone().into_paginator().items().send().try_collect()).await?;
    let mut found: Vec<_> = found.iter().flatten().filter_map(version).collect();
    found.sort_by_key(|version| std::cmp::Reverse(version.number));
    Ok(found)
}

/// Every version that some alias points at, in part or as a whole.
pub(crate) async fn pointed_at(cx: &Cx, client: &Client, function: &str) -> Result<BTreeSet<u64>, Fault> {
    let doing = Doing::new("list", format!("the aliases of function {function}"), "lambda:ListAliases");
    let request = client.list_aliases().function_name(function);
    let aliases: Vec<AliasConfiguration> =
        Call::new(cx, doing).send(|| request.clone().into_paginator().items().send().try_collect()).await?;
    let numbers = aliases.iter().flat_map(|alias| {
        let weighted = alias.routing_config().and_then(|routing| routing.additional_version_weights());
        let weighted = weighted.into_iter().flatten().map(|(number, _)| number.as_str());
        alias.function_version().into_iter().chain(weighted)
    });
    Ok(numbers.filter_map(|number| number.parse().ok()).collect())
}

/// The number of the version that the alias points at.
async fn live(cx: &Cx, client: &Client, name: &str) -> Result<Option<u64>, Fault> {
    let doing = Doing::new("read", format!("alias {name}:{}", AliasSpec::NAME), "lambda:GetAlias");
    let request = client.get_alias().function_name(name).name(AliasSpec::NAME);
    let alias = Call::new(cx, doing).find(|| request.clone().send()).await?;
    Ok(alias.and_then(|alias| alias.function_version()?.parse().ok()))
}

/// A version, unless it is the function itself.
fn version(live: &FunctionConfiguration) -> Option<Version> {
    Some(Version {
        number: live.version()?.parse().ok()?,
        release: live.description().unwrap_or_default().to_owned(),
        build: variable(live.environment(), ENV_BUILD),
        role_id: role_id(live.environment()),
        published: live.last_modified().unwrap_or_default().to_owned(),
        live: false,
    })
}

/// The id of the role that a version was published for.
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
    fn the_function_itself_is_no_version() {
        let environment = EnvironmentResponse::builder()
            .variables(ENV_BUILD, "0123456789ab")
            .variables(ENV_ROLE_ID, "AROA1")
            .build();
        let live = FunctionConfiguration::builder().description("f00d").environment(environment);
        assert_eq!(version(&live.clone().version("$LATEST").build()), None);
        let expected = Version {
            number: 12,
            release: "f00d".to_owned(),
            build: Some("0123456789ab".to_owned()),
            role_id: Some("AROA1".to_owned()),
            published: String::new(),
            live: false,
        };
        assert_eq!(version(&live.version("12").build()), Some(expected));
    }
}
