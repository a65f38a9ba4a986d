//! The driver for the local cloud, which handles every kind, because the local cloud stores a resource as its spec.
//!
//! It reads from the daemon, or from the registry file when no daemon runs. `plan` and `status` of a stopped
//! cloud are therefore correct without starting it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures::future::BoxFuture;
use futures::{FutureExt as _, TryFutureExt as _};
use hitctl_engine::{Driver, DriverContext, Fault, FieldDiff, Node, ObservedState, Outputs, Owner};
use hitctl_resources::CodePackage;
use hitctl_resources::{FunctionSpec, PermissionSpec, Spec as _, TableSpec, Tags};
use serde_json::Value as Json;

use crate::client::{LocalClient, not_running_fault};
use crate::protocol::{DeployedResource, DeployedResources};
use crate::state::{self, StateDir};
use crate::{code, registry};

/// The tags that identify the owner of a resource.
const OWNER_TAGS: [&str; 2] = ["hitctl:app", "hitctl:env"];

/// Reads and writes every kind of resource of one app and env in the local cloud.
pub struct LocalDriver {
    cloud: DriverBackend,
    tags: Tags,
    code: Option<CodePackage>,
    adopt: bool,
}

/// The resources of a cloud that is not running, as its registry file lists them.
#[derive(Clone, Debug)]
pub struct OfflineCloud {
    dir: PathBuf,
    /// The resources by kind and name.
    pub resources: DeployedResources,
}

impl OfflineCloud {
    /// Reads the registry file. Starts no daemon and creates no files.
    pub fn read(state_dir: &Path) -> Result<Self, Fault> {
        let resources = match StateDir::existing(state_dir)? {
            Some(dir) => {
                let mut resources = registry::read_resources(&dir)?;
                code::clear_missing_code_hashes(&mut resources, &dir.path().join(state::ZIPS));
                resources
            }
            None => BTreeMap::new(),
        };
        Ok(Self { dir: state_dir.to_owned(), resources })
    }
}

enum DriverBackend {
    /// A daemon is running.
    Online(Box<LocalClient>),
    /// No daemon is running: the resources from the registry file.
    Offline(Arc<OfflineCloud>),
}

impl LocalDriver {
    /// Creates a driver for a running cloud. `tags` are the tags of our resources. `code` is uploaded when a
    /// function needs it.
    pub fn new(client: LocalClient, tags: Tags, code: Option<CodePackage>) -> Self {
        Self { cloud: DriverBackend::Online(Box::new(client)), tags, code, adopt: false }
    }

    /// Sets whether to take over resources that have our names but belong to another app or env.
    #[must_use]
    pub fn with_adoption(mut self, adopt: bool) -> Self {
        self.adopt = adopt;
        self
    }

    /// Creates a driver that only reads the resources of a cloud that is not running. Writes fail.
    pub fn offline(cloud: Arc<OfflineCloud>, tags: Tags) -> Self {
        Self { cloud: DriverBackend::Offline(cloud), tags, code: None, adopt: false }
    }

    async fn get(&self, kind: &str, name: &str) -> Result<Option<DeployedResource>, Fault> {
        match &self.cloud {
            DriverBackend::Online(client) => client.resource(kind, name).await,
            DriverBackend::Offline(cloud) => {
                Ok(cloud.resources.get(kind).and_then(|names| names.get(name)).cloned())
            }
        }
    }

    fn client(&self) -> Result<&LocalClient, Fault> {
        match &self.cloud {
            DriverBackend::Online(client) => Ok(client),
            DriverBackend::Offline(cloud) => Err(not_running_fault(&cloud.dir)),
        }
    }

    async fn put(&self, node: &Node, desired: &Json) -> Result<Outputs, Fault> {
        let client = self.client()?;
        let kind = node.address.kind();
        if kind == FunctionSpec::KIND {
            let wanted = desired["code_sha256"].as_str();
            if let Some(code) = self.code.as_ref().filter(|code| Some(code.sha256.as_str()) == wanted) {
                client.put_code(&code.sha256, &code.zip).await?;
            }
        }
        Ok(client.put_resource(kind, &self.registry_name(node), desired).await?.outputs)
    }

    async fn remove(&self, node: &Node, observed: &ObservedState) -> Result<(), Fault> {
        let client = self.client()?;
        let (kind, name) = (node.address.kind(), self.registry_name(node));
        // The user has confirmed the deletion of this table, so its protection is removed first. The protection
        // guards against every other deletion.
        if kind == TableSpec::KIND && observed.spec["deletion_protection"] == Json::Bool(true) {
            let mut unprotected = observed.spec.clone();
            unprotected["deletion_protection"] = Json::Bool(false);
            client.put_resource(kind, &name, &unprotected).await?;
        }
        client.delete_resource(kind, &name).await
    }

    /// Returns the name of a resource in the registry. A permission statement is unique only within its
    /// function, so its name gets the app and env as a prefix.
    fn registry_name(&self, node: &Node) -> String {
        if node.address.kind() == PermissionSpec::KIND {
            let [app, env] = OWNER_TAGS.map(|tag| self.tags.get(tag).map_or("", String::as_str));
            return format!("{app}-{env}:{}", node.name);
        }
        node.name.clone()
    }

    /// Returns the owner of a resource according to its tags. A resource of a kind without tags is ours if it
    /// has our name.
    fn owner(&self, spec: &Json) -> Owner {
        let Some(tags) = spec.get("tags") else { return Owner::Ours };
        let found = OWNER_TAGS.map(|tag| tags.get(tag).and_then(Json::as_str));
        let wanted = OWNER_TAGS.map(|tag| self.tags.get(tag).map(String::as_str));
        if found == wanted {
            return Owner::Ours;
        }
        match found {
            // With adoption, every resource with our name is ours. The update replaces its tags.
            _ if self.adopt => Owner::Ours,
            [Some(app), Some(env)] => Owner::Other(format!("app {app}, env {env}")),
            _ => Owner::Other("untagged".to_owned()),
        }
    }
}

impl Driver for LocalDriver {
    fn read<'a>(
        &'a self,
        _context: &'a DriverContext,
        node: &'a Node,
    ) -> BoxFuture<'a, Result<Option<ObservedState>, Fault>> {
        async move {
            let stored = self.get(node.address.kind(), &self.registry_name(node)).await;
            let stored = stored.map_err(|fault| with_operation("read", node, fault))?;
            Ok(stored.map(|DeployedResource { spec, outputs }| ObservedState {
                owner: self.owner(&spec),
                spec,
                outputs,
            }))
        }
        .boxed()
    }

    fn create<'a>(
        &'a self,
        _context: &'a DriverContext,
        node: &'a Node,
        desired: &'a Json,
    ) -> BoxFuture<'a, Result<Outputs, Fault>> {
        self.put(node, desired).map_err(|fault| with_operation("create", node, fault)).boxed()
    }

    fn update<'a>(
        &'a self,
        _context: &'a DriverContext,
        node: &'a Node,
        _observed: &'a ObservedState,
        desired: &'a Json,
        _fields: &'a [FieldDiff],
    ) -> BoxFuture<'a, Result<Outputs, Fault>> {
        self.put(node, desired).map_err(|fault| with_operation("update", node, fault)).boxed()
    }

    fn delete<'a>(
        &'a self,
        _context: &'a DriverContext,
        node: &'a Node,
        observed: &'a ObservedState,
    ) -> BoxFuture<'a, Result<(), Fault>> {
        self.remove(node, observed).map_err(|fault| with_operation("delete", node, fault)).boxed()
    }
}

/// Returns the apps and envs in the tags of `resources`, sorted by name.
pub fn deployments(resources: &DeployedResources) -> BTreeSet<(String, String)> {
    let all = resources.values().flat_map(BTreeMap::values);
    let tag = |stored: &DeployedResource, name: &str| {
        Some(stored.spec.get("tags")?.get(name)?.as_str()?.to_owned())
    };
    all.filter_map(|stored| Some((tag(stored, OWNER_TAGS[0])?, tag(stored, OWNER_TAGS[1])?))).collect()
}

/// Adds the operation and the resource to a fault that does not say what failed, such as a broken connection.
fn with_operation(operation: &str, node: &Node, fault: Fault) -> Fault {
    if fault.message.starts_with("failed to ") {
        return fault;
    }
    let (kind, name) = (node.address.kind_words(), &node.name);
    let message = format!("failed to {operation} {kind} {name}: {}", fault.message);
    Fault { message, ..fault }
}
