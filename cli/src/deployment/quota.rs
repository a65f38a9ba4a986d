//! Whether the account has the concurrency that the function should reserve. New accounts have so little that Lambda lets
//! nobody reserve any; then the function goes without, and is distinguished from one that has drifted.

use hitctl_cloud::Cloud;
use hitctl_config::Loaded;
use hitctl_engine::{Finding, Graph, Severity, Snapshot};
use hitctl_report::Failure;
use hitctl_resources::aws::{DEFAULT_TABLE_WRITES, Quota};
use hitctl_stack::{Code, address};

use super::design::design;

/// The code of what is said about it.
const CODE: &str = "concurrency_quota";

/// Fits the design to the account. It is asked only where a reservation would be made or changed, so that a deploy without
/// changes costs no call.
pub(crate) async fn fit(
    loaded: &Loaded,
    cloud: &dyn Cloud,
    code: Option<&Code>,
    graph: Graph,
    live: &Snapshot,
) -> Result<(Graph, Option<Finding>), Failure> {
    let Some(want) = loaded.app.function.reserved_concurrency else { return Ok((graph, None)) };
    let have = live
        .live(&address::counter())
        .and_then(|live| live.spec.get("reserved_concurrency")?.as_u64())
        .and_then(|have| u32::try_from(have).ok());
    if have == Some(want) {
        return Ok((graph, None));
    }
    let Some(quota) = cloud.concurrency().await.filter(|quota| !quota.can_reserve(want, have)) else {
        return Ok((graph, None));
    };
    let message = short(quota, want);
    let ask = request(&cloud.place().region);
    if loaded.app.strict {
        return Err(Failure::new(CODE, message)
            .caused_by("`strict = true` in hitctl.toml makes this an error; nothing was changed")
            .hinted(format!("run `{ask}`, or set `reserved_concurrency = \"none\"` in [function]")));
    }
    let mut without = loaded.clone();
    // What is reserved already, by whatever way, stays.
    without.app.function.reserved_concurrency = have;
    let finding = Finding {
        severity: Severity::Warning,
        code: CODE.into(),
        address: address::counter(),
        message: format!("{message}; it goes without. To get more, run `{ask}`, then deploy again"),
        hint: None,
    };
    Ok((design(&without, cloud.place(), code)?, Some(finding)))
}

/// Refuses a `max_write_units` that the account's tables cannot have. The account is asked only beyond AWS's default.
pub(crate) async fn check_table(loaded: &Loaded, cloud: &dyn Cloud) -> Result<(), Failure> {
    let want = loaded.app.table.max_write_units;
    if want <= DEFAULT_TABLE_WRITES {
        return Ok(());
    }
    let (most, unknown) = match cloud.table_writes().await {
        None => return Ok(()),
        Some(Ok(most)) => (most, None),
        Some(Err(fault)) => (DEFAULT_TABLE_WRITES, Some(fault)),
    };
    if want <= most {
        return Ok(());
    }
    let message = format!("`max_write_units` is {want}, and a table of this account may have at most {most}");
    let failure = Failure::new("table_quota", message);
    let failure = match unknown {
        Some(fault) => failure.caused_by(format!("that is AWS's default: {}", fault.message)),
        None => failure.caused_by("it is a quota of DynamoDB; nothing was changed"),
    };
    Err(failure.hinted(format!(
        "set `max_write_units` in [table] to {most} or less, or ask AWS for more: in the console under Service Quotas, DynamoDB, \
         \"Table-level write throughput limit\", in {}",
        cloud.place().region
    )))
}

/// What is the matter.
pub(crate) fn short(quota: Quota, want: u32) -> String {
    let Quota { limit, unreserved } = quota;
    let floor = quota.floor();
    format!(
        "{want} cannot be reserved: the account may run {limit} invocations at once, {unreserved} of them are unreserved, and \
         {floor} have to stay so"
    )
}

/// The command that asks AWS for its default of 1,000.
pub(crate) fn request(region: &str) -> String {
    format!(
        "aws service-quotas request-service-quota-increase --service-code lambda --quota-code L-B99A9384 --desired-value \
         1000 --region {region}"
    )
}
