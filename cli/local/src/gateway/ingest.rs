//! The integration `SQS-SendMessage`: a request's body becomes a message on a queue, and no function is asked.
//!
//! As API Gateway's guide has it ("Integration subtype reference", and AWS's own messages that users report): a value that the
//! integration is mapped to and the request does not have is 400; what SQS answers is passed on, as JSON.

use std::collections::BTreeMap;
use std::net::IpAddr;

use bytes::Bytes;
use hitctl_engine::Fault;
use hitctl_resources::Ingest as Spec;
use hyper::header::{HeaderMap, USER_AGENT};
use hyper::{Response, StatusCode};
use serde_json::json;

use crate::constants::{ACCOUNT, REGION};
use crate::ids::uuid;
use crate::queue::Sent;
use crate::queue_sender::{OutboundMessage, QueueSender, SendError};
use crate::response;

/// The integration, ready to be served.
pub(super) struct Ingest {
    pub(super) route: String,
    queue_arn: String,
    attributes: BTreeMap<String, Variable>,
}

/// A part of a request.
enum Variable {
    SourceIp,
    UserAgent,
    Header(String),
}

impl Variable {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "context.identity.sourceIp" => Some(Self::SourceIp),
            "context.identity.userAgent" => Some(Self::UserAgent),
            text => text.strip_prefix("request.header.").map(|name| Self::Header(name.to_ascii_lowercase())),
        }
    }

    /// Its value; `None` if the request has none. Duplicates of a header are joined, as for functions.
    fn of(&self, headers: &HeaderMap, source: IpAddr) -> Option<String> {
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

impl Ingest {
    pub(super) fn new(spec: &Spec) -> Result<Self, Fault> {
        let invalid =
            |why: String| Fault::fatal("bad_integration", "the way to the queue is not valid").caused_by(why);
        let url = spec.queue_url.get().ok_or_else(|| invalid("its queue_url is not known yet".to_owned()))?;
        let name = url.rsplit('/').next().unwrap_or_default();
        let variable = |(name, text): (&String, &String)| {
            let variable = Variable::parse(text)
                .ok_or_else(|| invalid(format!("this cloud has no variable ${{{text}}}")))?;
            Ok((name.clone(), variable))
        };
        Ok(Self {
            route: spec.route.clone(),
            queue_arn: format!("arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"),
            attributes: spec.attributes.iter().map(variable).collect::<Result<_, Fault>>()?,
        })
    }

    /// Puts a request on the queue, and answers as SQS does.
    pub(super) async fn take(
        &self,
        post: Option<&dyn QueueSender>,
        headers: &HeaderMap,
        body: &Bytes,
        source: IpAddr,
    ) -> Response<Bytes> {
        let Some(body) = std::str::from_utf8(body).ok().filter(|body| !body.is_empty()) else {
            return unresolved("MessageBody");
        };
        let attributes: Option<BTreeMap<String, String>> = self
            .attributes
            .iter()
            .map(|(name, variable)| Some((name.clone(), variable.of(headers, source)?)))
            .collect();
        let Some(attributes) = attributes else { return unresolved("MessageAttributes") };
        let queue_arn = self.queue_arn.clone();
        let message = OutboundMessage { queue_arn, body: body.to_owned(), attributes, sender_arn: None };
        let posted = match post {
            Some(post) => post.send_message(message).await,
            None => Err(SendError::NoQueue),
        };
        match posted {
            Ok(posted) => sent(&posted),
            Err(why) => refused(&why),
        }
    }
}

fn sent(sent: &Sent) -> Response<Bytes> {
    let result = json!({
        "MD5OfMessageAttributes": sent.attributes_md5, "MD5OfMessageBody": sent.md5,
        "MD5OfMessageSystemAttributes": null, "MessageId": sent.message_id, "SequenceNumber": null,
    });
    let body = json!({ "SendMessageResponse": {
        "ResponseMetadata": { "RequestId": uuid() }, "SendMessageResult": result,
    } });
    response::json(StatusCode::OK, body.to_string())
}

/// What SQS refuses, in its form.
fn refused(why: &SendError) -> Response<Bytes> {
    let (status, kind, code) = match why {
        SendError::NoQueue => (StatusCode::BAD_REQUEST, "Sender", "AWS.SimpleQueueService.NonExistentQueue"),
        SendError::Forbidden => (StatusCode::FORBIDDEN, "Sender", "AccessDenied"),
        SendError::Refused(_) => (StatusCode::BAD_REQUEST, "Sender", "InvalidMessageContents"),
        SendError::Failed(_) => (StatusCode::INTERNAL_SERVER_ERROR, "Receiver", "InternalFailure"),
    };
    let error = json!({ "Type": kind, "Code": code, "Message": why.to_string() });
    response::json(status, json!({ "Error": error, "RequestId": uuid() }).to_string())
}

fn unresolved(parameter: &str) -> Response<Bytes> {
    let text = format!(
        "Unable to resolve property {parameter} from the request. Please make sure that the request to API Gateway contains all \
         the necessary fields specified in request parameters."
    );
    response::message(StatusCode::BAD_REQUEST, &text)
}

#[cfg(test)]
#[path = "ingest_tests.rs"]
mod tests;
