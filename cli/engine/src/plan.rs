//! Decides the changes of a deploy: a pure function of the desired and the observed state. It uses no clock, no environment
//! and no await.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use crate::address::Address;
use crate::change::{Action, Change, ChangeReason};
use crate::diff::{FieldDiff, diff};
use crate::graph::{DesiredState, Graph, Node};
use crate::mask::SecretMask;
use crate::observed_state::{ObservedState, Outputs, Owner};
use crate::path;
use crate::survey::Snapshot;
use crate::value::{Reference, find_references, resolve};

/// The planned changes in topological order. Applying a plan needs no other input and makes no decisions.
///
/// Resources that are neither desired nor observed are left out.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Plan {
    /// One change per resource.
    pub changes: Vec<Change>,
}

/// The number of resources per action.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanSummary {
    /// The number of unchanged resources.
    pub keep: usize,
    /// The number of resources to create.
    pub create: usize,
    /// The number of resources to change in place.
    pub update: usize,
    /// The number of resources to delete and create again.
    pub replace: usize,
    /// The number of resources to delete.
    pub delete: usize,
}

/// The error when a plan cannot be made. This is a bug in hitctl, not a user error.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// The snapshot has no entry for this resource.
    #[error("internal error: the state of {0} was not read; please report it")]
    NotSurveyed(Address),
    /// An existing resource lacks an output that another one refers to.
    #[error(
        "internal error: {from} refers to the output {output}, which {to} does not have; please report it"
    )]
    NoOutput {
        /// The resource with the reference.
        from: Address,
        /// The resource that it refers to.
        to: Address,
        /// The name of the missing output.
        output: String,
    },
}

impl Plan {
    /// Returns the change of the resource with this address.
    pub fn change(&self, address: &Address) -> Option<&Change> {
        self.changes.iter().find(|change| change.address() == address)
    }

    /// Counts the resources per action.
    pub fn summary(&self) -> PlanSummary {
        let mut summary = PlanSummary::default();
        for change in &self.changes {
            *match change.action {
                Action::Keep => &mut summary.keep,
                Action::Create => &mut summary.create,
                Action::Update => &mut summary.update,
                Action::Replace => &mut summary.replace,
                Action::Delete => &mut summary.delete,
            } += 1;
        }
        summary
    }

    /// Whether no resource has to be changed.
    pub fn is_empty(&self) -> bool {
        self.changes.iter().all(|change| change.action == Action::Keep)
    }

    /// Returns the outputs of the resources that are kept or updated in place.
    pub fn outputs(&self) -> BTreeMap<Address, Outputs> {
        self.changes.iter().filter_map(|c| Some((c.address().clone(), c.outputs()?.clone()))).collect()
    }
}

/// Plans the changes that turn the observed state into the desired state. `mask` masks the secrets in the fields of the plan.
pub fn plan(graph: &Graph, snapshot: &Snapshot, mask: &SecretMask) -> Result<Plan, PlanError> {
    let mut plan = Plan::default();
    for node in graph.nodes() {
        let observed =
            snapshot.get(&node.address).ok_or_else(|| PlanError::NotSurveyed(node.address.clone()))?.cloned();
        let change = match &node.desired {
            DesiredState::Present(spec) => plan_present(&plan, node, spec, observed, mask)?,
            DesiredState::Absent => match observed {
                Some(observed) => plan_absent(graph, node, observed),
                None => continue,
            },
        };
        plan.changes.push(change);
    }
    keep_dependencies_of_kept(&mut plan);
    Ok(plan)
}

/// Plans the change of a present node. `plan` already has the changes of all resources that the node refers to.
fn plan_present(
    plan: &Plan,
    node: &Node,
    spec: &Json,
    observed: Option<ObservedState>,
    mask: &SecretMask,
) -> Result<Change, PlanError> {
    let desired = resolve(spec, &|address| plan.change(address).and_then(Change::outputs));
    let change = |action, why, fields, observed| Change { action, why, fields, node: node.clone(), observed };
    let Some(observed) = observed else {
        let fields = diff(&Json::Object(Map::new()), &desired, &|path| node.is_secret(path), mask);
        return Ok(change(Action::Create, ChangeReason::Missing, fields, None));
    };
    if let Owner::Other(owner) = &observed.owner {
        let why = ChangeReason::NotOurs(owner.clone());
        return Ok(change(Action::Keep, why, Vec::new(), Some(observed)));
    }
    check_outputs_exist(plan, node, &desired)?;

    let fields = diff(&observed.spec, &desired, &|path| node.is_secret(path), mask);
    let is_immutable = |path: &str| node.immutable_fields.iter().any(|field| path::overlap(path, field));
    let names_where = |includes: &dyn Fn(&FieldDiff) -> bool| -> Vec<String> {
        fields.iter().filter(|field| includes(field)).map(|field| field.field.clone()).collect()
    };
    // An immutable field with an unknown value refers to a resource that is created or replaced, which is the better
    // reason to show.
    let differing_immutable = names_where(&|field| is_immutable(&field.field) && !field.unknown);
    let replaced_dependencies = replaced_dependencies(plan, spec, &is_immutable);
    let (action, why) = if !differing_immutable.is_empty() {
        (Action::Replace, ChangeReason::ImmutableFieldsDiffer(differing_immutable))
    } else if !replaced_dependencies.is_empty() {
        (Action::Replace, ChangeReason::DependencyReplaced(replaced_dependencies))
    } else if fields.is_empty() {
        (Action::Keep, ChangeReason::UpToDate)
    } else if fields.iter().any(|field| is_immutable(&field.field)) {
        (
            Action::Replace,
            ChangeReason::ImmutableFieldsDiffer(names_where(&|field| is_immutable(&field.field))),
        )
    } else {
        (Action::Update, ChangeReason::FieldsDiffer(names_where(&|_| true)))
    };
    Ok(change(action, why, fields, Some(observed)))
}

/// Fails if a reference names an output that a kept resource does not have. The output would never become known.
fn check_outputs_exist(plan: &Plan, node: &Node, desired: &Json) -> Result<(), PlanError> {
    for (_, reference) in find_references(desired) {
        if let Reference::Output { resource, output } = reference
            && plan
                .change(&resource)
                .is_some_and(|other| other.action == Action::Keep && !other.is_conflict())
        {
            return Err(PlanError::NoOutput { from: node.address.clone(), to: resource, output });
        }
    }
    Ok(())
}

/// Returns the resources that an immutable field refers to and that this plan creates or replaces.
///
/// A reference with a known value counts only if the plan replaces the other resource, because the cloud may delete
/// this resource together with the other one. It does not count if the plan creates the other resource, because this
/// resource exists although the other one does not.
fn replaced_dependencies(plan: &Plan, spec: &Json, is_immutable: &dyn Fn(&str) -> bool) -> Vec<Address> {
    let mut replaced = BTreeSet::new();
    for (_, reference) in find_references(spec).into_iter().filter(|(path, _)| is_immutable(path)) {
        let (resource, is_output) = match reference {
            Reference::Output { resource, .. } => (resource, true),
            Reference::Known { resource, .. } => (resource, false),
        };
        match plan.change(&resource).map(|change| change.action) {
            Some(Action::Replace) => drop(replaced.insert(resource)),
            Some(Action::Create) if is_output => drop(replaced.insert(resource)),
            _ => {}
        }
    }
    replaced.into_iter().collect()
}

/// Plans the change of an existing resource whose node is absent.
fn plan_absent(graph: &Graph, node: &Node, observed: ObservedState) -> Change {
    let (action, why) = match &observed.owner {
        Owner::Other(owner) => (Action::Keep, ChangeReason::NotOurs(owner.clone())),
        Owner::Ours
            if node.deletion_policy.requires_confirmation(Some(&observed))
                && !graph.allows_data_deletion() =>
        {
            (Action::Keep, ChangeReason::DataKept)
        }
        Owner::Ours => (Action::Delete, ChangeReason::NotDesired),
    };
    Change { action, why, fields: Vec::new(), node: node.clone(), observed: Some(observed) }
}

/// Keeps the direct and indirect dependencies of resources that are kept for their data.
fn keep_dependencies_of_kept(plan: &mut Plan) {
    // In reverse order, dependents come before their dependencies, so one pass is enough.
    let mut dependents: BTreeMap<Address, Address> = BTreeMap::new();
    for change in plan.changes.iter_mut().rev() {
        if change.action == Action::Delete
            && let Some(dependent) = dependents.get(change.address())
        {
            change.action = Action::Keep;
            change.why = ChangeReason::RequiredBy(dependent.clone());
        }
        if matches!(change.why, ChangeReason::DataKept | ChangeReason::RequiredBy(_)) {
            for dependency in &change.node.dependencies {
                dependents.insert(dependency.clone(), change.address().clone());
            }
        }
    }
}
