//! The contract of every kind: a created resource reads back as wanted, and repeated calls succeed.

use futures::future::BoxFuture;
use hitctl_emulators::EmulatorKind;
use hitctl_engine::{Action, Address, Graph, Node, ObservedState, Owner};
use serde_json::Value as Json;

use crate::{gaps_of, test_app::TestApp};

/// A resource of one kind, its dependencies and its changes.
pub(crate) struct ConformanceCase {
    /// The dependencies of the resource.
    pub(crate) dependencies: Vec<Node>,
    /// The resource.
    pub(crate) node: Node,
    /// The successive changes of the resource. Most change one or two fields; the last one changes every field that can
    /// change.
    pub(crate) changes: Vec<CaseChange>,
    /// Counts the resources of this kind and name, without the driver.
    pub(crate) count: for<'a> fn(&'a TestApp) -> BoxFuture<'a, usize>,
    /// How another app sees the resource if it wants a resource with the same name.
    pub(crate) foreign_view: ForeignView,
}

/// A change of the resource or of its dependencies.
pub(crate) struct CaseChange {
    /// The name of the change in messages.
    pub(crate) label: &'static str,
    /// The resource after the change.
    pub(crate) node: Node,
    /// The dependencies that change together with the resource.
    pub(crate) dependencies: Vec<Node>,
}

impl CaseChange {
    /// Creates a change of the resource alone.
    pub(crate) fn new(label: &'static str, node: Node) -> Self {
        Self { label, node, dependencies: Vec::new() }
    }
}

/// How an app sees a resource that another app created with the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ForeignView {
    /// As the resource of another owner, because of its tags.
    OtherOwner,
    /// As missing, because resources of the kind are found by their tags or by another resource.
    Missing,
    /// As its own, because the kind has no tags. The owner of a dependency is checked instead.
    Ours,
}

impl ConformanceCase {
    /// Returns the graph with the dependencies, in which the resource should not exist.
    pub(crate) fn graph_without_resource(&self) -> Graph {
        let nodes = self.dependencies.iter().cloned().chain([self.node.clone().absent()]);
        Graph::new(nodes.collect()).unwrap()
    }

    /// Returns the graph with the resource.
    pub(crate) fn graph_with_resource(&self) -> Graph {
        Graph::new(self.dependencies.iter().cloned().chain([self.node.clone()]).collect()).unwrap()
    }

    /// Returns the graph with the changed resource.
    pub(crate) fn graph_after(&self, change: &CaseChange) -> Graph {
        let replacement =
            |node: &Node| change.dependencies.iter().find(|other| other.address == node.address).cloned();
        let dependencies =
            self.dependencies.iter().map(|node| replacement(node).unwrap_or_else(|| node.clone()));
        Graph::new(dependencies.chain([change.node.clone()]).collect()).unwrap()
    }

    /// Returns the largest change that the emulator does not reject.
    pub(crate) fn largest_change(&self, kind: Option<EmulatorKind>) -> &CaseChange {
        let is_accepted = |change: &&CaseChange| {
            !gaps_of(self.node.address.kind()).iter().any(|gap| gap.rejects_change(kind, change.label))
        };
        self.changes.iter().rfind(is_accepted).expect("every emulator accepts a change")
    }
}

/// Creates, changes and deletes the resource of a case in a new app, and checks after each step.
pub(crate) async fn assert_conformance(
    kind: EmulatorKind,
    name: &str,
    case: fn(&TestApp) -> ConformanceCase,
) {
    let app = TestApp::new(kind, name);
    let case = case(&app);
    assert_conformance_in(&app, &case).await;
}

/// Creates, changes and deletes the resource of a case in the given app, and checks after each step.
pub(crate) async fn assert_conformance_in(app: &TestApp, case: &ConformanceCase) {
    let (kind, address) = (app.kind(), &case.node.address);
    let gaps = gaps_of(address.kind());
    let mut dropped_fields = Vec::new();

    app.deploy(&case.graph_without_resource()).await;
    assert_eq!(app.read(&case.graph_with_resource(), address).await, None, "it does not exist at first");
    assert_eq!((case.count)(app).await, 0);

    app.deploy(&case.graph_with_resource()).await;
    dropped_fields.extend(assert_converged(app, &case.graph_with_resource(), address, "created").await);
    app.create_again(&case.graph_with_resource(), address).await;
    assert_eq!((case.count)(app).await, 1, "a second creation makes no second resource");
    assert_converged(app, &case.graph_with_resource(), address, "created again").await;
    assert_foreign_view(app, case).await;

    for change in &case.changes {
        let graph = case.graph_after(change);
        let (_, plan) = app.plan(&graph).await;
        let planned = plan.change(address).unwrap();
        assert!(
            matches!(planned.action, Action::Update | Action::Replace),
            "{}: {:?}",
            change.label,
            planned.action
        );
        if gaps.iter().any(|gap| gap.rejects_change(kind, change.label)) {
            let succeeded = app.deploys_without_retry(&graph).await;
            assert!(!succeeded, "{kind:?} now accepts the change {:?}: remove its gap", change.label);
            continue;
        }
        app.deploy(&graph).await;
        dropped_fields.extend(assert_converged(app, &graph, address, change.label).await);
        assert_eq!((case.count)(app).await, 1, "{}", change.label);
    }

    let have = app.read(&case.graph_with_resource(), address).await.unwrap();
    app.deploy(&case.graph_without_resource().allow_data_deletion()).await;
    assert_eq!(app.read(&case.graph_with_resource(), address).await, None, "deleted");
    assert_eq!((case.count)(app).await, 0);
    app.delete_again(&case.graph_with_resource(), address, &have).await;
    app.deploy(&case.graph_with_resource().all_absent().allow_data_deletion()).await;

    // A gap that is no longer needed would hide a regression.
    for gap in gaps {
        if let crate::Gap::DropsField { emulator, field, .. } = gap {
            let needed = dropped_fields.iter().any(|field: &String| gap.drops_field(kind, field));
            assert!(
                Some(*emulator) != kind || needed,
                "{kind:?} now stores {field} of {address}: remove its gap"
            );
        }
    }
}

/// Asserts that the live resource is ours and as wanted, and that the plan is empty. Returns the fields that differ
/// because the emulator does not store them.
async fn assert_converged(app: &TestApp, graph: &Graph, address: &Address, step: &str) -> Vec<String> {
    let (live, plan) = app.plan(graph).await;
    let kind = app.kind();
    let live: &ObservedState =
        live.observed(address).unwrap_or_else(|| panic!("{kind:?}: {address} does not exist ({step})"));
    let want: Json = app.wanted_spec(graph, address).await;
    let pending = app.pending_changes(&plan);
    assert!(pending.is_empty(), "{kind:?}: pending changes ({step}): {pending:#?}");
    assert_eq!(live.owner, Owner::Ours, "{kind:?}: {step}");
    let differences =
        hitctl_engine::diff(&live.spec, &want, &|_| false, &hitctl_engine::SecretMask::default());
    if differences.is_empty() {
        // The diff treats a missing field as null; a spec must be read back completely.
        assert_eq!(live.spec, want, "{kind:?}: {step}");
    }
    differences.into_iter().map(|diff| diff.field).collect()
}

/// Asserts how another app sees the resource. If it sees the resource of another owner, asserts that it can adopt the
/// resource.
async fn assert_foreign_view(app: &TestApp, case: &ConformanceCase) {
    let address = &case.node.address;
    let other = app.other_app();
    let observed = other.read(&case.graph_with_resource(), address).await;
    match (case.foreign_view, observed.map(|live| live.owner)) {
        (ForeignView::Missing, None) | (ForeignView::Ours, Some(Owner::Ours)) => {}
        (ForeignView::OtherOwner, Some(Owner::Other(owner))) => {
            assert_eq!(owner, format!("app {}, env test", app.app_name));
            let mut other = other;
            other.adopt = true;
            let observed = other.read(&case.graph_with_resource(), address).await.unwrap();
            assert_eq!(observed.owner, Owner::Ours, "adopted");
        }
        (want, found) => {
            panic!("{:?}: another app sees {address} as {found:?}, expected {want:?}", app.kind())
        }
    }
}
