//! Tests of hitctl's own and other directories, the lock, the removal, and the endpoint file.

use std::os::unix::fs::PermissionsExt as _;

use super::*;

#[test]
fn prepare_of_new_directory_creates_private_marked_directory() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a/b");
    assert!(StateDir::existing(&path).unwrap().is_none());
    let dir = StateDir::prepare(&path).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
    let marker = fs::metadata(path.join(MARKER)).unwrap();
    assert_eq!(marker.permissions().mode() & 0o777, 0o600);
    assert_eq!(StateDir::existing(&path).unwrap(), Some(dir));
}

#[test]
fn prepare_of_directory_with_other_files_fails_and_keeps_them() {
    let temp = tempfile::tempdir().unwrap();
    fs::write(temp.path().join("thesis.txt"), "years of work").unwrap();
    let fault = StateDir::prepare(temp.path()).unwrap_err();
    assert_eq!(fault.code, "local_state_foreign");
    assert_eq!(StateDir::existing(temp.path()).unwrap_err().code, "local_state_foreign");
    assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 1);
}

#[test]
fn prepare_of_newer_state_fails() {
    let temp = tempfile::tempdir().unwrap();
    fs::write(temp.path().join(MARKER), r#"{"v":2}"#).unwrap();
    let fault = StateDir::prepare(temp.path()).unwrap_err();
    assert_eq!(fault.code, "local_state_newer");
    assert_eq!(fault.cause.unwrap(), "expected a layout version of at most 1, found 2");
}

#[test]
fn prepare_refuses_writable_and_restricts_readable_directory() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("state");
    StateDir::prepare(&path).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    StateDir::prepare(&path).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o770)).unwrap();
    let fault = StateDir::prepare(&path).unwrap_err();
    assert_eq!(fault.code, "local_state_open");
    assert!(fault.hint.unwrap().starts_with("run `chmod 700 "));
}

#[test]
fn try_lock_succeeds_for_one_holder_only() {
    let temp = tempfile::tempdir().unwrap();
    let dir = StateDir::prepare(temp.path()).unwrap();
    let lock = dir.try_lock().unwrap().unwrap();
    assert!(dir.try_lock().unwrap().is_none());
    drop(lock);
    assert!(dir.try_lock().unwrap().is_some());
}

#[test]
fn prepare_of_unwritable_path_fails_with_specific_code() {
    // No user, not even root, can create directories there.
    let fault = StateDir::prepare(Path::new("/sys/hitctl/local")).unwrap_err();
    assert_eq!(fault.code, "local_state_read_only");
    assert!(fault.message.contains("/sys/hitctl/local"), "{}", fault.message);
    let long = format!("/tmp/{}", "x".repeat(300));
    assert_eq!(StateDir::prepare(Path::new(&long)).unwrap_err().code, "local_path_too_long");
    let file = tempfile::NamedTempFile::new().unwrap();
    assert_eq!(StateDir::prepare(&file.path().join("local")).unwrap_err().code, "local_state_foreign");
}

#[test]
fn remove_all_keeps_files_of_user() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("state");
    let dir = StateDir::prepare(&path).unwrap();
    dir.write(REGISTRY, b"{}").unwrap();
    fs::create_dir(path.join(LOGS)).unwrap();
    fs::write(path.join("mine.txt"), "keep").unwrap();
    dir.remove_all(dir.try_lock().unwrap().unwrap()).unwrap();
    let remaining: Vec<_> = fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(remaining.len(), 2, "the user's file and the marker are expected: {remaining:?}");
    let dir = StateDir::prepare(&path).unwrap();
    dir.try_lock().unwrap().unwrap();
    fs::remove_file(path.join("mine.txt")).unwrap();
    dir.remove_all(dir.try_lock().unwrap().unwrap()).unwrap();
    assert!(!path.exists());
}

#[test]
fn prepare_with_symlink_fails_and_keeps_its_target() {
    let temp = tempfile::tempdir().unwrap();
    let target = temp.path().join("precious");
    for name in owned_files().iter().filter(|name| *name != MARKER) {
        fs::write(&target, "mine").unwrap();
        let path = temp.path().join(format!("state-{name}"));
        StateDir::prepare(&path).unwrap();
        std::os::unix::fs::symlink(&target, path.join(name)).unwrap();
        let fault = StateDir::prepare(&path).unwrap_err();
        assert_eq!(
            (fault.code.as_str(), fs::read_to_string(&target).unwrap().as_str()),
            ("local_state_link", "mine")
        );
        let dir = StateDir { path };
        if *name == LOCK {
            dir.try_lock().unwrap_err();
        }
        if *name == DAEMON_LOG {
            crate::journal::open(&dir).unwrap_err();
        }
    }
    let path = temp.path().join("state");
    StateDir::prepare(&path).unwrap();
    std::os::unix::fs::symlink(&path, temp.path().join("link")).unwrap();
    assert_eq!(StateDir::prepare(&temp.path().join("link")).unwrap_err().code, "local_state_link");
}

#[test]
fn endpoint_of_other_host_counts_as_none() {
    let temp = tempfile::tempdir().unwrap();
    let dir = StateDir::prepare(temp.path()).unwrap();
    let mut endpoint = DaemonEndpoint {
        v: STATE_VERSION,
        pid: 1,
        control: "http://127.0.0.1:1".to_owned(),
        table: "http://127.0.0.1:2".to_owned(),
        token: "t".to_owned(),
        build_id: "b".to_owned(),
        started_ms: 0,
    };
    dir.write_endpoint(&endpoint).unwrap();
    assert_eq!(dir.endpoint().unwrap(), Some(endpoint.clone()));
    for url in [
        "http://203.0.113.7:80",
        "http://127.0.0.1.evil.example:80",
        "http://127.0.0.1:80@evil.example",
        "http://evil.example:80/127.0.0.1:1",
        "https://127.0.0.1:1",
        "127.0.0.1:1",
        "",
    ] {
        endpoint.control = url.to_owned();
        dir.write_endpoint(&endpoint).unwrap();
        assert_eq!(dir.endpoint().unwrap(), None, "control {url}");
        endpoint.control = "http://127.0.0.1:1".to_owned();
        endpoint.table = url.to_owned();
        dir.write_endpoint(&endpoint).unwrap();
        assert_eq!(dir.endpoint().unwrap(), None, "table {url}");
        endpoint.table = "http://127.0.0.1:2".to_owned();
    }
}
