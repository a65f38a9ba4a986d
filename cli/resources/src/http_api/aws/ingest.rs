//! The ingest integration, which sends the body of a request to a queue without invoking the function. The message
//! attributes contain facts about the client, such as its IP address.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;

use aws_sdk_apigatewayv2::types;
use hitctl_config::contract;
use hitctl_engine::Fault;
use serde_json::Value as Json;

use super::client::ApiCalls;
use super::parts::{ApiParts, Integration, Route, with_differences};
use crate::http_api::spec::IngestRoute;

/// The integration's subtype (API Gateway's guide, "Integration subtype reference").
const INTEGRATION_SUBTYPE: &str = "SQS-SendMessage";
/// The only payload version of integrations with this subtype.
const PAYLOAD_VERSION: &str = "1.0";
/// The description that identifies our integration.
const DESCRIPTION: &str = "hitctl: hits to the queue";
/// The variable for the whole body of the request.
const BODY: &str = "$request.body";

/// The names of the integration's parameters.
mod parameter {
    pub(super) const QUEUE: &str = "QueueUrl";
    pub(super) const BODY: &str = "MessageBody";
    pub(super) const ATTRIBUTES: &str = "MessageAttributes";
}

/// The settings of an integration that sends requests to a queue.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct QueueIntegration {
    subtype: Option<String>,
    description: String,
    payload: String,
    role_arn: String,
    parameters: BTreeMap<String, String>,
}

impl QueueIntegration {
    /// Converts an integration. Returns `None` if it has a URI or no queue, that is, for another kind of integration.
    pub(super) fn from_sdk(integration: &types::Integration) -> Option<Self> {
        let parameters = integration
            .request_parameters()
            .filter(|parameters| parameters.contains_key(parameter::QUEUE))?;
        if integration.integration_uri().is_some_and(|uri| !uri.is_empty()) {
            return None;
        }
        let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
        Some(Self {
            subtype: integration.integration_subtype().map(str::to_owned),
            description: text(integration.description()),
            payload: text(integration.payload_format_version()),
            role_arn: text(integration.credentials_arn()),
            parameters: parameters.clone().into_iter().collect(),
        })
    }

    fn parameter(&self, name: &str) -> &str {
        self.parameters.get(name).map_or("", String::as_str)
    }

    /// Returns the names of the parameters that we never set.
    fn unknown_parameters(&self) -> impl Iterator<Item = &str> {
        let ours = [parameter::QUEUE, parameter::BODY, parameter::ATTRIBUTES];
        self.parameters.keys().map(String::as_str).filter(move |name| !ours.contains(name))
    }

    /// Returns the URL of the queue, with notes about settings that differ from ours.
    fn queue_url(&self) -> String {
        let mut differences = Vec::new();
        if let Some(subtype) = self.subtype.as_deref().filter(|subtype| *subtype != INTEGRATION_SUBTYPE) {
            differences.push(format!("subtype {subtype}"));
        }
        if self.payload != PAYLOAD_VERSION {
            differences.push(format!("payload format {}", self.payload));
        }
        if self.parameter(parameter::BODY) != BODY {
            differences.push(format!("body {}", self.parameter(parameter::BODY)));
        }
        differences.extend(self.unknown_parameters().map(|name| format!("parameter {name}")));
        if !is_ip_last(self.parameter(parameter::ATTRIBUTES)) {
            differences.push(format!("message attribute {} can be forged", contract::MESSAGE_IP));
        }
        with_differences(self.parameter(parameter::QUEUE), &differences)
    }
}

/// Renders the message attributes for the integration: JSON with a variable as each value. The IP address is last,
/// because API Gateway inserts header values unescaped: a header could add a second `ip`, but if a name occurs twice,
/// the last one is used.
fn render_attributes(attributes: &BTreeMap<String, String>) -> String {
    let (last, first): (Vec<_>, Vec<_>) =
        attributes.iter().partition(|(name, _)| *name == contract::MESSAGE_IP);
    let mut text = String::from("{");
    for (index, (name, variable)) in first.into_iter().chain(last).enumerate() {
        let comma = if index == 0 { "" } else { "," };
        let (name, value) = (Json::from(name.as_str()), Json::from(format!("${{{variable}}}")));
        // Writing to a `String` does not fail.
        let _ = write!(text, r#"{comma}{name}:{{"DataType":"String","StringValue":{value}}}"#);
    }
    text.push('}');
    text
}

/// Parses rendered message attributes. Returns the variable of each attribute, or its value if it is not a variable.
fn parse_attributes(text: &str) -> BTreeMap<String, String> {
    let Ok(Json::Object(attributes)) = serde_json::from_str(text) else {
        return if text.is_empty() { BTreeMap::new() } else { [(text.to_owned(), String::new())].into() };
    };
    let variable = |attribute: &Json| {
        let value = attribute.get("StringValue").and_then(Json::as_str);
        let inner = value.and_then(|value| value.strip_prefix("${")?.strip_suffix('}'));
        inner.or(value).map_or_else(|| attribute.to_string(), str::to_owned)
    };
    attributes.iter().map(|(name, attribute)| (name.clone(), variable(attribute))).collect()
}

/// Whether no attribute follows the IP address.
fn is_ip_last(text: &str) -> bool {
    let last_position = |name: &str| text.rfind(&format!("{}:", Json::from(name)));
    let others = parse_attributes(text).into_keys().filter(|name| name != contract::MESSAGE_IP);
    last_position(contract::MESSAGE_IP)
        .is_none_or(|ip| others.filter_map(|name| last_position(&name)).all(|other| other < ip))
}

fn parameters(want: &IngestRoute) -> HashMap<String, String> {
    HashMap::from([
        (parameter::QUEUE.to_owned(), want.queue_url.get().cloned().unwrap_or_default()),
        (parameter::BODY.to_owned(), BODY.to_owned()),
        (parameter::ATTRIBUTES.to_owned(), render_attributes(&want.attributes)),
    ])
}

impl ApiParts {
    /// Returns our integration with a queue: the target of the ingest route, otherwise the integration with our
    /// description. All other integrations with a queue are not ours.
    pub(super) fn ingest(&self) -> Option<(&Integration, &QueueIntegration)> {
        let queue_integrations =
            || self.integrations.iter().filter_map(|candidate| Some((candidate, candidate.queue.as_ref()?)));
        let is_on_route = |candidate: &Integration| {
            let is_ingest_route =
                |route: &Route| route.key == contract::INGEST_ROUTE && route.target == candidate.target();
            self.routes.iter().any(is_ingest_route)
        };
        queue_integrations()
            .find(|(candidate, _)| is_on_route(candidate))
            .or_else(|| queue_integrations().find(|(_, candidate)| candidate.description == DESCRIPTION))
    }

    /// Converts the integration to a spec. If no route uses the integration, the spec's route is empty.
    pub(super) fn ingest_spec(&self) -> Option<IngestRoute> {
        let (integration, queue) = self.ingest()?;
        let mut routes =
            self.routes.iter().filter(|route| route.is_public && route.target == integration.target());
        Some(IngestRoute {
            route: routes.next().map(|route| route.key.clone()).unwrap_or_default(),
            queue_url: queue.queue_url().into(),
            role_arn: queue.role_arn.clone().into(),
            attributes: parse_attributes(queue.parameter(parameter::ATTRIBUTES)),
        })
    }
}

impl ApiCalls<'_> {
    /// Reconciles the integration with the wanted spec, and returns the target for its routes.
    pub(super) async fn reconcile_ingest(
        &self,
        parts: &ApiParts,
        want: &IngestRoute,
    ) -> Result<String, Fault> {
        let part = "the queue integration";
        let role_arn = want.role_arn.get().cloned();
        let Some((integration, queue)) = parts.ingest() else {
            let request = self
                .apis
                .client
                .create_integration()
                .api_id(self.id)
                .integration_type(types::IntegrationType::AwsProxy)
                .integration_subtype(INTEGRATION_SUBTYPE)
                .payload_format_version(PAYLOAD_VERSION)
                .description(DESCRIPTION)
                .set_credentials_arn(role_arn)
                .set_request_parameters(Some(parameters(want)));
            let call = self.call_existing("create", part, "apigateway:CreateIntegration");
            let created = call.send(|| request.clone().send()).await?;
            return Ok(format!("integrations/{}", created.integration_id.unwrap_or_default()));
        };
        let route = want.route.clone();
        if parts.ingest_spec().map(|have| IngestRoute { route, ..have }).as_ref() != Some(want) {
            // An empty value removes a parameter.
            let cleared = queue.unknown_parameters().map(|name| (name.to_owned(), String::new()));
            let request = self
                .apis
                .client
                .update_integration()
                .api_id(self.id)
                .integration_id(&integration.id)
                .integration_type(types::IntegrationType::AwsProxy)
                .integration_subtype(INTEGRATION_SUBTYPE)
                .payload_format_version(PAYLOAD_VERSION)
                .description(DESCRIPTION)
                .set_credentials_arn(role_arn)
                .set_request_parameters(Some(parameters(want).into_iter().chain(cleared).collect()));
            let call = self.call_existing("change", part, "apigateway:UpdateIntegration");
            call.send(|| request.clone().send()).await?;
        }
        Ok(integration.target())
    }
}

#[cfg(test)]
mod tests;
