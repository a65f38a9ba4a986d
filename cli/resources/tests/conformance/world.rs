//! An app of a name of its own in one of the emulators, or in memory, and how it is deployed there: by the engine, as `hitctl
//! deploy` does.

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
use hitctl_emulators::{Emulator, Kind};
use hitctl_engine::{
    Address, Cx, Drivers, Event, Graph, Live, Node, Outcome, Outputs, Plan, Sink, Snapshot, apply, plan,
    survey,
};
use hitctl_resources::aws::Aws;
use hitctl_resources::{CodePackage, Place, REGISTRY, Registry, Tags};
use serde_json::Value as Json;
use sha2::{Digest as _, Sha256};
use tokio_util::sync::CancellationToken;

use crate::{Gap, gaps_of};

/// The env of every app here.
const ENV: &str = "test";

/// One app in one emulator, or in memory.
pub(crate) struct World {
    /// The emulator; `None` for kinds whose drivers need none.
    emulator: Option<&'static Emulator>,
    /// The kinds that it is made of.
    registry: Registry<'static>,
    /// What the app is called.
    pub(crate) app: String,
    /// Whether resources of somebody else are taken over.
    pub(crate) adopt: bool,
    codes: Vec<CodePackage>,
    /// Holds the zips.
    _place: Arc<tempfile::TempDir>,
}

impl World {
    /// An app that nobody else has, in the emulator of this process.
    pub(crate) fn new(kind: impl Into<Option<Kind>>, about: &str) -> Self {
        static APPS: AtomicUsize = AtomicUsize::new(0);
        let place = tempfile::tempdir().unwrap();
        let codes = (0..3).map(|n| zip(place.path().join(format!("{n}.zip")), n)).collect();
        // MiniStack takes any path with "event-invoke-config" in it for a call about one: no function may be called so.
        let about = about.trim_end_matches("_config").replace('_', "-");
        let app = format!("{about}-{}", APPS.fetch_add(1, Ordering::Relaxed));
        let emulator = kind.into().map(Emulator::shared);
        Self { emulator, registry: REGISTRY, app, adopt: false, codes, _place: Arc::new(place) }
    }

    /// The same app, of these kinds.
    pub(crate) fn made_of(self, registry: Registry<'static>) -> Self {
        Self { registry, ..self }
    }

    /// An app of another name, of the same kinds and in the same cloud.
    pub(crate) fn stranger(&self) -> Self {
        Self::new(self.kind(), "stranger").made_of(self.registry)
    }

    /// Which emulator it is in, if any.
    pub(crate) fn kind(&self) -> Option<Kind> {
        self.emulator.map(Emulator::kind)
    }

    /// The endpoint of the emulator.
    pub(crate) fn endpoint(&self) -> &str {
        self.emulator.map_or("http://memory.invalid", Emulator::endpoint)
    }

    /// `{app}-{env}`.
    pub(crate) fn base(&self) -> String {
        names::base(&self.app, ENV)
    }

    /// The tags of everything that takes tags.
    pub(crate) fn tags(&self) -> Tags {
        names::tags(&self.app, ENV)
    }

    /// The tags, with one more.
    pub(crate) fn more_tags(&self, name: &str, value: &str) -> Tags {
        let mut tags = self.tags();
        tags.insert(name.to_owned(), value.to_owned());
        tags
    }

    /// SHA-256 of the n-th zip.
    pub(crate) fn code(&self, n: usize) -> String {
        self.codes[n].sha256.clone()
    }

    /// An ARN of the account.
    pub(crate) fn arn(&self, service: &str, resource: &str) -> String {
        self.aws(self.endpoint(), None).arn(service, resource)
    }

    /// The ARN of the role of the app.
    pub(crate) fn role_arn(&self) -> String {
        format!("arn:aws:iam::{}:role/{}", Emulator::ACCOUNT, self.base())
    }

    /// What SDK clients are made from.
    pub(crate) fn config(&self) -> SdkConfig {
        self.aws(self.endpoint(), None).config
    }

    /// The app, as the drivers see it by way of that endpoint.
    fn aws(&self, endpoint: &str, code: Option<CodePackage>) -> Aws {
        let credentials = Credentials::new("test", "test", None, None, "test");
        // As the deployer's, but for the pauses: an emulator is not spared by them.
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
            place: place(),
            tags: self.tags(),
            code,
            called_at_the_end: false,
            // No request is on its way.
            drain: Duration::ZERO,
            adopt: self.adopt,
        }
    }

    /// The drivers for such a graph: the code that they send is the one that it names.
    fn drivers(&self, endpoint: &str, graph: &Graph) -> Drivers {
        let text = serde_json::to_string(graph).unwrap();
        let code = self.codes.iter().find(|code| text.contains(&code.sha256)).cloned();
        self.registry.drivers(&Arc::new(self.aws(endpoint, code)))
    }

    /// Reads what is live, and plans.
    pub(crate) async fn plan(&self, graph: &Graph) -> (Snapshot, Plan) {
        self.plan_by(self.endpoint(), graph).await.unwrap()
    }

    async fn plan_by(&self, endpoint: &str, graph: &Graph) -> Result<(Snapshot, Plan), String> {
        let drivers = self.drivers(endpoint, graph);
        let live = survey(graph, &drivers, &Sink::none(), &CancellationToken::new())
            .await
            .map_err(|error| format!("{error:#?}"))?;
        let plan = plan(graph, &live, &hitctl_engine::Mask::default()).map_err(|error| error.to_string())?;
        Ok((live, plan))
    }

    /// Plans, and carries it out: `hitctl deploy`, by way of that endpoint. `None`: what is live could not even be read.
    pub(crate) async fn deploy_by(&self, endpoint: &str, graph: &Graph) -> Option<Outcome> {
        let (_, plan) = self.plan_by(endpoint, graph).await.ok()?;
        let drivers = self.drivers(endpoint, graph);
        Some(apply(&plan, &drivers, &Sink::none(), &CancellationToken::new()).await)
    }

    /// Whether a deploy of it goes through without a second try: what an emulator refuses with an error of its own is taken
    /// for something that passes, and is not worth the wait here.
    pub(crate) async fn deploys_at_once(&self, graph: &Graph) -> bool {
        let (_, plan) = self.plan(graph).await;
        let stop = CancellationToken::new();
        let asked = stop.clone();
        let sink = Sink::new(move |event| {
            if matches!(event, Event::Waiting { .. }) {
                asked.cancel();
            }
        });
        apply(&plan, &self.drivers(self.endpoint(), graph), &sink, &stop).await.is_ok()
    }

    /// Deploys what can be deployed.
    #[track_caller]
    pub(crate) fn deploy(&self, graph: &Graph) -> impl Future<Output = ()> {
        let place = std::panic::Location::caller();
        async move {
            let outcome = self.deploy_by(self.endpoint(), graph).await.expect("it can be read");
            assert!(outcome.is_ok(), "{place}: {:?}: {:#?}", self.kind(), outcome.failed);
        }
    }

    /// What is live at an address.
    pub(crate) async fn read(&self, graph: &Graph, address: &Address) -> Option<Live> {
        self.plan(graph).await.0.live(address).cloned()
    }

    /// The wanted spec of a node, with every reference resolved.
    pub(crate) async fn wanted(&self, graph: &Graph, address: &Address) -> Json {
        let (live, _) = self.plan(graph).await;
        let outputs: BTreeMap<&Address, Outputs> =
            live.iter().filter_map(|(of, found)| Some((of, found?.outputs.clone()))).collect();
        let spec = graph.node(address).and_then(Node::spec).expect("it is wanted");
        let spec = hitctl_engine::resolve(spec, &|of| outputs.get(of));
        let unknown = hitctl_engine::references(&spec);
        assert!(unknown.is_empty(), "{unknown:?} are not there");
        spec
    }

    /// Makes a resource that is there already.
    pub(crate) async fn create_again(&self, graph: &Graph, address: &Address) {
        let want = self.wanted(graph, address).await;
        let drivers = self.drivers(self.endpoint(), graph);
        let node = graph.node(address).unwrap();
        let made = drivers.get(address.kind()).unwrap().create(&cx(address), node, &want).await;
        let live = self.read(graph, address).await.expect("it was there, and stays");
        // How old its lines are is only known by looking.
        let mut outputs = live.outputs;
        outputs.remove(hitctl_resources::OLDEST_MS);
        assert_eq!(made, Ok(outputs), "{:?}: {address} made again", self.kind());
    }

    /// Removes a resource that is gone already.
    pub(crate) async fn delete_again(&self, graph: &Graph, address: &Address, have: &Live) {
        let drivers = self.drivers(self.endpoint(), graph);
        let node = graph.node(address).unwrap();
        let gone = drivers.get(address.kind()).unwrap().delete(&cx(address), node, have).await;
        assert_eq!(gone, Ok(()), "{:?}: {address} deleted again", self.kind());
    }

    /// The fields of a plan that ask for a change, but for those that this emulator cannot hold.
    pub(crate) fn open(&self, plan: &Plan) -> Vec<String> {
        let mut open = Vec::new();
        for change in plan.changes.iter().filter(|change| change.action != hitctl_engine::Action::Keep) {
            let said = |what: &str| format!("{} {}: {what}", change.action.as_str(), change.address());
            let fields = change.fields.iter().filter(|diff| {
                !gaps_of(change.kind()).iter().any(|gap| gap.forgets(self.kind(), &diff.field))
            });
            let fields: Vec<_> = fields.map(|diff| said(&format!("{diff:?}"))).collect();
            match change.action {
                hitctl_engine::Action::Update => open.extend(fields),
                _ => open.push(said("")),
            }
        }
        open
    }
}

/// The account and region of every app.
pub(crate) fn place() -> Place {
    Place {
        partition: "aws".to_owned(),
        region: Emulator::REGION.to_owned(),
        account: Emulator::ACCOUNT.to_owned(),
        has_versions: true,
        endpoint: None,
    }
}

/// The surroundings of a call.
fn cx(address: &Address) -> Cx {
    Cx::new(address.clone(), Sink::none(), CancellationToken::new())
}

impl Gap {
    /// Whether that emulator cannot hold that field.
    pub(crate) fn forgets(&self, kind: Option<Kind>, field: &str) -> bool {
        matches!(self, Self::Forgets { by, field: forgotten, .. } if Some(*by) == kind
            && field.strip_prefix(forgotten).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '['])))
    }

    /// Whether that emulator refuses that change.
    pub(crate) fn refuses(&self, kind: Option<Kind>, what: &str) -> bool {
        matches!(self, Self::Refuses { by, change, .. } if Some(*by) == kind && *change == what)
    }
}

/// A zip with a `bootstrap`. It is never run here.
fn zip(file: PathBuf, n: usize) -> CodePackage {
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
