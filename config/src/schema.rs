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
    /// The configuration of one environment, with all defaults.
    [""] struct AppConfig {
        /// Prefix of every name: resources are called `{app}-{env}`.
        app: String = "hits" => ValueKind::Text(&string_format::APP);
        /// The environment that commands use without `--env`. Default: the only declared one, or `local` if none is declared.
        default_env: Option<String> = (unset "local") => ValueKind::Text(&string_format::ENV), only Top;
        /// The AWS region. Default: `AWS_REGION`, or the region of the profile.
        region: Option<String> = (unset "eu-central-1") => ValueKind::Text(&string_format::REGION);
        /// The only AWS account to deploy to: twelve digits, in quotes. Every other account is an error.
        account: Option<String> = (unset "123456789012") => ValueKind::Text(&string_format::ACCOUNT);
        /// Whether limits of the account, such as too little concurrency to reserve, are errors instead of warnings.
        strict: bool = false => ValueKind::Bool;
        /// The target of the environment: `aws`, or `local` for the cloud on this machine.
        target: DeployTarget = "aws" => ValueKind::OneOf(DeployTarget::VALUES), only Env;
        /// Whether `destroy` asks for the name of the environment.
        confirm: bool = false => ValueKind::Bool, only Env;
        [tables] {
            /// The Lambda function that counts views.
            function: FunctionSection,
            /// The `DynamoDB` table of counts.
            table: TableSection,
            /// The HTTP endpoint.
            http: HttpSection,
            /// The rules for counting.
            counter: CounterSection,
            /// A `CloudFront` distribution whose cache is invalidated when counts change.
            cloudfront: CloudFrontSection,
            /// Views through an SQS queue in front of the function.
            queue: QueueSection,
            /// Views from `EventBridge` events.
            events: EventsSection,
        }
    }

    /// The Lambda function that counts views.
    ["function"] struct FunctionSection {
        /// The instruction set: `arm64` or `x86_64`.
        arch: Arch = "arm64" => ValueKind::OneOf(Arch::VALUES);
        /// Memory in MB. Lambda assigns CPU in proportion.
        memory_mb: u32 = 128 => ValueKind::Integer { min: 128, max: 10_240 };
        /// Timeout of an invocation, in seconds.
        timeout_s: u32 = 10 => ValueKind::Integer { min: 1, max: 900 };
        /// Reserved concurrency: the maximum number of parallel invocations, or `"none"` for no reservation. With 1, a view that arrives while another one is counted is rejected with 503.
        reserved_concurrency: Option<u32> = 1 => ValueKind::IntegerOrNone { min: 1, max: 100_000 };
        /// Whether each deployment to AWS publishes a version and switches the alias `live` to it. `rollback` needs this.
        publish: bool = true => ValueKind::Bool;
        /// The lowest log level: `debug`, `info`, `warn` or `error`.
        log_level: LogLevel = "info" => ValueKind::OneOf(LogLevel::VALUES);
        /// Retention of the log, in days.
        log_retention_days: u32 = 14 => ValueKind::IntegerOneOf(RETENTION_DAYS);
        /// Additional environment variables. Their values are never shown.
        environment: BTreeMap<String, String> = {} => ValueKind::EnvVariables;
    }

    /// The `DynamoDB` table of counts.
    ["table"] struct TableSection {
        /// Whether AWS keeps continuous backups of the last 35 days.
        point_in_time_recovery: bool = true => ValueKind::Bool;
        /// Whether AWS refuses to delete the table.
        deletion_protection: bool = true => ValueKind::Bool;
        /// Maximum write request units per second, which bounds the cost. AWS's default quota for a table is 40,000.
        max_write_units: u32 = 100 => ValueKind::Integer { min: 1, max: MILLION };
    }

    /// The HTTP endpoint.
    ["http"] struct HttpSection {
        /// The kind of endpoint: `api` (an HTTP API), `function-url` or `none`.
        expose: ExposeMode = "api" => ValueKind::OneOf(ExposeMode::VALUES);
        /// Web origins that may count views, such as `https://example.com`. `*` allows any.
        allow_origins: Vec<String> = ["*"] => ValueKind::TextList { format: &string_format::ORIGIN, max: MAX_ORIGINS };
        /// HTTP methods that other origins may use. `*` allows any.
        allow_methods: Vec<String> = ["*"] => ValueKind::TextList { format: &string_format::METHOD, max: 8 };
        /// Sustained requests per second. More get status 429.
        rate_per_second: f64 = 10 => ValueKind::PositiveNumber { max: MILLION };
        /// Maximum burst of requests.
        burst: u32 = 20 => ValueKind::Integer { min: 1, max: MILLION };
    }

    /// The rules for counting.
    ["counter"] struct CounterSection {
        /// The paths that are counted: `strict` (only paths that `hitctl paths sync` or `counts` added), `budget` (new paths within limits) or `open` (any path).
        paths: PathPolicy = "budget" => ValueKind::OneOf(PathPolicy::VALUES);
        /// With `budget`: maximum number of new paths per day.
        new_paths_per_day: u32 = 1000 => ValueKind::Integer { min: 1, max: BILLION };
        /// With `budget`: maximum number of paths.
        max_paths: u32 = 10000 => ValueKind::Integer { min: 1, max: BILLION };
        /// Query parameters that are part of a path. All others are ignored.
        keep_query: Vec<String> = [] => ValueKind::TextList { format: &string_format::PARAMETER, max: 20 };
        /// How visitors are distinguished: `none`, `hash` (anonymous after two days) or `raw` (their addresses).
        visitors: VisitorMode = "hash" => ValueKind::OneOf(VisitorMode::VALUES);
        /// With `raw`: confirms that you store personal data.
        i_know_this_is_personal_data: bool = false => ValueKind::Bool;
        /// With `raw`: number of days that an address is stored, at most 30.
        ttl_days: u32 = 30 => ValueKind::Integer { min: 1, max: 30 };
        /// Whether bots count: `ignore` or `count`.
        bots: BotPolicy = "ignore" => ValueKind::OneOf(BotPolicy::VALUES);
        /// Visitors who send `DNT: 1` or `Sec-GPC: 1`: `count` (the view, without a visitor) or `ignore`.
        gpc: GpcPolicy = "count" => ValueKind::OneOf(GpcPolicy::VALUES);
        /// Seconds during which a visitor's reload of a page does not count. 0 counts every reload.
        repeat_window_s: u32 = 10 => ValueKind::Integer { min: 0, max: 3600 };
        /// Number of items that share the views of a path, for paths with more than about 1,000 views per second.
        shards: u32 = 1 => ValueKind::Integer { min: 1, max: MAX_SHARDS as i64 };
        /// Whether everybody may read the list of all paths and their counts: `/v1/top`, `/v1/series` and `/api/counters`.
        public_stats: bool = false => ValueKind::Bool;
        /// Whether a message or event that is delivered twice counts once, at the cost of more writes.
        exact: bool = false => ValueKind::Bool;
    }

    /// A `CloudFront` distribution whose cache is invalidated when counts change.
    ["cloudfront"] struct CloudFrontSection {
        /// The ID of the distribution. The function may only invalidate this one.
        distribution_id: Option<String> = (unset "E123ABC") => ValueKind::Text(&string_format::DISTRIBUTION);
        /// Minimum number of seconds between two invalidations.
        invalidate_after_s: u32 = 60 => ValueKind::Integer { min: 1, max: 86_400 };
        /// Paths that are invalidated after views. `/*` invalidates everything and is billed as one path.
        invalidate: Vec<String> = ["/*"] => ValueKind::TextList { format: &string_format::INVALIDATION, max: 20 };
        /// The bucket of the site, to invalidate uploaded files. The bucket must send notifications to EventBridge.
        site_bucket: Option<String> = (unset "my-site") => ValueKind::Text(&string_format::BUCKET);
        /// The bucket of the distribution's access logs, to count the views in them. The bucket must send notifications to EventBridge.
        log_bucket: Option<String> = (unset "my-site-logs") => ValueKind::Text(&string_format::BUCKET);
    }

    /// Views through an SQS queue in front of the function.
    ["queue"] struct QueueSection {
        /// Whether a queue is created.
        enabled: bool = false => ValueKind::Bool;
        /// Whether the HTTP API sends `POST /v1/hit` to the queue (`http`) or invokes the function (`none`).
        ingest: QueueIngest = "none" => ValueKind::OneOf(QueueIngest::VALUES);
        /// Maximum number of messages per invocation.
        batch_size: u32 = 25 => ValueKind::Integer { min: 1, max: 10_000 };
        /// Seconds that Lambda waits for a batch to fill.
        window_s: u32 = 60 => ValueKind::Integer { min: 0, max: 300 };
        /// Maximum number of parallel invocations. Lambda accepts no less than 2.
        max_concurrency: u32 = 2 => ValueKind::Integer { min: 2, max: 1000 };
        /// Number of attempts before a message becomes a dead letter.
        max_receive_count: u32 = 5 => ValueKind::Integer { min: 1, max: 1000 };
        /// Visibility timeout in seconds. Default: six times the function's timeout plus the window.
        visibility_s: Option<u32> = (unset 120) => ValueKind::Integer { min: 0, max: 43_200 };
    }

    /// Views from `EventBridge` events.
    ["events"] struct EventsSection {
        /// Whether events are counted.
        enabled: bool = false => ValueKind::Bool;
        /// Name of the event bus.
        bus: String = "default" => ValueKind::Text(&string_format::BUS);
        /// The events to count: an `EventBridge` pattern.
        pattern: serde_json::Map<String, serde_json::Value> = { source = ["cli"] } => ValueKind::EventPattern;
        /// The path that an event counts for: a name, or a JSON pointer into the event, such as `/detail/page`. Default: `/detail/path`.
        key: Option<String> = (unset "/detail/page") => ValueKind::Text(&string_format::EVENT_KEY);
        /// The number of views of an event: a JSON pointer to an integer. Default: one view.
        amount: Option<String> = (unset "/detail/n") => ValueKind::Text(&string_format::POINTER);
        /// Maximum number of delivery retries by EventBridge.
        max_retries: u32 = 185 => ValueKind::Integer { min: 0, max: 185 };
        /// Maximum age of an event that is retried, in seconds.
        max_age_s: u32 = 86400 => ValueKind::Integer { min: 60, max: 86_400 };
    }
}

impl AppConfig {
    /// Returns the visibility timeout of the queue, in seconds. The default is six times the function's timeout, as AWS
    /// recommends, plus the batch window, during which a message is already in flight.
    pub fn queue_visibility_s(&self) -> u32 {
        self.queue.visibility_s.unwrap_or(6 * self.function.timeout_s + self.queue.window_s)
    }

    /// Whether a separate function, the reader, serves the routes that read counts. This is the case if the HTTP API
    /// invokes a function with reserved concurrency, which would reject the badges of a page while it counts a view.
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
