//! Reads counts through the DynamoDB endpoint, as an SDK does.

use std::time::Duration;

use bytes::Bytes;
use hitctl_engine::Fault;
use http_body_util::Full;
use hyper::Request;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE};
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use super::calls::LocalClient;

/// The time limit of reading one page.
const PAGE_TIMEOUT: Duration = Duration::from_secs(30);
/// A placeholder: the local cloud checks the format of a signature, not its value.
const PLACEHOLDER_SIGNATURE: &str = "AWS4-HMAC-SHA256 Credential=local/20260101/local/dynamodb/aws4_request, SignedHeaders=host, \
                        Signature=0";

/// A page of items of a table, in DynamoDB's JSON (`{"hits": {"N": "7"}}`), and the start of the next page.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct ItemPage {
    /// The items, in arbitrary order.
    #[serde(rename = "Items", default)]
    pub items: Vec<Map<String, Json>>,
    /// The key for the next call; `None` after the last page.
    #[serde(rename = "LastEvaluatedKey", default)]
    pub next: Option<Map<String, Json>>,
}

impl LocalClient {
    /// Reads a page of a table: at most `limit` items after the key `after`. If `limit` is 0, the page has at most
    /// 1 MB.
    pub async fn items(
        &self,
        table: &str,
        after: Option<&Map<String, Json>>,
        limit: u32,
    ) -> Result<ItemPage, Fault> {
        let mut request = json!({ "TableName": table, "ConsistentRead": true });
        if let Some(after) = after {
            request["ExclusiveStartKey"] = Json::Object(after.clone());
        }
        if limit > 0 {
            request["Limit"] = limit.into();
        }
        self.call_dynamodb("Scan", table, &request).await
    }

    /// Reads one item by its key, in DynamoDB's JSON; `None` if it does not exist.
    pub async fn item(
        &self,
        table: &str,
        key: &Map<String, Json>,
    ) -> Result<Option<Map<String, Json>>, Fault> {
        #[derive(Deserialize)]
        struct GetItemResponse {
            #[serde(rename = "Item", default)]
            item: Option<Map<String, Json>>,
        }
        let request = json!({ "TableName": table, "Key": key, "ConsistentRead": true });
        self.call_dynamodb::<GetItemResponse>("GetItem", table, &request).await.map(|response| response.item)
    }

    async fn call_dynamodb<T: serde::de::DeserializeOwned>(
        &self,
        operation: &str,
        table: &str,
        request: &Json,
    ) -> Result<T, Fault> {
        let http = Request::post(format!("{}/", self.endpoint.table))
            .header(CONTENT_TYPE, "application/x-amz-json-1.0")
            .header("x-amz-target", format!("DynamoDB_20120810.{operation}"))
            .header("x-amz-date", "20260101T000000Z")
            .header(AUTHORIZATION, PLACEHOLDER_SIGNATURE)
            .body(Full::from(Bytes::from(request.to_string())))
            .map_err(|error| {
                Fault::fatal(
                    "local_call",
                    "internal error: failed to create a request to the local cloud; please report it",
                )
                .caused_by(error)
            })?;
        let (status, body) = self.exchange(http, PAGE_TIMEOUT).await?;
        if status.is_success() {
            return serde_json::from_slice(&body).map_err(|error| {
                Fault::fatal("local_answer", format!("failed to parse the response of the table {table:?}"))
                    .caused_by(error)
            });
        }
        Err(dynamodb_fault(operation, table, &body))
    }
}

/// Converts an error of DynamoDB into a fault with the same code.
fn dynamodb_fault(operation: &str, table: &str, body: &[u8]) -> Fault {
    let error: Json = serde_json::from_slice(body).unwrap_or_default();
    let code =
        error["__type"].as_str().and_then(|kind| kind.rsplit('#').next()).unwrap_or("InternalServerError");
    let message = error["message"].as_str().or(error["Message"].as_str()).unwrap_or("no error message");
    let fault = Fault::fatal(code.to_owned(), format!("failed to read the table {table:?}"))
        .caused_by(format!("{code}: {message} (dynamodb:{operation})"));
    if code == "ResourceNotFoundException" {
        return fault.hinted("run `hitctl deploy --env local`");
    }
    fault
}
