//! The HTTP API in AWS: an API, found by its name and our tags, with one integration, perhaps one more that goes to a queue, their
//! routes and the stage `$default`.

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
use crate::aws::resource::{Found, Read, Resource, Written};
use crate::http_api::spec::HttpApiSpec;
use client::{ApiCalls, READ, STAGE, WRITE};
use find::Api;
use parts::Parts;

pub(crate) use client::HttpApis;

impl HttpApis {
    fn outputs(&self, api: &Api) -> Outputs {
        let call_arn = self.aws.place.location().http_api_call_arn(&api.id);
        Outputs::from([
            ("api_id".to_owned(), api.id.clone()),
            ("call_arn".to_owned(), call_arn),
            ("url".to_owned(), self.url(api)),
        ])
    }

    /// Where it answers: what API Gateway says, unless an emulator names a host that no resolver knows. A real one's host
    /// ends in the region's own domain.
    fn url(&self, api: &Api) -> String {
        let regional = format!("{}.execute-api.{}.", api.id, self.aws.place.region);
        let said = api.endpoint.trim_end_matches('/');
        match self.aws.config.endpoint_url() {
            Some(emulator) if !said.contains(&regional) => {
                format!("{}/_aws/execute-api/{}/{STAGE}", emulator.trim_end_matches('/'), api.id)
            }
            _ => said.to_owned(),
        }
    }
}

impl Resource for HttpApis {
    type Spec = HttpApiSpec;

    const NOUN: &'static str = "HTTP API";

    fn new(aws: Arc<Aws>) -> Self {
        // Each retry of a change is ours: before it, we look at what the attempt that failed has done. Looks are retried one by
        // one: where every second call is throttled, all of them together would never come through.
        Self { client: Client::new(&aws.without_retries()), reader: Client::new(&aws.config), aws }
    }

    async fn read(&self, cx: &CallContext<'_>, want: Option<&HttpApiSpec>) -> Read<HttpApiSpec> {
        cx.wait(&READ, "reading the HTTP API", || async {
            let Some(api) = self.find(cx).await? else { return Ok(None) };
            let spec = ApiCalls { apis: self, cx, id: &api.id }.parts().await?.spec(&api, want);
            Ok(Some(Found { spec, outputs: self.outputs(&api), tags: Some(api.tags) }))
        })
        .await
    }

    /// Brings what is there of it, if anything, to what is wanted.
    async fn create(&self, cx: &CallContext<'_>, want: &HttpApiSpec) -> Written {
        // Nothing but the list keeps a call whose answer was lost from making a second one: it comes before every attempt. One
        // that was made just now has nothing in it yet.
        let find_or_make = || async {
            match self.find(cx).await? {
                Some(api) => Ok((api, None)),
                None => Ok((self.make(cx, want).await?, Some(Parts::default()))),
            }
        };
        let (api, mut known) = cx.wait(&WRITE, "making the HTTP API", find_or_make).await?;
        let set_up = || {
            let (api, known) = (&api, known.take());
            let calls = ApiCalls { apis: self, cx, id: &api.id };
            async move {
                let parts = match known {
                    Some(parts) => parts,
                    None => calls.parts().await?,
                };
                calls.reconcile(api, &parts, want).await
            }
        };
        cx.wait(&WRITE, "setting up the HTTP API", set_up).await?;
        Ok(self.outputs(&api))
    }

    async fn delete(&self, cx: &CallContext<'_>, have: &Found<HttpApiSpec>) -> Result<(), Fault> {
        let Some(id) = have.outputs.get("api_id") else {
            return Err(Fault::fatal("no_output", format!("the id of HTTP API {} is not known", cx.name)));
        };
        let request = self.client.delete_api().api_id(id);
        let call = cx.call_on("delete", format!("HTTP API {id}"), "apigateway:DeleteApi");
        call.retrying(&WRITE, "deleting the HTTP API").find(|| request.clone().send()).await.map(drop)
    }
}
