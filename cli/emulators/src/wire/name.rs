//! What an AWS call is called, read off its request: `service:Operation`, the service as in the credential scope.

use std::fmt;

use hyper::http::request::Parts;

/// One AWS call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Its number among the calls, from 1.
    pub n: usize,
    /// Its number among the calls that write, from 1; 0 when it only reads.
    pub write: usize,
    /// The service, as it is signed for: `dynamodb`, `apigateway`, `tagging`.
    pub service: String,
    /// The operation, as in the service model: `CreateTable`.
    pub operation: String,
    /// The path of the request: for REST services it says what the call is about.
    pub path: String,
    /// How the service speaks, which is how its errors look.
    pub(crate) protocol: Protocol,
}

impl Call {
    /// Whether it may change a resource. An invocation counts: it runs code.
    pub fn writes(&self) -> bool {
        self.write > 0
    }

    /// Whether it is that one: `dynamodb:CreateTable`.
    pub fn is(&self, name: &str) -> bool {
        name.split_once(':') == Some((&self.service, &self.operation))
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.service, self.operation)
    }
}

/// The wire protocols of AWS, as far as errors differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// `X-Amz-Target`.
    Json,
    /// `Action=`, answered in XML.
    Query,
    /// Methods and paths.
    Rest,
}

/// What a request asks for; `None` when it is no call of somebody with an AWS SDK. The deployed function signs its calls
/// too, and sends no user agent.
pub(crate) fn name(request: &Parts, body: &[u8]) -> Option<Call> {
    let header = |name: &str| request.headers.get(name).and_then(|value| value.to_str().ok());
    header("user-agent")?;
    // Credential=KEY/DATE/REGION/SERVICE/aws4_request
    let scope = header("authorization")?.split_once("Credential=")?.1;
    let service = scope.split(',').next()?.split('/').nth(3)?.to_owned();
    let path = request.uri.path().to_owned();
    let form = || {
        let text = std::str::from_utf8(body).ok()?;
        text.split('&').find_map(|pair| pair.strip_prefix("Action=")).map(str::to_owned)
    };
    let (operation, protocol) = if let Some(target) = header("x-amz-target") {
        (target.rsplit('.').next()?.to_owned(), Protocol::Json)
    } else if let Some(action) = form() {
        (action, Protocol::Query)
    } else {
        let method = request.method.as_str();
        let known = operation(&service, method, &path);
        (known.map_or_else(|| format!("{method} {path}"), str::to_owned), Protocol::Rest)
    };
    let write = usize::from(!reads(&operation));
    Some(Call { n: 0, write, service, operation, path, protocol })
}

/// Whether an operation only looks: by its name, which AWS keeps to.
fn reads(operation: &str) -> bool {
    const LOOKING: [&str; 11] = [
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
    LOOKING.iter().any(|word| operation.starts_with(word))
}

/// A method, a path after its version, and the operation. `*` is one part of a path, percent-encoded slashes and all.
type Row = (&'static str, &'static str, &'static str);

const LAMBDA: &[Row] = &[
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

const API_GATEWAY_V2: &[Row] = &[
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

const CLOUDFRONT: &[Row] = &[
    ("POST", "distribution", "CreateDistribution"),
    ("GET", "distribution/*", "GetDistribution"),
    ("GET", "distribution/*/config", "GetDistributionConfig"),
    ("PUT", "distribution/*/config", "UpdateDistribution"),
    ("GET", "distribution/*/invalidation", "ListInvalidations"),
    ("POST", "distribution/*/invalidation", "CreateInvalidation"),
    ("GET", "distribution/*/invalidation/*", "GetInvalidation"),
];

/// The operation of a REST service; `None` for one that is not in the tables.
fn operation(service: &str, method: &str, path: &str) -> Option<&'static str> {
    let table = match service {
        "lambda" => LAMBDA,
        "apigateway" => API_GATEWAY_V2,
        "cloudfront" => CLOUDFRONT,
        _ => return None,
    };
    // Its first part is a version: `/2015-03-31/functions`, `/v2/apis`.
    let parts: Vec<&str> = path.trim_matches('/').split('/').skip(1).collect();
    let fits = |pattern: &str| {
        let pattern: Vec<&str> = pattern.split('/').collect();
        pattern.len() == parts.len()
            && pattern.iter().zip(&parts).all(|(want, part)| *want == "*" || want == part)
    };
    table.iter().find(|(verb, pattern, _)| *verb == method && fits(pattern)).map(|(_, _, name)| *name)
}

#[cfg(test)]
mod tests {
    use hyper::Request;

    use super::*;

    fn asked(method: &str, path: &str, service: &str, target: Option<&str>, body: &str) -> Option<Call> {
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
        name(&request.body(()).unwrap().into_parts().0, body.as_bytes())
    }

    #[test]
    fn every_protocol_has_its_way_of_naming_operations() {
        let of = |call: Option<Call>| call.map(|call| (call.to_string(), call.writes())).unwrap();
        let called = |name: &str, writes| (name.to_owned(), writes);
        let table = asked("POST", "/", "dynamodb", Some("DynamoDB_20120810.CreateTable"), "{}");
        assert_eq!(of(table), called("dynamodb:CreateTable", true));
        let read = asked("POST", "/", "logs", Some("Logs_20140328.DescribeLogGroups"), "{}");
        assert_eq!(of(read), called("logs:DescribeLogGroups", false));
        let tags = asked("POST", "/", "tagging", Some("ResourceGroupsTaggingAPI_20170126.GetResources"), "");
        assert_eq!(of(tags), called("tagging:GetResources", false));
        let role = asked("POST", "/", "iam", None, "Action=CreateRole&Version=2010-05-08&RoleName=x");
        assert_eq!(of(role), called("iam:CreateRole", true));
        let me = asked("POST", "/", "sts", None, "Version=2011-06-15&Action=GetCallerIdentity");
        assert_eq!(of(me), called("sts:GetCallerIdentity", false));
        let run =
            asked("POST", "/2015-03-31/functions/hits-test/invocations?Qualifier=live", "lambda", None, "");
        assert_eq!(of(run), called("lambda:Invoke", true));
        let forget = asked("DELETE", "/2015-03-31/functions/a/policy/b?Qualifier=live", "lambda", None, "");
        assert_eq!(of(forget), called("lambda:RemovePermission", true));
        let stage = asked("PATCH", "/v2/apis/x/stages/%24default", "apigateway", None, "{}");
        assert_eq!(of(stage), called("apigateway:UpdateStage", true));
        let distribution = asked("GET", "/2020-05-31/distribution/E1", "cloudfront", None, "");
        assert_eq!(of(distribution), called("cloudfront:GetDistribution", false));
        let arn = asked("POST", "/v2/tags/arn%3Aaws%3Aapigateway%3A%3A%2Fapis%2Fx", "apigateway", None, "{}");
        assert_eq!(of(arn), called("apigateway:TagResource", true));
        // Not in a table: seen nevertheless, and by its method.
        assert_eq!(
            of(asked("GET", "/2099-01-01/news", "lambda", None, "")),
            called("lambda:GET /2099-01-01/news", false)
        );
        assert!(of(asked("POST", "/2099-01-01/news", "lambda", None, "")).1);
    }

    #[test]
    fn visitors_and_the_function_itself_are_no_callers() {
        let request = Request::get("/counter").header("user-agent", "a browser").body(()).unwrap();
        assert_eq!(name(&request.into_parts().0, b""), None);
        let signed = "AWS4-HMAC-SHA256 Credential=A/20260101/eu-central-1/dynamodb/aws4_request, S=x";
        let request = Request::post("/")
            .header("authorization", signed)
            .header("x-amz-target", "DynamoDB_20120810.UpdateItem")
            .body(())
            .unwrap();
        assert_eq!(name(&request.into_parts().0, b"{}"), None);
    }

    #[test]
    fn the_tables_are_in_order_and_say_nothing_twice() {
        for table in [LAMBDA, API_GATEWAY_V2] {
            assert!(table.is_sorted_by(|a, b| (a.1, a.0) < (b.1, b.0)));
        }
    }
}
