//! The AWS partitions: their regions, their service domains and their `CloudFront` endpoints.
//!
//! The deployer and the function share these data, so that both call the same hosts. This module has no dependencies.

mod table;

#[cfg(feature = "load")]
pub(crate) use table::{REGION_PATTERN, REGIONS};

/// An AWS partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Partition {
    /// The name, as it appears in ARNs: `aws`.
    pub name: &'static str,
    /// The prefixes of the partition's region codes, without the final word and number: `eu` for `eu-central-1`.
    prefixes: &'static [&'static str],
    /// The domain of its services: `amazonaws.com`.
    pub dns_suffix: &'static str,
    /// The `CloudFront` endpoint; `None` if the partition has no `CloudFront`.
    pub cloudfront: Option<GlobalService>,
}

/// A service that has one endpoint per partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GlobalService {
    /// The host name of the endpoint.
    pub host: &'static str,
    /// The region that request signatures name.
    pub region: &'static str,
}

impl Partition {
    /// Returns the partition of a region; `None` if the region code matches no partition.
    pub fn of_region(region: &str) -> Option<&'static Self> {
        let (without_number, number) = region.rsplit_once('-')?;
        let (prefix, word) = without_number.rsplit_once('-')?;
        let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        let is_word = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase());
        let matches = |partition: &&Self| is_number && is_word && partition.prefixes.contains(&prefix);
        table::PARTITIONS.iter().find(matches)
    }

    /// Returns the partition with the given name.
    pub fn by_name(name: &str) -> Option<&'static Self> {
        table::PARTITIONS.iter().find(|partition| partition.name == name)
    }

    /// Returns the host of a regional service, such as `dynamodb.eu-central-1.amazonaws.com`.
    pub fn host(&self, service: &str, region: &str) -> String {
        format!("{service}.{region}.{}", self.dns_suffix)
    }
}

#[cfg(test)]
#[cfg(feature = "load")]
mod tests {
    use serde_json::Value as Json;

    use super::*;

    fn facts() -> Json {
        serde_json::from_str(include_str!("../partitions.json")).unwrap()
    }

    fn texts(json: &Json) -> Vec<&str> {
        json.as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect()
    }

    #[test]
    fn table_equals_stored_botocore_data() {
        let facts = facts();
        let facts = facts["partitions"].as_array().unwrap();
        assert_eq!(table::PARTITIONS.len(), facts.len());
        for (partition, fact) in table::PARTITIONS.iter().zip(facts) {
            assert_eq!(partition.name, fact["name"]);
            assert_eq!(partition.dns_suffix, fact["dns_suffix"]);
            assert_eq!(Partition::by_name(partition.name), Some(partition));
            let cloudfront = partition.cloudfront;
            assert_eq!(cloudfront.is_some(), !fact["cloudfront"].is_null(), "{}", partition.name);
            if let Some(GlobalService { host, region }) = cloudfront {
                assert_eq!(
                    (host, region),
                    (
                        fact["cloudfront"]["host"].as_str().unwrap(),
                        fact["cloudfront"]["region"].as_str().unwrap(),
                    )
                );
            }
        }
        let mut regions: Vec<&str> = facts.iter().flat_map(|fact| texts(&fact["regions"])).collect();
        regions.sort_unstable();
        assert_eq!(regions, REGIONS);
    }

    #[test]
    fn of_region_agrees_with_botocore_regular_expressions() {
        let facts = facts();
        let facts = facts["partitions"].as_array().unwrap();
        let pattern = regex_lite::Regex::new(REGION_PATTERN).unwrap();
        let expected_partition = |region: &str| {
            let fits = |fact: &&Json| {
                regex_lite::Regex::new(fact["region_regex"].as_str().unwrap()).unwrap().is_match(region)
            };
            facts.iter().find(fits).map(|fact| fact["name"].as_str().unwrap().to_owned())
        };
        let mut regions: Vec<String> = REGIONS.iter().map(ToString::to_string).collect();
        for region in REGIONS {
            let prefix = &region[..region.rmatch_indices('-').nth(1).unwrap().0];
            // Region codes that AWS may add, and codes that are almost valid.
            for suffix in ["-middle-7", "-middle-x", "-1", "-", "", "--1", "-a-b-1", "-middle-1x"] {
                regions.push(format!("{prefix}{suffix}"));
            }
            regions.push(format!("x{region}"));
        }
        regions
            .extend(["", "-", "--", "local", "frankfurt", "eusc-fr-west-1", "xx-east-1"].map(str::to_owned));
        for region in regions {
            let found = Partition::of_region(&region).map(|partition| partition.name.to_owned());
            assert_eq!(found, expected_partition(&region), "{region:?}");
            assert_eq!(found.is_some(), pattern.is_match(&region), "{region:?}");
        }
    }

    #[test]
    fn host_of_region_uses_domain_of_its_partition() {
        let host = |region| Partition::of_region(region).map(|partition| partition.host("dynamodb", region));
        let hosts = [
            "eu-central-1",
            "cn-north-1",
            "us-gov-west-1",
            "eusc-de-east-1",
            "us-isob-east-1",
            "eu-isoe-west-1",
        ];
        insta::assert_snapshot!(hosts.map(|region| host(region).unwrap()).join("\n"), @"
        dynamodb.eu-central-1.amazonaws.com
        dynamodb.cn-north-1.amazonaws.com.cn
        dynamodb.us-gov-west-1.amazonaws.com
        dynamodb.eusc-de-east-1.amazonaws.eu
        dynamodb.us-isob-east-1.sc2s.sgov.gov
        dynamodb.eu-isoe-west-1.cloud.adc-e.uk
        ");
        assert_eq!(host("xx-east-1"), None);
    }
}
