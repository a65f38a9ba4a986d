//! Amazon Resource Names. They are computed, never stored: partition, region and account are known before a resource exists.

use crate::partitions::Partition;

/// The partition, the region and the account that resources are in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Location<'a> {
    /// `aws`, or another partition.
    pub partition: &'a str,
    /// The region's code.
    pub region: &'a str,
    /// The account: twelve digits.
    pub account: &'a str,
}

impl Location<'_> {
    /// The ARN of a resource, such as `table/hits-test` of `dynamodb`. Services that are not regional, or whose names are unique beyond the
    /// account, leave these parts empty (service authorization reference of each service).
    pub fn arn(self, service: &str, resource: &str) -> String {
        let (region, account) = match service {
            "cloudfront" | "iam" => ("", self.account),
            "s3" => ("", ""),
            "apigateway" => (self.region, ""),
            _ => (self.region, self.account),
        };
        format!("arn:{}:{service}:{region}:{account}:{resource}", self.partition)
    }

    /// The ARN of a role.
    pub fn role_arn(self, name: &str) -> String {
        self.arn("iam", &format!("role/{name}"))
    }

    /// The ARN of a function.
    pub fn function_arn(self, name: &str) -> String {
        self.arn("lambda", &format!("function:{name}"))
    }

    /// The ARN of a table.
    pub fn table_arn(self, name: &str) -> String {
        self.arn("dynamodb", &format!("table/{name}"))
    }

    /// The ARN of a log group, without the `:*` that stands for its streams.
    pub fn log_group_arn(self, name: &str) -> String {
        self.arn("logs", &format!("log-group:{name}"))
    }

    /// The ARN of a queue.
    pub fn queue_arn(self, name: &str) -> String {
        self.arn("sqs", name)
    }

    /// The ARN of a rule; that of the default bus carries no bus.
    pub fn rule_arn(self, bus: &str, name: &str) -> String {
        let resource = if bus == "default" { format!("rule/{name}") } else { format!("rule/{bus}/{name}") };
        self.arn("events", &resource)
    }

    /// The ARN of a call through any stage and route of an HTTP API.
    pub fn http_api_call_arn(self, api_id: &str) -> String {
        self.arn("execute-api", &format!("{api_id}/*/*"))
    }

    /// The URL of a queue, as SQS makes it. Emulators and the local cloud have their own.
    pub fn queue_url(self, name: &str) -> String {
        let suffix =
            Partition::named(self.partition).map_or("amazonaws.com", |partition| partition.dns_suffix);
        format!("https://sqs.{}.{suffix}/{}/{name}", self.region, self.account)
    }

    /// The ARN of a distribution.
    pub fn distribution_arn(self, id: &str) -> String {
        self.arn("cloudfront", &format!("distribution/{id}"))
    }

    /// The ARN of the HTTP API, or of another path of API Gateway's own API such as `/tags/*`.
    pub fn api_gateway_arn(self, path: &str) -> String {
        self.arn("apigateway", path)
    }

    /// The ARN of the objects of a bucket whose keys match a pattern.
    pub fn objects_arn(self, bucket: &str, keys: &str) -> String {
        self.arn("s3", &format!("{bucket}/{keys}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::partition;

    #[test]
    fn arns_follow_each_service() {
        let place = Location {
            partition: partition("eu-central-1"),
            region: "eu-central-1",
            account: "123456789012",
        };
        let arns = [
            place.role_arn("hits-test"),
            place.function_arn("hits-test"),
            place.table_arn("hits-test"),
            place.log_group_arn("/aws/lambda/hits-test"),
            place.queue_arn("hits-test-hits"),
            place.rule_arn("default", "hits-test"),
            place.rule_arn("mine", "hits-test"),
            place.http_api_call_arn("a1b2"),
            place.distribution_arn("E123ABC"),
            place.api_gateway_arn("/apis/a1b2"),
            place.objects_arn("logs", "*"),
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
    fn queue_url_is_in_the_domain_of_the_partition() {
        let url = |region| {
            Location { partition: partition(region), region, account: "123456789012" }
                .queue_url("hits-test-hits")
        };
        insta::assert_snapshot!(["eu-west-1", "cn-north-1", "eusc-de-east-1"].map(url).join("\n"), @"
        https://sqs.eu-west-1.amazonaws.com/123456789012/hits-test-hits
        https://sqs.cn-north-1.amazonaws.com.cn/123456789012/hits-test-hits
        https://sqs.eusc-de-east-1.amazonaws.eu/123456789012/hits-test-hits
        ");
    }
}
