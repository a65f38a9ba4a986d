//! Tests writing, paging, rotation and retention of log groups.

use super::*;

fn all(logs: &Logs, group: &str) -> Vec<String> {
    let page = logs.read(group, &LogEventQuery::default()).unwrap();
    page.events.into_iter().map(|event| event.message).collect()
}

#[test]
fn written_events_are_readable_at_once_and_from_cursor() {
    let dir = tempfile::tempdir().unwrap();
    let logs = Logs::open(dir.path()).unwrap();
    logs.write("/aws/lambda/hits", "one\n");
    logs.write("/aws/lambda/hits", "two\nlines \u{1F600}");
    let first =
        logs.read("/aws/lambda/hits", &LogEventQuery { limit: 1, ..LogEventQuery::default() }).unwrap();
    assert_eq!(first.events[0].message, "one");
    let rest = logs
        .read("/aws/lambda/hits", &LogEventQuery { after: Some(first.next), ..LogEventQuery::default() })
        .unwrap();
    assert_eq!(rest.events.len(), 1);
    assert_eq!(rest.events[0].message, "two\nlines \u{1F600}");
    let none = logs
        .read("/aws/lambda/hits", &LogEventQuery { after: Some(rest.next), ..LogEventQuery::default() })
        .unwrap();
    assert!(none.events.is_empty());
    assert_eq!(all(&logs, "/another"), Vec::<String>::new());
}

#[test]
fn incomplete_last_line_is_skipped_and_next_line_is_intact() {
    let dir = tempfile::tempdir().unwrap();
    let logs = Logs::open(dir.path()).unwrap();
    logs.write("g", "whole");
    logs.flush();
    drop(logs);
    let file = files::path(dir.path(), "g", 1);
    let mut text = std::fs::read(&file).unwrap();
    text.extend_from_slice(br#"{"t":12,"m":"torn by a SIGK"#);
    std::fs::write(&file, text).unwrap();
    let logs = Logs::open(dir.path()).unwrap();
    assert_eq!(all(&logs, "g"), ["whole"]);
    logs.write("g", "after");
    assert_eq!(all(&logs, "g"), ["whole", "after"]);
}

#[test]
fn group_size_is_limited_and_cursor_survives_rotation() {
    let dir = tempfile::tempdir().unwrap();
    let logs = Logs::open_with_file_size(dir.path(), 4_096).unwrap();
    logs.write("g", "first");
    let first = logs.read("g", &LogEventQuery::default()).unwrap();
    for n in 0..40 {
        logs.write("g", &format!("{n:04} {}", "x".repeat(200)));
        logs.flush();
    }
    let page =
        logs.read("g", &LogEventQuery { after: Some(first.next), ..LogEventQuery::default() }).unwrap();
    assert!(page.events.last().unwrap().message.starts_with("0039"));
    let bytes: u64 = dir.path().read_dir().unwrap().map(|e| e.unwrap().metadata().unwrap().len()).sum();
    assert!(bytes < 3 * 4_096, "{bytes} bytes kept");
    assert_eq!(dir.path().read_dir().unwrap().count(), 2);
}

#[test]
fn removed_group_drops_events_until_created_again() {
    let dir = tempfile::tempdir().unwrap();
    let logs = Logs::open(dir.path()).unwrap();
    logs.write("g", "one");
    logs.remove("g");
    logs.write("g", "too late");
    logs.flush();
    assert_eq!(dir.path().read_dir().unwrap().count(), 0);
    logs.create_group("g", 7);
    logs.write("g", "again");
    assert_eq!(all(&logs, "g"), ["again"]);
}

#[test]
fn events_past_retention_are_deleted() {
    let dir = tempfile::tempdir().unwrap();
    let logs = Logs::open(dir.path()).unwrap();
    logs.write("g", "old");
    logs.flush();
    let file = std::fs::File::options().write(true).open(files::path(dir.path(), "g", 1)).unwrap();
    file.set_modified(std::time::UNIX_EPOCH + Duration::from_secs(1)).unwrap();
    logs.create_group("g", 1);
    assert!(all(&logs, "g").is_empty());
    logs.write("g", "new");
    assert_eq!(all(&logs, "g"), ["new"]);
}

#[test]
fn file_names_of_groups_are_never_paths() {
    assert_eq!(files::stem("/aws/lambda/hits-local"), "%2faws%2flambda%2fhits-local");
    assert_eq!(files::stem(".."), "%2e%2e");
    assert!(files::stem(&"x/".repeat(500)).len() <= 160);
    assert_ne!(files::stem(&"x/".repeat(500)), files::stem(&"x/".repeat(501)));
}

#[test]
fn logs_are_readable_by_this_user_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    let logs = Logs::open(&dir.path().join("logs")).unwrap();
    logs.write("g", "one");
    logs.flush();
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&dir.path().join("logs")), 0o700);
    assert_eq!(mode(&files::path(&dir.path().join("logs"), "g", 1)), 0o600);
}
