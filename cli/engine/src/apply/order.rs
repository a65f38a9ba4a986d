//! The order of the steps of a plan, computed once before the plan is applied.
//!
//! A replacement has two steps, because the new resource has the same name: delete, then create. The rules:
//!
//! 1. The dependencies of a resource are created before it; its dependents are deleted before it.
//! 2. Before a replaced resource is deleted, its dependencies are created or updated, except those that are replaced
//!    themselves or depend on a replaced resource. If one of them fails, the working resource is kept.
//! 3. A [`ConditionalOrder`](crate::ConditionalOrder) applies an increase before the other resource's change, and a
//!    decrease after it.
//! 4. A resource with `create_before_update_of` is created before that dependency is updated.
//! 5. Other deletions come after all creates and updates, whether these succeed or fail, because a resource may use the
//!    deleted one until it is updated. Only a resource that blocks a replacement is deleted earlier.

use std::collections::BTreeMap;

use crate::address::Address;
use crate::change::{Action, Change};

/// The kind of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StepKind {
    /// Deletes the resource.
    Delete,
    /// Creates or updates the resource, or fails because the resource belongs to another owner.
    CreateOrUpdate,
}

/// A step, with the steps that must end before it starts.
#[derive(Debug)]
pub(super) struct Step {
    /// The index of the change in the plan.
    pub(super) change_index: usize,
    pub(super) kind: StepKind,
    /// The index of the other step of a replacement.
    pub(super) counterpart: Option<usize>,
    /// The indices of the steps that must succeed first.
    pub(super) requires: Vec<usize>,
    /// The indices of the steps that must end first, with success or failure.
    pub(super) runs_after: Vec<usize>,
}

/// The facts about each change that determine the order, by index in the plan.
struct ChangeFacts {
    /// The indices of the changes of the resource's dependencies.
    dependencies: Vec<Vec<usize>>,
    /// Whether the resource, or a direct or indirect dependency, is replaced.
    affected_by_replacement: Vec<bool>,
    /// Whether the resource is deleted and depends on a replaced one, so that it must be deleted first.
    blocks_replacement: Vec<bool>,
}

/// Returns the steps of a plan with their order. The order is acyclic if the plan's references are acyclic.
pub(super) fn steps(changes: &[Change]) -> Vec<Step> {
    let facts = analyze_changes(changes);
    let mut steps = Vec::new();
    let mut delete_steps = vec![None; changes.len()];
    let mut write_steps = vec![None; changes.len()];
    for (change_index, change) in changes.iter().enumerate() {
        for (kind, step_indices) in
            [(StepKind::Delete, &mut delete_steps), (StepKind::CreateOrUpdate, &mut write_steps)]
        {
            if has_step(change, kind) {
                step_indices[change_index] = Some(steps.len());
                steps.push(Step {
                    change_index,
                    kind,
                    counterpart: None,
                    requires: Vec::new(),
                    runs_after: Vec::new(),
                });
            }
        }
    }

    for (change_index, dependencies) in facts.dependencies.iter().enumerate() {
        if let Some(write) = write_steps[change_index] {
            steps[write].counterpart = delete_steps[change_index];
            steps[write].requires.extend(delete_steps[change_index]);
            steps[write]
                .requires
                .extend(dependencies.iter().filter_map(|&dependency| write_steps[dependency]));
        }
        if let Some(delete) = delete_steps[change_index] {
            steps[delete].counterpart = write_steps[change_index];
            for dependency_delete in dependencies.iter().filter_map(|&dependency| delete_steps[dependency]) {
                steps[dependency_delete].requires.push(delete);
            }
            let write_steps_where = |includes: &dyn Fn(usize) -> bool| -> Vec<usize> {
                (0..changes.len())
                    .filter(|&other| includes(other))
                    .filter_map(|other| write_steps[other])
                    .collect()
            };
            if changes[change_index].action == Action::Replace {
                let all_dependencies = transitive_dependencies(change_index, &facts.dependencies);
                steps[delete].requires.extend(write_steps_where(&|other| {
                    all_dependencies[other] && !facts.affected_by_replacement[other]
                }));
            } else if facts.blocks_replacement[change_index] {
                steps[delete].runs_after = write_steps_where(&|other| !facts.affected_by_replacement[other]);
            } else {
                steps[delete].runs_after = write_steps_where(&|_| true);
            }
        }
    }
    for (first, second) in create_before_update_pairs(changes) {
        if let (Some(first), Some(second)) = (write_steps[first], write_steps[second]) {
            // The first resource refers to the second, which would require the opposite order.
            steps[first].requires.retain(|step| *step != second);
            steps[second].requires.push(first);
        }
    }
    for (first, second) in conditional_order_pairs(changes) {
        if let (Some(first), Some(second)) = (write_steps[first], write_steps[second]) {
            steps[second].requires.push(first);
        }
    }
    steps
}

/// Returns the pairs of changes to which a conditional order applies, the earlier change first.
fn conditional_order_pairs(changes: &[Change]) -> Vec<(usize, usize)> {
    let pairs = changes.iter().enumerate().filter_map(|(index, change)| {
        let order = change.node.conditional_order.as_ref()?;
        let other = changes.iter().position(|change| *change.address() == order.other)?;
        let diff = change.fields.iter().find(|diff| diff.field == order.field)?;
        let (old, new) = (diff.old.as_f64()?, diff.new.as_f64()?);
        Some(if old < new { (index, other) } else { (other, index) })
    });
    pairs.collect()
}

/// Returns the pairs of changes in which the first resource is created before the second, which uses it, is updated.
fn create_before_update_pairs(changes: &[Change]) -> Vec<(usize, usize)> {
    let pairs = changes.iter().enumerate().filter_map(|(first, change)| {
        let address = change.node.create_before_update_of.as_ref()?;
        let second = changes.iter().position(|other| other.address() == address)?;
        let is_update = changes[second].action == Action::Update && !changes[second].is_conflict();
        (change.action == Action::Create && is_update).then_some((first, second))
    });
    pairs.collect()
}

fn has_step(change: &Change, kind: StepKind) -> bool {
    match kind {
        StepKind::Delete => matches!(change.action, Action::Replace | Action::Delete),
        StepKind::CreateOrUpdate => {
            matches!(change.action, Action::Create | Action::Update | Action::Replace) || change.is_conflict()
        }
    }
}

fn analyze_changes(changes: &[Change]) -> ChangeFacts {
    let index_by_address: BTreeMap<&Address, usize> =
        changes.iter().enumerate().map(|(i, c)| (c.address(), i)).collect();
    let dependencies: Vec<Vec<usize>> = changes
        .iter()
        .map(|c| c.node.dependencies.iter().filter_map(|a| index_by_address.get(a).copied()).collect())
        .collect();
    let mut affected_by_replacement: Vec<bool> = Vec::with_capacity(changes.len());
    let mut blocks_replacement: Vec<bool> = Vec::with_capacity(changes.len());
    // A plan is in topological order, so the dependencies of a change come before it.
    for (change, dependencies) in changes.iter().zip(&dependencies) {
        let any = |flags: &[bool]| {
            dependencies.iter().any(|&dependency| flags.get(dependency).copied().unwrap_or(false))
        };
        let replaced = change.action == Action::Replace;
        let dependency_replaced =
            dependencies.iter().any(|&dependency| changes[dependency].action == Action::Replace)
                || any(&blocks_replacement);
        affected_by_replacement.push(replaced || any(&affected_by_replacement));
        blocks_replacement.push(change.action == Action::Delete && dependency_replaced);
    }
    ChangeFacts { dependencies, affected_by_replacement, blocks_replacement }
}

/// Returns a flag for each change: whether `change` depends on it, directly or indirectly.
fn transitive_dependencies(change: usize, direct: &[Vec<usize>]) -> Vec<bool> {
    let mut dependencies = vec![false; direct.len()];
    let mut pending = direct[change].clone();
    while let Some(next) = pending.pop() {
        if !std::mem::replace(&mut dependencies[next], true) {
            pending.extend(&direct[next]);
        }
    }
    dependencies
}
