//! The conformance case of the table of recent visitors, whose items expire. It has no backups and no deletion
//! protection.

use futures::FutureExt as _;
use hitctl_resources::{Spec as _, TableSpec};

use super::table::count;
use crate::Gap;
use crate::suite::{CaseChange, ConformanceCase, ForeignView};
use crate::test_app::TestApp;

/// Empty, because the gaps are looked up by the kind `table` (see [`super::table::GAPS`]).
pub(crate) const GAPS: &[Gap] = &[];

pub(crate) fn spec(app: &TestApp) -> TableSpec {
    TableSpec {
        partition_key: "id".to_owned(),
        point_in_time_recovery: false,
        deletion_protection: false,
        max_write_units: 1000,
        ttl_attribute: Some("ttl".to_owned()),
        tags: app.tags(),
    }
}

pub(crate) fn case(app: &TestApp) -> ConformanceCase {
    let table = spec(app);
    let change = |label, spec: &TableSpec| CaseChange::new(label, spec.node("seen", &app.base()));
    let more_writes = TableSpec { max_write_units: 4000, ..table.clone() };
    let without_ttl = TableSpec { ttl_attribute: None, ..table.clone() };
    let all = TableSpec { max_write_units: 500, tags: app.tags_with("team", "ops"), ..without_ttl.clone() };
    ConformanceCase {
        dependencies: Vec::new(),
        node: table.node("seen", &app.base()),
        changes: vec![
            change("maximum writes", &more_writes),
            change("no time to live", &without_ttl),
            change("time to live", &table),
            change("everything", &all),
        ],
        count: |app| count(app).boxed(),
        foreign_view: ForeignView::OtherOwner,
    }
}
