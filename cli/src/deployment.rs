//! The steps of a deployment, in this order: connect to the cloud, build, design, survey, plan, lock, apply, smoke
//! test. The commands call the steps. A step prints no result and does not depend on a command.

pub(crate) mod build;
pub(crate) mod context;
pub(crate) mod counts;
pub(crate) mod design;
pub(crate) mod distribution;
pub(crate) mod ingest;
pub(crate) mod irreversible;
pub(crate) mod live_url;
pub(crate) mod lock;
pub(crate) mod plan;
pub(crate) mod quota;
pub(crate) mod smoke;
pub(crate) mod view;

#[cfg(test)]
mod tests {
    use hitctl_report::phases::{BUILD, LEASE, START};

    #[test]
    fn phases_of_lower_crates_equal_those_of_report() {
        assert_eq!(hitctl_artifact::BUILD_PHASE, BUILD);
        assert_eq!(hitctl_cloud::LEASE_PHASE, LEASE);
        assert_eq!(hitctl_cloud::START_PHASE, START);
    }
}
