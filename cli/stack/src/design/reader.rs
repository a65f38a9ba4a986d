//! The reader: a second function of the same code that answers what only reads, without a reservation, so that a page's badges
//! are not refused while its view is counted. It may read the table of counts and invoke the counter, and nothing else.

use hitctl_config::{contract, names, reader_variables};
use hitctl_engine::{Node, Value};
use hitctl_resources::{AliasSpec, FunctionSpec, HttpApiSpec, PermissionSpec, Reader, RoleSpec, Spec as _};

use super::{Parts, role_id, set, statement};

impl Parts<'_> {
    pub(super) fn reader_name(&self) -> String {
        names::reader(&self.app.app, self.env)
    }

    pub(super) fn reader_role(&self) -> Node {
        let name = self.reader_name();
        let counter = self.called_arn().get().cloned().unwrap_or_default();
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
        // The counter is there before the reader is told of it.
        let counter = if self.publishes() {
            let qualified = format!("{}:{}", self.name, AliasSpec::NAME);
            Value::known(AliasSpec::address("live"), qualified)
        } else {
            self.function_name()
        };
        reader.environment.insert(contract::ENV_COUNTER.to_owned(), counter);
        reader
    }

    fn reader_function_name(&self) -> Value<String> {
        Value::known(FunctionSpec::address("reader"), self.reader_name())
    }

    pub(super) fn reader_alias(&self, release: String) -> Node {
        let name = format!("{}:{}", self.reader_name(), AliasSpec::NAME);
        let role_id = Some(role_id("reader"));
        AliasSpec { function_name: self.reader_function_name(), release, weights: None, role_id }
            .node("reader", &name)
    }

    /// The reader and its routes, for the HTTP API.
    pub(super) fn reader_routes(&self) -> Reader {
        let arn = self.arn("lambda", &format!("function:{}", self.reader_name()));
        let function_arn = if self.publishes() {
            Value::known(AliasSpec::address("reader"), format!("{arn}:{}", AliasSpec::NAME))
        } else {
            Value::known(FunctionSpec::address("reader"), arn)
        };
        Reader { function_arn, routes: set(&self.reading_routes()) }
    }

    /// Lets the HTTP API call the reader. An API that is there already gets the routes to it only after that.
    pub(super) fn reader_permission(&self) -> Node {
        let qualifier =
            self.publishes().then(|| Value::known(AliasSpec::address("reader"), AliasSpec::NAME.to_owned()));
        PermissionSpec {
            function_name: self.reader_function_name(),
            qualifier,
            principal: "apigateway.amazonaws.com".to_owned(),
            source_arn: Value::output(HttpApiSpec::address("api"), "call_arn"),
            source_account: Some(self.place.account.clone()),
        }
        .node("reader", "hitctl-http-api-reader")
        .before_update_of(HttpApiSpec::address("api"))
    }
}
