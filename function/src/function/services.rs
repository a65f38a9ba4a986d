//! The services beside the table that the function calls: `CloudFront`, to invalidate; S3, to read access logs; and, from the
//! reader, Lambda, to forward hits. Nothing of it
//! is made before it is first needed.

use std::time::{Duration, Instant};

use crate::aws::Rest;
use crate::logs::path_of;
use crate::moment::Moment;
use crate::net::{Endpoint, Tls};
use crate::settings::SourceSettings;
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
    fn is_in_china(&self) -> bool {
        self.region.starts_with("cn-")
    }

    fn rest(&self, endpoint: Endpoint, region: &str, service: &'static str) -> Rest {
        let signer = Signer::new(self.credentials.clone(), region.to_owned(), service);
        Rest::new(endpoint, self.tls.clone(), signer, self.clock)
    }

    /// A client of `CloudFront`, which has one region a partition.
    pub(super) fn cloudfront(&self, settings: &SourceSettings) -> Result<Rest, String> {
        let (url, region) = if self.is_in_china() {
            ("https://cloudfront.cn-northwest-1.amazonaws.com.cn", "cn-northwest-1")
        } else {
            ("https://cloudfront.amazonaws.com", "us-east-1")
        };
        let endpoint = settings.cloudfront.clone().map_or_else(|| Endpoint::parse(url), Ok)?;
        Ok(self.rest(endpoint, region, "cloudfront"))
    }

    /// A client of Lambda, in the function's own region.
    pub(super) fn lambda(&self, settings: &SourceSettings) -> Result<Rest, String> {
        let suffix = if self.is_in_china() { "amazonaws.com.cn" } else { "amazonaws.com" };
        let url = format!("https://lambda.{}.{suffix}", self.region);
        let endpoint = settings.lambda.clone().map_or_else(|| Endpoint::parse(&url), Ok)?;
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
        let suffix = if self.is_in_china() { "amazonaws.com.cn" } else { "amazonaws.com" };
        let host = format!("s3.{}.{suffix}", self.region);
        let below = format!("/{bucket}{}", path_of(key));
        let (endpoint, path) = match &settings.s3 {
            Some(endpoint) => (endpoint.clone(), below),
            None if bucket.contains('.') => (Endpoint::parse(&format!("https://{host}"))?, below),
            None => (Endpoint::parse(&format!("https://{bucket}.{host}"))?, path_of(key)),
        };
        Ok((self.rest(endpoint, &self.region, "s3"), path))
    }
}

/// Until when calls beside the table may take: a second is left for the answer.
pub(super) fn deadline(left: Duration) -> Instant {
    let reserve = (left / 2).min(Duration::from_secs(1));
    Instant::now() + left.saturating_sub(reserve)
}
