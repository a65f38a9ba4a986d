//! An AWS account, as the commands see it.

use std::sync::Arc;

use aws_types::SdkConfig;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use hitctl_config::names;
use hitctl_config::partitions::Partition;
use hitctl_engine::{Address, Cx, Drivers, Fault, Sink};
use hitctl_resources::aws::Aws;
use hitctl_resources::{AliasSpec, Place, REGISTRY};
use serde_json::Value as Json;
use tokio_util::sync::CancellationToken;

use super::session::AwsSession;
use super::{invoke, logs};
use crate::cloud::{Answer, Cloud, DriverOptions, LogPage};
use crate::distribution::{Distribution, NO_CLOUDFRONT};
use crate::request::Request;
use crate::table::Table;

/// An AWS account.
pub(crate) struct AwsCloud {
    session: AwsSession,
    aws: Aws,
    /// The name of the deployed function.
    function: String,
    /// The name of the reader.
    reader: String,
    /// The alias that requests to it go to, where versions are published.
    alias: Option<&'static str>,
    /// How long the function may run, in seconds.
    timeout_s: u32,
}

impl AwsCloud {
    /// Opens it: finds credentials, and asks whose they are.
    pub(crate) async fn open(request: &Request<'_>) -> Result<Self, Fault> {
        let Request { loaded, .. } = request;
        let app = &loaded.app;
        let session = AwsSession::open(request.env, request.aws_options()).await?;
        let place = &session.place;
        if let Some(partition) = Partition::named(&place.partition)
            && app.cloudfront.distribution_id.is_some()
            && partition.cloudfront.is_none()
        {
            return Err(Fault::config(format!(
                "`cloudfront.distribution_id` is set, and the partition {} of {} has no CloudFront",
                partition.name, place.region
            )));
        }
        let aws = Aws {
            config: session.config.clone(),
            place: place.clone(),
            tags: names::tags(&app.app, &loaded.env),
            code: None,
            adopt: false,
            called_at_the_end: false,
            drain: Aws::DRAIN,
        };
        let alias = (app.function.publish && place.has_versions).then_some(AliasSpec::NAME);
        let function = names::function(&app.app, &loaded.env);
        let reader = names::reader(&app.app, &loaded.env);
        Ok(Self { aws, function, reader, alias, timeout_s: app.function.timeout_s, session })
    }
}

impl Cloud for AwsCloud {
    fn place(&self) -> &Place {
        &self.session.place
    }

    fn is_running(&self) -> bool {
        true
    }

    fn identity(&self) -> Option<&str> {
        Some(&self.session.arn)
    }

    fn account(&self) -> Option<&Aws> {
        Some(&self.aws)
    }

    fn sdk(&self) -> Result<SdkConfig, Fault> {
        Ok(self.session.config.clone())
    }

    fn drivers(&self, drive: DriverOptions) -> Drivers {
        let tags = drive.tags.unwrap_or_else(|| self.aws.tags.clone());
        // Without an alias nothing but Lambda's word says that a function is ready for its URL and permission.
        let called_at_the_end = drive.called_at_the_end && self.alias.is_some();
        let aws = Aws { code: drive.code, tags, adopt: drive.adopt, called_at_the_end, ..self.aws.clone() };
        REGISTRY.drivers(&Arc::new(aws))
    }

    fn deployments<'a>(
        &'a self,
        sink: &'a Sink,
        stop: &'a CancellationToken,
    ) -> BoxFuture<'a, Result<Vec<(String, String)>, Fault>> {
        async move {
            let cx = Cx::new(Address::new("account", "tags"), sink.clone(), stop.clone());
            let found =
                hitctl_resources::deployments(&self.session.config, &self.aws.place.region, &cx).await?;
            Ok(found.into_iter().map(|one| (one.app, one.env)).collect())
        }
        .boxed()
    }

    fn invoke<'a>(&'a self, function: &'a str, event: &'a Json) -> BoxFuture<'a, Result<Answer, Fault>> {
        // The copy that `tune` measures has no versions.
        let alias =
            self.alias.filter(|_| [&self.function, &self.reader].into_iter().any(|name| name == function));
        invoke::invoke(&self.session.config, function, alias, self.timeout_s, event).boxed()
    }

    fn code<'a>(&'a self, function: &'a str) -> BoxFuture<'a, Result<String, Fault>> {
        invoke::code(&self.session.config, function).boxed()
    }

    fn table(&self, name: &str) -> Result<Table, Fault> {
        Ok(Table::new(&self.session.config, name))
    }

    fn distribution(&self, id: &str) -> Result<Distribution, Fault> {
        let Place { partition, .. } = &self.session.place;
        let service = Partition::named(partition).and_then(|partition| partition.cloudfront);
        let region = service.map(|service| service.region).ok_or_else(|| {
            Fault::fatal(NO_CLOUDFRONT, format!("the partition {partition} has no CloudFront"))
                .hinted("remove `distribution_id` from [cloudfront]")
        })?;
        Ok(Distribution::new(&self.session.config, region, id))
    }

    fn lines<'a>(
        &'a self,
        group: &'a str,
        since_ms: i64,
        text: &'a str,
    ) -> BoxFuture<'a, Result<Vec<String>, Fault>> {
        logs::lines(&self.session.config, group, since_ms, text).boxed()
    }

    fn logs<'a>(
        &'a self,
        group: &'a str,
        since_ms: i64,
        after: Option<String>,
    ) -> BoxFuture<'a, Result<LogPage, Fault>> {
        logs::page(&self.session.config, group, since_ms, after).boxed()
    }
}
