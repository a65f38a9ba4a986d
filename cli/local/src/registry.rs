//! What is deployed: every resource's spec and outputs, in one file that is written as a whole before a change is
//! acknowledged. It brings nothing to life; `cloud` does.

use std::collections::{BTreeMap, BTreeSet};

use hitctl_engine::{Fault, Outputs};
use hitctl_resources::{
    FunctionSpec, FunctionUrlSpec, HttpApiSpec, LogGroupSpec, QueueSpec, RoleSpec, Spec as _, TableSpec,
};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::protocol::{Resources, Stored};
use crate::state::document::{self, Document};
use crate::state::version::STATE_VERSION;
use crate::state::{self, StateDir};

/// A resource as it is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// Its settings.
    pub(crate) spec: Json,
    /// What it offers to others.
    pub(crate) outputs: Outputs,
    /// The port that it listens on, when it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) port: Option<u16>,
    /// Whether its deletion has begun: what it held may be gone already.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) deleting: bool,
}

/// The whole file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Data {
    v: u32,
    /// Where the tables are served.
    #[serde(default)]
    table_port: Option<u16>,
    resources: BTreeMap<String, BTreeMap<String, Entry>>,
}

impl Data {
    fn empty() -> Self {
        Self { v: STATE_VERSION, table_port: None, resources: BTreeMap::new() }
    }
}

/// The registry in memory and on disk.
pub(crate) struct Registry {
    data: Document<Data>,
}

impl Registry {
    /// Reads the registry; a directory without one has an empty one. What cannot be read is left as it is.
    pub(crate) fn open(dir: &StateDir) -> Result<Self, Fault> {
        Document::open(dir, state::REGISTRY, Data::empty()).map(|data| Self { data })
    }

    pub(crate) fn get(&self, kind: &str, name: &str) -> Option<Entry> {
        self.data.look(|data| data.resources.get(kind)?.get(name).cloned())
    }

    /// The names and entries of one kind.
    pub(crate) fn of_kind(&self, kind: &str) -> BTreeMap<String, Entry> {
        self.data.look(|data| data.resources.get(kind).cloned().unwrap_or_default())
    }

    /// The names of one kind, without those whose deletion has begun.
    pub(crate) fn kept(&self, kind: &str) -> BTreeSet<String> {
        let all = self.of_kind(kind).into_iter();
        all.filter(|(_, entry)| !entry.deleting).map(|(name, _)| name).collect()
    }

    pub(crate) fn all(&self) -> Resources {
        self.data.look(resources)
    }

    pub(crate) fn table_port(&self) -> Option<u16> {
        self.data.look(|data| data.table_port)
    }

    /// The hashes of the code that functions use.
    pub(crate) fn code_in_use(&self) -> BTreeSet<String> {
        let functions = self.of_kind(FunctionSpec::KIND).into_values();
        functions.filter_map(|entry| Some(entry.spec.get("code_sha256")?.as_str()?.to_owned())).collect()
    }

    pub(crate) fn put(&self, kind: &str, name: &str, entry: Entry) -> Result<(), Fault> {
        self.data.change(|data| {
            data.resources.entry(kind.to_owned()).or_default().insert(name.to_owned(), entry);
            Ok(())
        })
    }

    pub(crate) fn remove(&self, kind: &str, name: &str) -> Result<(), Fault> {
        self.data.change(|data| {
            if let Some(names) = data.resources.get_mut(kind) {
                names.remove(name);
            }
            data.resources.retain(|_, names| !names.is_empty());
            Ok(())
        })
    }

    pub(crate) fn set_table_port(&self, port: u16) -> Result<(), Fault> {
        self.data.change(|data| {
            data.table_port = Some(port);
            Ok(())
        })
    }
}

/// What a directory's registry says, without a daemon. Writes nothing.
pub(crate) fn peek(dir: &StateDir) -> Result<Resources, Fault> {
    document::read(dir, state::REGISTRY, Data::empty()).map(|data| resources(&data))
}

/// The kinds that hold data or an address, and run nothing.
const INERT: [&str; 6] = [
    TableSpec::KIND,
    QueueSpec::KIND,
    LogGroupSpec::KIND,
    RoleSpec::KIND,
    HttpApiSpec::KIND,
    FunctionUrlSpec::KIND,
];

/// A registry's text without functions and all that calls them: what is left runs nothing, and keeps data and addresses.
pub(crate) fn without_code(text: &[u8]) -> serde_json::Result<Vec<u8>> {
    let mut data: Data = serde_json::from_slice(text)?;
    data.resources.retain(|kind, _| INERT.contains(&kind.as_str()));
    serde_json::to_vec_pretty(&data)
}

fn resources(data: &Data) -> Resources {
    let stored = |entry: &Entry| Stored { spec: entry.spec.clone(), outputs: entry.outputs.clone() };
    data.resources
        .iter()
        .map(|(kind, names)| {
            (kind.clone(), names.iter().map(|(name, entry)| (name.clone(), stored(entry))).collect())
        })
        .collect()
}
#[cfg(test)]
mod tests {
    use super::*;

    fn entry(n: u32) -> Entry {
        Entry { spec: serde_json::json!({ "n": n }), outputs: Outputs::new(), port: None, deleting: false }
    }

    #[test]
    fn what_was_put_is_there_after_opening_again() {
        let temp = tempfile::tempdir().unwrap();
        let dir = StateDir::prepare(temp.path()).unwrap();
        let registry = Registry::open(&dir).unwrap();
        registry.put("role", "a", entry(1)).unwrap();
        registry.put("role", "b", entry(2)).unwrap();
        registry.remove("role", "a").unwrap();
        registry.set_table_port(11_000).unwrap();
        drop(registry);
        let again = Registry::open(&dir).unwrap();
        assert_eq!(again.get("role", "b"), Some(entry(2)));
        assert_eq!(again.get("role", "a"), None);
        assert_eq!(again.table_port(), Some(11_000));
        assert_eq!(peek(&dir).unwrap()["role"]["b"].spec["n"], 2);
    }

    #[test]
    fn garbage_is_refused_and_not_overwritten() {
        let temp = tempfile::tempdir().unwrap();
        let dir = StateDir::prepare(temp.path()).unwrap();
        let path = temp.path().join(state::REGISTRY);
        let no_version = r#"{"resources":{}}"#;
        let version_0 = r#"{"v":0,"resources":{}}"#;
        for garbage in ["", "{\"v\":1,\"resou", "[]", "\0\0\0\0", no_version, version_0] {
            std::fs::write(&path, garbage).unwrap();
            let fault = Registry::open(&dir).err().unwrap();
            assert_eq!(fault.code, "local_state_corrupt");
            assert!(fault.message.ends_with("registry.json is damaged; it was left as it is"), "{fault}");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), garbage);
        }
    }

    #[test]
    fn registry_of_newer_program_is_refused_and_left_as_it_is() {
        let temp = tempfile::tempdir().unwrap();
        let dir = StateDir::prepare(temp.path()).unwrap();
        let path = temp.path().join(state::REGISTRY);
        let newer = r#"{"v":2,"resources":{}}"#;
        std::fs::write(&path, newer).unwrap();
        assert_eq!(Registry::open(&dir).err().unwrap().code, "local_state_newer");
        assert_eq!(peek(&dir).unwrap_err().code, "local_state_newer");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), newer);
    }

    #[test]
    fn a_change_that_cannot_be_written_did_not_happen() {
        let temp = tempfile::tempdir().unwrap();
        let dir = StateDir::prepare(&temp.path().join("state")).unwrap();
        let registry = Registry::open(&dir).unwrap();
        registry.put("role", "a", entry(1)).unwrap();
        std::fs::remove_dir_all(dir.path()).unwrap();
        registry.put("role", "a", entry(2)).unwrap_err();
        assert_eq!(registry.get("role", "a"), Some(entry(1)));
    }
}
