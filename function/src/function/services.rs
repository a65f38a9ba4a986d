//! Creates clients of the AWS services besides DynamoDB: CloudFront for invalidations, S3 for access logs and,
//! in the reader, Lambda for forwarding hits.

use std::time::{Duration, Instant};

use hitctl_config::partitions::Partition;

use crate::aws::AwsRestClient;
use crate::log_files::object_path;
use crate::moment::Moment;
use crate::net::{Endpoint, Tls};
use crate::settings::{SourceSettings, aws_endpoint, partition};
use crate::sigv4::Signer;

/// The values that the calls to all AWS services share.
#[derive(Clone)]
pub struct AwsAccess {
    /// Access key ID, secret access key and session token.
    pub credentials: (String, String, Option<String>),
    /// The region of the function.
    pub region: String,
    /// The TLS configuration.
    pub tls: Tls,
    /// The source of the current time.
    pub clock: fn() -> Moment,
}

impl std::fmt::Debug for AwsAccess {
    /// Omits the secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AwsAccess").field("region", &self.region).finish_non_exhaustive()
    }
}

impl AwsAccess {
    fn rest(&self, endpoint: Endpoint, region: &str, service: &'static str) -> AwsRestClient {
        let signer = Signer::new(self.credentials.clone(), region.to_owned(), service);
        AwsRestClient::new(endpoint, self.tls.clone(), signer, self.clock)
    }

    /// Creates a client of CloudFront, which has one endpoint per partition. Some partitions have none.
    pub(super) fn cloudfront(&self, settings: &SourceSettings) -> Result<AwsRestClient, String> {
        let partition = partition(&self.region);
        if let Some(endpoint) = &settings.cloudfront {
            let known = partition.ok().and_then(|partition| partition.cloudfront);
            let region = known.map_or("us-east-1", |service| service.region);
            return Ok(self.rest(endpoint.clone(), region, "cloudfront"));
        }
        let Partition { cloudfront, name, .. } = partition?;
        let service = cloudfront.ok_or_else(|| format!("the partition {name} has no CloudFront"))?;
        Ok(self.rest(Endpoint::parse(&format!("https://{}", service.host))?, service.region, "cloudfront"))
    }

    /// Creates a client of Lambda in the function's region.
    pub(super) fn lambda(&self, settings: &SourceSettings) -> Result<AwsRestClient, String> {
        let endpoint = match &settings.lambda {
            Some(endpoint) => endpoint.clone(),
            None => aws_endpoint("lambda", &self.region)?,
        };
        Ok(self.rest(endpoint, &self.region, "lambda"))
    }

    /// Creates a client of S3 for a bucket, and returns it with the request path of an object. On AWS, each
    /// bucket has its own host, but the certificate does not cover bucket names with dots. For such buckets
    /// and for custom endpoints, the request path begins with the bucket.
    pub(super) fn s3(
        &self,
        settings: &SourceSettings,
        bucket: &str,
        key: &str,
    ) -> Result<(AwsRestClient, String), String> {
        let path_with_bucket = format!("/{bucket}{}", object_path(key));
        if let Some(endpoint) = &settings.s3 {
            return Ok((self.rest(endpoint.clone(), &self.region, "s3"), path_with_bucket));
        }
        let host = partition(&self.region)?.host("s3", &self.region);
        let (host, path) = if bucket.contains('.') {
            (host, path_with_bucket)
        } else {
            (format!("{bucket}.{host}"), object_path(key))
        };
        let endpoint = Endpoint::parse(&format!("https://{host}"))?;
        Ok((self.rest(endpoint, &self.region, "s3"), path))
    }
}

/// Returns the deadline for calls to other services. `left` is the remaining time of the invocation; half of
/// it, at most a second, is reserved for the response.
pub(super) fn deadline(left: Duration) -> Instant {
    let reserve = (left / 2).min(Duration::from_secs(1));
    Instant::now() + left.saturating_sub(reserve)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(region: &str) -> AwsAccess {
        AwsAccess {
            credentials: ("AKID".to_owned(), "secret".to_owned(), None),
            region: region.to_owned(),
            tls: Tls::default(),
            clock: || Moment::from_millis(0),
        }
    }

    #[test]
    fn cloudfront_endpoint_depends_on_partition() {
        let of = |region: &str| match access(region).cloudfront(&SourceSettings::default()) {
            Ok(rest) => rest.authority(),
            Err(why) => why,
        };
        let regions = ["eu-central-1", "cn-north-1", "us-gov-west-1", "eusc-de-east-1", "local"];
        insta::assert_snapshot!(regions.map(of).join("\n"), @"
        cloudfront.amazonaws.com
        cloudfront.cn-northwest-1.amazonaws.com.cn
        the partition aws-us-gov has no CloudFront
        the partition aws-eusc has no CloudFront
        expected the code of an AWS region, such as eu-central-1, found `local`
        ");
    }

    #[test]
    fn lambda_endpoint_is_in_the_domain_of_the_partition() {
        let rest = access("eusc-de-east-1").lambda(&SourceSettings::default()).unwrap();
        assert_eq!(rest.authority(), "lambda.eusc-de-east-1.amazonaws.eu");
    }

    #[test]
    fn bucket_host_is_in_the_domain_of_the_partition() {
        let of = |(region, bucket): (&str, &str)| {
            let (rest, path) = access(region).s3(&SourceSettings::default(), bucket, "a/b.gz").unwrap();
            format!("{}{path}", rest.authority())
        };
        let buckets = [
            ("eu-west-1", "logs"),
            ("eusc-de-east-1", "logs"),
            ("eusc-de-east-1", "my.logs"),
            ("cn-north-1", "logs"),
        ];
        insta::assert_snapshot!(buckets.map(of).join("\n"), @"
        logs.s3.eu-west-1.amazonaws.com/a/b.gz
        logs.s3.eusc-de-east-1.amazonaws.eu/a/b.gz
        s3.eusc-de-east-1.amazonaws.eu/my.logs/a/b.gz
        logs.s3.cn-north-1.amazonaws.com.cn/a/b.gz
        ");
    }
}
