//! The order of a plan's steps: what must be done before what, worked out once, before anything is done.
//!
//! A replacement is two steps, since names are fixed: it is removed, then made. The rules:
//!
//! 1. What a resource needs is made before it; what needs it is removed before it.
//! 2. Nothing is taken down for a replacement before all that it needs, and that can be made beforehand, has been made:
//!    a failure there must not leave a hole where something worked.
//! 3. Where one resource leads another by a number, a rise is made before the other's change, and a fall after it.
//! 4. Other removals come after everything is made (well or not): something may still use the unwanted resource until
//!    then. Only what stands in the way of a replacement goes sooner.

use std::collections::BTreeMap;

use crate::address::Address;
use crate::change::{Action, Change};

/// One half of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Half {
    /// The resource is deleted.
    Remove,
    /// It is created or updated (or refused, being somebody else's).
    Make,
}

/// One thing to do, and what comes before it.
#[derive(Debug)]
pub(super) struct Step {
    /// The place of its change in the plan.
    pub(super) change: usize,
    /// Which half of the change.
    pub(super) half: Half,
    /// The step that is the other half of a replacement.
    pub(super) twin: Option<usize>,
    /// The steps without whose success it cannot be done.
    pub(super) needs: Vec<usize>,
    /// The steps that it lets go first, whatever becomes of them.
    pub(super) after: Vec<usize>,
}

struct Shape {
    /// The places in the plan of what each change needs.
    needs: Vec<Vec<usize>>,
    /// Whether it (or something it needs, directly or not) is replaced.
    unsettled: Vec<bool>,
    /// Whether it is removed for good, and must be before a replacement can go on.
    in_the_way: Vec<bool>,
}

/// The steps of a plan, each with the places of those that come before it. Acyclic if the plan's references are.
pub(super) fn steps(changes: &[Change]) -> Vec<Step> {
    let shape = shape(changes);
    let mut steps = Vec::new();
    let mut remove_of = vec![None; changes.len()];
    let mut make_of = vec![None; changes.len()];
    for (change, it) in changes.iter().enumerate() {
        for (half, of) in [(Half::Remove, &mut remove_of), (Half::Make, &mut make_of)] {
            if has(it, half) {
                of[change] = Some(steps.len());
                steps.push(Step { change, half, twin: None, needs: Vec::new(), after: Vec::new() });
            }
        }
    }

    for (change, needs) in shape.needs.iter().enumerate() {
        if let Some(make) = make_of[change] {
            steps[make].twin = remove_of[change];
            steps[make].needs.extend(remove_of[change]);
            steps[make].needs.extend(needs.iter().filter_map(|&need| make_of[need]));
        }
        if let Some(remove) = remove_of[change] {
            steps[remove].twin = make_of[change];
            for needed in needs.iter().filter_map(|&need| remove_of[need]) {
                steps[needed].needs.push(remove);
            }
            let before = |only: &dyn Fn(usize) -> bool| -> Vec<usize> {
                (0..changes.len()).filter(|&it| only(it)).filter_map(|it| make_of[it]).collect()
            };
            if changes[change].action == Action::Replace {
                let below = all_below(change, &shape.needs);
                steps[remove].needs.extend(before(&|it| below[it] && !shape.unsettled[it]));
            } else if shape.in_the_way[change] {
                steps[remove].after = before(&|it| !shape.unsettled[it]);
            } else {
                steps[remove].after = before(&|_| true);
            }
        }
    }
    for (first, second) in created_before_updates(changes) {
        if let (Some(first), Some(second)) = (make_of[first], make_of[second]) {
            steps[first].needs.retain(|need| *need != second);
            steps[second].needs.push(first);
        }
    }
    for (first, second) in led(changes) {
        if let (Some(first), Some(second)) = (make_of[first], make_of[second]) {
            steps[second].needs.push(first);
        }
    }
    steps
}

/// The pairs of changes of which one leads the other, in the order in which they are made.
fn led(changes: &[Change]) -> Vec<(usize, usize)> {
    let pairs = changes.iter().enumerate().filter_map(|(leader, change)| {
        let lead = change.node.lead.as_ref()?;
        let other = changes.iter().position(|it| *it.address() == lead.over)?;
        let diff = change.fields.iter().find(|diff| diff.field == lead.field)?;
        let (old, new) = (diff.old.as_f64()?, diff.new.as_f64()?);
        Some(if old < new { (leader, other) } else { (other, leader) })
    });
    pairs.collect()
}

/// The pairs of changes in which the first resource is created before the second one is updated, because the update will use it.
fn created_before_updates(changes: &[Change]) -> Vec<(usize, usize)> {
    let pairs = changes.iter().enumerate().filter_map(|(first, change)| {
        let address = change.node.before_update_of.as_ref()?;
        let second = changes.iter().position(|it| it.address() == address)?;
        let is_update = changes[second].action == Action::Update && !changes[second].is_conflict();
        (change.action == Action::Create && is_update).then_some((first, second))
    });
    pairs.collect()
}

fn has(change: &Change, half: Half) -> bool {
    match half {
        Half::Remove => matches!(change.action, Action::Replace | Action::Delete),
        Half::Make => {
            matches!(change.action, Action::Create | Action::Update | Action::Replace) || change.is_conflict()
        }
    }
}

fn shape(changes: &[Change]) -> Shape {
    let place: BTreeMap<&Address, usize> =
        changes.iter().enumerate().map(|(i, c)| (c.address(), i)).collect();
    let needs: Vec<Vec<usize>> =
        changes.iter().map(|c| c.node.needs.iter().filter_map(|a| place.get(a).copied()).collect()).collect();
    let mut unsettled: Vec<bool> = Vec::with_capacity(changes.len());
    let mut in_the_way: Vec<bool> = Vec::with_capacity(changes.len());
    // A plan is in topological order, so what a change needs has been looked at before it.
    for (change, needs) in changes.iter().zip(&needs) {
        let any = |flags: &[bool]| needs.iter().any(|&need| flags.get(need).copied().unwrap_or(false));
        let replaced = change.action == Action::Replace;
        let under_replaced = needs.iter().any(|&n| changes[n].action == Action::Replace) || any(&in_the_way);
        unsettled.push(replaced || any(&unsettled));
        in_the_way.push(change.action == Action::Delete && under_replaced);
    }
    Shape { needs, unsettled, in_the_way }
}

/// Which changes a change needs, directly or not.
fn all_below(change: usize, needs: &[Vec<usize>]) -> Vec<bool> {
    let mut below = vec![false; needs.len()];
    let mut open = needs[change].clone();
    while let Some(next) = open.pop() {
        if !std::mem::replace(&mut below[next], true) {
            open.extend(&needs[next]);
        }
    }
    below
}
