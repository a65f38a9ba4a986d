//! The routes that count. `/counter`, `/v1/hit` and badges with `hit=1` all use [`Counter::count_view`], so
//! that the same rules apply to each.

use hitctl_config::contract::HEADER_IGNORED;

use super::counter::Counter;
use super::outcome::{RouteError, RouteOutcome};
use super::params::{bad_param, flag, query, required_path};
use crate::hit::{CountSummary, Hit};
use crate::hit_body::HitBody;
use crate::http::{CachePolicy, CounterRequest, CounterResponse};
use crate::json::JsonObject;
use crate::moment::Moment;
use crate::path::PageKey;
use crate::rules::{IgnoreReason, PageView, ViewDecision};
use crate::share::BudgetShare;
use crate::store::{AddResult, CounterStore, NewVisitor, PathAdmission, StoreError};
use crate::trigger::ForwardedHit;
use crate::visitor::Visitor;

/// The result of a view: the page's counts after the view and, if the view was not counted, the reason.
pub(super) struct ViewResult {
    pub(super) key: PageKey,
    pub(super) counts: CountSummary,
    pub(super) ignored: Option<IgnoreReason>,
    /// The hit to forward to the counter function. Only the reader forwards hits.
    pub(super) forward: Option<Box<ForwardedHit>>,
}

impl ViewResult {
    /// Creates the result for a page that was only read.
    pub(super) fn new(key: PageKey, counts: CountSummary) -> Self {
        Self { key, counts, ignored: None, forward: None }
    }

    /// Combines the view with a response.
    pub(super) fn into_outcome(self, response: CounterResponse, should_count: bool) -> RouteOutcome {
        let Self { key, ignored, forward, .. } = self;
        let counted = should_count && ignored.is_none() && forward.is_none();
        RouteOutcome { counted, ignored, forward, ..RouteOutcome::for_page(response, Some(key)) }
    }
}

/// The properties of a view that depend on the route.
#[derive(Clone, Copy, Default)]
pub(super) struct ViewRequest<'a> {
    pub(super) path: &'a str,
    /// Whether the response is an image, which pages of every origin may show.
    pub(super) is_picture: bool,
    /// Whether a program controls the browser.
    pub(super) automated: bool,
    /// Whether the visitor opted out of tracking, as reported by the script.
    pub(super) opted_out: bool,
}

impl<S: CounterStore> Counter<S> {
    /// `/counter`: counts a view, unless the caller only reads.
    pub(super) fn counter(
        &mut self,
        request: &CounterRequest,
        now: Moment,
    ) -> Result<RouteOutcome, RouteError> {
        let query = query(request)?;
        let path = required_path(&query)?;
        if flag(&query, "ro")? || request.method == "HEAD" {
            self.check_read_origin(request)?;
            let key = self.config.rules.key(path)?;
            let counts = self.read_one(&key, now)?;
            return Ok(self.view_response(ViewResult::new(key, counts), false));
        }
        let result = self.count_view(request, ViewRequest { path, ..ViewRequest::default() }, now)?;
        Ok(self.view_response(result, true))
    }

    /// `/v1/hit`: handles a hit sent by the widget. A string body is `text/plain`, which browsers send
    /// without a preflight request.
    pub(super) fn hit(&mut self, request: &CounterRequest, now: Moment) -> Result<RouteOutcome, RouteError> {
        let query = query(request)?;
        let quiet = flag(&query, "quiet")?;
        let HitBody { path, automated, opted_out } =
            HitBody::read(&request.body).map_err(|why| bad_param(&why))?;
        let view_request = ViewRequest { path: &path, automated, opted_out, ..ViewRequest::default() };
        let result = self.count_view(request, view_request, now)?;
        let mut outcome = self.view_response(result, true);
        if quiet {
            outcome.response = CounterResponse::empty(204, CachePolicy::NoStore);
        }
        Ok(outcome)
    }

    fn view_response(&self, result: ViewResult, should_count: bool) -> RouteOutcome {
        let counted = should_count && result.ignored.is_none();
        let object = self.config.page(JsonObject::new().number("v", 1), &result.key, result.counts);
        let object = object.raw("counted", if counted { "true" } else { "false" });
        let object = match result.ignored {
            Some(why) => object.text("why", why.code()),
            None => object,
        };
        let cache = if should_count { CachePolicy::NoStore } else { CachePolicy::Minute };
        result.into_outcome(CounterResponse::json(200, cache, object.end()), should_count)
    }

    /// Counts a view if the rules allow it.
    pub(super) fn count_view(
        &mut self,
        request: &CounterRequest,
        view_request: ViewRequest<'_>,
        now: Moment,
    ) -> Result<ViewResult, RouteError> {
        let headers = &request.headers;
        let view = PageView {
            path: view_request.path,
            agent: headers.user_agent.get(),
            origin: headers.origin.as_deref(),
            referer: headers.referer.get(),
            fetch_site: headers.fetch_site,
            automated: view_request.automated,
            prefetched: headers.prefetched,
            opted_out: headers.opted_out || view_request.opted_out,
        };
        let decision = self.config.rules.evaluate(&view)?;
        if self.config.forwards {
            return self.forward(request, decision, view_request.is_picture, now);
        }
        let ViewDecision { key, track_visitor, ignored } = decision;
        match ignored {
            Some(IgnoreReason::Origin) if !view_request.is_picture => {
                return Err(self.reject_foreign_origin(now));
            }
            Some(why) => return self.ignored_view(key, why, now),
            None => {}
        }
        let client = self.visitor_of(request);
        let share = client.as_ref().map(|client| {
            if track_visitor { BudgetShare::for_visitor(client) } else { BudgetShare::for_opted_out() }
        });
        let visitor = client.filter(|_| track_visitor);
        if let Some(visitor) = &visitor
            && self.recent.check_and_record(visitor, &key, now)
        {
            return self.ignored_view(key, IgnoreReason::Duplicate, now);
        }
        let added = self.record_and_add(&key, visitor.as_ref(), share, now);
        if let (Some(visitor), false) = (&visitor, matches!(added, Ok(AddResult::Counted(_)))) {
            // The page may send the view again, and the retry must not look like a reload.
            self.recent.forget(visitor, &key);
        }
        match added? {
            AddResult::Counted(counts) => Ok(ViewResult::new(key, counts)),
            AddResult::UnknownPath | AddResult::BudgetExhausted => {
                self.refused_on = Some(now.day());
                let is_strict = self.config.paths == PathAdmission::Strict;
                self.ignored_view(
                    key,
                    if is_strict { IgnoreReason::UnknownPath } else { IgnoreReason::BudgetExhausted },
                    now,
                )
            }
        }
    }

    /// Returns the hit to forward to the counter function, and the expected counts: the stored counts plus
    /// one hit, unless the view looks like a reload or its path may not be counted. Ignored views are
    /// forwarded too, because the counter function counts them by reason.
    fn forward(
        &mut self,
        request: &CounterRequest,
        decision: ViewDecision,
        is_picture: bool,
        now: Moment,
    ) -> Result<ViewResult, RouteError> {
        let ViewDecision { key, track_visitor, ignored } = decision;
        let visitor = if track_visitor && ignored.is_none() { self.visitor_of(request) } else { None };
        let is_reload =
            visitor.as_ref().is_some_and(|visitor| self.recent.check_and_record(visitor, &key, now));
        let forward = Box::new(ForwardedHit { key: key.clone(), at: now, visitor, ignored });
        let with_forward = |error: RouteError| RouteError { forward: Some(forward.clone()), ..error };
        if ignored == Some(IgnoreReason::Origin) && !is_picture {
            return Err(with_forward(origin_not_allowed()));
        }
        // A view is forwarded even if its count cannot be read.
        let mut counts = self.read_one(&key, now).map_err(|error| with_forward(error.into()))?;
        let is_refused = self.config.paths == PathAdmission::Strict
            && counts.hits == 0
            && !self.store.has_item(&key).map_err(|error| with_forward(error.into()))?;
        if ignored.is_none() && !is_reload && !is_refused {
            counts = counts.plus(CountSummary { hits: 1, today: 1, ..CountSummary::default() });
        }
        Ok(ViewResult { key, counts, ignored, forward: Some(forward) })
    }

    /// Records the visitor and counts a hit, unless its path may not be counted.
    fn record_and_add(
        &mut self,
        key: &PageKey,
        visitor: Option<&Visitor>,
        share: Option<BudgetShare>,
        now: Moment,
    ) -> Result<AddResult, StoreError> {
        let (paths, today) = (self.config.paths, now.day());
        if self.refused_on == Some(today)
            && !self.store.may_admit_path(paths, share, today)
            && !self.store.has_item(key)?
        {
            return Ok(AddResult::BudgetExhausted);
        }
        let new_visitor = match visitor.filter(|_| self.config.visitors) {
            // If the visitor cannot be recorded, the view counts without a visitor; the store logs the
            // failure.
            Some(visitor) => self.store.record_visitor(visitor, key, now).unwrap_or_default(),
            None => NewVisitor::default(),
        };
        let hit = Hit::one(key.clone(), now).with_new_visitor(new_visitor.page).with_share(share);
        let added = self.store.add(&hit, paths)?;
        if let (AddResult::Counted(_), Some(pages)) = (added, self.pages.value_mut()) {
            let (page, site) = (u64::from(new_visitor.page), u64::from(new_visitor.site));
            let one = CountSummary { hits: 1, today: 1, uniques: site, uniques_today: site };
            pages.site = pages.site.plus(one);
            if let Some((_, counts)) = pages.list.iter_mut().find(|(other, _)| other == key.as_str()) {
                *counts = counts.plus(CountSummary { uniques: page, uniques_today: page, ..one });
            }
        }
        Ok(added)
    }

    /// Returns the result of a view that does not count, and adds it to the number of ignored views. A failure
    /// to count an ignored view is discarded.
    fn ignored_view(
        &mut self,
        key: PageKey,
        why: IgnoreReason,
        now: Moment,
    ) -> Result<ViewResult, RouteError> {
        drop(self.store.count_ignored(why, 1, now));
        let counts = match why {
            // These pages have no item.
            IgnoreReason::UnknownPath | IgnoreReason::BudgetExhausted => CountSummary::default(),
            _ => self.read_one(&key, now)?,
        };
        Ok(ViewResult { key, counts, ignored: Some(why), forward: None })
    }

    /// Counts the ignored view and returns the error for a page of another site. The error contains no counts,
    /// because such a page may not read them either.
    fn reject_foreign_origin(&mut self, now: Moment) -> RouteError {
        let result = self.store.count_ignored(IgnoreReason::Origin, 1, now);
        RouteError { store_error: result.err(), ..origin_not_allowed() }
    }

    /// Returns the visitor. The address is the client address that the gateway reports. For requests through
    /// the owner's CloudFront distribution, it is the client address that CloudFront reports. Headers that a
    /// client could forge are not trusted.
    fn visitor_of(&self, request: &CounterRequest) -> Option<Visitor> {
        let headers = &request.headers;
        let secrets = self.config.origin_secret.as_deref().zip(headers.origin_secret.get());
        let via_cloudfront = secrets.is_some_and(|(secret, presented)| constant_time_eq(secret, presented));
        let viewer =
            headers.viewer_address.get().filter(|_| via_cloudfront).and_then(Visitor::parse_viewer_address);
        let address = viewer.or_else(|| request.source_address.get())?;
        Visitor::new(address, headers.user_agent.get().unwrap_or_default())
    }
}

fn origin_not_allowed() -> RouteError {
    let why = IgnoreReason::Origin;
    let mut error = RouteError::foreign_origin("pages of this origin may not count views", Some(why));
    error.response = error.response.with_header(HEADER_IGNORED, why.code());
    error
}

/// Compares two strings in a time that depends only on their length.
fn constant_time_eq(a: &str, b: &str) -> bool {
    a.len() == b.len() && a.bytes().zip(b.bytes()).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0
}
