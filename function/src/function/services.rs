//! The services beside the table that the function calls: `CloudFront`, to invalidate; S3, to read access logs; and, from the
//! reader, Lambda, to forward hits. No client is made before its first call.

use std::time::{Duration, Instant};

use hitctl_config::partitions::Partition;

use crate::aws::Rest;
use crate::logs::path_of;
use crate::moment::Moment;
use crate::net::{Endpoint, Tls};
use crate::settings::{SourceSettings, aws_endpoint, partition};
use crate::sigv4::Signer;

/// As whom, and trusting whom, services are called.
#[derive(Clone)]
pub struct Access {
    /// Access key, secret key, session token.
    pub credentials: (String, String, Option<String>),
    /// The function's region.
    pub region: String,
    /// What is trusted.
    pub tls: Tls,
    /// The clock.
    pub clock: fn() -> Moment,
}

impl std::fmt::Debug for Access {
    /// Never the secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Access").field("region", &self.region).finish_non_exhaustive()
    }
}

impl Access {
    fn rest(&self, endpoint: Endpoint, region: &str, service: &'static str) -> Rest {
        let signer = Signer::new(self.credentials.clone(), region.to_owned(), service);
        Rest::new(endpoint, self.tls.clone(), signer, self.clock)
    }

    /// A client of `CloudFront`, which has one endpoint per partition; some partitions have none.
    pub(super) fn cloudfront(&self, settings: &SourceSettings) -> Result<Rest, String> {
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

    /// A client of Lambda, in the function's own region.
    pub(super) fn lambda(&self, settings: &SourceSettings) -> Result<Rest, String> {
        let endpoint = match &settings.lambda {
            Some(endpoint) => endpoint.clone(),
            None => aws_endpoint("lambda", &self.region)?,
        };
        Ok(self.rest(endpoint, &self.region, "lambda"))
    }

    /// A client of S3 for a bucket, and the path of an object there. AWS has a host for each bucket; its certificate does not
    /// hold for names with dots, and other endpoints have one host.
    pub(super) fn s3(
        &self,
        settings: &SourceSettings,
        bucket: &str,
        key: &str,
    ) -> Result<(Rest, String), String> {
        let below = format!("/{bucket}{}", path_of(key));
        if let Some(endpoint) = &settings.s3 {
            return Ok((self.rest(endpoint.clone(), &self.region, "s3"), below));
        }
        let host = partition(&self.region)?.host("s3", &self.region);
        let (host, path) =
            if bucket.contains('.') { (host, below) } else { (format!("{bucket}.{host}"), path_of(key)) };
        let endpoint = Endpoint::parse(&format!("https://{host}"))?;
        Ok((self.rest(endpoint, &self.region, "s3"), path))
    }
}

/// Until when calls beside the table may take: a second is left for the answer.
pub(super) fn deadline(left: Duration) -> Instant {
    let reserve = (left / 2).min(Duration::from_secs(1));
    Instant::now() + left.saturating_sub(reserve)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(region: &str) -> Access {
        Access {
            credentials: ("AKID".to_owned(), "secret".to_owned(), None),
            region: region.to_owned(),
            tls: Tls::default(),
            clock: || Moment::from_millis(0),
        }
    }

    #[test]
    fn cloudfront_is_called_where_the_partition_has_it() {
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
    fn lambda_is_called_in_the_domain_of_the_partition() {
        let rest = access("eusc-de-east-1").lambda(&SourceSettings::default()).unwrap();
        assert_eq!(rest.authority(), "lambda.eusc-de-east-1.amazonaws.eu");
    }

    #[test]
    fn buckets_are_hosts_in_the_domain_of_the_partition() {
        let of = |(region, bucket): (&str, &str)| {
            let (rest, path) = access(region).s3(&SourceSettings::default(), bucket, "a/b.gz").unwrap();
            format!("{}{path}", rest.authority())
        };
        let asked = [
            ("eu-west-1", "logs"),
            ("eusc-de-east-1", "logs"),
            ("eusc-de-east-1", "my.logs"),
            ("cn-north-1", "logs"),
        ];
        insta::assert_snapshot!(asked.map(of).join("\n"), @"
        logs.s3.eu-west-1.amazonaws.com/a/b.gz
        logs.s3.eusc-de-east-1.amazonaws.eu/a/b.gz
        s3.eusc-de-east-1.amazonaws.eu/my.logs/a/b.gz
        logs.s3.cn-north-1.amazonaws.com.cn/a/b.gz
        ");
    }
}
