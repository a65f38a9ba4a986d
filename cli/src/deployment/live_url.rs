//! Finds the URL of a deployed counter.

use hitctl_cloud::AccessMode;
use hitctl_report::Failure;
use hitctl_stack::address;

use super::context::RunContext;
use super::ingest::not_deployed;
use super::plan::read_live;

/// Returns the base URL of the counter, without a trailing slash. Does not start the local cloud.
pub(crate) async fn live_url(run: RunContext<'_>) -> Result<String, Failure> {
    let cloud = run.cloud(AccessMode::Read).await?;
    let (_, live) = read_live(&run.in_cloud(&*cloud)).await?;
    let url = |address| live.observed(&address)?.outputs.get("url").cloned();
    let found = url(address::api()).or_else(|| url(address::function_url()));
    found.ok_or_else(|| not_deployed("counter with a URL", &run.config.env))
}
