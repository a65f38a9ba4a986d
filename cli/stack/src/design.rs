//! What a hit counter is made of. The only place that knows; it reads like a parts list. What feeds the function beside the web
//! is in `design/sources.rs`.

mod reader;
mod sources;

use std::collections::{BTreeMap, BTreeSet};

use hitctl_config::{App, Expose, contract, function_variables, names};
use hitctl_engine::{Graph, GraphError, Keep, Node, Value};
use hitctl_resources::{
    AliasSpec, Cors, FunctionSpec, FunctionUrlSpec, HttpApiSpec, LogGroupSpec, PermissionSpec, Place,
    RoleSpec, Spec, Statement, TableSpec, Tags, Throttle,
};
use serde_json::Value as Json;
use sha2::{Digest as _, Sha256};

use crate::code::Code;

pub use sources::{needs_address, needs_agent};

/// The browser may remember a preflight for so long, in seconds.
const PREFLIGHT_MAX_AGE_S: u32 = 3600;

/// Designs the app: every resource that it could own, each present or absent. `code` is `None` where the function is not deployed.
pub fn design(app: &App, env: &str, place: &Place, code: Option<&Code>) -> Result<Graph, GraphError> {
    let parts =
        Parts { app, env, place, code, name: names::base(&app.app, env), tags: names::tags(&app.app, env) };
    let release = release(&parts.function(), app.has_reader().then(|| parts.reader()).as_ref());
    let with_reader = app.has_reader();
    let with_api = app.http.expose == Expose::Api;
    Graph::new(vec![
        parts.table(),
        parts.seen_table().present_if(parts.app.remembers()),
        parts.role(),
        parts.log_group(),
        parts.function().node("counter", &parts.name),
        parts.alias(release.clone()).present_if(parts.publishes()),
        parts.reader_role().present_if(with_reader),
        parts.reader().node("reader", &parts.reader_name()).present_if(with_reader),
        parts.reader_alias(release).present_if(with_reader && parts.publishes()),
        parts.reader_permission().present_if(with_reader),
        parts.function_url().present_if(app.http.expose == Expose::FunctionUrl),
        parts.http_api().present_if(with_api),
        parts.api_permission().present_if(with_api),
        parts.queue().present_if(app.queue.enabled),
        parts.dead_letter_queue().present_if(app.has_dead_letters()),
        parts.mapping().present_if(app.queue.enabled),
        parts.ingest_role().present_if(parts.ingests()),
        parts.event_rule().present_if(app.events.enabled),
        parts.bucket_rule().present_if(app.has_buckets()),
        parts.event_permission("events").present_if(app.events.enabled && !app.queue.enabled),
        parts.event_permission("s3").present_if(app.has_buckets() && !app.queue.enabled),
        parts.event_invoke_config().present_if(parts.is_invoked_by_rules()),
    ])
}

/// Code and configuration of the functions, as a short hash: what published versions of them are found again by. Both have
/// one release, so that they are deployed and rolled back together. What belongs to no version (tags, reserved concurrency)
/// is not in it.
pub fn release(counter: &FunctionSpec, reader: Option<&FunctionSpec>) -> String {
    let mut hash = Sha256::new();
    for function in [counter].into_iter().chain(reader) {
        let mut versioned = function.clone();
        versioned.tags = Tags::new();
        versioned.reserved_concurrency = None;
        // The alias compares it by itself: a design does not know it before the role is there.
        versioned.environment.remove(contract::ENV_ROLE_ID);
        let spec = serde_json::to_value(versioned).unwrap_or(Json::Null);
        hash.update(hitctl_engine::resolve(&spec, &|_| None).to_string());
    }
    hex::encode(&hash.finalize()[..8])
}

struct Parts<'a> {
    app: &'a App,
    env: &'a str,
    place: &'a Place,
    code: Option<&'a Code>,
    name: String,
    tags: Tags,
}

impl Parts<'_> {
    fn arn(&self, service: &str, resource: &str) -> String {
        self.place.location().arn(service, resource)
    }

    fn table(&self) -> Node {
        let table = &self.app.table;
        TableSpec {
            partition_key: contract::ATTR_PATH.to_owned(),
            point_in_time_recovery: table.point_in_time_recovery,
            deletion_protection: table.deletion_protection,
            max_write_units: table.max_write_units,
            // Counts are for ever.
            ttl_attribute: None,
            tags: self.tags.clone(),
        }
        .node("hits", &self.name)
    }

    /// The table of visitors, and of messages and files that were counted: what is in it goes by itself within days, so that there is nothing to restore, to protect, or
    /// to ask about before it is deleted.
    fn seen_table(&self) -> Node {
        TableSpec {
            partition_key: contract::SEEN_ID.to_owned(),
            point_in_time_recovery: false,
            deletion_protection: false,
            // A new visitor of a page takes two writes here (of the page, and of the site) and two of counts (of the page,
            // and of the site): with as many here as there, the first hits of a flood of visitors take no more than half
            // of what counts may take, and hits beyond that go on to be counted.
            max_write_units: self.app.table.max_write_units,
            ttl_attribute: Some(contract::SEEN_TTL.to_owned()),
            tags: self.tags.clone(),
        }
        .node("seen", &names::seen_table(&self.app.app, self.env))
        .keeping(Keep::Never)
    }

    /// Lets a function write its log.
    fn logs_statement(&self) -> Statement {
        let group = names::log_group(&self.app.app, self.env);
        let actions = ["logs:CreateLogStream", "logs:PutLogEvents"];
        statement("Logs", &actions, self.arn("logs", &format!("log-group:{group}:*")))
    }

    fn role(&self) -> Node {
        let mut statements = vec![
            self.logs_statement(),
            statement(
                "Table",
                &["dynamodb:BatchGetItem", "dynamodb:GetItem", "dynamodb:Scan", "dynamodb:UpdateItem"],
                self.arn("dynamodb", &format!("table/{}", self.name)),
            ),
        ];
        if self.app.remembers() {
            let actions =
                ["dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"];
            let table = names::seen_table(&self.app.app, self.env);
            statements.push(statement("Seen", &actions, self.arn("dynamodb", &format!("table/{table}"))));
        }
        statements.extend(self.source_statements());
        // In the order of their names, as drivers read them back.
        statements.sort();
        RoleSpec { trusted_service: "lambda.amazonaws.com".to_owned(), statements, tags: self.tags.clone() }
            .node("function", &self.name)
    }

    fn log_group(&self) -> Node {
        LogGroupSpec { retention_days: self.app.function.log_retention_days, tags: self.tags.clone() }
            .node("function", &names::log_group(&self.app.app, self.env))
    }

    fn function(&self) -> FunctionSpec {
        FunctionSpec {
            reserved_concurrency: self.app.function.reserved_concurrency,
            ..self.function_with(function_variables(self.app, self.env), "function", &self.name)
        }
    }

    /// Returns a function with the settings that both share; each has a role of its own, given by address and name.
    fn function_with(
        &self,
        variables: BTreeMap<&'static str, String>,
        role: &str,
        role_name: &str,
    ) -> FunctionSpec {
        let function = &self.app.function;
        let told = variables.into_iter().map(|(name, value)| {
            // Tables are there before a function is told of them, and for as long as it is.
            let value = match name {
                contract::ENV_TABLE => Value::known(TableSpec::address("hits"), value),
                contract::ENV_SEEN_TABLE => Value::known(TableSpec::address("seen"), value),
                _ => Value::from(value),
            };
            (name.to_owned(), value)
        });
        let mut environment: BTreeMap<String, Value<String>> = told.collect();
        let build_id = self.code.map(Code::build_id).unwrap_or_default();
        environment.insert(contract::ENV_BUILD.to_owned(), Value::from(build_id));
        if let Some(endpoint) = &self.place.endpoint {
            environment.insert(contract::ENV_AWS_ENDPOINT.to_owned(), Value::from(endpoint.clone()));
        }
        // Only AWS binds what a function may decrypt to the id of its role.
        if self.place.has_versions {
            environment.insert(contract::ENV_ROLE_ID.to_owned(), role_id(role));
        }
        environment
            .extend(function.environment.iter().map(|(name, value)| (name.clone(), value.clone().into())));
        FunctionSpec {
            runtime: "provided.al2023".to_owned(),
            arch: self.code.map_or(function.arch, |code| code.arch),
            code_sha256: self.code.map(|code| code.sha256.clone()).unwrap_or_default(),
            memory_mb: function.memory_mb,
            timeout_s: function.timeout_s,
            reserved_concurrency: None,
            environment,
            role_arn: Value::known(RoleSpec::address(role), self.arn("iam", &format!("role/{role_name}"))),
            log_format: "JSON".to_owned(),
            // What the function does not write itself, Lambda need not hold back.
            app_log_level: Some(function.log_level.to_string().to_uppercase()),
            // Starts, ends and reports of invocations are on this level.
            system_log_level: Some("INFO".to_owned()),
            log_group: Value::known(
                LogGroupSpec::address("function"),
                names::log_group(&self.app.app, self.env),
            ),
            tags: self.tags.clone(),
        }
    }

    fn function_name(&self) -> Value<String> {
        Value::known(FunctionSpec::address("counter"), self.name.clone())
    }

    /// Whether versions are published, and an alias points at the one that answers.
    fn publishes(&self) -> bool {
        self.app.function.publish && self.place.has_versions
    }

    /// What requests go to: the alias, or the function as it was last changed.
    fn qualifier(&self) -> Option<Value<String>> {
        self.publishes().then(|| Value::known(AliasSpec::address("live"), AliasSpec::NAME.to_owned()))
    }

    /// The ARN that requests and messages go to.
    fn called_arn(&self) -> Value<String> {
        let arn = self.arn("lambda", &format!("function:{}", self.name));
        if self.publishes() {
            Value::known(AliasSpec::address("live"), format!("{arn}:{}", AliasSpec::NAME))
        } else {
            Value::known(FunctionSpec::address("counter"), arn)
        }
    }

    fn alias(&self, release: String) -> Node {
        let name = format!("{}:{}", self.name, AliasSpec::NAME);
        let role_id = Some(role_id("function"));
        AliasSpec { function_name: self.function_name(), release, weights: None, role_id }.node("live", &name)
    }

    fn function_url(&self) -> Node {
        let cors = self.cors();
        // Lambda takes no method of more than six letters (its service model): that is OPTIONS, which it answers by itself.
        let url_methods = cors.allow_methods.iter().filter(|method| method.len() <= 6).cloned().collect();
        FunctionUrlSpec {
            function_name: self.function_name(),
            qualifier: self.qualifier(),
            auth_type: "NONE".to_owned(),
            allowed_actions: set(&FunctionUrlSpec::ACTIONS),
            cors: Cors { allow_methods: url_methods, ..cors },
        }
        .node("counter", &self.name)
    }

    fn cors(&self) -> Cors {
        let http = &self.app.http;
        Cors {
            allow_origins: http.allow_origins.iter().cloned().collect(),
            allow_methods: http.allow_methods.iter().cloned().collect(),
            allow_headers: set(&["content-type"]),
            expose_headers: set(&[contract::HEADER_BUILD, contract::HEADER_IGNORED]),
            max_age_s: PREFLIGHT_MAX_AGE_S,
        }
    }

    fn http_api(&self) -> Node {
        let http = &self.app.http;
        HttpApiSpec {
            function_arn: self.called_arn(),
            routes: set(&self.routes()),
            reader: self.app.has_reader().then(|| self.reader_routes()),
            ingest: self.ingests().then(|| self.ingest()),
            cors: self.cors(),
            throttle: Throttle { rate_per_second: http.rate_per_second, burst: http.burst },
            tags: self.tags.clone(),
        }
        .node("api", &self.name)
    }

    /// The routes of the API that go to the counter.
    fn routes(&self) -> Vec<&'static str> {
        let reading = if self.app.has_reader() { Vec::new() } else { self.reading_routes() };
        [contract::COUNTING_ROUTES, &reading].concat()
    }

    fn reading_routes(&self) -> Vec<&'static str> {
        let stats = if self.app.counter.public_stats { contract::STATS_ROUTES } else { &[] };
        [contract::READING_ROUTES, stats].concat()
    }

    fn api_permission(&self) -> Node {
        PermissionSpec {
            function_name: self.function_name(),
            qualifier: self.qualifier(),
            principal: "apigateway.amazonaws.com".to_owned(),
            source_arn: Value::output(HttpApiSpec::address("api"), "call_arn"),
            source_account: Some(self.place.account.clone()),
        }
        .node("http_api", "hitctl-http-api")
    }
}

/// The id of one of our roles, which IAM picks.
fn role_id(role: &str) -> Value<String> {
    Value::output(RoleSpec::address(role), "id")
}

fn statement(sid: &str, actions: &[&str], resource: String) -> Statement {
    Statement { sid: sid.to_owned(), actions: set(actions), resources: BTreeSet::from([resource]) }
}

fn set(items: &[&str]) -> BTreeSet<String> {
    items.iter().map(ToString::to_string).collect()
}

#[cfg(test)]
mod tests;
