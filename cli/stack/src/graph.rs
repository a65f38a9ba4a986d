//! Builds the graph of all resources of a hit counter. No other module knows all of them. `sources.rs` adds the queues
//! and the rules for events and buckets, and `reader.rs` adds the reader function.

mod reader;
mod sources;

use std::collections::{BTreeMap, BTreeSet};

use hitctl_config::{AppConfig, ExposeMode, contract, function_variables, names};
use hitctl_engine::{DeletionPolicy, Graph, GraphError, Node, SpecValue};
use hitctl_resources::{
    AliasSpec, CloudLocation, Cors, FunctionSpec, FunctionUrlSpec, HttpApiSpec, LogGroupSpec, PermissionSpec,
    RolePermission, RoleSpec, Spec, TableSpec, Tags, Throttle,
};
use serde_json::Value as Json;
use sha2::{Digest as _, Sha256};

use crate::function_artifact::FunctionArtifact;

pub use sources::{needs_user_agent, needs_visitor_ip};

/// The time for which a browser may cache a preflight response, in seconds.
const PREFLIGHT_MAX_AGE_S: u32 = 3600;

/// Returns the graph of all resources that an app can own, each present or absent. `code` is `None` if the function is not
/// deployed.
pub fn resource_graph(
    app: &AppConfig,
    env: &str,
    cloud_location: &CloudLocation,
    code: Option<&FunctionArtifact>,
) -> Result<Graph, GraphError> {
    let builder = GraphBuilder {
        app,
        env,
        cloud_location,
        code,
        name: names::base_name(&app.app, env),
        tags: names::tags(&app.app, env),
    };
    let release = release_hash(&builder.function(), app.has_reader().then(|| builder.reader()).as_ref());
    let with_reader = app.has_reader();
    let with_api = app.http.expose == ExposeMode::Api;
    Graph::new(vec![
        builder.table(),
        builder.seen_table().present_if(builder.app.needs_seen_table()),
        builder.role(),
        builder.log_group(),
        builder.function().node("counter", &builder.name),
        builder.alias(release.clone()).present_if(builder.publishes_versions()),
        builder.reader_role().present_if(with_reader),
        builder.reader().node("reader", &builder.reader_name()).present_if(with_reader),
        builder.reader_alias(release).present_if(with_reader && builder.publishes_versions()),
        builder.reader_permission().present_if(with_reader),
        builder.function_url().present_if(app.http.expose == ExposeMode::FunctionUrl),
        builder.http_api().present_if(with_api),
        builder.api_permission().present_if(with_api),
        builder.queue().present_if(app.queue.enabled),
        builder.dead_letter_queue().present_if(app.has_dead_letter_queue()),
        builder.event_source_mapping().present_if(app.queue.enabled),
        builder.ingest_role().present_if(builder.has_queue_ingest()),
        builder.event_rule().present_if(app.events.enabled),
        builder.bucket_rule().present_if(app.has_bucket_events()),
        builder.event_permission("events").present_if(app.events.enabled && !app.queue.enabled),
        builder.event_permission("s3").present_if(app.has_bucket_events() && !app.queue.enabled),
        builder.event_invoke_config().present_if(builder.is_invoked_by_rules()),
    ])
}

/// Returns a short hash of the functions' code and configuration, which identifies their published versions.
///
/// Both functions share one release, so that they are deployed and rolled back together. The hash does not contain settings that
/// are not part of a version: tags and reserved concurrency.
pub fn release_hash(counter: &FunctionSpec, reader: Option<&FunctionSpec>) -> String {
    let mut hash = Sha256::new();
    for function in [counter].into_iter().chain(reader) {
        let mut versioned = function.clone();
        versioned.tags = Tags::new();
        versioned.reserved_concurrency = None;
        // The alias compares this variable separately, because its value is unknown until the role exists.
        versioned.environment.remove(contract::ENV_ROLE_ID);
        let spec = serde_json::to_value(versioned).unwrap_or(Json::Null);
        hash.update(hitctl_engine::resolve(&spec, &|_| None).to_string());
    }
    hex::encode(&hash.finalize()[..8])
}

struct GraphBuilder<'a> {
    app: &'a AppConfig,
    env: &'a str,
    cloud_location: &'a CloudLocation,
    code: Option<&'a FunctionArtifact>,
    name: String,
    tags: Tags,
}

impl GraphBuilder<'_> {
    fn arn(&self, service: &str, resource: &str) -> String {
        self.cloud_location.as_location().arn(service, resource)
    }

    fn table(&self) -> Node {
        let table = &self.app.table;
        TableSpec {
            partition_key: contract::ATTR_PATH.to_owned(),
            point_in_time_recovery: table.point_in_time_recovery,
            deletion_protection: table.deletion_protection,
            max_write_units: table.max_write_units,
            // Counts never expire.
            ttl_attribute: None,
            tags: self.tags.clone(),
        }
        .node("hits", &self.name)
    }

    /// Returns the table of visitors, which also remembers the messages and files that were counted. Its items expire within days, so
    /// it needs no backups, no protection and no confirmation before it is deleted.
    fn seen_table(&self) -> Node {
        TableSpec {
            partition_key: contract::SEEN_ID.to_owned(),
            point_in_time_recovery: false,
            deletion_protection: false,
            // A new visitor of a page takes two writes to this table (for the page and the site) and two to the table
            // of counts (for the page and the site). With the same limit for both tables, at most half as many new
            // visitors per second as the limit are recorded, so their writes to the site's total use at most half of
            // the capacity of the table of counts.
            max_write_units: self.app.table.max_write_units,
            ttl_attribute: Some(contract::SEEN_TTL.to_owned()),
            tags: self.tags.clone(),
        }
        .node("seen", &names::seen_table(&self.app.app, self.env))
        .with_deletion_policy(DeletionPolicy::Delete)
    }

    /// Returns the statement that lets a function write its log.
    fn logs_statement(&self) -> RolePermission {
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
        if self.app.needs_seen_table() {
            let actions =
                ["dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"];
            let table = names::seen_table(&self.app.app, self.env);
            statements.push(statement("Seen", &actions, self.arn("dynamodb", &format!("table/{table}"))));
        }
        statements.extend(self.source_statements());
        // Sorted by name, because drivers read them in that order.
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

    /// Returns a function with the settings that the counter and the reader share. `role` is the name of its role in
    /// the graph, `role_name` the name in IAM.
    fn function_with(
        &self,
        variables: BTreeMap<&'static str, String>,
        role: &str,
        role_name: &str,
    ) -> FunctionSpec {
        let function = &self.app.function;
        let variables = variables.into_iter().map(|(name, value)| {
            // References make sure that a table is created before a function uses it, and deleted after the function.
            let value = match name {
                contract::ENV_TABLE => SpecValue::known(TableSpec::address("hits"), value),
                contract::ENV_SEEN_TABLE => SpecValue::known(TableSpec::address("seen"), value),
                _ => SpecValue::from(value),
            };
            (name.to_owned(), value)
        });
        let mut environment: BTreeMap<String, SpecValue<String>> = variables.collect();
        let build_id = self.code.map(FunctionArtifact::build_id).unwrap_or_default();
        environment.insert(contract::ENV_BUILD.to_owned(), SpecValue::from(build_id));
        if let Some(endpoint) = &self.cloud_location.endpoint {
            environment.insert(contract::ENV_AWS_ENDPOINT.to_owned(), SpecValue::from(endpoint.clone()));
        }
        // Only AWS binds the permission to decrypt the variables to the id of the function's role.
        if self.cloud_location.has_versions {
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
            role_arn: SpecValue::known(
                RoleSpec::address(role),
                self.arn("iam", &format!("role/{role_name}")),
            ),
            log_format: "JSON".to_owned(),
            // The function already filters its own log lines by the same level.
            app_log_level: Some(function.log_level.to_string().to_uppercase()),
            // The start, end and report lines of invocations have this level.
            system_log_level: Some("INFO".to_owned()),
            log_group: SpecValue::known(
                LogGroupSpec::address("function"),
                names::log_group(&self.app.app, self.env),
            ),
            tags: self.tags.clone(),
        }
    }

    fn function_name(&self) -> SpecValue<String> {
        SpecValue::known(FunctionSpec::address("counter"), self.name.clone())
    }

    /// Whether versions are published and an alias points at the live version.
    fn publishes_versions(&self) -> bool {
        self.app.function.publish && self.cloud_location.has_versions
    }

    /// Returns the qualifier for requests: the alias, or none for the latest code of the function.
    fn qualifier(&self) -> Option<SpecValue<String>> {
        self.publishes_versions()
            .then(|| SpecValue::known(AliasSpec::address("live"), AliasSpec::NAME.to_owned()))
    }

    /// Returns the ARN that requests and messages invoke.
    fn invoke_arn(&self) -> SpecValue<String> {
        let arn = self.arn("lambda", &format!("function:{}", self.name));
        if self.publishes_versions() {
            SpecValue::known(AliasSpec::address("live"), format!("{arn}:{}", AliasSpec::NAME))
        } else {
            SpecValue::known(FunctionSpec::address("counter"), arn)
        }
    }

    fn alias(&self, release: String) -> Node {
        let name = format!("{}:{}", self.name, AliasSpec::NAME);
        let role_id = Some(role_id("function"));
        AliasSpec { function_name: self.function_name(), release, weights: None, role_id }.node("live", &name)
    }

    fn function_url(&self) -> Node {
        let cors = self.cors();
        // Lambda accepts only methods of at most six letters (its service model). That excludes OPTIONS, which Lambda answers itself.
        let url_methods = cors.allow_methods.iter().filter(|method| method.len() <= 6).cloned().collect();
        FunctionUrlSpec {
            function_name: self.function_name(),
            qualifier: self.qualifier(),
            auth_type: "NONE".to_owned(),
            allowed_actions: string_set(&FunctionUrlSpec::ACTIONS),
            cors: Cors { allow_methods: url_methods, ..cors },
        }
        .node("counter", &self.name)
    }

    fn cors(&self) -> Cors {
        let http = &self.app.http;
        Cors {
            allow_origins: http.allow_origins.iter().cloned().collect(),
            allow_methods: http.allow_methods.iter().cloned().collect(),
            allow_headers: string_set(&["content-type"]),
            expose_headers: string_set(&[contract::HEADER_BUILD, contract::HEADER_IGNORED]),
            max_age_s: PREFLIGHT_MAX_AGE_S,
        }
    }

    fn http_api(&self) -> Node {
        let http = &self.app.http;
        HttpApiSpec {
            function_arn: self.invoke_arn(),
            routes: string_set(&self.counter_routes()),
            reader: self.app.has_reader().then(|| self.reader_routes()),
            ingest: self.has_queue_ingest().then(|| self.ingest()),
            cors: self.cors(),
            throttle: Throttle { rate_per_second: http.rate_per_second, burst: http.burst },
            tags: self.tags.clone(),
        }
        .node("api", &self.name)
    }

    /// Returns the routes of the HTTP API that invoke the counter.
    fn counter_routes(&self) -> Vec<&'static str> {
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
            source_arn: SpecValue::output(HttpApiSpec::address("api"), "call_arn"),
            source_account: Some(self.cloud_location.account.clone()),
        }
        .node("http_api", "hitctl-http-api")
    }
}

/// Returns a reference to the id of one of the graph's roles. IAM generates the id.
fn role_id(role: &str) -> SpecValue<String> {
    SpecValue::output(RoleSpec::address(role), "id")
}

fn statement(sid: &str, actions: &[&str], resource: String) -> RolePermission {
    RolePermission {
        sid: sid.to_owned(),
        actions: string_set(actions),
        resources: BTreeSet::from([resource]),
    }
}

fn string_set(items: &[&str]) -> BTreeSet<String> {
    items.iter().map(ToString::to_string).collect()
}

#[cfg(test)]
mod tests;
