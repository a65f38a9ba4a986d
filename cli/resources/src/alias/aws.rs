//! The driver of the alias: publishes a version for the release, then points the alias at that version in one call.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use aws_sdk_lambda::Client;
use aws_sdk_lambda::operation::get_function_configuration::GetFunctionConfigurationOutput;
use aws_sdk_lambda::types::{AliasRoutingConfiguration, State};
use hitctl_engine::{Event, Fault, Outputs, SpecValue};

use crate::alias::spec::AliasSpec;
use crate::alias::versions::{
    Version, aliased_versions, point_alias, published_versions, role_id, update_alias_call,
};
use crate::aws::account::Aws;
use crate::aws::call::CallContext;
use crate::aws::lambda::state::{FUNCTION_FAILED, ReadyCondition, wait_until_ready};
use crate::aws::lambda::wait::{CONFLICT, READ, WRITE};
use crate::aws::owner::is_ours;
use crate::aws::resource::{ReadResult, ReadState, Resource, WriteResult};

/// The driver of aliases.
pub(crate) struct AliasDriver {
    aws: Arc<Aws>,
    client: Client,
}

impl Resource for AliasDriver {
    type Spec = AliasSpec;

    fn new(aws: Arc<Aws>) -> Self {
        Self { client: Client::new(&aws.config), aws }
    }

    /// Reads the version through the alias, because the version's description is the release. Also reads the alias
    /// itself for the weights of other versions.
    async fn read(&self, cx: &CallContext<'_>, _want: Option<&AliasSpec>) -> ReadResult<AliasSpec> {
        let (function, alias) = split_name(cx.name);
        let request = self.client.get_function_configuration().function_name(function).qualifier(alias);
        let call = cx.call("read", "lambda:GetFunctionConfiguration").retrying(&READ, "reading the alias");
        let version = call.find(|| request.clone().send());
        let request = self.client.get_alias().function_name(function).name(alias);
        let call = cx.call("read", "lambda:GetAlias").retrying(&READ, "reading the alias");
        let routing = call.find(|| request.clone().send());
        let (version, routing) = tokio::try_join!(version, routing)?;
        let weights = routing.and_then(|routing| weights(routing.routing_config()));
        Ok(version.map(|version| state_of(function, &version, weights)))
    }

    async fn create(&self, cx: &CallContext<'_>, want: &AliasSpec) -> WriteResult {
        let may_be_pending = self.aws.smoke_tested;
        let number = self.publish(cx, &want.release, may_be_pending).await?;
        self.create_or_switch(cx, number, &want.release).await?;
        self.prune(cx, number).await;
        Ok(outputs(number))
    }

    async fn update(
        &self,
        cx: &CallContext<'_>,
        _have: &ReadState<AliasSpec>,
        want: &AliasSpec,
    ) -> WriteResult {
        let (function, _) = split_name(cx.name);
        // Requests go to the new version as soon as the alias is switched, so wait until the version is ready.
        let number = self.publish(cx, &want.release, false).await?;
        let call = update_alias_call(cx, function).retrying(&WRITE, "switching the alias");
        if !point_alias(call, &self.client, function, number, &want.release).await? {
            self.create_or_switch(cx, number, &want.release).await?;
        }
        self.prune(cx, number).await;
        Ok(outputs(number))
    }

    /// Deletes the alias only. The versions are deleted with the function.
    async fn delete(&self, cx: &CallContext<'_>, _have: &ReadState<AliasSpec>) -> Result<(), Fault> {
        let (function, alias) = split_name(cx.name);
        if !self.is_ours(cx, function).await? {
            return Ok(());
        }
        let request = self.client.delete_alias().function_name(function).name(alias);
        let call = cx.call("delete", "lambda:DeleteAlias").retrying(&WRITE, "deleting the alias");
        call.find(|| request.clone().send()).await.map(drop)
    }
}

impl AliasDriver {
    /// Publishes the current state of the function as a version with the release as description. Returns the number
    /// of the version. Safe to repeat: if code and configuration have not changed since the last version, Lambda
    /// returns that version.
    async fn publish(&self, cx: &CallContext<'_>, release: &str, may_be_pending: bool) -> Result<u64, Fault> {
        let (function, _) = split_name(cx.name);
        let (number, description) = self.publish_version(cx, function, release, may_be_pending).await?;
        if description == release {
            return Ok(number);
        }
        // Lambda returned an earlier version, because code and configuration are unchanged. A new description of the
        // function is a change, after which Lambda publishes a version.
        self.set_description(cx, function, release).await?;
        match self.publish_version(cx, function, release, may_be_pending).await? {
            (number, description) if description == release => Ok(number),
            (number, _) => {
                let message = format!("failed to publish a version of function {function}");
                Err(Fault::fatal("not_published", message)
                    .caused_by(format!("Lambda returned version {number}, which belongs to another release"))
                    .hinted(
                        "run the same command again; another deploy may have published a version at the same time",
                    ))
            }
        }
    }

    /// Publishes a version and returns its number and description. Unless `may_be_pending`, waits until the version
    /// can be invoked.
    async fn publish_version(
        &self,
        cx: &CallContext<'_>,
        function: &str,
        release: &str,
        may_be_pending: bool,
    ) -> Result<(u64, String), Fault> {
        // With the hash, Lambda rejects the call if the code was changed after our upload.
        let code_hash = self.aws.code.as_ref().and_then(|code| base64_of(&code.sha256));
        let request = self.client.publish_version().function_name(function).description(release);
        let request = &request.set_code_sha256(code_hash);
        let attempt = || async move {
            let publish = || {
                cx.call_on("publish", format!("a version of function {function}"), "lambda:PublishVersion")
                    .once()
            };
            if let Some(version) = publish().none_on(&[CONFLICT]).find(|| request.clone().send()).await? {
                return Ok(version);
            }
            // The function was just created and is not active yet, or its activation failed. Only its state shows
            // which.
            wait_until_ready(cx, &self.client, function, None, &ReadyCondition::Active).await?;
            publish().send(|| request.clone().send()).await
        };
        let version = cx.retry(&WRITE, "publishing a version", attempt).await?;
        let number = version.version().unwrap_or_default();
        let activation = match version.state() {
            Some(State::Active) => Ok(()),
            Some(State::Pending) if may_be_pending => Ok(()),
            _ => wait_until_ready(cx, &self.client, function, Some(number), &ReadyCondition::Active).await,
        };
        if let Err(fault) = activation {
            // Delete a failed version: otherwise Lambda would return it in every run instead of publishing a new one.
            if fault.code == FUNCTION_FAILED {
                self.delete_version(cx, function, number).await?;
            }
            return Err(fault);
        }
        let number = number.parse().map_err(|_| {
            Fault::fatal(
                "no_version",
                format!("failed to publish a version of function {function}: expected a version number, found {number:?}"),
            )
        })?;
        Ok((number, version.description().unwrap_or_default().to_owned()))
    }

    /// Sets the description of the function itself and waits until the update is in effect.
    async fn set_description(
        &self,
        cx: &CallContext<'_>,
        function: &str,
        release: &str,
    ) -> Result<(), Fault> {
        let request =
            self.client.update_function_configuration().function_name(function).description(release);
        let response = cx
            .call_on(
                "set the description of",
                format!("function {function}"),
                "lambda:UpdateFunctionConfiguration",
            )
            .retrying(&WRITE, "setting the description of the function")
            .send(|| request.clone().send())
            .await?;
        let condition = ReadyCondition::Updated(response.last_modified().map(str::to_owned));
        wait_until_ready(cx, &self.client, function, None, &condition).await
    }

    /// Creates the alias, or switches the existing one.
    async fn create_or_switch(&self, cx: &CallContext<'_>, number: u64, release: &str) -> Result<(), Fault> {
        let (function, alias) = split_name(cx.name);
        let request = self.client.create_alias().function_name(function).name(alias);
        let request = &request.function_version(number.to_string()).description(release);
        let attempt = || async move {
            let call = cx.call("create", "lambda:CreateAlias").once().none_on_message("", "already exist");
            if call.find(|| request.clone().send()).await?.is_some() {
                return Ok(());
            }
            // The alias exists: an earlier attempt whose response was lost created it, or a concurrent deploy.
            if point_alias(update_alias_call(cx, function).once(), &self.client, function, number, release)
                .await?
            {
                return Ok(());
            }
            Err(Fault::transient("gone", "the alias no longer exists"))
        };
        cx.retry(&WRITE, "creating the alias", attempt).await
    }

    /// Deletes old versions, which count towards the account's storage for code. A failure does not fail the release:
    /// a later release deletes the version.
    async fn prune(&self, cx: &CallContext<'_>, live: u64) {
        let (function, _) = split_name(cx.name);
        // Version numbers start at 1 and increase.
        if live <= AliasSpec::VERSIONS_KEPT as u64 {
            return;
        }
        let deletion = async {
            let (versions, aliased) = tokio::try_join!(
                published_versions(cx, &self.client, function),
                aliased_versions(cx, &self.client, function)
            )?;
            for number in surplus_versions(&versions, live, &aliased) {
                self.delete_version(cx, function, &number.to_string()).await?;
            }
            Ok::<_, Fault>(())
        };
        if let Err(fault) = deletion.await {
            let reason = format!("{}; the next release will delete the old versions", fault.message);
            cx.send(Event::Waiting { address: cx.address().clone(), attempt: 1, why: reason });
        }
    }

    /// Deletes a version, in one attempt.
    async fn delete_version(&self, cx: &CallContext<'_>, function: &str, number: &str) -> Result<(), Fault> {
        let request = self.client.delete_function().function_name(function).qualifier(number);
        let object = format!("version {number} of function {function}");
        let call = cx.call_on("delete", object, "lambda:DeleteFunction").once();
        call.find(|| request.clone().send()).await.map(drop)
    }

    /// Whether the alias is ours, judging by the function's tags, because an alias has no tags. Only `delete` checks
    /// this: the other changes depend on the function, and a plan with a function of another owner is not applied.
    async fn is_ours(&self, cx: &CallContext<'_>, function: &str) -> Result<bool, Fault> {
        let request =
            self.client.list_tags().resource(self.aws.arn("lambda", &format!("function:{function}")));
        let call = cx.call_on("read the tags of", format!("function {function}"), "lambda:ListTags");
        let call = call.retrying(&READ, "reading the function's tags");
        let Some(response) = call.find(|| request.clone().send()).await? else { return Ok(false) };
        let tags = response.tags.unwrap_or_default().into_iter().collect();
        Ok(is_ours(&self.aws, Some(&tags)))
    }
}

/// Splits `hits-test:live` into function and alias.
fn split_name(name: &str) -> (&str, &str) {
    name.rsplit_once(':').unwrap_or((name, AliasSpec::NAME))
}

/// Returns the state of the alias from the configuration of its version. If the alias points at `$LATEST`, the release
/// is `$LATEST`, because the function's description is not a release.
fn state_of(
    function: &str,
    configuration: &GetFunctionConfigurationOutput,
    weights: Option<BTreeMap<String, f64>>,
) -> ReadState<AliasSpec> {
    let version = configuration.version().unwrap_or_default();
    let release = match version.parse::<u64>() {
        Ok(_) => configuration.description().unwrap_or_default(),
        Err(_) => version,
    };
    ReadState {
        spec: AliasSpec {
            function_name: SpecValue::from(function.to_owned()),
            release: release.to_owned(),
            weights,
            role_id: role_id(configuration.environment()).map(SpecValue::from),
        },
        outputs: Outputs::from([("version".to_owned(), version.to_owned())]),
        tags: None,
    }
}

/// Returns the weights of the alias's additional versions; `None` if there are none.
fn weights(routing: Option<&AliasRoutingConfiguration>) -> Option<BTreeMap<String, f64>> {
    let weights = routing?.additional_version_weights()?;
    let weights: BTreeMap<_, _> =
        weights.iter().map(|(version, weight)| (version.clone(), *weight)).collect();
    (!weights.is_empty()).then_some(weights)
}

fn outputs(number: u64) -> Outputs {
    Outputs::from([("version".to_owned(), number.to_string())])
}

/// Returns the versions to delete: all except the newest ones, the live version, and versions with an alias.
fn surplus_versions(newest_first: &[Version], live: u64, aliased_versions: &BTreeSet<u64>) -> Vec<u64> {
    let numbers = newest_first.iter().map(|version| version.number);
    numbers
        .skip(AliasSpec::VERSIONS_KEPT)
        .filter(|number| *number != live && !aliased_versions.contains(number))
        .collect()
}

/// Converts a hash from hex to base64, which Lambda uses.
fn base64_of(hex: &str) -> Option<String> {
    use base64::Engine as _;
    Some(base64::engine::general_purpose::STANDARD.encode(hex::decode(hex).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn configuration(version: &str, description: &str) -> GetFunctionConfigurationOutput {
        GetFunctionConfigurationOutput::builder().version(version).description(description).build()
    }

    #[test]
    fn alias_has_release_of_its_version() {
        for (version, description, release) in [
            ("3", "0123456789abcdef", "0123456789abcdef"),
            // A version that a user published.
            ("3", "", ""),
            // An alias that a user pointed at `$LATEST`.
            ("$LATEST", "0123456789abcdef", "$LATEST"),
        ] {
            let state = state_of("hits-test", &configuration(version, description), None);
            assert_eq!(state.spec.release, release, "{version}");
            assert_eq!(state.spec.function_name, SpecValue::from("hits-test".to_owned()));
            assert_eq!(state.outputs["version"], version);
        }
    }

    #[test]
    fn split_name_separates_function_and_alias() {
        assert_eq!(split_name("hits-test:live"), ("hits-test", "live"));
    }

    #[test]
    fn surplus_versions_excludes_newest_live_and_aliased() {
        let versions = |numbers: &[u64]| -> Vec<Version> {
            let version = |number: &u64| Version {
                number: *number,
                release: String::new(),
                build: None,
                role_id: None,
                settings: BTreeMap::new(),
                published_at: String::new(),
                live: false,
            };
            numbers.iter().map(version).collect()
        };
        let no_aliases = BTreeSet::new();
        assert_eq!(surplus_versions(&versions(&[5, 4, 3, 2, 1]), 5, &no_aliases), [0_u64; 0]);
        assert_eq!(surplus_versions(&versions(&[9, 8, 7, 6, 5, 4, 2]), 9, &no_aliases), [4, 2]);
        assert_eq!(surplus_versions(&versions(&[9, 8, 7, 6, 5, 4, 2]), 4, &BTreeSet::from([2])), [0_u64; 0]);
    }

    #[test]
    fn base64_of_converts_hex_hash() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(base64_of(empty).unwrap(), "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
        assert_eq!(base64_of("no hex"), None);
    }
}
