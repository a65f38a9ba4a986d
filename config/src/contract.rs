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
/// Environment variable of the function: the origins that may read its answers, separated by commas; unset or `*`
/// means any.
pub const ENV_ALLOW_ORIGINS: &str = "HITCTL_ALLOW_ORIGINS";
/// Environment variable of the function: the id of the build, which `/healthz` answers in [`HEADER_BUILD`].
pub const ENV_BUILD: &str = "HITCTL_BUILD";

/// Answer header: why a request was not counted.
pub const HEADER_IGNORED: &str = "hitctl-ignored";
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
/// Items whose key begins so are hitctl's own, never counts.
pub const RESERVED_PREFIX: char = '!';

/// The longest key, in bytes, after normalising.
pub const MAX_KEY_BYTES: usize = 512;
/// The largest request body, in bytes, that any route takes.
pub const MAX_BODY_BYTES: usize = 2048;
/// The most paths that one `/v1/count` may ask for.
pub const MAX_PATHS: usize = 20;

/// The routes of the HTTP API, as API Gateway writes them. Any method, so that a wrong one is answered 405 with the
/// methods that do work; everything else is answered 404 before it costs an invocation.
pub const ROUTES: &[&str] = &["ANY /counter", "ANY /v1/count", "ANY /healthz"];
