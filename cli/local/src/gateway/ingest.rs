//! The `SQS-SendMessage` integration: sends the body of a request to a queue, without a function.
//!
//! As in API Gateway's guide ("Integration subtype reference", and AWS's messages that users report): a
//! request without a value that the integration maps gets status 400. Responses of SQS are passed on as JSON.

use std::collections::BTreeMap;
use std::net::IpAddr;

use bytes::Bytes;
use hitctl_engine::Fault;
use hitctl_resources::IngestRoute as Spec;
use hyper::header::{HeaderMap, USER_AGENT};
use hyper::{Response, StatusCode};
use serde_json::json;

use crate::constants::{ACCOUNT, REGION};
use crate::ids::uuid;
use crate::queue::SendMessageResult;
use crate::queue_sender::{OutboundMessage, QueueSender, SendError};
use crate::response;

/// An integration that is ready to handle requests.
pub(super) struct SqsIntegration {
    pub(super) route: String,
    queue_arn: String,
    attributes: BTreeMap<String, RequestVariable>,
}

/// A value of the request that a message attribute is mapped to.
enum RequestVariable {
    SourceIp,
    UserAgent,
    Header(String),
}

impl RequestVariable {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "context.identity.sourceIp" => Some(Self::SourceIp),
            "context.identity.userAgent" => Some(Self::UserAgent),
            text => text.strip_prefix("request.header.").map(|name| Self::Header(name.to_ascii_lowercase())),
        }
    }

    /// Returns the value, or `None` if the request does not have it. Duplicates of a header are joined, as
    /// for functions.
    fn resolve(&self, headers: &HeaderMap, source: IpAddr) -> Option<String> {
        let header = |name: &str| {
            let values: Option<Vec<&str>> =
                headers.get_all(name).iter().map(|value| value.to_str().ok()).collect();
            values.map(|values| values.join(",")).filter(|text| !text.is_empty())
        };
        match self {
            Self::SourceIp => Some(source.to_canonical().to_string()),
            Self::UserAgent => header(USER_AGENT.as_str()),
            Self::Header(name) => header(name),
        }
    }
}

impl SqsIntegration {
    pub(super) fn new(spec: &Spec) -> Result<Self, Fault> {
        let invalid =
            |why: String| Fault::fatal("bad_integration", "the SQS integration is not valid").caused_by(why);
        let unresolved = "queue_url: expected a value, found an unresolved reference";
        let url = spec.queue_url.get().ok_or_else(|| invalid(unresolved.to_owned()))?;
        let name = url.rsplit('/').next().unwrap_or_default();
        let variable = |(name, text): (&String, &String)| {
            let variable = RequestVariable::parse(text).ok_or_else(|| {
                invalid(format!("the local cloud does not support the variable ${{{text}}}"))
            })?;
            Ok((name.clone(), variable))
        };
        Ok(Self {
            route: spec.route.clone(),
            queue_arn: format!("arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"),
            attributes: spec.attributes.iter().map(variable).collect::<Result<_, Fault>>()?,
        })
    }

    /// Sends the body of a request to the queue, and returns the response of SQS.
    pub(super) async fn send(
        &self,
        sender: Option<&dyn QueueSender>,
        headers: &HeaderMap,
        body: &Bytes,
        source: IpAddr,
    ) -> Response<Bytes> {
        let Some(body) = std::str::from_utf8(body).ok().filter(|body| !body.is_empty()) else {
            return unresolved_property("MessageBody");
        };
        let attributes: Option<BTreeMap<String, String>> = self
            .attributes
            .iter()
            .map(|(name, variable)| Some((name.clone(), variable.resolve(headers, source)?)))
            .collect();
        let Some(attributes) = attributes else { return unresolved_property("MessageAttributes") };
        let queue_arn = self.queue_arn.clone();
        let message = OutboundMessage { queue_arn, body: body.to_owned(), attributes, sender_arn: None };
        let result = match sender {
            Some(sender) => sender.send_message(message).await,
            None => Err(SendError::NoQueue),
        };
        match result {
            Ok(result) => sent_response(&result),
            Err(error) => error_response(&error),
        }
    }
}

fn sent_response(sent: &SendMessageResult) -> Response<Bytes> {
    let result = json!({
        "MD5OfMessageAttributes": sent.attributes_md5, "MD5OfMessageBody": sent.md5,
        "MD5OfMessageSystemAttributes": null, "MessageId": sent.message_id, "SequenceNumber": null,
    });
    let body = json!({ "SendMessageResponse": {
        "ResponseMetadata": { "RequestId": uuid() }, "SendMessageResult": result,
    } });
    response::json(StatusCode::OK, body.to_string())
}

/// Returns the response to an error of SQS, in its format.
fn error_response(error: &SendError) -> Response<Bytes> {
    let (status, kind, code) = match error {
        SendError::NoQueue => (StatusCode::BAD_REQUEST, "Sender", "AWS.SimpleQueueService.NonExistentQueue"),
        SendError::Forbidden => (StatusCode::FORBIDDEN, "Sender", "AccessDenied"),
        SendError::Refused(_) => (StatusCode::BAD_REQUEST, "Sender", "InvalidMessageContents"),
        SendError::Failed(_) => (StatusCode::INTERNAL_SERVER_ERROR, "Receiver", "InternalFailure"),
    };
    let error = json!({ "Type": kind, "Code": code, "Message": error.to_string() });
    response::json(status, json!({ "Error": error, "RequestId": uuid() }).to_string())
}

fn unresolved_property(parameter: &str) -> Response<Bytes> {
    let text = format!(
        "Unable to resolve property {parameter} from the request. Please make sure that the request to API Gateway contains all \
         the necessary fields specified in request parameters."
    );
    response::message(StatusCode::BAD_REQUEST, &text)
}

#[cfg(test)]
mod tests;
