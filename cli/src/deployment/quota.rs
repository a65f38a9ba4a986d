//! Adapts the resource graph to the quotas of the account. The quota of a new account allows no reserved concurrency.
//! The function then gets none, and that is not reported as drift.

use hitctl_cloud::Cloud;
use hitctl_config::LoadedConfig;
use hitctl_engine::{Finding, Graph, Severity, Snapshot};
use hitctl_report::Failure;
use hitctl_resources::aws::{ConcurrencyQuota, DEFAULT_TABLE_WRITES};
use hitctl_stack::{FunctionArtifact, address};

use super::design::design;

/// The code of the finding, or of the failure with `strict = true`.
const CODE: &str = "concurrency_quota";

/// Returns the graph with the current reservation, if there is one, if the quota does not allow the configured one. The quota is read only if the
/// reservation would change, so a deploy without changes makes no call.
pub(crate) async fn fit(
    config: &LoadedConfig,
    cloud: &dyn Cloud,
    code: Option<&FunctionArtifact>,
    graph: Graph,
    live: &Snapshot,
) -> Result<(Graph, Option<Finding>), Failure> {
    let Some(desired) = config.app.function.reserved_concurrency else { return Ok((graph, None)) };
    let current = live
        .observed(&address::counter())
        .and_then(|live| live.spec.get("reserved_concurrency")?.as_u64())
        .and_then(|current| u32::try_from(current).ok());
    if current == Some(desired) {
        return Ok((graph, None));
    }
    // If the quota cannot be read, the call that reserves concurrency reports any error.
    let quota = cloud.concurrency_quota().await.and_then(Result::ok);
    let Some(quota) = quota.filter(|quota| !quota.can_reserve(desired, current)) else {
        return Ok((graph, None));
    };
    let message = shortage(quota, desired, current);
    let command = increase_command(&cloud.location().region);
    if config.app.strict {
        return Err(Failure::new(CODE, message)
            .caused_by("`strict = true` in hitctl.toml makes this an error; nothing was changed")
            .hinted(format!("run `{command}`, or set `reserved_concurrency = \"none\"` in [function]")));
    }
    let mut adapted = config.clone();
    // An existing reservation is kept, even one that hitctl did not make.
    adapted.app.function.reserved_concurrency = current;
    let finding = Finding {
        severity: Severity::Warning,
        code: CODE.into(),
        address: address::counter(),
        message: format!("{message}; the deploy leaves the reservation of the function unchanged"),
        hint: Some(format!("run `{command}` to request a higher quota, then deploy again")),
    };
    Ok((design(&adapted, cloud.location(), code)?, Some(finding)))
}

/// Fails if `max_write_units` exceeds the quota of the account's tables. The quota is read only for values above AWS's
/// default.
pub(crate) async fn check_table(config: &LoadedConfig, cloud: &dyn Cloud) -> Result<(), Failure> {
    let desired = config.app.table.max_write_units;
    if desired <= DEFAULT_TABLE_WRITES {
        return Ok(());
    }
    let (max, quota_fault) = match cloud.table_writes_quota().await {
        None => return Ok(()),
        Some(Ok(max)) => (max, None),
        Some(Err(fault)) => (DEFAULT_TABLE_WRITES, Some(fault)),
    };
    if desired <= max {
        return Ok(());
    }
    let message = format!("`max_write_units`: expected at most {max}, found {desired}");
    let failure = Failure::new("table_quota", message);
    let failure = match quota_fault {
        Some(fault) => failure.caused_by(format!(
            "the account's quota is unknown, and AWS's default is {max}: {}",
            fault.message
        )),
        None => {
            failure.caused_by("the account's DynamoDB quota per table allows no more; nothing was changed")
        }
    };
    Err(failure.hinted(format!(
        "set `max_write_units` in [table] to at most {max}, or request a higher quota in the console: Service Quotas, DynamoDB, \
         \"Table-level write throughput limit\", region {}",
        cloud.location().region
    )))
}

/// Returns the message that the quota does not allow the reserved concurrency. `current` is the function's reservation.
pub(crate) fn shortage(quota: ConcurrencyQuota, desired: u32, current: Option<u32>) -> String {
    let ConcurrencyQuota { limit, unreserved } = quota;
    let floor = quota.min_unreserved();
    let current = current.unwrap_or(0);
    let max = unreserved.saturating_add(current).saturating_sub(floor).max(current);
    format!(
        "the account's quota does not allow reserved concurrency {desired}: of {limit} concurrent executions, {unreserved} are \
         unreserved, and {floor} must stay unreserved; the function can reserve at most {max}"
    )
}

/// Returns the command that requests a concurrency quota of 1,000, which is AWS's default.
pub(crate) fn increase_command(region: &str) -> String {
    format!(
        "aws service-quotas request-service-quota-increase --service-code lambda --quota-code L-B99A9384 --desired-value \
         1000 --region {region}"
    )
}
