//! Estimates the cost of a counter: of a typical month, of the worst month that the throttle or the concurrency allows, and of
//! a million hits. Each kind of resource declares its prices; this module computes the quantities that an app uses.
//!
//! The estimate uses list prices without free tiers. It can be exceeded: AWS throttles "on a best-effort basis" (API Gateway's
//! documentation), and a hit that causes a cold start takes longer than others.

mod sources;

use hitctl_config::limits::{
    HTTP_API_BILLED_BYTES, HTTP_API_BODY_BYTES, SQS_BILLED_BYTES, SQS_MESSAGE_BYTES, billed_requests,
};
use hitctl_config::{AppConfig, Arch, ExposeMode, PathPolicy, VisitorMode, contract};
use hitctl_resources::Usage;
use hitctl_resources::prices::function::{ACCOUNT_CONCURRENCY, REQUESTS_PER_CONCURRENCY, gb_seconds};
use hitctl_resources::prices::table::{READS, READS_OF_EACH_SCANNED_ITEM, READS_OF_ONE_ITEM, WRITES};
use hitctl_resources::prices::{function, http_api, log_group};
use serde::{Serialize, Serializer};
use sources::SourceCosts;

/// The month in which the prices were looked up. They are for us-east-1 and come from secondary sources; the prices of
/// other regions differ by about 10 to 30 %.
pub const PRICES_AS_OF: &str = "2026-11";

/// The seconds of an average month.
const MONTH_S: f64 = 2_629_800.0;
const DAY_S: f64 = 86_400.0;
const MILLION: f64 = 1e6;
/// The number of views in a typical month of a blog or a small project.
const TYPICAL_VIEWS: u32 = 10_000;

/// The assumed number of pages if the configuration does not limit it.
const ASSUMED_PAGES: u32 = 10_000;
/// The minimum number of seconds between two reads of all pages by one process of the function.
const ALL_PAGES_INTERVAL_S: f64 = 60.0;

/// The duration of a hit with one write in a warm function, and the additional duration of each further write, in seconds.
const HIT_S: f64 = 0.008;
const WRITE_S: f64 = 0.004;
/// The log volume of a million hits, in GB. It consists mostly of Lambda's own lines.
const LOGS_GB_PER_MILLION: f64 = 0.3;

/// The estimated cost of an app, in US dollars.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CostEstimate {
    /// The cost of a month with `TYPICAL_VIEWS` views.
    #[serde(serialize_with = "cents")]
    pub typical_month_usd: f64,
    /// The number of views in that month.
    pub typical_month_views: u32,
    /// The maximum cost of a month: as many requests as the throttle or the concurrency allows, each of the
    /// most expensive size. `None` if no web request reaches the function.
    #[serde(serialize_with = "cents_or_null")]
    pub worst_month_usd: Option<f64>,
    /// The cost of a million hits.
    #[serde(serialize_with = "cents")]
    pub per_million_hits_usd: f64,
    /// The maximum monthly cost of invalidations, which the worst month includes; `None` without a distribution.
    #[serde(serialize_with = "cents_or_null", skip_serializing_if = "Option::is_none")]
    pub invalidations_month_usd: Option<f64>,
    /// The month of the prices, such as `2026-11`.
    pub prices_as_of: &'static str,
    /// The table units that a hit uses.
    #[serde(skip)]
    hit: HitUsage,
    /// The additional cost of queues, events and invalidations.
    #[serde(skip)]
    sources: SourceCosts,
    /// The sentences about the limit of the number of requests. Empty if there is no web endpoint.
    #[serde(skip)]
    limit_text: String,
    /// The assumed requests of the worst case, such as `10 requests a second, 10 MB each`. Empty if there is no web endpoint.
    #[serde(skip)]
    worst_case_note: String,
    /// The worst case with small requests. `None` if the size of a request does not matter.
    #[serde(skip)]
    worst_small_usd: Option<f64>,
}

/// The maximum table units of a hit: the hit of a visitor who is new today, both on the page and on the site. All items
/// are smaller than 1 KB. A write whose condition fails costs as much as any other.
#[derive(Clone, Copy, Debug, PartialEq)]
struct HitUsage {
    /// Write request units of the table of counts: one for the page and, with visitors, one for the site.
    count_writes: f64,
    /// Write request units of the table of visitors: for the page, for the site and, with `raw`, for the address.
    visitor_writes: f64,
    /// Read request units: for the additional shards of a page.
    reads: f64,
}

impl HitUsage {
    fn for_app(app: &AppConfig) -> Self {
        let (count_writes, visitor_writes) = match app.counter.visitors {
            VisitorMode::None => (1.0, 0.0),
            VisitorMode::Hash => (2.0, 2.0),
            VisitorMode::Raw => (2.0, 3.0),
        };
        Self {
            count_writes,
            visitor_writes,
            reads: f64::from(app.counter.shards.saturating_sub(1)) * READS_OF_ONE_ITEM,
        }
    }

    fn writes(self) -> f64 {
        self.count_writes + self.visitor_writes
    }

    /// Returns the duration of the hit, in seconds.
    fn duration_s(self) -> f64 {
        HIT_S + (self.writes() - 1.0) * WRITE_S
    }
}

/// The quantities for which an app is billed.
struct CostModel {
    /// Whether an HTTP API receives the requests.
    has_api: bool,
    /// The instruction set of the function.
    arch: Arch,
    /// The GB-seconds of a million hits.
    gb_seconds: f64,
    /// The number of hits per second that the function can serve.
    max_hits_per_s: f64,
    /// The number of requests per second that the reader can serve; `None` if there is only one function.
    reader_max_per_s: Option<f64>,
    /// The table units that a hit uses.
    hit: HitUsage,
    /// The write request units per second that a table accepts.
    max_table_writes: f64,
    /// The maximum number of writes per second for new pages: two per page. The first write fails because the path is
    /// unknown; the second adds the path to the budget.
    new_page_writes: f64,
    /// The read request units of a request for the maximum number of pages.
    reads_per_request: f64,
    /// The read request units of reading all pages.
    all_pages_reads: f64,
}

impl CostModel {
    fn for_app(app: &AppConfig) -> Self {
        let concurrency = app.function.reserved_concurrency.unwrap_or(ACCOUNT_CONCURRENCY);
        let (hit, counter) = (HitUsage::for_app(app), &app.counter);
        let (new_page_writes, pages) = match counter.paths {
            PathPolicy::Budget => (2.0 * f64::from(counter.new_paths_per_day) / DAY_S, counter.max_paths),
            PathPolicy::Strict | PathPolicy::Open => (0.0, ASSUMED_PAGES),
        };
        let shards = f64::from(counter.shards);
        let max_paths = f64::from(u32::try_from(contract::MAX_PATHS).unwrap_or(u32::MAX));
        Self {
            has_api: app.http.expose == ExposeMode::Api,
            arch: app.function.arch,
            gb_seconds: gb_seconds_of_million(app.function.memory_mb, hit.duration_s()),
            max_hits_per_s: f64::from(concurrency) * REQUESTS_PER_CONCURRENCY,
            reader_max_per_s: app
                .has_reader()
                .then_some(f64::from(ACCOUNT_CONCURRENCY) * REQUESTS_PER_CONCURRENCY),
            hit,
            max_table_writes: f64::from(app.table.max_write_units),
            new_page_writes,
            reads_per_request: max_paths * shards * READS_OF_ONE_ITEM,
            all_pages_reads: f64::from(pages) * shards * READS_OF_EACH_SCANNED_ITEM,
        }
    }

    /// Returns the cost of a month with `rate` requests per second. The HTTP API bills each as `billed` requests. It
    /// also bills requests that no function can serve.
    ///
    /// Assumes that all requests either count or only read, whichever costs more. With a reader, the most expensive request that counts
    /// is a badge: the reader renders it from one item and forwards the hit to the counter.
    fn month(&self, rate: f64, billed: f64) -> f64 {
        let counted = rate.min(self.max_hits_per_s);
        let read = rate.min(self.reader_max_per_s.unwrap_or(self.max_hits_per_s));
        let forwarded = match self.reader_max_per_s {
            Some(_) => self.invocation_usage(read).and(READS, millions(read * READS_OF_ONE_ITEM)),
            None => Usage::default(),
        };
        let counting =
            self.invocation_usage(counted).plus(&self.counting_usage(counted)).plus(&forwarded).usd();
        let reading = self.invocation_usage(read).plus(&self.reading_usage(read)).usd();
        let gateway = if self.has_api { http_api::REQUESTS.cost_of(millions(rate * billed)) } else { 0.0 };
        gateway + counting.max(reading)
    }

    /// Returns the usage of a month with `per_second` invocations per second, including their logs.
    fn invocation_usage(&self, per_second: f64) -> Usage {
        let millions = millions(per_second);
        Usage::default()
            .and(function::REQUESTS, millions)
            .and(gb_seconds(self.arch), millions * self.gb_seconds)
            .and(log_group::INGESTED, millions * LOGS_GB_PER_MILLION)
    }

    /// Returns the usage of the tables in a month with `served` hits per second.
    fn counting_usage(&self, served: f64) -> Usage {
        let counts = served * self.hit.count_writes + self.new_page_writes.min(served * 2.0);
        let writes =
            counts.min(self.max_table_writes) + (served * self.hit.visitor_writes).min(self.max_table_writes);
        let usage =
            Usage::default().and(WRITES, millions(writes)).and(READS, millions(served * self.hit.reads));
        usage.plus(&self.all_pages_usage(served))
    }

    /// Returns the usage of the tables in a month with `served` reads per second.
    fn reading_usage(&self, served: f64) -> Usage {
        Usage::default()
            .and(READS, millions(served * self.reads_per_request))
            .plus(&self.all_pages_usage(served))
    }

    /// Returns the table reads of requests for all pages, in a month with `served` requests per second.
    fn all_pages_usage(&self, served: f64) -> Usage {
        let processes = (served / REQUESTS_PER_CONCURRENCY).ceil();
        let reads = millions(served.min(processes / ALL_PAGES_INTERVAL_S) * self.all_pages_reads);
        Usage::default().and(READS, reads)
    }

    /// Returns the usage of a million hits.
    fn million_hits_usage(&self) -> Usage {
        Usage::default()
            .and(http_api::REQUESTS, if self.has_api { 1.0 } else { 0.0 })
            .and(function::REQUESTS, 1.0)
            .and(gb_seconds(self.arch), self.gb_seconds)
            .and(log_group::INGESTED, LOGS_GB_PER_MILLION)
            .and(WRITES, self.hit.writes())
            .and(READS, self.hit.reads)
    }

    /// Returns the price of the compute time for a million hits, in US dollars.
    fn compute_usd(&self) -> f64 {
        gb_seconds(self.arch).cost_of(self.gb_seconds)
    }
}

/// Returns the GB-seconds of a million hits that take `hit_s` seconds each.
fn gb_seconds_of_million(memory_mb: u32, hit_s: f64) -> f64 {
    f64::from(memory_mb) / 1024.0 * hit_s * MILLION
}

/// Returns the price of `count` Lambda invocations of `billed_ms` milliseconds each, in US dollars.
pub fn invocation_cost(arch: Arch, memory_mb: u32, count: u32, billed_ms: f64) -> f64 {
    let millions = f64::from(count) / MILLION;
    let gb_s = gb_seconds_of_million(memory_mb, billed_ms / 1_000.0);
    Usage::default().and(function::REQUESTS, millions).and(gb_seconds(arch), millions * gb_s).usd()
}

/// The cost of the hits of a month, in US dollars.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MonthCost {
    /// The total cost.
    pub usd: f64,
    /// The cost of the function's running time, which is the part that depends on the memory.
    pub compute_usd: f64,
}

/// Returns the cost of `hits` hits per month with the given memory and billed duration per hit. Cold starts are rare
/// and treated like other hits.
pub fn month_cost(app: &AppConfig, memory_mb: u32, hits: u64, billed_ms: f64) -> MonthCost {
    #[expect(clippy::cast_precision_loss, reason = "the rounding error is far below a cent")]
    let million = hits as f64 / MILLION;
    let gb_seconds = gb_seconds_of_million(memory_mb, billed_ms / 1_000.0);
    let model = CostModel { gb_seconds, ..CostModel::for_app(app) };
    // The volume discount of the HTTP API, as a negative amount.
    let rebate = if model.has_api {
        http_api::REQUESTS.cost_of(million) - million * http_api::REQUESTS.usd
    } else {
        0.0
    };
    MonthCost {
        usd: rebate + million * model.million_hits_usage().usd(),
        compute_usd: million * model.compute_usd(),
    }
}

/// Converts a rate per second to millions per month.
fn millions(per_second: f64) -> f64 {
    per_second * MONTH_S / MILLION
}

/// Estimates the cost of an app on AWS.
pub fn estimate(app: &AppConfig) -> CostEstimate {
    let model = CostModel::for_app(app);
    let sources = SourceCosts::for_app(app);
    let invalidations = sources.invalidations();
    let month = |rate: f64, size: BilledSize| {
        let web = millions(rate) * sources.per_million_web_hits(size.message);
        model.month(rate, size.request) + web + sources.idle_month_usd + invalidations.unwrap_or(0.0)
    };
    // The largest message that SQS accepts is smaller than the largest request, but SQS bills it in addition to the
    // HTTP API.
    let worst = |rate| month(rate, BilledSize::LARGEST).max(month(rate, BilledSize::LARGEST_MESSAGE));
    let (rate, limit) = match app.http.expose {
        ExposeMode::Api => (Some(app.http.rate_per_second), "the limit of the throttle".to_owned()),
        ExposeMode::FunctionUrl => {
            let limit = match app.function.reserved_concurrency {
                Some(reserved) => format!("the limit of the reserved concurrency of {reserved}"),
                None => format!("the limit of the default account concurrency of {ACCOUNT_CONCURRENCY}"),
            };
            (Some(model.max_hits_per_s), limit)
        }
        ExposeMode::None => (None, String::new()),
    };
    let is_api = app.http.expose == ExposeMode::Api;
    let (mb, kb) = (HTTP_API_BODY_BYTES / 1024 / 1024, HTTP_API_BILLED_BYTES / 1024);
    let size = if is_api { format!(", {mb} MB each") } else { String::new() };
    let worst_case_note = rate.map(|rate| format!("{rate} requests a second{size}")).unwrap_or_default();
    let billing =
        if is_api { format!(". An HTTP API bills every {kb} KB as one request") } else { String::new() };
    let limit_text = if rate.is_some() {
        format!("The worst case assumes that requests arrive all month at {limit}{billing}")
    } else {
        limit
    };
    let million = model.million_hits_usage().usd() + sources.per_million_web_hits(1.0);
    let views = f64::from(TYPICAL_VIEWS);
    // Without web requests, views arrive as messages or events.
    let messages = if rate.is_none() { sources.per_million_messages.unwrap_or(0.0) } else { 0.0 };
    let typical =
        views / MILLION * (million + messages) + sources.idle_month_usd + sources.invalidations_of(views);
    CostEstimate {
        typical_month_usd: typical,
        typical_month_views: TYPICAL_VIEWS,
        worst_month_usd: rate.map(worst),
        per_million_hits_usd: million,
        invalidations_month_usd: invalidations,
        prices_as_of: PRICES_AS_OF,
        hit: model.hit,
        sources,
        worst_case_note,
        worst_small_usd: rate.filter(|_| is_api).map(|rate| month(rate, BilledSize::SMALL)),
        limit_text,
    }
}

/// The numbers of requests that the HTTP API and SQS bill for one web request.
#[derive(Clone, Copy)]
struct BilledSize {
    request: f64,
    message: f64,
}

impl BilledSize {
    /// The request of a view as a page sends it.
    const SMALL: Self = Self { request: 1.0, message: 1.0 };
    /// The largest request that the HTTP API accepts. SQS rejects it.
    const LARGEST: Self = Self { request: billed(HTTP_API_BODY_BYTES, HTTP_API_BILLED_BYTES), message: 1.0 };
    /// The largest request that SQS accepts.
    const LARGEST_MESSAGE: Self = Self {
        request: billed(SQS_MESSAGE_BYTES, HTTP_API_BILLED_BYTES),
        message: billed(SQS_MESSAGE_BYTES, SQS_BILLED_BYTES),
    };
}

#[expect(clippy::cast_precision_loss, reason = "the number of requests is small")]
const fn billed(payload_bytes: usize, billed_bytes: usize) -> f64 {
    billed_requests(payload_bytes, billed_bytes) as f64
}

impl CostEstimate {
    /// Returns the estimate in one line: `10,000 views a month: about 0.04 USD; a million: 3.88 USD; worst case: about 598 USD a month`.
    pub fn summary(&self) -> String {
        let worst = self.worst_month_usd.map(|worst| format!("; worst case: about {} a month", usd(worst)));
        format!(
            "{},000 views a month: about {}; a million: {}{}",
            self.typical_month_views / 1_000,
            usd(self.typical_month_usd),
            usd(self.per_million_hits_usd),
            worst.unwrap_or_default()
        )
    }

    /// Returns the estimate as rows: no views, a typical month, a million views, and the worst case.
    pub fn rows(&self) -> Vec<CostRow> {
        let row = |label: &str, amount: String, note: &str| CostRow {
            label: label.to_owned(),
            amount,
            note: note.to_owned(),
        };
        // A queue is polled even if no view arrives.
        let idle = match self.sources.idle_month_usd {
            usd_a_month if usd_a_month > 0.0 => usd(usd_a_month),
            _ => "< 0.01 USD".to_owned(),
        };
        let typical = format!("{},000 views", self.typical_month_views / 1_000);
        let worst = self.worst_month_usd.map(|worst| row("worst case", usd(worst), &self.worst_case_note));
        let small = self.worst_small_usd.map(|small| row("", usd(small), "the same with small requests"));
        let rows = [
            Some(row("no views", idle, "")),
            Some(row(&typical, usd(self.typical_month_usd), "")),
            Some(row("1,000,000 views", usd(self.per_million_hits_usd), "")),
            worst,
            small,
        ];
        rows.into_iter().flatten().collect()
    }

    /// Returns the assumptions of the estimate as sentences.
    pub fn assumptions(&self) -> String {
        let limit_text =
            if self.limit_text.is_empty() { String::new() } else { format!("{}. ", self.limit_text) };
        let hit = match self.hit {
            HitUsage { visitor_writes: 0.0, .. } => String::new(),
            hit => format!(
                "The estimate assumes that every view comes from a new visitor and takes {} writes; a returning visitor takes {}. ",
                hit.writes(),
                // The two writes for the site are omitted: one to the counts and one to the visitors.
                hit.writes() - 2.0
            ),
        };
        let source_text = self.sources.to_text();
        let source_text = source_text.trim_start();
        let gap = if source_text.is_empty() { "" } else { " " };
        format!(
            "{limit_text}{hit}{source_text}{gap}Prices are without free tiers; other regions differ by 10 to 30 %."
        )
    }
}

/// One row of an estimate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CostRow {
    /// The label, such as `10,000 views`. Empty if the row is a variant of the row before.
    pub label: String,
    /// The amount with its currency.
    pub amount: String,
    /// The assumed requests, or an empty text.
    pub note: String,
}

/// Formats an amount in dollars, with cents if it is small.
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
mod tests;
