//! What the deployer, the function and the cloud on this machine agree on: names of environment variables, headers,
//! routes and attributes. Nothing here needs a library.

/// Environment variable of the function: the table it counts in.
pub const ENV_TABLE: &str = "HITS_TABLE_NAME";
/// Environment variable of the function: `debug`, `info`, `warn` or `error`.
pub const ENV_LOG_LEVEL: &str = "LOG_LEVEL";
/// Environment variable of the function: a `DynamoDB` endpoint that is not AWS's own.
pub const ENV_DYNAMODB_ENDPOINT: &str = "DYNAMODB_ENDPOINT";
/// The AWS SDKs' own name for the same; [`ENV_DYNAMODB_ENDPOINT`] wins.
pub const ENV_AWS_DYNAMODB_ENDPOINT: &str = "AWS_ENDPOINT_URL_DYNAMODB";
/// The AWS SDKs' own name for the endpoint of every service; the two above win.
pub const ENV_AWS_ENDPOINT: &str = "AWS_ENDPOINT_URL";
/// Environment variable of the function: the origins whose pages may count, separated by commas; unset or `*` means any.
pub const ENV_ALLOW_ORIGINS: &str = "HITCTL_ALLOW_ORIGINS";
/// Environment variable of the function: the id of the build, which `/healthz` answers in [`HEADER_BUILD`].
pub const ENV_BUILD: &str = "HITCTL_BUILD";
/// Environment variable of the function in AWS, which the function itself does not read: the unique id of its role. Lambda's
/// grant to decrypt these variables is for that id, and a role that is deleted and created again has a new one.
pub const ENV_ROLE_ID: &str = "HITCTL_ROLE_ID";

/// Environment variable of the function: the table of visitors, with salts and what else passes by itself; needed
/// unless [`ENV_VISITORS`] is `none`.
pub const ENV_SEEN_TABLE: &str = "HITS_SEEN_TABLE_NAME";
/// Environment variable of the function: which paths are counted: `open` (the default), `strict`, or
/// `budget/NEW_A_DAY/MOST`.
pub const ENV_PATHS: &str = "HITCTL_PATHS";
/// Environment variable of the function: what tells visitors apart: `none` (the default), `hash`, or `raw/DAYS`.
pub const ENV_VISITORS: &str = "HITCTL_VISITORS";
/// Environment variable of the function: hits of robots: `count` (the default) or `ignore`.
pub const ENV_BOTS: &str = "HITCTL_BOTS";
/// Environment variable of the function: views of visitors who send `DNT: 1` or `Sec-GPC: 1`: `count` (the default;
/// nothing is made of the visitor) or `ignore`.
pub const ENV_GPC: &str = "HITCTL_GPC";
/// Environment variable of the function: the query parameters that belong to a path, separated by commas.
pub const ENV_KEEP_QUERY: &str = "HITCTL_KEEP_QUERY";
/// Environment variable of the function: for how many seconds a visitor's repeated view of a page is not counted again;
/// 0 (the default) counts each.
pub const ENV_REPEAT: &str = "HITCTL_REPEAT_S";
/// Environment variable of the function: over how many items a path's hits are spread; 1 is the default.
pub const ENV_SHARDS: &str = "HITCTL_SHARDS";
/// Environment variable of the function: `1` where [`STATS_ROUTES`] are answered.
pub const ENV_PUBLIC_STATS: &str = "HITCTL_PUBLIC_STATS";
/// Environment variable of the function: `1` where a message or an event counts once however often it is delivered.
pub const ENV_EXACT: &str = "HITCTL_EXACT";
/// Environment variable of the function: `1` where `POST /v1/hit` goes onto the queue: its answer has no numbers then, and the widget asks for them.
pub const ENV_INGEST: &str = "HITCTL_INGEST";
/// Environment variable of the function: the distribution whose cache is invalidated after hits, and the least seconds
/// between two such invalidations: `E123ABC/60`.
pub const ENV_INVALIDATE: &str = "HITCTL_INVALIDATE";
/// Environment variable of the function: the paths that are invalidated after hits, separated by blanks; `/*` is the default.
pub const ENV_INVALIDATE_PATHS: &str = "HITCTL_INVALIDATE_PATHS";
/// Environment variable of the function: the bucket whose changed objects are invalidated.
pub const ENV_SITE_BUCKET: &str = "HITCTL_SITE_BUCKET";
/// Environment variable of the function: the bucket whose objects are access logs, whose views are counted.
pub const ENV_LOG_BUCKET: &str = "HITCTL_LOG_BUCKET";
/// Environment variable of the function: what an event counts under: a name, or a JSON pointer into the event; else
/// `/detail/path` in it.
pub const ENV_EVENT_KEY: &str = "HITCTL_EVENT_KEY";
/// Environment variable of the function: a JSON pointer into the event, to how many hits it is; else it is one.
pub const ENV_EVENT_AMOUNT: &str = "HITCTL_EVENT_AMOUNT";
/// The AWS SDKs' own name for a `CloudFront` endpoint that is not AWS's; [`ENV_AWS_ENDPOINT`] is for all services.
pub const ENV_AWS_CLOUDFRONT_ENDPOINT: &str = "AWS_ENDPOINT_URL_CLOUDFRONT";
/// The AWS SDKs' own name for an S3 endpoint that is not AWS's; [`ENV_AWS_ENDPOINT`] is for all services.
pub const ENV_AWS_S3_ENDPOINT: &str = "AWS_ENDPOINT_URL_S3";
/// Environment variable of the reader: the counter that it forwards hits to, as `NAME` or `NAME:ALIAS`. Where it is set, the
/// function writes to no table.
pub const ENV_COUNTER: &str = "HITCTL_COUNTER";
/// The AWS SDKs' own name for a Lambda endpoint that is not AWS's; [`ENV_AWS_ENDPOINT`] is for all services.
pub const ENV_AWS_LAMBDA_ENDPOINT: &str = "AWS_ENDPOINT_URL_LAMBDA";
/// Environment variable of the function, set by its owner under `[function.environment]`: what a `CloudFront`
/// distribution sends in [`HEADER_ORIGIN_SECRET`], so that its word for a visitor's address is taken.
pub const ENV_ORIGIN_SECRET: &str = "HITCTL_ORIGIN_SECRET";

/// Request header: proves that a request came through the owner's distribution.
pub const HEADER_ORIGIN_SECRET: &str = "x-hitctl-origin-secret";
/// Answer header: why a request was not counted.
pub const HEADER_IGNORED: &str = "hitctl-ignored";
/// Answer header of a badge that shows `n/a`: the error's code. Its status is 200, so that the picture is shown.
pub const HEADER_ERROR: &str = "hitctl-error";
/// Answer header of `/healthz`: the id of the build that answers.
pub const HEADER_BUILD: &str = "hitctl-build";

/// The table's partition key.
pub const ATTR_PATH: &str = "path";
/// The number of hits.
pub const ATTR_HITS: &str = "hits";
/// The day of the first hit, `YYYY-MM-DD`.
pub const ATTR_FIRST: &str = "first";
/// The time of the last hit, RFC 3339, in UTC, whole seconds.
pub const ATTR_LAST: &str = "last";
/// Prefix of the attribute that counts a day: `d` and the days since 1970-01-01, in base 36.
pub const ATTR_DAY_PREFIX: &str = "d";
/// Prefix of the attribute that counts a month: `m` and `YYMM`.
pub const ATTR_MONTH_PREFIX: &str = "m";
/// Visitors, as the sum over days: who comes on two days counts twice, for nobody is recognised the day after.
pub const ATTR_UNIQUES: &str = "uniques";
/// Prefix of the attribute that counts a day's visitors: `v` and the day as after [`ATTR_DAY_PREFIX`].
pub const ATTR_DAY_UNIQUES_PREFIX: &str = "v";
/// Prefix of the attribute that counts a month's visitors, day by day: `w` and `YYMM`.
pub const ATTR_MONTH_UNIQUES_PREFIX: &str = "w";

/// The item of the visitors of the whole site: [`ATTR_UNIQUES`], its days and months.
pub const KEY_SITE: &str = "!site";
/// The item that counts new paths: [`ATTR_BUDGET_PATHS`] in all, and a day's new ones under the day's attribute.
pub const KEY_BUDGET: &str = "!budget";
/// How many paths were taken in by hits.
pub const ATTR_BUDGET_PATHS: &str = "paths";
/// Prefix of the attributes that count a visitor's new paths of a day in the budget's item: followed by a slot and the day as after
/// [`ATTR_DAY_PREFIX`].
pub const ATTR_BUDGET_VISITOR_PREFIX: &str = "a#";
/// The same for a network.
pub const ATTR_BUDGET_NETWORK_PREFIX: &str = "n#";
/// The item that says when the distribution was invalidated last, so that concurrent runs do it once.
pub const KEY_INVALIDATION: &str = "!invalidation";
/// What the keys begin with of items that count what was not counted: followed by a month's attribute (`m2611`);
/// one number a reason, named like the reason.
pub const KEY_DROPPED_PREFIX: &str = "!dropped#";
/// The number of the reason `path` there: the key has the name already.
pub const ATTR_DROPPED_PATH: &str = "strict";
/// What the keys begin with of a path's further items, where hits are spread: the number from 1 on, `#`, the path.
pub const KEY_SHARD_PREFIX: &str = "!shard#";

/// The partition key of the table of visitors.
pub const SEEN_ID: &str = "id";
/// The attribute of the table of visitors that says when an item may go: seconds since 1970.
pub const SEEN_TTL: &str = "ttl";
/// What the id of a day's salt begins with: followed by the day as after [`ATTR_DAY_PREFIX`].
pub const SEEN_SALT_PREFIX: &str = "salt#";
/// The attribute that holds the salt.
pub const SEEN_SALT: &str = "salt";
/// What the ids of raw addresses begin with, with `visitors = "raw"`: followed by the address. Its hits are in
/// [`ATTR_HITS`], its times in [`ATTR_FIRST`] and [`ATTR_LAST`].
pub const SEEN_ADDRESS_PREFIX: &str = "ip#";

/// What the ids of messages and events begin with that have been counted, with `exact = true`: followed by the message's id.
/// Such an item goes by itself [`SEEN_MESSAGE_DAYS`] later.
pub const SEEN_MESSAGE_PREFIX: &str = "msg#";
/// For how many days a message that was counted is remembered: longer than the four days on the queue and the fourteen
/// among the dead letters.
pub const SEEN_MESSAGE_DAYS: u32 = 20;

/// Attribute of a message that the HTTP API put on the queue: where the request came from.
pub const MESSAGE_IP: &str = "ip";
/// Attribute of a message that the HTTP API put on the queue: the request's user agent.
pub const MESSAGE_UA: &str = "ua";
/// Attribute of a message that the HTTP API put on the queue: the request's `Origin`.
pub const MESSAGE_ORIGIN: &str = "origin";
/// Attribute of a message: the id under which it is counted once, where that is not its own: of one that was redriven.
pub const MESSAGE_ID: &str = "hitctl-id";

/// How long a message waits on the queue of hits, in seconds: four days, the default of SQS.
pub const QUEUE_RETENTION_S: u32 = 4 * 86_400;
/// How long a dead letter is kept, in seconds: fourteen days, the most that SQS takes. The time on the queue is part of it.
pub const DEAD_LETTER_RETENTION_S: u32 = 14 * 86_400;
/// The most hits in one message.
pub const MAX_HITS_IN_MESSAGE: usize = 500;

/// Items whose key begins so are hitctl's own, never counts.
pub const RESERVED_PREFIX: char = '!';

/// The largest count: 2^53 - 1, the largest whole number that every reader of JSON takes exactly. More is refused wherever numbers
/// come in, and what is above it in the table is read as this.
pub const MAX_COUNT: u64 = (1 << 53) - 1;

/// The longest key, in bytes, after normalising.
pub const MAX_KEY_BYTES: usize = 512;
/// The largest request body, in bytes, that any route takes.
pub const MAX_BODY_BYTES: usize = 2048;
/// The most paths that one `/v1/count` may ask for.
pub const MAX_PATHS: usize = 20;

/// The most items that a path's hits are spread over.
pub const MAX_SHARDS: u32 = 64;

/// The routes of the HTTP API that count, as API Gateway writes them. Any method, so that a wrong one is answered 405 with the
/// methods that do work; everything else is answered 404 before it costs an invocation.
pub const COUNTING_ROUTES: &[&str] = &["ANY /counter", "ANY /v1/hit", "ANY /v1/pixel.svg"];
/// The routes that read; they go to the reader, where there is one. A badge with `hit=1` is forwarded to the counter.
pub const READING_ROUTES: &[&str] =
    &["ANY /v1/count", "ANY /v1/badge.svg", "ANY /v1/badge.json", "ANY /v1/widget.js", "ANY /healthz"];
/// The route that the HTTP API sends straight to the queue, with `ingest = "http"`.
pub const INGEST_ROUTE: &str = "POST /v1/hit";
/// The routes that read and are there only with `public_stats = true`.
pub const STATS_ROUTES: &[&str] = &["ANY /v1/top", "ANY /v1/series", "ANY /api/counters"];
