//! A table of counts.

use aws_sdk_dynamodb::Client;
use futures::FutureExt as _;
use hitctl_emulators::Kind;
use hitctl_resources::{Spec as _, TableSpec};

use crate::Gap;
use crate::suite::{Case, Change, Foreign};
use crate::world::World;

pub(crate) const GAPS: &[Gap] = &[Gap::Forgets {
    by: Kind::Moto,
    field: "max_write_units",
    why: "drops OnDemandThroughput of CreateTable and UpdateTable",
}];

pub(crate) fn case(world: &World) -> Case {
    let table = TableSpec {
        partition_key: "path".to_owned(),
        point_in_time_recovery: true,
        deletion_protection: true,
        max_write_units: 1000,
        ttl_attribute: None,
        tags: world.tags(),
    };
    let change = |what, spec: &TableSpec| Change::new(what, spec.node("hits", &world.base()));
    let unprotected = TableSpec { deletion_protection: false, ..table.clone() };
    let unsaved = TableSpec { point_in_time_recovery: false, ..table.clone() };
    let faster = TableSpec { max_write_units: 4000, ..table.clone() };
    let expiring = TableSpec { ttl_attribute: Some("ttl".to_owned()), ..table.clone() };
    let tagged = TableSpec { tags: world.more_tags("team", "web"), ..table.clone() };
    let all = TableSpec {
        point_in_time_recovery: false,
        deletion_protection: false,
        max_write_units: 500,
        ttl_attribute: Some("ttl".to_owned()),
        tags: world.more_tags("team", "ops"),
        ..table.clone()
    };
    Case {
        before: Vec::new(),
        node: table.node("hits", &world.base()),
        changes: vec![
            change("deletion protection", &unprotected),
            change("point-in-time recovery", &unsaved),
            change("maximum writes", &faster),
            change("time to live", &expiring),
            change("a tag more", &tagged),
            change("everything", &all),
        ],
        count: |world| count(world).boxed(),
        foreign: Foreign::Theirs,
    }
}

/// How many tables of the app's name there are.
pub(super) async fn count(world: &World) -> usize {
    let listed = Client::new(&world.config()).list_tables().send().await.unwrap();
    listed.table_names().iter().filter(|name| **name == world.base()).count()
}
