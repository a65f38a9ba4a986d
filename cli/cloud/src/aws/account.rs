//! Implements [`Cloud`] for an AWS account.

use std::sync::Arc;

use aws_types::SdkConfig;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use hitctl_config::names;
use hitctl_config::partitions::Partition;
use hitctl_engine::{Address, DriverContext, Drivers, EventSink, Fault};
use hitctl_resources::aws::Aws;
use hitctl_resources::{AliasSpec, CloudLocation, REGISTRY};
use serde_json::Value as Json;
use tokio_util::sync::CancellationToken;

use super::session::AwsSession;
use super::{invoke, logs};
use crate::cloud::{Cloud, DriverOptions, InvokeResult, LogPage};
use crate::distribution::{Distribution, NO_CLOUDFRONT};
use crate::options::CloudOptions;
use crate::table::DynamoDbTable;

/// An AWS account.
pub(crate) struct AwsCloud {
    session: AwsSession,
    aws: Aws,
    /// The name of the deployed function.
    function: String,
    /// The name of the reader function.
    reader: String,
    /// The alias that invocations of the function use. `None` if versions are not published.
    alias: Option<&'static str>,
    /// How long the function may run, in seconds.
    timeout_s: u32,
}

impl AwsCloud {
    /// Opens a session: finds credentials and verifies them with STS.
    pub(crate) async fn open(options: &CloudOptions<'_>) -> Result<Self, Fault> {
        let CloudOptions { loaded, .. } = options;
        let app = &loaded.app;
        let session = AwsSession::open(options.env, options.aws_options()).await?;
        let location = &session.location;
        if let Some(partition) = Partition::by_name(&location.partition)
            && app.cloudfront.distribution_id.is_some()
            && partition.cloudfront.is_none()
        {
            return Err(Fault::config(format!(
                "`cloudfront.distribution_id` is set, but the partition {} of {} has no CloudFront",
                partition.name, location.region
            )));
        }
        let aws = Aws {
            config: session.config.clone(),
            location: location.clone(),
            tags: names::tags(&app.app, &loaded.env),
            code: None,
            adopt: false,
            smoke_tested: false,
            drain: Aws::DRAIN,
        };
        let alias = (app.function.publish && location.has_versions).then_some(AliasSpec::NAME);
        let function = names::function(&app.app, &loaded.env);
        let reader = names::reader(&app.app, &loaded.env);
        Ok(Self { aws, function, reader, alias, timeout_s: app.function.timeout_s, session })
    }
}

impl Cloud for AwsCloud {
    fn location(&self) -> &CloudLocation {
        &self.session.location
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

    fn sdk_config(&self) -> Result<SdkConfig, Fault> {
        Ok(self.session.config.clone())
    }

    fn drivers(&self, options: DriverOptions) -> Drivers {
        let tags = options.tags.unwrap_or_else(|| self.aws.tags.clone());
        // The smoke test invokes the function through its alias. Without an alias, the drivers wait until Lambda
        // reports the function as active, because its URL and its permission need that.
        let smoke_tested = options.smoke_tested && self.alias.is_some();
        let aws = Aws { code: options.code, tags, adopt: options.adopt, smoke_tested, ..self.aws.clone() };
        REGISTRY.drivers(&Arc::new(aws))
    }

    fn deployments<'a>(
        &'a self,
        sink: &'a EventSink,
        stop: &'a CancellationToken,
    ) -> BoxFuture<'a, Result<Vec<(String, String)>, Fault>> {
        async move {
            let cx = DriverContext::new(Address::new("account", "tags"), sink.clone(), stop.clone());
            let deployments =
                hitctl_resources::deployments(&self.session.config, &self.aws.location.region, &cx).await?;
            Ok(deployments.into_iter().map(|deployment| (deployment.app, deployment.env)).collect())
        }
        .boxed()
    }

    fn invoke<'a>(
        &'a self,
        function: &'a str,
        event: &'a Json,
    ) -> BoxFuture<'a, Result<InvokeResult, Fault>> {
        // The copy of the function that `tune` measures has no versions.
        let alias =
            self.alias.filter(|_| [&self.function, &self.reader].into_iter().any(|name| name == function));
        invoke::invoke(&self.session.config, function, alias, self.timeout_s, event).boxed()
    }

    fn code_url<'a>(&'a self, function: &'a str) -> BoxFuture<'a, Result<String, Fault>> {
        invoke::code_url(&self.session.config, function).boxed()
    }

    fn table(&self, name: &str) -> Result<DynamoDbTable, Fault> {
        Ok(DynamoDbTable::new(&self.session.config, name))
    }

    fn distribution(&self, id: &str) -> Result<Distribution, Fault> {
        let CloudLocation { partition, .. } = &self.session.location;
        let service = Partition::by_name(partition).and_then(|partition| partition.cloudfront);
        let region = service.map(|service| service.region).ok_or_else(|| {
            Fault::fatal(NO_CLOUDFRONT, format!("the partition {partition} has no CloudFront"))
                .hinted("remove `distribution_id` from [cloudfront]")
        })?;
        Ok(Distribution::new(&self.session.config, region, id))
    }

    fn search_logs<'a>(
        &'a self,
        group: &'a str,
        since_ms: i64,
        text: &'a str,
    ) -> BoxFuture<'a, Result<Vec<String>, Fault>> {
        logs::search(&self.session.config, group, since_ms, text).boxed()
    }

    fn log_page<'a>(
        &'a self,
        group: &'a str,
        since_ms: i64,
        after: Option<String>,
    ) -> BoxFuture<'a, Result<LogPage, Fault>> {
        logs::read_page(&self.session.config, group, since_ms, after).boxed()
    }
}
