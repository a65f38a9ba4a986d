//! Tests creating, updating, deleting and opening tables.

use super::*;

fn spec() -> TableSpec {
    TableSpec {
        partition_key: "path".into(),
        point_in_time_recovery: true,
        deletion_protection: true,
        max_write_units: 100,
        ttl_attribute: None,
        tags: BTreeMap::from([("hitctl:app".into(), "hits".into())]),
    }
}

fn tables() -> (tempfile::TempDir, Tables) {
    let dir = tempfile::tempdir().unwrap();
    let tables = Tables::open(&dir.path().join("tables.db")).unwrap();
    (dir, tables)
}

#[test]
fn table_is_created_once_and_updated_in_place() {
    let (_dir, tables) = tables();
    tables.put("hits-test", &spec(), None).unwrap();
    tables.put("hits-test", &spec(), Some(&spec())).unwrap();
    let changed = TableSpec { max_write_units: 7, tags: BTreeMap::new(), ..spec() };
    tables.put("hits-test", &changed, Some(&spec())).unwrap();
    let request = dynoxide::actions::describe_table::DescribeTableRequest { table_name: "hits-test".into() };
    let current = serde_json::to_value(tables.db.describe_table(request).unwrap()).unwrap();
    assert_eq!(current["Table"]["OnDemandThroughput"]["MaxWriteRequestUnits"], 7, "{current}");
    assert_eq!(current["Table"]["BillingModeSummary"]["BillingMode"], "PAY_PER_REQUEST");
}

#[test]
fn protected_table_is_not_deleted() {
    let (_dir, tables) = tables();
    tables.put("hits-test", &spec(), None).unwrap();
    let fault = tables.delete("hits-test").unwrap_err();
    assert_eq!(fault.code, "ValidationException");
    assert!(fault.hint.unwrap().contains("deletion_protection = false"));
    tables.put("hits-test", &TableSpec { deletion_protection: false, ..spec() }, Some(&spec())).unwrap();
    tables.delete("hits-test").unwrap();
    tables.delete("hits-test").unwrap();
}

#[test]
fn different_partition_key_is_rejected_with_both_names() {
    let (_dir, tables) = tables();
    tables.put("hits-test", &spec(), None).unwrap();
    let fault =
        tables.put("hits-test", &TableSpec { partition_key: "page".into(), ..spec() }, None).unwrap_err();
    assert_eq!(fault.cause.unwrap(), r#"expected "page", found "path""#);
}

#[test]
fn open_of_file_that_is_no_database_fails_and_keeps_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tables.db");
    let garbage = "not a database, but somebody's file ".repeat(100);
    std::fs::write(&path, &garbage).unwrap();
    let fault = Tables::open(&path).err().unwrap();
    assert_eq!(fault.code, "local_state_corrupt");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), garbage);
}

#[test]
fn open_with_too_long_path_fails_with_own_code() {
    let dir = tempfile::tempdir().unwrap();
    let deep = dir.path().join("d".repeat(200)).join("e".repeat(200)).join("f".repeat(200));
    std::fs::create_dir_all(&deep).unwrap();
    let Err(fault) = Tables::open(&deep.join("tables.db")) else { panic!("it was opened") };
    assert_eq!(fault.code, "local_path_too_long");
}
