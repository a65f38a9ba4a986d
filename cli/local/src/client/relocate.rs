//! Moves the state directory of a project to its current location. Finds it at the locations that earlier versions used,
//! and, if the project was moved, at the location that belongs to the project's former path.
//!
//! State in a project may come from a clone and is not trusted. Its owner, types and modes must be those that hitctl sets,
//! and only data is copied (tables, messages, ports, logs), never code. The next call finishes a move that was interrupted.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hitctl_engine::Fault;
use hitctl_platform::{current_user, hard_links, owner};

use super::calls::LocalClient;
use crate::codes;
use crate::state::project::{DirectoryIdentity, StatePaths};
use crate::state::{self, DaemonLock, Marker, StateDir, version};
use crate::{registry, sqlite};

/// The time that a daemon on the former state directory may take to stop.
const STOP_TIMEOUT: Duration = Duration::from_secs(30);

/// The largest log file that is copied, in bytes. hitctl rotates log files long before they have this size.
const MAX_LOG_BYTES: u64 = 64 * 1024 * 1024;

/// State in a location that this version no longer uses.
enum FormerState {
    /// State in the user's state directory, written by this user.
    InUserDir(StateDir),
    /// State in the project that looks as hitctl writes it.
    InProject(StateDir),
    /// State in the project that does not look as hitctl writes it, and the reason.
    Refused(PathBuf, String),
}

/// Returns a message about state at a former location, which the next command that writes will move; `None` if
/// there is none. Changes nothing.
pub fn pending_move_notice(paths: &StatePaths) -> Result<Option<String>, Fault> {
    if StateDir::existing(&paths.state_dir())?.is_some() {
        return Ok(None);
    }
    Ok(find_former_state(paths).map(|former| match former {
        FormerState::InUserDir(dir) | FormerState::InProject(dir) => format!(
            "the local state of this project is still in {}; the next `hitctl deploy --env local` moves it to {}",
            dir.path().display(),
            paths.state_dir().display()
        ),
        FormerState::Refused(path, reason) => refusal_notice(&path, &reason),
    }))
}

/// Moves the state of a project to its current location, if it is elsewhere. Returns a message about the
/// move.
pub async fn relocate(paths: &StatePaths) -> Result<Option<String>, Fault> {
    let to = paths.state_dir();
    if let Some(dir) = StateDir::existing(&to)? {
        finish_interrupted_move(paths, &dir)?;
        return Ok(None);
    }
    match find_former_state(paths) {
        Some(FormerState::InUserDir(dir)) => move_state_dir(paths, &dir, &to).await,
        Some(FormerState::InProject(dir)) => copy_from_project(paths, &dir, &to).await,
        Some(FormerState::Refused(path, reason)) => Ok(Some(refusal_notice(&path, &reason))),
        None => Ok(None),
    }
}

/// Creates the state directory of a project, including state from former locations. Returns a message if
/// state was moved.
pub async fn prepare_state_dir(paths: &StatePaths) -> Result<Option<String>, Fault> {
    let mut notice = relocate(paths).await?;
    let dir = StateDir::prepare(&paths.state_dir())?;
    let marker = dir.marker()?;
    let is_other_directory =
        marker.project.as_ref().is_some_and(|recorded| !paths.is_same_directory(recorded));
    if is_other_directory {
        let path = paths.project().display();
        notice = notice.or_else(|| {
            Some(format!("continuing with the local state of the directory that was previously at {path}"))
        });
    }
    if marker.project.is_none() || is_other_directory {
        // From now on the state follows this directory, even if it is moved.
        dir.write_marker(&Marker::of(paths.project_record(), marker.moved_from))?;
    }
    Ok(notice)
}

/// Moves shared state to the state directory of this project. Earlier versions shared one state between all directories
/// without a configuration. Call this before a configuration is written: afterwards, that state is no longer found.
/// Does not move state in the project. Returns a message about the move.
pub async fn adopt_shared_state(paths: &StatePaths) -> Result<Option<String>, Fault> {
    let to = paths.state_dir();
    if StateDir::existing(&to)?.is_some() {
        return Ok(None);
    }
    match find_former_state(paths) {
        Some(FormerState::InUserDir(dir)) => move_state_dir(paths, &dir, &to).await,
        _ => Ok(None),
    }
}

/// Moves the state of a moved project to the location for its new path. Does not move the state of earlier
/// versions. Returns a message about the move.
pub async fn follow_moved_project(paths: &StatePaths) -> Result<Option<String>, Fault> {
    match paths.find_moved_state() {
        Some(dir) if !paths.state_dir().exists() => move_state_dir(paths, &dir, &paths.state_dir()).await,
        _ => Ok(None),
    }
}

/// Stops a daemon that serves the state of this project at a former location, if one runs.
pub async fn stop_former_daemon(paths: &StatePaths, within: Duration) -> Result<(), Fault> {
    if let Some(FormerState::InUserDir(dir) | FormerState::InProject(dir)) = find_former_state(paths) {
        LocalClient::stop_and_lock(&dir, within).await?;
    }
    Ok(())
}

/// Finds state at a former location. Prefers the state from before this project was moved, because it is the
/// newest.
fn find_former_state(paths: &StatePaths) -> Option<FormerState> {
    if let Some(dir) = paths.find_moved_state() {
        return Some(FormerState::InUserDir(dir));
    }
    let path = paths.former_in_project();
    if path.symlink_metadata().is_ok() {
        return Some(match verify_former_state(&path) {
            Ok(dir) => FormerState::InProject(dir),
            Err(reason) => FormerState::Refused(path, reason),
        });
    }
    StateDir::existing(&paths.former_shared()?).ok().flatten().map(FormerState::InUserDir)
}

fn refusal_notice(path: &Path, reason: &str) -> String {
    format!(
        "not using the local state in {}: {reason}. It may come from a clone or an archive; run `rm -r {}` to remove it",
        path.display(),
        path.display()
    )
}

/// Replaces the hint of a fault about damaged state in a project: `hitctl local reset` does not delete that state.
fn with_removal_hint(from: &Path, fault: Fault) -> Fault {
    if fault.code == codes::STATE_CORRUPT {
        let from = from.display();
        fault.hinted(format!(
            "run `rm -r {from}` to delete that state and its counts, then run the command again"
        ))
    } else {
        fault
    }
}

/// Moves a whole state directory of this user.
async fn move_state_dir(paths: &StatePaths, from: &StateDir, to: &Path) -> Result<Option<String>, Fault> {
    let (_, lock) = LocalClient::stop_and_lock(from, STOP_TIMEOUT).await?;
    make_parent(to)?;
    if !rename_dir(from.path(), to)? {
        return Ok(None);
    }
    drop(lock);
    let dir = StateDir::prepare(to)?;
    dir.write_marker(&Marker::of(paths.project_record(), None))?;
    Ok(Some(moved_notice(from, to)))
}

/// Copies the data of a state directory in the project, and removes that directory.
async fn copy_from_project(paths: &StatePaths, from: &StateDir, to: &Path) -> Result<Option<String>, Fault> {
    let (_, lock) = LocalClient::stop_and_lock(from, STOP_TIMEOUT).await?;
    make_parent(to)?;
    let temp = tempfile::Builder::new()
        .prefix(".moving-")
        .tempdir_in(paths.projects_dir())
        .map_err(|error| state::io_fault("write", &paths.projects_dir(), &error))?;
    copy_data(from.path(), temp.path()).map_err(|fault| with_removal_hint(from.path(), fault))?;
    let marker = Marker::of(paths.project_record(), DirectoryIdentity::of(from.path()));
    let dir = StateDir::mark(temp.path().to_owned(), &marker)?;
    if !rename_dir(dir.path(), to)? {
        return Ok(None);
    }
    // It was renamed, so there is no temporary directory to remove.
    drop(temp.keep());
    remove_former(paths, from, lock)?;
    if let Some(dir) = StateDir::existing(to)? {
        dir.write_marker(&Marker::of(paths.project_record(), None))?;
    }
    Ok(Some(format!(
        "{}. The code was not moved, because it may come from a clone; run `hitctl deploy --env local` to build the function again",
        moved_notice(from, to)
    )))
}

/// Moves a directory to its destination. Returns false if another command was faster.
fn rename_dir(from: &Path, to: &Path) -> Result<bool, Fault> {
    match fs::rename(from, to) {
        Ok(()) => Ok(true),
        Err(_) if StateDir::existing(to)?.is_some() => Ok(false),
        Err(error) => Err(state::io_fault("move the state to", to, &error)),
    }
}

fn moved_notice(from: &StateDir, to: &Path) -> String {
    let (from, to) = (from.path().display(), to.display());
    format!("moved the local state of this project from {from} to {to}; its counts and its URL are kept")
}

/// Removes the former state that a killed run had already copied.
fn finish_interrupted_move(paths: &StatePaths, dir: &StateDir) -> Result<(), Fault> {
    let marker = dir.marker()?;
    let Some(identity) = marker.moved_from else { return Ok(()) };
    let from = paths.former_in_project();
    if !has_linked_parent(&from)
        && DirectoryIdentity::of(&from) == Some(identity)
        && let Some(from) = StateDir::existing_any_version(&from)?
        && let Some(lock) = from.try_lock()?
    {
        remove_former(paths, &from, lock)?;
    }
    dir.write_marker(&Marker::of(marker.project, None))
}

fn remove_former(paths: &StatePaths, from: &StateDir, lock: DaemonLock) -> Result<(), Fault> {
    from.remove_all(lock)?;
    if let Some(parent) = paths.former_in_project().parent() {
        // This fails if the user keeps other files in it.
        drop(fs::remove_dir(parent));
    }
    Ok(())
}

fn make_parent(to: &Path) -> Result<(), Fault> {
    let parent = to.parent().unwrap_or(to);
    hitctl_platform::create_private_dir(parent)
        .map_err(|error| state::io_fault("create the directory", parent, &error))
}

/// Checks that a directory in the project looks as hitctl writes it. The error says why it does not. A clone
/// creates directories and files that others can read, and may contain links.
fn verify_former_state(path: &Path) -> Result<StateDir, String> {
    if has_linked_parent(path) {
        return Err("its parent directory is a symbolic link".to_owned());
    }
    check_entry(path, 0o700, true)?;
    for name in state::owned_files() {
        let path = path.join(&name);
        match path.symlink_metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            _ if [state::LOGS, state::CODE, state::ZIPS].contains(&name.as_str()) => {
                check_entry(&path, 0o700, true)?;
            }
            _ => check_entry(&path, 0o600, false)?,
        }
    }
    match StateDir::existing(path) {
        Ok(Some(dir)) => Ok(dir),
        Ok(None) => Err("it is empty".to_owned()),
        Err(fault) => Err(fault.message),
    }
}

/// Whether the parent of a state directory in a project is a symbolic link: git stores links to any target.
fn has_linked_parent(path: &Path) -> bool {
    path.parent().is_none_or(|parent| parent.symlink_metadata().is_ok_and(|meta| meta.is_symlink()))
}

/// Checks the owner, the type and the mode of a file or directory.
fn check_entry(path: &Path, mode: u32, is_dir: bool) -> Result<(), String> {
    let shown = path.display();
    let meta = path.symlink_metadata().map_err(|error| format!("failed to read {shown}: {error}"))?;
    if meta.is_symlink() {
        return Err(format!("{shown} is a symbolic link"));
    }
    if meta.is_dir() != is_dir || !(is_dir || meta.is_file()) {
        return Err(format!("{shown} has an unexpected file type"));
    }
    if owner(&meta) != current_user() {
        return Err(format!("{shown} belongs to another user"));
    }
    if let Some(found) =
        hitctl_platform::mode(&meta).map(|found| found & 0o777).filter(|found| *found != mode)
    {
        return Err(format!("the mode of {shown} is {found:04o} instead of {mode:04o}"));
    }
    if !is_dir && hard_links(&meta).is_some_and(|links| links != 1) {
        return Err(format!("{shown} has other hard links"));
    }
    Ok(())
}

/// Copies tables, messages, ports and logs. Refuses databases with triggers or other code that SQLite would run.
fn copy_data(from: &Path, to: &Path) -> Result<(), Fault> {
    let path = from.join(state::REGISTRY);
    if let Some(text) = state::read_if_exists(&path)? {
        let kept = registry::without_code(&text).map_err(|error| version::corrupt(&path, &error))?;
        write_new(&to.join(state::REGISTRY), &kept)?;
    }
    for name in state::DATABASES {
        let log = format!("{name}-wal");
        for name in [name, &log] {
            copy_file(&from.join(name), &to.join(name))?;
        }
        let path = to.join(name);
        if path.exists() {
            sqlite::reject_active_schema(&path)
                .map_err(|error| version::corrupt(&from.join(name), &error))?;
        }
    }
    copy_file(&from.join(state::INVALIDATIONS), &to.join(state::INVALIDATIONS))?;
    let (logs, to) = (from.join(state::LOGS), to.join(state::LOGS));
    if logs.is_dir() {
        // Creates the directory `to` itself.
        make_parent(&to.join("x"))?;
    }
    for entry in fs::read_dir(&logs).into_iter().flatten().flatten() {
        let is_small = entry.metadata().is_ok_and(|meta| meta.is_file() && meta.len() <= MAX_LOG_BYTES);
        if is_small {
            copy_file(&entry.path(), &to.join(entry.file_name()))?;
        }
    }
    Ok(())
}

fn copy_file(from: &Path, to: &Path) -> Result<(), Fault> {
    state::read_if_exists(from)?.map_or(Ok(()), |content| write_new(to, &content))
}

fn write_new(path: &Path, content: &[u8]) -> Result<(), Fault> {
    use io::Write as _;
    let written = hitctl_platform::private_options(fs::OpenOptions::new().write(true).create_new(true))
        .open(path)
        .and_then(|mut file| {
            file.write_all(content)?;
            file.sync_all()
        });
    written.map_err(|error| state::io_fault("write", path, &error))
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;
    use std::fs::DirBuilder;
    use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _, symlink};

    use serde_json::json;

    use super::*;
    use crate::table::Tables;

    /// A project with a home directory beside it.
    struct Scenario {
        dir: tempfile::TempDir,
    }

    impl Scenario {
        fn new() -> Self {
            let scenario = Self { dir: tempfile::tempdir().unwrap() };
            fs::create_dir(scenario.dir.path().join("site")).unwrap();
            scenario
        }

        fn project(&self) -> PathBuf {
            self.dir.path().join("site")
        }

        fn paths(&self, configured: bool) -> StatePaths {
            StatePaths::new(&self.dir.path().join("home"), &self.project(), configured)
        }

        /// Creates state with tables, a registry with a function, unpacked code and a daemon's endpoint, as
        /// earlier versions wrote it.
        fn create_former_state(path: &Path) {
            let dir = StateDir::prepare(path).unwrap();
            drop(Tables::open(&path.join(state::TABLES)).unwrap());
            let entry = |port: Option<u16>| json!({ "spec": {}, "outputs": {}, "port": port });
            let registry = json!({ "v": 1, "table_port": 11_000, "resources": {
                "function": { "hits-local": entry(None) },
                "event_source_mapping": { "hits-local": entry(None) },
                "permission": { "hits-local:api": entry(None) },
                "http_api": { "hits-local": entry(Some(12_000)) },
                "table": { "hits-local": entry(None) },
            }});
            dir.write(state::REGISTRY, registry.to_string().as_bytes()).unwrap();
            dir.write("daemon.json", b"{}").unwrap();
            for name in [state::CODE, state::ZIPS, state::LOGS] {
                DirBuilder::new().mode(0o700).create(path.join(name)).unwrap();
            }
            fs::write(path.join(state::CODE).join("bootstrap"), "#!/bin/sh\n").unwrap();
            fs::write(path.join(state::LOGS).join("group.0.ndjson"), "{}\n").unwrap();
        }

        fn create_state_in_project(&self) -> PathBuf {
            let path = self.project().join(".hitctl/local");
            Self::create_former_state(&path);
            path
        }
    }

    fn names(dir: &Path) -> Vec<String> {
        let entries = fs::read_dir(dir).into_iter().flatten().flatten();
        let mut names: Vec<_> = entries.map(|entry| entry.file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn kinds(state: &Path) -> Vec<String> {
        let registry: serde_json::Value =
            serde_json::from_slice(&fs::read(state.join(state::REGISTRY)).unwrap()).unwrap();
        registry["resources"].as_object().unwrap().keys().cloned().collect()
    }

    #[tokio::test]
    async fn state_in_project_is_moved_once_with_data_and_without_code() {
        let scenario = Scenario::new();
        let (from, paths) = (scenario.create_state_in_project(), scenario.paths(true));
        let to = paths.state_dir();
        assert!(pending_move_notice(&paths).unwrap().unwrap().contains("is still in"));
        assert_eq!(names(&from).len(), 7, "the notice moves nothing");
        let notice = prepare_state_dir(&paths).await.unwrap().unwrap();
        assert!(notice.starts_with("moved the local state of this project from "), "{notice}");
        assert_eq!(kinds(&to), ["http_api", "table"], "no functions, and nothing that invokes them");
        assert!(to.join(state::TABLES).exists() && to.join("logs/group.0.ndjson").exists());
        for name in [state::CODE, state::ZIPS, "daemon.json", "daemon.lock"] {
            assert!(!to.join(name).exists(), "{name}");
        }
        assert_eq!(names(&scenario.project()), Vec::<String>::new(), "the project contains no state");
        assert_eq!(prepare_state_dir(&paths).await.unwrap(), None);
        assert_eq!(pending_move_notice(&paths).unwrap(), None);
        let marker = StateDir::existing(&to).unwrap().unwrap().marker().unwrap();
        assert_eq!((marker.project, marker.moved_from), (paths.project_record(), None));
    }

    #[tokio::test]
    async fn state_in_project_from_clone_is_refused() {
        type Change = fn(&Path);
        let changes: [(&str, Change); 6] = [
            ("the mode of", |dir| fs::set_permissions(dir, fs::Permissions::from_mode(0o755)).unwrap()),
            ("the mode of", |dir| {
                fs::set_permissions(dir.join(state::REGISTRY), fs::Permissions::from_mode(0o644)).unwrap();
            }),
            ("is a symbolic link", |dir| {
                fs::rename(dir.join(state::TABLES), dir.join("elsewhere")).unwrap();
                symlink(dir.join("elsewhere"), dir.join(state::TABLES)).unwrap();
            }),
            ("is a symbolic link", |dir| symlink("/etc/passwd", dir.join("daemon.log")).unwrap()),
            ("has other hard links", |dir| {
                fs::hard_link(dir.join(state::TABLES), dir.join("elsewhere")).unwrap();
            }),
            ("has an unexpected file type", |dir| fs::create_dir(dir.join("daemon.log")).unwrap()),
        ];
        for (reason, change) in changes {
            let scenario = Scenario::new();
            let (from, paths) = (scenario.create_state_in_project(), scenario.paths(true));
            change(&from);
            let notice = prepare_state_dir(&paths).await.unwrap().unwrap();
            assert!(notice.contains(reason) && notice.contains("not using"), "{notice}");
            assert_eq!(names(&paths.state_dir()), ["hitctl-local.json"]);
            assert!(from.join(state::REGISTRY).exists(), "refused state is kept");
        }
    }

    #[tokio::test]
    async fn state_in_project_behind_link_is_refused_and_kept() {
        let (victim, scenario) = (Scenario::new(), Scenario::new());
        let victim_state = victim.create_state_in_project();
        let before = names(&victim_state);
        symlink(victim.project().join(".hitctl"), scenario.project().join(".hitctl")).unwrap();
        let paths = scenario.paths(true);
        let notice = prepare_state_dir(&paths).await.unwrap().unwrap();
        assert!(notice.contains("its parent directory is a symbolic link"), "{notice}");
        stop_former_daemon(&paths, STOP_TIMEOUT).await.unwrap();
        // It is not removed as the remainder of an interrupted move either.
        let dir = StateDir::existing(&paths.state_dir()).unwrap().unwrap();
        dir.write_marker(&Marker::of(paths.project_record(), DirectoryIdentity::of(&victim_state))).unwrap();
        prepare_state_dir(&paths).await.unwrap();
        assert_eq!(names(&victim_state), before);
    }

    #[tokio::test]
    async fn state_of_path_belongs_to_directory_that_used_it_last() {
        let scenario = Scenario::new();
        let first = scenario.paths(true);
        prepare_state_dir(&first).await.unwrap();
        fs::rename(scenario.project(), scenario.dir.path().join("old")).unwrap();
        fs::create_dir(scenario.project()).unwrap();
        let second = scenario.paths(true);
        let notice = prepare_state_dir(&second).await.unwrap().unwrap();
        assert!(notice.starts_with("continuing with the local state"), "{notice}");
        assert_eq!(prepare_state_dir(&second).await.unwrap(), None);
        let old = StatePaths::new(&scenario.dir.path().join("home"), &scenario.dir.path().join("old"), true);
        assert_eq!(
            prepare_state_dir(&old).await.unwrap(),
            None,
            "the state now belongs to the other directory"
        );
        assert!(second.state_dir().exists());
    }

    #[tokio::test]
    async fn state_in_project_with_triggers_is_not_moved() {
        let scenario = Scenario::new();
        let (from, paths) = (scenario.create_state_in_project(), scenario.paths(true));
        let db = Connection::open(from.join(state::TABLES)).unwrap();
        db.execute_batch(
            "CREATE TABLE t (a); CREATE TRIGGER evil AFTER INSERT ON t BEGIN DELETE FROM t; END",
        )
        .unwrap();
        drop(db);
        let fault = prepare_state_dir(&paths).await.unwrap_err();
        assert_eq!(fault.code, "local_state_corrupt");
        assert!(fault.cause.unwrap().contains("triggers"));
        assert!(fault.hint.unwrap().contains("rm -r "), "the hint applies to state in a project");
        assert!(from.join(state::TABLES).exists() && !paths.state_dir().exists());
        assert_eq!(names(&paths.projects_dir()), Vec::<String>::new(), "no partial copy remains");
    }

    #[tokio::test]
    async fn state_in_project_with_virtual_tables_is_not_moved() {
        let scenario = Scenario::new();
        let (from, paths) = (scenario.create_state_in_project(), scenario.paths(true));
        let db = Connection::open(from.join(state::TABLES)).unwrap();
        db.execute_batch("create  virtual table t USING fts5(a)").unwrap();
        // SQLite parses this as the same statement.
        db.execute_batch(
            "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = replace(sql, 'CREATE VIRTUAL', 'CREATE/**/VIRTUAL')",
        )
        .unwrap();
        drop(db);
        let fault = prepare_state_dir(&paths).await.unwrap_err();
        assert_eq!(fault.code, "local_state_corrupt");
        assert!(fault.cause.unwrap().contains("virtual tables"));
        assert!(!paths.state_dir().exists());
    }

    #[tokio::test]
    async fn prepare_after_interrupted_move_removes_copied_state() {
        let scenario = Scenario::new();
        let (from, paths) = (scenario.create_state_in_project(), scenario.paths(true));
        let copied = Marker::of(paths.project_record(), DirectoryIdentity::of(&from));
        let dir = StateDir::prepare(&paths.state_dir()).unwrap();
        dir.write_marker(&copied).unwrap();
        assert_eq!(prepare_state_dir(&paths).await.unwrap(), None);
        assert!(!from.exists());
        assert_eq!(dir.marker().unwrap().moved_from, None);
    }

    #[tokio::test]
    async fn shared_state_of_directory_without_configuration_is_moved() {
        let scenario = Scenario::new();
        Scenario::create_former_state(&scenario.dir.path().join("home/local"));
        assert_eq!(
            pending_move_notice(&scenario.paths(true)).unwrap(),
            None,
            "a configured project never used it"
        );
        let paths = scenario.paths(false);
        prepare_state_dir(&paths).await.unwrap().unwrap();
        assert_eq!(kinds(&paths.state_dir()).len(), 5, "state that this user wrote is moved with its code");
        // `init` writes a configuration: the state directory stays the same.
        assert_eq!(scenario.paths(true).state_dir(), paths.state_dir());
    }

    #[tokio::test]
    async fn state_of_moved_project_is_moved_but_not_to_copy_of_project() {
        let scenario = Scenario::new();
        let before = scenario.paths(true);
        prepare_state_dir(&before).await.unwrap();
        fs::write(before.state_dir().join(state::INVALIDATIONS), "kept").unwrap();
        let paths_of = |name: &str| {
            StatePaths::new(&scenario.dir.path().join("home"), &scenario.dir.path().join(name), true)
        };
        fs::create_dir(scenario.dir.path().join("copy")).unwrap();
        assert_eq!(prepare_state_dir(&paths_of("copy")).await.unwrap(), None);
        fs::rename(scenario.project(), scenario.dir.path().join("renamed")).unwrap();
        let notice = prepare_state_dir(&paths_of("renamed")).await.unwrap().unwrap();
        assert!(notice.starts_with("moved the local state"), "{notice}");
        assert!(paths_of("renamed").state_dir().join(state::INVALIDATIONS).exists());
        assert!(!before.state_dir().exists());
    }
}
