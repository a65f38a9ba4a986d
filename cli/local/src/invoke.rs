//! Lambda's `Invoke` operation, synchronous or asynchronous, at the endpoint of the local AWS services. The
//! runner runs the functions, and the bus stores asynchronous events.

use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use hyper::{Method, StatusCode};
use serde_json::json;

use crate::bus::EventBuses;
use crate::endpoint::{AwsService, ServiceRequest};
use crate::fault::with_cause;
use crate::lambda::{InvokeError, Runner};
use crate::service_response::ServiceResponse;

/// The path prefix of this version of the API.
pub(crate) const PREFIX: &str = "/2015-03-31/functions/";
/// The maximum event of an asynchronous invocation, in bytes: 1 MB (AWS's guide, "Lambda quotas").
const MAX_EVENT_BYTES: usize = 1024 * 1024;
const JSON: &str = "application/json";

/// The service that implements `Invoke`.
pub(crate) struct InvokeApi {
    pub(crate) runner: Runner,
    pub(crate) bus: EventBuses,
}

impl AwsService for InvokeApi {
    fn handle(&self, request: ServiceRequest) -> BoxFuture<'_, ServiceResponse> {
        async move {
            match self.invoke(request).await {
                Ok(response) => response,
                Err((status, kind, message)) => {
                    let body = json!({ "Type": "User", "Message": message }).to_string();
                    ServiceResponse::new(status, JSON, body).header("x-amzn-errortype", kind)
                }
            }
        }
        .boxed()
    }
}

/// An error of the service: its status, type and message.
type InvokeApiError = (StatusCode, &'static str, String);

impl InvokeApi {
    async fn invoke(&self, request: ServiceRequest) -> Result<ServiceResponse, InvokeApiError> {
        let path = request.uri.path().strip_prefix(PREFIX).unwrap_or_default();
        let unknown_operation = || {
            let message = "the local cloud supports only Invoke".to_owned();
            (StatusCode::NOT_FOUND, "UnknownOperationException", message)
        };
        let function_ref = path.strip_suffix("/invocations").filter(|_| request.method == Method::POST);
        let function_ref =
            function_ref.ok_or_else(unknown_operation)?.replace("%3A", ":").replace("%3a", ":");
        // The path has an ARN or a name. A version or alias may follow, but is ignored, because the local cloud
        // has only one version.
        let name = function_ref.rsplit_once(":function:").map_or(function_ref.as_str(), |(_, name)| name);
        let name = name.split(':').next().unwrap_or_default();
        if !self.runner.has(name) {
            let message = format!("Function not found: {name}");
            return Err((StatusCode::NOT_FOUND, "ResourceNotFoundException", message));
        }
        match request.header("x-amz-invocation-type").unwrap_or("RequestResponse") {
            "RequestResponse" => self.invoke_sync(name, request.body).await,
            "Event" => self.invoke_async(name, &request.body).await,
            "DryRun" => Ok(ServiceResponse::new(StatusCode::NO_CONTENT, JSON, "")),
            other => {
                let message = format!("Value {other} at 'invocationType' failed to satisfy constraint");
                Err((StatusCode::BAD_REQUEST, "InvalidParameterValueException", message))
            }
        }
    }

    async fn invoke_sync(&self, name: &str, event: Bytes) -> Result<ServiceResponse, InvokeApiError> {
        let invocation = self.runner.invoke(name, event).await.map_err(|error| {
            let status = match error {
                InvokeError::NoSuchFunction => StatusCode::NOT_FOUND,
                InvokeError::TooManyRequests { .. } => StatusCode::TOO_MANY_REQUESTS,
                InvokeError::PayloadTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
                InvokeError::Stopping | InvokeError::NeverStarted => StatusCode::INTERNAL_SERVER_ERROR,
            };
            (status, error.code(), error.to_string())
        })?;
        let response = ServiceResponse::new(StatusCode::OK, JSON, invocation.payload);
        Ok(match invocation.function_error {
            Some(error) => response.header("x-amz-function-error", &error),
            None => response,
        })
    }

    async fn invoke_async(&self, name: &str, event: &[u8]) -> Result<ServiceResponse, InvokeApiError> {
        if event.len() > MAX_EVENT_BYTES {
            let message = format!("{} byte payload is too large for the Event invocation type", event.len());
            return Err((StatusCode::PAYLOAD_TOO_LARGE, "RequestTooLargeException", message));
        }
        let event = std::str::from_utf8(event).ok().filter(|text| is_json(text)).ok_or_else(|| {
            let message = "Could not parse request body into json".to_owned();
            (StatusCode::BAD_REQUEST, "InvalidRequestContentException", message)
        })?;
        self.bus
            .enqueue_invocation(name, event.to_owned())
            .await
            .map_err(|fault| (StatusCode::INTERNAL_SERVER_ERROR, "ServiceException", with_cause(&fault)))?;
        Ok(ServiceResponse::new(StatusCode::ACCEPTED, JSON, ""))
    }
}

fn is_json(text: &str) -> bool {
    serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
}
