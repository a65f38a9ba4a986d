//! Random desired states, called worlds: acyclic graphs with both kinds of references and with absent resources.

use hitctl_engine::{Address, DeletionPolicy, Graph, Node, SpecValue};
use proptest::prelude::*;
use serde_json::{Map, Value as Json, json};

/// The number of resources in a world, present or absent.
pub(crate) const SIZE: usize = 8;

/// The prefix of every secret.
pub(crate) const SECRET: &str = "hunter";

/// A resource of a world. It may depend on the resources before it.
#[derive(Clone, Debug)]
pub(crate) struct GeneratedResource {
    is_desired: bool,
    /// The indices of the resources that this resource refers to, as a bit mask.
    links: usize,
    /// The indices of the resources that are referred to by an assigned id instead of their name, as a bit mask.
    by_id: usize,
    /// The parent resource, an immutable field.
    parent: Option<usize>,
    size: u8,
    /// An immutable field.
    shape: u8,
    secret: u8,
}

pub(crate) type World = Vec<GeneratedResource>;

pub(crate) fn world() -> impl Strategy<Value = World> {
    let resource = (
        prop::bool::weighted(0.8),
        any::<usize>(),
        any::<usize>(),
        any::<usize>(),
        prop::option::weighted(0.3, 0..SIZE),
        (0..3_u8, 0..2_u8, 0..3_u8),
    );
    let resource =
        resource.prop_map(|(is_desired, links_a, links_b, by_id, parent, (size, shape, secret))| {
            // The combination of two random masks has fewer links: a quarter instead of half of all.
            GeneratedResource { is_desired, links: links_a & links_b, by_id, parent, size, shape, secret }
        });
    prop::collection::vec(resource, SIZE)
}

/// Returns the address of a resource. The order of the addresses differs from the order of the references.
pub(crate) fn address(index: usize) -> Address {
    Address::new("toy", &format!("n{}", index * 5 % SIZE))
}

pub(crate) fn name(index: usize) -> String {
    format!("app-{}", address(index))
}

/// Whether the resource holds data. Only resources with a higher index have parents. Otherwise the deletion of a former
/// parent could also delete a resource with data, or one of its dependencies, which a plan cannot foresee. No real kind
/// of resource behaves like this.
pub(crate) fn holds_data(index: usize) -> bool {
    (2..=LAST_WITH_DATA).contains(&index)
}

/// The index of the last resource with data.
const LAST_WITH_DATA: usize = 3;

pub(crate) fn nodes(world: &World) -> Vec<Node> {
    let mut present: Vec<bool> = Vec::new();
    let mut nodes = Vec::new();
    for (index, resource) in world.iter().enumerate() {
        let reference_to = |to: usize| match resource.by_id >> to & 1 {
            1 => SpecValue::output(address(to), "id"),
            _ => SpecValue::known(address(to), name(to)),
        };
        let linked: Vec<usize> = (0..index).filter(|to| resource.links >> to & 1 == 1).collect();
        let parent = resource.parent.filter(|parent| *parent < index && index > LAST_WITH_DATA);
        let links: Map<String, Json> =
            linked.iter().map(|&to| (format!("to.{to}"), json!(reference_to(to)))).collect();
        let spec = json!({
            "links": links,
            "list": linked.iter().map(|&to| json!({"of": reference_to(to)})).collect::<Vec<_>>(),
            "parent": parent.map(reference_to),
            "size": resource.size,
            "shape": resource.shape,
            "env": {"PASSWORD": format!("{SECRET}-{index}-{}", resource.secret)},
        });
        let is_desired = resource.is_desired && linked.iter().chain(&parent).all(|&to| present[to]);
        present.push(is_desired);
        let node = Node::present(address(index), name(index), spec)
            .with_immutable_fields(&["shape", "parent"])
            .with_secret_fields(&["env"])
            .with_deletion_policy(if holds_data(index) {
                DeletionPolicy::Confirm
            } else {
                DeletionPolicy::Delete
            })
            .present_if(is_desired);
        nodes.push(node);
    }
    nodes
}

pub(crate) fn graph(world: &World) -> Graph {
    Graph::new(nodes(world)).unwrap()
}
