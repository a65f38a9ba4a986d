//! The table of partitions, from the data of botocore 1.44.8.
//! Written by `config/renew-partitions.py`; do not edit.

use super::{GlobalService, Partition};

pub(super) const PARTITIONS: &[Partition] = &[
    Partition {
        name: "aws",
        prefixes: &["us", "eu", "ap", "sa", "ca", "me", "af", "il", "mx"],
        dns_suffix: "amazonaws.com",
        cloudfront: Some(GlobalService { host: "cloudfront.amazonaws.com", region: "us-east-1" }),
    },
    Partition {
        name: "aws-cn",
        prefixes: &["cn"],
        dns_suffix: "amazonaws.com.cn",
        cloudfront: Some(GlobalService {
            host: "cloudfront.cn-northwest-1.amazonaws.com.cn",
            region: "cn-northwest-1",
        }),
    },
    Partition { name: "aws-eusc", prefixes: &["eusc-de"], dns_suffix: "amazonaws.eu", cloudfront: None },
    Partition { name: "aws-iso", prefixes: &["us-iso"], dns_suffix: "c2s.ic.gov", cloudfront: None },
    Partition { name: "aws-iso-b", prefixes: &["us-isob"], dns_suffix: "sc2s.sgov.gov", cloudfront: None },
    Partition { name: "aws-iso-e", prefixes: &["eu-isoe"], dns_suffix: "cloud.adc-e.uk", cloudfront: None },
    Partition { name: "aws-iso-f", prefixes: &["us-isof"], dns_suffix: "csp.hci.ic.gov", cloudfront: None },
    Partition { name: "aws-us-gov", prefixes: &["us-gov"], dns_suffix: "amazonaws.com", cloudfront: None },
];

/// The regions that botocore lists. AWS opens new ones, so other region codes may be valid too.
#[cfg(feature = "load")]
pub(crate) const REGIONS: &[&str] = &[
    "af-south-1",
    "ap-east-1",
    "ap-east-2",
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-south-1",
    "ap-south-2",
    "ap-southeast-1",
    "ap-southeast-2",
    "ap-southeast-3",
    "ap-southeast-4",
    "ap-southeast-5",
    "ap-southeast-6",
    "ap-southeast-7",
    "ca-central-1",
    "ca-west-1",
    "cn-north-1",
    "cn-northwest-1",
    "eu-central-1",
    "eu-central-2",
    "eu-isoe-west-1",
    "eu-north-1",
    "eu-south-1",
    "eu-south-2",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "eusc-de-east-1",
    "il-central-1",
    "me-central-1",
    "me-south-1",
    "me-west-1",
    "mx-central-1",
    "sa-east-1",
    "sa-west-1",
    "us-east-1",
    "us-east-2",
    "us-gov-east-1",
    "us-gov-west-1",
    "us-iso-east-1",
    "us-iso-west-1",
    "us-isob-east-1",
    "us-isob-west-1",
    "us-isof-east-1",
    "us-isof-south-1",
    "us-west-1",
    "us-west-2",
];

/// The regions of all partitions, as a regular expression.
#[cfg(feature = "load")]
pub(crate) const REGION_PATTERN: &str =
    "^(us|eu|ap|sa|ca|me|af|il|mx|cn|eusc-de|us-iso|us-isob|eu-isoe|us-isof|us-gov)-[a-z]+-[0-9]{1,2}$";
