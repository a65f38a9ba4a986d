//! Computes Amazon Resource Names (ARNs). They are never stored, because partition, region and account are known before
//! a resource exists.

use crate::partitions::Partition;

/// The partition, region and account of resources.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Location<'a> {
    /// The name of the partition, such as `aws`.
    pub partition: &'a str,
    /// The region code.
    pub region: &'a str,
    /// The account id: twelve digits.
    pub account: &'a str,
}

impl Location<'_> {
    /// Returns the ARN of a resource, such as `table/hits-test` of `dynamodb`.
    ///
    /// The region is empty for global services, and the account for services whose names are unique without it (service
    /// authorization reference of each service).
    pub fn arn(self, service: &str, resource: &str) -> String {
        let (region, account) = match service {
            "cloudfront" | "iam" => ("", self.account),
            "s3" => ("", ""),
            "apigateway" => (self.region, ""),
            _ => (self.region, self.account),
        };
        format!("arn:{}:{service}:{region}:{account}:{resource}", self.partition)
    }

    /// Returns the ARN of a role.
    pub fn role_arn(self, name: &str) -> String {
        self.arn("iam", &format!("role/{name}"))
    }

    /// Returns the ARN of a function.
    pub fn function_arn(self, name: &str) -> String {
        self.arn("lambda", &format!("function:{name}"))
    }

    /// Returns the ARN of a table.
    pub fn table_arn(self, name: &str) -> String {
        self.arn("dynamodb", &format!("table/{name}"))
    }

    /// Returns the ARN of a log group, without the `:*` that stands for its streams.
    pub fn log_group_arn(self, name: &str) -> String {
        self.arn("logs", &format!("log-group:{name}"))
    }

    /// Returns the ARN of a queue.
    pub fn queue_arn(self, name: &str) -> String {
        self.arn("sqs", name)
    }

    /// Returns the ARN of a rule. It contains the name of the event bus unless that is the default bus.
    pub fn rule_arn(self, bus: &str, name: &str) -> String {
        let resource = if bus == "default" { format!("rule/{name}") } else { format!("rule/{bus}/{name}") };
        self.arn("events", &resource)
    }

    /// Returns the `execute-api` ARN that covers all stages and routes of an HTTP API.
    pub fn http_api_call_arn(self, api_id: &str) -> String {
        self.arn("execute-api", &format!("{api_id}/*/*"))
    }

    /// Returns the URL of a queue on AWS. Emulators and the local cloud have other URLs.
    pub fn queue_url(self, name: &str) -> String {
        let suffix =
            Partition::by_name(self.partition).map_or("amazonaws.com", |partition| partition.dns_suffix);
        format!("https://sqs.{}.{suffix}/{}/{name}", self.region, self.account)
    }

    /// Returns the ARN of a distribution.
    pub fn distribution_arn(self, id: &str) -> String {
        self.arn("cloudfront", &format!("distribution/{id}"))
    }

    /// Returns the ARN of an HTTP API, or of another path of API Gateway's management API, such as `/tags/*`.
    pub fn api_gateway_arn(self, path: &str) -> String {
        self.arn("apigateway", path)
    }

    /// Returns the ARN of all objects in `bucket` whose keys match the pattern `keys`.
    pub fn objects_arn(self, bucket: &str, keys: &str) -> String {
        self.arn("s3", &format!("{bucket}/{keys}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::partition_name;

    #[test]
    fn arns_have_format_of_each_service() {
        let location = Location {
            partition: partition_name("eu-central-1"),
            region: "eu-central-1",
            account: "123456789012",
        };
        let arns = [
            location.role_arn("hits-test"),
            location.function_arn("hits-test"),
            location.table_arn("hits-test"),
            location.log_group_arn("/aws/lambda/hits-test"),
            location.queue_arn("hits-test-hits"),
            location.rule_arn("default", "hits-test"),
            location.rule_arn("mine", "hits-test"),
            location.http_api_call_arn("a1b2"),
            location.distribution_arn("E123ABC"),
            location.api_gateway_arn("/apis/a1b2"),
            location.objects_arn("logs", "*"),
        ];
        insta::assert_snapshot!(arns.join("\n"), @r"
        arn:aws:iam::123456789012:role/hits-test
        arn:aws:lambda:eu-central-1:123456789012:function:hits-test
        arn:aws:dynamodb:eu-central-1:123456789012:table/hits-test
        arn:aws:logs:eu-central-1:123456789012:log-group:/aws/lambda/hits-test
        arn:aws:sqs:eu-central-1:123456789012:hits-test-hits
        arn:aws:events:eu-central-1:123456789012:rule/hits-test
        arn:aws:events:eu-central-1:123456789012:rule/mine/hits-test
        arn:aws:execute-api:eu-central-1:123456789012:a1b2/*/*
        arn:aws:cloudfront::123456789012:distribution/E123ABC
        arn:aws:apigateway:eu-central-1::/apis/a1b2
        arn:aws:s3:::logs/*
        ");
    }

    #[test]
    fn queue_url_uses_domain_of_partition() {
        let url = |region| {
            Location { partition: partition_name(region), region, account: "123456789012" }
                .queue_url("hits-test-hits")
        };
        insta::assert_snapshot!(["eu-west-1", "cn-north-1", "eusc-de-east-1"].map(url).join("\n"), @"
        https://sqs.eu-west-1.amazonaws.com/123456789012/hits-test-hits
        https://sqs.cn-north-1.amazonaws.com.cn/123456789012/hits-test-hits
        https://sqs.eusc-de-east-1.amazonaws.eu/123456789012/hits-test-hits
        ");
    }
}
