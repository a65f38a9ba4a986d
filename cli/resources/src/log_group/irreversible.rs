//! The irreversible effects of changing a log group.

use hitctl_engine::{Change, plural};

use crate::irreversible::{EffectContext, IrreversibleEffect, RequiredConfirmation, is_removal};
use crate::log_group::spec::OLDEST_MS;

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// Returns the effect of shortening the retention: older log lines are lost. Returns none if the log group has no lines
/// that are older than the new retention.
pub(super) fn effect(change: &Change, context: EffectContext) -> Option<IrreversibleEffect> {
    let have = change.observed.as_ref().filter(|_| !is_removal(change))?;
    let diff = change.fields.iter().find(|diff| diff.field == "retention_days")?;
    let (old, new) = (diff.old.as_u64()?, diff.new.as_u64()?);
    // A retention of 0 days means that log lines are kept forever.
    let is_shorter = new > 0 && (old == 0 || new < old);
    let oldest_ms = have.outputs.get(OLDEST_MS).and_then(|ms| ms.parse::<u64>().ok());
    let has_older_lines = oldest_ms.is_none_or(|ms| ms.saturating_add(new * DAY_MS) < context.now_ms);
    let days = plural(new, "day");
    (is_shorter && has_older_lines).then(|| IrreversibleEffect {
        description: format!("log lines older than {days} will be deleted"),
        confirmation: RequiredConfirmation::EnvironmentName,
    })
}
