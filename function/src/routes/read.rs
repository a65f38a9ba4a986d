//! What only reads: counts, the top pages, the days and months.

use hitctl_config::contract::{ATTR_MONTH_PREFIX, ATTR_MONTH_UNIQUES_PREFIX, MAX_PATHS};

use super::counter::Counter;
use super::numbers::tally;
use super::outcome::{Outcome, Stop};
use super::params::{bad_param, number, once, query};
use crate::hit::{Counts, DAYS_KEPT, Item, MONTHS_KEPT};
use crate::http::{Answer, Cache, Request};
use crate::json::{Object, list};
use crate::moment::{Day, Moment};
use crate::path::Key;
use crate::store::{Pages, Store, StoreError};

const TOP: usize = 10;
const MOST_TOP: usize = 100;
const MONTHS: usize = 12;

impl<S: Store> Counter<S> {
    /// `/v1/count`: reads one page, several, or the whole site.
    pub(super) fn count(&mut self, request: &Request, now: Moment) -> Result<Outcome, Stop> {
        self.may_read(request)?;
        let query = query(request)?;
        let paths: Vec<&str> = query.all("path").take(MAX_PATHS + 1).collect();
        if paths.len() > MAX_PATHS {
            return Err(bad_param("give the parameter `path` at most 20 times"));
        }
        let rules = &self.setup.rules;
        let keys = paths.into_iter().map(|path| rules.key(path)).collect::<Result<Vec<Key>, _>>()?;
        let object = Object::new().number("v", 1);
        let body = match keys.as_slice() {
            [] => {
                let site = self.all_pages(now)?.site;
                self.setup.counts(object, site)
            }
            [key] => {
                let counts = self.read_one(key, now)?;
                self.setup.page(object, key, counts).raw("counted", "false")
            }
            _ => object.raw("counts", &self.read_list(&keys, now)?),
        };
        let answer = Answer::json(200, Cache::Minute, body.end());
        Ok(Outcome::about(answer, keys.into_iter().next()))
    }

    /// `/v1/top` and `/api/counters`: the site, and its most viewed pages.
    pub(super) fn top(&mut self, request: &Request, now: Moment) -> Result<Outcome, Stop> {
        self.may_read(request)?;
        let query = query(request)?;
        let limit = number(&query, "limit", TOP, MOST_TOP)?;
        let rank: fn(&Counts) -> u64 = match once(&query, "by")? {
            None | Some("hits") => |counts| counts.hits,
            Some("today") => |counts| counts.today,
            Some("uniques") => |counts| counts.uniques,
            Some(_) => return Err(bad_param("the parameter `by` is hits, today or uniques")),
        };
        let Pages { list: mut pages, site } = self.all_pages(now)?.clone();
        pages.sort_by(|(a_key, a), (b_key, b)| rank(b).cmp(&rank(a)).then_with(|| a_key.cmp(b_key)));
        let rows = pages
            .iter()
            .take(limit)
            .map(|(key, counts)| self.setup.counts(Object::new().text("path", key), *counts).end());
        let object = Object::new().number("v", 1);
        let site = self.setup.counts(Object::new(), site).end();
        let body = object.raw("site", &site).raw("counts", &list(rows));
        Ok(Outcome::of(Answer::json(200, Cache::Minute, body.end())))
    }

    /// `/v1/series`: a page's or the site's days and months, the oldest first, without gaps.
    pub(super) fn series(&mut self, request: &Request, now: Moment) -> Result<Outcome, Stop> {
        self.may_read(request)?;
        let query = query(request)?;
        let most_days = DAYS_KEPT as usize;
        let days = number(&query, "days", most_days, most_days)?;
        let months = number(&query, "months", MONTHS, MONTHS_KEPT)?;
        let key = once(&query, "path")?.map(|path| self.setup.rules.key(path)).transpose()?;
        let item = match &key {
            Some(key) => self.store.history(Some(key))?,
            None => self.site_history(now)?.clone(),
        };
        let object = Object::new().number("v", 1);
        let object = match &key {
            Some(key) => object.text("path", key.as_str()),
            None => object,
        };
        let days = self.days(&item, now.day(), days);
        let months = self.months(&item, now.day(), months);
        let body = object.raw("days", &days).raw("months", &months).end();
        Ok(Outcome::about(Answer::json(200, Cache::Minute, body), key))
    }

    fn days(&self, item: &Item, today: Day, n: usize) -> String {
        let n = u32::try_from(n).unwrap_or(DAYS_KEPT);
        let days = (0..n).rev().map(|back| Day::from_number(today.number().saturating_sub(back)));
        let rows = days.map(|day| {
            let uniques = self.setup.told(item.number(&day.uniques_attribute()));
            let row = Object::new().text("day", &day.to_string());
            tally(row, item.number(&day.attribute()), uniques).end()
        });
        list(rows)
    }

    fn months(&self, item: &Item, today: Day, n: usize) -> String {
        let (year, month, _) = today.date();
        let newest = year * 12 + month - 1;
        let n = u32::try_from(n).unwrap_or_default();
        let rows = (0..n).rev().map(|back| {
            let (year, month) = ((newest - back) / 12, (newest - back) % 12 + 1);
            let digits = format!("{:02}{month:02}", year % 100);
            let uniques = self.setup.told(item.number(&format!("{ATTR_MONTH_UNIQUES_PREFIX}{digits}")));
            let hits = item.number(&format!("{ATTR_MONTH_PREFIX}{digits}"));
            tally(Object::new().text("month", &format!("{year:04}-{month:02}")), hits, uniques).end()
        });
        list(rows)
    }

    /// The pages as a JSON list, in the order asked for; a page that is named twice is read once and listed twice.
    fn read_list(&mut self, keys: &[Key], now: Moment) -> Result<String, StoreError> {
        let mut distinct = keys.to_vec();
        distinct.sort();
        distinct.dedup();
        let read = self.store.read(&distinct, now.day())?;
        let rows = keys.iter().map(|key| {
            let position = distinct.binary_search(key).unwrap_or(usize::MAX);
            let counts = read.get(position).copied().unwrap_or_default();
            self.setup.page(Object::new(), key, counts).end()
        });
        Ok(list(rows))
    }
}
