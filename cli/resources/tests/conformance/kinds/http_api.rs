//! An HTTP API, whose name is not unique: two of them would both answer to it.

use aws_sdk_apigatewayv2::Client;
use futures::FutureExt as _;
use hitctl_emulators::Kind;
use hitctl_engine::{Node, Value};
use hitctl_resources::{FunctionSpec, HttpApiSpec, Ingest, QueueSpec, Reader, RoleSpec, Spec as _, Throttle};

use super::{cors, other_cors, queue, set, with_function};
use crate::Gap;
use crate::suite::{Case, Change, Foreign};
use crate::world::World;

pub(crate) const GAPS: &[Gap] = &[
    Gap::Forgets {
        by: Kind::MiniStack,
        field: "tags.team",
        why: "GetApis shows no tag of a later TagResource",
    },
    Gap::Forgets {
        by: Kind::MiniStack,
        field: "ingest.role_arn",
        why: "drops CredentialsArn of CreateIntegration",
    },
    Gap::Refuses { by: Kind::Moto, change: "throttle", why: "answers UpdateStage with an error of its own" },
    Gap::Refuses { by: Kind::Moto, change: "everything", why: "as for the throttle, which is in it" },
];

/// An API in front of the function.
pub(crate) fn spec(world: &World) -> HttpApiSpec {
    let arn = world.arn("lambda", &format!("function:{}", world.base()));
    HttpApiSpec {
        function_arn: Value::known(FunctionSpec::address("counter"), arn),
        routes: set(&["GET /counter", "GET /healthz", "POST /hit/{path+}"]),
        reader: None,
        ingest: None,
        cors: cors(),
        throttle: Throttle { rate_per_second: 100.0, burst: 50 },
        tags: world.tags(),
    }
}

/// The way to the queue: its role is the function's here, since no request is sent.
fn ingest(world: &World) -> Ingest {
    let variables = [("ip", "context.identity.sourceIp"), ("origin", "request.header.origin")];
    Ingest {
        route: "POST /v1/hit".to_owned(),
        queue_url: Value::output(QueueSpec::address("hits"), "url"),
        role_arn: Value::known(RoleSpec::address("function"), world.role_arn()),
        attributes: variables.map(|(name, from)| (name.to_owned(), from.to_owned())).into(),
    }
}

/// A second function behind some of the routes: one that does not exist, since no request is sent.
fn reader(world: &World, routes: &[&str]) -> Reader {
    let arn = world.arn("lambda", &format!("function:{}-reader", world.base()));
    Reader { function_arn: arn.into(), routes: set(routes) }
}

/// Its node.
pub(crate) fn node(world: &World) -> Node {
    spec(world).node("api", &world.base())
}

pub(crate) fn case(world: &World) -> Case {
    let api = spec(world);
    let change = |what, spec: &HttpApiSpec| Change::new(what, spec.node("api", &world.base()));
    let routed = HttpApiSpec { routes: set(&["GET /counter", "GET /counts"]), ..api.clone() };
    let asked = HttpApiSpec { cors: other_cors(), ..api.clone() };
    let throttle = Throttle { rate_per_second: 7.5, burst: 9 };
    let slower = HttpApiSpec { throttle: throttle.clone(), ..api.clone() };
    let tagged = HttpApiSpec { tags: world.more_tags("team", "web"), ..api.clone() };
    let queued = HttpApiSpec { ingest: Some(ingest(world)), ..api.clone() };
    let more = Ingest {
        attributes: [("ua".to_owned(), "context.identity.userAgent".to_owned())].into(),
        ..ingest(world)
    };
    let queued_so = HttpApiSpec { ingest: Some(more), ..api.clone() };
    let shared = HttpApiSpec {
        routes: set(&["GET /counter"]),
        reader: Some(reader(world, &["GET /healthz", "POST /hit/{path+}"])),
        ..api.clone()
    };
    let given_back = HttpApiSpec {
        routes: set(&["GET /counter", "GET /healthz"]),
        reader: Some(reader(world, &["POST /hit/{path+}"])),
        ..api.clone()
    };
    let almost = HttpApiSpec {
        ingest: queued.ingest.clone(),
        routes: routed.routes.clone(),
        cors: other_cors(),
        tags: world.more_tags("team", "ops"),
        ..api.clone()
    };
    let mut before = with_function(world);
    before.extend(queue::both(world));
    Case {
        before,
        node: node(world),
        changes: vec![
            change("routes", &routed),
            change("cors", &asked),
            change("throttle", &slower),
            change("a tag more", &tagged),
            change("a way to the queue", &queued),
            change("other attributes", &queued_so),
            change("no way to the queue", &api),
            change("a reader", &shared),
            change("a route of the reader given back", &given_back),
            change("no reader", &api),
            change("everything but the throttle", &almost),
            change("everything", &HttpApiSpec { throttle, routes: set(&["GET /counter"]), ..almost.clone() }),
        ],
        count: |world| {
            async {
                let client = Client::new(&world.config());
                let (mut token, mut count) = (None, 0);
                loop {
                    let page = client.get_apis().set_next_token(token).send().await.unwrap();
                    count += page.items().iter().filter(|api| api.name() == Some(&world.base())).count();
                    token = page.next_token().map(str::to_owned);
                    if token.is_none() {
                        return count;
                    }
                }
            }
            .boxed()
        },
        foreign: Foreign::Unseen,
    }
}
