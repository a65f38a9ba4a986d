//! What every kind promises: what was made is read back as it was wanted; what is done again is well; what is gone is gone.

use futures::future::BoxFuture;
use hitctl_emulators::Kind;
use hitctl_engine::{Action, Address, Graph, Live, Node, Owner};
use serde_json::Value as Json;

use crate::{gaps_of, world::World};

/// A resource of one kind, all that it needs, and its changes.
pub(crate) struct Case {
    /// What must be there first.
    pub(crate) before: Vec<Node>,
    /// The resource.
    pub(crate) node: Node,
    /// Its changes, one after the other, each a field or two. The last one differs from `node` in all that can be changed.
    pub(crate) changes: Vec<Change>,
    /// How many of it there are, by a look that is not the driver's.
    pub(crate) count: for<'a> fn(&'a World) -> BoxFuture<'a, usize>,
    /// How it looks to an app of another name that wants the same.
    pub(crate) foreign: Foreign,
}

/// A change of the resource, or of what it needs.
pub(crate) struct Change {
    /// What is changed, in words.
    pub(crate) what: &'static str,
    /// The resource as it is then.
    pub(crate) node: Node,
    /// What it needs, where that changes with it.
    pub(crate) before: Vec<Node>,
}

impl Change {
    /// A change of the resource alone.
    pub(crate) fn new(what: &'static str, node: Node) -> Self {
        Self { what, node, before: Vec::new() }
    }
}

/// How a resource looks to an app that did not make it, under whose name it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Foreign {
    /// As somebody else's: by its tags.
    Theirs,
    /// Not at all: it is found by its tags.
    Unseen,
    /// As its own: it takes no tags, and belongs to what is checked before it.
    Ours,
}

impl Case {
    /// What must be there first, alone; the resource is known, and unwanted.
    pub(crate) fn without(&self) -> Graph {
        let nodes = self.before.iter().cloned().chain([self.node.clone().absent()]);
        Graph::new(nodes.collect()).unwrap()
    }

    /// With the resource.
    pub(crate) fn with(&self) -> Graph {
        Graph::new(self.before.iter().cloned().chain([self.node.clone()]).collect()).unwrap()
    }

    /// With the resource changed.
    pub(crate) fn changed(&self, change: &Change) -> Graph {
        let instead = |node: &Node| change.before.iter().find(|other| other.address == node.address).cloned();
        let before = self.before.iter().map(|node| instead(node).unwrap_or_else(|| node.clone()));
        Graph::new(before.chain([change.node.clone()]).collect()).unwrap()
    }

    /// The change that changes most of all that this emulator does not refuse.
    pub(crate) fn largest(&self, kind: Option<Kind>) -> &Change {
        let refused = |change: &&Change| {
            !gaps_of(self.node.address.kind()).iter().any(|gap| gap.refuses(kind, change.what))
        };
        self.changes.iter().rfind(refused).expect("every emulator can do something")
    }
}

/// Makes, changes and removes one, and looks after each step.
pub(crate) async fn conform(kind: Kind, name: &str, case: fn(&World) -> Case) {
    let world = World::new(kind, name);
    let case = case(&world);
    conform_in(&world, &case).await;
}

/// Makes, changes and removes the resource of a case in that world, and looks after each step.
pub(crate) async fn conform_in(world: &World, case: &Case) {
    let (kind, at) = (world.kind(), &case.node.address);
    let gaps = gaps_of(at.kind());
    let mut forgotten = Vec::new();

    world.deploy(&case.without()).await;
    assert_eq!(world.read(&case.with(), at).await, None, "absent to begin with");
    assert_eq!((case.count)(world).await, 0);

    world.deploy(&case.with()).await;
    forgotten.extend(looks(world, &case.with(), at, "made").await);
    world.create_again(&case.with(), at).await;
    assert_eq!((case.count)(world).await, 1, "made again is made once");
    looks(world, &case.with(), at, "made again").await;
    strangers(world, case).await;

    for change in &case.changes {
        let graph = case.changed(change);
        let (_, plan) = world.plan(&graph).await;
        let planned = plan.change(at).unwrap();
        assert!(
            matches!(planned.action, Action::Update | Action::Replace),
            "{}: {:?}",
            change.what,
            planned.action
        );
        if gaps.iter().any(|gap| gap.refuses(kind, change.what)) {
            let done = world.deploys_at_once(&graph).await;
            assert!(!done, "{kind:?} can do {:?} by now: remove its gap", change.what);
            continue;
        }
        world.deploy(&graph).await;
        forgotten.extend(looks(world, &graph, at, change.what).await);
        assert_eq!((case.count)(world).await, 1, "{}", change.what);
    }

    let have = world.read(&case.with(), at).await.unwrap();
    world.deploy(&case.without().deleting_data()).await;
    assert_eq!(world.read(&case.with(), at).await, None, "gone");
    assert_eq!((case.count)(world).await, 0);
    world.delete_again(&case.with(), at, &have).await;
    world.deploy(&case.with().all_absent().deleting_data()).await;

    // An excuse that is no longer needed hides what breaks.
    for gap in gaps {
        if let crate::Gap::Forgets { by, field, .. } = gap {
            let needed = forgotten.iter().any(|one: &String| gap.forgets(kind, one));
            assert!(Some(*by) != kind || needed, "{kind:?} holds {field} of {at} by now: remove its gap");
        }
    }
}

/// Looks that what is live is what is wanted, and ours, and that nothing is left to do. The fields that differ are those
/// that this emulator cannot hold.
async fn looks(world: &World, graph: &Graph, at: &Address, when: &str) -> Vec<String> {
    let (live, plan) = world.plan(graph).await;
    let kind = world.kind();
    let live: &Live = live.live(at).unwrap_or_else(|| panic!("{kind:?}: no {at}, {when}"));
    let want: Json = world.wanted(graph, at).await;
    let open = world.open(&plan);
    assert!(open.is_empty(), "{kind:?}: left to do when {when}: {open:#?}");
    assert_eq!(live.owner, Owner::Ours, "{kind:?}: {when}");
    let differ = hitctl_engine::diff(&live.spec, &want, &[], &hitctl_engine::Mask::default());
    if differ.is_empty() {
        // The diff takes a missing field for null; a spec is to be read back whole.
        assert_eq!(live.spec, want, "{kind:?}: {when}");
    }
    differ.into_iter().map(|one| one.field).collect()
}

/// Looks at the resource through the eyes of an app of another name, which takes it over where it may.
async fn strangers(world: &World, case: &Case) {
    let at = &case.node.address;
    let other = world.stranger();
    let seen = other.read(&case.with(), at).await;
    match (case.foreign, seen.map(|live| live.owner)) {
        (Foreign::Unseen, None) | (Foreign::Ours, Some(Owner::Ours)) => {}
        (Foreign::Theirs, Some(Owner::Other(whose))) => {
            assert_eq!(whose, format!("app {}, env test", world.app));
            let mut other = other;
            other.adopt = true;
            let seen = other.read(&case.with(), at).await.unwrap();
            assert_eq!(seen.owner, Owner::Ours, "adopted");
        }
        (want, found) => panic!("{:?}: {at} looks to others like {found:?}, not {want:?}", world.kind()),
    }
}
