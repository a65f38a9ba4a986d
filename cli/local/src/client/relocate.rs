//! Brings state to where it belongs: from the places of earlier versions, and after a project was moved.
//!
//! Files in a project may have come with a clone, so only data is copied from there (tables, messages, ports, logs) and
//! nothing that runs; it also has to look as hitctl writes it. A move that was cut short is finished by the next one.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hitctl_engine::Fault;

use super::calls::Client;
use crate::codes;
use crate::state::project::{Identity, Places};
use crate::state::{self, Lock, Marker, StateDir, version};
use crate::{registry, sqlite};

/// How long a daemon that serves the state at its former place may take to stop.
const STOP: Duration = Duration::from_secs(30);

/// The largest file of logs that is copied, in bytes. hitctl cuts them well before.
const MOST_LOG_BYTES: u64 = 64 * 1024 * 1024;

/// State that lies where this version does not look for it.
enum Former {
    /// In the user's state directory: written by this user.
    Own(StateDir),
    /// In the project, and as hitctl writes it.
    InProject(StateDir),
    /// In the project, and not as hitctl writes it; says why.
    Refused(PathBuf, String),
}

/// Returns a message about state that lies elsewhere and is moved by the next command that writes; `None` when there is
/// none. Changes nothing.
pub fn pending(places: &Places) -> Result<Option<String>, Fault> {
    if StateDir::existing(&places.state_dir())?.is_some() {
        return Ok(None);
    }
    Ok(former(places).map(|former| match former {
        Former::Own(dir) | Former::InProject(dir) => format!(
            "the local state of this project is still in {}; the next `hitctl deploy --env local` moves it to {}",
            dir.path().display(),
            places.state_dir().display()
        ),
        Former::Refused(path, why) => refused(&path, &why),
    }))
}

/// Brings the state of a project to its place, if it lies elsewhere. Says what was done.
pub async fn relocate(places: &Places) -> Result<Option<String>, Fault> {
    let to = places.state_dir();
    if let Some(dir) = StateDir::existing(&to)? {
        finish(places, &dir)?;
        return Ok(None);
    }
    match former(places) {
        Some(Former::Own(dir)) => take_over(places, &dir, &to).await,
        Some(Former::InProject(dir)) => copy(places, &dir, &to).await,
        Some(Former::Refused(path, why)) => Ok(Some(refused(&path, &why))),
        None => Ok(None),
    }
}

/// Makes the state directory of a project, with the state that lies elsewhere so far. Says what was done.
pub async fn claim(places: &Places) -> Result<Option<String>, Fault> {
    let mut said = relocate(places).await?;
    let dir = StateDir::prepare(&places.state_dir())?;
    let marker = dir.marker()?;
    let other = marker.project.as_ref().is_some_and(|recorded| !places.is(recorded));
    if other {
        let path = places.project().display();
        said = said.or_else(|| {
            Some(format!("going on with the local state of the directory that was {path} before this one"))
        });
    }
    if marker.project.is_none() || other {
        // From now on it follows this directory, wherever that is moved.
        dir.write_marker(&Marker::of(places.record(), marker.moved_from))?;
    }
    Ok(said)
}

/// Moves the state that earlier versions shared between directories without a configuration to this one, which gets one: from then on it
/// would not look there. Leaves what lies in the project alone. Says what was done.
pub async fn adopt_shared(places: &Places) -> Result<Option<String>, Fault> {
    let to = places.state_dir();
    if StateDir::existing(&to)?.is_some() {
        return Ok(None);
    }
    match former(places) {
        Some(Former::Own(dir)) => take_over(places, &dir, &to).await,
        _ => Ok(None),
    }
}

/// Brings the state of a project that was moved to its place. State of earlier versions stays where it is. Says what was done.
pub async fn follow(places: &Places) -> Result<Option<String>, Fault> {
    match places.moved() {
        Some(dir) if !places.state_dir().exists() => take_over(places, &dir, &places.state_dir()).await,
        _ => Ok(None),
    }
}

/// Stops a daemon that serves the state of this project at a former place, if one runs.
pub async fn stop_former(places: &Places, within: Duration) -> Result<(), Fault> {
    if let Some(Former::Own(dir) | Former::InProject(dir)) = former(places) {
        Client::stop_and_lock(&dir, within).await?;
    }
    Ok(())
}

/// Finds state at a former place: that of this project before it was moved first, since it is the newest.
fn former(places: &Places) -> Option<Former> {
    if let Some(dir) = places.moved() {
        return Some(Former::Own(dir));
    }
    let path = places.in_project();
    if path.symlink_metadata().is_ok() {
        return Some(match recognise(&path) {
            Ok(dir) => Former::InProject(dir),
            Err(why) => Former::Refused(path, why),
        });
    }
    StateDir::existing(&places.shared()?).ok().flatten().map(Former::Own)
}

fn refused(path: &Path, why: &str) -> String {
    format!(
        "not using the local state in {}: {why}, so it may have come with a clone or an archive; remove it with `rm -r {}`",
        path.display(),
        path.display()
    )
}

/// Adds a hint that works to a fault about state in a project that cannot be moved.
fn unusable(from: &Path, fault: Fault) -> Fault {
    if fault.code == codes::STATE_CORRUPT {
        let from = from.display();
        fault.hinted(format!("remove it with `rm -r {from}` to start again, which loses its local counts"))
    } else {
        fault
    }
}

/// Moves a whole directory of this user.
async fn take_over(places: &Places, from: &StateDir, to: &Path) -> Result<Option<String>, Fault> {
    let (_, lock) = Client::stop_and_lock(from, STOP).await?;
    make_parent(to)?;
    if !rename(from.path(), to)? {
        return Ok(None);
    }
    drop(lock);
    let dir = StateDir::prepare(to)?;
    dir.write_marker(&Marker::of(places.record(), None))?;
    Ok(Some(moved(from, to)))
}

/// Copies the data of a directory in the project, and removes that directory.
async fn copy(places: &Places, from: &StateDir, to: &Path) -> Result<Option<String>, Fault> {
    let (_, lock) = Client::stop_and_lock(from, STOP).await?;
    make_parent(to)?;
    let draft = tempfile::Builder::new()
        .prefix(".moving-")
        .tempdir_in(places.all())
        .map_err(|error| state::fault("write", &places.all(), &error))?;
    copy_data(from.path(), draft.path()).map_err(|fault| unusable(from.path(), fault))?;
    let marker = Marker::of(places.record(), Identity::of(from.path()));
    let dir = StateDir::mark(draft.path().to_owned(), &marker)?;
    if !rename(dir.path(), to)? {
        return Ok(None);
    }
    // Moved: there is nothing left to remove.
    drop(draft.keep());
    remove(places, from, lock)?;
    if let Some(dir) = StateDir::existing(to)? {
        dir.write_marker(&Marker::of(places.record(), None))?;
    }
    Ok(Some(format!(
        "{}. Code is not moved, since a clone could bring it: `hitctl deploy --env local` builds the function again",
        moved(from, to)
    )))
}

/// Moves a directory to its place. False if another command was quicker.
fn rename(from: &Path, to: &Path) -> Result<bool, Fault> {
    match fs::rename(from, to) {
        Ok(()) => Ok(true),
        Err(_) if StateDir::existing(to)?.is_some() => Ok(false),
        Err(error) => Err(state::fault("move the state to", to, &error)),
    }
}

fn moved(from: &StateDir, to: &Path) -> String {
    let (from, to) = (from.path().display(), to.display());
    format!("moved the local state of this project from {from} to {to}; its counts and its URL stay")
}

/// Removes what a run that was killed has copied and left.
fn finish(places: &Places, dir: &StateDir) -> Result<(), Fault> {
    let marker = dir.marker()?;
    let Some(identity) = marker.moved_from else { return Ok(()) };
    let from = places.in_project();
    if !is_linked(&from)
        && Identity::of(&from) == Some(identity)
        && let Some(from) = StateDir::to_remove(&from)?
        && let Some(lock) = from.try_lock()?
    {
        remove(places, &from, lock)?;
    }
    dir.write_marker(&Marker::of(marker.project, None))
}

fn remove(places: &Places, from: &StateDir, lock: Lock) -> Result<(), Fault> {
    from.remove_all(lock)?;
    if let Some(folder) = places.in_project().parent() {
        // It stays when the user keeps something else in it.
        drop(fs::remove_dir(folder));
    }
    Ok(())
}

fn make_parent(to: &Path) -> Result<(), Fault> {
    let parent = to.parent().unwrap_or(to);
    state::make_dir(parent).map_err(|error| state::fault("make the directory", parent, &error))
}

/// Checks that a directory in the project looks as hitctl writes it, or says why it does not: a clone gives directories and
/// files that others can read, and may bring links.
fn recognise(path: &Path) -> Result<StateDir, String> {
    if is_linked(path) {
        return Err("the directory around it is a link".to_owned());
    }
    check(path, 0o700, true)?;
    for name in state::ours() {
        let path = path.join(&name);
        match path.symlink_metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            _ if [state::LOGS, state::CODE, state::ZIPS].contains(&name.as_str()) => {
                check(&path, 0o700, true)?;
            }
            _ => check(&path, 0o600, false)?,
        }
    }
    match StateDir::existing(path) {
        Ok(Some(dir)) => Ok(dir),
        Ok(None) => Err("it is empty".to_owned()),
        Err(fault) => Err(fault.message),
    }
}

/// Whether the directory around a state directory in a project is a link: git carries links, to anywhere.
fn is_linked(path: &Path) -> bool {
    path.parent().is_none_or(|folder| folder.symlink_metadata().is_ok_and(|meta| meta.is_symlink()))
}

/// Checks the owner, the kind and the mode of a file or directory.
fn check(path: &Path, mode: u32, dir: bool) -> Result<(), String> {
    let shown = path.display();
    let meta = path.symlink_metadata().map_err(|error| format!("{shown} cannot be read: {error}"))?;
    if meta.is_symlink() {
        return Err(format!("{shown} is a link"));
    }
    if meta.is_dir() != dir || !(dir || meta.is_file()) {
        return Err(format!("{shown} is not what hitctl makes"));
    }
    if meta.uid() != rustix::process::geteuid().as_raw() {
        return Err(format!("{shown} belongs to another user"));
    }
    if meta.mode() & 0o777 != mode {
        return Err(format!("the mode of {shown} is {:04o} instead of {mode:04o}", meta.mode() & 0o777));
    }
    if !dir && meta.nlink() != 1 {
        return Err(format!("{shown} has other names"));
    }
    Ok(())
}

/// Copies tables, messages, ports and logs. Databases are checked for what would run within them.
fn copy_data(from: &Path, to: &Path) -> Result<(), Fault> {
    let path = from.join(state::REGISTRY);
    if let Some(text) = state::read_if_there(&path)? {
        let kept = registry::without_code(&text).map_err(|error| version::corrupt(&path, &error))?;
        write(&to.join(state::REGISTRY), &kept)?;
    }
    for name in state::DATABASES {
        let log = format!("{name}-wal");
        for name in [name, &log] {
            copy_file(&from.join(name), &to.join(name))?;
        }
        let path = to.join(name);
        if path.exists() {
            sqlite::inert(&path).map_err(|error| version::corrupt(&from.join(name), &error))?;
        }
    }
    copy_file(&from.join(state::INVALIDATIONS), &to.join(state::INVALIDATIONS))?;
    let (logs, to) = (from.join(state::LOGS), to.join(state::LOGS));
    if logs.is_dir() {
        make_parent(&to.join("x"))?;
    }
    for entry in fs::read_dir(&logs).into_iter().flatten().flatten() {
        let small = entry.metadata().is_ok_and(|meta| meta.is_file() && meta.len() <= MOST_LOG_BYTES);
        if small {
            copy_file(&entry.path(), &to.join(entry.file_name()))?;
        }
    }
    Ok(())
}

fn copy_file(from: &Path, to: &Path) -> Result<(), Fault> {
    state::read_if_there(from)?.map_or(Ok(()), |content| write(to, &content))
}

fn write(path: &Path, content: &[u8]) -> Result<(), Fault> {
    use io::Write as _;
    let written =
        state::own(fs::OpenOptions::new().write(true).create_new(true)).open(path).and_then(|mut file| {
            file.write_all(content)?;
            file.sync_all()
        });
    written.map_err(|error| state::fault("write", path, &error))
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;
    use std::fs::DirBuilder;
    use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _, symlink};

    use serde_json::json;

    use super::*;
    use crate::table::Tables;

    /// A project with a home beside it.
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

        fn places(&self, configured: bool) -> Places {
            Places::new(&self.dir.path().join("home"), &self.project(), configured)
        }

        /// State with tables, a registry with a function, unpacked code and a daemon's address, as earlier versions wrote it.
        fn former_state(path: &Path) {
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

        fn in_project(&self) -> PathBuf {
            let path = self.project().join(".hitctl/local");
            Self::former_state(&path);
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
    async fn state_in_a_project_is_moved_once_with_its_data_and_without_its_code() {
        let scenario = Scenario::new();
        let (from, places) = (scenario.in_project(), scenario.places(true));
        let to = places.state_dir();
        assert!(pending(&places).unwrap().unwrap().contains("is still in"));
        assert_eq!(names(&from).len(), 7, "looking moves nothing");
        let said = claim(&places).await.unwrap().unwrap();
        assert!(said.starts_with("moved the local state of this project from "), "{said}");
        assert_eq!(kinds(&to), ["http_api", "table"], "nothing that runs, or calls what runs");
        assert!(to.join(state::TABLES).exists() && to.join("logs/group.0.ndjson").exists());
        for name in [state::CODE, state::ZIPS, "daemon.json", "daemon.lock"] {
            assert!(!to.join(name).exists(), "{name}");
        }
        assert_eq!(names(&scenario.project()), Vec::<String>::new(), "nothing is left in the project");
        assert_eq!(claim(&places).await.unwrap(), None);
        assert_eq!(pending(&places).unwrap(), None);
        let marker = StateDir::existing(&to).unwrap().unwrap().marker().unwrap();
        assert_eq!((marker.project, marker.moved_from), (places.record(), None));
    }

    #[tokio::test]
    async fn state_as_a_clone_brings_it_is_refused() {
        type Change = fn(&Path);
        let changes: [(&str, Change); 6] = [
            ("the mode of", |dir| fs::set_permissions(dir, fs::Permissions::from_mode(0o755)).unwrap()),
            ("the mode of", |dir| {
                fs::set_permissions(dir.join(state::REGISTRY), fs::Permissions::from_mode(0o644)).unwrap();
            }),
            ("is a link", |dir| {
                fs::rename(dir.join(state::TABLES), dir.join("elsewhere")).unwrap();
                symlink(dir.join("elsewhere"), dir.join(state::TABLES)).unwrap();
            }),
            ("is a link", |dir| symlink("/etc/passwd", dir.join("daemon.log")).unwrap()),
            ("has other names", |dir| {
                fs::hard_link(dir.join(state::TABLES), dir.join("elsewhere")).unwrap();
            }),
            ("is not what hitctl makes", |dir| fs::create_dir(dir.join("daemon.log")).unwrap()),
        ];
        for (why, change) in changes {
            let scenario = Scenario::new();
            let (from, places) = (scenario.in_project(), scenario.places(true));
            change(&from);
            let said = claim(&places).await.unwrap().unwrap();
            assert!(said.contains(why) && said.contains("not using"), "{said}");
            assert_eq!(names(&places.state_dir()), ["hitctl-local.json"]);
            assert!(from.join(state::REGISTRY).exists(), "what is not ours stays");
        }
    }

    #[tokio::test]
    async fn state_behind_a_link_is_refused_and_stays() {
        let (victim, scenario) = (Scenario::new(), Scenario::new());
        let precious = victim.in_project();
        let before = names(&precious);
        symlink(victim.project().join(".hitctl"), scenario.project().join(".hitctl")).unwrap();
        let places = scenario.places(true);
        let said = claim(&places).await.unwrap().unwrap();
        assert!(said.contains("the directory around it is a link"), "{said}");
        stop_former(&places, STOP).await.unwrap();
        // Nor is it removed as the rest of a move that was cut short.
        let dir = StateDir::existing(&places.state_dir()).unwrap().unwrap();
        dir.write_marker(&Marker::of(places.record(), Identity::of(&precious))).unwrap();
        claim(&places).await.unwrap();
        assert_eq!(names(&precious), before);
    }

    #[tokio::test]
    async fn state_of_a_path_goes_on_with_the_directory_that_uses_it_last() {
        let scenario = Scenario::new();
        let first = scenario.places(true);
        claim(&first).await.unwrap();
        fs::rename(scenario.project(), scenario.dir.path().join("old")).unwrap();
        fs::create_dir(scenario.project()).unwrap();
        let second = scenario.places(true);
        let said = claim(&second).await.unwrap().unwrap();
        assert!(said.starts_with("going on with the local state"), "{said}");
        assert_eq!(claim(&second).await.unwrap(), None);
        let old = Places::new(&scenario.dir.path().join("home"), &scenario.dir.path().join("old"), true);
        assert_eq!(claim(&old).await.unwrap(), None, "it does not take what the other directory uses");
        assert!(second.state_dir().exists());
    }

    #[tokio::test]
    async fn tables_with_triggers_are_not_moved() {
        let scenario = Scenario::new();
        let (from, places) = (scenario.in_project(), scenario.places(true));
        let db = Connection::open(from.join(state::TABLES)).unwrap();
        db.execute_batch(
            "CREATE TABLE t (a); CREATE TRIGGER evil AFTER INSERT ON t BEGIN DELETE FROM t; END",
        )
        .unwrap();
        drop(db);
        let fault = claim(&places).await.unwrap_err();
        assert_eq!(fault.code, "local_state_corrupt");
        assert!(fault.cause.unwrap().contains("triggers"));
        assert!(fault.hint.unwrap().contains("rm -r "), "the way out is one that works");
        assert!(from.join(state::TABLES).exists() && !places.state_dir().exists());
        assert_eq!(names(&places.all()), Vec::<String>::new(), "nothing half-copied is left");
    }

    #[tokio::test]
    async fn virtual_tables_are_not_moved() {
        let scenario = Scenario::new();
        let (from, places) = (scenario.in_project(), scenario.places(true));
        let db = Connection::open(from.join(state::TABLES)).unwrap();
        db.execute_batch("create  virtual table t USING fts5(a)").unwrap();
        // SQLite reads this as the same statement.
        db.execute_batch(
            "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = replace(sql, 'CREATE VIRTUAL', 'CREATE/**/VIRTUAL')",
        )
        .unwrap();
        drop(db);
        let fault = claim(&places).await.unwrap_err();
        assert_eq!(fault.code, "local_state_corrupt");
        assert!(fault.cause.unwrap().contains("virtual tables"));
        assert!(!places.state_dir().exists());
    }

    #[tokio::test]
    async fn a_move_that_was_cut_short_is_finished() {
        let scenario = Scenario::new();
        let (from, places) = (scenario.in_project(), scenario.places(true));
        let copied = Marker::of(places.record(), Identity::of(&from));
        let dir = StateDir::prepare(&places.state_dir()).unwrap();
        dir.write_marker(&copied).unwrap();
        assert_eq!(claim(&places).await.unwrap(), None);
        assert!(!from.exists());
        assert_eq!(dir.marker().unwrap().moved_from, None);
    }

    #[tokio::test]
    async fn state_of_a_directory_without_a_file_follows_it_into_a_project() {
        let scenario = Scenario::new();
        Scenario::former_state(&scenario.dir.path().join("home/local"));
        assert_eq!(pending(&scenario.places(true)).unwrap(), None, "a configured project never used it");
        let places = scenario.places(false);
        claim(&places).await.unwrap().unwrap();
        assert_eq!(kinds(&places.state_dir()).len(), 5, "this user wrote it: code and all");
        // `init` writes a configuration: the state stays where it is.
        assert_eq!(scenario.places(true).state_dir(), places.state_dir());
    }

    #[tokio::test]
    async fn state_follows_a_project_that_is_moved_and_no_copy_of_it() {
        let scenario = Scenario::new();
        let before = scenario.places(true);
        claim(&before).await.unwrap();
        fs::write(before.state_dir().join(state::INVALIDATIONS), "kept").unwrap();
        let named = |name: &str| {
            Places::new(&scenario.dir.path().join("home"), &scenario.dir.path().join(name), true)
        };
        fs::create_dir(scenario.dir.path().join("copy")).unwrap();
        assert_eq!(claim(&named("copy")).await.unwrap(), None);
        fs::rename(scenario.project(), scenario.dir.path().join("renamed")).unwrap();
        let said = claim(&named("renamed")).await.unwrap().unwrap();
        assert!(said.starts_with("moved the local state"), "{said}");
        assert!(named("renamed").state_dir().join(state::INVALIDATIONS).exists());
        assert!(!before.state_dir().exists());
    }
}
