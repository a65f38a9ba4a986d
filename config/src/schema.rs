//! Declares the configuration of one env: the names, types, units, bounds and defaults of all keys. Each key is declared
//! once; parsing, checks, output and documentation are derived from that declaration.

use std::collections::BTreeMap;

use crate::contract::MAX_SHARDS;
use crate::keys::{ValueKind, settings};
use crate::setting_enums::{
    Arch, BotPolicy, DeployTarget, ExposeMode, GpcPolicy, LogLevel, PathPolicy, QueueIngest, VisitorMode,
};
use crate::string_format;

/// The log retention periods that `CloudWatch` accepts, in days.
pub(crate) const RETENTION_DAYS: &[i64] = &[
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
];

/// The maximum number of origins of an HTTP API.
const MAX_ORIGINS: usize = 100;
/// An upper bound above any account's quota. It only catches typing errors.
const MILLION: i64 = 1_000_000;
const BILLION: i64 = 1_000_000_000;

settings! {
    /// The whole configuration of one env, with every default filled in.
    [""] struct AppConfig {
        /// Prefix of every name: resources are called `{app}-{env}`.
        app: String = "hits" => ValueKind::Text(&string_format::APP);
        /// The env that commands mean without `--env`; else the only one declared, else `local` if none is.
        default_env: Option<String> = (unset "local") => ValueKind::Text(&string_format::ENV), only Top;
        /// The AWS region; else `AWS_REGION`, or that of the profile.
        region: Option<String> = (unset "eu-central-1") => ValueKind::Text(&string_format::REGION);
        /// A guard: the only AWS account to deploy into. Twelve digits, in quotes.
        account: Option<String> = (unset "123456789012") => ValueKind::Text(&string_format::ACCOUNT);
        /// Whether what AWS does not grant, such as reserved concurrency on a new account, is an error and not a warning.
        strict: bool = false => ValueKind::Bool;
        /// Where the env is deployed to: `aws` or `local`, the cloud on this machine.
        target: DeployTarget = "aws" => ValueKind::OneOf(DeployTarget::VALUES), only Env;
        /// Whether destroying the env asks for its name to be typed.
        confirm: bool = false => ValueKind::Bool, only Env;
        [tables] {
            /// The Lambda function that counts.
            function: FunctionSection,
            /// The `DynamoDB` table that holds the counts.
            table: TableSection,
            /// The way in from the web.
            http: HttpSection,
            /// What counts as a hit.
            counter: CounterSection,
            /// A `CloudFront` distribution whose cache is invalidated when counts change.
            cloudfront: CloudFrontSection,
            /// Hits through an SQS queue instead of straight to the function.
            queue: QueueSection,
            /// Hits from `EventBridge`.
            events: EventsSection,
        }
    }

    /// The Lambda function that counts.
    ["function"] struct FunctionSection {
        /// The instruction set: `arm64` or `x86_64`.
        arch: Arch = "arm64" => ValueKind::OneOf(Arch::VALUES);
        /// Memory in MB; CPU is given in proportion.
        memory_mb: u32 = 128 => ValueKind::Integer { min: 128, max: 10_240 };
        /// The longest that one invocation may take, in seconds.
        timeout_s: u32 = 10 => ValueKind::Integer { min: 1, max: 900 };
        /// How many invocations may run at once, or `"none"` to draw on the account's pool. With 1, a hit that arrives while another is served is refused with 503.
        reserved_concurrency: Option<u32> = 1 => ValueKind::IntegerOrNone { min: 1, max: 100_000 };
        /// Whether each deploy on AWS publishes a version, and an alias points at the one that answers: what `rollback` needs.
        publish: bool = true => ValueKind::Bool;
        /// How much it logs: `debug`, `info`, `warn` or `error`.
        log_level: LogLevel = "info" => ValueKind::OneOf(LogLevel::VALUES);
        /// How many days its log is kept.
        log_retention_days: u32 = 14 => ValueKind::IntegerOneOf(RETENTION_DAYS);
        /// Extra environment variables; their values are never shown.
        environment: BTreeMap<String, String> = {} => ValueKind::EnvVariables;
    }

    /// The `DynamoDB` table that holds the counts.
    ["table"] struct TableSection {
        /// Whether AWS keeps continuous backups of the last 35 days.
        point_in_time_recovery: bool = true => ValueKind::Bool;
        /// Whether AWS refuses to delete the table.
        deletion_protection: bool = true => ValueKind::Bool;
        /// The most write request units a second: a cap on the bill. AWS's quota for a table is 40,000 unless you ask for more.
        max_write_units: u32 = 100 => ValueKind::Integer { min: 1, max: MILLION };
    }

    /// The way in from the web.
    ["http"] struct HttpSection {
        /// What it is: `api` (an HTTP API), `function-url` or `none`.
        expose: ExposeMode = "api" => ValueKind::OneOf(ExposeMode::VALUES);
        /// The web origins that may count, such as `https://example.com`; `*` is any.
        allow_origins: Vec<String> = ["*"] => ValueKind::TextList { format: &string_format::ORIGIN, max: MAX_ORIGINS };
        /// The HTTP methods that other origins may use; `*` is any.
        allow_methods: Vec<String> = ["*"] => ValueKind::TextList { format: &string_format::METHOD, max: 8 };
        /// Requests a second, in the long run; more are answered 429.
        rate_per_second: f64 = 10 => ValueKind::PositiveNumber { max: MILLION };
        /// Requests at once.
        burst: u32 = 20 => ValueKind::Integer { min: 1, max: MILLION };
    }

    /// What counts as a hit.
    ["counter"] struct CounterSection {
        /// Which paths are counted: `strict` (those that `hitctl paths sync` or `counts` added), `budget` (new ones within limits) or `open` (any).
        paths: PathPolicy = "budget" => ValueKind::OneOf(PathPolicy::VALUES);
        /// With `budget`: how many paths may be new in a day.
        new_paths_per_day: u32 = 1000 => ValueKind::Integer { min: 1, max: BILLION };
        /// With `budget`: how many paths there may be.
        max_paths: u32 = 10000 => ValueKind::Integer { min: 1, max: BILLION };
        /// The query parameters that belong to a path; all others are dropped.
        keep_query: Vec<String> = [] => ValueKind::TextList { format: &string_format::PARAMETER, max: 20 };
        /// What tells visitors apart: `none`, `hash` (anonymous after two days) or `raw` (their addresses).
        visitors: VisitorMode = "hash" => ValueKind::OneOf(VisitorMode::VALUES);
        /// With `raw`: says that you know what you keep.
        i_know_this_is_personal_data: bool = false => ValueKind::Bool;
        /// With `raw`: how many days an address is kept, at most 30.
        ttl_days: u32 = 30 => ValueKind::Integer { min: 1, max: 30 };
        /// What is done with hits of robots: `ignore` or `count`.
        bots: BotPolicy = "ignore" => ValueKind::OneOf(BotPolicy::VALUES);
        /// What is done with views of visitors who send `DNT: 1` or `Sec-GPC: 1`: `count` (and make nothing of the visitor) or `ignore`.
        gpc: GpcPolicy = "count" => ValueKind::OneOf(GpcPolicy::VALUES);
        /// For how many seconds a visitor's reload of a page is not counted again; 0 counts each.
        repeat_window_s: u32 = 10 => ValueKind::Integer { min: 0, max: 3600 };
        /// Over how many items the hits of a path are spread, for paths with more than some 1,000 hits a second.
        shards: u32 = 1 => ValueKind::Integer { min: 1, max: MAX_SHARDS as i64 };
        /// Whether anybody may read the list of all paths and their numbers, at `/v1/top`, `/v1/series` and `/api/counters`.
        public_stats: bool = false => ValueKind::Bool;
        /// Whether a message or an event that is delivered twice counts once, for some more writes; without it such a one may count twice.
        exact: bool = false => ValueKind::Bool;
    }

    /// A `CloudFront` distribution whose cache is invalidated when counts change.
    ["cloudfront"] struct CloudFrontSection {
        /// The distribution; the function may create invalidations of exactly this one.
        distribution_id: Option<String> = (unset "E123ABC") => ValueKind::Text(&string_format::DISTRIBUTION);
        /// Seconds between two invalidations, at the least.
        invalidate_after_s: u32 = 60 => ValueKind::Integer { min: 1, max: 86_400 };
        /// What is invalidated after hits: paths of the distribution; `/*` is all of it, and one path on the bill.
        invalidate: Vec<String> = ["/*"] => ValueKind::TextList { format: &string_format::INVALIDATION, max: 20 };
        /// The bucket of the site, if what is put there shall be invalidated; its notifications to EventBridge have to be on.
        site_bucket: Option<String> = (unset "my-site") => ValueKind::Text(&string_format::BUCKET);
        /// The bucket with the distribution's access logs, if the views in them shall be counted; its notifications to EventBridge have to be on.
        log_bucket: Option<String> = (unset "my-site-logs") => ValueKind::Text(&string_format::BUCKET);
    }

    /// Hits through an SQS queue instead of straight to the function.
    ["queue"] struct QueueSection {
        /// Whether there is a queue.
        enabled: bool = false => ValueKind::Bool;
        /// What the web puts on it: `none`, or `http`: the HTTP API sends `POST /v1/hit` there without asking the function.
        ingest: QueueIngest = "none" => ValueKind::OneOf(QueueIngest::VALUES);
        /// The most messages that one invocation gets.
        batch_size: u32 = 25 => ValueKind::Integer { min: 1, max: 10_000 };
        /// How long Lambda gathers messages for a batch, in seconds.
        window_s: u32 = 60 => ValueKind::Integer { min: 0, max: 300 };
        /// The most invocations at once; Lambda takes no less than 2.
        max_concurrency: u32 = 2 => ValueKind::Integer { min: 2, max: 1000 };
        /// How often a message is tried before it becomes a dead letter.
        max_receive_count: u32 = 5 => ValueKind::Integer { min: 1, max: 1000 };
        /// For how long a message that is being counted is hidden from others, in seconds; else six times the function's timeout, and the window.
        visibility_s: Option<u32> = (unset 120) => ValueKind::Integer { min: 0, max: 43_200 };
    }

    /// Hits from `EventBridge`.
    ["events"] struct EventsSection {
        /// Whether events are counted.
        enabled: bool = false => ValueKind::Bool;
        /// The name of the bus.
        bus: String = "default" => ValueKind::Text(&string_format::BUS);
        /// Which events: a pattern of `EventBridge`.
        pattern: serde_json::Map<String, serde_json::Value> = { source = ["cli"] } => ValueKind::EventPattern;
        /// What an event counts under: a name, or a JSON pointer into the event, such as `/detail/page`; else its `/detail/path`.
        key: Option<String> = (unset "/detail/page") => ValueKind::Text(&string_format::EVENT_KEY);
        /// How many hits an event is: a JSON pointer into the event, to a whole number from 0 on; else one.
        amount: Option<String> = (unset "/detail/n") => ValueKind::Text(&string_format::POINTER);
        /// How often EventBridge tries again to deliver an event.
        max_retries: u32 = 185 => ValueKind::Integer { min: 0, max: 185 };
        /// How old an event may become while it is tried, in seconds.
        max_age_s: u32 = 86400 => ValueKind::Integer { min: 60, max: 86_400 };
    }
}

impl AppConfig {
    /// Returns the visibility timeout of the queue, in seconds. The default is six times the function's timeout, as AWS
    /// recommends, plus the batch window, during which a message is already in flight.
    pub fn queue_visibility_s(&self) -> u32 {
        self.queue.visibility_s.unwrap_or(6 * self.function.timeout_s + self.queue.window_s)
    }

    /// Whether a separate function, the reader, answers reads. This is the case if the HTTP API invokes a function with
    /// reserved concurrency, which would reject the badges of a page while it counts.
    pub fn has_reader(&self) -> bool {
        self.http.expose == ExposeMode::Api && self.function.reserved_concurrency.is_some()
    }

    /// Whether the function receives notifications about new objects in buckets.
    pub fn has_bucket_events(&self) -> bool {
        self.cloudfront.site_bucket.is_some() || self.cloudfront.log_bucket.is_some()
    }

    /// Whether the function keeps temporary data: visitors, or the messages and files that were already counted.
    pub fn needs_seen_table(&self) -> bool {
        self.counter.visitors != VisitorMode::None
            || self.counter.exact
            || self.cloudfront.log_bucket.is_some()
    }

    /// Whether the function has a source of messages or events that can become dead letters.
    pub fn has_dead_letter_queue(&self) -> bool {
        self.queue.enabled || self.events.enabled || self.has_bucket_events()
    }
}
