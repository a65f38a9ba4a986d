//! The alias in AWS: a version is published for the release, then the alias is pointed at it in one step.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use aws_sdk_lambda::Client;
use aws_sdk_lambda::operation::get_function_configuration::GetFunctionConfigurationOutput;
use aws_sdk_lambda::types::{AliasRoutingConfiguration, State};
use hitctl_engine::{Event, Fault, Outputs, Value};

use crate::alias::spec::AliasSpec;
use crate::alias::versions::{Version, point, pointed_at, pointing, published, role_id};
use crate::aws::account::Aws;
use crate::aws::call::CallContext;
use crate::aws::lambda::state::{FUNCTION_FAILED, Until, wait_until_ready};
use crate::aws::lambda::wait::{CONFLICT, READ, WRITE};
use crate::aws::owner::is_ours;
use crate::aws::resource::{Found, Read, Resource, Written};

/// The driver of aliases.
pub(crate) struct Alias {
    aws: Arc<Aws>,
    client: Client,
}

impl Resource for Alias {
    type Spec = AliasSpec;

    fn new(aws: Arc<Aws>) -> Self {
        Self { client: Client::new(&aws.config), aws }
    }

    /// The configuration that an alias leads to is that of the version, whose description is the release. Only the alias itself
    /// says whether a share of the requests goes to other versions.
    async fn read(&self, cx: &CallContext<'_>, _want: Option<&AliasSpec>) -> Read<AliasSpec> {
        let (function, alias) = parts(cx.name);
        let request = self.client.get_function_configuration().function_name(function).qualifier(alias);
        let call = cx.call("read", "lambda:GetFunctionConfiguration").retrying(&READ, "reading the alias");
        let version = call.find(|| request.clone().send());
        let request = self.client.get_alias().function_name(function).name(alias);
        let call = cx.call("read", "lambda:GetAlias").retrying(&READ, "reading the alias");
        let routing = call.find(|| request.clone().send());
        let (version, routing) = tokio::try_join!(version, routing)?;
        let weights = routing.and_then(|routing| weights(routing.routing_config()));
        Ok(version.map(|version| found(function, &version, weights)))
    }

    async fn create(&self, cx: &CallContext<'_>, want: &AliasSpec) -> Written {
        let may_be_pending = self.aws.called_at_the_end;
        let number = self.publish(cx, &want.release, may_be_pending).await?;
        self.make(cx, number, &want.release).await?;
        self.prune(cx, number).await;
        Ok(outputs(number))
    }

    async fn update(&self, cx: &CallContext<'_>, _have: &Found<AliasSpec>, want: &AliasSpec) -> Written {
        let (function, _) = parts(cx.name);
        // Visitors get it with the switch: it is ready before that.
        let number = self.publish(cx, &want.release, false).await?;
        let call = pointing(cx, function).retrying(&WRITE, "switching the alias");
        if !point(call, &self.client, function, number, &want.release).await? {
            self.make(cx, number, &want.release).await?;
        }
        self.prune(cx, number).await;
        Ok(outputs(number))
    }

    /// Its versions stay: they belong to the function, and go with it.
    async fn delete(&self, cx: &CallContext<'_>, _have: &Found<AliasSpec>) -> Result<(), Fault> {
        let (function, alias) = parts(cx.name);
        if !self.is_ours(cx, function).await? {
            return Ok(());
        }
        let request = self.client.delete_alias().function_name(function).name(alias);
        let call = cx.call("delete", "lambda:DeleteAlias").retrying(&WRITE, "deleting the alias");
        call.find(|| request.clone().send()).await.map(drop)
    }
}

impl Alias {
    /// The number of a version of the function as it is now, whose description is the release. Lambda publishes nothing, and
    /// answers with the version before, when code and configuration are as they were then; that is also what makes this
    /// safe to repeat.
    async fn publish(&self, cx: &CallContext<'_>, release: &str, may_be_pending: bool) -> Result<u64, Fault> {
        let (function, _) = parts(cx.name);
        let (number, described) = self.published(cx, function, release, may_be_pending).await?;
        if described == release {
            return Ok(number);
        }
        // The same to Lambda, but not to us. A description of the function's own is a change that it publishes.
        self.describe(cx, function, release).await?;
        match self.published(cx, function, release, may_be_pending).await? {
            (number, described) if described == release => Ok(number),
            (number, _) => {
                let message =
                    format!("failed to publish function {function}: Lambda answers with version {number}");
                Err(Fault::fatal("not_published", message)
                    .caused_by("the version is described as another release")
                    .hinted("run the same command again: somebody else may have published meanwhile"))
            }
        }
    }

    /// Asks for a version, waits until it can be called unless it `may_be_pending`, and gives back its number and description.
    async fn published(
        &self,
        cx: &CallContext<'_>,
        function: &str,
        release: &str,
        may_be_pending: bool,
    ) -> Result<(u64, String), Fault> {
        // What is published is what was uploaded, and nothing that came between.
        let guard = self.aws.code.as_ref().and_then(|code| base64_of(&code.sha256));
        let request = self.client.publish_version().function_name(function).description(release);
        let request = &request.set_code_sha256(guard);
        let attempt = || async move {
            let publish =
                || cx.call_on("publish", format!("function {function}"), "lambda:PublishVersion").once();
            if let Some(made) = publish().none_on(&[CONFLICT]).find(|| request.clone().send()).await? {
                return Ok(made);
            }
            // Just made, and not ready yet; or never to be, which asking again would not find out.
            wait_until_ready(cx, &self.client, function, None, &Until::Active).await?;
            publish().send(|| request.clone().send()).await
        };
        let answer = cx.wait(&WRITE, "publishing a version", attempt).await?;
        let number = answer.version().unwrap_or_default();
        let ready = match answer.state() {
            Some(State::Active) => Ok(()),
            Some(State::Pending) if may_be_pending => Ok(()),
            _ => wait_until_ready(cx, &self.client, function, Some(number), &Until::Active).await,
        };
        if let Err(fault) = ready {
            // One that failed for good would be answered again and again: without it, the next run publishes another.
            if fault.code == FUNCTION_FAILED {
                self.forget(cx, function, number).await?;
            }
            return Err(fault);
        }
        let number = number.parse().map_err(|_| {
            Fault::fatal(
                "no_version",
                format!("Lambda published function {function} as {number:?}, which is no number"),
            )
        })?;
        Ok((number, answer.description().unwrap_or_default().to_owned()))
    }

    /// Describes the function itself, and waits until that is in force.
    async fn describe(&self, cx: &CallContext<'_>, function: &str, release: &str) -> Result<(), Fault> {
        let request =
            self.client.update_function_configuration().function_name(function).description(release);
        let answer = cx
            .call_on("describe", format!("function {function}"), "lambda:UpdateFunctionConfiguration")
            .retrying(&WRITE, "describing the release")
            .send(|| request.clone().send())
            .await?;
        let until = Until::Updated(answer.last_modified().map(str::to_owned));
        wait_until_ready(cx, &self.client, function, None, &until).await
    }

    /// Makes the alias, or switches the one that is there already.
    async fn make(&self, cx: &CallContext<'_>, number: u64, release: &str) -> Result<(), Fault> {
        let (function, alias) = parts(cx.name);
        let request = self.client.create_alias().function_name(function).name(alias);
        let request = &request.function_version(number.to_string()).description(release);
        let attempt = || async move {
            let call = cx.call("create", "lambda:CreateAlias").once().none_on_message("", "already exist");
            if call.find(|| request.clone().send()).await?.is_some() {
                return Ok(());
            }
            // By our own call, whose answer was lost, or by somebody at the same time.
            if point(pointing(cx, function).once(), &self.client, function, number, release).await? {
                return Ok(());
            }
            Err(Fault::transient("gone", "the alias was deleted meanwhile"))
        };
        cx.wait(&WRITE, "creating the alias", attempt).await
    }

    /// Deletes old versions, which count towards the account's storage for code. That the release answers does not depend on
    /// it: what cannot be deleted now is deleted after a later release.
    async fn prune(&self, cx: &CallContext<'_>, live: u64) {
        let (function, _) = parts(cx.name);
        // Numbers count up from 1.
        if live <= AliasSpec::VERSIONS_KEPT as u64 {
            return;
        }
        let pruned = async {
            let (versions, pointed) = tokio::try_join!(
                published(cx, &self.client, function),
                pointed_at(cx, &self.client, function)
            )?;
            for number in surplus(&versions, live, &pointed) {
                self.forget(cx, function, &number.to_string()).await?;
            }
            Ok::<_, Fault>(())
        };
        if let Err(fault) = pruned.await {
            let why = format!("old versions are left for the next release to delete: {}", fault.message);
            cx.send(Event::Waiting { address: cx.address().clone(), attempt: 1, why });
        }
    }

    /// Deletes a version. One try.
    async fn forget(&self, cx: &CallContext<'_>, function: &str, number: &str) -> Result<(), Fault> {
        let request = self.client.delete_function().function_name(function).qualifier(number);
        let what = format!("version {number} of function {function}");
        let call = cx.call_on("delete", what, "lambda:DeleteFunction").once();
        call.find(|| request.clone().send()).await.map(drop)
    }

    /// Whether the function is ours, which the alias itself cannot say. Asked before deleting only: what is made or changed
    /// depends on the function, and a plan in which that is not ours is not carried out.
    async fn is_ours(&self, cx: &CallContext<'_>, function: &str) -> Result<bool, Fault> {
        let request =
            self.client.list_tags().resource(self.aws.arn("lambda", &format!("function:{function}")));
        let call = cx.call_on("read the tags of", format!("function {function}"), "lambda:ListTags");
        let call = call.retrying(&READ, "reading the function's tags");
        let Some(found) = call.find(|| request.clone().send()).await? else { return Ok(false) };
        let tags = found.tags.unwrap_or_default().into_iter().collect();
        Ok(is_ours(&self.aws, Some(&tags)))
    }
}

/// `hits-test:live` as function and alias.
fn parts(name: &str) -> (&str, &str) {
    name.rsplit_once(':').unwrap_or((name, AliasSpec::NAME))
}

/// The alias in the configuration that it leads to. One that points at the function itself answers with what was changed
/// last, which is no release.
fn found(
    function: &str,
    answer: &GetFunctionConfigurationOutput,
    weights: Option<BTreeMap<String, f64>>,
) -> Found<AliasSpec> {
    let version = answer.version().unwrap_or_default();
    let release = match version.parse::<u64>() {
        Ok(_) => answer.description().unwrap_or_default(),
        Err(_) => version,
    };
    Found {
        spec: AliasSpec {
            function_name: Value::from(function.to_owned()),
            release: release.to_owned(),
            weights,
            role_id: role_id(answer.environment()).map(Value::from),
        },
        outputs: Outputs::from([("version".to_owned(), version.to_owned())]),
        tags: None,
    }
}

/// The shares that go to other versions than the alias's own; `None` where there are none.
fn weights(routing: Option<&AliasRoutingConfiguration>) -> Option<BTreeMap<String, f64>> {
    let weights = routing?.additional_version_weights()?;
    let weights: BTreeMap<_, _> = weights.iter().map(|(version, share)| (version.clone(), *share)).collect();
    (!weights.is_empty()).then_some(weights)
}

fn outputs(number: u64) -> Outputs {
    Outputs::from([("version".to_owned(), number.to_string())])
}

/// What is not among the newest, does not answer and has no alias.
fn surplus(newest_first: &[Version], live: u64, pointed_at: &BTreeSet<u64>) -> Vec<u64> {
    let numbers = newest_first.iter().map(|version| version.number);
    numbers
        .skip(AliasSpec::VERSIONS_KEPT)
        .filter(|number| *number != live && !pointed_at.contains(number))
        .collect()
}

/// Returns a hash in base64, as Lambda has it, for one in hex.
fn base64_of(hex: &str) -> Option<String> {
    use base64::Engine as _;
    Some(base64::engine::general_purpose::STANDARD.encode(hex::decode(hex).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(version: &str, description: &str) -> GetFunctionConfigurationOutput {
        GetFunctionConfigurationOutput::builder().version(version).description(description).build()
    }

    #[test]
    fn an_alias_is_the_release_of_its_version() {
        for (version, description, release) in [
            ("3", "0123456789abcdef", "0123456789abcdef"),
            // Published by hand.
            ("3", "", ""),
            // Changed by hand: whatever the function is described as, it is not a release.
            ("$LATEST", "0123456789abcdef", "$LATEST"),
        ] {
            let found = found("hits-test", &answer(version, description), None);
            assert_eq!(found.spec.release, release, "{version}");
            assert_eq!(found.spec.function_name, Value::from("hits-test".to_owned()));
            assert_eq!(found.outputs["version"], version);
        }
    }

    #[test]
    fn names() {
        assert_eq!(parts("hits-test:live"), ("hits-test", "live"));
    }

    #[test]
    fn the_last_five_stay_and_whatever_answers() {
        let versions = |numbers: &[u64]| -> Vec<Version> {
            let version = |number: &u64| Version {
                number: *number,
                release: String::new(),
                build: None,
                role_id: None,
                published: String::new(),
                live: false,
            };
            numbers.iter().map(version).collect()
        };
        let none = BTreeSet::new();
        assert_eq!(surplus(&versions(&[5, 4, 3, 2, 1]), 5, &none), [0_u64; 0]);
        assert_eq!(surplus(&versions(&[9, 8, 7, 6, 5, 4, 2]), 9, &none), [4, 2]);
        assert_eq!(surplus(&versions(&[9, 8, 7, 6, 5, 4, 2]), 4, &BTreeSet::from([2])), [0_u64; 0]);
    }

    #[test]
    fn the_guard_is_in_lambdas_form() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(base64_of(empty).unwrap(), "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
        assert_eq!(base64_of("no hex"), None);
    }
}
