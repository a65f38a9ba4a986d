//! Manual changes of the event sources: queues, mappings, rules and event invoke configurations.

use aws_sdk_eventbridge::types as bus;
use aws_sdk_lambda::types as fun;
use aws_sdk_sqs::types::QueueAttributeName as Attribute;
use hitctl_resources::EventRuleSpec;

use super::{ALIAS, ChangeResult, IDENTITY, ManualEditor, TAG};

impl ManualEditor {
    /// Changes a field of the queue of hits or of the dead-letter queue.
    pub(super) async fn queue(&self, role: &str, field: &str) -> ChangeResult {
        let name = format!("{}-{role}", self.base);
        let url = self.queues.get_queue_url().queue_name(name).send().await.unwrap().queue_url.unwrap();
        let (attribute, value) = match field {
            "visibility_timeout_s" => (Attribute::VisibilityTimeout, "7"),
            "retention_s" => (Attribute::MessageRetentionPeriod, "60"),
            "managed_encryption" => (Attribute::SqsManagedSseEnabled, "false"),
            "redrive" => (Attribute::RedrivePolicy, ""),
            "senders" => (Attribute::Policy, ""),
            "tags" => {
                self.queues.tag_queue().queue_url(url).tags(TAG.0, TAG.1).send().await.unwrap();
                return ChangeResult::Changed;
            }
            _ => panic!("queue.{field} has no case"),
        };
        self.queues.set_queue_attributes().queue_url(url).attributes(attribute, value).send().await.unwrap();
        ChangeResult::Changed
    }

    pub(super) async fn mapping(&self, field: &str) -> ChangeResult {
        let queue = self.arn("sqs", &format!("{}-hits", self.base));
        let listed = self.function.list_event_source_mappings().event_source_arn(queue).send().await;
        let uuid = listed.unwrap().event_source_mappings()[0].uuid().unwrap().to_owned();
        let update = self.function.update_event_source_mapping().uuid(&uuid);
        let update = match field {
            "queue_arn" => {
                return ChangeResult::Immutable("Lambda cannot change the source of a mapping");
            }
            "function_arn" => update.function_name(&self.base),
            "enabled" => update.enabled(false),
            "batch_size" => update.batch_size(1),
            "window_s" => update.maximum_batching_window_in_seconds(1),
            "max_concurrency" => {
                update.scaling_config(fun::ScalingConfig::builder().maximum_concurrency(7).build())
            }
            "reports_failures" => update.set_function_response_types(Some(Vec::new())),
            "tags" => {
                let arn = self.arn("lambda", &format!("event-source-mapping:{uuid}"));
                self.function.tag_resource().resource(arn).tags(TAG.0, TAG.1).send().await.unwrap();
                return ChangeResult::Changed;
            }
            _ => panic!("event_source_mapping.{field} has no case"),
        };
        update.send().await.unwrap();
        ChangeResult::Changed
    }

    pub(super) async fn rule(&self, field: &str) -> ChangeResult {
        let (client, name) = (&self.bus, &self.base);
        let targets = client.list_targets_by_rule().rule(name).send().await.unwrap();
        let ours = |target: &&bus::Target| target.id() == EventRuleSpec::TARGET_ID;
        let mut target = targets.targets().iter().find(ours).unwrap().clone();
        match field {
            "bus" => return ChangeResult::Immutable("EventBridge cannot move a rule to another bus"),
            "pattern" => {
                client.put_rule().name(name).event_pattern(r#"{"source":["other"]}"#).send().await.unwrap();
                return ChangeResult::Changed;
            }
            "enabled" => {
                client.disable_rule().name(name).send().await.unwrap();
                return ChangeResult::Changed;
            }
            "tags" => {
                let tag = bus::Tag::builder().key(TAG.0).value(TAG.1).build().unwrap();
                let arn = self.arn("events", &format!("rule/{name}"));
                client.tag_resource().resource_arn(arn).tags(tag).send().await.unwrap();
                return ChangeResult::Changed;
            }
            "target_arn" => target.arn = self.arn("sqs", &format!("{}-dlq", self.base)),
            "max_retries" => target.retry_policy.as_mut().unwrap().maximum_retry_attempts = Some(1),
            "max_age_s" => target.retry_policy.as_mut().unwrap().maximum_event_age_in_seconds = Some(61),
            "dead_letter_arn" => target.dead_letter_config = None,
            _ => panic!("event_rule.{field} has no case"),
        }
        client.put_targets().rule(name).targets(target).send().await.unwrap();
        ChangeResult::Changed
    }

    pub(super) async fn event_invoke_config(&self, field: &str) -> ChangeResult {
        let put = self.function.put_function_event_invoke_config().function_name(&self.base).qualifier(ALIAS);
        // A put replaces all settings. Omitted settings get Lambda's defaults, and an omitted destination is removed.
        let put = match field {
            "function_name" | "qualifier" => return IDENTITY,
            "max_retries" => put.maximum_retry_attempts(0),
            "max_age_s" => put.maximum_event_age_in_seconds(61),
            "on_failure_arn" => put,
            _ => panic!("event_invoke_config.{field} has no case"),
        };
        put.send().await.unwrap();
        ChangeResult::Changed
    }
}
