//! The conformance case of the table of counts.

use aws_sdk_dynamodb::Client;
use futures::FutureExt as _;
use hitctl_emulators::EmulatorKind;
use hitctl_resources::{Spec as _, TableSpec};

use crate::Gap;
use crate::suite::{CaseChange, ConformanceCase, ForeignView};
use crate::test_app::TestApp;

pub(crate) const GAPS: &[Gap] = &[Gap::DropsField {
    emulator: EmulatorKind::Moto,
    field: "max_write_units",
    reason: "does not store OnDemandThroughput of CreateTable and UpdateTable",
}];

pub(crate) fn case(app: &TestApp) -> ConformanceCase {
    let table = TableSpec {
        partition_key: "path".to_owned(),
        point_in_time_recovery: true,
        deletion_protection: true,
        max_write_units: 1000,
        ttl_attribute: None,
        tags: app.tags(),
    };
    let change = |label, spec: &TableSpec| CaseChange::new(label, spec.node("hits", &app.base()));
    let unprotected = TableSpec { deletion_protection: false, ..table.clone() };
    let without_backups = TableSpec { point_in_time_recovery: false, ..table.clone() };
    let more_writes = TableSpec { max_write_units: 4000, ..table.clone() };
    let expiring = TableSpec { ttl_attribute: Some("ttl".to_owned()), ..table.clone() };
    let tagged = TableSpec { tags: app.tags_with("team", "web"), ..table.clone() };
    let all = TableSpec {
        point_in_time_recovery: false,
        deletion_protection: false,
        max_write_units: 500,
        ttl_attribute: Some("ttl".to_owned()),
        tags: app.tags_with("team", "ops"),
        ..table.clone()
    };
    ConformanceCase {
        dependencies: Vec::new(),
        node: table.node("hits", &app.base()),
        changes: vec![
            change("deletion protection", &unprotected),
            change("point-in-time recovery", &without_backups),
            change("maximum writes", &more_writes),
            change("time to live", &expiring),
            change("an additional tag", &tagged),
            change("everything", &all),
        ],
        count: |app| count(app).boxed(),
        foreign_view: ForeignView::OtherOwner,
    }
}

/// Counts the tables with the app's name.
pub(super) async fn count(app: &TestApp) -> usize {
    let listed = Client::new(&app.config()).list_tables().send().await.unwrap();
    listed.table_names().iter().filter(|name| **name == app.base()).count()
}
