//! Stores the spec and the outputs of every deployed resource in one file. The whole file is written before a
//! change is acknowledged. This module only stores resources; `cloud` applies them to the services.

use std::collections::{BTreeMap, BTreeSet};

use hitctl_engine::{Fault, Outputs};
use hitctl_resources::{
    FunctionSpec, FunctionUrlSpec, HttpApiSpec, LogGroupSpec, QueueSpec, RoleSpec, Spec as _, TableSpec,
};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::protocol::{DeployedResource, DeployedResources};
use crate::state::document::{self, JsonDocument};
use crate::state::version::STATE_VERSION;
use crate::state::{self, StateDir};

/// A resource as the registry stores it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct RegistryEntry {
    /// The settings.
    pub(crate) spec: Json,
    /// The values that other resources can refer to.
    pub(crate) outputs: Outputs,
    /// The port on which the resource listens, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) port: Option<u16>,
    /// Whether the deletion of the resource has begun. Its data may already be deleted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) deleting: bool,
}

/// The content of the registry file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct RegistryData {
    v: u32,
    /// The port of the DynamoDB endpoint.
    #[serde(default)]
    table_port: Option<u16>,
    resources: BTreeMap<String, BTreeMap<String, RegistryEntry>>,
}

impl RegistryData {
    fn empty() -> Self {
        Self { v: STATE_VERSION, table_port: None, resources: BTreeMap::new() }
    }
}

/// The registry in memory and on disk.
pub(crate) struct Registry {
    data: JsonDocument<RegistryData>,
}

impl Registry {
    /// Reads the registry. Without a registry file, the registry is empty. A file that cannot be read is left
    /// unchanged.
    pub(crate) fn open(dir: &StateDir) -> Result<Self, Fault> {
        JsonDocument::open(dir, state::REGISTRY, RegistryData::empty()).map(|data| Self { data })
    }

    pub(crate) fn get(&self, kind: &str, name: &str) -> Option<RegistryEntry> {
        self.data.with(|data| data.resources.get(kind)?.get(name).cloned())
    }

    /// Returns the entries of one kind, by name.
    pub(crate) fn entries_of_kind(&self, kind: &str) -> BTreeMap<String, RegistryEntry> {
        self.data.with(|data| data.resources.get(kind).cloned().unwrap_or_default())
    }

    /// Returns the names of the resources of one kind, except those whose deletion has begun.
    pub(crate) fn active_names(&self, kind: &str) -> BTreeSet<String> {
        let all = self.entries_of_kind(kind).into_iter();
        all.filter(|(_, entry)| !entry.deleting).map(|(name, _)| name).collect()
    }

    pub(crate) fn all(&self) -> DeployedResources {
        self.data.with(resources)
    }

    pub(crate) fn table_port(&self) -> Option<u16> {
        self.data.with(|data| data.table_port)
    }

    /// Returns the hashes of the code that functions use.
    pub(crate) fn code_in_use(&self) -> BTreeSet<String> {
        let functions = self.entries_of_kind(FunctionSpec::KIND).into_values();
        functions.filter_map(|entry| Some(entry.spec.get("code_sha256")?.as_str()?.to_owned())).collect()
    }

    pub(crate) fn put(&self, kind: &str, name: &str, entry: RegistryEntry) -> Result<(), Fault> {
        self.data.update(|data| {
            data.resources.entry(kind.to_owned()).or_default().insert(name.to_owned(), entry);
            Ok(())
        })
    }

    pub(crate) fn remove(&self, kind: &str, name: &str) -> Result<(), Fault> {
        self.data.update(|data| {
            if let Some(entries) = data.resources.get_mut(kind) {
                entries.remove(name);
            }
            data.resources.retain(|_, entries| !entries.is_empty());
            Ok(())
        })
    }

    pub(crate) fn set_table_port(&self, port: u16) -> Result<(), Fault> {
        self.data.update(|data| {
            data.table_port = Some(port);
            Ok(())
        })
    }
}

/// Reads the resources in a directory's registry file without a daemon. Writes nothing.
pub(crate) fn read_resources(dir: &StateDir) -> Result<DeployedResources, Fault> {
    document::read(dir, state::REGISTRY, RegistryData::empty()).map(|data| resources(&data))
}

/// The kinds that contain data or an address and run no code.
const DATA_KINDS: [&str; 6] = [
    TableSpec::KIND,
    QueueSpec::KIND,
    LogGroupSpec::KIND,
    RoleSpec::KIND,
    HttpApiSpec::KIND,
    FunctionUrlSpec::KIND,
];

/// Returns the content of a registry file without functions and the resources that invoke them. The remaining
/// resources contain data and addresses, and run no code.
pub(crate) fn without_code(text: &[u8]) -> serde_json::Result<Vec<u8>> {
    let mut data: RegistryData = serde_json::from_slice(text)?;
    data.resources.retain(|kind, _| DATA_KINDS.contains(&kind.as_str()));
    serde_json::to_vec_pretty(&data)
}

fn resources(data: &RegistryData) -> DeployedResources {
    let to_deployed =
        |entry: &RegistryEntry| DeployedResource { spec: entry.spec.clone(), outputs: entry.outputs.clone() };
    data.resources
        .iter()
        .map(|(kind, entries)| {
            let deployed = entries.iter().map(|(name, entry)| (name.clone(), to_deployed(entry)));
            (kind.clone(), deployed.collect())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(n: u32) -> RegistryEntry {
        RegistryEntry {
            spec: serde_json::json!({ "n": n }),
            outputs: Outputs::new(),
            port: None,
            deleting: false,
        }
    }

    #[test]
    fn open_after_put_reads_entries_back() {
        let temp = tempfile::tempdir().unwrap();
        let dir = StateDir::prepare(temp.path()).unwrap();
        let registry = Registry::open(&dir).unwrap();
        registry.put("role", "a", entry(1)).unwrap();
        registry.put("role", "b", entry(2)).unwrap();
        registry.remove("role", "a").unwrap();
        registry.set_table_port(11_000).unwrap();
        drop(registry);
        let reopened = Registry::open(&dir).unwrap();
        assert_eq!(reopened.get("role", "b"), Some(entry(2)));
        assert_eq!(reopened.get("role", "a"), None);
        assert_eq!(reopened.table_port(), Some(11_000));
        assert_eq!(read_resources(&dir).unwrap()["role"]["b"].spec["n"], 2);
    }

    #[test]
    fn open_of_damaged_file_fails_and_keeps_it() {
        let temp = tempfile::tempdir().unwrap();
        let dir = StateDir::prepare(temp.path()).unwrap();
        let path = temp.path().join(state::REGISTRY);
        let no_version = r#"{"resources":{}}"#;
        let version_0 = r#"{"v":0,"resources":{}}"#;
        for garbage in ["", "{\"v\":1,\"resou", "[]", "\0\0\0\0", no_version, version_0] {
            std::fs::write(&path, garbage).unwrap();
            let fault = Registry::open(&dir).err().unwrap();
            assert_eq!(fault.code, "local_state_corrupt");
            assert!(fault.message.ends_with("registry.json is damaged; it was left unchanged"), "{fault}");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), garbage);
        }
    }

    #[test]
    fn open_of_newer_file_fails_and_keeps_it() {
        let temp = tempfile::tempdir().unwrap();
        let dir = StateDir::prepare(temp.path()).unwrap();
        let path = temp.path().join(state::REGISTRY);
        let newer = r#"{"v":2,"resources":{}}"#;
        std::fs::write(&path, newer).unwrap();
        assert_eq!(Registry::open(&dir).err().unwrap().code, "local_state_newer");
        assert_eq!(read_resources(&dir).unwrap_err().code, "local_state_newer");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), newer);
    }

    #[test]
    fn put_that_cannot_be_written_changes_nothing() {
        let temp = tempfile::tempdir().unwrap();
        let dir = StateDir::prepare(&temp.path().join("state")).unwrap();
        let registry = Registry::open(&dir).unwrap();
        registry.put("role", "a", entry(1)).unwrap();
        std::fs::remove_dir_all(dir.path()).unwrap();
        registry.put("role", "a", entry(2)).unwrap_err();
        assert_eq!(registry.get("role", "a"), Some(entry(1)));
    }
}
