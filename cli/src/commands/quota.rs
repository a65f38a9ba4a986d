//! Whether the account has the concurrency that the function should reserve. New accounts have so little that Lambda lets
//! nobody reserve any; then the function goes without, and is told apart from one that has drifted.

use hitctl_config::Loaded;
use hitctl_engine::{Finding, Graph, Severity, Snapshot};
use hitctl_resources::{FunctionSpec, Spec as _};

use crate::cloud::{Cloud, Concurrency};
use crate::commands::steps;
use crate::report::Failure;
use crate::stack::Code;

/// What Lambda keeps unreserved in every account ("Configuring reserved concurrency" in its guide).
const UNRESERVED_MIN: u32 = 100;
/// The code of what is said about it.
const CODE: &str = "concurrency_quota";

/// Fits the design to the account. It is asked only where a reservation would be made or changed, so that a deploy without
/// changes costs no call.
pub(super) async fn fit(
    loaded: &Loaded,
    cloud: &dyn Cloud,
    code: &Code,
    graph: Graph,
    live: &Snapshot,
) -> Result<(Graph, Option<Finding>), Failure> {
    let Some(want) = loaded.app.function.reserved_concurrency else { return Ok((graph, None)) };
    let have = live
        .live(&FunctionSpec::address("counter"))
        .and_then(|live| live.spec.get("reserved_concurrency")?.as_u64())
        .and_then(|have| u32::try_from(have).ok());
    if have == Some(want) {
        return Ok((graph, None));
    }
    let Some(limits) = cloud.concurrency().await.filter(|limits| !fits(*limits, want, have.unwrap_or(0)))
    else {
        return Ok((graph, None));
    };
    let message = short(limits, want);
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
        code: CODE.to_owned(),
        address: FunctionSpec::address("counter"),
        message: format!("{message}; it goes without. To get more, run `{ask}`, then deploy again"),
        hint: None,
    };
    Ok((steps::design(&without, cloud.place(), code)?, Some(finding)))
}

/// Whether so much can be reserved by a function that has so much already.
pub(super) fn fits(limits: Concurrency, want: u32, have: u32) -> bool {
    u64::from(limits.unreserved) + u64::from(have) >= u64::from(want) + u64::from(UNRESERVED_MIN)
}

/// What is the matter.
pub(super) fn short(limits: Concurrency, want: u32) -> String {
    format!(
        "the account may run {} invocations at once, {} of them unreserved: too few to reserve {want}, since {UNRESERVED_MIN} have \
         to stay unreserved",
        limits.limit, limits.unreserved
    )
}

/// The command that asks AWS for its default of 1,000.
pub(super) fn request(region: &str) -> String {
    format!(
        "aws service-quotas request-service-quota-increase --service-code lambda --quota-code L-B99A9384 --desired-value \
         1000 --region {region}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundred_stay_unreserved() {
        let limits = |limit, unreserved| Concurrency { limit, unreserved };
        let table = [
            (limits(10, 10), 1, 0, false),
            (limits(50, 50), 1, 0, false),
            (limits(100, 100), 1, 0, false),
            (limits(101, 101), 1, 0, true),
            (limits(1000, 1000), 900, 0, true),
            (limits(1000, 1000), 901, 0, false),
            (limits(1000, 105), 10, 0, false),
            (limits(1000, 105), 10, 5, true),
            (limits(u32::MAX, u32::MAX), u32::MAX, u32::MAX, true),
        ];
        for (limits, want, have, expected) in table {
            assert_eq!(fits(limits, want, have), expected, "{limits:?} {want} {have}");
        }
    }
}
