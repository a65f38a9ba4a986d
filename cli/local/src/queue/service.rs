//! SQS's JSON protocol: the operations `AmazonSQS.*` that SDKs call.
//!
//! Only the deployer creates, changes and deletes queues, through the control API. The operations for this fail here,
//! as do those of message move tasks; their error names the `hitctl` command to use instead.

mod batch;
mod describe;
mod requests;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use hyper::StatusCode;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value as Json, json};

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::error::SqsError;
use super::{
    MessageAttributes, NewMessage, Queue, QueueMessage, Queues, Receipt, ReceiveOptions, VisibilityChange,
    check, md5_of_attributes,
};
use crate::endpoint::{AwsService, ServiceRequest};
use crate::service_response::{JSON, ServiceResponse};

/// The maximum number of messages in one receive.
const MAX_MESSAGES: i64 = 10;
/// The maximum time that a receive waits for the first message, in seconds.
const MAX_WAIT_S: i64 = 20;
/// The maximum visibility timeout, in seconds.
const MAX_VISIBILITY_TIMEOUT_S: i64 = 43_200;

impl AwsService for Queues {
    fn handle(&self, request: ServiceRequest) -> BoxFuture<'_, ServiceResponse> {
        async move {
            match self.run_operation(&request.operation, &request.body).await {
                Ok(body) => ServiceResponse::new(StatusCode::OK, JSON, body),
                Err(error) => error_response(&error),
            }
        }
        .boxed()
    }
}

/// Creates SQS's response for an error. Clients of the older query protocol read the code from the header
/// `x-amzn-query-error`.
fn error_response(error: &SqsError) -> ServiceResponse {
    let (name, code) = error.name_and_code();
    let namespace = match error {
        SqsError::InvalidParameter(_)
        | SqsError::MessageNotFound(_)
        | SqsError::MissingParameter(_)
        | SqsError::UnknownOperation(_) => "com.amazon.coral.service",
        _ => "com.amazonaws.sqs",
    };
    let (status, fault_type) = if error.is_sender_fault() {
        (StatusCode::BAD_REQUEST, "Sender")
    } else {
        (StatusCode::INTERNAL_SERVER_ERROR, "Receiver")
    };
    let response =
        ServiceResponse::json_error(status, JSON, &format!("{namespace}#{name}"), &error.to_string());
    response.header("x-amzn-query-error", &format!("{code};{fault_type}"))
}

impl Queues {
    async fn run_operation(&self, operation: &str, body: &[u8]) -> Result<Vec<u8>, SqsError> {
        match operation {
            "SendMessage" => to_json(&self.send_message_request(parse(body)?).await?),
            "SendMessageBatch" => to_json(&self.send_batch(parse(body)?).await?),
            "ReceiveMessage" => to_json(&self.receive_messages(parse(body)?).await?),
            "DeleteMessage" => {
                let request: requests::DeleteMessageRequest = parse(body)?;
                self.find_queue(&request.queue_url)?;
                self.delete_messages(vec![parse_receipt(&request.receipt_handle)?]).await?;
                Ok(Vec::new())
            }
            "DeleteMessageBatch" => to_json(&self.delete_batch(parse(body)?).await?),
            "ChangeMessageVisibility" => {
                self.change_message_visibility(parse(body)?).await?;
                Ok(Vec::new())
            }
            "ChangeMessageVisibilityBatch" => to_json(&self.change_visibility_batch(parse(body)?).await?),
            "GetQueueUrl" => to_json(&self.queue_url(&parse(body)?)?),
            "GetQueueAttributes" => to_json(&self.queue_attributes(parse(body)?).await?),
            "ListQueues" => to_json(&self.list(&parse(body)?)),
            "ListDeadLetterSourceQueues" => to_json(&self.dead_letter_sources(&parse(body)?)?),
            "ListQueueTags" => {
                let request: requests::QueueUrlRequest = parse(body)?;
                to_json(&json!({ "Tags": self.find_queue(&request.queue_url)?.spec().tags }))
            }
            "PurgeQueue" => {
                let request: requests::QueueUrlRequest = parse(body)?;
                self.purge(&self.find_queue(&request.queue_url)?).await?;
                Ok(Vec::new())
            }
            "CreateQueue" | "DeleteQueue" | "SetQueueAttributes" | "TagQueue" | "UntagQueue"
            | "AddPermission" | "RemovePermission" => Err(SqsError::Unsupported(format!(
                "{operation} is not supported. Run `hitctl deploy --env local` to create or change the queues of the local cloud."
            ))),
            "StartMessageMoveTask" | "CancelMessageMoveTask" | "ListMessageMoveTasks" => {
                Err(SqsError::Unsupported(format!(
                    "{operation} is not supported. Run `hitctl dlq redrive --env local` to redrive dead letters."
                )))
            }
            _ => Err(SqsError::UnknownOperation(operation.to_owned())),
        }
    }

    fn find_queue(&self, url: &str) -> Result<Arc<Queue>, SqsError> {
        self.by_url(url).ok_or(SqsError::QueueDoesNotExist)
    }

    async fn send_message_request(&self, request: requests::SendMessageRequest) -> Result<Json, SqsError> {
        let queue = self.find_queue(&request.queue_url)?;
        let message = new_message(request.content)?;
        check::message(&message)?;
        let trace_header = message.trace_header.clone();
        let sent = self.send(&queue, vec![message]).await?.pop();
        let sent = sent.ok_or_else(|| {
            SqsError::InvalidParameter("internal error: no message was sent; please report it".to_owned())
        })?;
        Ok(batch::send_result_json(&sent, trace_header.as_deref(), None))
    }

    async fn receive_messages(&self, request: requests::ReceiveMessageRequest) -> Result<Json, SqsError> {
        let queue = self.find_queue(&request.queue_url)?;
        let max =
            in_range(request.max_number_of_messages.unwrap_or(1), "MaxNumberOfMessages", 1, MAX_MESSAGES)?;
        let wait = in_range(request.wait_time_seconds.unwrap_or(0), "WaitTimeSeconds", 0, MAX_WAIT_S)?;
        let visibility_timeout_s = request.visibility_timeout.map(visibility_timeout).transpose()?;
        let options = ReceiveOptions {
            max: usize::try_from(max).unwrap_or(1),
            visibility_timeout_s,
            wait: Duration::from_secs(u64::from(wait)),
        };
        let system_filters = [request.attribute_names, request.message_system_attribute_names].concat();
        let messages = self.receive(&queue, options).await?.into_messages();
        if messages.is_empty() {
            return Ok(json!({}));
        }
        let json =
            |message: &QueueMessage| message_json(message, &request.message_attribute_names, &system_filters);
        Ok(json!({ "Messages": messages.iter().map(json).collect::<Vec<_>>() }))
    }

    async fn change_message_visibility(
        &self,
        request: requests::ChangeMessageVisibilityRequest,
    ) -> Result<(), SqsError> {
        let queue = self.find_queue(&request.queue_url)?;
        let (receipt, seconds) =
            (parse_receipt(&request.receipt_handle)?, visibility_timeout(request.visibility_timeout)?);
        let changes = self.change_visibility(&queue, vec![(receipt, seconds)]).await?;
        changes.first().map_or(Ok(()), |change| visibility_result(*change, &request.receipt_handle))
    }
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, SqsError> {
    serde_json::from_slice(body).map_err(|error| {
        let text = error.to_string();
        match text.strip_prefix("missing field `").and_then(|rest| rest.split('`').next()) {
            Some(field) => SqsError::MissingParameter(field.to_owned()),
            None => SqsError::InvalidParameter(format!("The request is not valid: {text}.")),
        }
    })
}

fn to_json<T: Serialize>(response: &T) -> Result<Vec<u8>, SqsError> {
    serde_json::to_vec(response).map_err(|error| SqsError::InvalidParameter(error.to_string()))
}

fn parse_receipt(handle: &str) -> Result<Receipt, SqsError> {
    Receipt::parse(handle).ok_or_else(|| SqsError::InvalidReceiptHandle(handle.to_owned()))
}

fn visibility_result(change: VisibilityChange, handle: &str) -> Result<(), SqsError> {
    match change {
        VisibilityChange::Changed => Ok(()),
        VisibilityChange::NotInFlight => Err(SqsError::NotInFlight),
        VisibilityChange::NotFound => Err(SqsError::MessageNotFound(handle.to_owned())),
    }
}

fn in_range(value: i64, name: &str, min: i64, max: i64) -> Result<u32, SqsError> {
    let fits = u32::try_from(value).ok().filter(|_| (min..=max).contains(&value));
    fits.ok_or_else(|| SqsError::out_of_range(value, name, min, max))
}

fn visibility_timeout(seconds: i64) -> Result<u32, SqsError> {
    in_range(seconds, "VisibilityTimeout", 0, MAX_VISIBILITY_TIMEOUT_S)
}

/// Converts the message of a request.
fn new_message(message: requests::MessageContent) -> Result<NewMessage, SqsError> {
    let delay = message.delay_seconds.unwrap_or(0);
    check::delay(delay)?;
    let mut trace_header = None;
    for (name, value) in message.message_system_attributes {
        match value.string_value.filter(|_| name == "AWSTraceHeader") {
            Some(value) => trace_header = Some(value),
            None => {
                return Err(SqsError::InvalidParameter(format!(
                    "Message system attribute name '{name}' is invalid."
                )));
            }
        }
    }
    let body = message.message_body.ok_or_else(|| SqsError::MissingParameter("MessageBody".to_owned()))?;
    let attributes = message.message_attributes;
    Ok(NewMessage { body, attributes, trace_header, delay_s: u32::try_from(delay).unwrap_or(0) })
}

/// Returns a received message as SQS's JSON.
fn message_json(message: &QueueMessage, attribute_filters: &[String], system_filters: &[String]) -> Json {
    let mut json = json!({
        "MessageId": message.id,
        "ReceiptHandle": message.receipt().handle(),
        "MD5OfBody": message.md5,
        "Body": message.body,
    });
    let all = system_filters.iter().any(|name| name == "All");
    let attributes: BTreeMap<_, _> = message
        .system_attributes()
        .into_iter()
        .filter(|(name, _)| all || system_filters.iter().any(|filter| filter == name))
        .collect();
    if !attributes.is_empty() {
        json["Attributes"] = json!(attributes);
    }
    let attributes: MessageAttributes = message
        .attributes
        .iter()
        .filter(|(name, _)| attribute_filters.iter().any(|filter| filter_matches(name, filter)))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    if let Some(md5) = md5_of_attributes(&attributes) {
        json["MD5OfMessageAttributes"] = md5.into();
        json["MessageAttributes"] = json!(attributes);
    }
    json
}

/// Returns whether a filter matches an attribute's name. A filter is `All`, `.*`, a name, or a prefix such as `prefix.*`.
fn filter_matches(name: &str, filter: &str) -> bool {
    filter == "All"
        || filter == name
        || filter.strip_suffix(".*").is_some_and(|prefix| name.starts_with(prefix))
}
