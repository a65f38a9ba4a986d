//! Every kind against two emulators of AWS that nobody here wrote: made, read, changed, removed, each again, and cut at every
//! call that writes.
//!
//! Where an emulator has a gap, the kind says so ([`Gap`]) and why, the other emulator stands in for it, and a gap that is no
//! longer there fails the test.

#![expect(clippy::unwrap_used, reason = "these are tests; clippy knows only functions with #[test] as such")]

mod cuts;
mod kinds;
mod own_kind;
mod suite;
mod ttl;
mod world;

use hitctl_emulators::Kind;

/// What one of the emulators cannot do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gap {
    /// It takes that field, and does not hold it.
    Forgets {
        /// Which emulator.
        by: Kind,
        /// The field of the spec.
        field: &'static str,
        /// What it does instead.
        why: &'static str,
    },
    /// It answers that change with an error.
    Refuses {
        /// Which emulator.
        by: Kind,
        /// The change, as the case calls it.
        change: &'static str,
        /// What it does instead.
        why: &'static str,
    },
    /// It goes wrong with a resource that was changed many times over: each cut gets a new one.
    Wears {
        /// Which emulator.
        by: Kind,
        /// What it does.
        why: &'static str,
    },
}

macro_rules! conforms {
    ($($kind:ident),* $(,)?) => {
        /// The kinds, and what the emulators lack for each.
        const GAPS: &[(&str, &[Gap])] = &[$((stringify!($kind), kinds::$kind::GAPS)),*];

        $(
            mod $kind {
                use hitctl_emulators::Kind;

                use crate::cuts::{Op, survive};
                use crate::kinds::$kind::case;
                use crate::suite::conform;

                const NAME: &str = stringify!($kind);

                conforms!(@tests ministack Kind::MiniStack);
                conforms!(@tests moto Kind::Moto);
            }
        )*
    };
    (@tests $emulator:ident $is:expr) => {
        mod $emulator {
            use super::*;

            #[tokio::test]
            async fn what_is_made_changed_and_removed_is_read_back_so() {
                conform($is, NAME, case).await;
            }

            #[tokio::test]
            async fn making_one_can_be_cut_anywhere() {
                survive($is, NAME, Op::Create, case).await;
            }

            #[tokio::test]
            async fn changing_one_can_be_cut_anywhere() {
                survive($is, NAME, Op::Update, case).await;
            }

            #[tokio::test]
            async fn removing_one_can_be_cut_anywhere() {
                survive($is, NAME, Op::Delete, case).await;
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

/// What the emulators lack for that kind.
fn gaps_of(kind: &str) -> &'static [Gap] {
    GAPS.iter().find(|(name, _)| *name == kind).map_or(&[], |(_, gaps)| gaps)
}

#[test]
fn every_kind_of_the_registry_has_a_case() {
    for kind in hitctl_resources::KINDS {
        assert!(GAPS.iter().any(|(name, _)| name == kind), "{kind} is not in `conforms!`");
    }
}

/// What one emulator lacks, the other has: nothing goes untested.
#[test]
fn no_gap_is_in_both_emulators() {
    for (kind, gaps) in GAPS {
        for gap in *gaps {
            let covered = match gap {
                Gap::Forgets { by, field, why } => {
                    assert!(!why.is_empty());
                    let also = |other: &Gap| matches!(other, Gap::Forgets { by: too, field: same, .. } if too != by && same == field);
                    !gaps.iter().any(also)
                }
                Gap::Refuses { by, change, why } => {
                    assert!(!why.is_empty());
                    let also = |other: &Gap| matches!(other, Gap::Refuses { by: too, change: same, .. } if too != by && same == change);
                    !gaps.iter().any(also)
                }
                Gap::Wears { by, why } => {
                    assert!(!why.is_empty());
                    !gaps.iter().any(|other| matches!(other, Gap::Wears { by: too, .. } if too != by))
                }
            };
            assert!(covered, "{kind}: {gap:?}");
        }
    }
}
