//! The function on an address of its own.

use aws_sdk_lambda::Client;
use futures::FutureExt as _;
use hitctl_resources::{Cors, FunctionUrlSpec, Spec as _};

use super::{cors, function_name, other_cors, set, with_function};
use crate::Gap;
use crate::suite::{Case, Change, Foreign};
use crate::world::World;

pub(crate) const GAPS: &[Gap] = &[];

pub(crate) fn case(world: &World) -> Case {
    let url = FunctionUrlSpec {
        function_name: function_name(world),
        qualifier: None,
        auth_type: "NONE".to_owned(),
        allowed_actions: set(&FunctionUrlSpec::ACTIONS),
        cors: cors(),
    };
    let change = |what, spec: &FunctionUrlSpec| Change::new(what, spec.node("counter", &world.base()));
    let origins = Cors { allow_origins: set(&["*"]), ..cors() };
    Case {
        before: with_function(world),
        node: url.node("counter", &world.base()),
        changes: vec![
            change("origins", &FunctionUrlSpec { cors: origins, ..url.clone() }),
            change("everything", &FunctionUrlSpec { cors: other_cors(), ..url.clone() }),
        ],
        count: |world| {
            async {
                let client = Client::new(&world.config());
                let found = client.get_function_url_config().function_name(world.base()).send().await;
                usize::from(found.is_ok())
            }
            .boxed()
        },
        foreign: Foreign::Ours,
    }
}
