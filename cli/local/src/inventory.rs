//! Checks that the files of tables, queues and events hold what the registry names, before the daemon makes anything.
//!
//! A lost file would otherwise be made anew without a word, and every count would be 0. It repairs nothing.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use hitctl_engine::Fault;
use hitctl_resources::{EventRuleSpec, QueueSpec, Spec as _, TableSpec};

use crate::codes;
use crate::registry::Registry;
use crate::state::{self, StateDir};

/// A file that holds the data of one kind of resource.
#[derive(Clone, Copy)]
pub(crate) struct Store {
    file: &'static str,
    kind: &'static str,
    one: &'static str,
    many: &'static str,
}

pub(crate) const TABLES: Store =
    Store { file: state::TABLES, kind: TableSpec::KIND, one: "table", many: "tables" };
pub(crate) const QUEUES: Store =
    Store { file: state::QUEUES, kind: QueueSpec::KIND, one: "queue", many: "queues" };
const EVENTS: Store =
    Store { file: state::EVENTS, kind: EventRuleSpec::KIND, one: "event rule", many: "event rules" };

/// Whether a kind has data in one of these files. Deleting such a resource is marked in the registry before it is done.
pub(crate) fn is_kept(kind: &str) -> bool {
    [TABLES, QUEUES].iter().any(|store| store.kind == kind)
}

/// Refuses a state directory in which a file is missing or empty although the registry names something that it holds.
pub(crate) fn check_files(dir: &StateDir, registry: &Registry) -> Result<(), Fault> {
    for store in [TABLES, QUEUES, EVENTS] {
        let names = registry.kept(store.kind);
        if names.is_empty() {
            continue;
        }
        let path = store.path(dir);
        let wrong = match fs::metadata(&path) {
            Ok(meta) if meta.is_file() && meta.len() == 0 => "empty",
            Ok(_) => continue,
            Err(error) if error.kind() == ErrorKind::NotFound => "missing",
            Err(error) => return Err(state::fault("read", &path, &error)),
        };
        return Err(incomplete(&path, wrong, &store.named(&names)));
    }
    Ok(())
}

impl Store {
    fn path(self, dir: &StateDir) -> PathBuf {
        dir.path().join(self.file)
    }

    /// Refuses a file that lacks one of those that the registry names.
    pub(crate) fn check(
        self,
        dir: &StateDir,
        registry: &Registry,
        found: &BTreeSet<String>,
    ) -> Result<(), Fault> {
        let names = registry.kept(self.kind);
        let lost: BTreeSet<String> = names.difference(found).cloned().collect();
        if lost.is_empty() {
            return Ok(());
        }
        let wrong = format!("incomplete: it lacks {}", self.counted(&lost));
        Err(incomplete(&self.path(dir), &wrong, &self.named(&names)))
    }

    /// `the registry names 2 tables: a, b`.
    fn named(self, names: &BTreeSet<String>) -> String {
        format!("the registry names {}", self.counted(names))
    }

    /// `2 tables: a, b`.
    fn counted(self, names: &BTreeSet<String>) -> String {
        let noun = if names.len() == 1 { self.one } else { self.many };
        let listed: Vec<&str> = names.iter().map(String::as_str).collect();
        format!("{} {noun}: {}", names.len(), listed.join(", "))
    }
}

fn incomplete(path: &Path, wrong: &str, named: &str) -> Fault {
    Fault::fatal(codes::STATE_CORRUPT, format!("{} is {wrong}", path.display())).caused_by(named).hinted(
        "restore the file from a backup, or run `hitctl local reset` to start again, which loses the local counts",
    )
}
