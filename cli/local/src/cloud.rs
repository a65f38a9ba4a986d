//! Resources brought to life: what each kind does when it is put, deleted and restored after a start.
//!
//! A change is made in the world first, then written to the registry, then acknowledged. When the registry cannot be
//! written, the world is put back. So whatever was acknowledged comes back after a SIGKILL, and what was not is either
//! done or not, which the next put settles: every put may be made again.

mod events;
mod queues;

use std::sync::{Arc, Mutex};

use hitctl_engine::{Fault, Outputs};
use hitctl_resources::{
    EventInvokeConfigSpec, EventRuleSpec, EventSourceMappingSpec, FunctionSpec, FunctionUrlSpec, HttpApiSpec,
    KINDS, LogGroupSpec, PermissionSpec, QueueSpec, RoleSpec, Spec, TableSpec,
};
use serde_json::Value as Json;

use crate::blocking::blocking;
use crate::bus::Bus;
use crate::cloudfront::CloudFront;
use crate::code::{self, CodeStore};
use crate::constants::{ACCOUNT, REGION};
use crate::fault::in_full;
use crate::gateway::{Door, Gateway};
use crate::ids::letters;
use crate::lambda::Runner;
use crate::lock::lock;
use crate::logs::Logs;
use crate::mapping::Mappings;
use crate::queue::Queues;
use crate::registry::{Entry, Registry};
use crate::state::StateDir;
use crate::table::Tables;
use crate::{inventory, ports};

/// The cloud, as one.
pub(crate) struct Cloud {
    pub(crate) dir: StateDir,
    pub(crate) registry: Registry,
    pub(crate) tables: Tables,
    pub(crate) queues: Queues,
    pub(crate) mappings: Mappings,
    pub(crate) bus: Bus,
    pub(crate) cloudfront: CloudFront,
    pub(crate) runner: Runner,
    pub(crate) gateway: Gateway,
    pub(crate) logs: Logs,
    pub(crate) code: CodeStore,
    /// One change at a time: they are short, and what they do to each other stays simple.
    pub(crate) changing: tokio::sync::Mutex<()>,
    pub(crate) notices: Mutex<Vec<String>>,
}

impl Cloud {
    /// Makes a resource, or changes it to what is wanted.
    pub(crate) async fn put(self: &Arc<Self>, kind: &str, name: &str, spec: Json) -> Result<Entry, Fault> {
        let _one = self.changing.lock().await;
        let old = self.registry.get(kind, name);
        let entry = self.bring(kind, name, spec, old.as_ref()).await?;
        if let Err(fault) = self.register(kind, name, entry.clone()).await {
            self.undo(kind, name, old).await;
            return Err(fault);
        }
        self.forget_notices_of(kind, name);
        self.collect().await;
        Ok(entry)
    }

    /// Returns the spec of a resource as callers see it. A function whose code is missing or damaged has none: it then
    /// differs from any spec that is wanted, so that the next deploy uploads the code and puts the function again.
    pub(crate) async fn reported(&self, kind: &str, name: &str, mut spec: Json) -> Json {
        if kind == FunctionSpec::KIND && !self.runner.has_intact_code(name).await {
            code::forget(&mut spec);
        }
        spec
    }

    /// Removes a resource; one that is not there is fine.
    pub(crate) async fn delete(self: &Arc<Self>, kind: &str, name: &str) -> Result<(), Fault> {
        known(kind)?;
        let _one = self.changing.lock().await;
        let Some(old) = self.registry.get(kind, name) else { return Ok(()) };
        if inventory::is_kept(kind) {
            // Killed after this, the daemon does not miss what it had deleted already when it starts again.
            self.register(kind, name, Entry { deleting: true, ..old.clone() }).await?;
        }
        if let Err(fault) = self.end(kind, name, &old).await {
            // What cannot be written now only leaves the mark, and the next put takes that away.
            drop(self.register(kind, name, old).await);
            return Err(fault);
        }
        let (kind, name) = (kind.to_owned(), name.to_owned());
        self.on_disk(move |cloud| cloud.registry.remove(&kind, &name)).await
    }

    /// Does work that waits for the disk.
    async fn on_disk<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        let this = Arc::clone(self);
        blocking(move || work(&this)).await
    }

    async fn register(self: &Arc<Self>, kind: &str, name: &str, entry: Entry) -> Result<(), Fault> {
        let (kind, name) = (kind.to_owned(), name.to_owned());
        self.on_disk(move |cloud| cloud.registry.put(&kind, &name, entry)).await
    }

    /// Brings back everything that the registry has. What fails is said in the status, and does not stop the rest.
    pub(crate) async fn restore(self: &Arc<Self>) {
        for kind in KINDS {
            for (name, old) in self.registry.of_kind(kind) {
                let brought = self.bring(kind, &name, old.spec.clone(), Some(&old)).await;
                let kept = match brought {
                    Ok(entry) if entry != old => {
                        if entry.port != old.port {
                            let url = |entry: &Entry| entry.outputs.get("url").cloned().unwrap_or_default();
                            self.notice(format!(
                                "{kind} {name} moved from {} to {}: another program has its port",
                                url(&old),
                                url(&entry)
                            ));
                        }
                        self.registry.put(kind, &name, entry)
                    }
                    Ok(_) => Ok(()),
                    Err(fault) => Err(fault),
                };
                if let Err(fault) = kept {
                    self.notice(format!("{}: {}", lost_notice(kind, &name), in_full(&fault)));
                }
            }
        }
    }

    /// Says something to the user, in the status.
    pub(crate) fn notice(&self, text: String) {
        lock(&self.notices).push(text);
    }

    /// Takes back what was said of a resource that could not be brought back, once it is put again.
    fn forget_notices_of(&self, kind: &str, name: &str) {
        let lost = format!("{}: ", lost_notice(kind, name));
        lock(&self.notices).retain(|notice| !notice.starts_with(&lost));
    }

    /// Makes it so in the world. May be repeated.
    async fn bring(
        self: &Arc<Self>,
        kind: &str,
        name: &str,
        spec: Json,
        old: Option<&Entry>,
    ) -> Result<Entry, Fault> {
        named(kind, name)?;
        let mut port = None;
        let outputs = match kind {
            TableSpec::KIND => self.bring_table(name, parse(kind, name, &spec)?, old).await?,
            RoleSpec::KIND => bring_role(name, &parse(kind, name, &spec)?)?,
            LogGroupSpec::KIND => self.bring_log_group(name, &parse(kind, name, &spec)?).await,
            FunctionSpec::KIND => self.bring_function(name, &parse(kind, name, &spec)?).await?,
            HttpApiSpec::KIND => {
                let (outputs, at) = self.bring_http_api(name, &parse(kind, name, &spec)?, old).await?;
                port = Some(at);
                outputs
            }
            FunctionUrlSpec::KIND => {
                let spec: FunctionUrlSpec = parse(kind, name, &spec)?;
                // What it is called in its host name: the same as long as the function has its name.
                let id = format!("url-{name}");
                let at = self.bring_door(kind, name, &id, Door::Url(&spec), old).await?;
                port = Some(at);
                outputs(&[("url", format!("http://127.0.0.1:{at}"))])
            }
            QueueSpec::KIND => self.bring_queue(name, &parse(kind, name, &spec)?).await?,
            EventSourceMappingSpec::KIND => self.bring_mapping(name, &parse(kind, name, &spec)?, old).await?,
            EventRuleSpec::KIND => arn_and_name(self.bus.put_rule(name, parse(kind, name, &spec)?)?, name),
            EventInvokeConfigSpec::KIND => self.bring_invoke_config(name, &parse(kind, name, &spec)?)?,
            PermissionSpec::KIND => self.bring_permission(name, &parse(kind, name, &spec)?, old)?,
            _ => return Err(unknown(kind)),
        };
        Ok(Entry { spec, outputs, port, deleting: false })
    }

    async fn bring_table(
        self: &Arc<Self>,
        name: &str,
        spec: TableSpec,
        old: Option<&Entry>,
    ) -> Result<Outputs, Fault> {
        let old: Option<TableSpec> = old.and_then(|old| serde_json::from_value(old.spec.clone()).ok());
        let owned = name.to_owned();
        self.on_disk(move |cloud| cloud.tables.put(&owned, &spec, old.as_ref())).await?;
        Ok(arn_and_name(arn("dynamodb", &format!("table/{name}")), name))
    }

    async fn bring_log_group(self: &Arc<Self>, name: &str, spec: &LogGroupSpec) -> Outputs {
        let (this, owned, days) = (Arc::clone(self), name.to_owned(), spec.retention_days);
        drop(tokio::task::spawn_blocking(move || this.logs.keep(&owned, days)).await);
        arn_and_name(arn("logs", &format!("log-group:{name}")), name)
    }

    async fn bring_function(self: &Arc<Self>, name: &str, spec: &FunctionSpec) -> Result<Outputs, Fault> {
        let sha256 = spec.code_sha256.clone();
        self.on_disk(move |cloud| Ok(cloud.code.verify(&sha256))).await?.map_err(|why| {
            Fault::fatal("code_missing", format!("the code of the function {name} is not here"))
                .caused_by(why)
                .hinted("run `hitctl deploy --env local`, which uploads it")
        })?;
        self.runner.put(name, spec).await?;
        Ok(arn_and_name(arn("lambda", &format!("function:{name}")), name))
    }

    async fn bring_http_api(
        &self,
        name: &str,
        spec: &HttpApiSpec,
        old: Option<&Entry>,
    ) -> Result<(Outputs, u16), Fault> {
        let api_id = match old.and_then(|old| old.outputs.get("api_id")) {
            Some(id) => id.clone(),
            // As API Gateway picks them.
            None => letters::<10>(b"abcdefghijklmnopqrstuvwxyz0123456789")?,
        };
        let port = self.bring_door(HttpApiSpec::KIND, name, &api_id, Door::Api(spec), old).await?;
        let url = format!("http://127.0.0.1:{port}");
        let call_arn = arn("execute-api", &format!("{api_id}/*/*"));
        let known = [("api_id", api_id), ("call_arn", call_arn), ("name", name.to_owned()), ("url", url)];
        Ok((outputs(&known), port))
    }

    /// Opens a way in, on the port that it had or the one that its name gives it.
    async fn bring_door(
        &self,
        kind: &str,
        name: &str,
        id: &str,
        door: Door<'_>,
        old: Option<&Entry>,
    ) -> Result<u16, Fault> {
        let key = format!("{kind}/{name}");
        let first = old.and_then(|old| old.port).unwrap_or_else(|| ports::preferred(self.dir.path(), &key));
        // Asking for the port that it has already is no conflict with itself.
        match self.gateway.put(&key, id, door, Some(first)).await {
            Ok(port) => Ok(port),
            Err(_) => self.gateway.put(&key, id, door, ports::free(first)).await,
        }
    }

    /// Takes it out of the world. May be repeated.
    async fn end(self: &Arc<Self>, kind: &str, name: &str, old: &Entry) -> Result<(), Fault> {
        match kind {
            TableSpec::KIND => {
                let name = name.to_owned();
                self.on_disk(move |cloud| cloud.tables.delete(&name)).await?;
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
            PermissionSpec::KIND => self.end_permission(name, old),
            _ => {}
        }
        Ok(())
    }

    /// After a change that could not be kept: back to what the registry says. A table's items are never touched by it.
    async fn undo(self: &Arc<Self>, kind: &str, name: &str, old: Option<Entry>) {
        let back = match old {
            Some(old) => self.bring(kind, name, old.spec.clone(), Some(&old)).await.map(drop),
            None if kind == TableSpec::KIND => Ok(()),
            None => {
                let nothing =
                    Entry { spec: Json::Null, outputs: Outputs::new(), port: None, deleting: false };
                self.end(kind, name, &nothing).await
            }
        };
        if let Err(fault) = back {
            self.notice(format!("{kind} {name} is not as the registry says: {}", fault.message));
        }
    }

    async fn collect(self: &Arc<Self>) {
        let this = Arc::clone(self);
        drop(tokio::task::spawn_blocking(move || this.code.collect(&this.registry.code_in_use())).await);
    }
}

fn bring_role(name: &str, spec: &RoleSpec) -> Result<Outputs, Fault> {
    if !spec.trusted_service.ends_with(".amazonaws.com") {
        return Err(invalid("role", name, "its trusted service is none of AWS's"));
    }
    if spec.statements.iter().any(|statement| statement.actions.is_empty() || statement.resources.is_empty())
    {
        return Err(invalid("role", name, "a statement needs actions and resources"));
    }
    Ok(arn_and_name(format!("arn:aws:iam::{ACCOUNT}:role/{name}"), name))
}

fn parse<S: Spec>(kind: &str, name: &str, spec: &Json) -> Result<S, Fault> {
    serde_json::from_value(spec.clone()).map_err(|error| invalid(kind, name, &error.to_string()))
}

fn invalid(kind: &str, name: &str, why: &str) -> Fault {
    Fault::fatal("invalid_request", format!("the spec of {kind} {name} is not valid")).caused_by(why)
}

fn unknown(kind: &str) -> Fault {
    Fault::fatal("unknown_kind", format!("the local cloud has no resources of kind {kind:?}"))
        .caused_by(format!("it knows {}", KINDS.join(", ")))
        .hinted("run `hitctl local stop`, then the command again: the daemon may be of an older program")
}

fn lost_notice(kind: &str, name: &str) -> String {
    format!("{kind} {name} was not brought back")
}

fn known(kind: &str) -> Result<(), Fault> {
    if KINDS.contains(&kind) { Ok(()) } else { Err(unknown(kind)) }
}

/// Names become part of file names, ARNs and URLs.
fn named(kind: &str, name: &str) -> Result<(), Fault> {
    known(kind)?;
    let max = if kind == LogGroupSpec::KIND { 512 } else { 255 };
    if name.is_empty() || name.len() > max || !name.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(invalid(kind, name, &format!("a name has 1 to {max} visible ASCII characters")));
    }
    Ok(())
}

fn arn(service: &str, resource: &str) -> String {
    format!("arn:aws:{service}:{REGION}:{ACCOUNT}:{resource}")
}

/// The id of the HTTP API whose calls an ARN stands for.
fn api_of(source_arn: &str) -> Option<&str> {
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
