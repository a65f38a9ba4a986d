//! The function URL in AWS, and the two statements without which it answers 403.

use std::sync::Arc;

use aws_sdk_lambda::Client;
use aws_sdk_lambda::operation::get_function_url_config::GetFunctionUrlConfigOutput;
use aws_sdk_lambda::types::{self, FunctionUrlAuthType, InvokeMode};
use hitctl_config::partitions::Partition;
use hitctl_engine::{Cx, Fault, FieldDiff, Outputs, Value};

use crate::alias::places::places;
use crate::aws::account::Aws;
use crate::aws::cors::{CorsSettings, list, seconds};
use crate::aws::fault::{Doing, ToFault as _};
use crate::aws::lambda::policy::{self, Grant, Policy, Statement, not_visible};
use crate::aws::lambda::wait::{CONFLICT, NOT_FOUND, READ, WRITE};
use crate::aws::resource::{Found, Resource, differs};
use crate::cors::Cors;
use crate::function_url::spec::FunctionUrlSpec;

/// The statement that lets the URL be asked.
const ASK: &str = "hitctl-url";
/// The statement that lets the URL call the function.
const CALL: &str = "hitctl-url-invoke";
/// The ids of both statements.
pub(crate) const STATEMENTS: [&str; 2] = [ASK, CALL];
const CALL_ACTION: &str = FunctionUrlSpec::ACTIONS[0];
const ASK_ACTION: &str = FunctionUrlSpec::ACTIONS[1];

/// Function URLs in AWS.
#[derive(Clone, Debug)]
pub(crate) struct FunctionUrls {
    aws: Arc<Aws>,
    client: Client,
}

/// A function, or an alias of it.
#[derive(Clone, Copy, Debug)]
struct Place<'a> {
    function: &'a str,
    qualifier: Option<&'a str>,
}

impl<'a> Place<'a> {
    fn of(spec: &'a FunctionUrlSpec) -> Self {
        Self {
            function: spec.function_name.get().map_or("", String::as_str),
            qualifier: spec.qualifier.as_ref().and_then(Value::get).map(String::as_str),
        }
    }

    fn qualifier(self) -> Option<String> {
        self.qualifier.map(str::to_owned)
    }

    fn doing(self, verb: &'static str, operation: &'static str) -> Doing {
        let what = match self.qualifier {
            Some(qualifier) => format!("the URL of function {}:{qualifier}", self.function),
            None => format!("the URL of function {}", self.function),
        };
        Doing::new(verb, what, operation)
    }
}

impl FunctionUrls {
    fn policy<'a>(&'a self, place: Place<'a>) -> Policy<'a> {
        Policy { client: &self.client, function: place.function, qualifier: place.qualifier }
    }

    async fn get(&self, cx: &Cx, place: Place<'_>) -> Result<Option<GetFunctionUrlConfigOutput>, Fault> {
        let doing = place.doing("read", "lambda:GetFunctionUrlConfig");
        cx.wait(&READ, "reading the function URL", || async {
            let call = self.client.get_function_url_config().function_name(place.function);
            match call.set_qualifier(place.qualifier()).send().await {
                Ok(answer) => Ok(Some(answer)),
                Err(error) if error.is(NOT_FOUND) => Ok(None),
                Err(error) => Err(error.fault(&doing)),
            }
        })
        .await
    }

    /// Whether one call can tell that the function has no URL at all. What answers anything else has to be asked place by
    /// place.
    async fn has_none(&self, function: &str) -> bool {
        match self.client.list_function_url_configs().function_name(function).send().await {
            Ok(answer) => answer.function_url_configs().is_empty() && answer.next_marker().is_none(),
            Err(error) => error.is(NOT_FOUND),
        }
    }

    /// The URL of that place with its statements, if it has one.
    async fn at(&self, cx: &Cx, place: Place<'_>) -> Result<Option<Found<FunctionUrlSpec>>, Fault> {
        let Some(url) = self.get(cx, place).await? else { return Ok(None) };
        let statements = self.policy(place).read(cx).await?;
        let spec = FunctionUrlSpec {
            function_name: place.function.to_owned().into(),
            qualifier: place.qualifier().map(Into::into),
            auth_type: auth_type(&url.auth_type, url.invoke_mode.as_ref()),
            allowed_actions: statements.iter().filter_map(allowed).collect(),
            cors: cors_of(url.cors.as_ref()),
        };
        Ok(Some(Found { spec, outputs: self.outputs(&url.function_url), tags: None }))
    }

    fn outputs(&self, said: &str) -> Outputs {
        Outputs::from([("url".to_owned(), self.url(said))])
    }

    /// Where it answers: what Lambda says, but emulators say a host of AWS's that they are not.
    fn url(&self, said: &str) -> String {
        let said = said.trim_end_matches('/');
        let id = said.split_once("://").and_then(|(_, host)| host.split_once(".lambda-url."));
        match (self.aws.config.endpoint_url(), id) {
            (Some(endpoint), Some((id, _))) if !self.is_of_aws(endpoint) => {
                format!("{}/_aws/lambda-url/{id}", endpoint.trim_end_matches('/'))
            }
            _ => said.to_owned(),
        }
    }

    /// Whether an endpoint is one of AWS's own, by its domain.
    fn is_of_aws(&self, endpoint: &str) -> bool {
        Partition::named(&self.aws.place.partition)
            .is_some_and(|partition| endpoint.contains(&format!(".{}", partition.dns_suffix)))
    }

    /// Changes the URL that is there; `None` when there is none.
    async fn change(&self, place: Place<'_>, want: &FunctionUrlSpec) -> Result<Option<String>, Fault> {
        let call = self
            .client
            .update_function_url_config()
            .function_name(place.function)
            .set_qualifier(place.qualifier())
            .auth_type(FunctionUrlAuthType::from(want.auth_type.as_str()))
            .invoke_mode(InvokeMode::Buffered)
            .cors(cors_for(&want.cors));
        match call.send().await {
            Ok(answer) => Ok(Some(answer.function_url)),
            Err(error) if error.is(NOT_FOUND) => Ok(None),
            Err(error) => Err(error.fault(&place.doing("change", "lambda:UpdateFunctionUrlConfig"))),
        }
    }

    async fn make(&self, place: Place<'_>, want: &FunctionUrlSpec) -> Result<String, Fault> {
        let doing = place.doing("create", "lambda:CreateFunctionUrlConfig");
        let call = self
            .client
            .create_function_url_config()
            .function_name(place.function)
            .set_qualifier(place.qualifier())
            .auth_type(FunctionUrlAuthType::from(want.auth_type.as_str()))
            .invoke_mode(InvokeMode::Buffered)
            .cors(cors_for(&want.cors));
        match call.send().await {
            Ok(answer) => Ok(answer.function_url),
            // An answer that was lost: it is there, and is changed, since made anew it would get another address.
            Err(error) if error.is(CONFLICT) => match self.change(place, want).await? {
                Some(url) => Ok(url),
                None => Err(not_visible(error.fault(&doing))),
            },
            Err(error) if error.is(NOT_FOUND) => Err(not_visible(error.fault(&doing))),
            Err(error) => Err(error.fault(&doing)),
        }
    }

    async fn change_or_make(&self, place: Place<'_>, want: &FunctionUrlSpec) -> Result<String, Fault> {
        match self.change(place, want).await? {
            Some(url) => Ok(url),
            None => self.make(place, want).await,
        }
    }

    /// Brings both statements to what is wanted.
    async fn allow(&self, cx: &Cx, want: &FunctionUrlSpec) -> Result<(), Fault> {
        let (add, drop): (Vec<Grant>, Vec<Grant>) = grants(&want.auth_type)
            .into_iter()
            .partition(|grant| want.allowed_actions.contains(&grant.action));
        let policy = self.policy(Place::of(want));
        if !drop.is_empty() {
            let drop: Vec<&str> = drop.iter().map(|grant| grant.sid.as_str()).collect();
            policy.revoke(cx, &drop).await?;
        }
        policy.grant(cx, &add).await
    }
}

/// Both statements, for a URL that anybody may ask.
fn grants(auth_type: &str) -> [Grant; 2] {
    let anybody = |sid: &str, action: &str| Grant {
        sid: sid.to_owned(),
        principal: "*".to_owned(),
        action: action.to_owned(),
        ..Grant::default()
    };
    [
        Grant { url_auth_type: Some(auth_type.to_owned()), ..anybody(ASK, ASK_ACTION) },
        Grant { via_url: true, ..anybody(CALL, CALL_ACTION) },
    ]
}

/// The action that one of our statements allows. One that is not as we write it is not the same action.
fn allowed(statement: &Statement) -> Option<String> {
    let grant = grants("NONE").into_iter().find(|grant| grant.sid == statement.grant.sid)?;
    if statement.is_exactly(&grant) {
        return Some(grant.action);
    }
    Some(format!("{} (changed)", statement.marked(&statement.grant.action)))
}

/// How callers prove who they are, and what else of the URL is not as we have it.
fn auth_type(auth_type: &FunctionUrlAuthType, mode: Option<&InvokeMode>) -> String {
    match mode {
        Some(InvokeMode::ResponseStream) => format!("{auth_type} (streaming)"),
        _ => auth_type.as_str().to_owned(),
    }
}

fn cors_of(cors: Option<&types::Cors>) -> Cors {
    cors.map_or_else(CorsSettings::default, |cors| CorsSettings {
        origins: cors.allow_origins(),
        methods: cors.allow_methods(),
        headers: cors.allow_headers(),
        exposed: cors.expose_headers(),
        max_age_s: cors.max_age(),
        credentials: cors.allow_credentials(),
    })
    .normalised()
}

fn cors_for(cors: &Cors) -> types::Cors {
    types::Cors::builder()
        .set_allow_origins(Some(list(&cors.allow_origins)))
        .set_allow_methods(Some(list(&cors.allow_methods)))
        .set_allow_headers(Some(list(&cors.allow_headers)))
        .set_expose_headers(Some(list(&cors.expose_headers)))
        .max_age(seconds(cors.max_age_s))
        .allow_credentials(false)
        .build()
}

impl Resource for FunctionUrls {
    type Spec = FunctionUrlSpec;

    fn new(aws: Arc<Aws>) -> Self {
        Self { client: policy::client(&aws), aws }
    }

    async fn read(
        &self,
        cx: &Cx,
        _name: &str,
        want: Option<&FunctionUrlSpec>,
    ) -> Result<Option<Found<FunctionUrlSpec>>, Fault> {
        let base = self.aws.base();
        let function = want.and_then(|want| want.function_name.get()).unwrap_or(&base);
        let wanted = want.and_then(|want| want.qualifier.as_ref());
        if want.is_none() && self.has_none(function).await {
            return Ok(None);
        }
        for qualifier in places(want.is_some(), wanted) {
            if let Some(found) = self.at(cx, Place { function, qualifier }).await? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    async fn create(&self, cx: &Cx, _name: &str, want: &FunctionUrlSpec) -> Result<Outputs, Fault> {
        let place = Place::of(want);
        let url = cx.wait(&WRITE, "making the function URL", || self.make(place, want)).await?;
        self.allow(cx, want).await?;
        Ok(self.outputs(&url))
    }

    async fn update(
        &self,
        cx: &Cx,
        _name: &str,
        have: &Found<FunctionUrlSpec>,
        want: &FunctionUrlSpec,
        fields: &[FieldDiff],
    ) -> Result<Outputs, Fault> {
        let mut outputs = have.outputs.clone();
        if differs(fields, "cors") || differs(fields, "auth_type") {
            let place = Place::of(want);
            let change = || self.change_or_make(place, want);
            outputs = self.outputs(&cx.wait(&WRITE, "changing the function URL", change).await?);
        }
        if differs(fields, "allowed_actions") || differs(fields, "auth_type") {
            self.allow(cx, want).await?;
        }
        Ok(outputs)
    }

    async fn delete(&self, cx: &Cx, _name: &str, have: &Found<FunctionUrlSpec>) -> Result<(), Fault> {
        let place = Place::of(&have.spec);
        self.policy(place).revoke(cx, &[ASK, CALL]).await?;
        let doing = place.doing("delete", "lambda:DeleteFunctionUrlConfig");
        cx.wait(&WRITE, "deleting the function URL", || async {
            let call = self.client.delete_function_url_config().function_name(place.function);
            match call.set_qualifier(place.qualifier()).send().await {
                Ok(_) => Ok(()),
                Err(error) if error.is(NOT_FOUND) => Ok(()),
                Err(error) => Err(error.fault(&doing)),
            }
        })
        .await
    }
}
