//! What the counter costs: the most that a month can bring at the throttle that is set, and what a million hits do.
//!
//! An estimate, of list prices without free tiers: AWS throttles "on a best-effort basis" (API Gateway's documentation), and
//! a hit that starts a cold function takes longer than others.

use hitctl_config::{App, Arch, Expose};
use serde::{Serialize, Serializer};

/// When the prices below were looked up. They are those of us-east-1, from secondary pages; other regions differ by some
/// 10-30 %.
pub const PRICES_AS_OF: &str = "2026-11";

/// Seconds in a mean month.
const MONTH_S: f64 = 2_629_800.0;
const MILLION: f64 = 1e6;

/// HTTP API, a million requests, until [`HTTP_API_FIRST`] are reached in the month: aws.amazon.com/api-gateway/pricing.
const HTTP_API: f64 = 1.00;
const HTTP_API_FIRST: f64 = 300.0;
/// HTTP API, each further million.
const HTTP_API_FURTHER: f64 = 0.90;
/// Lambda, a million requests: aws.amazon.com/lambda/pricing.
const LAMBDA_REQUESTS: f64 = 0.20;
/// Lambda, a GB-second on arm64.
const LAMBDA_GB_S_ARM64: f64 = 0.000_013_333_4;
/// Lambda, a GB-second on `x86_64`.
const LAMBDA_GB_S_X86_64: f64 = 0.000_016_666_7;
/// `DynamoDB` on demand, a million write request units: aws.amazon.com/dynamodb/pricing/on-demand.
const WRITES: f64 = 0.625;
/// `CloudWatch` Logs, a GB taken in: aws.amazon.com/cloudwatch/pricing.
const LOGS_GB: f64 = 0.50;

/// How long a hit takes in a warm function, in seconds.
const HIT_S: f64 = 0.008;
/// What a million hits log: Lambda's own lines, mostly.
const LOGS_GB_A_MILLION: f64 = 0.3;
/// Write request units that one hit takes: one item of less than 1 KB.
const WRITES_A_HIT: f64 = 1.0;
/// Lambda serves so many requests a second for each unit of concurrency (Lambda's quotas).
const REQUESTS_A_CONCURRENCY: f64 = 10.0;
/// The concurrency of an account that nobody has changed (Lambda's quotas).
const ACCOUNT_CONCURRENCY: u32 = 1000;

/// What an app costs, in US dollars.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Estimate {
    /// The most that a month brings, with all the requests that the throttle lets in; `None` where nothing is open to the web.
    #[serde(serialize_with = "cents_or_null")]
    pub worst_month_usd: Option<f64>,
    /// What a million hits bring.
    #[serde(serialize_with = "cents")]
    pub per_million_hits_usd: f64,
    /// The month of the prices: `2026-11`.
    pub prices_as_of: &'static str,
    /// What bounds the requests, in words.
    #[serde(skip)]
    bound: String,
}

/// What one app is billed for.
struct Bill {
    /// Whether each request goes through an HTTP API.
    has_api: bool,
    /// The price of the GB-seconds of a million hits.
    compute: f64,
    /// Hits a second that the function can serve.
    served: f64,
    /// Write request units a second that the table takes.
    writes: f64,
}

impl Bill {
    fn of(app: &App) -> Self {
        let gb_s = match app.function.arch {
            Arch::Arm64 => LAMBDA_GB_S_ARM64,
            Arch::X86_64 => LAMBDA_GB_S_X86_64,
        };
        let concurrency = app.function.reserved_concurrency.unwrap_or(ACCOUNT_CONCURRENCY);
        Self {
            has_api: app.http.expose == Expose::Api,
            compute: f64::from(app.function.memory_mb) / 1024.0 * HIT_S * gb_s * MILLION,
            served: f64::from(concurrency) * REQUESTS_A_CONCURRENCY,
            writes: f64::from(app.table.max_write_units),
        }
    }

    /// A month of that many requests a second. A request that the function cannot take is still the gateway's.
    fn month(&self, rate: f64) -> f64 {
        let millions = |a_second: f64| a_second * MONTH_S / MILLION;
        let served = rate.min(self.served);
        let gateway = if self.has_api { gateway(millions(rate)) } else { 0.0 };
        let lambda = millions(served) * (LAMBDA_REQUESTS + self.compute + LOGS_GB_A_MILLION * LOGS_GB);
        let writes = millions((served * WRITES_A_HIT).min(self.writes)) * WRITES;
        gateway + lambda + writes
    }

    fn million(&self) -> f64 {
        let gateway = if self.has_api { HTTP_API } else { 0.0 };
        gateway + LAMBDA_REQUESTS + self.compute + LOGS_GB_A_MILLION * LOGS_GB + WRITES_A_HIT * WRITES
    }
}

/// The HTTP API's price of so many million requests in a month.
fn gateway(millions: f64) -> f64 {
    millions.min(HTTP_API_FIRST) * HTTP_API + (millions - HTTP_API_FIRST).max(0.0) * HTTP_API_FURTHER
}

/// Estimates what an app costs on AWS.
pub fn estimate(app: &App) -> Estimate {
    let bill = Bill::of(app);
    let (rate, bound) = match app.http.expose {
        Expose::Api => {
            let rate = app.http.rate_per_second;
            (Some(rate), format!("{rate} requests a second all month, which is the throttle"))
        }
        Expose::FunctionUrl => {
            let what = match app.function.reserved_concurrency {
                Some(reserved) => format!("reserved concurrency {reserved} allows"),
                None => format!("an account's usual concurrency of {ACCOUNT_CONCURRENCY} allows"),
            };
            (Some(bill.served), format!("{} requests a second all month, which {what}", bill.served))
        }
        Expose::None => (None, String::new()),
    };
    Estimate {
        worst_month_usd: rate.map(|rate| bill.month(rate)),
        per_million_hits_usd: bill.million(),
        prices_as_of: PRICES_AS_OF,
        bound,
    }
}

impl Estimate {
    /// The estimate in one line: `at most about 52 USD a month; 1.99 USD for a million hits`.
    pub fn brief(&self) -> String {
        let hits = format!("{} for a million hits", usd(self.per_million_hits_usd));
        match self.worst_month_usd {
            Some(worst) => format!("at most about {} a month; {hits}", usd(worst)),
            None => hits,
        }
    }

    /// The estimate with what it rests on.
    pub fn in_full(&self) -> String {
        let bound = if self.bound.is_empty() { String::new() } else { format!(" With {}.", self.bound) };
        let price = format!(
            "Prices of us-east-1 without free tiers, as of {}; other regions differ by some 10-30 %.",
            self.prices_as_of
        );
        format!("{}; less than 0.01 USD a month at rest.{bound} {price}", self.brief())
    }
}

/// Dollars as people read them: cents where they matter.
fn usd(amount: f64) -> String {
    if amount < 9.995 { format!("{amount:.2} USD") } else { format!("{amount:.0} USD") }
}

fn rounded(amount: f64) -> f64 {
    (amount * 100.0).round() / 100.0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn cents<S: Serializer>(amount: &f64, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64(rounded(*amount))
}

#[expect(clippy::ref_option, reason = "serde's signature")]
fn cents_or_null<S: Serializer>(amount: &Option<f64>, to: S) -> Result<S::Ok, S::Error> {
    amount.map(rounded).serialize(to)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The defaults, changed.
    fn app(change: impl FnOnce(&mut App)) -> App {
        let mut app = hitctl_config::load(None, None, &hitctl_config::Overrides::new())
            .expect("the defaults are valid")
            .app;
        change(&mut app);
        app
    }

    #[test]
    fn the_defaults_are_two_dollars_a_million_and_fifty_at_the_throttle() {
        let estimate = estimate(&app(|_| ()));
        insta::assert_snapshot!(
            estimate.in_full(),
            @"at most about 52 USD a month; 1.99 USD for a million hits; less than 0.01 USD a month at rest. With 10 requests a second all month, which is the throttle. Prices of us-east-1 without free tiers, as of 2026-11; other regions differ by some 10-30 %."
        );
        insta::assert_snapshot!(
            serde_json::to_string(&estimate).expect("plain data"),
            @r#"{"worst_month_usd":52.29,"per_million_hits_usd":1.99,"prices_as_of":"2026-11"}"#
        );
    }

    #[test]
    fn a_function_url_is_bound_by_its_concurrency() {
        let reserved = estimate(&app(|app| app.http.expose = Expose::FunctionUrl));
        insta::assert_snapshot!(reserved.brief(), @"at most about 26 USD a month; 0.99 USD for a million hits");
        assert!(
            reserved
                .in_full()
                .contains("With 10 requests a second all month, which reserved concurrency 1 allows.")
        );
        let open = estimate(&app(|app| {
            app.http.expose = Expose::FunctionUrl;
            app.function.reserved_concurrency = None;
        }));
        assert!(open.in_full().contains("With 10000 requests a second all month, which an account's usual"));
        assert!(open.worst_month_usd > reserved.worst_month_usd);
    }

    #[test]
    fn what_is_not_open_to_the_web_has_no_worst_month() {
        let closed = estimate(&app(|app| app.http.expose = Expose::None));
        insta::assert_snapshot!(closed.brief(), @"0.99 USD for a million hits");
        assert_eq!(
            serde_json::to_value(&closed).expect("plain data")["worst_month_usd"],
            serde_json::Value::Null
        );
    }

    #[test]
    fn refused_requests_cost_the_gateway_alone_and_the_tables_ceiling_holds() {
        let bill = |concurrency, writes| {
            let app = app(|app| {
                app.function.reserved_concurrency = Some(concurrency);
                app.table.max_write_units = writes;
            });
            Bill::of(&app)
        };
        // 100 a second through a function that serves 10: nine in ten are the gateway's alone.
        let million = MONTH_S / MILLION;
        let refused = bill(1, 100).month(100.0) - bill(1, 100).month(10.0);
        assert!((refused - 90.0 * million * HTTP_API).abs() < 1e-6, "{refused}");
        let held = bill(100, 1000).month(100.0) - bill(100, 60).month(100.0);
        assert!((held - 40.0 * million * WRITES).abs() < 1e-6, "{held}");
    }

    #[test]
    fn the_gateway_is_cheaper_beyond_its_first_300_million() {
        assert!((gateway(300.0) - 300.0).abs() < 1e-9);
        assert!((gateway(400.0) - 390.0).abs() < 1e-9);
    }

    proptest! {
        #[test]
        fn a_higher_throttle_never_costs_less_and_nothing_is_negative(
            rate in 0.0..1e6_f64,
            more in 0.0..1e6_f64,
            memory in 128_u32..10_240,
            concurrency in proptest::option::of(1_u32..1000),
            writes in 1_u32..1_000_000,
            arm in any::<bool>(),
        ) {
            let worst = |rate| {
                let app = app(|app| {
                    app.http.rate_per_second = rate;
                    app.function.memory_mb = memory;
                    app.function.reserved_concurrency = concurrency;
                    app.function.arch = if arm { Arch::Arm64 } else { Arch::X86_64 };
                    app.table.max_write_units = writes;
                });
                estimate(&app)
            };
            let (low, high) = (worst(rate), worst(rate + more));
            prop_assert!(low.worst_month_usd.expect("the API is open") >= 0.0);
            prop_assert!(low.per_million_hits_usd > 0.0);
            prop_assert!(high.worst_month_usd >= low.worst_month_usd);
        }
    }
}
