//! The routes that only read: counts, top pages, days and months.

use hitctl_config::contract::{ATTR_MONTH_PREFIX, ATTR_MONTH_UNIQUES_PREFIX, MAX_PATHS};

use super::counter::Counter;
use super::counts_json::with_counts;
use super::outcome::{RouteError, RouteOutcome};
use super::params::{bad_param, number, optional_param, query};
use crate::hit::{CountItem, CountSummary, DAYS_KEPT, MONTHS_KEPT};
use crate::http::{CachePolicy, CounterRequest, CounterResponse};
use crate::json::{JsonObject, list};
use crate::moment::{Day, Moment};
use crate::path::PageKey;
use crate::store::{AllCounts, CounterStore, StoreError};

const DEFAULT_TOP: usize = 10;
const MAX_TOP: usize = 100;
const DEFAULT_MONTHS: usize = 12;

impl<S: CounterStore> Counter<S> {
    /// `/v1/count`: returns the counts of one page, of several pages, or of the whole site.
    pub(super) fn count(
        &mut self,
        request: &CounterRequest,
        now: Moment,
    ) -> Result<RouteOutcome, RouteError> {
        self.check_read_origin(request)?;
        let query = query(request)?;
        let paths: Vec<&str> = query.all("path").take(MAX_PATHS + 1).collect();
        if paths.len() > MAX_PATHS {
            return Err(bad_param("expected at most 20 `path` parameters"));
        }
        let rules = &self.config.rules;
        let keys = paths.into_iter().map(|path| rules.key(path)).collect::<Result<Vec<PageKey>, _>>()?;
        let object = JsonObject::new().number("v", 1);
        let body = match keys.as_slice() {
            [] => {
                let site = self.all_pages(now)?.site;
                self.config.counts(object, site)
            }
            [key] => {
                let counts = self.read_one(key, now)?;
                self.config.page(object, key, counts).raw("counted", "false")
            }
            _ => object.raw("counts", &self.read_list(&keys, now)?),
        };
        let response = CounterResponse::json(200, CachePolicy::Minute, body.end());
        Ok(RouteOutcome::for_page(response, keys.into_iter().next()))
    }

    /// `/v1/top` and `/api/counters`: return the counts of the site and of its most viewed pages.
    pub(super) fn top(&mut self, request: &CounterRequest, now: Moment) -> Result<RouteOutcome, RouteError> {
        self.check_read_origin(request)?;
        let query = query(request)?;
        let limit = number(&query, "limit", DEFAULT_TOP, MAX_TOP)?;
        let rank: fn(&CountSummary) -> u64 = match optional_param(&query, "by")? {
            None | Some("hits") => |counts| counts.hits,
            Some("today") => |counts| counts.today,
            Some("uniques") => |counts| counts.uniques,
            Some(_) => return Err(bad_param("`by`: expected hits, today or uniques")),
        };
        let AllCounts { list: mut pages, site } = self.all_pages(now)?.clone();
        pages.sort_by(|(a_key, a), (b_key, b)| rank(b).cmp(&rank(a)).then_with(|| a_key.cmp(b_key)));
        let rows = pages
            .iter()
            .take(limit)
            .map(|(key, counts)| self.config.counts(JsonObject::new().text("path", key), *counts).end());
        let object = JsonObject::new().number("v", 1);
        let site = self.config.counts(JsonObject::new(), site).end();
        let body = object.raw("site", &site).raw("counts", &list(rows));
        Ok(RouteOutcome::new(CounterResponse::json(200, CachePolicy::Minute, body.end())))
    }

    /// `/v1/series`: returns the days and months of a page or of the site, oldest first, without gaps.
    pub(super) fn series(
        &mut self,
        request: &CounterRequest,
        now: Moment,
    ) -> Result<RouteOutcome, RouteError> {
        self.check_read_origin(request)?;
        let query = query(request)?;
        let max_days = DAYS_KEPT as usize;
        let days = number(&query, "days", max_days, max_days)?;
        let months = number(&query, "months", DEFAULT_MONTHS, MONTHS_KEPT)?;
        let key = optional_param(&query, "path")?.map(|path| self.config.rules.key(path)).transpose()?;
        let item = match &key {
            Some(key) => self.store.history(Some(key))?,
            None => self.site_history(now)?.clone(),
        };
        let object = JsonObject::new().number("v", 1);
        let object = match &key {
            Some(key) => object.text("path", key.as_str()),
            None => object,
        };
        let days = self.days(&item, now.day(), days);
        let months = self.months(&item, now.day(), months);
        let body = object.raw("days", &days).raw("months", &months).end();
        Ok(RouteOutcome::for_page(CounterResponse::json(200, CachePolicy::Minute, body), key))
    }

    fn days(&self, item: &CountItem, today: Day, n: usize) -> String {
        let n = u32::try_from(n).unwrap_or(DAYS_KEPT);
        let days = (0..n).rev().map(|back| Day::from_number(today.number().saturating_sub(back)));
        let rows = days.map(|day| {
            let uniques = self.config.visible_uniques(item.number(&day.uniques_attribute()));
            let row = JsonObject::new().text("day", &day.to_string());
            with_counts(row, item.number(&day.attribute()), uniques).end()
        });
        list(rows)
    }

    fn months(&self, item: &CountItem, today: Day, n: usize) -> String {
        let (year, month, _) = today.date();
        let newest = year * 12 + month - 1;
        let n = u32::try_from(n).unwrap_or_default();
        let rows = (0..n).rev().map(|back| {
            let (year, month) = ((newest - back) / 12, (newest - back) % 12 + 1);
            let digits = format!("{:02}{month:02}", year % 100);
            let uniques =
                self.config.visible_uniques(item.number(&format!("{ATTR_MONTH_UNIQUES_PREFIX}{digits}")));
            let hits = item.number(&format!("{ATTR_MONTH_PREFIX}{digits}"));
            with_counts(JsonObject::new().text("month", &format!("{year:04}-{month:02}")), hits, uniques)
                .end()
        });
        list(rows)
    }

    /// Returns the counts of pages as a JSON list in the requested order. A page that is requested twice is
    /// read once and listed twice.
    fn read_list(&mut self, keys: &[PageKey], now: Moment) -> Result<String, StoreError> {
        let mut distinct = keys.to_vec();
        distinct.sort();
        distinct.dedup();
        let read = self.store.read(&distinct, now.day())?;
        let rows = keys.iter().map(|key| {
            let position = distinct.binary_search(key).unwrap_or(usize::MAX);
            let counts = read.get(position).copied().unwrap_or_default();
            self.config.page(JsonObject::new(), key, counts).end()
        });
        Ok(list(rows))
    }
}
