//! Creates, changes, removes and restores the resources of the local cloud. This module connects the services;
//! each service is a module of its own.

mod events;
mod queues;

use std::sync::{Arc, Mutex};

use hitctl_engine::{Fault, Outputs};
use hitctl_resources::{
    EventInvokeConfigSpec, EventRuleSpec, EventSourceMappingSpec, FunctionSpec, FunctionUrlSpec, HttpApiSpec,
    KINDS, LogGroupSpec, PermissionSpec, QueueSpec, RoleSpec, Spec, TableSpec,
};
use serde_json::Value as Json;

use crate::blocking::run_blocking;
use crate::bus::EventBuses;
use crate::cloudfront::CloudFront;
use crate::code::{self, CodeStore};
use crate::constants::{ACCOUNT, REGION};
use crate::fault::with_cause_and_hint;
use crate::gateway::{FrontendSpec, Gateway};
use crate::ids::random_string;
use crate::lambda::Runner;
use crate::lock::lock;
use crate::logs::Logs;
use crate::mapping::EventSourceMappings;
use crate::queue::Queues;
use crate::registry::{Registry, RegistryEntry};
use crate::state::StateDir;
use crate::table::Tables;
use crate::{inventory, ports};

/// All services of the local cloud.
///
/// A change is first applied to the service, then written to the registry, then acknowledged. If the registry
/// cannot be written, the change is rolled back. Every acknowledged change therefore survives a SIGKILL. A
/// change that was not acknowledged may or may not have happened, so every put can be repeated.
pub(crate) struct CloudServices {
    pub(crate) dir: StateDir,
    pub(crate) registry: Registry,
    pub(crate) tables: Tables,
    pub(crate) queues: Queues,
    pub(crate) mappings: EventSourceMappings,
    pub(crate) bus: EventBuses,
    pub(crate) cloudfront: CloudFront,
    pub(crate) runner: Runner,
    pub(crate) gateway: Gateway,
    pub(crate) logs: Logs,
    pub(crate) code: CodeStore,
    /// Locked while a resource changes. Changes are short, and only one at a time keeps the code simple.
    pub(crate) change_lock: tokio::sync::Mutex<()>,
    /// Notices for the user, shown in the status.
    pub(crate) notices: Mutex<Vec<String>>,
}

impl CloudServices {
    /// Creates or updates a resource.
    pub(crate) async fn put(
        self: &Arc<Self>,
        kind: &str,
        name: &str,
        spec: Json,
    ) -> Result<RegistryEntry, Fault> {
        let _guard = self.change_lock.lock().await;
        let old = self.registry.get(kind, name);
        let entry = self.apply(kind, name, spec, old.as_ref()).await?;
        if let Err(fault) = self.register(kind, name, entry.clone()).await {
            self.roll_back(kind, name, old).await;
            return Err(fault);
        }
        self.clear_restore_notices(kind, name);
        self.remove_unused_code().await;
        Ok(entry)
    }

    /// Returns the spec that is reported to clients. For a function whose code is missing or damaged, it has no
    /// code hash. It then differs from every desired spec, so the next deploy uploads the code and puts the
    /// function again.
    pub(crate) async fn reported_spec(&self, kind: &str, name: &str, mut spec: Json) -> Json {
        if kind == FunctionSpec::KIND && !self.runner.has_intact_code(name).await {
            code::clear_code_hash(&mut spec);
        }
        spec
    }

    /// Removes a resource. Succeeds if it does not exist.
    pub(crate) async fn delete(self: &Arc<Self>, kind: &str, name: &str) -> Result<(), Fault> {
        check_kind(kind)?;
        let _guard = self.change_lock.lock().await;
        let Some(old) = self.registry.get(kind, name) else { return Ok(()) };
        if inventory::has_data_file(kind) {
            // Mark the entry first. If the daemon is killed during the deletion, its next start does not expect
            // data that is already deleted.
            self.register(kind, name, RegistryEntry { deleting: true, ..old.clone() }).await?;
        }
        if let Err(fault) = self.remove(kind, name, &old).await {
            // Remove the mark. If this write fails, the mark remains until the next put.
            drop(self.register(kind, name, old).await);
            return Err(fault);
        }
        let (kind, name) = (kind.to_owned(), name.to_owned());
        self.run_blocking_on_self(move |cloud| cloud.registry.remove(&kind, &name)).await
    }

    /// Runs work that may wait for the disk, on a thread that may block.
    async fn run_blocking_on_self<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        let this = Arc::clone(self);
        run_blocking(move || work(&this)).await
    }

    async fn register(self: &Arc<Self>, kind: &str, name: &str, entry: RegistryEntry) -> Result<(), Fault> {
        let (kind, name) = (kind.to_owned(), name.to_owned());
        self.run_blocking_on_self(move |cloud| cloud.registry.put(&kind, &name, entry)).await
    }

    /// Restores every resource of the registry. A failure becomes a notice in the status, and the other
    /// resources are still restored.
    pub(crate) async fn restore(self: &Arc<Self>) {
        for kind in KINDS {
            for (name, old) in self.registry.entries_of_kind(kind) {
                let applied = self.apply(kind, &name, old.spec.clone(), Some(&old)).await;
                let result = match applied {
                    Ok(entry) if entry != old => {
                        if entry.port != old.port {
                            let url =
                                |entry: &RegistryEntry| entry.outputs.get("url").cloned().unwrap_or_default();
                            self.add_notice(format!(
                                "{kind} {name} moved from {} to {}: another program uses its port",
                                url(&old),
                                url(&entry)
                            ));
                        }
                        self.registry.put(kind, &name, entry)
                    }
                    Ok(_) => Ok(()),
                    Err(fault) => Err(fault),
                };
                if let Err(fault) = result {
                    self.add_notice(format!(
                        "{}: {}",
                        restore_failure_prefix(kind, &name),
                        with_cause_and_hint(&fault)
                    ));
                }
            }
        }
    }

    /// Adds a notice for the user to the status.
    pub(crate) fn add_notice(&self, text: String) {
        lock(&self.notices).push(text);
    }

    /// Removes the notice about a failed restore of a resource, because the resource is now put again.
    fn clear_restore_notices(&self, kind: &str, name: &str) {
        let prefix = format!("{}: ", restore_failure_prefix(kind, name));
        lock(&self.notices).retain(|notice| !notice.starts_with(&prefix));
    }

    /// Creates or updates a resource in its service. Can be repeated.
    async fn apply(
        self: &Arc<Self>,
        kind: &str,
        name: &str,
        spec: Json,
        old: Option<&RegistryEntry>,
    ) -> Result<RegistryEntry, Fault> {
        check_name(kind, name)?;
        let mut port = None;
        let outputs = match kind {
            TableSpec::KIND => self.apply_table(name, parse_spec(kind, name, &spec)?, old).await?,
            RoleSpec::KIND => apply_role(name, &parse_spec(kind, name, &spec)?)?,
            LogGroupSpec::KIND => self.apply_log_group(name, &parse_spec(kind, name, &spec)?).await,
            FunctionSpec::KIND => self.apply_function(name, &parse_spec(kind, name, &spec)?).await?,
            HttpApiSpec::KIND => {
                let (outputs, bound) =
                    self.apply_http_api(name, &parse_spec(kind, name, &spec)?, old).await?;
                port = Some(bound);
                outputs
            }
            FunctionUrlSpec::KIND => {
                let spec: FunctionUrlSpec = parse_spec(kind, name, &spec)?;
                // The `apiId` in events. It depends only on the function's name.
                let id = format!("url-{name}");
                let bound = self.bind_frontend(kind, name, &id, FrontendSpec::Url(&spec), old).await?;
                port = Some(bound);
                outputs(&[("url", format!("http://127.0.0.1:{bound}"))])
            }
            QueueSpec::KIND => self.apply_queue(name, &parse_spec(kind, name, &spec)?).await?,
            EventSourceMappingSpec::KIND => {
                self.apply_mapping(name, &parse_spec(kind, name, &spec)?, old).await?
            }
            EventRuleSpec::KIND => {
                arn_and_name(self.bus.put_rule(name, parse_spec(kind, name, &spec)?)?, name)
            }
            EventInvokeConfigSpec::KIND => self.apply_invoke_config(name, &parse_spec(kind, name, &spec)?)?,
            PermissionSpec::KIND => self.apply_permission(name, &parse_spec(kind, name, &spec)?, old)?,
            _ => return Err(unknown_kind(kind)),
        };
        Ok(RegistryEntry { spec, outputs, port, deleting: false })
    }

    async fn apply_table(
        self: &Arc<Self>,
        name: &str,
        spec: TableSpec,
        old: Option<&RegistryEntry>,
    ) -> Result<Outputs, Fault> {
        let old: Option<TableSpec> = old.and_then(|old| serde_json::from_value(old.spec.clone()).ok());
        let owned_name = name.to_owned();
        self.run_blocking_on_self(move |cloud| cloud.tables.put(&owned_name, &spec, old.as_ref())).await?;
        Ok(arn_and_name(arn("dynamodb", &format!("table/{name}")), name))
    }

    async fn apply_log_group(self: &Arc<Self>, name: &str, spec: &LogGroupSpec) -> Outputs {
        let (this, owned_name, days) = (Arc::clone(self), name.to_owned(), spec.retention_days);
        drop(tokio::task::spawn_blocking(move || this.logs.create_group(&owned_name, days)).await);
        arn_and_name(arn("logs", &format!("log-group:{name}")), name)
    }

    async fn apply_function(self: &Arc<Self>, name: &str, spec: &FunctionSpec) -> Result<Outputs, Fault> {
        let sha256 = spec.code_sha256.clone();
        self.run_blocking_on_self(move |cloud| Ok(cloud.code.verify(&sha256))).await?.map_err(|reason| {
            Fault::fatal("code_missing", format!("failed to verify the code of the function {name:?}"))
                .caused_by(reason)
                .hinted("run `hitctl deploy --env local` to upload it")
        })?;
        self.runner.put(name, spec).await?;
        Ok(arn_and_name(arn("lambda", &format!("function:{name}")), name))
    }

    async fn apply_http_api(
        &self,
        name: &str,
        spec: &HttpApiSpec,
        old: Option<&RegistryEntry>,
    ) -> Result<(Outputs, u16), Fault> {
        let api_id = match old.and_then(|old| old.outputs.get("api_id")) {
            Some(id) => id.clone(),
            // The same format as in API Gateway.
            None => random_string::<10>(b"abcdefghijklmnopqrstuvwxyz0123456789")?,
        };
        let port = self.bind_frontend(HttpApiSpec::KIND, name, &api_id, FrontendSpec::Api(spec), old).await?;
        let url = format!("http://127.0.0.1:{port}");
        let call_arn = arn("execute-api", &format!("{api_id}/*/*"));
        let pairs = [("api_id", api_id), ("call_arn", call_arn), ("name", name.to_owned()), ("url", url)];
        Ok((outputs(&pairs), port))
    }

    /// Binds an HTTP frontend to its former port, or to the port that is derived from its name.
    async fn bind_frontend(
        &self,
        kind: &str,
        name: &str,
        id: &str,
        frontend: FrontendSpec<'_>,
        old: Option<&RegistryEntry>,
    ) -> Result<u16, Fault> {
        let key = format!("{kind}/{name}");
        let preferred_port =
            old.and_then(|old| old.port).unwrap_or_else(|| ports::preferred(self.dir.path(), &key));
        // An update requests the port that the frontend already uses, which is not a conflict.
        match self.gateway.put(&key, id, frontend, Some(preferred_port)).await {
            Ok(port) => Ok(port),
            // The preferred port is not available.
            Err(_) => self.gateway.put(&key, id, frontend, ports::free(preferred_port)).await,
        }
    }

    /// Removes a resource from its service. Can be repeated.
    async fn remove(self: &Arc<Self>, kind: &str, name: &str, old: &RegistryEntry) -> Result<(), Fault> {
        match kind {
            TableSpec::KIND => {
                let name = name.to_owned();
                self.run_blocking_on_self(move |cloud| cloud.tables.delete(&name)).await?;
            }
            LogGroupSpec::KIND => {
                let (this, name) = (Arc::clone(self), name.to_owned());
                drop(tokio::task::spawn_blocking(move || this.logs.remove(&name)).await);
            }
            FunctionSpec::KIND => self.runner.delete(name).await,
            QueueSpec::KIND => self.queues.delete(name).await?,
            EventSourceMappingSpec::KIND => self.mappings.delete(name).await,
            HttpApiSpec::KIND | FunctionUrlSpec::KIND => {
                self.gateway.delete(&format!("{kind}/{name}")).await;
            }
            EventRuleSpec::KIND => self.bus.delete_rule(name),
            EventInvokeConfigSpec::KIND => self.bus.remove_invoke_config(name),
            PermissionSpec::KIND => self.remove_permission(name, old),
            // A role exists only in the registry.
            _ => {}
        }
        Ok(())
    }

    /// Applies the state in the registry again, after a change that could not be registered. Never deletes a
    /// table, because it may contain items.
    async fn roll_back(self: &Arc<Self>, kind: &str, name: &str, old: Option<RegistryEntry>) {
        let result = match old {
            Some(old) => self.apply(kind, name, old.spec.clone(), Some(&old)).await.map(drop),
            None if kind == TableSpec::KIND => Ok(()),
            None => {
                let empty =
                    RegistryEntry { spec: Json::Null, outputs: Outputs::new(), port: None, deleting: false };
                self.remove(kind, name, &empty).await
            }
        };
        if let Err(fault) = result {
            self.add_notice(format!("failed to roll back {kind} {name}: {}", fault.message));
        }
    }

    async fn remove_unused_code(self: &Arc<Self>) {
        let this = Arc::clone(self);
        drop(
            tokio::task::spawn_blocking(move || this.code.remove_unused(&this.registry.code_in_use())).await,
        );
    }
}

fn apply_role(name: &str, spec: &RoleSpec) -> Result<Outputs, Fault> {
    if !spec.trusted_service.ends_with(".amazonaws.com") {
        let reason = format!("trusted_service: expected a service of AWS, found {:?}", spec.trusted_service);
        return Err(invalid_spec("role", name, &reason));
    }
    if spec.statements.iter().any(|statement| statement.actions.is_empty() || statement.resources.is_empty())
    {
        return Err(invalid_spec(
            "role",
            name,
            "statements: expected actions and resources in every statement",
        ));
    }
    Ok(arn_and_name(format!("arn:aws:iam::{ACCOUNT}:role/{name}"), name))
}

fn parse_spec<S: Spec>(kind: &str, name: &str, spec: &Json) -> Result<S, Fault> {
    serde_json::from_value(spec.clone()).map_err(|error| invalid_spec(kind, name, &error.to_string()))
}

fn invalid_spec(kind: &str, name: &str, reason: &str) -> Fault {
    Fault::fatal("invalid_request", format!("the spec of {kind} {name} is not valid")).caused_by(reason)
}

fn unknown_kind(kind: &str) -> Fault {
    Fault::fatal("unknown_kind", format!("unknown resource kind {kind:?}"))
        .caused_by(format!("the local cloud supports {}", KINDS.join(", ")))
        .hinted("run `hitctl local stop`, then run the command again; the daemon may be an older version of hitctl")
}

fn restore_failure_prefix(kind: &str, name: &str) -> String {
    format!("failed to restore {kind} {name}")
}

fn check_kind(kind: &str) -> Result<(), Fault> {
    if KINDS.contains(&kind) { Ok(()) } else { Err(unknown_kind(kind)) }
}

/// Checks a name, because it becomes part of file names, ARNs and URLs.
fn check_name(kind: &str, name: &str) -> Result<(), Fault> {
    check_kind(kind)?;
    let max = if kind == LogGroupSpec::KIND { 512 } else { 255 };
    if name.is_empty() || name.len() > max || !name.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(invalid_spec(
            kind,
            name,
            &format!("expected a name of 1 to {max} visible ASCII characters"),
        ));
    }
    Ok(())
}

fn arn(service: &str, resource: &str) -> String {
    format!("arn:aws:{service}:{REGION}:{ACCOUNT}:{resource}")
}

/// Returns the id of the HTTP API in an `execute-api` ARN.
fn api_id_of(source_arn: &str) -> Option<&str> {
    let mut parts = source_arn.split(':').skip(2);
    let (service, resource) = (parts.next()?, parts.nth(2)?);
    (service == "execute-api").then(|| resource.split('/').next()).flatten()
}

fn arn_and_name(arn: String, name: &str) -> Outputs {
    outputs(&[("arn", arn), ("name", name.to_owned())])
}

fn outputs(pairs: &[(&str, String)]) -> Outputs {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
}
