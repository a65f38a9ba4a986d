//! The driver of function URLs. It also manages the two policy statements without which a URL responds with 403.

use std::sync::Arc;

use aws_sdk_lambda::Client;
use aws_sdk_lambda::types::{self, FunctionUrlAuthType, InvokeMode};
use hitctl_config::partitions::Partition;
use hitctl_engine::{Fault, FaultKind, Outputs};

use crate::alias::candidates::candidate_targets;
use crate::aws::account::Aws;
use crate::aws::call::{ApiCall, CallContext};
use crate::aws::cors::{CorsSettings, list};
use crate::aws::fault::NOT_FOUND;
use crate::aws::lambda::policy::{FunctionPolicy, Grant, PolicyStatement};
use crate::aws::lambda::wait::{CONFLICT, READ, WRITE};
use crate::aws::lambda::{FunctionRef, QualifiedFunction};
use crate::aws::number;
use crate::aws::resource::{ReadResult, ReadState, Resource, WriteResult};
use crate::cors::Cors;
use crate::function_url::spec::FunctionUrlSpec;

/// The id of the statement that allows requests to the URL.
const URL_STATEMENT: &str = "hitctl-url";
/// The id of the statement that allows the URL to invoke the function.
const INVOKE_STATEMENT: &str = "hitctl-url-invoke";
/// The ids of both statements.
pub(crate) const STATEMENTS: [&str; 2] = [URL_STATEMENT, INVOKE_STATEMENT];
const INVOKE_ACTION: &str = FunctionUrlSpec::ACTIONS[0];
const URL_ACTION: &str = FunctionUrlSpec::ACTIONS[1];

/// The driver of function URLs.
#[derive(Clone, Debug)]
pub(crate) struct FunctionUrlDriver {
    aws: Arc<Aws>,
    client: Client,
}

fn target_of(spec: &FunctionUrlSpec) -> QualifiedFunction<'_> {
    QualifiedFunction::of(function(spec))
}

fn call<'a>(
    cx: &CallContext<'a>,
    verb: &'static str,
    target: QualifiedFunction<'_>,
    operation: &'static str,
) -> ApiCall<'a> {
    cx.call_on(verb, format!("the URL of function {target}"), operation)
}

impl FunctionUrlDriver {
    fn policy<'a>(&'a self, target: QualifiedFunction<'a>) -> FunctionPolicy<'a> {
        FunctionPolicy { client: &self.client, target }
    }

    /// Whether a single call shows that neither the function nor its aliases have a URL. If not, or if the call fails,
    /// each target must be read.
    async fn has_no_url(&self, cx: &CallContext<'_>, target: QualifiedFunction<'_>) -> bool {
        let request = self.client.list_function_url_configs().function_name(target.function);
        let call = call(cx, "read", target, "lambda:ListFunctionUrlConfigs").once();
        match call.find(|| request.clone().send()).await {
            Ok(Some(found)) => found.function_url_configs().is_empty() && found.next_marker().is_none(),
            Ok(None) => true,
            Err(_) => false,
        }
    }

    /// Reads the URL of the target and its policy statements.
    async fn read_at(
        &self,
        cx: &CallContext<'_>,
        target: QualifiedFunction<'_>,
    ) -> ReadResult<FunctionUrlSpec> {
        let request = self.client.get_function_url_config().function_name(target.function);
        let request = request.set_qualifier(target.qualifier());
        let call = call(cx, "read", target, "lambda:GetFunctionUrlConfig");
        let call = call.retrying(&READ, "reading the function URL");
        let Some(url) = call.find(|| request.clone().send()).await? else { return Ok(None) };
        let statements = self.policy(target).read(cx).await?;
        let spec = FunctionUrlSpec {
            function_name: target.function.to_owned().into(),
            qualifier: target.qualifier().map(Into::into),
            auth_type: auth_type(&url.auth_type, url.invoke_mode.as_ref()),
            allowed_actions: statements.iter().filter_map(allowed_action).collect(),
            cors: cors_of(url.cors.as_ref()),
        };
        Ok(Some(ReadState { spec, outputs: self.outputs(&url.function_url), tags: None }))
    }

    fn outputs(&self, returned_url: &str) -> Outputs {
        Outputs::from([("url".to_owned(), self.url(returned_url))])
    }

    /// Returns the URL at which the function can be reached. An emulator returns a URL with a host of AWS; its own
    /// endpoint serves the function instead.
    fn url(&self, returned_url: &str) -> String {
        let returned_url = returned_url.trim_end_matches('/');
        let id = returned_url.split_once("://").and_then(|(_, host)| host.split_once(".lambda-url."));
        match (self.aws.config.endpoint_url(), id) {
            (Some(endpoint), Some((id, _))) if !self.is_aws_endpoint(endpoint) => {
                format!("{}/_aws/lambda-url/{id}", endpoint.trim_end_matches('/'))
            }
            _ => returned_url.to_owned(),
        }
    }

    /// Whether an endpoint has a domain of AWS, unlike an emulator.
    fn is_aws_endpoint(&self, endpoint: &str) -> bool {
        Partition::by_name(&self.aws.location.partition)
            .is_some_and(|partition| endpoint.contains(&format!(".{}", partition.dns_suffix)))
    }

    /// Updates the existing URL. Returns `None` if there is none.
    async fn update_config(
        &self,
        cx: &CallContext<'_>,
        want: &FunctionUrlSpec,
    ) -> Result<Option<String>, Fault> {
        let request = self
            .client
            .update_function_url_config()
            .function_name(target_of(want).function)
            .set_qualifier(target_of(want).qualifier())
            .auth_type(FunctionUrlAuthType::from(want.auth_type.as_str()))
            .invoke_mode(InvokeMode::Buffered)
            .cors(cors_for(&want.cors));
        let call = call(cx, "change", target_of(want), "lambda:UpdateFunctionUrlConfig").once();
        Ok(call.find(|| request.clone().send()).await?.map(|updated| updated.function_url))
    }

    async fn create_config(&self, cx: &CallContext<'_>, want: &FunctionUrlSpec) -> Result<String, Fault> {
        let request = self
            .client
            .create_function_url_config()
            .function_name(target_of(want).function)
            .set_qualifier(target_of(want).qualifier())
            .auth_type(FunctionUrlAuthType::from(want.auth_type.as_str()))
            .invoke_mode(InvokeMode::Buffered)
            .cors(cors_for(&want.cors));
        let call = call(cx, "create", target_of(want), "lambda:CreateFunctionUrlConfig").once();
        match call.retry_on(NOT_FOUND).send(|| request.clone().send()).await {
            Ok(created) => Ok(created.function_url),
            // The URL exists: the response to an earlier attempt was lost. Update it, because a new URL would have
            // another host.
            Err(fault) if fault.code == CONFLICT => {
                let not_visible = Fault { kind: FaultKind::Transient, ..fault };
                self.update_config(cx, want).await?.ok_or(not_visible)
            }
            Err(fault) => Err(fault),
        }
    }

    async fn update_or_create(&self, cx: &CallContext<'_>, want: &FunctionUrlSpec) -> Result<String, Fault> {
        match self.update_config(cx, want).await? {
            Some(url) => Ok(url),
            None => self.create_config(cx, want).await,
        }
    }

    /// Adds the wanted policy statements of the URL and removes the unwanted ones.
    async fn reconcile_permissions(&self, cx: &CallContext<'_>, want: &FunctionUrlSpec) -> Result<(), Fault> {
        let (wanted, unwanted): (Vec<Grant>, Vec<Grant>) = url_grants(&want.auth_type)
            .into_iter()
            .partition(|grant| want.allowed_actions.contains(&grant.action));
        let policy = self.policy(target_of(want));
        if !unwanted.is_empty() {
            let sids: Vec<&str> = unwanted.iter().map(|grant| grant.sid.as_str()).collect();
            policy.revoke(cx, &sids).await?;
        }
        policy.grant(cx, &wanted).await
    }
}

/// Returns the two statements that a public URL needs.
fn url_grants(auth_type: &str) -> [Grant; 2] {
    let public_grant = |sid: &str, action: &str| Grant {
        sid: sid.to_owned(),
        principal: "*".to_owned(),
        action: action.to_owned(),
        ..Grant::default()
    };
    [
        Grant { url_auth_type: Some(auth_type.to_owned()), ..public_grant(URL_STATEMENT, URL_ACTION) },
        Grant { via_url: true, ..public_grant(INVOKE_STATEMENT, INVOKE_ACTION) },
    ]
}

/// Returns the action that a statement of ours allows; `None` for other statements. If the statement was changed, the
/// result says so and differs from every wanted action.
fn allowed_action(statement: &PolicyStatement) -> Option<String> {
    let grant = url_grants("NONE").into_iter().find(|grant| grant.sid == statement.grant.sid)?;
    if statement.is_exactly(&grant) {
        return Some(grant.action);
    }
    Some(format!("{} (changed)", statement.with_unexpected(&statement.grant.action)))
}

/// Returns the authentication type, with a note if the URL streams responses, which ours do not.
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

/// Returns the function in the spec.
fn function(spec: &FunctionUrlSpec) -> FunctionRef<'_> {
    FunctionRef { function: &spec.function_name, qualifier: spec.qualifier.as_ref() }
}

impl Resource for FunctionUrlDriver {
    type Spec = FunctionUrlSpec;

    fn new(aws: Arc<Aws>) -> Self {
        Self { client: Client::new(&aws.without_retries()), aws }
    }

    async fn read(
        &self,
        cx: &CallContext<'_>,
        want: Option<&FunctionUrlSpec>,
    ) -> ReadResult<FunctionUrlSpec> {
        let base = self.aws.base();
        let targets = candidate_targets(want.map(function), &base);
        if want.is_none() && self.has_no_url(cx, targets[0]).await {
            return Ok(None);
        }
        for target in targets {
            if let Some(found) = self.read_at(cx, target).await? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    async fn create(&self, cx: &CallContext<'_>, want: &FunctionUrlSpec) -> WriteResult {
        let url = cx.retry(&WRITE, "creating the function URL", || self.create_config(cx, want)).await?;
        self.reconcile_permissions(cx, want).await?;
        Ok(self.outputs(&url))
    }

    async fn update(
        &self,
        cx: &CallContext<'_>,
        have: &ReadState<FunctionUrlSpec>,
        want: &FunctionUrlSpec,
    ) -> WriteResult {
        let mut outputs = have.outputs.clone();
        let has_other_auth_type = have.spec.auth_type != want.auth_type;
        if have.spec.cors != want.cors || has_other_auth_type {
            let change = || self.update_or_create(cx, want);
            outputs = self.outputs(&cx.retry(&WRITE, "changing the function URL", change).await?);
        }
        if have.spec.allowed_actions != want.allowed_actions || has_other_auth_type {
            self.reconcile_permissions(cx, want).await?;
        }
        Ok(outputs)
    }

    async fn delete(&self, cx: &CallContext<'_>, have: &ReadState<FunctionUrlSpec>) -> Result<(), Fault> {
        let target = target_of(&have.spec);
        self.policy(target).revoke(cx, &[URL_STATEMENT, INVOKE_STATEMENT]).await?;
        let request = self.client.delete_function_url_config().function_name(target.function);
        let request = request.set_qualifier(target.qualifier());
        let call = call(cx, "delete", target, "lambda:DeleteFunctionUrlConfig");
        call.retrying(&WRITE, "deleting the function URL").find(|| request.clone().send()).await.map(drop)
    }
}
