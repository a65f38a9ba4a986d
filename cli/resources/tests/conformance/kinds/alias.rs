//! The alias that traffic goes to, and the version behind it.

use aws_sdk_lambda::Client;
use futures::FutureExt as _;
use hitctl_emulators::Kind;
use hitctl_resources::{AliasSpec, FunctionSpec, Spec as _};

use super::{function, function_name, with_function};
use crate::Gap;
use crate::suite::{Case, Change, Foreign};
use crate::world::World;

pub(crate) const GAPS: &[Gap] = &[Gap::Wears {
    by: Kind::Moto,
    why: "numbers a version by how many there are, so that a number comes twice once old ones are deleted",
}];

pub(crate) fn case(world: &World) -> Case {
    let name = format!("{}:{}", world.base(), AliasSpec::NAME);
    let alias = |release: &str| {
        AliasSpec {
            function_name: function_name(world),
            release: release.to_owned(),
            weights: None,
            role_id: None,
        }
        .node("live", &name)
    };
    // A release is a version of the function as it is, so that the function changes with it.
    let change = |what, release: &str, function: FunctionSpec| Change {
        before: vec![function.node("counter", &world.base())],
        ..Change::new(what, alias(release))
    };
    let function = function::spec(world);
    let recoded = FunctionSpec { code_sha256: world.code(1), ..function.clone() };
    let larger = FunctionSpec { memory_mb: 256, ..recoded.clone() };
    Case {
        before: with_function(world),
        node: alias("release-1"),
        changes: vec![
            change("a release of other code", "release-2", recoded),
            change("a release of another size", "release-3", larger),
        ],
        count: |world| {
            async {
                let client = Client::new(&world.config());
                let listed = client.list_aliases().function_name(world.base()).send().await;
                // The function goes after the alias.
                listed.map_or(0, |listed| listed.aliases().len())
            }
            .boxed()
        },
        foreign: Foreign::Ours,
    }
}
