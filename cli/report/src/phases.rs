//! The phases of a command, and their progress texts.

use hitctl_engine::Phase;

// The crates that start the local cloud, build the function and wait for the lease define equal constants for
// START, BUILD and LEASE, because they cannot depend on this crate. A test in `hitctl` compares them.

/// Starting the local cloud.
pub const START: Phase = Phase::new("start");
/// Compiling and packing the function.
pub const BUILD: Phase = Phase::new("build");
/// Reading the deployed resources.
pub const SURVEY: Phase = Phase::new("survey");
/// Applying the plan.
pub const APPLY: Phase = Phase::new("apply");
/// Requesting the live URL.
pub const SMOKE: Phase = Phase::new("smoke");
/// Waiting for the lease of the environment.
pub const LEASE: Phase = Phase::new("lease");
/// Importing counts.
pub const IMPORT: Phase = Phase::new("import");
/// Comparing the counted paths with the pages of a site.
pub const PATHS: Phase = Phase::new("paths");
/// Measuring the function.
pub const MEASURE: Phase = Phase::new("measure");
/// Sending views, events, dead letters or an invalidation.
pub const SEND: Phase = Phase::new("send");

/// The texts of each phase: the verb while it runs, the verb after it has ended, and the subject if the event has no
/// detail.
static PHASE_TEXTS: [(Phase, [&str; 3]); 10] = [
    (START, ["starting", "started", "the local cloud"]),
    (BUILD, ["building", "built", "the function"]),
    (SURVEY, ["reading", "read", "the deployed resources"]),
    (APPLY, ["applying", "applied", "the plan"]),
    (SMOKE, ["checking", "checked", "the live URL"]),
    (LEASE, ["waiting", "waited", "for the lease"]),
    (IMPORT, ["importing", "imported", "the counts"]),
    (PATHS, ["comparing", "compared", "the pages"]),
    (MEASURE, ["measuring", "measured", "the function"]),
    (SEND, ["sending", "sent", "the views"]),
];

/// Returns the texts of a phase: the verb while it runs, the verb after it has ended, and the default subject.
pub(crate) fn phase_texts(phase: &Phase) -> [&'static str; 3] {
    let found = PHASE_TEXTS.iter().find(|(known, _)| known == phase);
    found.map_or(["running", "finished", "the next step"], |(_, texts)| *texts)
}
