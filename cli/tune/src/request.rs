//! What the function is asked while it is measured.

use serde_json::{Value as Json, json};

/// Whether a request may count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asks {
    /// A hit, into a table that is nobody's.
    Counting,
    /// A question that changes nothing (`ro=1`): it reads an item of the table, by the same way as a hit would write it.
    Reading,
}

impl Asks {
    /// The request in words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Counting => "GET /counter?path=/",
            Self::Reading => "GET /counter?path=/&ro=1",
        }
    }

    /// The event of the n-th request, as an HTTP API sends it. A browser's, and each of another visitor, so that none of them
    /// is left out as a robot's or a repetition.
    pub fn event(self, n: u32) -> Json {
        let query = match self {
            Self::Counting => "path=%2F",
            Self::Reading => "path=%2F&ro=1",
        };
        let agent = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36";
        let [.., third, fourth] = n.to_be_bytes();
        // 198.18.0.0/15 is for measurements (RFC 2544).
        let address = format!("198.18.{third}.{fourth}");
        json!({
            "version": "2.0",
            "routeKey": "ANY /counter",
            "rawPath": "/counter",
            "rawQueryString": query,
            "headers": { "user-agent": agent, "x-forwarded-for": address },
            "requestContext": {
                "http": { "method": "GET", "path": "/counter", "protocol": "HTTP/1.1", "sourceIp": address, "userAgent": agent },
                "requestId": format!("tune-{n}"),
                "routeKey": "ANY /counter",
                "stage": "$default",
            },
            "isBase64Encoded": false,
        })
    }
}

/// What is wrong with an answer; `None` for one that can be measured.
pub(super) fn fault(answer: &Json) -> Option<String> {
    match answer.get("statusCode").and_then(Json::as_u64) {
        Some(200) => None,
        Some(status) => {
            let body = answer.get("body").and_then(Json::as_str).unwrap_or_default();
            Some(format!("it answered HTTP {status}: {body}"))
        }
        None => Some(format!("its answer is none to an HTTP request: {answer}")),
    }
}

/// Why an answer says that its request was not counted.
pub(super) fn uncounted(answer: &Json) -> Option<String> {
    let body: Json = serde_json::from_str(answer.get("body")?.as_str()?).ok()?;
    (body.get("counted")? == false)
        .then(|| body.get("why").and_then(Json::as_str).unwrap_or("for no reason it gives").to_owned())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn what_must_not_count_says_so_and_visitors_differ() {
        assert_eq!(Asks::Reading.event(1)["rawQueryString"], "path=%2F&ro=1");
        assert_eq!(Asks::Counting.event(1)["rawQueryString"], "path=%2F");
        let address = |n| Asks::Counting.event(n)["requestContext"]["http"]["sourceIp"].to_string();
        let visitors: BTreeSet<String> = (0..1000).map(address).collect();
        assert_eq!(visitors.len(), 1000);
    }

    #[test]
    fn answers_are_looked_at() {
        let ok = json!({"statusCode": 200, "body": r#"{"counted":false,"why":"bot"}"#});
        assert_eq!((fault(&ok), uncounted(&ok)), (None, Some("bot".to_owned())));
        let counted = json!({"statusCode": 200, "body": r#"{"counted":true}"#});
        assert_eq!(uncounted(&counted), None);
        let failed = json!({"statusCode": 503, "body": "{}"});
        assert_eq!(fault(&failed).unwrap(), "it answered HTTP 503: {}");
        assert!(fault(&json!({"errorType": "x"})).unwrap().contains("none to an HTTP request"));
    }
}
