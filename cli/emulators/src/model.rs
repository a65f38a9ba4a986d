//! Validates requests against AWS's service models, as shipped with botocore. Emulators accept many requests that AWS rejects.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};

use hyper::http::request::Parts;
use serde_json::{Value as Json, json};

use crate::install;

/// The process that has loaded the service models. It ends with the test process, whose end closes its standard input.
struct Validator {
    _child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Validator {
    fn start() -> Result<Mutex<Self>, String> {
        let installed = install::emulators()?;
        let mut child = Command::new(install::python(installed))
            .args(["-I", "-c", include_str!("model.py")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| error.to_string())?;
        let input = child.stdin.take().ok_or("it has no input")?;
        let output = BufReader::new(child.stdout.take().ok_or("it has no output")?);
        Ok(Mutex::new(Self { _child: child, input, output }))
    }

    fn validate(&mut self, request: &Json, body: &[u8]) -> Result<Vec<String>, String> {
        let describe = |error: std::io::Error| error.to_string();
        let line = format!("{request}\n");
        self.input.write_all(line.as_bytes()).map_err(describe)?;
        self.input.write_all(body).map_err(describe)?;
        self.input.flush().map_err(describe)?;
        let mut response = String::new();
        self.output.read_line(&mut response).map_err(describe)?;
        serde_json::from_str(&response).map_err(|error| format!("{response:?}: {error}"))
    }
}

/// Returns the parts of a request that the service's model does not allow. Blocks the thread.
pub(crate) fn violations(service: &str, request: &Parts, body: &[u8]) -> Vec<String> {
    static VALIDATOR: OnceLock<Result<Mutex<Validator>, String>> = OnceLock::new();
    let headers: serde_json::Map<String, Json> = request
        .headers
        .iter()
        .filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.into())))
        .collect();
    let target = request.uri.path_and_query().map_or("/", |target| target.as_str());
    let description = json!({
        "service": service,
        "method": request.method.as_str(),
        "target": target,
        "headers": headers,
        "length": body.len(),
    });
    let result = match VALIDATOR.get_or_init(Validator::start) {
        Ok(validator) => {
            validator.lock().unwrap_or_else(PoisonError::into_inner).validate(&description, body)
        }
        Err(error) => Err(error.clone()),
    };
    // A request that cannot be validated must not count as valid.
    result.unwrap_or_else(|error| vec![format!("failed to validate the request: {error}")])
}

#[cfg(test)]
mod tests {
    use hyper::Request;

    use super::*;

    fn violations_of(
        service: &str,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> String {
        let mut request = Request::builder().method(method).uri(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        violations(service, &request.body(()).unwrap().into_parts().0, body.as_bytes()).join("; ")
    }

    #[test]
    fn violations_of_valid_requests_are_empty() {
        let dynamodb = [
            ("x-amz-target", "DynamoDB_20120810.DescribeTable"),
            ("content-type", "application/x-amz-json-1.0"),
        ];
        assert_eq!(violations_of("dynamodb", "POST", "/", &dynamodb, r#"{"TableName":"hits-test"}"#), "");
        let form = [("content-type", "application/x-www-form-urlencoded")];
        let role = "Action=TagRole&Version=2010-05-08&RoleName=x&Tags.member.1.Key=a&Tags.member.1.Value=b";
        assert_eq!(violations_of("iam", "POST", "/", &form, role), "");
        let alias = "/2015-03-31/functions/hits-test/policy?Qualifier=live";
        assert_eq!(violations_of("lambda", "GET", alias, &[], ""), "");
        let batch = "<InvalidationBatch xmlns=\"http://cloudfront.amazonaws.com/doc/2020-05-31/\"><Paths><Quantity>1</Quantity>\
            <Items><Path>/*</Path></Items></Paths><CallerReference>x</CallerReference></InvalidationBatch>";
        let distribution = "/2020-05-31/distribution/E123ABC/invalidation";
        assert_eq!(violations_of("cloudfront", "POST", distribution, &[], batch), "");
    }

    #[test]
    fn violations_of_invalid_requests_name_the_problem() {
        let dynamodb = [
            ("x-amz-target", "DynamoDB_20120810.DescribeTable"),
            ("content-type", "application/x-amz-json-1.0"),
        ];
        let violations = [
            violations_of("dynamodb", "POST", "/", &dynamodb, r#"{"Table":"hits-test"}"#),
            violations_of("dynamodb", "POST", "/", &dynamodb[..1], r#"{"TableName":"hits-test"}"#),
            violations_of(
                "iam",
                "POST",
                "/",
                &[],
                "Action=TagRole&Version=2010-05-08&RoleName=x%20y&Tags.member.1.Key=a&Tags.member.1.Value=b",
            ),
            violations_of("iam", "POST", "/", &[], "Action=TagRoles&Version=2010-05-08"),
            violations_of(
                "lambda",
                "POST",
                "/2015-03-31/functions",
                &[],
                r#"{"FunctionName":"x","Role":"r","Code":{},"Timeout":901,"Colour":1}"#,
            ),
            violations_of(
                "lambda",
                "PUT",
                "/2017-10-31/functions/x/concurrency",
                &[],
                r#"{"ReservedConcurrentExecutions":"1"}"#,
            ),
            violations_of("lambda", "GET", "/2015-03-31/functions/x?Qualifer=live", &[], ""),
            violations_of(
                "apigateway",
                "PATCH",
                "/v2/apis/x/stages/%24default",
                &[],
                r#"{"DefaultRouteSettings":{}}"#,
            ),
            violations_of("nothing", "GET", "/", &[], ""),
        ];
        insta::assert_snapshot!(violations.join("\n"), @r"
        DescribeTable.TableName: is required; DescribeTable.Table: there is no such member
        expected the content type application/x-amz-json-1.0, found nothing
        TagRole.RoleName: expected the pattern [\w+=,.@-]+, found 'x y'
        there is no operation TagRoles
        there is no member Colour of CreateFunction
        PutFunctionConcurrency.ReservedConcurrentExecutions: expected integer, found '1'
        there is no parameter Qualifer of GetFunction
        there is no member DefaultRouteSettings of UpdateStage
        there is no model of nothing
        ");
    }
}
