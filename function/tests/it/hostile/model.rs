//! A simple model of the counter's expected behaviour: maps of numbers, and the rules in their order.

use std::collections::{BTreeMap, BTreeSet};

use hit_counter::http::Origins;
use hit_counter::moment::{Day, Moment};
use hit_counter::routes::CounterConfig;
use hit_counter::rules::CountingRules;
use hit_counter::share::BudgetShare;
use hit_counter::store::PathAdmission;
use hit_counter::visitor::Visitor;
use serde_json::{Value, json};

use super::random::{RandomRequest, RandomRoute, network};

/// The response that the model predicts for a request or event.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ExpectedResponse {
    /// This body, with status 200.
    Body(Value),
    /// A badge with this number.
    Badge(u64),
    /// A badge with this error.
    BadgeError(&'static str),
    /// Only a status; the body is not checked.
    Status(u16),
    /// An error response with this status and code.
    Error(u16, &'static str),
}

/// The numbers of views and visitors of a page or of the site.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct ModelCounts {
    hits: u64,
    uniques: u64,
    day: Option<Day>,
    today: (u64, u64),
}

impl ModelCounts {
    fn add(&mut self, day: Day, hits: u64, uniques: u64) {
        let today = self.on(day);
        self.day = Some(day);
        self.today = (today.0 + hits, today.1 + uniques);
        self.hits += hits;
        self.uniques += uniques;
    }

    fn on(&self, day: Day) -> (u64, u64) {
        if self.day == Some(day) { self.today } else { (0, 0) }
    }
}

/// A simple model of the counter.
pub(crate) struct CounterModel {
    pub(crate) config: CounterConfig,
    pages: BTreeMap<String, ModelCounts>,
    site: ModelCounts,
    seen: BTreeSet<(Day, String, String, Option<String>)>,
    new_paths: BTreeMap<Day, u64>,
    dropped: BTreeMap<(String, &'static str), u64>,
    /// The number of new paths by budget share.
    shares: BTreeMap<String, u64>,
}

impl CounterModel {
    pub(crate) fn new(config: CounterConfig) -> Self {
        Self {
            config,
            pages: BTreeMap::new(),
            site: ModelCounts::default(),
            seen: BTreeSet::new(),
            new_paths: BTreeMap::new(),
            dropped: BTreeMap::new(),
            shares: BTreeMap::new(),
        }
    }

    /// Returns a configuration with all rules enabled, except those that depend on recent views.
    pub(crate) fn strict_config() -> CounterConfig {
        let rules = CountingRules {
            ignore_bots: true,
            ignore_opted_out: true,
            origins: Origins::parse(Some("https://a.example")),
            ..CountingRules::default()
        };
        CounterConfig { rules, visitors: true, ..CounterConfig::default() }
    }

    /// Returns the counted pages and their hits.
    pub(crate) fn hits(&self) -> BTreeMap<String, u64> {
        self.pages.iter().map(|(key, page)| (key.clone(), page.hits)).collect()
    }

    /// Returns the views that were not counted, by month and reason.
    pub(crate) fn dropped(&self) -> &BTreeMap<(String, &'static str), u64> {
        &self.dropped
    }

    pub(crate) fn site_uniques(&self) -> u64 {
        self.site.uniques
    }

    /// Returns the expected response, whether the view counts, and why not.
    pub(crate) fn expect(
        &mut self,
        request: &RandomRequest,
        now: Moment,
    ) -> (ExpectedResponse, bool, Option<&'static str>) {
        let not_counted = |expected| (expected, false, None);
        let allowed: &[&str] = if request.route == RandomRoute::Hit { &["POST"] } else { &["GET", "HEAD"] };
        if request.route == RandomRoute::Nowhere {
            return not_counted(ExpectedResponse::Error(404, "not_found"));
        }
        if !allowed.contains(&request.method) {
            return not_counted(ExpectedResponse::Error(405, "method_not_allowed"));
        }
        if request.too_large {
            return not_counted(ExpectedResponse::Error(413, "body_too_large"));
        }
        if request.route == RandomRoute::Health {
            return not_counted(ExpectedResponse::Body(json!({"v": 1, "ok": true})));
        }
        let reads_all = matches!(request.route, RandomRoute::Count | RandomRoute::Total);
        let result = match request.broken {
            _ if reads_all && self.is_foreign_read(request) => Err((403, "origin_not_allowed")),
            Some((_, code)) => Err((400, code)),
            None if request.route == RandomRoute::Total => {
                return not_counted(ExpectedResponse::Body(self.body_with_counts(
                    json!({"v": 1}),
                    &self.site,
                    now,
                )));
            }
            None => self.page(request, now),
        };
        match (result, request.route) {
            (Ok((key, counted, why)), route) => {
                let page = match why {
                    Some("path" | "full") => ModelCounts::default(),
                    _ => self.pages.get(&key).copied().unwrap_or_default(),
                };
                let expected = match route {
                    RandomRoute::Badge => ExpectedResponse::Badge(page.hits),
                    RandomRoute::Hit if request.quiet => ExpectedResponse::Status(204),
                    _ => {
                        let mut body = self.body_with_counts(
                            json!({"v": 1, "path": key, "counted": counted}),
                            &page,
                            now,
                        );
                        if let Some(why) = why {
                            body["why"] = why.into();
                        }
                        ExpectedResponse::Body(body)
                    }
                };
                (expected, counted, why)
            }
            (Err((_, code)), RandomRoute::Badge) => (ExpectedResponse::BadgeError(code), false, None),
            (Err((status, code)), _) => not_counted(ExpectedResponse::Error(status, code)),
        }
    }

    fn body_with_counts(&self, mut body: Value, numbers: &ModelCounts, now: Moment) -> Value {
        let (hits, uniques) = numbers.on(now.day());
        body["hits"] = numbers.hits.into();
        body["today"] = json!({"hits": hits});
        if self.config.visitors {
            body["uniques"] = numbers.uniques.into();
            body["today"]["uniques"] = uniques.into();
        }
        body
    }

    /// Reads or counts one page. Returns its key, whether it was counted, and why not.
    fn page(
        &mut self,
        request: &RandomRequest,
        now: Moment,
    ) -> Result<(String, bool, Option<&'static str>), (u16, &'static str)> {
        let may_read = matches!(request.route, RandomRoute::Counter | RandomRoute::Badge);
        let reads = request.route == RandomRoute::Count
            || may_read && (request.only_reads || request.method == "HEAD");
        if reads && request.route != RandomRoute::Badge && self.is_foreign_read(request) {
            return Err((403, "origin_not_allowed"));
        }
        let key = request.page.clone()?;
        if reads {
            return Ok((key, false, None));
        }
        let rules = &self.config.rules;
        let is_ours = match (request.origin, request.referer) {
            _ if rules.origins == Origins::Any => true,
            (Some(origin), _) => origin == "https://a.example",
            (None, Some(referer)) => referer.starts_with("https://a.example/"),
            (None, None) => !request.cross_site,
        };
        let why = if !is_ours {
            Some("origin")
        } else if request.prefetched {
            Some("prefetch")
        } else if rules.ignore_bots && request.bot {
            Some("bot")
        } else if rules.ignore_opted_out && request.opted_out {
            Some("gpc")
        } else {
            self.count(&key, request, now)
        };
        if let Some(why) = why {
            *self.dropped.entry((now.day().month_attribute(), why)).or_default() += 1;
            if why == "origin" && request.route != RandomRoute::Badge {
                return Err((403, "origin_not_allowed"));
            }
        }
        Ok((key, why.is_none(), why))
    }

    /// Returns whether a page of another site would read counts as JSON.
    fn is_foreign_read(&self, request: &RandomRequest) -> bool {
        self.config.rules.origins != Origins::Any
            && request.origin.is_some_and(|origin| origin != "https://a.example")
    }

    /// Counts a view, or returns why its path may not be counted.
    fn count(&mut self, key: &str, request: &RandomRequest, now: Moment) -> Option<&'static str> {
        let day = now.day();
        if !self.pages.contains_key(key) {
            let all = u64::try_from(self.pages.len()).unwrap();
            let new = self.new_paths.entry(day).or_default();
            match self.config.paths {
                PathAdmission::Open => {}
                PathAdmission::Strict => return Some("path"),
                PathAdmission::Budget { new_per_day, max_total } => {
                    let visitor = Visitor::new(request.address, request.agent.unwrap_or_default());
                    let share = match &visitor {
                        Some(_) if request.opted_out => Some(BudgetShare::for_opted_out()),
                        Some(visitor) => Some(BudgetShare::for_visitor(visitor)),
                        None => None,
                    };
                    let shares =
                        share.map(|share| share.attributes_with_limits(day, new_per_day)).unwrap_or_default();
                    let used = |name: &String| self.shares.get(name).copied().unwrap_or_default();
                    if *new >= new_per_day
                        || all >= max_total
                        || shares.iter().any(|(name, limit)| used(name) >= *limit)
                    {
                        return Some("full");
                    }
                    for (name, _) in shares {
                        *self.shares.entry(name).or_default() += 1;
                    }
                }
            }
            *new += 1;
        }
        let (mut on_page, mut on_site) = (0, 0);
        if let Some(network) = network(request.address)
            && self.config.visitors
            && !request.opted_out
        {
            let visitor_key = |page: Option<&str>| {
                let agent = request.agent.unwrap_or_default();
                (day, network.to_owned(), agent.to_owned(), page.map(str::to_owned))
            };
            on_page = u64::from(self.seen.insert(visitor_key(Some(key))));
            on_site = u64::from(self.seen.insert(visitor_key(None)));
        }
        self.pages.entry(key.to_owned()).or_default().add(day, 1, on_page);
        self.site.add(day, 1, on_site);
        None
    }

    /// Adds a known page without hits.
    pub(crate) fn add_known_path(&mut self, key: &str) {
        self.pages.insert(key.to_owned(), ModelCounts::default());
    }
}
