//! The long parts of a run, and the words for them.

use hitctl_engine::Phase;

// The crates that start the local cloud, build and wait for the lease have constants of their own with these names, since they are
// below this one. A test in `hitctl` compares them.

/// Starting the local cloud.
pub const START: Phase = Phase::new("start");
/// Compiling and packing the function.
pub const BUILD: Phase = Phase::new("build");
/// Reading what is deployed.
pub const SURVEY: Phase = Phase::new("survey");
/// Carrying out the plan.
pub const APPLY: Phase = Phase::new("apply");
/// Requesting the live URL.
pub const SMOKE: Phase = Phase::new("smoke");
/// Waiting for the lease of the environment.
pub const LEASE: Phase = Phase::new("lease");
/// Writing counts from a file.
pub const IMPORT: Phase = Phase::new("import");
/// Making the pages of a site known.
pub const PATHS: Phase = Phase::new("paths");
/// Measuring the function.
pub const MEASURE: Phase = Phase::new("measure");
/// Sending hits or events.
pub const SEND: Phase = Phase::new("send");

/// The words for each part: in progress, done, and its subject if the event has none.
static WORDS: [(Phase, [&str; 3]); 10] = [
    (START, ["starting", "started", "the local cloud"]),
    (BUILD, ["building", "built", "the function"]),
    (SURVEY, ["reading", "read", "what is deployed"]),
    (APPLY, ["applying", "applied", "the plan"]),
    (SMOKE, ["checking", "checked", "the live URL"]),
    (LEASE, ["waiting", "waited", "for the lease"]),
    (IMPORT, ["importing", "imported", "the counts"]),
    (PATHS, ["comparing", "compared", "the pages"]),
    (MEASURE, ["measuring", "measured", "the function"]),
    (SEND, ["sending", "sent", "the hits"]),
];

/// Returns the words for a part: in progress, done, and its subject.
pub(crate) fn words(of: &Phase) -> [&'static str; 3] {
    let known = WORDS.iter().find(|(phase, _)| phase == of);
    known.map_or(["working", "done", "on the next part"], |(_, words)| *words)
}
