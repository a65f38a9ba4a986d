//! The conformance case of an HTTP API. Names of APIs are not unique, so the case counts the APIs with the name.

use aws_sdk_apigatewayv2::Client;
use futures::FutureExt as _;
use hitctl_emulators::EmulatorKind;
use hitctl_engine::{Node, SpecValue};
use hitctl_resources::{
    FunctionSpec, HttpApiSpec, IngestRoute, QueueSpec, ReaderRoutes, RoleSpec, Spec as _, Throttle,
};

use super::{cors, other_cors, queue, set, with_function};
use crate::Gap;
use crate::suite::{CaseChange, ConformanceCase, ForeignView};
use crate::test_app::TestApp;

pub(crate) const GAPS: &[Gap] = &[
    Gap::DropsField {
        emulator: EmulatorKind::MiniStack,
        field: "tags.team",
        reason: "GetApis returns no tags that TagResource added",
    },
    Gap::DropsField {
        emulator: EmulatorKind::MiniStack,
        field: "ingest.role_arn",
        reason: "does not store CredentialsArn of CreateIntegration",
    },
    Gap::RejectsChange {
        emulator: EmulatorKind::Moto,
        change: "throttle",
        reason: "responds to UpdateStage with an internal error",
    },
    Gap::RejectsChange {
        emulator: EmulatorKind::Moto,
        change: "everything",
        reason: "this change includes the throttle, which it rejects",
    },
];

/// Returns an API in front of the function.
pub(crate) fn spec(app: &TestApp) -> HttpApiSpec {
    let arn = app.arn("lambda", &format!("function:{}", app.base()));
    HttpApiSpec {
        function_arn: SpecValue::known(FunctionSpec::address("counter"), arn),
        routes: set(&["GET /counter", "GET /healthz", "POST /hit/{path+}"]),
        reader: None,
        ingest: None,
        cors: cors(),
        throttle: Throttle { rate_per_second: 100.0, burst: 50 },
        tags: app.tags(),
    }
}

/// Returns an ingest route. It uses the function's role, because no request is sent.
fn ingest(app: &TestApp) -> IngestRoute {
    let variables = [("ip", "context.identity.sourceIp"), ("origin", "request.header.origin")];
    IngestRoute {
        route: "POST /v1/hit".to_owned(),
        queue_url: SpecValue::output(QueueSpec::address("hits"), "url"),
        role_arn: SpecValue::known(RoleSpec::address("function"), app.role_arn()),
        attributes: variables.map(|(name, from)| (name.to_owned(), from.to_owned())).into(),
    }
}

/// Returns routes to a second function. The function does not exist, because no request is sent.
fn reader(app: &TestApp, routes: &[&str]) -> ReaderRoutes {
    let arn = app.arn("lambda", &format!("function:{}-reader", app.base()));
    ReaderRoutes { function_arn: arn.into(), routes: set(routes) }
}

pub(crate) fn node(app: &TestApp) -> Node {
    spec(app).node("api", &app.base())
}

pub(crate) fn case(app: &TestApp) -> ConformanceCase {
    let api = spec(app);
    let change = |label, spec: &HttpApiSpec| CaseChange::new(label, spec.node("api", &app.base()));
    let other_routes = HttpApiSpec { routes: set(&["GET /counter", "GET /counts"]), ..api.clone() };
    let other_origins = HttpApiSpec { cors: other_cors(), ..api.clone() };
    let throttle = Throttle { rate_per_second: 7.5, burst: 9 };
    let throttled = HttpApiSpec { throttle: throttle.clone(), ..api.clone() };
    let tagged = HttpApiSpec { tags: app.tags_with("team", "web"), ..api.clone() };
    let with_ingest = HttpApiSpec { ingest: Some(ingest(app)), ..api.clone() };
    let other_ingest = IngestRoute {
        attributes: [("ua".to_owned(), "context.identity.userAgent".to_owned())].into(),
        ..ingest(app)
    };
    let with_other_attributes = HttpApiSpec { ingest: Some(other_ingest), ..api.clone() };
    let with_reader = HttpApiSpec {
        routes: set(&["GET /counter"]),
        reader: Some(reader(app, &["GET /healthz", "POST /hit/{path+}"])),
        ..api.clone()
    };
    let with_fewer_reader_routes = HttpApiSpec {
        routes: set(&["GET /counter", "GET /healthz"]),
        reader: Some(reader(app, &["POST /hit/{path+}"])),
        ..api.clone()
    };
    let all_but_throttle = HttpApiSpec {
        ingest: with_ingest.ingest.clone(),
        routes: other_routes.routes.clone(),
        cors: other_cors(),
        tags: app.tags_with("team", "ops"),
        ..api.clone()
    };
    let mut dependencies = with_function(app);
    dependencies.extend(queue::both(app));
    ConformanceCase {
        dependencies,
        node: node(app),
        changes: vec![
            change("routes", &other_routes),
            change("cors", &other_origins),
            change("throttle", &throttled),
            change("an additional tag", &tagged),
            change("an ingest route", &with_ingest),
            change("other attributes", &with_other_attributes),
            change("no ingest route", &api),
            change("a reader", &with_reader),
            change("a route moved from the reader to the function", &with_fewer_reader_routes),
            change("no reader", &api),
            change("everything but the throttle", &all_but_throttle),
            change(
                "everything",
                &HttpApiSpec { throttle, routes: set(&["GET /counter"]), ..all_but_throttle.clone() },
            ),
        ],
        count: |app| {
            async {
                let client = Client::new(&app.config());
                let (mut token, mut count) = (None, 0);
                loop {
                    let page = client.get_apis().set_next_token(token).send().await.unwrap();
                    count += page.items().iter().filter(|api| api.name() == Some(&app.base())).count();
                    token = page.next_token().map(str::to_owned);
                    if token.is_none() {
                        return count;
                    }
                }
            }
            .boxed()
        },
        foreign_view: ForeignView::Missing,
    }
}
