//! The HTTP API in AWS: an API, found by its name and our tags, with one integration, perhaps one more that goes to a queue, their
//! routes and the stage `$default`.

mod client;
mod find;
mod ingest;
mod parts;
mod reconcile;

use std::sync::Arc;

use aws_sdk_apigatewayv2::Client;
use aws_sdk_apigatewayv2::config::retry::RetryConfig;
use hitctl_engine::{Cx, Fault, Outputs};

use crate::aws::account::Aws;
use crate::aws::fault::ToFault as _;
use crate::aws::resource::{Found, Resource};
use crate::http_api::spec::HttpApiSpec;
use client::{NOT_FOUND, READ, STAGE, WRITE};
use find::Api;
use parts::Parts;

pub(crate) use client::HttpApis;

impl HttpApis {
    /// The API itself; `true` when it was made just now, and so has nothing in it yet.
    ///
    /// Nothing but this list keeps a call whose answer was lost from making a second one: it comes before every attempt.
    async fn found_or_made(&self, cx: &Cx, name: &str, want: &HttpApiSpec) -> Result<(Api, bool), Fault> {
        cx.wait(&WRITE, "making the HTTP API", || async {
            match self.find(name).await? {
                Some(api) => Ok((api, false)),
                None => Ok((self.make(name, want).await?, true)),
            }
        })
        .await
    }

    /// Brings what is there of it, if anything, to what is wanted.
    async fn create_or_reconcile(&self, cx: &Cx, name: &str, want: &HttpApiSpec) -> Result<Outputs, Fault> {
        let (api, is_new) = self.found_or_made(cx, name, want).await?;
        let mut known = is_new.then(Parts::default);
        cx.wait(&WRITE, "setting up the HTTP API", || {
            let known = known.take();
            let api = &api;
            async move {
                let parts = match known {
                    Some(parts) => parts,
                    None => self.parts(&api.id).await?,
                };
                self.reconcile(cx, api, &parts, want).await
            }
        })
        .await?;
        Ok(self.outputs(&api))
    }

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

    fn new(aws: Arc<Aws>) -> Self {
        // Each retry of a change is ours: before it, we look at what the attempt that failed has done. Looks are retried one by
        // one: where every second call is throttled, all of them together would never come through.
        let config = aws_sdk_apigatewayv2::config::Builder::from(&aws.config)
            .retry_config(RetryConfig::disabled())
            .build();
        Self { client: Client::from_conf(config), reader: Client::new(&aws.config), aws }
    }

    async fn read(
        &self,
        cx: &Cx,
        name: &str,
        want: Option<&HttpApiSpec>,
    ) -> Result<Option<Found<HttpApiSpec>>, Fault> {
        cx.wait(&READ, "reading the HTTP API", || async {
            let Some(api) = self.find(name).await? else { return Ok(None) };
            let spec = self.parts(&api.id).await?.spec(&api, want);
            Ok(Some(Found { spec, outputs: self.outputs(&api), tags: Some(api.tags) }))
        })
        .await
    }

    async fn create(&self, cx: &Cx, name: &str, want: &HttpApiSpec) -> Result<Outputs, Fault> {
        self.create_or_reconcile(cx, name, want).await
    }

    async fn delete(&self, cx: &Cx, name: &str, have: &Found<HttpApiSpec>) -> Result<(), Fault> {
        let Some(id) = have.outputs.get("api_id") else {
            return Err(Fault::fatal("no_output", format!("the id of HTTP API {name} is not known")));
        };
        let doing = Self::doing("delete", "", id, "apigateway:DeleteApi");
        cx.wait(&WRITE, "deleting the HTTP API", || async {
            match self.client.delete_api().api_id(id).send().await {
                Ok(_) => Ok(()),
                Err(error) if error.is(NOT_FOUND) => Ok(()),
                Err(error) => Err(error.fault(&doing)),
            }
        })
        .await
    }
}
