//! What should come of a request, said again in the simplest way: maps of numbers, and the rules one after another.

use std::collections::{BTreeMap, BTreeSet};

use hit_counter::http::Origins;
use hit_counter::moment::{Day, Moment};
use hit_counter::routes::Setup;
use hit_counter::rules::Rules;
use hit_counter::share::Share;
use hit_counter::store::Paths;
use hit_counter::visitor::Visitor;
use serde_json::{Value, json};

use super::asked::{Asked, Route, network};

/// What is to be answered.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    /// This body, with status 200.
    Body(Value),
    /// A badge with this number.
    Drawn(u64),
    /// A badge with this error.
    DrawnError(&'static str),
    /// Only a status: no body, or none that is looked at.
    Status(u16),
    /// An error.
    Error(u16, &'static str),
}

/// How often a page, or the site, was looked at, and by how many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Numbers {
    hits: u64,
    uniques: u64,
    day: Option<Day>,
    today: (u64, u64),
}

impl Numbers {
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

/// The counter, told simply.
pub(crate) struct Model {
    pub(crate) setup: Setup,
    pages: BTreeMap<String, Numbers>,
    site: Numbers,
    seen: BTreeSet<(Day, String, String, Option<String>)>,
    new_paths: BTreeMap<Day, u64>,
    dropped: BTreeMap<(String, &'static str), u64>,
    /// New paths by the slots of shares of the budget.
    shares: BTreeMap<String, u64>,
}

impl Model {
    pub(crate) fn new(setup: Setup) -> Self {
        Self {
            setup,
            pages: BTreeMap::new(),
            site: Numbers::default(),
            seen: BTreeSet::new(),
            new_paths: BTreeMap::new(),
            dropped: BTreeMap::new(),
            shares: BTreeMap::new(),
        }
    }

    /// Everything is decided but what a counter remembers for seconds.
    pub(crate) fn careful() -> Setup {
        let rules = Rules {
            ignore_bots: true,
            ignore_opted_out: true,
            origins: Origins::parse(Some("https://a.example")),
            ..Rules::default()
        };
        Setup { rules, visitors: true, ..Setup::default() }
    }

    /// The pages that were counted, and how often.
    pub(crate) fn hits(&self) -> BTreeMap<String, u64> {
        self.pages.iter().map(|(key, page)| (key.clone(), page.hits)).collect()
    }

    /// The views that were not counted, by month and reason.
    pub(crate) fn dropped(&self) -> &BTreeMap<(String, &'static str), u64> {
        &self.dropped
    }

    pub(crate) fn site_uniques(&self) -> u64 {
        self.site.uniques
    }

    /// What is to be answered, whether that counts, and why not.
    pub(crate) fn answer(&mut self, asked: &Asked, now: Moment) -> (Expected, bool, Option<&'static str>) {
        let not_counted = |expected| (expected, false, None);
        let allowed: &[&str] = if asked.route == Route::Hit { &["POST"] } else { &["GET", "HEAD"] };
        if asked.route == Route::Nowhere {
            return not_counted(Expected::Error(404, "not_found"));
        }
        if !allowed.contains(&asked.method) {
            return not_counted(Expected::Error(405, "method_not_allowed"));
        }
        if asked.too_large {
            return not_counted(Expected::Error(413, "body_too_large"));
        }
        if asked.route == Route::Health {
            return not_counted(Expected::Body(json!({"v": 1, "ok": true})));
        }
        let reads_all = matches!(asked.route, Route::Count | Route::Total);
        let result = match asked.broken {
            _ if reads_all && self.is_foreign_read(asked) => Err((403, "origin_not_allowed")),
            Some((_, code)) => Err((400, code)),
            None if asked.route == Route::Total => {
                return not_counted(Expected::Body(self.told(json!({"v": 1}), &self.site, now)));
            }
            None => self.page(asked, now),
        };
        match (result, asked.route) {
            (Ok((key, counted, why)), route) => {
                let page = match why {
                    Some("path" | "full") => Numbers::default(),
                    _ => self.pages.get(&key).copied().unwrap_or_default(),
                };
                let expected = match route {
                    Route::Badge => Expected::Drawn(page.hits),
                    Route::Hit if asked.quiet => Expected::Status(204),
                    _ => {
                        let mut body =
                            self.told(json!({"v": 1, "path": key, "counted": counted}), &page, now);
                        if let Some(why) = why {
                            body["why"] = why.into();
                        }
                        Expected::Body(body)
                    }
                };
                (expected, counted, why)
            }
            (Err((_, code)), Route::Badge) => (Expected::DrawnError(code), false, None),
            (Err((status, code)), _) => not_counted(Expected::Error(status, code)),
        }
    }

    fn told(&self, mut body: Value, numbers: &Numbers, now: Moment) -> Value {
        let (hits, uniques) = numbers.on(now.day());
        body["hits"] = numbers.hits.into();
        body["today"] = json!({"hits": hits});
        if self.setup.visitors {
            body["uniques"] = numbers.uniques.into();
            body["today"]["uniques"] = uniques.into();
        }
        body
    }

    /// Reads or counts one page: its key, whether it was counted, and why not.
    fn page(
        &mut self,
        asked: &Asked,
        now: Moment,
    ) -> Result<(String, bool, Option<&'static str>), (u16, &'static str)> {
        let may_read = matches!(asked.route, Route::Counter | Route::Badge);
        let reads = asked.route == Route::Count || may_read && (asked.only_reads || asked.method == "HEAD");
        if reads && asked.route != Route::Badge && self.is_foreign_read(asked) {
            return Err((403, "origin_not_allowed"));
        }
        let key = asked.page.clone()?;
        if reads {
            return Ok((key, false, None));
        }
        let rules = &self.setup.rules;
        let is_ours = match (asked.origin, asked.referer) {
            _ if rules.origins == Origins::Any => true,
            (Some(origin), _) => origin == "https://a.example",
            (None, Some(referer)) => referer.starts_with("https://a.example/"),
            (None, None) => !asked.cross_site,
        };
        let why = if !is_ours {
            Some("origin")
        } else if asked.prefetched {
            Some("prefetch")
        } else if rules.ignore_bots && asked.robot {
            Some("bot")
        } else if rules.ignore_opted_out && asked.opted_out {
            Some("gpc")
        } else {
            self.count(&key, asked, now)
        };
        if let Some(why) = why {
            *self.dropped.entry((now.day().month_attribute(), why)).or_default() += 1;
            if why == "origin" && asked.route != Route::Badge {
                return Err((403, "origin_not_allowed"));
            }
        }
        Ok((key, why.is_none(), why))
    }

    /// Whether another site's page would read numbers as JSON.
    fn is_foreign_read(&self, asked: &Asked) -> bool {
        self.setup.rules.origins != Origins::Any
            && asked.origin.is_some_and(|origin| origin != "https://a.example")
    }

    /// Counts, or says why the path may not be.
    fn count(&mut self, key: &str, asked: &Asked, now: Moment) -> Option<&'static str> {
        let day = now.day();
        if !self.pages.contains_key(key) {
            let all = u64::try_from(self.pages.len()).unwrap();
            let new = self.new_paths.entry(day).or_default();
            match self.setup.paths {
                Paths::Open => {}
                Paths::Strict => return Some("path"),
                Paths::Budget { new_a_day, most } => {
                    let visitor = Visitor::new(asked.address, asked.agent.unwrap_or_default());
                    let share = match &visitor {
                        Some(_) if asked.opted_out => Some(Share::unfollowed()),
                        Some(visitor) => Some(Share::of(visitor)),
                        None => None,
                    };
                    let shares = share.map(|share| share.numbers(day, new_a_day)).unwrap_or_default();
                    let taken = |name: &String| self.shares.get(name).copied().unwrap_or_default();
                    if *new >= new_a_day
                        || all >= most
                        || shares.iter().any(|(name, limit)| taken(name) >= *limit)
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
        if let Some(network) = network(asked.address)
            && self.setup.visitors
            && !asked.opted_out
        {
            let who = |page: Option<&str>| {
                let agent = asked.agent.unwrap_or_default();
                (day, network.to_owned(), agent.to_owned(), page.map(str::to_owned))
            };
            on_page = u64::from(self.seen.insert(who(Some(key))));
            on_site = u64::from(self.seen.insert(who(None)));
        }
        self.pages.entry(key.to_owned()).or_default().add(day, 1, on_page);
        self.site.add(day, 1, on_site);
        None
    }

    /// A page that was added by hand.
    pub(crate) fn know(&mut self, key: &str) {
        self.pages.insert(key.to_owned(), Numbers::default());
    }
}
