//! The names that the deployer, the function and the local cloud share: environment variables, headers, routes, keys and
//! attributes. This module has no dependencies.

/// Environment variable of the function: the name of the table of counts.
pub const ENV_TABLE: &str = "HITS_TABLE_NAME";
/// Environment variable of the function: the log level `debug`, `info`, `warn` or `error`.
pub const ENV_LOG_LEVEL: &str = "LOG_LEVEL";
/// Environment variable of the function: a `DynamoDB` endpoint other than AWS's.
pub const ENV_DYNAMODB_ENDPOINT: &str = "DYNAMODB_ENDPOINT";
/// The AWS SDKs' own variable for the `DynamoDB` endpoint. [`ENV_DYNAMODB_ENDPOINT`] takes precedence.
pub const ENV_AWS_DYNAMODB_ENDPOINT: &str = "AWS_ENDPOINT_URL_DYNAMODB";
/// The AWS SDKs' own variable for the endpoint of all services. A variable for the endpoint of one service takes
/// precedence.
pub const ENV_AWS_ENDPOINT: &str = "AWS_ENDPOINT_URL";
/// Environment variable of the function: the web origins whose pages may count views, separated by commas; unset or `*`
/// means any.
pub const ENV_ALLOW_ORIGINS: &str = "HITCTL_ALLOW_ORIGINS";
/// Environment variable of the function: the build id, which `/healthz` returns in [`HEADER_BUILD`].
pub const ENV_BUILD: &str = "HITCTL_BUILD";
/// Environment variable of the function on AWS: the unique id of its role. The function itself does not read it. Lambda's grant
/// to decrypt the variables is bound to that id, and a role that is deleted and created again has a new id.
pub const ENV_ROLE_ID: &str = "HITCTL_ROLE_ID";

/// Environment variable of the function: the name of the table of visitors, which also holds salts and other expiring
/// data. Required unless [`ENV_VISITORS`] is `none`.
pub const ENV_SEEN_TABLE: &str = "HITS_SEEN_TABLE_NAME";
/// Environment variable of the function: the paths that are counted: `open` (the default), `strict`, or
/// `budget/NEW_PATHS_PER_DAY/MAX_PATHS`.
pub const ENV_PATHS: &str = "HITCTL_PATHS";
/// Environment variable of the function: how visitors are told apart: `none` (the default), `hash`, or `raw/DAYS`.
pub const ENV_VISITORS: &str = "HITCTL_VISITORS";
/// Environment variable of the function: the handling of bots: `count` (the default) or `ignore`.
pub const ENV_BOTS: &str = "HITCTL_BOTS";
/// Environment variable of the function: the handling of visitors who send `DNT: 1` or `Sec-GPC: 1`: `count` (the default;
/// no data about the visitor is used) or `ignore`.
pub const ENV_GPC: &str = "HITCTL_GPC";
/// Environment variable of the function: the query parameters that are part of a path, separated by commas.
pub const ENV_KEEP_QUERY: &str = "HITCTL_KEEP_QUERY";
/// Environment variable of the function: the number of seconds during which a visitor's repeated view of a page is not
/// counted. 0 (the default) counts each view.
pub const ENV_REPEAT: &str = "HITCTL_REPEAT_S";
/// Environment variable of the function: the number of items over which the hits of a path are distributed. The default is 1.
pub const ENV_SHARDS: &str = "HITCTL_SHARDS";
/// Environment variable of the function: `1` if the function serves [`STATS_ROUTES`].
pub const ENV_PUBLIC_STATS: &str = "HITCTL_PUBLIC_STATS";
/// Environment variable of the function: `1` if a message or event is counted once, however often it is delivered.
pub const ENV_EXACT: &str = "HITCTL_EXACT";
/// Environment variable of the function: `1` if the HTTP API sends `POST /v1/hit` to the queue. The response then contains
/// no counts, and the widget requests them separately.
pub const ENV_INGEST: &str = "HITCTL_INGEST";
/// Environment variable of the function: the distribution whose cache is invalidated after hits, and the minimum number of
/// seconds between two invalidations: `E123ABC/60`.
pub const ENV_INVALIDATE: &str = "HITCTL_INVALIDATE";
/// Environment variable of the function: the paths that are invalidated after hits, separated by spaces. The default is `/*`.
pub const ENV_INVALIDATE_PATHS: &str = "HITCTL_INVALIDATE_PATHS";
/// Environment variable of the function: the bucket whose new objects are invalidated.
pub const ENV_SITE_BUCKET: &str = "HITCTL_SITE_BUCKET";
/// Environment variable of the function: the bucket with the access logs whose views are counted.
pub const ENV_LOG_BUCKET: &str = "HITCTL_LOG_BUCKET";
/// Environment variable of the function: the path that an event counts for: a fixed name, or a JSON pointer into the
/// event. The default is the pointer `/detail/path`.
pub const ENV_EVENT_KEY: &str = "HITCTL_EVENT_KEY";
/// Environment variable of the function: a JSON pointer to the number of hits in an event. Without it, an event is one hit.
pub const ENV_EVENT_AMOUNT: &str = "HITCTL_EVENT_AMOUNT";
/// The AWS SDKs' own variable for the `CloudFront` endpoint. It takes precedence over [`ENV_AWS_ENDPOINT`].
pub const ENV_AWS_CLOUDFRONT_ENDPOINT: &str = "AWS_ENDPOINT_URL_CLOUDFRONT";
/// The AWS SDKs' own variable for the S3 endpoint. It takes precedence over [`ENV_AWS_ENDPOINT`].
pub const ENV_AWS_S3_ENDPOINT: &str = "AWS_ENDPOINT_URL_S3";
/// Environment variable of the reader: the function to which the reader forwards hits, as `NAME` or `NAME:ALIAS`. A
/// function with this variable does not write to any table.
pub const ENV_COUNTER: &str = "HITCTL_COUNTER";
/// The AWS SDKs' own variable for the Lambda endpoint. It takes precedence over [`ENV_AWS_ENDPOINT`].
pub const ENV_AWS_LAMBDA_ENDPOINT: &str = "AWS_ENDPOINT_URL_LAMBDA";
/// Environment variable of the function that the user sets in `[function.environment]`: the secret that a `CloudFront`
/// distribution sends in [`HEADER_ORIGIN_SECRET`]. Only in requests with this secret, the function trusts the visitor's
/// address that `CloudFront` adds.
pub const ENV_ORIGIN_SECRET: &str = "HITCTL_ORIGIN_SECRET";

/// The variables that the deployer sets itself. Their values are not secret and may be shown.
pub const OWN_VARIABLES: &[&str] = &[
    ENV_TABLE,
    ENV_LOG_LEVEL,
    ENV_ALLOW_ORIGINS,
    ENV_BUILD,
    ENV_ROLE_ID,
    ENV_SEEN_TABLE,
    ENV_PATHS,
    ENV_VISITORS,
    ENV_BOTS,
    ENV_GPC,
    ENV_KEEP_QUERY,
    ENV_REPEAT,
    ENV_SHARDS,
    ENV_PUBLIC_STATS,
    ENV_EXACT,
    ENV_INGEST,
    ENV_INVALIDATE,
    ENV_INVALIDATE_PATHS,
    ENV_SITE_BUCKET,
    ENV_LOG_BUCKET,
    ENV_EVENT_KEY,
    ENV_EVENT_AMOUNT,
    ENV_COUNTER,
];

/// Request header that proves that a request came through the owner's distribution.
pub const HEADER_ORIGIN_SECRET: &str = "x-hitctl-origin-secret";
/// Response header with the reason why a request was not counted.
pub const HEADER_IGNORED: &str = "hitctl-ignored";
/// Response header with the error code of a badge that shows `n/a`. The status is 200, so that browsers show the image.
pub const HEADER_ERROR: &str = "hitctl-error";
/// Response header of `/healthz` with the id of the running build.
pub const HEADER_BUILD: &str = "hitctl-build";

/// The partition key of the table of counts.
pub const ATTR_PATH: &str = "path";
/// The number of hits.
pub const ATTR_HITS: &str = "hits";
/// The day of the first hit, `YYYY-MM-DD`.
pub const ATTR_FIRST: &str = "first";
/// The time of the last hit: RFC 3339, UTC, whole seconds.
pub const ATTR_LAST: &str = "last";
/// Prefix of the attribute with the hits of a day: `d` and the number of days since 1970-01-01 in base 36.
pub const ATTR_DAY_PREFIX: &str = "d";
/// Prefix of the attribute with the hits of a month: `m` and `YYMM`.
pub const ATTR_MONTH_PREFIX: &str = "m";
/// The number of visitors, as the sum over days. A visitor counts once per day, because visitors are not recognized on
/// other days.
pub const ATTR_UNIQUES: &str = "uniques";
/// Prefix of the attribute with the visitors of a day: `v` and the day in the format of [`ATTR_DAY_PREFIX`].
pub const ATTR_DAY_UNIQUES_PREFIX: &str = "v";
/// Prefix of the attribute with the visitors of a month, as the sum over days: `w` and `YYMM`.
pub const ATTR_MONTH_UNIQUES_PREFIX: &str = "w";

/// The key of the item with the number of visitors of the whole site: in total ([`ATTR_UNIQUES`]), per day and per
/// month.
pub const KEY_SITE: &str = "!site";
/// The key of the item that counts new paths: in total ([`ATTR_BUDGET_PATHS`]), and per day in the attribute of the
/// day.
pub const KEY_BUDGET: &str = "!budget";
/// The number of paths that were created by hits.
pub const ATTR_BUDGET_PATHS: &str = "paths";
/// Prefix of the budget item's attributes that count a day's new paths of the visitors in a slot: followed by the
/// slot's digit and the day in the format of [`ATTR_DAY_PREFIX`]. Many visitors share a slot, so that it identifies
/// nobody.
pub const ATTR_BUDGET_VISITOR_PREFIX: &str = "a#";
/// Prefix of the budget item's attributes that count a day's new paths of the networks in a slot, in the same format.
pub const ATTR_BUDGET_NETWORK_PREFIX: &str = "n#";
/// The key of the item with the time of the last invalidation, so that concurrent invocations invalidate only once.
pub const KEY_INVALIDATION: &str = "!invalidation";
/// Prefix of the keys of the items with the numbers of ignored views, one item per month: followed by the month's
/// attribute (`m2611`). Each reason has its own number, in an attribute with the name of the reason.
pub const KEY_DROPPED_PREFIX: &str = "!dropped#";
/// The attribute for the reason `path` in the items of [`KEY_DROPPED_PREFIX`], because the partition key is named
/// `path`.
pub const ATTR_DROPPED_PATH: &str = "strict";
/// Prefix of the keys of a path's additional items, if its hits are distributed: followed by the shard's number from 1,
/// `#` and the path.
pub const KEY_SHARD_PREFIX: &str = "!shard#";

/// The partition key of the table of visitors.
pub const SEEN_ID: &str = "id";
/// The attribute of the table of visitors with the time from which an item may expire, in seconds since 1970.
pub const SEEN_TTL: &str = "ttl";
/// Prefix of the id of a day's salt: followed by the day in the format of [`ATTR_DAY_PREFIX`].
pub const SEEN_SALT_PREFIX: &str = "salt#";
/// The attribute that holds the salt.
pub const SEEN_SALT: &str = "salt";
/// Prefix of the ids of raw IP addresses, with `visitors = "raw"`: followed by the address. The item's hits are in
/// [`ATTR_HITS`], its times in [`ATTR_FIRST`] and [`ATTR_LAST`].
pub const SEEN_ADDRESS_PREFIX: &str = "ip#";

/// Prefix of the ids of messages and events that were counted, with `exact = true`: followed by the message's id. The item
/// expires after [`SEEN_MESSAGE_DAYS`].
pub const SEEN_MESSAGE_PREFIX: &str = "msg#";
/// The number of days for which a counted message is remembered. It exceeds the retention of the queue (four days) and
/// of the dead-letter queue (fourteen days) together.
pub const SEEN_MESSAGE_DAYS: u32 = 20;

/// Attribute of a message that the HTTP API sent to the queue: the source IP address of the request.
pub const MESSAGE_IP: &str = "ip";
/// Attribute of a message that the HTTP API sent to the queue: the request's user agent.
pub const MESSAGE_UA: &str = "ua";
/// Attribute of a message that the HTTP API sent to the queue: the request's `Origin` header.
pub const MESSAGE_ORIGIN: &str = "origin";
/// Attribute of a redriven message: the id of the original message, so that the two are counted once.
pub const MESSAGE_ID: &str = "hitctl-id";

/// The retention of messages on the queue of hits, in seconds: four days, the default of SQS.
pub const QUEUE_RETENTION_S: u32 = 4 * 86_400;
/// The retention of dead letters, in seconds: fourteen days, the maximum of SQS. It includes the time on the queue of hits.
pub const DEAD_LETTER_RETENTION_S: u32 = 14 * 86_400;
/// The maximum number of hits in one message.
pub const MAX_HITS_IN_MESSAGE: usize = 500;

/// The first character of the keys of hitctl's own items, which are not counts.
pub const RESERVED_PREFIX: char = '!';

/// The largest count: 2^53 - 1, the largest integer that every JSON parser reads exactly. Larger numbers are rejected in
/// input, and a larger number in the table is read as this one.
pub const MAX_COUNT: u64 = (1 << 53) - 1;

/// The maximum length of a key after normalisation, in bytes.
pub const MAX_KEY_BYTES: usize = 512;
/// The maximum size of a request body on any route, in bytes.
pub const MAX_BODY_BYTES: usize = 2048;
/// The maximum number of paths in one request to `/v1/count`.
pub const MAX_PATHS: usize = 20;

/// The maximum number of items over which the hits of a path are distributed.
pub const MAX_SHARDS: u32 = 64;

/// The routes of the HTTP API that count, in API Gateway's notation. They accept any method, so that a wrong method gets a
/// 405 with the allowed methods. API Gateway answers any other route with 404, without an invocation.
pub const COUNTING_ROUTES: &[&str] = &["ANY /counter", "ANY /v1/hit", "ANY /v1/pixel.svg"];
/// The routes that read counts. The reader serves them, if the environment has one. It forwards the hit of a badge with
/// `hit=1` to the function that counts.
pub const READING_ROUTES: &[&str] = &[
    "ANY /",
    "ANY /v1/count",
    "ANY /v1/badge.svg",
    "ANY /v1/badge.json",
    "ANY /v1/widget.js",
    "ANY /healthz",
];
/// The route whose requests the HTTP API sends directly to the queue, with `ingest = "http"`.
pub const INGEST_ROUTE: &str = "POST /v1/hit";
/// The further routes that read counts. They exist only with `public_stats = true`.
pub const STATS_ROUTES: &[&str] = &["ANY /v1/top", "ANY /v1/series", "ANY /api/counters"];
