//! The way past the function: an integration that puts a request's body on a queue, with what the gateway knows of whoever
//! sent it.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;

use aws_sdk_apigatewayv2::types;
use hitctl_config::contract;
use hitctl_engine::Fault;
use serde_json::Value as Json;

use super::client::ApiCalls;
use super::parts::{Integration, Parts, Route, marked};
use crate::http_api::spec::Ingest;

/// What the integration does (API Gateway's guide, "Integration subtype reference").
const SUBTYPE: &str = "SQS-SendMessage";
/// The only version that such integrations have.
const PAYLOAD: &str = "1.0";
/// How ours is told from somebody else's.
const DESCRIPTION: &str = "hitctl: hits to the queue";
/// The whole body of the request.
const BODY: &str = "$request.body";

/// The parameters of the integration.
mod parameter {
    pub(super) const QUEUE: &str = "QueueUrl";
    pub(super) const BODY: &str = "MessageBody";
    pub(super) const ATTRIBUTES: &str = "MessageAttributes";
}

/// What an integration that puts requests on a queue says.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct ToQueue {
    subtype: Option<String>,
    description: String,
    payload: String,
    role_arn: String,
    parameters: BTreeMap<String, String>,
}

impl ToQueue {
    /// `None` for an integration of another kind: those have a URI, and name no queue.
    pub(super) fn of(it: &types::Integration) -> Option<Self> {
        let parameters = it.request_parameters().filter(|all| all.contains_key(parameter::QUEUE))?;
        if it.integration_uri().is_some_and(|uri| !uri.is_empty()) {
            return None;
        }
        let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
        Some(Self {
            subtype: it.integration_subtype().map(str::to_owned),
            description: text(it.description()),
            payload: text(it.payload_format_version()),
            role_arn: text(it.credentials_arn()),
            parameters: parameters.clone().into_iter().collect(),
        })
    }

    fn parameter(&self, name: &str) -> &str {
        self.parameters.get(name).map_or("", String::as_str)
    }

    /// The parameters that ours does not have.
    fn others(&self) -> impl Iterator<Item = &str> {
        let ours = [parameter::QUEUE, parameter::BODY, parameter::ATTRIBUTES];
        self.parameters.keys().map(String::as_str).filter(move |name| !ours.contains(name))
    }

    /// The queue behind it, and what is not as we have it.
    fn queue_url(&self) -> String {
        let mut odd = Vec::new();
        if let Some(subtype) = self.subtype.as_deref().filter(|subtype| *subtype != SUBTYPE) {
            odd.push(format!("by {subtype}"));
        }
        if self.payload != PAYLOAD {
            odd.push(format!("payload format {}", self.payload));
        }
        if self.parameter(parameter::BODY) != BODY {
            odd.push(format!("body {}", self.parameter(parameter::BODY)));
        }
        odd.extend(self.others().map(|name| format!("with {name}")));
        if !is_address_last(self.parameter(parameter::ATTRIBUTES)) {
            odd.push(format!("{} can be forged", contract::MESSAGE_IP));
        }
        marked(self.parameter(parameter::QUEUE), &odd)
    }
}

/// The attributes of a message as the integration takes them: JSON, with a variable in each value. The address comes last: what
/// a visitor sends in a header is put into this text as it is, and of two values of one name the later one counts.
fn rendered(attributes: &BTreeMap<String, String>) -> String {
    let (last, first): (Vec<_>, Vec<_>) =
        attributes.iter().partition(|(name, _)| *name == contract::MESSAGE_IP);
    let mut text = String::from("{");
    for (at, (name, variable)) in first.into_iter().chain(last).enumerate() {
        let comma = if at == 0 { "" } else { "," };
        let (name, value) = (Json::from(name.as_str()), Json::from(format!("${{{variable}}}")));
        // Writing to a text does not fail.
        let _ = write!(text, r#"{comma}{name}:{{"DataType":"String","StringValue":{value}}}"#);
    }
    text.push('}');
    text
}

/// The attributes in such a text, each the variable that it is taken from; a value that is no variable as it is.
fn parsed(text: &str) -> BTreeMap<String, String> {
    let Ok(Json::Object(all)) = serde_json::from_str(text) else {
        return if text.is_empty() { BTreeMap::new() } else { [(text.to_owned(), String::new())].into() };
    };
    let variable = |attribute: &Json| {
        let value = attribute.get("StringValue").and_then(Json::as_str);
        let inner = value.and_then(|value| value.strip_prefix("${")?.strip_suffix('}'));
        inner.or(value).map_or_else(|| attribute.to_string(), str::to_owned)
    };
    all.iter().map(|(name, attribute)| (name.clone(), variable(attribute))).collect()
}

/// Whether no attribute comes after the address.
fn is_address_last(text: &str) -> bool {
    let place = |name: &str| text.rfind(&format!("{}:", Json::from(name)));
    let others = parsed(text).into_keys().filter(|name| name != contract::MESSAGE_IP);
    place(contract::MESSAGE_IP).is_none_or(|ip| others.filter_map(|name| place(&name)).all(|at| at < ip))
}

fn parameters(want: &Ingest) -> HashMap<String, String> {
    HashMap::from([
        (parameter::QUEUE.to_owned(), want.queue_url.get().cloned().unwrap_or_default()),
        (parameter::BODY.to_owned(), BODY.to_owned()),
        (parameter::ATTRIBUTES.to_owned(), rendered(&want.attributes)),
    ])
}

impl Parts {
    /// The integration that is our way to a queue: the one that its route goes to, or else the one that we described so.
    /// Others are somebody's own.
    pub(super) fn ingest(&self) -> Option<(&Integration, &ToQueue)> {
        let all = || self.integrations.iter().filter_map(|it| Some((it, it.to_queue.as_ref()?)));
        let is_on_route = |it: &Integration| {
            let goes_there =
                |route: &Route| route.key == contract::INGEST_ROUTE && route.target == it.target();
            self.routes.iter().any(goes_there)
        };
        all().find(|(it, _)| is_on_route(it)).or_else(|| all().find(|(_, it)| it.description == DESCRIPTION))
    }

    /// It as a spec; without a route, it is not in use.
    pub(super) fn ingest_spec(&self) -> Option<Ingest> {
        let (integration, it) = self.ingest()?;
        let mut routes =
            self.routes.iter().filter(|route| route.is_open && route.target == integration.target());
        Some(Ingest {
            route: routes.next().map(|route| route.key.clone()).unwrap_or_default(),
            queue_url: it.queue_url().into(),
            role_arn: it.role_arn.clone().into(),
            attributes: parsed(it.parameter(parameter::ATTRIBUTES)),
        })
    }
}

impl ApiCalls<'_> {
    /// Brings the integration to what is wanted, and returns what routes to it say.
    pub(super) async fn reconcile_ingest(&self, parts: &Parts, want: &Ingest) -> Result<String, Fault> {
        let part = "the way to the queue";
        let role = want.role_arn.get().cloned();
        let Some((there, it)) = parts.ingest() else {
            let request = self
                .apis
                .client
                .create_integration()
                .api_id(self.id)
                .integration_type(types::IntegrationType::AwsProxy)
                .integration_subtype(SUBTYPE)
                .payload_format_version(PAYLOAD)
                .description(DESCRIPTION)
                .set_credentials_arn(role)
                .set_request_parameters(Some(parameters(want)));
            let call = self.call_in("create", part, "apigateway:CreateIntegration");
            let made = call.send(|| request.clone().send()).await?;
            return Ok(format!("integrations/{}", made.integration_id.unwrap_or_default()));
        };
        let route = want.route.clone();
        if parts.ingest_spec().map(|have| Ingest { route, ..have }).as_ref() != Some(want) {
            // A parameter is removed by setting it to nothing.
            let nothing = it.others().map(|name| (name.to_owned(), String::new()));
            let request = self
                .apis
                .client
                .update_integration()
                .api_id(self.id)
                .integration_id(&there.id)
                .integration_type(types::IntegrationType::AwsProxy)
                .integration_subtype(SUBTYPE)
                .payload_format_version(PAYLOAD)
                .description(DESCRIPTION)
                .set_credentials_arn(role)
                .set_request_parameters(Some(parameters(want).into_iter().chain(nothing).collect()));
            let call = self.call_in("change", part, "apigateway:UpdateIntegration");
            call.send(|| request.clone().send()).await?;
        }
        Ok(there.target())
    }
}

#[cfg(test)]
#[path = "ingest_tests.rs"]
mod tests;
