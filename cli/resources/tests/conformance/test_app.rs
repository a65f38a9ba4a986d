//! An app with a unique name in one of the emulators, or in memory. It is deployed by the engine, as with
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

/// The environment of every app here.
const ENV: &str = "test";

/// An app in one emulator, or in memory.
pub(crate) struct TestApp {
    /// The emulator; `None` for kinds whose drivers need none.
    emulator: Option<&'static Emulator>,
    /// The kinds that the app consists of.
    registry: KindRegistry<'static>,
    /// The name of the app.
    pub(crate) app_name: String,
    /// Whether to take over resources of somebody else.
    pub(crate) adopt: bool,
    codes: Vec<CodePackage>,
    /// The directory with the zips.
    _zip_dir: Arc<tempfile::TempDir>,
}

impl TestApp {
    /// Creates an app with a unique name in the emulator of this process.
    pub(crate) fn new(kind: impl Into<Option<EmulatorKind>>, about: &str) -> Self {
        static APPS: AtomicUsize = AtomicUsize::new(0);
        let zip_dir = tempfile::tempdir().unwrap();
        let codes = (0..3).map(|n| write_zip(zip_dir.path().join(format!("{n}.zip")), n)).collect();
        // MiniStack takes any path with "event-invoke-config" in it for a call about one, so no function may
        // have it in its name.
        let about = about.trim_end_matches("_config").replace('_', "-");
        let app_name = format!("{about}-{}", APPS.fetch_add(1, Ordering::Relaxed));
        let emulator = kind.into().map(Emulator::shared);
        Self { emulator, registry: REGISTRY, app_name, adopt: false, codes, _zip_dir: Arc::new(zip_dir) }
    }

    /// Returns the same app with other kinds.
    pub(crate) fn with_registry(self, registry: KindRegistry<'static>) -> Self {
        Self { registry, ..self }
    }

    /// Creates an app of another name, with the same kinds and in the same cloud.
    pub(crate) fn other_app(&self) -> Self {
        Self::new(self.kind(), "stranger").with_registry(self.registry)
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

    /// Returns the tags with one more.
    pub(crate) fn tags_with(&self, name: &str, value: &str) -> Tags {
        let mut tags = self.tags();
        tags.insert(name.to_owned(), value.to_owned());
        tags
    }

    /// Returns the SHA-256 of the n-th zip.
    pub(crate) fn code_hash(&self, n: usize) -> String {
        self.codes[n].sha256.clone()
    }

    /// Returns an ARN of the account.
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

    /// Returns the account as the drivers see it through that endpoint.
    fn aws(&self, endpoint: &str, code: Option<CodePackage>) -> Aws {
        let credentials = Credentials::new("test", "test", None, None, "test");
        // The deployer's retries with shorter pauses, because an emulator needs none.
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
            // No requests are in flight.
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

    /// Surveys the live resources and plans.
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

    /// Plans and applies, as `hitctl deploy` does, through that endpoint. Returns `None` if the survey
    /// failed.
    pub(crate) async fn deploy_through(&self, endpoint: &str, graph: &Graph) -> Option<ApplyOutcome> {
        let (_, plan) = self.plan_through(endpoint, graph).await.ok()?;
        let drivers = self.drivers(endpoint, graph);
        Some(apply(&plan, &drivers, &EventSink::none(), &CancellationToken::new()).await)
    }

    /// Whether a deploy succeeds without retries. An internal error of an emulator counts as transient, and
    /// waiting for it would take too long.
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

    /// Deploys, and panics on failures.
    #[track_caller]
    pub(crate) fn deploy(&self, graph: &Graph) -> impl Future<Output = ()> {
        let caller = std::panic::Location::caller();
        async move {
            let outcome = self.deploy_through(self.endpoint(), graph).await.expect("it can be read");
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
        let spec = graph.node(address).and_then(Node::spec).expect("it is wanted");
        let spec = hitctl_engine::resolve(spec, &|of| outputs.get(of));
        let unknown = hitctl_engine::dependencies(&spec);
        assert!(unknown.is_empty(), "{unknown:?} are not there");
        spec
    }

    /// Creates an existing resource again.
    pub(crate) async fn create_again(&self, graph: &Graph, address: &Address) {
        let want = self.wanted_spec(graph, address).await;
        let drivers = self.drivers(self.endpoint(), graph);
        let node = graph.node(address).unwrap();
        let created =
            drivers.get(address.kind()).unwrap().create(&driver_context(address), node, &want).await;
        let live = self.read(graph, address).await.expect("it was there, and stays");
        // Only a read returns the age of the log lines.
        let mut outputs = live.outputs;
        outputs.remove(hitctl_resources::OLDEST_MS);
        assert_eq!(created, Ok(outputs), "{:?}: {address} made again", self.kind());
    }

    /// Deletes a missing resource again.
    pub(crate) async fn delete_again(&self, graph: &Graph, address: &Address, have: &ObservedState) {
        let drivers = self.drivers(self.endpoint(), graph);
        let node = graph.node(address).unwrap();
        let deleted = drivers.get(address.kind()).unwrap().delete(&driver_context(address), node, have).await;
        assert_eq!(deleted, Ok(()), "{:?}: {address} deleted again", self.kind());
    }

    /// Returns the changes in a plan, except for fields that this emulator does not store.
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
    /// Whether that emulator does not store that field.
    pub(crate) fn drops_field(&self, kind: Option<EmulatorKind>, field: &str) -> bool {
        matches!(self, Self::DropsField { emulator, field: dropped, .. } if Some(*emulator) == kind
            && field.strip_prefix(dropped).is_some_and(|tail| tail.is_empty() || tail.starts_with(['.', '['])))
    }

    /// Whether that emulator refuses that change.
    pub(crate) fn rejects_change(&self, kind: Option<EmulatorKind>, label: &str) -> bool {
        matches!(self, Self::RejectsChange { emulator, change, .. } if Some(*emulator) == kind && *change == label)
    }
}

/// Creates a zip with a `bootstrap`. It never runs here.
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
