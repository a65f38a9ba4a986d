//! Random wanted states: acyclic, with references of both sorts, and with unwanted resources.

use hitctl_engine::{Address, Graph, Keep, Node, Value};
use proptest::prelude::*;
use serde_json::{Map, Value as Json, json};

/// How many resources a world has, wanted or not.
pub(crate) const SIZE: usize = 8;

/// What every secret begins with.
pub(crate) const SECRET: &str = "hunter";

/// One resource. Those before it in the world are what it may need.
#[derive(Clone, Debug)]
pub(crate) struct Toy {
    wanted: bool,
    /// Whom it refers to (a bit each), and which of these by an id that the server picks.
    links: usize,
    by_id: usize,
    /// What it is made inside of: a field that cannot be changed.
    parent: Option<usize>,
    size: u8,
    shape: u8,
    secret: u8,
}

pub(crate) type World = Vec<Toy>;

pub(crate) fn world() -> impl Strategy<Value = World> {
    let toy = (
        prop::bool::weighted(0.8),
        any::<usize>(),
        any::<usize>(),
        any::<usize>(),
        prop::option::weighted(0.3, 0..SIZE),
        (0..3_u8, 0..2_u8, 0..3_u8),
    );
    let toy = toy.prop_map(|(wanted, some, others, by_id, parent, (size, shape, secret))| Toy {
        wanted,
        links: some & others,
        by_id,
        parent,
        size,
        shape,
        secret,
    });
    prop::collection::vec(toy, SIZE)
}

/// Its place, which is not in the order of the references.
pub(crate) fn address(at: usize) -> Address {
    Address::new("toy", &format!("n{}", at * 5 % SIZE))
}

pub(crate) fn name(at: usize) -> String {
    format!("app-{}", address(at))
}

/// Whether the resource holds data. Only later ones are made inside of something: what holds data, or is needed by what
/// does, would otherwise go down with a whole that it was inside of once. No plan can know of that, and no kind is so.
pub(crate) fn holds_data(at: usize) -> bool {
    (2..=LAST_HOLDER).contains(&at)
}

const LAST_HOLDER: usize = 3;

pub(crate) fn nodes(world: &World) -> Vec<Node> {
    let mut present: Vec<bool> = Vec::new();
    let mut nodes = Vec::new();
    for (at, toy) in world.iter().enumerate() {
        let refer = |to: usize| match toy.by_id >> to & 1 {
            1 => Value::output(address(to), "id"),
            _ => Value::known(address(to), name(to)),
        };
        let linked: Vec<usize> = (0..at).filter(|to| toy.links >> to & 1 == 1).collect();
        let parent = toy.parent.filter(|parent| *parent < at && at > LAST_HOLDER);
        let links: Map<String, Json> =
            linked.iter().map(|&to| (format!("to.{to}"), json!(refer(to)))).collect();
        let spec = json!({
            "links": links,
            "list": linked.iter().map(|&to| json!({"of": refer(to)})).collect::<Vec<_>>(),
            "parent": parent.map(refer),
            "size": toy.size,
            "shape": toy.shape,
            "env": {"PASSWORD": format!("{SECRET}-{at}-{}", toy.secret)},
        });
        let wanted = toy.wanted && linked.iter().chain(&parent).all(|&to| present[to]);
        present.push(wanted);
        let node = Node::present(address(at), name(at), spec)
            .replaced_on(&["shape", "parent"])
            .hiding(&["env"])
            .keeping(if holds_data(at) { Keep::AskBeforeLoss } else { Keep::Never })
            .present_if(wanted);
        nodes.push(node);
    }
    nodes
}

pub(crate) fn graph(world: &World) -> Graph {
    Graph::new(nodes(world)).unwrap()
}
