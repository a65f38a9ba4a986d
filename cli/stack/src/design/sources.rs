//! What feeds the function beside the web: a queue, events, changed objects in buckets; and where goes what cannot be counted.

use hitctl_config::{App, Bots, Ingest as FromWeb, Visitors, contract, names};
use hitctl_engine::{Node, Value};
use hitctl_resources::{
    EventInvokeConfigSpec, EventRuleSpec, EventSourceMappingSpec, FunctionSpec, Ingest, PermissionSpec,
    QueueSpec, Redrive, RoleSpec, Sender, Spec, Statement,
};
use serde_json::{Value as Json, json};

use super::{Parts, statement};

/// The most that Lambda tries a failed event again.
const INVOKE_RETRIES: u32 = 2;
/// The longest that Lambda keeps an event that it cannot get rid of, in seconds: six hours.
const INVOKE_AGE_S: u32 = 21_600;

impl Parts<'_> {
    /// Whether the web's hits go straight to the queue.
    pub(super) fn ingests(&self) -> bool {
        self.app.queue.enabled && self.app.queue.ingest == FromWeb::Http
    }

    /// Whether rules call the function by themselves. Where there is a queue, they put their events there.
    pub(super) fn is_invoked_by_rules(&self) -> bool {
        (self.app.events.enabled || self.app.has_buckets()) && !self.app.queue.enabled
    }

    fn queue_name(&self) -> String {
        names::queue(&self.app.app, self.env)
    }

    fn dead_letter_name(&self) -> String {
        names::dead_letter_queue(&self.app.app, self.env)
    }

    fn queue_arn(&self) -> Value<String> {
        Value::known(QueueSpec::address("hits"), self.arn("sqs", &self.queue_name()))
    }

    fn dead_letter_arn(&self) -> Value<String> {
        Value::known(QueueSpec::address("dlq"), self.arn("sqs", &self.dead_letter_name()))
    }

    /// What the function's role may do for these sources.
    pub(super) fn source_statements(&self) -> Vec<Statement> {
        let mut all = Vec::new();
        let cloudfront = &self.app.cloudfront;
        let location = self.place.location();
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
                self.arn("sqs", &self.dead_letter_name()),
            ));
        }
        all
    }

    /// The queue of hits.
    pub(super) fn queue(&self) -> Node {
        let rules = self.app.queue.enabled;
        QueueSpec {
            visibility_timeout_s: self.app.queue_visibility_s(),
            retention_s: contract::QUEUE_RETENTION_S,
            managed_encryption: true,
            redrive: Some(Redrive {
                dead_letter_arn: self.dead_letter_arn(),
                max_receive_count: self.app.queue.max_receive_count,
            }),
            senders: self.rule_senders().filter(|_| rules).collect(),
            tags: self.tags.clone(),
        }
        .node("hits", &self.queue_name())
        // Lambda refuses a timeout above the visibility of a queue that the function is fed from.
        .leading("visibility_timeout_s", FunctionSpec::address("counter"))
    }

    /// The queue of what could not be counted.
    pub(super) fn dead_letter_queue(&self) -> Node {
        QueueSpec {
            visibility_timeout_s: self.app.queue_visibility_s(),
            retention_s: contract::DEAD_LETTER_RETENTION_S,
            managed_encryption: true,
            redrive: None,
            senders: self.rule_senders().collect(),
            tags: self.tags.clone(),
        }
        .node("dlq", &self.dead_letter_name())
    }

    /// The rules that put events on queues.
    fn rule_senders(&self) -> impl Iterator<Item = Sender> {
        let (app, env) = (&self.app.app, self.env);
        let events =
            self.app.events.enabled.then(|| self.rule_arn(&self.app.events.bus, &names::rule(app, env)));
        let buckets = self.app.has_buckets().then(|| self.rule_arn("default", &names::bucket_rule(app, env)));
        events
            .into_iter()
            .chain(buckets)
            .map(|source_arn| Sender { service: "events.amazonaws.com".to_owned(), source_arn })
    }

    fn rule_arn(&self, bus: &str, name: &str) -> String {
        self.place.location().rule_arn(bus, name)
    }

    pub(super) fn mapping(&self) -> Node {
        let queue = &self.app.queue;
        EventSourceMappingSpec {
            queue_arn: self.queue_arn(),
            function_arn: self.called_arn(),
            enabled: true,
            batch_size: queue.batch_size,
            window_s: queue.window_s,
            max_concurrency: queue.max_concurrency,
            reports_failures: true,
            tags: self.tags.clone(),
        }
        .node("hits", &self.queue_name())
    }

    /// The role as which the HTTP API puts hits on the queue.
    pub(super) fn ingest_role(&self) -> Node {
        RoleSpec {
            trusted_service: "apigateway.amazonaws.com".to_owned(),
            statements: vec![statement("Send", &["sqs:SendMessage"], self.arn("sqs", &self.queue_name()))],
            tags: self.tags.clone(),
        }
        .node("ingest", &names::ingest_role(&self.app.app, self.env))
    }

    /// The route that goes straight to the queue.
    pub(super) fn ingest(&self) -> Ingest {
        let role = names::ingest_role(&self.app.app, self.env);
        // Nothing waits there that nobody will ask for. The origin is asked for by each hit.
        let variables = [
            (contract::MESSAGE_IP, "context.identity.sourceIp", needs_address(self.app)),
            (contract::MESSAGE_ORIGIN, "request.header.origin", true),
            (contract::MESSAGE_UA, "context.identity.userAgent", needs_agent(self.app)),
        ];
        let needed = variables.into_iter().filter(|(_, _, needed)| *needed);
        Ingest {
            route: contract::INGEST_ROUTE.to_owned(),
            queue_url: Value::output(QueueSpec::address("hits"), "url"),
            role_arn: Value::known(RoleSpec::address("ingest"), self.arn("iam", &format!("role/{role}"))),
            attributes: needed.map(|(name, from, _)| (name.to_owned(), from.to_owned())).collect(),
        }
    }

    /// The rule of the user's own events.
    pub(super) fn event_rule(&self) -> Node {
        let events = &self.app.events;
        let name = names::rule(&self.app.app, self.env);
        self.rule(&events.bus, Json::Object(events.pattern.clone())).node("events", &name)
    }

    /// The rule of changed objects. S3 tells only the default bus.
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
            target_arn: if self.app.queue.enabled { self.queue_arn() } else { self.called_arn() },
            max_retries: self.app.events.max_retries,
            max_age_s: self.app.events.max_age_s,
            dead_letter_arn: self.dead_letter_arn(),
            tags: self.tags.clone(),
        }
    }

    /// The word of the function that the rule of that role may call it.
    pub(super) fn event_permission(&self, rule: &str) -> Node {
        let source_arn = match rule {
            "s3" => self.rule_arn("default", &names::bucket_rule(&self.app.app, self.env)),
            _ => self.rule_arn(&self.app.events.bus, &names::rule(&self.app.app, self.env)),
        };
        PermissionSpec {
            function_name: self.function_name(),
            qualifier: self.qualifier(),
            principal: "events.amazonaws.com".to_owned(),
            source_arn: Value::known(EventRuleSpec::address(rule), source_arn),
            // With an account in its condition Lambda refuses EventBridge (terraform-provider-aws 756); the ARN of the rule
            // has the account in it.
            source_account: None,
        }
        .node(rule, &format!("hitctl-{rule}"))
    }

    pub(super) fn event_invoke_config(&self) -> Node {
        let events = &self.app.events;
        EventInvokeConfigSpec {
            function_name: self.function_name(),
            qualifier: self.qualifier(),
            max_retries: events.max_retries.min(INVOKE_RETRIES),
            max_age_s: events.max_age_s.min(INVOKE_AGE_S),
            on_failure_arn: self.dead_letter_arn(),
        }
        .node("counter", &self.name)
    }
}

/// Whether the rules ask where a hit came from: to tell visitors apart, or repeats.
pub fn needs_address(app: &App) -> bool {
    app.counter.visitors != Visitors::None || app.counter.repeat_window_s > 0
}

/// Whether the rules ask what a hit came from: as for the address, or to tell robots.
pub fn needs_agent(app: &App) -> bool {
    needs_address(app) || app.counter.bots == Bots::Ignore
}
