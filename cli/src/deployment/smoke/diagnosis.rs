//! Explains unexpected responses of a deployed function: the probable cause, and a hint. It makes no calls.

use hitctl_cloud::InvokeResult;
use hitctl_engine::Fault;
use serde_json::Value as Json;

/// An unexpected response, or a request that got no response.
#[derive(Debug)]
pub(super) struct Unexpected {
    pub(super) url: String,
    /// A lower-case sentence fragment that describes the problem.
    pub(super) what: String,
    /// The status code, or `None` if there was no response.
    pub(super) status: Option<u16>,
    pub(super) body: String,
}

/// A cause, and a hint if the cause is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Diagnosis {
    pub(super) cause: String,
    pub(super) hint: Option<String>,
}

impl Diagnosis {
    /// Returns a cause without a hint.
    pub(super) fn unknown(cause: String) -> Self {
        Self { cause, hint: None }
    }
}

/// Explains a server error. `invoked` is the result of invoking the function directly.
pub(super) fn of_response(
    function: &str,
    Unexpected { what, status, body, .. }: &Unexpected,
    invoked: &Result<InvokeResult, Fault>,
) -> Diagnosis {
    let response_text = message(body).map_or_else(|| what.clone(), |message| format!("{what} ({message})"));
    if let Ok(invoke_result) = invoked
        && is_success(invoke_result)
    {
        let cause = format!("{response_text}; invoked directly, function {function} responds");
        let hint = match status {
            Some(500) => format!(
                "run `hitctl deploy` to allow the HTTP API to invoke function {function}; `hitctl plan` shows the missing \
                 permission"
            ),
            Some(503) => reservation(function),
            Some(429) => {
                "the HTTP API is throttling requests; raise `rate_per_second` and `burst` under [http]"
                    .to_owned()
            }
            _ => return Diagnosis::unknown(cause),
        };
        return Diagnosis { cause, hint: Some(hint) };
    }
    let Diagnosis { cause, hint } = of_call(function, invoked);
    // Without the permission to invoke the function, only the status is known.
    let hint = hint.or_else(|| match status {
        Some(500) if is_denied(invoked) => Some(format!(
            "allow `lambda:InvokeFunction` to find the cause: either the HTTP API has no permission to invoke function \
             {function}, or Lambda cannot decrypt its environment variables because its role was recreated"
        )),
        Some(503) if is_denied(invoked) => Some(reservation(function)),
        _ => None,
    });
    Diagnosis { cause: format!("{response_text}; invoked directly: {cause}"), hint }
}

/// Explains a direct invocation that failed.
pub(super) fn of_call(function: &str, invoked: &Result<InvokeResult, Fault>) -> Diagnosis {
    let invoke_result = match invoked {
        Ok(invoke_result) => invoke_result,
        Err(fault) => {
            let cause = fault.cause.as_deref().unwrap_or(&fault.message).to_owned();
            let hint = match fault.code.as_str() {
                code if code.starts_with("KMS") => Some(kms(function)),
                "TooManyRequestsException" => Some(reservation(function)),
                _ => fault.hint.clone(),
            };
            return Diagnosis { cause, hint };
        }
    };
    if invoke_result.function_error.is_some() {
        let text = |name: &str| invoke_result.payload[name].as_str().unwrap_or_default();
        let cause = match (text("errorType"), text("errorMessage")) {
            ("", "") => format!("function {function} failed: {}", invoke_result.payload),
            ("", message) => message.to_owned(),
            (kind, message) => format!("{kind}: {message}"),
        };
        return Diagnosis::unknown(cause);
    }
    let status = &invoke_result.payload["statusCode"];
    let body = invoke_result.payload["body"].as_str().unwrap_or_default();
    let response_text = message(body).map_or_else(String::new, |message| format!(" ({message})"));
    let cause = format!("function {function} returned HTTP {status}{response_text}");
    match logged_cause(&invoke_result.log_tail) {
        Some(why) => Diagnosis {
            cause: format!("{cause}: {why}"),
            hint: Some(
                "check endpoint variables such as AWS_ENDPOINT_URL under [function.environment], and run `hitctl plan` to \
                 check the role: the function cannot use its table"
                    .to_owned(),
            ),
        },
        None => Diagnosis::unknown(cause),
    }
}

fn is_success(invoke_result: &InvokeResult) -> bool {
    invoke_result.function_error.is_none() && invoke_result.payload["statusCode"] == 200
}

fn is_denied(invoked: &Result<InvokeResult, Fault>) -> bool {
    invoked.as_ref().is_err_and(|fault| fault.code.starts_with("AccessDenied"))
}

fn reservation(function: &str) -> String {
    format!(
        "raise `reserved_concurrency` under [function], or wait until there are fewer requests: the reserved concurrency \
         of function {function}, or the concurrency of the account, is 0 or used up"
    )
}

fn kms(function: &str) -> String {
    format!(
        "run `hitctl deploy` to renew the KMS grant: Lambda cannot decrypt the environment variables of function \
         {function}, because its role was deleted and recreated"
    )
}

/// Returns the message of a JSON error of the HTTP API or the function.
fn message(body: &str) -> Option<String> {
    let json: Json = serde_json::from_str(body).ok()?;
    json["message"].as_str().map(str::to_owned)
}

/// Returns the `cause` field of the last error in the log of an invocation. Warnings did not fail the invocation.
fn logged_cause(tail: &str) -> Option<String> {
    let mut newest_first = tail.lines().rev().filter_map(|line| serde_json::from_str::<Json>(line).ok());
    newest_first.find_map(|line| {
        let is_error = line["level"].as_str().is_some_and(|level| level.eq_ignore_ascii_case("error"));
        line["cause"].as_str().filter(|_| is_error).map(str::to_owned)
    })
}

#[cfg(test)]
mod tests {
    use hitctl_engine::{Fault, FaultKind};
    use serde_json::json;

    use super::*;

    fn response(status: u16, body: &str) -> Unexpected {
        let what = format!("the response was HTTP {status}");
        Unexpected { url: "https://x/healthz".to_owned(), what, status: Some(status), body: body.to_owned() }
    }

    fn invoke_result(payload: Json, error: Option<&str>, log_tail: &str) -> InvokeResult {
        let function_error = error.map(str::to_owned);
        InvokeResult { payload, function_error, duration_ms: 1.0, log_tail: log_tail.to_owned() }
    }

    fn fault(code: &'static str, cause: &'static str) -> Result<InvokeResult, Fault> {
        let fault = Fault::fatal(code, "failed to call function hits-test").caused_by(cause);
        Err(Fault { kind: FaultKind::Fatal, ..fault })
    }

    fn explanation(response: &Unexpected, invoked: &Result<InvokeResult, Fault>) -> String {
        let Diagnosis { cause, hint } = of_response("hits-test", response, invoked);
        format!("{cause}\nhint: {}", hint.as_deref().unwrap_or("-"))
    }

    const INTERNAL: &str = r#"{"message":"Internal Server Error"}"#;
    const UNAVAILABLE: &str = r#"{"message":"Service Unavailable"}"#;

    #[test]
    fn internal_server_error_of_working_function_is_missing_permission() {
        let successful = Ok(invoke_result(json!({"statusCode": 200}), None, ""));
        insta::assert_snapshot!(explanation(&response(500, INTERNAL), &successful), @"
        the response was HTTP 500 (Internal Server Error); invoked directly, function hits-test responds
        hint: run `hitctl deploy` to allow the HTTP API to invoke function hits-test; `hitctl plan` shows the missing permission
        ");
    }

    #[test]
    fn internal_server_error_with_kms_fault_is_outdated_grant() {
        let kms = fault(
            "KMSAccessDeniedException",
            "KMSAccessDeniedException (lambda:Invoke): Lambda was unable to decrypt the environment variables",
        );
        insta::assert_snapshot!(explanation(&response(500, INTERNAL), &kms), @"
        the response was HTTP 500 (Internal Server Error); invoked directly: KMSAccessDeniedException (lambda:Invoke): Lambda was unable to decrypt the environment variables
        hint: run `hitctl deploy` to renew the KMS grant: Lambda cannot decrypt the environment variables of function hits-test, because its role was deleted and recreated
        ");
    }

    #[test]
    fn service_unavailable_is_reserved_concurrency() {
        let busy =
            fault("TooManyRequestsException", "TooManyRequestsException (lambda:Invoke): Rate Exceeded.");
        insta::assert_snapshot!(explanation(&response(503, UNAVAILABLE), &busy), @"
        the response was HTTP 503 (Service Unavailable); invoked directly: TooManyRequestsException (lambda:Invoke): Rate Exceeded.
        hint: raise `reserved_concurrency` under [function], or wait until there are fewer requests: the reserved concurrency of function hits-test, or the concurrency of the account, is 0 or used up
        ");
        let successful = Ok(invoke_result(json!({"statusCode": 200}), None, ""));
        assert!(explanation(&response(503, UNAVAILABLE), &successful).contains("reserved_concurrency"));
    }

    #[test]
    fn internal_server_error_without_invoke_permission_has_both_causes() {
        let denied = fault("AccessDeniedException", "AccessDeniedException (lambda:Invoke): not authorized");
        let shown = explanation(&response(500, INTERNAL), &denied);
        assert!(shown.contains("no permission to invoke") && shown.contains("decrypt"), "{shown}");
    }

    #[test]
    fn service_unavailable_of_function_has_logged_cause() {
        let body = r#"{"error":"unavailable","message":"the counts are unavailable"}"#;
        let tail = "START\n{\"level\":\"ERROR\",\"message\":\"failed to access the table\",\"cause\":\"127.0.0.1:1: refused\"}\n\
                    {\"level\":\"WARN\",\"message\":\"failed to record a visitor\",\"cause\":\"timed out\"}\nREPORT";
        let failing = Ok(invoke_result(json!({"statusCode": 503, "body": body}), None, tail));
        insta::assert_snapshot!(explanation(&response(503, body), &failing), @"
        the response was HTTP 503 (the counts are unavailable); invoked directly: function hits-test returned HTTP 503 (the counts are unavailable): 127.0.0.1:1: refused
        hint: check endpoint variables such as AWS_ENDPOINT_URL under [function.environment], and run `hitctl plan` to check the role: the function cannot use its table
        ");
    }

    #[test]
    fn failed_function_has_its_error_as_cause() {
        let broken = Ok(invoke_result(
            json!({"errorType": "Runtime.ExitError", "errorMessage": "HITS_TABLE_NAME is not set"}),
            Some("Unhandled"),
            "",
        ));
        insta::assert_snapshot!(explanation(&response(500, INTERNAL), &broken), @"
        the response was HTTP 500 (Internal Server Error); invoked directly: Runtime.ExitError: HITS_TABLE_NAME is not set
        hint: -
        ");
    }
}
