//! The reader: a second function with the same code that serves read requests. It has no reserved concurrency, so that
//! the badges of a page are not rejected while the view of the page is counted. It may only read the table of counts
//! and invoke the counter.

use hitctl_config::{contract, names, reader_variables};
use hitctl_engine::{Node, SpecValue};
use hitctl_resources::{
    AliasSpec, FunctionSpec, HttpApiSpec, PermissionSpec, ReaderRoutes, RoleSpec, Spec as _,
};

use super::{GraphBuilder, role_id, statement, string_set};

impl GraphBuilder<'_> {
    pub(super) fn reader_name(&self) -> String {
        names::reader(&self.app.app, self.env)
    }

    pub(super) fn reader_role(&self) -> Node {
        let name = self.reader_name();
        let counter = self.invoke_arn().get().cloned().unwrap_or_default();
        let statements = vec![
            statement("Counter", &["lambda:InvokeFunction"], counter),
            self.logs_statement(),
            statement(
                "Table",
                &["dynamodb:BatchGetItem", "dynamodb:GetItem", "dynamodb:Scan"],
                self.arn("dynamodb", &format!("table/{}", self.name)),
            ),
        ];
        RoleSpec { trusted_service: "lambda.amazonaws.com".to_owned(), statements, tags: self.tags.clone() }
            .node("reader", &name)
    }

    pub(super) fn reader(&self) -> FunctionSpec {
        let variables = reader_variables(self.app, self.env);
        let mut reader = self.function_with(variables, "reader", &self.reader_name());
        // The reference makes sure that the counter exists before the reader uses it.
        let counter = if self.publishes_versions() {
            let qualified = format!("{}:{}", self.name, AliasSpec::NAME);
            SpecValue::known(AliasSpec::address("live"), qualified)
        } else {
            self.function_name()
        };
        reader.environment.insert(contract::ENV_COUNTER.to_owned(), counter);
        reader
    }

    fn reader_function_name(&self) -> SpecValue<String> {
        SpecValue::known(FunctionSpec::address("reader"), self.reader_name())
    }

    pub(super) fn reader_alias(&self, release: String) -> Node {
        let name = format!("{}:{}", self.reader_name(), AliasSpec::NAME);
        let role_id = Some(role_id("reader"));
        AliasSpec { function_name: self.reader_function_name(), release, weights: None, role_id }
            .node("reader", &name)
    }

    /// Returns the reader and its routes for the HTTP API.
    pub(super) fn reader_routes(&self) -> ReaderRoutes {
        let arn = self.arn("lambda", &format!("function:{}", self.reader_name()));
        let function_arn = if self.publishes_versions() {
            SpecValue::known(AliasSpec::address("reader"), format!("{arn}:{}", AliasSpec::NAME))
        } else {
            SpecValue::known(FunctionSpec::address("reader"), arn)
        };
        ReaderRoutes { function_arn, routes: string_set(&self.reading_routes()) }
    }

    /// Returns the permission for the HTTP API to invoke the reader. If the API already exists, the permission
    /// is created before the routes to the reader.
    pub(super) fn reader_permission(&self) -> Node {
        let qualifier = self
            .publishes_versions()
            .then(|| SpecValue::known(AliasSpec::address("reader"), AliasSpec::NAME.to_owned()));
        PermissionSpec {
            function_name: self.reader_function_name(),
            qualifier,
            principal: "apigateway.amazonaws.com".to_owned(),
            source_arn: SpecValue::output(HttpApiSpec::address("api"), "call_arn"),
            source_account: Some(self.cloud_location.account.clone()),
        }
        .node("reader", "hitctl-http-api-reader")
        .create_before_update_of(HttpApiSpec::address("api"))
    }
}
