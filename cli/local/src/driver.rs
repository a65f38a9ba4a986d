//! The local driver: one for every kind, since here a resource is its spec.
//!
//! It reads what the daemon has, or, when none is running, what the registry's file says, so that `plan` and `status` of a
//! stopped cloud tell the truth without starting it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures::future::BoxFuture;
use futures::{FutureExt as _, TryFutureExt as _};
use hitctl_engine::{Cx, Driver, Fault, FieldDiff, Live, Node, Outputs, Owner};
use hitctl_resources::CodePackage;
use hitctl_resources::{FunctionSpec, PermissionSpec, Spec as _, TableSpec, Tags};
use serde_json::Value as Json;

use crate::client::{Client, unreachable};
use crate::protocol::{Resources, Stored};
use crate::state::{self, StateDir};
use crate::{code, registry};

/// The tags that say whose a resource is.
const OWNER_TAGS: [&str; 2] = ["hitctl:app", "hitctl:env"];

/// Reads and writes every kind of resource of one app and env in the local cloud.
pub struct LocalDriver {
    cloud: Cloud,
    tags: Tags,
    code: Option<CodePackage>,
    adopt: bool,
}

/// What is deployed in a cloud that is not running: what its registry's file says.
#[derive(Clone, Debug)]
pub struct Offline {
    dir: PathBuf,
    /// By kind and name.
    pub resources: Resources,
}

impl Offline {
    /// Reads it. Starts nothing and makes nothing.
    pub fn read(state_dir: &Path) -> Result<Self, Fault> {
        let resources = match StateDir::existing(state_dir)? {
            Some(dir) => {
                let mut resources = registry::peek(&dir)?;
                code::forget_missing(&mut resources, &dir.path().join(state::ZIPS));
                resources
            }
            None => BTreeMap::new(),
        };
        Ok(Self { dir: state_dir.to_owned(), resources })
    }
}

enum Cloud {
    /// A daemon is running.
    Online(Box<Client>),
    /// None is: what was deployed when it ran.
    Offline(Arc<Offline>),
}

impl LocalDriver {
    /// Works on a running cloud. `tags` are those that our resources carry; `code` is uploaded when a function wants it.
    pub fn new(client: Client, tags: Tags, code: Option<CodePackage>) -> Self {
        Self { cloud: Cloud::Online(Box::new(client)), tags, code, adopt: false }
    }

    /// Takes over resources of our names that are somebody else's.
    #[must_use]
    pub fn adopting(mut self, adopt: bool) -> Self {
        self.adopt = adopt;
        self
    }

    /// Reads what is deployed in a cloud that is not running; writes are refused.
    pub fn offline(cloud: Arc<Offline>, tags: Tags) -> Self {
        Self { cloud: Cloud::Offline(cloud), tags, code: None, adopt: false }
    }

    async fn get(&self, kind: &str, name: &str) -> Result<Option<Stored>, Fault> {
        match &self.cloud {
            Cloud::Online(client) => client.resource(kind, name).await,
            Cloud::Offline(cloud) => Ok(cloud.resources.get(kind).and_then(|names| names.get(name)).cloned()),
        }
    }

    fn client(&self) -> Result<&Client, Fault> {
        match &self.cloud {
            Cloud::Online(client) => Ok(client),
            Cloud::Offline(cloud) => Err(unreachable(&cloud.dir)),
        }
    }

    async fn put(&self, node: &Node, want: &Json) -> Result<Outputs, Fault> {
        let client = self.client()?;
        let kind = node.address.kind();
        if kind == FunctionSpec::KIND {
            let wanted = want["code_sha256"].as_str();
            if let Some(code) = self.code.as_ref().filter(|code| Some(code.sha256.as_str()) == wanted) {
                client.put_code(&code.sha256, &code.zip).await?;
            }
        }
        Ok(client.put_resource(kind, &self.key(node), want).await?.outputs)
    }

    async fn remove(&self, node: &Node, have: &Live) -> Result<(), Fault> {
        let client = self.client()?;
        let (kind, name) = (node.address.kind(), self.key(node));
        // The plan asked for the loss of the data, by name, before it got here; the protection is against everything else.
        if kind == TableSpec::KIND && have.spec["deletion_protection"] == Json::Bool(true) {
            let mut open = have.spec.clone();
            open["deletion_protection"] = Json::Bool(false);
            client.put_resource(kind, &name, &open).await?;
        }
        client.delete_resource(kind, &name).await
    }

    /// What a resource is called in the registry: its name, and for a statement, which is unique within its function
    /// only, the app and env before it.
    fn key(&self, node: &Node) -> String {
        if node.address.kind() == PermissionSpec::KIND {
            let [app, env] = OWNER_TAGS.map(|tag| self.tags.get(tag).map_or("", String::as_str));
            return format!("{app}-{env}:{}", node.name);
        }
        node.name.clone()
    }

    /// Whose a resource is, by its tags; a kind that takes none is ours by its name.
    fn owner(&self, spec: &Json) -> Owner {
        let Some(tags) = spec.get("tags") else { return Owner::Ours };
        let found = OWNER_TAGS.map(|tag| tags.get(tag).and_then(Json::as_str));
        let wanted = OWNER_TAGS.map(|tag| self.tags.get(tag).map(String::as_str));
        if found == wanted {
            return Owner::Ours;
        }
        match found {
            // What is taken over differs in its tags, and is changed like anything else that differs.
            _ if self.adopt => Owner::Ours,
            [Some(app), Some(env)] => Owner::Other(format!("app {app}, env {env}")),
            _ => Owner::Other("untagged".to_owned()),
        }
    }
}

impl Driver for LocalDriver {
    fn read<'a>(&'a self, _cx: &'a Cx, node: &'a Node) -> BoxFuture<'a, Result<Option<Live>, Fault>> {
        async move {
            let stored = self.get(node.address.kind(), &self.key(node)).await;
            let stored = stored.map_err(|fault| about("read", node, fault))?;
            Ok(stored.map(|Stored { spec, outputs }| Live { owner: self.owner(&spec), spec, outputs }))
        }
        .boxed()
    }

    fn create<'a>(
        &'a self,
        _cx: &'a Cx,
        node: &'a Node,
        want: &'a Json,
    ) -> BoxFuture<'a, Result<Outputs, Fault>> {
        self.put(node, want).map_err(|fault| about("create", node, fault)).boxed()
    }

    fn update<'a>(
        &'a self,
        _cx: &'a Cx,
        node: &'a Node,
        _have: &'a Live,
        want: &'a Json,
        _fields: &'a [FieldDiff],
    ) -> BoxFuture<'a, Result<Outputs, Fault>> {
        self.put(node, want).map_err(|fault| about("update", node, fault)).boxed()
    }

    fn delete<'a>(&'a self, _cx: &'a Cx, node: &'a Node, have: &'a Live) -> BoxFuture<'a, Result<(), Fault>> {
        self.remove(node, have).map_err(|fault| about("delete", node, fault)).boxed()
    }
}

/// Every app and env that something of a cloud is tagged with, by name.
pub fn deployments(resources: &Resources) -> BTreeSet<(String, String)> {
    let all = resources.values().flat_map(BTreeMap::values);
    let tag = |stored: &Stored, name: &str| Some(stored.spec.get("tags")?.get(name)?.as_str()?.to_owned());
    all.filter_map(|stored| Some((tag(stored, OWNER_TAGS[0])?, tag(stored, OWNER_TAGS[1])?))).collect()
}

/// Says what was being done, and to what: what a broken connection says is the same for every call.
fn about(doing: &str, node: &Node, fault: Fault) -> Fault {
    let (kind, name) = (node.address.kind(), &node.name);
    let message = format!("failed to {doing} {kind} {name}: {}", fault.message);
    Fault { message, ..fault }
}
