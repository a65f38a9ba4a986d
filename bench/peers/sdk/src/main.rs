//! The usual counter in Rust, as a peer: `lambda_runtime` with the AWS SDK for DynamoDB and `aws-config`, set up as
//! their documentation shows it; one `UpdateItem` a request.

use aws_config::BehaviorVersion;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde_json::{Value, json};

#[tokio::main]
async fn main() -> Result<(), Error> {
    let config = aws_config::load_defaults(BehaviorVersion::latest()).await;
    let client = Client::new(&config);
    let table = std::env::var("HITS_TABLE_NAME")?;
    let (client, table) = (&client, &table);
    run(service_fn(move |event| handle(client, table, event))).await
}

async fn handle(client: &Client, table: &str, event: LambdaEvent<Value>) -> Result<Value, Error> {
    let path = event.payload["queryStringParameters"]["path"].as_str().unwrap_or("/");
    let updated = client
        .update_item()
        .table_name(table)
        .key("path", AttributeValue::S(path.to_owned()))
        .update_expression("ADD hits :n")
        .expression_attribute_values(":n", AttributeValue::N("1".to_owned()))
        .return_values(ReturnValue::UpdatedNew)
        .send()
        .await?;
    let hits = updated.attributes().and_then(|attributes| attributes.get("hits")?.as_n().ok());
    let hits: u64 = hits.ok_or("the answer has no hits")?.parse()?;
    let body = json!({"path": path, "hits": hits}).to_string();
    Ok(json!({"statusCode": 200, "headers": {"content-type": "application/json"}, "body": body}))
}
