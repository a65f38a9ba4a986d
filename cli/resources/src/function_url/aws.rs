//! The function URL in AWS, and the two statements without which it answers 403.

use std::sync::Arc;

use aws_sdk_lambda::Client;
use aws_sdk_lambda::types::{self, FunctionUrlAuthType, InvokeMode};
use hitctl_config::partitions::Partition;
use hitctl_engine::{Fault, FaultKind, Outputs};

use crate::alias::places::places;
use crate::aws::account::Aws;
use crate::aws::call::{Call, CallContext};
use crate::aws::cors::{CorsSettings, list};
use crate::aws::fault::NOT_FOUND;
use crate::aws::lambda::policy::{Grant, Policy, Statement};
use crate::aws::lambda::wait::{CONFLICT, READ, WRITE};
use crate::aws::lambda::{FunctionRef, Qualified};
use crate::aws::number;
use crate::aws::resource::{Found, Read, Resource, Written};
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

fn of(spec: &FunctionUrlSpec) -> Qualified<'_> {
    Qualified::of(function(spec))
}

fn call<'a>(
    cx: &CallContext<'a>,
    verb: &'static str,
    of: Qualified<'_>,
    operation: &'static str,
) -> Call<'a> {
    cx.call_on(verb, format!("the URL of function {of}"), operation)
}

impl FunctionUrls {
    fn policy<'a>(&'a self, of: Qualified<'a>) -> Policy<'a> {
        Policy { client: &self.client, of }
    }

    /// Whether one call can tell that the function has no URL at all. What answers anything else has to be asked place by
    /// place.
    async fn has_none(&self, cx: &CallContext<'_>, of: Qualified<'_>) -> bool {
        let request = self.client.list_function_url_configs().function_name(of.function);
        let call = call(cx, "read", of, "lambda:ListFunctionUrlConfigs").once();
        match call.find(|| request.clone().send()).await {
            Ok(Some(found)) => found.function_url_configs().is_empty() && found.next_marker().is_none(),
            Ok(None) => true,
            Err(_) => false,
        }
    }

    /// The URL of that place with its statements, if it has one.
    async fn at(&self, cx: &CallContext<'_>, of: Qualified<'_>) -> Read<FunctionUrlSpec> {
        let request = self.client.get_function_url_config().function_name(of.function);
        let request = request.set_qualifier(of.qualifier());
        let call = call(cx, "read", of, "lambda:GetFunctionUrlConfig");
        let call = call.retrying(&READ, "reading the function URL");
        let Some(url) = call.find(|| request.clone().send()).await? else { return Ok(None) };
        let statements = self.policy(of).read(cx).await?;
        let spec = FunctionUrlSpec {
            function_name: of.function.to_owned().into(),
            qualifier: of.qualifier().map(Into::into),
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
    async fn change(&self, cx: &CallContext<'_>, want: &FunctionUrlSpec) -> Result<Option<String>, Fault> {
        let request = self
            .client
            .update_function_url_config()
            .function_name(of(want).function)
            .set_qualifier(of(want).qualifier())
            .auth_type(FunctionUrlAuthType::from(want.auth_type.as_str()))
            .invoke_mode(InvokeMode::Buffered)
            .cors(cors_for(&want.cors));
        let call = call(cx, "change", of(want), "lambda:UpdateFunctionUrlConfig").once();
        Ok(call.find(|| request.clone().send()).await?.map(|changed| changed.function_url))
    }

    async fn make(&self, cx: &CallContext<'_>, want: &FunctionUrlSpec) -> Result<String, Fault> {
        let request = self
            .client
            .create_function_url_config()
            .function_name(of(want).function)
            .set_qualifier(of(want).qualifier())
            .auth_type(FunctionUrlAuthType::from(want.auth_type.as_str()))
            .invoke_mode(InvokeMode::Buffered)
            .cors(cors_for(&want.cors));
        let call = call(cx, "create", of(want), "lambda:CreateFunctionUrlConfig").once();
        match call.retry_on(NOT_FOUND).send(|| request.clone().send()).await {
            Ok(made) => Ok(made.function_url),
            // An answer that was lost: it is there, and is changed, since made anew it would get another address.
            Err(fault) if fault.code == CONFLICT => {
                let unseen = Fault { kind: FaultKind::Transient, ..fault };
                self.change(cx, want).await?.ok_or(unseen)
            }
            Err(fault) => Err(fault),
        }
    }

    async fn change_or_make(&self, cx: &CallContext<'_>, want: &FunctionUrlSpec) -> Result<String, Fault> {
        match self.change(cx, want).await? {
            Some(url) => Ok(url),
            None => self.make(cx, want).await,
        }
    }

    /// Brings both statements to what is wanted.
    async fn allow(&self, cx: &CallContext<'_>, want: &FunctionUrlSpec) -> Result<(), Fault> {
        let (add, drop): (Vec<Grant>, Vec<Grant>) = grants(&want.auth_type)
            .into_iter()
            .partition(|grant| want.allowed_actions.contains(&grant.action));
        let policy = self.policy(of(want));
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
        .max_age(number(cors.max_age_s))
        .allow_credentials(false)
        .build()
}

/// The function that the spec names.
fn function(spec: &FunctionUrlSpec) -> FunctionRef<'_> {
    FunctionRef { function: &spec.function_name, qualifier: spec.qualifier.as_ref() }
}

impl Resource for FunctionUrls {
    type Spec = FunctionUrlSpec;

    fn new(aws: Arc<Aws>) -> Self {
        Self { client: Client::new(&aws.without_retries()), aws }
    }

    async fn read(&self, cx: &CallContext<'_>, want: Option<&FunctionUrlSpec>) -> Read<FunctionUrlSpec> {
        let base = self.aws.base();
        let places = places(want.map(function), &base);
        if want.is_none() && self.has_none(cx, places[0]).await {
            return Ok(None);
        }
        for of in places {
            if let Some(found) = self.at(cx, of).await? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    async fn create(&self, cx: &CallContext<'_>, want: &FunctionUrlSpec) -> Written {
        let url = cx.wait(&WRITE, "making the function URL", || self.make(cx, want)).await?;
        self.allow(cx, want).await?;
        Ok(self.outputs(&url))
    }

    async fn update(
        &self,
        cx: &CallContext<'_>,
        have: &Found<FunctionUrlSpec>,
        want: &FunctionUrlSpec,
    ) -> Written {
        let mut outputs = have.outputs.clone();
        let is_other_type = have.spec.auth_type != want.auth_type;
        if have.spec.cors != want.cors || is_other_type {
            let change = || self.change_or_make(cx, want);
            outputs = self.outputs(&cx.wait(&WRITE, "changing the function URL", change).await?);
        }
        if have.spec.allowed_actions != want.allowed_actions || is_other_type {
            self.allow(cx, want).await?;
        }
        Ok(outputs)
    }

    async fn delete(&self, cx: &CallContext<'_>, have: &Found<FunctionUrlSpec>) -> Result<(), Fault> {
        let of = of(&have.spec);
        self.policy(of).revoke(cx, &[ASK, CALL]).await?;
        let request = self.client.delete_function_url_config().function_name(of.function);
        let request = request.set_qualifier(of.qualifier());
        let call = call(cx, "delete", of, "lambda:DeleteFunctionUrlConfig");
        call.retrying(&WRITE, "deleting the function URL").find(|| request.clone().send()).await.map(drop)
    }
}
