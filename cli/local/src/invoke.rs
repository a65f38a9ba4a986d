//! Lambda's `Invoke` at the endpoint of this machine's services: a function calls another one, and waits for it or not. It does
//! not run functions; the runner does, and the bus keeps what is asynchronous.

use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use hyper::{Method, StatusCode};
use serde_json::json;

use crate::answer::Answer;
use crate::bus::Bus;
use crate::fault::with_cause;
use crate::front::{Call, Service};
use crate::lambda::{InvokeError, Runner};

/// The prefix of the paths of this version of the API.
pub(crate) const PREFIX: &str = "/2015-03-31/functions/";
/// The largest event of an asynchronous invocation: 1 MB (AWS's guide, "Lambda quotas").
const MAX_EVENT_BYTES: usize = 1024 * 1024;
const JSON: &str = "application/json";

/// `Invoke`, as a service.
pub(crate) struct Invocations {
    pub(crate) runner: Runner,
    pub(crate) bus: Bus,
}

impl Service for Invocations {
    fn answer(&self, call: Call) -> BoxFuture<'_, Answer> {
        async move {
            match self.invoke(call).await {
                Ok(answer) => answer,
                Err((status, kind, message)) => {
                    let body = json!({ "Type": "User", "Message": message }).to_string();
                    Answer::new(status, JSON, body).header("x-amzn-errortype", kind)
                }
            }
        }
        .boxed()
    }
}

/// An error of the service: its status, its type, and a sentence.
type Refused = (StatusCode, &'static str, String);

impl Invocations {
    async fn invoke(&self, call: Call) -> Result<Answer, Refused> {
        let path = call.uri.path().strip_prefix(PREFIX).unwrap_or_default();
        let unknown = || {
            let message = "the local cloud has Invoke only".to_owned();
            (StatusCode::NOT_FOUND, "UnknownOperationException", message)
        };
        let qualified = path.strip_suffix("/invocations").filter(|_| call.method == Method::POST);
        let qualified = qualified.ok_or_else(unknown)?.replace("%3A", ":").replace("%3a", ":");
        // A whole ARN, or a name; a version or alias may follow, and here there is one version.
        let name = qualified.rsplit_once(":function:").map_or(qualified.as_str(), |(_, name)| name);
        let name = name.split(':').next().unwrap_or_default();
        if !self.runner.has(name) {
            let message = format!("Function not found: {name}");
            return Err((StatusCode::NOT_FOUND, "ResourceNotFoundException", message));
        }
        match call.header("x-amz-invocation-type").unwrap_or("RequestResponse") {
            "RequestResponse" => self.run(name, call.body).await,
            "Event" => self.accept(name, &call.body).await,
            "DryRun" => Ok(Answer::new(StatusCode::NO_CONTENT, JSON, "")),
            other => {
                let message = format!("Value {other} at 'invocationType' failed to satisfy constraint");
                Err((StatusCode::BAD_REQUEST, "InvalidParameterValueException", message))
            }
        }
    }

    async fn run(&self, name: &str, event: Bytes) -> Result<Answer, Refused> {
        let invocation = self.runner.invoke(name, event).await.map_err(|error| {
            let status = match error {
                InvokeError::NoSuchFunction => StatusCode::NOT_FOUND,
                InvokeError::TooManyRequests { .. } => StatusCode::TOO_MANY_REQUESTS,
                InvokeError::PayloadTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
                InvokeError::Stopping | InvokeError::NeverStarted => StatusCode::INTERNAL_SERVER_ERROR,
            };
            (status, error.code(), error.to_string())
        })?;
        let answer = Answer::new(StatusCode::OK, JSON, invocation.payload);
        Ok(match invocation.function_error {
            Some(error) => answer.header("x-amz-function-error", &error),
            None => answer,
        })
    }

    async fn accept(&self, name: &str, event: &[u8]) -> Result<Answer, Refused> {
        if event.len() > MAX_EVENT_BYTES {
            let message = format!("{} byte payload is too large for the Event invocation type", event.len());
            return Err((StatusCode::PAYLOAD_TOO_LARGE, "RequestTooLargeException", message));
        }
        let event = std::str::from_utf8(event).ok().filter(|text| is_json(text)).ok_or_else(|| {
            let message = "Could not parse request body into json".to_owned();
            (StatusCode::BAD_REQUEST, "InvalidRequestContentException", message)
        })?;
        self.bus
            .invoke_later(name, event.to_owned())
            .await
            .map_err(|fault| (StatusCode::INTERNAL_SERVER_ERROR, "ServiceException", with_cause(&fault)))?;
        Ok(Answer::new(StatusCode::ACCEPTED, JSON, ""))
    }
}

fn is_json(text: &str) -> bool {
    serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
}
