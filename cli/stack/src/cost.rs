//! The costs of the counter: a typical month, the most that a month can bring at the throttle that is set, and a million hits.
//! Each kind of resource declares its prices; this file knows how much of each an app uses.
//!
//! An estimate, of list prices without free tiers: AWS throttles "on a best-effort basis" (API Gateway's documentation), and
//! a hit that starts a cold function takes longer than others.

mod sources;

use hitctl_config::limits::{
    HTTP_API_BILLED_BYTES, HTTP_API_BODY_BYTES, SQS_BILLED_BYTES, SQS_MESSAGE_BYTES, billed_requests,
};
use hitctl_config::{App, Arch, Expose, Paths, Visitors, contract};
use hitctl_resources::Usage;
use hitctl_resources::prices::function::{ACCOUNT_CONCURRENCY, REQUESTS_PER_CONCURRENCY, gb_seconds};
use hitctl_resources::prices::table::{READS, READS_OF_EACH_SCANNED_ITEM, READS_OF_ONE_ITEM, WRITES};
use hitctl_resources::prices::{function, http_api, log_group};
use serde::{Serialize, Serializer};
use sources::Sources;

/// When the prices of the kinds were looked up. They are those of us-east-1, from secondary pages; other regions differ by some
/// 10-30 %.
pub const PRICES_AS_OF: &str = "2026-11";

/// Seconds in a mean month.
const MONTH_S: f64 = 2_629_800.0;
const DAY_S: f64 = 86_400.0;
const MILLION: f64 = 1e6;
/// The views of a typical month: a blog, or the pages of a small project.
const TYPICAL_VIEWS: u32 = 10_000;

/// So many pages are taken to be there where nothing says how many there may be.
const PAGES: u32 = 10_000;
/// A process of the function reads all pages at most once in so many seconds.
const ALL_PAGES_EACH_S: f64 = 60.0;

/// How long a hit of one write takes in a warm function, in seconds, and how much each further one adds.
const HIT_S: f64 = 0.008;
const WRITE_S: f64 = 0.004;
/// What a million hits log: Lambda's own lines, mostly.
const LOGS_GB_A_MILLION: f64 = 0.3;
/// What an app costs, in US dollars.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Estimate {
    /// A month with `TYPICAL_VIEWS` views.
    #[serde(serialize_with = "cents")]
    pub typical_month_usd: f64,
    /// The views of that month.
    pub typical_month_views: u32,
    /// The most that a month brings, with all the requests that the throttle lets in, of the size that is billed highest; `None` where
    /// nothing is open to the web.
    #[serde(serialize_with = "cents_or_null")]
    pub worst_month_usd: Option<f64>,
    /// What a million hits bring.
    #[serde(serialize_with = "cents")]
    pub per_million_hits_usd: f64,
    /// What the invalidations of a month bring at most; `None` without a distribution. They are in the worst month.
    #[serde(serialize_with = "cents_or_null", skip_serializing_if = "Option::is_none")]
    pub invalidations_month_usd: Option<f64>,
    /// The month of the prices: `2026-11`.
    pub prices_as_of: &'static str,
    /// What a hit takes.
    #[serde(skip)]
    hit: Hit,
    /// What queues, events and invalidations add.
    #[serde(skip)]
    sources: Sources,
    /// What bounds the requests, in words.
    #[serde(skip)]
    bound: String,
}

/// What a hit takes of the tables, at most: that of a visitor who is new today, on the page and on the site. All items are
/// below 1 KB, and a write whose condition fails costs as much as another.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Hit {
    /// Write request units of the table of counts: the page, and with visitors the site.
    counts: f64,
    /// Write request units of the table of visitors: of the page, of the site, and with `raw` the address.
    seen: f64,
    /// Read request units: the other items of a page that is spread over several.
    reads: f64,
}

impl Hit {
    fn of(app: &App) -> Self {
        let (counts, seen) = match app.counter.visitors {
            Visitors::None => (1.0, 0.0),
            Visitors::Hash => (2.0, 2.0),
            Visitors::Raw => (2.0, 3.0),
        };
        Self { counts, seen, reads: f64::from(app.counter.shards.saturating_sub(1)) * READS_OF_ONE_ITEM }
    }

    fn writes(self) -> f64 {
        self.counts + self.seen
    }

    /// How long it takes, in seconds.
    fn takes(self) -> f64 {
        HIT_S + (self.writes() - 1.0) * WRITE_S
    }
}

/// What one app is billed for.
struct Bill {
    /// Whether each request goes through an HTTP API.
    has_api: bool,
    /// The architecture of the function.
    arch: Arch,
    /// The GB-seconds of a million hits.
    gb_seconds: f64,
    /// Hits a second that the function can serve.
    served: f64,
    /// Requests a second that the reader can answer; `None` where one function answers everything.
    read_by_reader: Option<f64>,
    /// What a hit takes.
    hit: Hit,
    /// Write request units a second that a table takes.
    writes: f64,
    /// Writes a second for new pages: taken from the budget, after it was seen that there is none of that path.
    new_pages: f64,
    /// Read request units of a request for as many pages as one may ask for.
    reads: f64,
    /// Read request units of all pages.
    all_pages: f64,
}

impl Bill {
    fn of(app: &App) -> Self {
        let concurrency = app.function.reserved_concurrency.unwrap_or(ACCOUNT_CONCURRENCY);
        let (hit, counter) = (Hit::of(app), &app.counter);
        let (new_pages, pages) = match counter.paths {
            Paths::Budget => (2.0 * f64::from(counter.new_paths_per_day) / DAY_S, counter.max_paths),
            Paths::Strict | Paths::Open => (0.0, PAGES),
        };
        let shards = f64::from(counter.shards);
        let asked_for = f64::from(u32::try_from(contract::MAX_PATHS).unwrap_or(u32::MAX));
        Self {
            has_api: app.http.expose == Expose::Api,
            arch: app.function.arch,
            gb_seconds: gb_seconds_of_million(app.function.memory_mb, hit.takes()),
            served: f64::from(concurrency) * REQUESTS_PER_CONCURRENCY,
            read_by_reader: app
                .has_reader()
                .then_some(f64::from(ACCOUNT_CONCURRENCY) * REQUESTS_PER_CONCURRENCY),
            hit,
            writes: f64::from(app.table.max_write_units),
            new_pages,
            reads: asked_for * shards * READS_OF_ONE_ITEM,
            all_pages: f64::from(pages) * shards * READS_OF_EACH_SCANNED_ITEM,
        }
    }

    /// A month of that many requests a second, each billed as so many by the gateway. A request that no function can take is still
    /// the gateway's.
    ///
    /// All requests either count or only read, whichever costs more. With a reader, the most expensive request that counts is a
    /// badge: the reader draws it from one item and forwards the hit to the counter.
    fn month(&self, rate: f64, billed: f64) -> f64 {
        let counted = rate.min(self.served);
        let read = rate.min(self.read_by_reader.unwrap_or(self.served));
        let forwarded = match self.read_by_reader {
            Some(_) => self.invocations(read).and(READS, millions(read * READS_OF_ONE_ITEM)),
            None => Usage::default(),
        };
        let counting = self.invocations(counted).plus(&self.counting(counted)).plus(&forwarded).usd();
        let reading = self.invocations(read).plus(&self.reading(read)).usd();
        let gateway = if self.has_api { http_api::REQUESTS.of(millions(rate * billed)) } else { 0.0 };
        gateway + counting.max(reading)
    }

    /// A month of so many invocations a second, with what is logged.
    fn invocations(&self, a_second: f64) -> Usage {
        let millions = millions(a_second);
        Usage::default()
            .and(function::REQUESTS, millions)
            .and(gb_seconds(self.arch), millions * self.gb_seconds)
            .and(log_group::INGESTED, millions * LOGS_GB_A_MILLION)
    }

    /// The use of the tables in a month of so many hits a second.
    fn counting(&self, served: f64) -> Usage {
        let counts = served * self.hit.counts + self.new_pages.min(served * 2.0);
        let writes = counts.min(self.writes) + (served * self.hit.seen).min(self.writes);
        let usage =
            Usage::default().and(WRITES, millions(writes)).and(READS, millions(served * self.hit.reads));
        usage.plus(&self.reading_all(served))
    }

    /// The use of the tables in a month of so many questions a second.
    fn reading(&self, served: f64) -> Usage {
        Usage::default().and(READS, millions(served * self.reads)).plus(&self.reading_all(served))
    }

    /// The reads of all pages, as often as that is done for so many requests a second.
    fn reading_all(&self, served: f64) -> Usage {
        let processes = (served / REQUESTS_PER_CONCURRENCY).ceil();
        let reads = millions(served.min(processes / ALL_PAGES_EACH_S) * self.all_pages);
        Usage::default().and(READS, reads)
    }

    /// The use of a million hits.
    fn million(&self) -> Usage {
        Usage::default()
            .and(http_api::REQUESTS, if self.has_api { 1.0 } else { 0.0 })
            .and(function::REQUESTS, 1.0)
            .and(gb_seconds(self.arch), self.gb_seconds)
            .and(log_group::INGESTED, LOGS_GB_A_MILLION)
            .and(WRITES, self.hit.writes())
            .and(READS, self.hit.reads)
    }

    /// The price of the GB-seconds of a million hits, in US dollars.
    fn compute(&self) -> f64 {
        gb_seconds(self.arch).of(self.gb_seconds)
    }
}

/// The GB-seconds of a million hits that take so long each.
fn gb_seconds_of_million(memory_mb: u32, hit_s: f64) -> f64 {
    f64::from(memory_mb) / 1024.0 * hit_s * MILLION
}

/// What Lambda takes for so many invocations of that memory and length, in US dollars.
pub fn invocations(arch: Arch, memory_mb: u32, count: u32, billed_ms: f64) -> f64 {
    let millions = f64::from(count) / MILLION;
    let gb_s = gb_seconds_of_million(memory_mb, billed_ms / 1_000.0);
    Usage::default().and(function::REQUESTS, millions).and(gb_seconds(arch), millions * gb_s).usd()
}

/// What the hits of a month bring, in US dollars.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Month {
    /// All of it.
    pub usd: f64,
    /// What the function's running time is of that: the part that depends on the memory.
    pub compute_usd: f64,
}

/// What so many hits a month bring with that memory, at so many billed milliseconds a hit. The few that find no warm process are
/// counted as the rest.
pub fn month(app: &App, memory_mb: u32, hits: u64, billed_ms: f64) -> Month {
    #[expect(clippy::cast_precision_loss, reason = "money: a few parts in 2^53 are nothing")]
    let million = hits as f64 / MILLION;
    let gb_seconds = gb_seconds_of_million(memory_mb, billed_ms / 1_000.0);
    let bill = Bill { gb_seconds, ..Bill::of(app) };
    // What the gateway gives back for the many.
    let rebate =
        if bill.has_api { http_api::REQUESTS.of(million) - million * http_api::REQUESTS.usd } else { 0.0 };
    Month { usd: rebate + million * bill.million().usd(), compute_usd: million * bill.compute() }
}

/// So many a second, in millions a month.
fn millions(a_second: f64) -> f64 {
    a_second * MONTH_S / MILLION
}

/// Estimates what an app costs on AWS.
pub fn estimate(app: &App) -> Estimate {
    let bill = Bill::of(app);
    let sources = Sources::of(app);
    let invalidations = sources.invalidations();
    let month = |rate: f64, size: Size| {
        let web = millions(rate) * sources.million_of_web(size.message);
        bill.month(rate, size.request) + web + sources.at_rest + invalidations.unwrap_or(0.0)
    };
    // A message that SQS accepts is smaller than the largest request, and is billed once more on its way through the queue.
    let worst = |rate| month(rate, Size::LARGEST).max(month(rate, Size::LARGEST_MESSAGE));
    let (rate, bound) = match app.http.expose {
        Expose::Api => {
            let rate = app.http.rate_per_second;
            let small = usd(month(rate, Size::SMALL));
            let mb = HTTP_API_BODY_BYTES / 1024 / 1024;
            let kb = HTTP_API_BILLED_BYTES / 1024;
            let bound = format!(
                "The worst case is {rate} requests a second all month, which is the throttle, each of {mb} MB: an HTTP API bills every {kb} \
                 KB as a request. With small requests it is {small}"
            );
            (Some(rate), bound)
        }
        Expose::FunctionUrl => {
            let what = match app.function.reserved_concurrency {
                Some(reserved) => format!("reserved concurrency {reserved} allows"),
                None => format!("an account's usual concurrency of {ACCOUNT_CONCURRENCY} allows"),
            };
            let bound =
                format!("The worst case is {} requests a second all month, which {what}", bill.served);
            (Some(bill.served), bound)
        }
        Expose::None => (None, String::new()),
    };
    let million = bill.million().usd() + sources.million_of_web(1.0);
    let views = f64::from(TYPICAL_VIEWS);
    // Without a way in from the web, views come as messages or events.
    let messages = if rate.is_none() { sources.million_of_messages.unwrap_or(0.0) } else { 0.0 };
    let typical = views / MILLION * (million + messages) + sources.at_rest + sources.invalidations_of(views);
    Estimate {
        typical_month_usd: typical,
        typical_month_views: TYPICAL_VIEWS,
        worst_month_usd: rate.map(worst),
        per_million_hits_usd: million,
        invalidations_month_usd: invalidations,
        prices_as_of: PRICES_AS_OF,
        hit: bill.hit,
        sources,
        bound,
    }
}

/// How many requests the HTTP API and SQS bill one request of the web as.
#[derive(Clone, Copy)]
struct Size {
    request: f64,
    message: f64,
}

impl Size {
    /// A view as a page sends it.
    const SMALL: Self = Self { request: 1.0, message: 1.0 };
    /// The largest request that the HTTP API accepts; SQS refuses it.
    const LARGEST: Self = Self { request: billed(HTTP_API_BODY_BYTES, HTTP_API_BILLED_BYTES), message: 1.0 };
    /// The largest request that SQS accepts.
    const LARGEST_MESSAGE: Self = Self {
        request: billed(SQS_MESSAGE_BYTES, HTTP_API_BILLED_BYTES),
        message: billed(SQS_MESSAGE_BYTES, SQS_BILLED_BYTES),
    };
}

#[expect(clippy::cast_precision_loss, reason = "a few requests")]
const fn billed(payload_bytes: usize, billed_bytes: usize) -> f64 {
    billed_requests(payload_bytes, billed_bytes) as f64
}

impl Estimate {
    /// The estimate in one line: `10,000 views a month: about 0.04 USD; a million: 3.88 USD; worst case: about 598 USD a month`.
    pub fn brief(&self) -> String {
        let worst = self.worst_month_usd.map(|worst| format!("; worst case: about {} a month", usd(worst)));
        format!(
            "{},000 views a month: about {}; a million: {}{}",
            self.typical_month_views / 1_000,
            usd(self.typical_month_usd),
            usd(self.per_million_hits_usd),
            worst.unwrap_or_default()
        )
    }

    /// The estimate with what it rests on.
    pub fn in_full(&self) -> String {
        let bound = if self.bound.is_empty() { String::new() } else { format!(" {}.", self.bound) };
        let price = format!(
            "Prices of us-east-1 without free tiers, as of {}; other regions differ by some 10-30 %.",
            self.prices_as_of
        );
        let hit = match self.hit {
            Hit { seen: 0.0, .. } => String::new(),
            hit => format!(
                " Every view is estimated as that of a new visitor, with {} writes; that of a returning visitor takes {}.",
                hit.writes(),
                // The page, and what finds that the visitor is known to it.
                hit.writes() - 2.0
            ),
        };
        let beside = self.sources.in_words();
        // What the pollers take is said in its place.
        let rest = if self.sources.at_rest > 0.0 { "." } else { "; less than 0.01 USD a month at rest." };
        format!("{}{rest}{bound}{hit}{beside} {price}", self.brief())
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
mod tests;
