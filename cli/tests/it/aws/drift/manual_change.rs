//! Changes single fields of deployed resources with the AWS SDKs, without hitctl.

mod sources;

use aws_sdk_apigatewayv2::types as api;
use aws_sdk_dynamodb::types as db;
use aws_sdk_iam::types as iam;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types as fun;
use aws_types::SdkConfig;

/// The result of a manual change.
pub(crate) enum ChangeResult {
    /// The field has another value now.
    Changed,
    /// Nobody can change the field, for this reason.
    Immutable(&'static str),
}

/// Changes the resources of one deployment.
pub(crate) struct ManualEditor {
    pub(crate) base: String,
    pub(crate) account: String,
    pub(crate) region: String,
    /// A zip of the function with another hash than the deployed one.
    pub(crate) zip: Vec<u8>,
    pub(crate) table: aws_sdk_dynamodb::Client,
    pub(crate) role: aws_sdk_iam::Client,
    pub(crate) logs: aws_sdk_cloudwatchlogs::Client,
    pub(crate) function: aws_sdk_lambda::Client,
    pub(crate) api: aws_sdk_apigatewayv2::Client,
    pub(crate) queues: aws_sdk_sqs::Client,
    pub(crate) bus: aws_sdk_eventbridge::Client,
}

const IDENTITY: ChangeResult =
    ChangeResult::Immutable("the field is part of the identity by which the resource is found");
const ALIAS: &str = "live";
const PERMISSION: &str = "hitctl-http-api";
/// A changed tag that does not affect ownership.
const TAG: (&str, &str) = ("hitctl:managed", "by hand");

impl ManualEditor {
    pub(crate) fn new(config: &SdkConfig, app: &str, account: &str, region: &str, zip: Vec<u8>) -> Self {
        Self {
            base: format!("{app}-test"),
            account: account.to_owned(),
            region: region.to_owned(),
            zip,
            table: aws_sdk_dynamodb::Client::new(config),
            role: aws_sdk_iam::Client::new(config),
            logs: aws_sdk_cloudwatchlogs::Client::new(config),
            function: aws_sdk_lambda::Client::new(config),
            api: aws_sdk_apigatewayv2::Client::new(config),
            queues: aws_sdk_sqs::Client::new(config),
            bus: aws_sdk_eventbridge::Client::new(config),
        }
    }

    fn arn(&self, service: &str, resource: &str) -> String {
        format!("arn:aws:{service}:{}:{}:{resource}", self.region, self.account)
    }

    /// Changes a field of a resource. Panics for a field without a case: each new field needs one.
    pub(crate) async fn change(&self, address: &str, field: &str) -> ChangeResult {
        let kind = address.split('.').next().unwrap_or_default();
        match kind {
            "table" => self.table(address == "table.seen", field).await,
            "role" => self.role(&self.function_name(address), field).await,
            "log_group" => self.log_group(field).await,
            "function" => self.function(&self.function_name(address), field).await,
            "alias" => self.alias(&self.function_name(address), field).await,
            "function_url" => self.function_url(field).await,
            "http_api" => self.http_api(field).await,
            "permission" => self.permission(&self.function_name(address), field).await,
            "queue" => self.queue(address.trim_start_matches("queue."), field).await,
            "event_source_mapping" => self.mapping(field).await,
            "event_rule" => self.rule(field).await,
            "event_invoke_config" => self.event_invoke_config(field).await,
            _ => panic!("{kind} has no case"),
        }
    }

    /// Returns the name of a function, which is also the name of its role.
    fn function_name(&self, address: &str) -> String {
        if address.ends_with(".reader") { format!("{}-reader", self.base) } else { self.base.clone() }
    }

    /// Attaches another policy to the role. No spec contains this policy, but it must be detached before the role can
    /// be deleted.
    pub(crate) async fn attach_policy(&self) {
        let document =
            r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}"#;
        let made = self.role.create_policy().policy_name(&self.base).policy_document(document).send().await;
        let arn = made.unwrap().policy.unwrap().arn.unwrap();
        self.role.attach_role_policy().role_name(&self.base).policy_arn(arn).send().await.unwrap();
    }

    /// Deletes the function with everything that belongs to it, and its log group.
    pub(crate) async fn delete(&self) {
        self.function.delete_function().function_name(&self.base).send().await.unwrap();
        let group = format!("/aws/lambda/{}", self.base);
        self.logs.delete_log_group().log_group_name(group).send().await.unwrap();
    }

    /// Changes a field of a table. The deployed settings of the visitor table are the opposite of those of the counts
    /// table.
    async fn table(&self, is_seen: bool, field: &str) -> ChangeResult {
        let name = if is_seen { format!("{}-seen", self.base) } else { self.base.clone() };
        let (client, name) = (&self.table, &name);
        let update = client.update_table().table_name(name);
        match field {
            "partition_key" => {
                return ChangeResult::Immutable("DynamoDB cannot change the key of a table");
            }
            "point_in_time_recovery" => {
                let other = db::PointInTimeRecoverySpecification::builder()
                    .point_in_time_recovery_enabled(is_seen)
                    .build()
                    .unwrap();
                let call = client.update_continuous_backups().table_name(name);
                call.point_in_time_recovery_specification(other).send().await.unwrap();
            }
            "deletion_protection" => {
                update.deletion_protection_enabled(is_seen).send().await.unwrap();
            }
            "max_write_units" => {
                let more = db::OnDemandThroughput::builder().max_write_request_units(7).build();
                update.on_demand_throughput(more).send().await.unwrap();
            }
            "ttl_attribute" => {
                let attribute = if is_seen { "ttl" } else { "last" };
                let spec = db::TimeToLiveSpecification::builder().attribute_name(attribute).enabled(!is_seen);
                let call = client.update_time_to_live().table_name(name);
                call.time_to_live_specification(spec.build().unwrap()).send().await.unwrap();
            }
            "tags" => {
                let tag = db::Tag::builder().key(TAG.0).value(TAG.1).build().unwrap();
                let arn = self.arn("dynamodb", &format!("table/{name}"));
                client.tag_resource().resource_arn(arn).tags(tag).send().await.unwrap();
            }
            _ => panic!("table.{field} has no case"),
        }
        ChangeResult::Changed
    }

    async fn role(&self, name: &str, field: &str) -> ChangeResult {
        let client = &self.role;
        match field {
            "trusted_service" => {
                let trust = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
                client
                    .update_assume_role_policy()
                    .role_name(name)
                    .policy_document(trust)
                    .send()
                    .await
                    .unwrap();
            }
            "statements" => {
                let policy = r#"{"Version":"2012-10-17","Statement":[{"Sid":"All","Effect":"Allow","Action":"*","Resource":"*"}]}"#;
                let call = client.put_role_policy().role_name(name).policy_name("hitctl");
                call.policy_document(policy).send().await.unwrap();
            }
            "tags" => {
                let tag = iam::Tag::builder().key(TAG.0).value(TAG.1).build().unwrap();
                client.tag_role().role_name(name).tags(tag).send().await.unwrap();
            }
            _ => panic!("role.{field} has no case"),
        }
        ChangeResult::Changed
    }

    async fn log_group(&self, field: &str) -> ChangeResult {
        let group = format!("/aws/lambda/{}", self.base);
        match field {
            "retention_days" => {
                self.logs.delete_retention_policy().log_group_name(group).send().await.unwrap();
            }
            "tags" => {
                let arn = self.arn("logs", &format!("log-group:{group}"));
                self.logs.tag_resource().resource_arn(arn).tags(TAG.0, TAG.1).send().await.unwrap();
            }
            _ => panic!("log_group.{field} has no case"),
        }
        ChangeResult::Changed
    }

    async fn function(&self, name: &str, field: &str) -> ChangeResult {
        let client = &self.function;
        let configure = client.update_function_configuration().function_name(name);
        let code = client.update_function_code().function_name(name).zip_file(Blob::new(self.zip.clone()));
        let logging =
            |group: &str, format| fun::LoggingConfig::builder().log_group(group).log_format(format).build();
        let group = format!("/aws/lambda/{}", self.base);
        let configure = match field {
            "arch" => {
                let other = if cfg!(target_arch = "aarch64") { "x86_64" } else { "arm64" };
                code.architectures(fun::Architecture::from(other)).send().await.unwrap();
                return ChangeResult::Changed;
            }
            "code_sha256" => {
                code.send().await.unwrap();
                return ChangeResult::Changed;
            }
            "reserved_concurrency" if name != self.base => {
                let call = client.put_function_concurrency().function_name(name);
                call.reserved_concurrent_executions(1).send().await.unwrap();
                return ChangeResult::Changed;
            }
            "reserved_concurrency" => {
                client.delete_function_concurrency().function_name(name).send().await.unwrap();
                return ChangeResult::Changed;
            }
            "tags" => {
                let arn = self.arn("lambda", &format!("function:{name}"));
                client.tag_resource().resource(arn).tags(TAG.0, TAG.1).send().await.unwrap();
                return ChangeResult::Changed;
            }
            "runtime" => configure.runtime(fun::Runtime::Providedal2),
            "memory_mb" => configure.memory_size(512),
            "timeout_s" => configure.timeout(3),
            "environment" => {
                configure.environment(fun::Environment::builder().variables("LOG_LEVEL", "debug").build())
            }
            "role_arn" => configure.role(format!("arn:aws:iam::{}:role/another", self.account)),
            "log_format" => configure.logging_config(logging(&group, fun::LogFormat::Text)),
            "app_log_level" | "system_log_level" => {
                let other = fun::LoggingConfig::builder()
                    .log_group(group)
                    .log_format(fun::LogFormat::Json)
                    .application_log_level(fun::ApplicationLogLevel::Error)
                    .system_log_level(fun::SystemLogLevel::Warn);
                configure.logging_config(other.build())
            }
            "log_group" => configure.logging_config(logging("/another", fun::LogFormat::Json)),
            _ => panic!("function.{field} has no case"),
        };
        configure.send().await.unwrap();
        ChangeResult::Changed
    }

    async fn alias(&self, function: &str, field: &str) -> ChangeResult {
        match field {
            "function_name" => IDENTITY,
            "role_id" => ChangeResult::Immutable("the field is part of a version, which is immutable"),
            "release" => {
                let call = self.function.update_alias().function_name(function).name(ALIAS);
                call.function_version("$LATEST").send().await.unwrap();
                ChangeResult::Changed
            }
            _ => panic!("alias.{field} has no case"),
        }
    }

    async fn function_url(&self, field: &str) -> ChangeResult {
        let client = &self.function;
        let cors = |change: fn(fun::builders::CorsBuilder) -> fun::builders::CorsBuilder| {
            // The deployed settings, with one change.
            let deployed = fun::Cors::builder()
                .allow_origins("*")
                .allow_methods("GET")
                .allow_headers("content-type")
                .max_age(3600);
            change(deployed).build()
        };
        let update = client.update_function_url_config().function_name(&self.base).qualifier(ALIAS);
        let update = match field {
            "function_name" | "qualifier" => return IDENTITY,
            "allowed_actions" => {
                let call = client.remove_permission().function_name(&self.base).qualifier(ALIAS);
                call.statement_id("hitctl-url").send().await.unwrap();
                return ChangeResult::Changed;
            }
            "auth_type" => update.auth_type(fun::FunctionUrlAuthType::AwsIam),
            "cors.allow_origins" => update.cors(cors(|cors| cors.allow_origins("https://evil.example"))),
            "cors.allow_methods" => update.cors(cors(|cors| cors.allow_methods("DELETE"))),
            "cors.allow_headers" => update.cors(cors(|cors| cors.allow_headers("x-other"))),
            "cors.expose_headers" => update.cors(cors(|cors| cors.expose_headers("x-other"))),
            "cors.max_age_s" => update.cors(cors(|cors| cors.max_age(1))),
            _ => panic!("function_url.{field} has no case"),
        };
        update.send().await.unwrap();
        ChangeResult::Changed
    }

    async fn api_id(&self) -> String {
        let apis = self.api.get_apis().max_results("500").send().await.unwrap();
        let found = apis.items().iter().find(|api| api.name() == Some(&self.base));
        found.and_then(|api| api.api_id()).expect("it is deployed").to_owned()
    }

    /// Points the integration of the reader, or that of the counter, at another function.
    async fn retarget(&self, api_id: &str, of_reader: bool) {
        let integrations = self.api.get_integrations().api_id(api_id).send().await.unwrap();
        let is_readers = |it: &api::Integration| it.integration_uri().unwrap().contains("-reader:");
        let integration = integrations.items().iter().find(|it| is_readers(it) == of_reader).unwrap();
        let call = self.api.update_integration().api_id(api_id);
        let call = call.integration_id(integration.integration_id().unwrap());
        call.integration_uri(self.arn("lambda", "function:another")).send().await.unwrap();
    }

    /// Deletes one route, adds another, and makes a third one require IAM authorization.
    async fn reroute(&self, api_id: &str, [deleted, locked, other]: [&str; 3]) {
        let client = &self.api;
        let routes = client.get_routes().api_id(api_id).send().await.unwrap();
        let route = |key| routes.items().iter().find(|route| route.route_key() == Some(key)).unwrap();
        let (deleted, locked) = (route(deleted), route(locked));
        let call = client.delete_route().api_id(api_id).route_id(deleted.route_id().unwrap());
        call.send().await.unwrap();
        let call = client.create_route().api_id(api_id).route_key(other);
        call.target(deleted.target().unwrap()).send().await.unwrap();
        let call = client.update_route().api_id(api_id).route_id(locked.route_id().unwrap());
        call.authorization_type(api::AuthorizationType::AwsIam).send().await.unwrap();
    }

    async fn http_api(&self, field: &str) -> ChangeResult {
        let (client, id) = (&self.api, self.api_id().await);
        let cors = |change: fn(api::builders::CorsBuilder) -> api::builders::CorsBuilder| {
            let deployed = api::Cors::builder()
                .allow_origins("*")
                .allow_methods("GET")
                .allow_headers("content-type")
                .max_age(3600);
            change(deployed).build()
        };
        let slower = |rate, burst| {
            api::RouteSettings::builder().throttling_rate_limit(rate).throttling_burst_limit(burst).build()
        };
        let stage = client.update_stage().api_id(&id).stage_name("$default");
        let update = client.update_api().api_id(&id);
        let update = match field {
            "function_arn" => {
                self.retarget(&id, false).await;
                return ChangeResult::Changed;
            }
            "routes" => {
                self.reroute(&id, ["ANY /counter", "ANY /v1/hit", "GET /another"]).await;
                return ChangeResult::Changed;
            }
            "reader" => {
                self.reroute(&id, ["ANY /v1/count", "ANY /healthz", "GET /yet/another"]).await;
                self.retarget(&id, true).await;
                return ChangeResult::Changed;
            }
            "throttle.burst" => {
                stage.default_route_settings(slower(10.0, 5)).send().await.unwrap();
                return ChangeResult::Changed;
            }
            "throttle.rate_per_second" => {
                stage.default_route_settings(slower(1.0, 20)).send().await.unwrap();
                return ChangeResult::Changed;
            }
            "tags" => {
                let arn = format!("arn:aws:apigateway:{}::/apis/{id}", self.region);
                client.tag_resource().resource_arn(arn).tags(TAG.0, TAG.1).send().await.unwrap();
                return ChangeResult::Changed;
            }
            "cors.allow_origins" => {
                update.cors_configuration(cors(|cors| cors.allow_origins("https://evil.example")))
            }
            "cors.allow_methods" => update.cors_configuration(cors(|cors| cors.allow_methods("DELETE"))),
            "cors.allow_headers" => update.cors_configuration(cors(|cors| cors.allow_headers("x-other"))),
            "cors.expose_headers" => update.cors_configuration(cors(|cors| cors.expose_headers("x-other"))),
            "cors.max_age_s" => update.cors_configuration(cors(|cors| cors.max_age(1))),
            _ => panic!("http_api.{field} has no case"),
        };
        update.send().await.unwrap();
        ChangeResult::Changed
    }

    async fn permission(&self, function: &str, field: &str) -> ChangeResult {
        let id = self.api_id().await;
        let api_arn = |id: &str| self.arn("execute-api", &format!("{id}/*/*/*"));
        let (principal, source, account) = match field {
            "function_name" | "qualifier" => return IDENTITY,
            "principal" => ("events.amazonaws.com", api_arn(&id), self.account.as_str()),
            "source_arn" => ("apigateway.amazonaws.com", api_arn("another"), self.account.as_str()),
            "source_account" => ("apigateway.amazonaws.com", api_arn(&id), "999999999999"),
            _ => panic!("permission.{field} has no case"),
        };
        let statement =
            if function == self.base { PERMISSION.to_owned() } else { format!("{PERMISSION}-reader") };
        // The deployed statement has one of these two ids.
        for id in [statement.clone(), format!("{statement}-2")] {
            let removal = self.function.remove_permission().function_name(function).qualifier(ALIAS);
            drop(removal.statement_id(id).send().await);
        }
        let other = self.function.add_permission().function_name(function).qualifier(ALIAS);
        let other = other.statement_id(&statement).action("lambda:InvokeFunction").principal(principal);
        other.source_arn(source).source_account(account).send().await.unwrap();
        ChangeResult::Changed
    }
}
