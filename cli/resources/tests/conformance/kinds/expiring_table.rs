//! A table whose items expire, and where nothing else is kept: who was seen.

use futures::FutureExt as _;
use hitctl_resources::{Spec as _, TableSpec};

use super::table::count;
use crate::Gap;
use crate::suite::{Case, Change, Foreign};
use crate::world::World;

/// Those of any table.
pub(crate) const GAPS: &[Gap] = &[];

pub(crate) fn spec(world: &World) -> TableSpec {
    TableSpec {
        partition_key: "id".to_owned(),
        point_in_time_recovery: false,
        deletion_protection: false,
        max_write_units: 1000,
        ttl_attribute: Some("ttl".to_owned()),
        tags: world.tags(),
    }
}

pub(crate) fn case(world: &World) -> Case {
    let table = spec(world);
    let change = |what, spec: &TableSpec| Change::new(what, spec.node("seen", &world.base()));
    let faster = TableSpec { max_write_units: 4000, ..table.clone() };
    let lasting = TableSpec { ttl_attribute: None, ..table.clone() };
    let all = TableSpec { max_write_units: 500, tags: world.more_tags("team", "ops"), ..lasting.clone() };
    Case {
        before: Vec::new(),
        node: table.node("seen", &world.base()),
        changes: vec![
            change("maximum writes", &faster),
            change("no time to live", &lasting),
            change("time to live", &table),
            change("everything", &all),
        ],
        count: |world| count(world).boxed(),
        foreign: Foreign::Theirs,
    }
}
