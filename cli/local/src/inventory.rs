//! Checks that the files of tables, queues and events contain the resources that the registry lists, before
//! the daemon creates anything.
//!
//! Without this check, a missing file would silently be created again, and every count would be 0. This module
//! repairs nothing.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use hitctl_engine::Fault;
use hitctl_resources::{EventRuleSpec, QueueSpec, Spec as _, TableSpec};

use crate::codes;
use crate::registry::Registry;
use crate::state::{self, StateDir};

/// A file that contains the data of one kind of resource.
#[derive(Clone, Copy)]
pub(crate) struct DataFile {
    file: &'static str,
    kind: &'static str,
    singular: &'static str,
    plural: &'static str,
}

pub(crate) const TABLES: DataFile =
    DataFile { file: state::TABLES, kind: TableSpec::KIND, singular: "table", plural: "tables" };
pub(crate) const QUEUES: DataFile =
    DataFile { file: state::QUEUES, kind: QueueSpec::KIND, singular: "queue", plural: "queues" };
const EVENTS: DataFile = DataFile {
    file: state::EVENTS,
    kind: EventRuleSpec::KIND,
    singular: "event rule",
    plural: "event rules",
};

/// Returns whether deleting a resource of this kind deletes data from the file of tables or of queues. The
/// registry marks such a resource before its data is deleted.
pub(crate) fn has_data_file(kind: &str) -> bool {
    [TABLES, QUEUES].iter().any(|data_file| data_file.kind == kind)
}

/// Rejects a state directory in which a file is missing or empty, although the registry lists resources of its
/// kind.
pub(crate) fn check_files(dir: &StateDir, registry: &Registry) -> Result<(), Fault> {
    for data_file in [TABLES, QUEUES, EVENTS] {
        let names = registry.active_names(data_file.kind);
        if names.is_empty() {
            continue;
        }
        let path = data_file.path(dir);
        let problem = match fs::metadata(&path) {
            Ok(meta) if meta.is_file() && meta.len() == 0 => "empty",
            Ok(_) => continue,
            Err(error) if error.kind() == ErrorKind::NotFound => "missing",
            Err(error) => return Err(state::io_fault("read", &path, &error)),
        };
        return Err(incomplete(&path, problem, &data_file.registry_names(&names)));
    }
    Ok(())
}

impl DataFile {
    fn path(self, dir: &StateDir) -> PathBuf {
        dir.path().join(self.file)
    }

    /// Rejects a file without all resources that the registry lists. `found` are the names in the file.
    pub(crate) fn check(
        self,
        dir: &StateDir,
        registry: &Registry,
        found: &BTreeSet<String>,
    ) -> Result<(), Fault> {
        let names = registry.active_names(self.kind);
        let missing: BTreeSet<String> = names.difference(found).cloned().collect();
        if missing.is_empty() {
            return Ok(());
        }
        let problem = format!("incomplete: it lacks {}", self.count_and_names(&missing));
        Err(incomplete(&self.path(dir), &problem, &self.registry_names(&names)))
    }

    /// Returns, for example, `the registry lists 2 tables: a, b`.
    fn registry_names(self, names: &BTreeSet<String>) -> String {
        format!("the registry lists {}", self.count_and_names(names))
    }

    /// Returns, for example, `2 tables: a, b`.
    fn count_and_names(self, names: &BTreeSet<String>) -> String {
        let noun = if names.len() == 1 { self.singular } else { self.plural };
        let listed: Vec<&str> = names.iter().map(String::as_str).collect();
        format!("{} {noun}: {}", names.len(), listed.join(", "))
    }
}

fn incomplete(path: &Path, problem: &str, registry_names: &str) -> Fault {
    Fault::fatal(codes::STATE_CORRUPT, format!("{} is {problem}", path.display()))
        .caused_by(registry_names)
        .hinted("restore the file from a backup, or run `hitctl local reset`, which deletes all local data")
}
