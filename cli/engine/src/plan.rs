//! Decides what to do: a pure function from what is wanted and what is live. No clock, no environment, no await.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use crate::address::Address;
use crate::change::{Action, Change, Why};
use crate::diff::{FieldDiff, diff};
use crate::graph::{Graph, Node, Want};
use crate::live::{Live, Outputs, Owner};
use crate::mask::Mask;
use crate::path;
use crate::survey::Snapshot;
use crate::value::{Source, resolve, sources};

/// Everything that is to happen, in topological order. Applying it needs nothing else, and decides nothing.
///
/// A resource that is not wanted and not there is not in it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Plan {
    /// One entry a resource.
    pub changes: Vec<Change>,
}

/// How many resources get which treatment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Left as they are.
    pub keep: usize,
    /// Made.
    pub create: usize,
    /// Changed in place.
    pub update: usize,
    /// Deleted and made anew.
    pub replace: usize,
    /// Removed.
    pub delete: usize,
}

/// A plan that cannot be made. These are mistakes of ours, not of users.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// The snapshot does not say whether this one is live.
    #[error("{0} was not surveyed")]
    NotSurveyed(Address),
    /// A live resource lacks an output that another one refers to.
    #[error("{from} refers to the output {output} of {of}, which has none of that name")]
    NoOutput {
        /// Who refers.
        from: Address,
        /// To whom.
        of: Address,
        /// To what.
        output: String,
    },
}

impl Plan {
    /// The change of one resource.
    pub fn change(&self, address: &Address) -> Option<&Change> {
        self.changes.iter().find(|change| change.address() == address)
    }

    /// How many resources get which treatment.
    pub fn summary(&self) -> Summary {
        let mut sum = Summary::default();
        for change in &self.changes {
            *match change.action {
                Action::Keep => &mut sum.keep,
                Action::Create => &mut sum.create,
                Action::Update => &mut sum.update,
                Action::Replace => &mut sum.replace,
                Action::Delete => &mut sum.delete,
            } += 1;
        }
        sum
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.changes.iter().all(|change| change.action == Action::Keep)
    }

    /// What the resources that stay offer now.
    pub fn outputs(&self) -> BTreeMap<Address, Outputs> {
        self.changes.iter().filter_map(|c| Some((c.address().clone(), c.outputs()?.clone()))).collect()
    }
}

/// Decides what to do to get from what is live to what is wanted. Secrets are in its fields as `mask` shows them.
pub fn plan(graph: &Graph, live: &Snapshot, mask: &Mask) -> Result<Plan, PlanError> {
    let mut plan = Plan::default();
    for node in graph.nodes() {
        let have =
            live.get(&node.address).ok_or_else(|| PlanError::NotSurveyed(node.address.clone()))?.cloned();
        let change = match &node.want {
            Want::Present(spec) => wanted(&plan, node, spec, have, mask)?,
            Want::Absent => match have {
                Some(have) => unwanted(graph, node, have),
                None => continue,
            },
        };
        plan.changes.push(change);
    }
    keep_what_kept_ones_need(&mut plan);
    Ok(plan)
}

/// What happens to a resource that shall be there. `plan` has everything that it refers to.
fn wanted(
    plan: &Plan,
    node: &Node,
    spec: &Json,
    have: Option<Live>,
    mask: &Mask,
) -> Result<Change, PlanError> {
    let want = resolve(spec, &|of| plan.change(of).and_then(Change::outputs));
    let change = |action, why, fields, have| Change { action, why, fields, node: node.clone(), have };
    let Some(have) = have else {
        let fields = diff(&Json::Object(Map::new()), &want, &node.secret, mask);
        return Ok(change(Action::Create, Why::NotThere, fields, None));
    };
    if let Owner::Other(owner) = &have.owner {
        let why = Why::NotOurs(owner.clone());
        return Ok(change(Action::Keep, why, Vec::new(), Some(have)));
    }
    missing_output(plan, node, &want)?;

    let fields = diff(&have.spec, &want, &node.secret, mask);
    let fixed = |path: &str| node.replace_on.iter().any(|field| path::overlap(path, field));
    let names = |only: &dyn Fn(&FieldDiff) -> bool| -> Vec<String> {
        fields.iter().filter(|field| only(field)).map(|field| field.field.clone()).collect()
    };
    let differing_fixed = names(&|field| fixed(&field.field) && !field.unknown);
    let made_from = made_from(plan, spec, &fixed);
    let (action, why) = if !differing_fixed.is_empty() {
        (Action::Replace, Why::Fixed(differing_fixed))
    } else if !made_from.is_empty() {
        (Action::Replace, Why::MadeFrom(made_from))
    } else if fields.is_empty() {
        (Action::Keep, Why::AsWanted)
    } else if fields.iter().any(|field| fixed(&field.field)) {
        (Action::Replace, Why::Fixed(names(&|field| fixed(&field.field))))
    } else {
        (Action::Update, Why::Differs(names(&|_| true)))
    };
    Ok(change(action, why, fields, Some(have)))
}

/// An output that stays unknown although its resource stays as it is would never be known.
fn missing_output(plan: &Plan, node: &Node, want: &Json) -> Result<(), PlanError> {
    for (_, source) in sources(want) {
        if let Source::Output { of, output } = source
            && plan.change(&of).is_some_and(|from| from.action == Action::Keep && !from.is_conflict())
        {
            return Err(PlanError::NoOutput { from: node.address.clone(), of, output });
        }
    }
    Ok(())
}

/// Those that a fixed field refers to and that this plan makes anew.
///
/// A name that is known beforehand counts too when its bearer is replaced: a part goes down with its whole. It does not
/// when the bearer is merely made: what is live without it is no part of it.
fn made_from(plan: &Plan, spec: &Json, fixed: &dyn Fn(&str) -> bool) -> Vec<Address> {
    let mut found = BTreeSet::new();
    for (_, source) in sources(spec).into_iter().filter(|(path, _)| fixed(path)) {
        let (of, picked) = match source {
            Source::Output { of, .. } => (of, true),
            Source::Known { of, .. } => (of, false),
        };
        match plan.change(&of).map(|change| change.action) {
            Some(Action::Replace) => drop(found.insert(of)),
            Some(Action::Create) if picked => drop(found.insert(of)),
            _ => {}
        }
    }
    found.into_iter().collect()
}

/// What happens to a live resource that shall not be there.
fn unwanted(graph: &Graph, node: &Node, have: Live) -> Change {
    let (action, why) = match &have.owner {
        Owner::Other(owner) => (Action::Keep, Why::NotOurs(owner.clone())),
        Owner::Ours if node.keep.asks(Some(&have)) && !graph.deletes_data() => (Action::Keep, Why::DataKept),
        Owner::Ours => (Action::Delete, Why::NotWanted),
    };
    Change { action, why, fields: Vec::new(), node: node.clone(), have: Some(have) }
}

/// Keeps what those need that keep their data, directly or not.
fn keep_what_kept_ones_need(plan: &mut Plan) {
    // From the dependents to what they need, so that one pass does it.
    let mut needed_by: BTreeMap<Address, Address> = BTreeMap::new();
    for change in plan.changes.iter_mut().rev() {
        if change.action == Action::Delete
            && let Some(by) = needed_by.get(change.address())
        {
            change.action = Action::Keep;
            change.why = Why::NeededBy(by.clone());
        }
        if matches!(change.why, Why::DataKept | Why::NeededBy(_)) {
            for needed in &change.node.needs {
                needed_by.insert(needed.clone(), change.address().clone());
            }
        }
    }
}
