//! Derives the name of an AWS call from its request: `service:Operation`, with the service of the credential scope.

use std::fmt;

use hyper::http::request::Parts;

/// A recorded AWS call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedCall {
    /// The position of the call among all recorded calls, from 1.
    pub number: usize,
    /// The position of the call among the recorded write calls, from 1; 0 for a read call.
    pub write_number: usize,
    /// The service name of the signature: `dynamodb`, `apigateway`, `tagging`.
    pub service: String,
    /// The operation, as in the service model: `CreateTable`.
    pub operation: String,
    /// The path of the request. For REST services, it contains the resource.
    pub path: String,
    /// The protocol of the service, which decides the format of errors.
    pub(crate) protocol: Protocol,
}

impl RecordedCall {
    /// Whether the call may change a resource. An invocation counts as a write, because it runs code.
    pub fn is_write(&self) -> bool {
        self.write_number > 0
    }

    /// Whether the call has this name: `dynamodb:CreateTable`.
    pub fn has_name(&self, name: &str) -> bool {
        name.split_once(':') == Some((&self.service, &self.operation))
    }
}

impl fmt::Display for RecordedCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.service, self.operation)
    }
}

/// The protocol families of AWS services, which differ in their error format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// The operation is in the header `X-Amz-Target`; bodies are JSON.
    Json,
    /// The operation is the form field `Action`; responses are XML.
    Query,
    /// The operation follows from the method and the path.
    Rest,
}

/// Parses the AWS call of a request. Returns `None` for requests that no AWS SDK sent, such as those of the deployed
/// function: it signs its calls, but sends no user agent.
///
/// The positions are preliminary: `number` is 0, and `write_number` is 1 for every write. The proxy assigns the real
/// ones when it records the call.
pub(crate) fn parse(request: &Parts, body: &[u8]) -> Option<RecordedCall> {
    let header = |name: &str| request.headers.get(name).and_then(|value| value.to_str().ok());
    header("user-agent")?;
    // Credential=KEY/DATE/REGION/SERVICE/aws4_request
    let scope = header("authorization")?.split_once("Credential=")?.1;
    let service = scope.split(',').next()?.split('/').nth(3)?.to_owned();
    let path = request.uri.path().to_owned();
    let form_action = || {
        let text = std::str::from_utf8(body).ok()?;
        text.split('&').find_map(|pair| pair.strip_prefix("Action=")).map(str::to_owned)
    };
    let (operation, protocol) = if let Some(target) = header("x-amz-target") {
        (target.rsplit('.').next()?.to_owned(), Protocol::Json)
    } else if let Some(action) = form_action() {
        (action, Protocol::Query)
    } else {
        let method = request.method.as_str();
        let known = rest_operation(&service, method, &path);
        (known.map_or_else(|| format!("{method} {path}"), str::to_owned), Protocol::Rest)
    };
    let write_number = usize::from(!is_read(&operation));
    Some(RecordedCall { number: 0, write_number, service, operation, path, protocol })
}

/// Whether an operation only reads, by the first word of its name. AWS names operations consistently.
fn is_read(operation: &str) -> bool {
    const READ_PREFIXES: [&str; 11] = [
        "BatchGet",
        "Describe",
        "Filter",
        "GET ",
        "Get",
        "HEAD ",
        "Head",
        "List",
        "Query",
        "Scan",
        "TransactGet",
    ];
    READ_PREFIXES.iter().any(|prefix| operation.starts_with(prefix))
}

/// The HTTP method, the path without its version segment, and the operation. `*` matches one path segment, which may
/// contain encoded slashes.
type RestOperation = (&'static str, &'static str, &'static str);

const LAMBDA: &[RestOperation] = &[
    ("GET", "account-settings", "GetAccountSettings"),
    ("GET", "event-source-mappings", "ListEventSourceMappings"),
    ("POST", "event-source-mappings", "CreateEventSourceMapping"),
    ("DELETE", "event-source-mappings/*", "DeleteEventSourceMapping"),
    ("GET", "event-source-mappings/*", "GetEventSourceMapping"),
    ("PUT", "event-source-mappings/*", "UpdateEventSourceMapping"),
    ("GET", "functions", "ListFunctions"),
    ("POST", "functions", "CreateFunction"),
    ("DELETE", "functions/*", "DeleteFunction"),
    ("GET", "functions/*", "GetFunction"),
    ("GET", "functions/*/aliases", "ListAliases"),
    ("POST", "functions/*/aliases", "CreateAlias"),
    ("DELETE", "functions/*/aliases/*", "DeleteAlias"),
    ("GET", "functions/*/aliases/*", "GetAlias"),
    ("PUT", "functions/*/aliases/*", "UpdateAlias"),
    ("PUT", "functions/*/code", "UpdateFunctionCode"),
    ("DELETE", "functions/*/concurrency", "DeleteFunctionConcurrency"),
    ("GET", "functions/*/concurrency", "GetFunctionConcurrency"),
    ("PUT", "functions/*/concurrency", "PutFunctionConcurrency"),
    ("GET", "functions/*/configuration", "GetFunctionConfiguration"),
    ("PUT", "functions/*/configuration", "UpdateFunctionConfiguration"),
    ("DELETE", "functions/*/event-invoke-config", "DeleteFunctionEventInvokeConfig"),
    ("GET", "functions/*/event-invoke-config", "GetFunctionEventInvokeConfig"),
    ("POST", "functions/*/event-invoke-config", "UpdateFunctionEventInvokeConfig"),
    ("PUT", "functions/*/event-invoke-config", "PutFunctionEventInvokeConfig"),
    ("POST", "functions/*/invocations", "Invoke"),
    ("GET", "functions/*/policy", "GetPolicy"),
    ("POST", "functions/*/policy", "AddPermission"),
    ("DELETE", "functions/*/policy/*", "RemovePermission"),
    ("DELETE", "functions/*/url", "DeleteFunctionUrlConfig"),
    ("GET", "functions/*/url", "GetFunctionUrlConfig"),
    ("POST", "functions/*/url", "CreateFunctionUrlConfig"),
    ("PUT", "functions/*/url", "UpdateFunctionUrlConfig"),
    ("GET", "functions/*/urls", "ListFunctionUrlConfigs"),
    ("GET", "functions/*/versions", "ListVersionsByFunction"),
    ("POST", "functions/*/versions", "PublishVersion"),
    ("DELETE", "tags/*", "UntagResource"),
    ("GET", "tags/*", "ListTags"),
    ("POST", "tags/*", "TagResource"),
];

const API_GATEWAY_V2: &[RestOperation] = &[
    ("GET", "apis", "GetApis"),
    ("POST", "apis", "CreateApi"),
    ("DELETE", "apis/*", "DeleteApi"),
    ("GET", "apis/*", "GetApi"),
    ("PATCH", "apis/*", "UpdateApi"),
    ("DELETE", "apis/*/cors", "DeleteCorsConfiguration"),
    ("GET", "apis/*/deployments", "GetDeployments"),
    ("POST", "apis/*/deployments", "CreateDeployment"),
    ("GET", "apis/*/deployments/*", "GetDeployment"),
    ("GET", "apis/*/integrations", "GetIntegrations"),
    ("POST", "apis/*/integrations", "CreateIntegration"),
    ("DELETE", "apis/*/integrations/*", "DeleteIntegration"),
    ("GET", "apis/*/integrations/*", "GetIntegration"),
    ("PATCH", "apis/*/integrations/*", "UpdateIntegration"),
    ("GET", "apis/*/routes", "GetRoutes"),
    ("POST", "apis/*/routes", "CreateRoute"),
    ("DELETE", "apis/*/routes/*", "DeleteRoute"),
    ("GET", "apis/*/routes/*", "GetRoute"),
    ("PATCH", "apis/*/routes/*", "UpdateRoute"),
    ("GET", "apis/*/stages", "GetStages"),
    ("POST", "apis/*/stages", "CreateStage"),
    ("DELETE", "apis/*/stages/*", "DeleteStage"),
    ("GET", "apis/*/stages/*", "GetStage"),
    ("PATCH", "apis/*/stages/*", "UpdateStage"),
    ("DELETE", "apis/*/stages/*/routesettings/*", "DeleteRouteSettings"),
    ("DELETE", "tags/*", "UntagResource"),
    ("GET", "tags/*", "GetTags"),
    ("POST", "tags/*", "TagResource"),
];

const CLOUDFRONT: &[RestOperation] = &[
    ("POST", "distribution", "CreateDistribution"),
    ("GET", "distribution/*", "GetDistribution"),
    ("GET", "distribution/*/config", "GetDistributionConfig"),
    ("PUT", "distribution/*/config", "UpdateDistribution"),
    ("GET", "distribution/*/invalidation", "ListInvalidations"),
    ("POST", "distribution/*/invalidation", "CreateInvalidation"),
    ("GET", "distribution/*/invalidation/*", "GetInvalidation"),
];

/// Returns the operation of a request to a REST service, or `None` when it is not in the tables.
fn rest_operation(service: &str, method: &str, path: &str) -> Option<&'static str> {
    let table = match service {
        "lambda" => LAMBDA,
        "apigateway" => API_GATEWAY_V2,
        "cloudfront" => CLOUDFRONT,
        _ => return None,
    };
    // The first segment is a version: `/2015-03-31/functions`, `/v2/apis`.
    let parts: Vec<&str> = path.trim_matches('/').split('/').skip(1).collect();
    let matches = |pattern: &str| {
        let pattern: Vec<&str> = pattern.split('/').collect();
        pattern.len() == parts.len()
            && pattern.iter().zip(&parts).all(|(expected, part)| *expected == "*" || expected == part)
    };
    table.iter().find(|(verb, pattern, _)| *verb == method && matches(pattern)).map(|(_, _, name)| *name)
}

#[cfg(test)]
mod tests {
    use hyper::Request;

    use super::*;

    fn parse_request(
        method: &str,
        path: &str,
        service: &str,
        target: Option<&str>,
        body: &str,
    ) -> Option<RecordedCall> {
        let scope =
            format!("AWS4-HMAC-SHA256 Credential=A/20260101/eu-central-1/{service}/aws4_request, S=x");
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", scope)
            .header("user-agent", "aws-sdk-rust/1");
        if let Some(target) = target {
            request = request.header("x-amz-target", target);
        }
        parse(&request.body(()).unwrap().into_parts().0, body.as_bytes())
    }

    #[test]
    fn parse_names_the_operation_in_every_protocol() {
        let summary =
            |call: Option<RecordedCall>| call.map(|call| (call.to_string(), call.is_write())).unwrap();
        let expected = |name: &str, writes| (name.to_owned(), writes);
        let table = parse_request("POST", "/", "dynamodb", Some("DynamoDB_20120810.CreateTable"), "{}");
        assert_eq!(summary(table), expected("dynamodb:CreateTable", true));
        let read = parse_request("POST", "/", "logs", Some("Logs_20140328.DescribeLogGroups"), "{}");
        assert_eq!(summary(read), expected("logs:DescribeLogGroups", false));
        let tags =
            parse_request("POST", "/", "tagging", Some("ResourceGroupsTaggingAPI_20170126.GetResources"), "");
        assert_eq!(summary(tags), expected("tagging:GetResources", false));
        let role = parse_request("POST", "/", "iam", None, "Action=CreateRole&Version=2010-05-08&RoleName=x");
        assert_eq!(summary(role), expected("iam:CreateRole", true));
        let caller_identity =
            parse_request("POST", "/", "sts", None, "Version=2011-06-15&Action=GetCallerIdentity");
        assert_eq!(summary(caller_identity), expected("sts:GetCallerIdentity", false));
        let invoke = parse_request(
            "POST",
            "/2015-03-31/functions/hits-test/invocations?Qualifier=live",
            "lambda",
            None,
            "",
        );
        assert_eq!(summary(invoke), expected("lambda:Invoke", true));
        let remove_permission =
            parse_request("DELETE", "/2015-03-31/functions/a/policy/b?Qualifier=live", "lambda", None, "");
        assert_eq!(summary(remove_permission), expected("lambda:RemovePermission", true));
        let stage = parse_request("PATCH", "/v2/apis/x/stages/%24default", "apigateway", None, "{}");
        assert_eq!(summary(stage), expected("apigateway:UpdateStage", true));
        let distribution = parse_request("GET", "/2020-05-31/distribution/E1", "cloudfront", None, "");
        assert_eq!(summary(distribution), expected("cloudfront:GetDistribution", false));
        let arn = parse_request(
            "POST",
            "/v2/tags/arn%3Aaws%3Aapigateway%3A%3A%2Fapis%2Fx",
            "apigateway",
            None,
            "{}",
        );
        assert_eq!(summary(arn), expected("apigateway:TagResource", true));
        // A REST call that is in no table is named by its method and path.
        assert_eq!(
            summary(parse_request("GET", "/2099-01-01/news", "lambda", None, "")),
            expected("lambda:GET /2099-01-01/news", false)
        );
        assert!(summary(parse_request("POST", "/2099-01-01/news", "lambda", None, "")).1);
    }

    #[test]
    fn parse_of_visitor_or_function_request_returns_none() {
        let request = Request::get("/counter").header("user-agent", "a browser").body(()).unwrap();
        assert_eq!(parse(&request.into_parts().0, b""), None);
        let signed = "AWS4-HMAC-SHA256 Credential=A/20260101/eu-central-1/dynamodb/aws4_request, S=x";
        let request = Request::post("/")
            .header("authorization", signed)
            .header("x-amz-target", "DynamoDB_20120810.UpdateItem")
            .body(())
            .unwrap();
        assert_eq!(parse(&request.into_parts().0, b"{}"), None);
    }

    #[test]
    fn operation_tables_are_sorted_without_duplicates() {
        for table in [LAMBDA, API_GATEWAY_V2, CLOUDFRONT] {
            assert!(table.is_sorted_by(|a, b| (a.1, a.0) < (b.1, b.0)));
        }
    }
}
