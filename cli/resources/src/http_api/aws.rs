//! The driver of HTTP APIs. An API is found by its name and our tags. It has an integration for the function, optional
//! integrations for a reader and a queue, their routes, and the stage `$default`.

mod client;
mod find;
mod ingest;
mod parts;
mod reconcile;

use std::sync::Arc;

use aws_sdk_apigatewayv2::Client;
use hitctl_engine::{Fault, Outputs};

use crate::aws::account::Aws;
use crate::aws::call::CallContext;
use crate::aws::resource::{ReadResult, ReadState, Resource, WriteResult};
use crate::http_api::spec::HttpApiSpec;
use client::{ApiCalls, READ, STAGE, WRITE};
use find::Api;
use parts::ApiParts;

pub(crate) use client::HttpApiDriver;

impl HttpApiDriver {
    fn outputs(&self, api: &Api) -> Outputs {
        let call_arn = self.aws.location.as_location().http_api_call_arn(&api.id);
        Outputs::from([
            ("api_id".to_owned(), api.id.clone()),
            ("call_arn".to_owned(), call_arn),
            ("url".to_owned(), self.url(api)),
        ])
    }

    /// Returns the URL at which the API can be reached. An emulator returns an endpoint whose host does not resolve;
    /// unlike a real endpoint, it has no domain with the region.
    fn url(&self, api: &Api) -> String {
        let regional = format!("{}.execute-api.{}.", api.id, self.aws.location.region);
        let endpoint = api.endpoint.trim_end_matches('/');
        match self.aws.config.endpoint_url() {
            Some(emulator) if !endpoint.contains(&regional) => {
                format!("{}/_aws/execute-api/{}/{STAGE}", emulator.trim_end_matches('/'), api.id)
            }
            _ => endpoint.to_owned(),
        }
    }
}

impl Resource for HttpApiDriver {
    type Spec = HttpApiSpec;

    const NOUN: &'static str = "HTTP API";

    fn new(aws: Arc<Aws>) -> Self {
        // The SDK does not retry writes: before each retry, the driver checks what the failed attempt did. The SDK
        // retries each read by itself: if every second call is throttled, repeating all reads together would never
        // succeed.
        Self { client: Client::new(&aws.without_retries()), read_client: Client::new(&aws.config), aws }
    }

    async fn read(&self, cx: &CallContext<'_>, want: Option<&HttpApiSpec>) -> ReadResult<HttpApiSpec> {
        cx.retry(&READ, "reading the HTTP API", || async {
            let Some(api) = self.find(cx).await? else { return Ok(None) };
            let spec = ApiCalls { apis: self, cx, id: &api.id }.parts().await?.spec(&api, want);
            Ok(Some(ReadState { spec, outputs: self.outputs(&api), tags: Some(api.tags) }))
        })
        .await
    }

    /// Creates the API, or reconciles the existing one.
    async fn create(&self, cx: &CallContext<'_>, want: &HttpApiSpec) -> WriteResult {
        // If the response to a creation was lost, another creation would make a second API. Every attempt therefore
        // searches for the API first. A new API has no parts yet.
        let find_or_create = || async {
            match self.find(cx).await? {
                Some(api) => Ok((api, None)),
                None => Ok((self.create_api(cx, want).await?, Some(ApiParts::default()))),
            }
        };
        let (api, mut known_parts) = cx.retry(&WRITE, "creating the HTTP API", find_or_create).await?;
        let set_up = || {
            let (api, known_parts) = (&api, known_parts.take());
            let calls = ApiCalls { apis: self, cx, id: &api.id };
            async move {
                let parts = match known_parts {
                    Some(parts) => parts,
                    None => calls.parts().await?,
                };
                calls.reconcile(api, &parts, want).await
            }
        };
        cx.retry(&WRITE, "setting up the HTTP API", set_up).await?;
        Ok(self.outputs(&api))
    }

    async fn delete(&self, cx: &CallContext<'_>, have: &ReadState<HttpApiSpec>) -> Result<(), Fault> {
        let Some(id) = have.outputs.get("api_id") else {
            return Err(Fault::fatal(
                "no_output",
                format!("failed to delete HTTP API {}: its id is unknown", cx.name),
            ));
        };
        let request = self.client.delete_api().api_id(id);
        let call = cx.call_on("delete", format!("HTTP API {id}"), "apigateway:DeleteApi");
        call.retrying(&WRITE, "deleting the HTTP API").find(|| request.clone().send()).await.map(drop)
    }
}
