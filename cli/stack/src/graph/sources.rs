//! The sources of hits other than web requests: a queue, events, and new objects in buckets; and the dead-letter queue for hits that
//! cannot be counted.

use hitctl_config::{AppConfig, BotPolicy, QueueIngest, VisitorMode, contract, names};
use hitctl_engine::{Node, SpecValue};
use hitctl_resources::{
    AllowedSender, EventInvokeConfigSpec, EventRuleSpec, EventSourceMappingSpec, FunctionSpec, IngestRoute,
    PermissionSpec, QueueSpec, RedrivePolicy, RolePermission, RoleSpec, Spec,
};
use serde_json::{Value as Json, json};

use super::{GraphBuilder, statement};

/// The maximum number of retries that Lambda makes for a failed event.
const MAX_INVOKE_RETRIES: u32 = 2;
/// The maximum time for which Lambda keeps an event that it cannot process, in seconds: six hours.
const MAX_INVOKE_AGE_S: u32 = 21_600;

impl GraphBuilder<'_> {
    /// Whether the HTTP API sends hits directly to the queue.
    pub(super) fn has_queue_ingest(&self) -> bool {
        self.app.queue.enabled && self.app.queue.ingest == QueueIngest::Http
    }

    /// Whether rules invoke the function directly. If there is a queue, they send their events to it instead.
    pub(super) fn is_invoked_by_rules(&self) -> bool {
        (self.app.events.enabled || self.app.has_bucket_events()) && !self.app.queue.enabled
    }

    fn queue_name(&self) -> String {
        names::queue(&self.app.app, self.env)
    }

    fn dead_letter_queue_name(&self) -> String {
        names::dead_letter_queue(&self.app.app, self.env)
    }

    fn queue_arn(&self) -> SpecValue<String> {
        SpecValue::known(QueueSpec::address("hits"), self.arn("sqs", &self.queue_name()))
    }

    fn dead_letter_arn(&self) -> SpecValue<String> {
        SpecValue::known(QueueSpec::address("dlq"), self.arn("sqs", &self.dead_letter_queue_name()))
    }

    /// Returns the statements of the function's role for these sources.
    pub(super) fn source_statements(&self) -> Vec<RolePermission> {
        let mut all = Vec::new();
        let cloudfront = &self.app.cloudfront;
        let location = self.cloud_location.as_location();
        if let Some(id) = &cloudfront.distribution_id {
            let arn = location.distribution_arn(id);
            all.push(statement("Invalidation", &["cloudfront:CreateInvalidation"], arn));
        }
        if let Some(bucket) = &cloudfront.log_bucket {
            all.push(statement("AccessLogs", &["s3:GetObject"], location.objects_arn(bucket, "*")));
        }
        if self.app.queue.enabled {
            let actions = ["sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"];
            all.push(statement("Queue", &actions, self.arn("sqs", &self.queue_name())));
        }
        if self.is_invoked_by_rules() {
            all.push(statement(
                "DeadLetters",
                &["sqs:SendMessage"],
                self.arn("sqs", &self.dead_letter_queue_name()),
            ));
        }
        all
    }

    /// Returns the queue of hits.
    pub(super) fn queue(&self) -> Node {
        let has_queue = self.app.queue.enabled;
        QueueSpec {
            visibility_timeout_s: self.app.queue_visibility_s(),
            retention_s: contract::QUEUE_RETENTION_S,
            managed_encryption: true,
            redrive: Some(RedrivePolicy {
                dead_letter_arn: self.dead_letter_arn(),
                max_receive_count: self.app.queue.max_receive_count,
            }),
            senders: self.rule_senders().filter(|_| has_queue).collect(),
            tags: self.tags.clone(),
        }
        .node("hits", &self.queue_name())
        // Lambda rejects a function timeout above the visibility timeout of a queue that is mapped to the function.
        .with_conditional_order("visibility_timeout_s", FunctionSpec::address("counter"))
    }

    /// Returns the dead-letter queue for hits that could not be counted.
    pub(super) fn dead_letter_queue(&self) -> Node {
        QueueSpec {
            visibility_timeout_s: self.app.queue_visibility_s(),
            retention_s: contract::DEAD_LETTER_RETENTION_S,
            managed_encryption: true,
            redrive: None,
            senders: self.rule_senders().collect(),
            tags: self.tags.clone(),
        }
        .node("dlq", &self.dead_letter_queue_name())
    }

    /// Returns the rules that send events to queues.
    fn rule_senders(&self) -> impl Iterator<Item = AllowedSender> {
        let (app, env) = (&self.app.app, self.env);
        let events =
            self.app.events.enabled.then(|| self.rule_arn(&self.app.events.bus, &names::rule(app, env)));
        let buckets =
            self.app.has_bucket_events().then(|| self.rule_arn("default", &names::bucket_rule(app, env)));
        events
            .into_iter()
            .chain(buckets)
            .map(|source_arn| AllowedSender { service: "events.amazonaws.com".to_owned(), source_arn })
    }

    fn rule_arn(&self, bus: &str, name: &str) -> String {
        self.cloud_location.as_location().rule_arn(bus, name)
    }

    pub(super) fn event_source_mapping(&self) -> Node {
        let queue = &self.app.queue;
        EventSourceMappingSpec {
            queue_arn: self.queue_arn(),
            function_arn: self.invoke_arn(),
            enabled: true,
            batch_size: queue.batch_size,
            window_s: queue.window_s,
            max_concurrency: queue.max_concurrency,
            reports_failures: true,
            tags: self.tags.clone(),
        }
        .node("hits", &self.queue_name())
    }

    /// Returns the role with which the HTTP API sends hits to the queue.
    pub(super) fn ingest_role(&self) -> Node {
        RoleSpec {
            trusted_service: "apigateway.amazonaws.com".to_owned(),
            statements: vec![statement("Send", &["sqs:SendMessage"], self.arn("sqs", &self.queue_name()))],
            tags: self.tags.clone(),
        }
        .node("ingest", &names::ingest_role(&self.app.app, self.env))
    }

    /// Returns the route from the HTTP API to the queue.
    pub(super) fn ingest(&self) -> IngestRoute {
        let role = names::ingest_role(&self.app.app, self.env);
        // A message contains only the attributes that the function uses. The function checks the origin of each hit.
        let variables = [
            (contract::MESSAGE_IP, "context.identity.sourceIp", needs_visitor_ip(self.app)),
            (contract::MESSAGE_ORIGIN, "request.header.origin", true),
            (contract::MESSAGE_UA, "context.identity.userAgent", needs_user_agent(self.app)),
        ];
        let used = variables.into_iter().filter(|(_, _, used)| *used);
        IngestRoute {
            route: contract::INGEST_ROUTE.to_owned(),
            queue_url: SpecValue::output(QueueSpec::address("hits"), "url"),
            role_arn: SpecValue::known(RoleSpec::address("ingest"), self.arn("iam", &format!("role/{role}"))),
            attributes: used.map(|(name, from, _)| (name.to_owned(), from.to_owned())).collect(),
        }
    }

    /// Returns the rule for the user's own events.
    pub(super) fn event_rule(&self) -> Node {
        let events = &self.app.events;
        let name = names::rule(&self.app.app, self.env);
        self.rule(&events.bus, Json::Object(events.pattern.clone())).node("events", &name)
    }

    /// Returns the rule for new objects in buckets. S3 sends its events only to the default bus.
    pub(super) fn bucket_rule(&self) -> Node {
        let cloudfront = &self.app.cloudfront;
        let buckets: Vec<&String> = cloudfront.site_bucket.iter().chain(&cloudfront.log_bucket).collect();
        let pattern = json!({
            "source": ["aws.s3"],
            "detail-type": ["Object Created"],
            "detail": { "bucket": { "name": buckets } },
        });
        self.rule("default", pattern).node("s3", &names::bucket_rule(&self.app.app, self.env))
    }

    fn rule(&self, bus: &str, pattern: Json) -> EventRuleSpec {
        EventRuleSpec {
            bus: bus.to_owned(),
            pattern,
            enabled: true,
            target_arn: if self.app.queue.enabled { self.queue_arn() } else { self.invoke_arn() },
            max_retries: self.app.events.max_retries,
            max_age_s: self.app.events.max_age_s,
            dead_letter_arn: self.dead_letter_arn(),
            tags: self.tags.clone(),
        }
    }

    /// Returns the permission for a rule to invoke the function.
    pub(super) fn event_permission(&self, rule: &str) -> Node {
        let source_arn = match rule {
            "s3" => self.rule_arn("default", &names::bucket_rule(&self.app.app, self.env)),
            _ => self.rule_arn(&self.app.events.bus, &names::rule(&self.app.app, self.env)),
        };
        PermissionSpec {
            function_name: self.function_name(),
            qualifier: self.qualifier(),
            principal: "events.amazonaws.com".to_owned(),
            source_arn: SpecValue::known(EventRuleSpec::address(rule), source_arn),
            // Lambda rejects calls from EventBridge if the permission has a condition on the account
            // (terraform-provider-aws 756). The ARN of the rule contains the account anyway.
            source_account: None,
        }
        .node(rule, &format!("hitctl-{rule}"))
    }

    pub(super) fn event_invoke_config(&self) -> Node {
        let events = &self.app.events;
        EventInvokeConfigSpec {
            function_name: self.function_name(),
            qualifier: self.qualifier(),
            max_retries: events.max_retries.min(MAX_INVOKE_RETRIES),
            max_age_s: events.max_age_s.min(MAX_INVOKE_AGE_S),
            on_failure_arn: self.dead_letter_arn(),
        }
        .node("counter", &self.name)
    }
}

/// Whether counting needs the visitor's IP address: to tell visitors apart, or to recognize repeated views.
pub fn needs_visitor_ip(app: &AppConfig) -> bool {
    app.counter.visitors != VisitorMode::None || app.counter.repeat_window_s > 0
}

/// Whether counting needs the user agent: wherever it needs the IP address, and to recognize bots.
pub fn needs_user_agent(app: &AppConfig) -> bool {
    needs_visitor_ip(app) || app.counter.bots == BotPolicy::Ignore
}
