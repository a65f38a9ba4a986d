//! Irreversible effects of a change, other than the loss of the data in a deleted resource.

use hitctl_config::DeployTarget;
use hitctl_engine::{Action, Change};

/// The confirmation that an effect needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequiredConfirmation {
    /// The answer "yes" to a prompt.
    Yes,
    /// The name of the environment, for an effect that loses data.
    EnvironmentName,
}

/// An effect of a change that cannot be undone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IrreversibleEffect {
    /// The effect, as a lower-case fragment.
    pub description: String,
    /// The confirmation that the effect needs.
    pub confirmation: RequiredConfirmation,
}

/// The facts, other than the change itself, on which an effect depends.
#[derive(Clone, Copy, Debug)]
pub struct EffectContext {
    /// The kind of cloud.
    pub target: DeployTarget,
    /// The current time in milliseconds since 1970.
    pub now_ms: u64,
}

/// A function that returns the irreversible effect of a change to a resource of one kind, if it has one.
pub type EffectFn = fn(&Change, EffectContext) -> Option<IrreversibleEffect>;

/// Whether a change deletes an existing resource.
pub(crate) fn is_removal(change: &Change) -> bool {
    change.observed.is_some() && matches!(change.action, Action::Delete | Action::Replace)
}

/// Returns the effect of deleting a resource whose URL AWS chose: the URL is lost. The local cloud derives URLs
/// from names, so a new resource gets the same URL again.
pub(crate) fn url_loss(change: &Change, context: EffectContext) -> Option<IrreversibleEffect> {
    if !is_removal(change) || context.target != DeployTarget::Aws {
        return None;
    }
    let url = change.observed.as_ref()?.outputs.get("url")?;
    Some(IrreversibleEffect {
        description: format!("{url} will stop working; the next deploy creates a different URL"),
        confirmation: RequiredConfirmation::Yes,
    })
}

/// Returns no effect. For kinds whose changes can all be undone.
pub(crate) fn no_effect(_: &Change, _: EffectContext) -> Option<IrreversibleEffect> {
    None
}
