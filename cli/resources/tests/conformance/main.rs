//! Tests every kind on two independent AWS emulators: create, read, change and delete, each repeated and each
//! interrupted at every write. A kind declares the gaps of an emulator ([`Gap`]), which the other emulator must cover.
//! A declared gap that no longer exists fails the test.

#![expect(clippy::unwrap_used, reason = "these are tests; clippy knows only functions with #[test] as such")]

mod custom_kind;
mod interruptions;
mod kinds;
mod suite;
mod test_app;
mod ttl;

use hitctl_emulators::EmulatorKind;

/// A feature that an emulator lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gap {
    /// The emulator accepts the field but does not store it.
    DropsField {
        emulator: EmulatorKind,
        /// The field of the spec.
        field: &'static str,
        /// The observed behaviour.
        reason: &'static str,
    },
    /// The emulator rejects the change with an error.
    RejectsChange {
        emulator: EmulatorKind,
        /// The name of the change in the case.
        change: &'static str,
        /// The observed behaviour.
        reason: &'static str,
    },
    /// The emulator fails on a resource that was changed many times. Each interruption is tested with a new resource.
    Degrades {
        emulator: EmulatorKind,
        /// The observed behaviour.
        reason: &'static str,
    },
}

macro_rules! conforms {
    ($($kind:ident),* $(,)?) => {
        /// The kinds, each with the gaps of the emulators.
        const GAPS: &[(&str, &[Gap])] = &[$((stringify!($kind), kinds::$kind::GAPS)),*];

        $(
            mod $kind {
                use hitctl_emulators::EmulatorKind;

                use crate::interruptions::{InterruptedOperation, assert_recovery};
                use crate::kinds::$kind::case;
                use crate::suite::assert_conformance;

                const NAME: &str = stringify!($kind);

                conforms!(@tests ministack EmulatorKind::MiniStack);
                conforms!(@tests moto EmulatorKind::Moto);
            }
        )*
    };
    (@tests $emulator:ident $emulator_kind:expr) => {
        mod $emulator {
            use super::*;

            #[tokio::test]
            async fn lifecycle_reads_back_as_wanted() {
                assert_conformance($emulator_kind, NAME, case).await;
            }

            #[tokio::test]
            async fn creation_recovers_from_any_interruption() {
                assert_recovery($emulator_kind, NAME, InterruptedOperation::Create, case).await;
            }

            #[tokio::test]
            async fn update_recovers_from_any_interruption() {
                assert_recovery($emulator_kind, NAME, InterruptedOperation::Update, case).await;
            }

            #[tokio::test]
            async fn deletion_recovers_from_any_interruption() {
                assert_recovery($emulator_kind, NAME, InterruptedOperation::Delete, case).await;
            }
        }
    };
}

conforms!(
    table,
    expiring_table,
    log_group,
    role,
    function,
    alias,
    function_url,
    http_api,
    queue,
    event_source_mapping,
    event_rule,
    event_invoke_config,
    permission
);

/// Returns the gaps of the emulators for the given kind.
fn gaps_of(kind: &str) -> &'static [Gap] {
    GAPS.iter().find(|(name, _)| *name == kind).map_or(&[], |(_, gaps)| gaps)
}

#[test]
fn every_registered_kind_has_case() {
    for kind in hitctl_resources::KINDS {
        assert!(GAPS.iter().any(|(name, _)| name == kind), "{kind} is not in `conforms!`");
    }
}

/// A gap of one emulator must not be a gap of the other one, so that every feature is tested.
#[test]
fn every_gap_is_covered_by_other_emulator() {
    for (kind, gaps) in GAPS {
        for gap in *gaps {
            let covered = match gap {
                Gap::DropsField { emulator, field, reason } => {
                    assert!(!reason.is_empty());
                    let is_shared = |other: &Gap| matches!(other, Gap::DropsField { emulator: other_emulator, field: other_field, .. } if other_emulator != emulator && other_field == field);
                    !gaps.iter().any(is_shared)
                }
                Gap::RejectsChange { emulator, change, reason } => {
                    assert!(!reason.is_empty());
                    let is_shared = |other: &Gap| matches!(other, Gap::RejectsChange { emulator: other_emulator, change: other_change, .. } if other_emulator != emulator && other_change == change);
                    !gaps.iter().any(is_shared)
                }
                Gap::Degrades { emulator, reason } => {
                    assert!(!reason.is_empty());
                    !gaps.iter().any(|other| matches!(other, Gap::Degrades { emulator: other_emulator, .. } if other_emulator != emulator))
                }
            };
            assert!(covered, "{kind}: {gap:?}");
        }
    }
}
