//! Fits the plan to the quotas of the account. The quota of a new account allows no reserved concurrency. The function
//! then gets none, which is not drift.

use hitctl_cloud::Cloud;
use hitctl_config::LoadedConfig;
use hitctl_engine::{Finding, Graph, Severity, Snapshot};
use hitctl_report::Failure;
use hitctl_resources::aws::{ConcurrencyQuota, DEFAULT_TABLE_WRITES};
use hitctl_stack::{FunctionArtifact, address};

use super::design::design;

/// The code of the finding or failure.
const CODE: &str = "concurrency_quota";

/// Fits the graph to the concurrency quota. The quota is read only if a reservation would change, so that a deploy
/// without changes costs no call.
pub(crate) async fn fit(
    loaded: &LoadedConfig,
    cloud: &dyn Cloud,
    code: Option<&FunctionArtifact>,
    graph: Graph,
    live: &Snapshot,
) -> Result<(Graph, Option<Finding>), Failure> {
    let Some(want) = loaded.app.function.reserved_concurrency else { return Ok((graph, None)) };
    let have = live
        .observed(&address::counter())
        .and_then(|live| live.spec.get("reserved_concurrency")?.as_u64())
        .and_then(|have| u32::try_from(have).ok());
    if have == Some(want) {
        return Ok((graph, None));
    }
    let Some(quota) = cloud.concurrency_quota().await.filter(|quota| !quota.can_reserve(want, have)) else {
        return Ok((graph, None));
    };
    let message = shortage(quota, want);
    let command = increase_command(&cloud.location().region);
    if loaded.app.strict {
        return Err(Failure::new(CODE, message)
            .caused_by("`strict = true` in hitctl.toml makes this an error; nothing was changed")
            .hinted(format!("run `{command}`, or set `reserved_concurrency = \"none\"` in [function]")));
    }
    let mut without = loaded.clone();
    // An existing reservation is kept, whoever made it.
    without.app.function.reserved_concurrency = have;
    let finding = Finding {
        severity: Severity::Warning,
        code: CODE.into(),
        address: address::counter(),
        message: format!(
            "{message}; the deploy continues without it. To raise the quota, run `{command}`, then deploy again"
        ),
        hint: None,
    };
    Ok((design(&without, cloud.location(), code)?, Some(finding)))
}

/// Fails if `max_write_units` exceeds the quota of the account's tables. The quota is read only for values above AWS's
/// default.
pub(crate) async fn check_table(loaded: &LoadedConfig, cloud: &dyn Cloud) -> Result<(), Failure> {
    let want = loaded.app.table.max_write_units;
    if want <= DEFAULT_TABLE_WRITES {
        return Ok(());
    }
    let (most, unknown) = match cloud.table_writes_quota().await {
        None => return Ok(()),
        Some(Ok(most)) => (most, None),
        Some(Err(fault)) => (DEFAULT_TABLE_WRITES, Some(fault)),
    };
    if want <= most {
        return Ok(());
    }
    let message = format!("`max_write_units`: expected at most {most}, found {want}");
    let failure = Failure::new("table_quota", message);
    let failure = match unknown {
        Some(fault) => failure.caused_by(format!(
            "the account's quota is unknown, and AWS's default is {most}: {}",
            fault.message
        )),
        None => failure.caused_by("it is the account's DynamoDB quota per table; nothing was changed"),
    };
    Err(failure.hinted(format!(
        "set `max_write_units` in [table] to at most {most}, or request a higher quota in the console: Service Quotas, DynamoDB, \
         \"Table-level write throughput limit\", region {}",
        cloud.location().region
    )))
}

/// Returns the message for concurrency that cannot be reserved.
pub(crate) fn shortage(quota: ConcurrencyQuota, want: u32) -> String {
    let ConcurrencyQuota { limit, unreserved } = quota;
    let floor = quota.min_unreserved();
    format!(
        "the account's quota does not allow reserved concurrency {want}: of {limit} concurrent executions, {unreserved} are \
         unreserved, and {floor} must stay unreserved"
    )
}

/// Returns the command that requests a concurrency quota of 1,000, which is AWS's default.
pub(crate) fn increase_command(region: &str) -> String {
    format!(
        "aws service-quotas request-service-quota-increase --service-code lambda --quota-code L-B99A9384 --desired-value \
         1000 --region {region}"
    )
}
