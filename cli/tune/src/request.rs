//! The requests that are sent to the measured function, and the check of its responses.

use serde_json::{Value as Json, json};

/// The kind of a measuring request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MeasuringRequest {
    /// A hit, for a temporary table.
    Hit,
    /// A read (`ro=1`), which changes nothing. It reads an item of the table through the same code path as a hit.
    ReadOnly,
}

impl MeasuringRequest {
    /// Describes the request as an HTTP request line.
    pub fn description(self) -> &'static str {
        match self {
            Self::Hit => "GET /counter?path=/",
            Self::ReadOnly => "GET /counter?path=/&ro=1",
        }
    }

    /// Returns the event of the n-th request in the format of an HTTP API. The user agent is that of a browser and each
    /// visitor is different, so that no request is ignored because of a bot or a repeated view.
    pub fn event(self, n: u32) -> Json {
        let query = match self {
            Self::Hit => "path=%2F",
            Self::ReadOnly => "path=%2F&ro=1",
        };
        let user_agent = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36";
        let [.., third, fourth] = n.to_be_bytes();
        // 198.18.0.0/15 is for measurements (RFC 2544).
        let address = format!("198.18.{third}.{fourth}");
        json!({
            "version": "2.0",
            "routeKey": "ANY /counter",
            "rawPath": "/counter",
            "rawQueryString": query,
            "headers": { "user-agent": user_agent, "x-forwarded-for": address },
            "requestContext": {
                "http": { "method": "GET", "path": "/counter", "protocol": "HTTP/1.1", "sourceIp": address, "userAgent": user_agent },
                "requestId": format!("tune-{n}"),
                "routeKey": "ANY /counter",
                "stage": "$default",
            },
            "isBase64Encoded": false,
        })
    }
}

/// Returns the error in a response, or `None` if the invocation succeeded.
pub(super) fn response_error(response: &Json) -> Option<String> {
    match response.get("statusCode").and_then(Json::as_u64) {
        Some(200) => None,
        Some(status) => {
            let body = response.get("body").and_then(Json::as_str).unwrap_or_default();
            Some(format!("expected HTTP status 200, found {status}: {body}"))
        }
        None => Some(format!("expected an HTTP response, found {response}")),
    }
}

/// Returns the reason why the function ignored the request, or `None` if it counted the request.
pub(super) fn uncounted_reason(response: &Json) -> Option<String> {
    let body: Json = serde_json::from_str(response.get("body")?.as_str()?).ok()?;
    (body.get("counted")? == false)
        .then(|| body.get("why").and_then(Json::as_str).unwrap_or("no reason given").to_owned())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn event_has_read_only_flag_and_distinct_visitors() {
        assert_eq!(MeasuringRequest::ReadOnly.event(1)["rawQueryString"], "path=%2F&ro=1");
        assert_eq!(MeasuringRequest::Hit.event(1)["rawQueryString"], "path=%2F");
        let address = |n| MeasuringRequest::Hit.event(n)["requestContext"]["http"]["sourceIp"].to_string();
        let visitors: BTreeSet<String> = (0..1000).map(address).collect();
        assert_eq!(visitors.len(), 1000);
    }

    #[test]
    fn response_error_and_uncounted_reason_read_the_response() {
        let ok = json!({"statusCode": 200, "body": r#"{"counted":false,"why":"bot"}"#});
        assert_eq!((response_error(&ok), uncounted_reason(&ok)), (None, Some("bot".to_owned())));
        let counted = json!({"statusCode": 200, "body": r#"{"counted":true}"#});
        assert_eq!(uncounted_reason(&counted), None);
        let failed = json!({"statusCode": 503, "body": "{}"});
        assert_eq!(response_error(&failed).unwrap(), "expected HTTP status 200, found 503: {}");
        assert!(response_error(&json!({"errorType": "x"})).unwrap().contains("expected an HTTP response"));
    }
}
