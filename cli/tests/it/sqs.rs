//! The queues of the local cloud, used through the AWS SDK.

use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_sqs::error::ProvideErrorMetadata as _;
use aws_sdk_sqs::operation::send_message::SendMessageError;
use aws_sdk_sqs::primitives::Blob;
use aws_sdk_sqs::types::{
    DeleteMessageBatchRequestEntry, MessageAttributeValue, MessageSystemAttributeName, QueueAttributeName,
    SendMessageBatchRequestEntry,
};
use serde_json::json;

use crate::support::TestEnv;

fn sdk(endpoint: &str) -> Client {
    let config = aws_sdk_sqs::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(endpoint)
        .region(Region::from_static("local"))
        .credentials_provider(Credentials::new("local", "local", None, None, "test"))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    Client::from_conf(config)
}

fn attribute(kind: &str) -> MessageAttributeValue {
    let value = MessageAttributeValue::builder().data_type(kind);
    let value =
        if kind == "Binary" { value.binary_value(Blob::new([0, 255])) } else { value.string_value("7") };
    value.build().unwrap()
}

#[test]
fn sdk_sends_receives_deletes_and_parses_errors() {
    let test_env = TestEnv::with_config("");
    assert_eq!(test_env.run(&["local", "start"]).code, 0);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let cloud = hitctl_local::LocalClient::connect(&test_env.state()).await.unwrap().unwrap();
        let spec = json!({
            "visibility_timeout_s": 30, "retention_s": 3600, "managed_encryption": true,
            "redrive": { "dead_letter_arn": "arn:aws:sqs:local:000000000000:dlq", "max_receive_count": 5 },
            "senders": [{ "service": "events.amazonaws.com", "source_arn": "arn:aws:events:local:000000000000:rule/r" }],
            "tags": {},
        });
        let url = cloud.put_resource("queue", "hits", &spec).await.unwrap().outputs["url"].clone();
        let sqs = sdk(&cloud.endpoint().table);
        assert_eq!(sqs.get_queue_url().queue_name("hits").send().await.unwrap().queue_url(), Some(url.as_str()));

        let sent = sqs.send_message().queue_url(&url).message_body("one");
        let sent = sent.message_attributes("n", attribute("Number")).message_attributes("b", attribute("Binary"));
        let sent = sent.send().await.unwrap();
        let entry = |id: &str| SendMessageBatchRequestEntry::builder().id(id).message_body(id).build().unwrap();
        let batch = sqs.send_message_batch().queue_url(&url).entries(entry("two")).entries(entry("three"));
        let batch = batch.send().await.unwrap();
        assert_eq!((batch.successful().len(), batch.failed().len()), (2, 0));

        let received = sqs
            .receive_message()
            .queue_url(&url)
            .max_number_of_messages(10)
            .wait_time_seconds(20)
            .message_attribute_names("All")
            .message_system_attribute_names(MessageSystemAttributeName::All);
        let received = received.send().await.unwrap();
        let bodies: Vec<_> = received.messages().iter().map(|message| message.body().unwrap()).collect();
        assert_eq!(bodies, ["one", "two", "three"]);
        let first = &received.messages()[0];
        assert_eq!(first.message_id(), sent.message_id());
        assert_eq!(first.md5_of_message_attributes(), sent.md5_of_message_attributes());
        let attributes = first.message_attributes().unwrap();
        assert_eq!(attributes["b"].binary_value(), Some(&Blob::new([0, 255])));
        assert_eq!(attributes["n"].string_value(), Some("7"));
        let system = first.attributes().unwrap();
        assert_eq!(system[&MessageSystemAttributeName::ApproximateReceiveCount], "1");

        let change = sqs.change_message_visibility().queue_url(&url).visibility_timeout(100);
        change.receipt_handle(first.receipt_handle().unwrap()).send().await.unwrap();
        let mut deletion = sqs.delete_message_batch().queue_url(&url);
        for (index, message) in received.messages().iter().enumerate() {
            let entry = DeleteMessageBatchRequestEntry::builder().id(index.to_string());
            deletion = deletion.entries(entry.receipt_handle(message.receipt_handle().unwrap()).build().unwrap());
        }
        assert_eq!(deletion.send().await.unwrap().successful().len(), 3);
        let queue_attributes = sqs.get_queue_attributes().queue_url(&url).attribute_names(QueueAttributeName::All);
        let queue_attributes = queue_attributes.send().await.unwrap();
        let queue_attributes = queue_attributes.attributes().unwrap();
        assert_eq!(queue_attributes[&QueueAttributeName::ApproximateNumberOfMessagesNotVisible], "0");
        assert!(queue_attributes[&QueueAttributeName::Policy].contains("rule/r"));
        assert!(queue_attributes[&QueueAttributeName::RedrivePolicy].contains("\"maxReceiveCount\":5"));
        sqs.purge_queue().queue_url(&url).send().await.unwrap();

        let error = sqs.send_message().queue_url(format!("{url}x")).message_body("x").send().await.unwrap_err();
        let error = error.into_service_error();
        assert!(matches!(error, SendMessageError::QueueDoesNotExist(_)), "{error:?}");
        assert_eq!(error.code(), Some("AWS.SimpleQueueService.NonExistentQueue"));
        let error = sqs.send_message().queue_url(&url).message_body("\u{1}").send().await.unwrap_err();
        assert!(error.into_service_error().is_invalid_message_contents());
        let error = sqs.delete_message().queue_url(&url).receipt_handle("x").send().await.unwrap_err();
        assert!(error.into_service_error().is_receipt_handle_is_invalid());
        let error = sqs.set_queue_attributes().queue_url(&url).attributes(QueueAttributeName::DelaySeconds, "1");
        let error = error.send().await.unwrap_err().into_service_error();
        assert!(error.is_unsupported_operation());
        assert!(error.message().unwrap().contains("`hitctl deploy --env local`"), "{error:?}");
    });
}
