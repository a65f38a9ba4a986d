//! The irreversible effects of changing a table.

use hitctl_engine::Change;
use serde_json::Value as Json;

use crate::irreversible::{EffectContext, IrreversibleEffect, RequiredConfirmation, is_removal};

/// Returns the effect of disabling backups: existing backups are lost. Returns none for a deletion of the table, which
/// is confirmed as a loss of data.
pub(super) fn effect(change: &Change, _: EffectContext) -> Option<IrreversibleEffect> {
    change.observed.as_ref().filter(|_| !is_removal(change))?;
    let diff = change.fields.iter().find(|diff| diff.field == "point_in_time_recovery")?;
    let is_switched_off = diff.old == Json::Bool(true) && diff.new == Json::Bool(false);
    is_switched_off.then(|| IrreversibleEffect {
        description: "existing point-in-time backups will be deleted".to_owned(),
        confirmation: RequiredConfirmation::EnvironmentName,
    })
}
