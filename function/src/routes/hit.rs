//! What counts: `/counter`, `/v1/hit`, and the badge's `hit=1` go through [`Counter::tally`], so that they agree on what
//! a hit is.

use hitctl_config::contract::HEADER_IGNORED;

use super::counter::Counter;
use super::outcome::{Outcome, Stop};
use super::params::{bad_param, flag, query, the_path};
use crate::hit::{Counts, Hit};
use crate::http::{Answer, Cache, Request};
use crate::json::Object;
use crate::moment::Moment;
use crate::path::Key;
use crate::rules::{Ignored, Judgement, View};
use crate::sent::Sent;
use crate::share::Share;
use crate::store::{Added, Met, Paths, Store, StoreError};
use crate::trigger::Forwarded;
use crate::visitor::Visitor;

/// What became of a view: the page's numbers after it, and why it did not count if it did not.
pub(super) struct Tally {
    pub(super) key: Key,
    pub(super) counts: Counts,
    pub(super) ignored: Option<Ignored>,
    /// The hit, where it is the counter that has to count it.
    pub(super) forward: Option<Box<Forwarded>>,
}

impl Tally {
    /// The numbers of a page where nothing else is to be told.
    pub(super) fn of(key: Key, counts: Counts) -> Self {
        Self { key, counts, ignored: None, forward: None }
    }

    /// The result of a request that is answered so.
    pub(super) fn outcome(self, answer: Answer, was_to_count: bool) -> Outcome {
        let Self { key, ignored, forward, .. } = self;
        let counted = was_to_count && ignored.is_none() && forward.is_none();
        Outcome { counted, ignored, forward, ..Outcome::about(answer, Some(key)) }
    }
}

/// How a view was asked for.
#[derive(Clone, Copy, Default)]
pub(super) struct Asked<'a> {
    pub(super) path: &'a str,
    /// The answer is a picture, which pages of every origin are shown.
    pub(super) is_picture: bool,
    /// The browser is driven by a program.
    pub(super) automated: bool,
    /// The visitor asks not to be followed, by the script's word.
    pub(super) opted_out: bool,
}

impl<S: Store> Counter<S> {
    /// `/counter`: adds one, unless the caller only reads.
    pub(super) fn counter(&mut self, request: &Request, now: Moment) -> Result<Outcome, Stop> {
        let query = query(request)?;
        let path = the_path(&query)?;
        if flag(&query, "ro", "only read")? || request.method == "HEAD" {
            self.may_read(request)?;
            let key = self.setup.rules.key(path)?;
            let counts = self.read_one(&key, now)?;
            return Ok(self.answered(Tally::of(key, counts), false));
        }
        let tally = self.tally(request, Asked { path, ..Asked::default() }, now)?;
        Ok(self.answered(tally, true))
    }

    /// `/v1/hit`: what the widget sends. A string as body is `text/plain`, which browsers send without asking first.
    pub(super) fn hit(&mut self, request: &Request, now: Moment) -> Result<Outcome, Stop> {
        let query = query(request)?;
        let quiet = flag(&query, "quiet", "be answered without a body")?;
        let Sent { path, automated, opted_out } = Sent::read(&request.body).map_err(|why| bad_param(&why))?;
        let asked = Asked { path: &path, automated, opted_out, ..Asked::default() };
        let tally = self.tally(request, asked, now)?;
        let mut outcome = self.answered(tally, true);
        if quiet {
            outcome.answer = Answer::empty(204, Cache::No);
        }
        Ok(outcome)
    }

    fn answered(&self, tally: Tally, was_to_count: bool) -> Outcome {
        let counted = was_to_count && tally.ignored.is_none();
        let object = self.setup.page(Object::new().number("v", 1), &tally.key, tally.counts);
        let object = object.raw("counted", if counted { "true" } else { "false" });
        let object = match tally.ignored {
            Some(why) => object.text("why", why.code()),
            None => object,
        };
        let cache = if was_to_count { Cache::No } else { Cache::Minute };
        tally.outcome(Answer::json(200, cache, object.end()), was_to_count)
    }

    /// Counts a view, if the rules let it.
    pub(super) fn tally(&mut self, request: &Request, asked: Asked<'_>, now: Moment) -> Result<Tally, Stop> {
        let headers = &request.headers;
        let view = View {
            path: asked.path,
            agent: headers.user_agent.get(),
            origin: headers.origin.as_deref(),
            referer: headers.referer.get(),
            fetch_site: headers.fetch_site,
            automated: asked.automated,
            prefetched: headers.prefetched,
            opted_out: headers.opted_out || asked.opted_out,
        };
        let judgement = self.setup.rules.judge(&view)?;
        if self.setup.forwards {
            return self.forward(request, judgement, asked.is_picture, now);
        }
        let Judgement { key, followed, ignored } = judgement;
        match ignored {
            Some(Ignored::Origin) if !asked.is_picture => return Err(self.refused_origin(now)),
            Some(why) => return self.ignored(key, why, now),
            None => {}
        }
        let client = self.visitor(request);
        let share =
            client.as_ref().map(|client| if followed { Share::of(client) } else { Share::unfollowed() });
        let visitor = client.filter(|_| followed);
        if let Some(visitor) = &visitor
            && self.recent.repeats(visitor, &key, now)
        {
            return self.ignored(key, Ignored::Dup, now);
        }
        let added = self.meet_and_add(&key, visitor.as_ref(), share, now);
        if let (Some(visitor), false) = (&visitor, matches!(added, Ok(Added::Counted(_)))) {
            // The page may ask again, and should not be told that it repeats itself.
            self.recent.forget(visitor, &key);
        }
        match added? {
            Added::Counted(counts) => Ok(Tally::of(key, counts)),
            Added::Unknown | Added::Full => {
                self.refused_on = Some(now.day());
                let is_strict = self.setup.paths == Paths::Strict;
                self.ignored(key, if is_strict { Ignored::Path } else { Ignored::Full }, now)
            }
        }
    }

    /// Forwards a view to the counter, and answers with the number that it will make there: one more, unless it looks like a
    /// reload or like a path that may not be counted. Views that do not count are forwarded too: the counter counts their
    /// reasons.
    fn forward(
        &mut self,
        request: &Request,
        judgement: Judgement,
        is_picture: bool,
        now: Moment,
    ) -> Result<Tally, Stop> {
        let Judgement { key, followed, ignored } = judgement;
        let visitor = if followed && ignored.is_none() { self.visitor(request) } else { None };
        let repeats = visitor.as_ref().is_some_and(|visitor| self.recent.repeats(visitor, &key, now));
        let forward = Box::new(Forwarded { key: key.clone(), at: now, visitor, ignored });
        let with_it = |stop: Stop| Stop { forward: Some(forward.clone()), ..stop };
        if ignored == Some(Ignored::Origin) && !is_picture {
            return Err(with_it(origin_not_allowed()));
        }
        // A view is forwarded even if its number cannot be read.
        let mut counts = self.read_one(&key, now).map_err(|error| with_it(error.into()))?;
        let is_refused = self.setup.paths == Paths::Strict
            && counts.hits == 0
            && !self.store.knows(&key).map_err(|error| with_it(error.into()))?;
        if ignored.is_none() && !repeats && !is_refused {
            counts = counts.plus(Counts { hits: 1, today: 1, ..Counts::default() });
        }
        Ok(Tally { key, counts, ignored, forward: Some(forward) })
    }

    /// Counts a hit, unless its path may not have one.
    fn meet_and_add(
        &mut self,
        key: &Key,
        visitor: Option<&Visitor>,
        share: Option<Share>,
        now: Moment,
    ) -> Result<Added, StoreError> {
        let (paths, today) = (self.setup.paths, now.day());
        if self.refused_on == Some(today)
            && !self.store.may_admit(paths, share, today)
            && !self.store.knows(key)?
        {
            return Ok(Added::Full);
        }
        let met = match visitor.filter(|_| self.setup.visitors) {
            // Whom the store cannot meet is no visitor, and the view counts all the same; it says so in the log.
            Some(visitor) => self.store.meet(visitor, key, now).unwrap_or_default(),
            None => Met::default(),
        };
        let hit = Hit::one(key.clone(), now).by(met.page).charged_to(share);
        let added = self.store.add(&hit, paths)?;
        if let (Added::Counted(_), Some(pages)) = (added, self.pages.known()) {
            let (page, site) = (u64::from(met.page), u64::from(met.site));
            let one = Counts { hits: 1, today: 1, uniques: site, uniques_today: site };
            pages.site = pages.site.plus(one);
            if let Some((_, counts)) = pages.list.iter_mut().find(|(other, _)| other == key.as_str()) {
                *counts = counts.plus(Counts { uniques: page, uniques_today: page, ..one });
            }
        }
        Ok(added)
    }

    /// Answers for a view that does not count, and counts it among those. That number is worth no error.
    fn ignored(&mut self, key: Key, why: Ignored, now: Moment) -> Result<Tally, Stop> {
        drop(self.store.ignore(why, 1, now));
        let counts = match why {
            // These have no item.
            Ignored::Path | Ignored::Full => Counts::default(),
            _ => self.read_one(&key, now)?,
        };
        Ok(Tally { key, counts, ignored: Some(why), forward: None })
    }

    /// The answer to a page of another site whose view would be answered with numbers: they are not for it either.
    fn refused_origin(&mut self, now: Moment) -> Stop {
        let noted = self.store.ignore(Ignored::Origin, 1, now);
        Stop { trouble: noted.err(), ..origin_not_allowed() }
    }

    /// Who asks: the address that the gateway saw, or, through the owner's distribution, the one that it saw. What a
    /// client says of itself is never asked.
    fn visitor(&self, request: &Request) -> Option<Visitor> {
        let headers = &request.headers;
        let secrets = self.setup.origin_secret.as_deref().zip(headers.origin_secret.get());
        let through = secrets.is_some_and(|(secret, given)| is_same(secret, given));
        let viewer = headers.viewer_address.get().filter(|_| through).and_then(Visitor::address_of_viewer);
        let address = viewer.or_else(|| request.source_address.get())?;
        Visitor::new(address, headers.user_agent.get().unwrap_or_default())
    }
}

fn origin_not_allowed() -> Stop {
    let why = Ignored::Origin;
    let mut stop = Stop::foreign("pages of this origin may not count here", Some(why));
    stop.answer = stop.answer.with(HEADER_IGNORED, why.code());
    stop
}

/// Compares in a time that depends on the length alone.
fn is_same(a: &str, b: &str) -> bool {
    a.len() == b.len() && a.bytes().zip(b.bytes()).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0
}
