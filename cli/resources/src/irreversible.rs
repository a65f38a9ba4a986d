//! Effects of a change that cannot be undone, besides the loss of the data that a deleted resource holds.

use hitctl_config::Target;
use hitctl_engine::{Action, Change};

/// The confirmation that an effect needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequiredConfirmation {
    /// A yes.
    Yes,
    /// The name of the environment: for the loss of data.
    EnvironmentName,
}

/// An effect that cannot be undone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IrreversibleEffect {
    /// The effect: a lower-case fragment.
    pub description: String,
    /// The confirmation that it needs.
    pub confirmation: RequiredConfirmation,
}

/// The facts besides the change that an effect depends on.
#[derive(Clone, Copy, Debug)]
pub struct EffectContext {
    /// The kind of cloud.
    pub target: Target,
    /// The time in milliseconds since 1970.
    pub now_ms: u64,
}

/// Returns the irreversible effect of a change of one kind, if it has one.
pub type EffectOf = fn(&Change, EffectContext) -> Option<IrreversibleEffect>;

/// Whether a change deletes the resource that exists.
pub(crate) fn is_removal(change: &Change) -> bool {
    change.have.is_some() && matches!(change.action, Action::Delete | Action::Replace)
}

/// Returns the loss of a URL whose host AWS chose. The local cloud computes its URLs from names, so that they come back.
pub(crate) fn lost_url(change: &Change, context: EffectContext) -> Option<IrreversibleEffect> {
    if !is_removal(change) || context.target != Target::Aws {
        return None;
    }
    let url = change.have.as_ref()?.outputs.get("url")?;
    Some(IrreversibleEffect {
        description: format!("{url} will stop working; the next deploy creates a different URL"),
        confirmation: RequiredConfirmation::Yes,
    })
}

/// Returns no effect: every change of the kind can be undone.
pub(crate) fn no_effect(_: &Change, _: EffectContext) -> Option<IrreversibleEffect> {
    None
}
