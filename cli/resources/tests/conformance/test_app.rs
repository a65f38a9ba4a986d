//! A test app with a unique name in one of the emulators or in memory. The engine deploys it in the same way as
//! `hitctl deploy`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_types::retry::RetryConfig;
use hitctl_config::names;
use hitctl_emulators::{Emulator, EmulatorKind};
use hitctl_engine::{
    Address, ApplyOutcome, DriverContext, Drivers, Event, EventSink, Graph, Node, ObservedState, Outputs,
    Plan, Snapshot, apply, plan, survey,
};
use hitctl_resources::aws::Aws;
use hitctl_resources::{CloudLocation, CodePackage, KindRegistry, REGISTRY, Tags};
use serde_json::Value as Json;
use sha2::{Digest as _, Sha256};
use tokio_util::sync::CancellationToken;

use crate::{Gap, gaps_of};

/// The environment of every test app.
const ENV: &str = "test";

/// An app in one emulator, or in memory.
pub(crate) struct TestApp {
    /// The emulator; `None` if the drivers need no emulator.
    emulator: Option<&'static Emulator>,
    /// The kinds that the app can deploy.
    registry: KindRegistry<'static>,
    /// The name of the app.
    pub(crate) app_name: String,
    /// Whether to take over resources of another owner.
    pub(crate) adopt: bool,
    codes: Vec<CodePackage>,
    /// The directory with the zips.
    _zip_dir: Arc<tempfile::TempDir>,
}

impl TestApp {
    /// Creates an app in the emulator of this process. Its unique name begins with `name_prefix`.
    pub(crate) fn new(kind: impl Into<Option<EmulatorKind>>, name_prefix: &str) -> Self {
        static APPS: AtomicUsize = AtomicUsize::new(0);
        let zip_dir = tempfile::tempdir().unwrap();
        let codes = (0..3).map(|n| write_zip(zip_dir.path().join(format!("{n}.zip")), n)).collect();
        // MiniStack treats any request with "event-invoke-config" in its path as a call for such a configuration, so no
        // function may have this text in its name.
        let name_prefix = name_prefix.trim_end_matches("_config").replace('_', "-");
        let app_name = format!("{name_prefix}-{}", APPS.fetch_add(1, Ordering::Relaxed));
        let emulator = kind.into().map(Emulator::shared);
        Self { emulator, registry: REGISTRY, app_name, adopt: false, codes, _zip_dir: Arc::new(zip_dir) }
    }

    /// Returns the app with another registry of kinds.
    pub(crate) fn with_registry(self, registry: KindRegistry<'static>) -> Self {
        Self { registry, ..self }
    }

    /// Creates an app with another name, with the same kinds and in the same emulator.
    pub(crate) fn other_app(&self) -> Self {
        Self::new(self.kind(), "other").with_registry(self.registry)
    }

    /// Returns the kind of emulator, if there is one.
    pub(crate) fn kind(&self) -> Option<EmulatorKind> {
        self.emulator.map(Emulator::kind)
    }

    /// Returns the endpoint of the emulator.
    pub(crate) fn endpoint(&self) -> &str {
        self.emulator.map_or("http://memory.invalid", Emulator::endpoint)
    }

    /// Returns `{app}-{env}`.
    pub(crate) fn base(&self) -> String {
        names::base_name(&self.app_name, ENV)
    }

    /// Returns the tags of the app's resources.
    pub(crate) fn tags(&self) -> Tags {
        names::tags(&self.app_name, ENV)
    }

    /// Returns the tags of the app's resources with one additional tag.
    pub(crate) fn tags_with(&self, name: &str, value: &str) -> Tags {
        let mut tags = self.tags();
        tags.insert(name.to_owned(), value.to_owned());
        tags
    }

    /// Returns the SHA-256 of the n-th zip.
    pub(crate) fn code_hash(&self, n: usize) -> String {
        self.codes[n].sha256.clone()
    }

    /// Returns the ARN of a resource in the account.
    pub(crate) fn arn(&self, service: &str, resource: &str) -> String {
        self.aws(self.endpoint(), None).arn(service, resource)
    }

    /// Returns the ARN of the app's role.
    pub(crate) fn role_arn(&self) -> String {
        format!("arn:aws:iam::{}:role/{}", Emulator::ACCOUNT, self.base())
    }

    /// Returns the configuration for SDK clients.
    pub(crate) fn config(&self) -> SdkConfig {
        self.aws(self.endpoint(), None).config
    }

    /// Returns the account for drivers that use the given endpoint.
    fn aws(&self, endpoint: &str, code: Option<CodePackage>) -> Aws {
        let credentials = Credentials::new("test", "test", None, None, "test");
        // The retries of the deployer, but with a short delay, because an emulator needs no longer one.
        let retries = RetryConfig::standard().with_initial_backoff(Duration::from_millis(10));
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(Emulator::REGION))
            .endpoint_url(endpoint)
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .retry_config(retries)
            .build();
        Aws {
            config,
            location: cloud_location(),
            tags: self.tags(),
            code,
            smoke_tested: false,
            // No HTTP API receives requests in these tests.
            drain: Duration::ZERO,
            adopt: self.adopt,
        }
    }

    /// Returns the drivers for a graph. They upload the code whose hash is in the graph.
    fn drivers(&self, endpoint: &str, graph: &Graph) -> Drivers {
        let text = serde_json::to_string(graph).unwrap();
        let code = self.codes.iter().find(|code| text.contains(&code.sha256)).cloned();
        self.registry.drivers(&Arc::new(self.aws(endpoint, code)))
    }

    /// Reads the live resources, and plans the changes that lead to the graph.
    pub(crate) async fn plan(&self, graph: &Graph) -> (Snapshot, Plan) {
        self.plan_through(self.endpoint(), graph).await.unwrap()
    }

    async fn plan_through(&self, endpoint: &str, graph: &Graph) -> Result<(Snapshot, Plan), String> {
        let drivers = self.drivers(endpoint, graph);
        let live = survey(graph, &drivers, &EventSink::none(), &CancellationToken::new())
            .await
            .map_err(|error| format!("{error:#?}"))?;
        let plan =
            plan(graph, &live, &hitctl_engine::SecretMask::default()).map_err(|error| error.to_string())?;
        Ok((live, plan))
    }

    /// Plans and applies the graph through the given endpoint, as `hitctl deploy` does. Returns `None` if planning
    /// failed.
    pub(crate) async fn deploy_through(&self, endpoint: &str, graph: &Graph) -> Option<ApplyOutcome> {
        let (_, plan) = self.plan_through(endpoint, graph).await.ok()?;
        let drivers = self.drivers(endpoint, graph);
        Some(apply(&plan, &drivers, &EventSink::none(), &CancellationToken::new()).await)
    }

    /// Whether a deploy succeeds without retries. Internal errors of an emulator count as transient, so retries would
    /// take too long.
    pub(crate) async fn deploys_without_retry(&self, graph: &Graph) -> bool {
        let (_, plan) = self.plan(graph).await;
        let stop = CancellationToken::new();
        let stop_on_wait = stop.clone();
        let sink = EventSink::new(move |event| {
            if matches!(event, Event::Waiting { .. }) {
                stop_on_wait.cancel();
            }
        });
        apply(&plan, &self.drivers(self.endpoint(), graph), &sink, &stop).await.is_ok()
    }

    /// Deploys the graph. Panics on failures.
    #[track_caller]
    pub(crate) fn deploy(&self, graph: &Graph) -> impl Future<Output = ()> {
        let caller = std::panic::Location::caller();
        async move {
            let outcome = self.deploy_through(self.endpoint(), graph).await.expect("planning succeeds");
            assert!(outcome.is_ok(), "{caller}: {:?}: {:#?}", self.kind(), outcome.failed);
        }
    }

    /// Returns the live resource at an address.
    pub(crate) async fn read(&self, graph: &Graph, address: &Address) -> Option<ObservedState> {
        self.plan(graph).await.0.observed(address).cloned()
    }

    /// Returns the wanted spec of a node, with every reference resolved.
    pub(crate) async fn wanted_spec(&self, graph: &Graph, address: &Address) -> Json {
        let (live, _) = self.plan(graph).await;
        let outputs: BTreeMap<&Address, Outputs> =
            live.iter().filter_map(|(of, found)| Some((of, found?.outputs.clone()))).collect();
        let spec = graph.node(address).and_then(Node::spec).expect("the graph has a spec for the address");
        let spec = hitctl_engine::resolve(spec, &|of| outputs.get(of));
        let unknown = hitctl_engine::dependencies(&spec);
        assert!(unknown.is_empty(), "{unknown:?} do not exist");
        spec
    }

    /// Creates an existing resource again.
    pub(crate) async fn create_again(&self, graph: &Graph, address: &Address) {
        let want = self.wanted_spec(graph, address).await;
        let drivers = self.drivers(self.endpoint(), graph);
        let node = graph.node(address).unwrap();
        let created =
            drivers.get(address.kind()).unwrap().create(&driver_context(address), node, &want).await;
        let live = self.read(graph, address).await.expect("the resource still exists");
        // Only a read returns this output.
        let mut outputs = live.outputs;
        outputs.remove(hitctl_resources::OLDEST_MS);
        assert_eq!(created, Ok(outputs), "{:?}: {address} created again", self.kind());
    }

    /// Deletes a resource that was already deleted.
    pub(crate) async fn delete_again(&self, graph: &Graph, address: &Address, have: &ObservedState) {
        let drivers = self.drivers(self.endpoint(), graph);
        let node = graph.node(address).unwrap();
        let deleted = drivers.get(address.kind()).unwrap().delete(&driver_context(address), node, have).await;
        assert_eq!(deleted, Ok(()), "{:?}: {address} deleted again", self.kind());
    }

    /// Describes the changes in a plan, except for fields that the emulator does not store.
    pub(crate) fn pending_changes(&self, plan: &Plan) -> Vec<String> {
        let mut pending = Vec::new();
        for change in plan.changes.iter().filter(|change| change.action != hitctl_engine::Action::Keep) {
            let describe =
                |detail: &str| format!("{} {}: {detail}", change.action.as_str(), change.address());
            let fields = change.fields.iter().filter(|diff| {
                !gaps_of(change.kind()).iter().any(|gap| gap.drops_field(self.kind(), &diff.field))
            });
            let fields: Vec<_> = fields.map(|diff| describe(&format!("{diff:?}"))).collect();
            match change.action {
                hitctl_engine::Action::Update => pending.extend(fields),
                _ => pending.push(describe("")),
            }
        }
        pending
    }
}

/// Returns the account and region of every app.
pub(crate) fn cloud_location() -> CloudLocation {
    CloudLocation {
        partition: "aws".to_owned(),
        region: Emulator::REGION.to_owned(),
        account: Emulator::ACCOUNT.to_owned(),
        has_versions: true,
        endpoint: None,
    }
}

/// Returns the context of a driver call.
fn driver_context(address: &Address) -> DriverContext {
    DriverContext::new(address.clone(), EventSink::none(), CancellationToken::new())
}

impl Gap {
    /// Whether the gap is that the emulator does not store the field.
    pub(crate) fn drops_field(&self, kind: Option<EmulatorKind>, field: &str) -> bool {
        matches!(self, Self::DropsField { emulator, field: dropped, .. } if Some(*emulator) == kind
            && field.strip_prefix(dropped).is_some_and(|tail| tail.is_empty() || tail.starts_with(['.', '['])))
    }

    /// Whether the gap is that the emulator rejects the change.
    pub(crate) fn rejects_change(&self, kind: Option<EmulatorKind>, label: &str) -> bool {
        matches!(self, Self::RejectsChange { emulator, change, .. } if Some(*emulator) == kind && *change == label)
    }
}

/// Writes a zip with a `bootstrap`, which no test runs. Zips with different `n` have different hashes.
fn write_zip(file: PathBuf, n: usize) -> CodePackage {
    use std::io::Write as _;
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default().unix_permissions(0o755);
    zip.start_file("bootstrap", options).unwrap();
    zip.write_all(format!("#!/bin/sh\nexit {n}\n").as_bytes()).unwrap();
    let bytes = zip.finish().unwrap().into_inner();
    std::fs::write(&file, &bytes).unwrap();
    let sha256 = hex::encode(Sha256::digest(&bytes));
    CodePackage { sha256, zip: file }
}
