//! Counts the hits of messages: applies the rules, sums the hits, and writes each page once through the
//! store. Reports which messages failed. Must not know the message formats.

mod exact;
mod plain;
mod unit;
mod visitors;

pub use unit::{DedupUnit, PageHits};

use std::collections::{BTreeMap, HashSet};

use unit::CountingState;

use crate::counter_config::CounterConfig;
use crate::http::FetchSite;
use crate::log::LogEvent;
use crate::moment::Moment;
use crate::path::PathError;
use crate::recent::RecentViews;
use crate::rules::{CountingRules, IgnoreReason, PageView, ViewDecision};
use crate::share::BudgetShare;
use crate::store::{CounterStore, PathAdmission};
use crate::trigger::{HitSource, InboundMessage, IncomingHit, ParsedContent};
use crate::visitor::Visitor;

/// The maximum number of hits of one message in one unit. The hits, their deduplication marker and the visitors
/// of the site must fit into one transaction. Never change the value: a message that is redelivered after the
/// change would be split into other units, so that it would count twice.
pub const MAX_HITS_PER_UNIT: usize = 90;

/// The store, the configuration and the state that counting a batch needs.
#[derive(Debug)]
pub struct BatchContext<'a, S> {
    /// The store of the counts.
    pub store: &'a mut S,
    /// The configuration.
    pub config: &'a CounterConfig,
    /// The recent views, to detect reloads.
    pub recent: &'a mut RecentViews,
}

/// The result of counting a batch of messages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BatchResult {
    /// The number of hits that were counted.
    pub hits: u64,
    /// The number of views that the rules ignore.
    pub ignored: u64,
    /// The messages that failed, by their index in the batch.
    pub failed: BTreeMap<usize, MessageError>,
    /// The invalid hits that pages sent, each as the index of the message and the reason. They are not failures,
    /// because a redelivery would not help.
    pub invalid: Vec<(usize, String)>,
    /// Warnings about failures that lost no hits.
    pub warnings: Vec<LogEvent>,
}

/// The reason why a message failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MessageError {
    /// The message can never be counted, not even when it is redelivered.
    Malformed(String),
    /// The store failed, the outcome of the write is unknown, or time ran out. A retry may succeed.
    NotStored(String),
}

impl MessageError {
    /// Returns the description of the error.
    pub fn message(&self) -> &str {
        match self {
            Self::Malformed(why) | Self::NotStored(why) => why,
        }
    }
}

/// Counts messages at the time `now`. Skips messages about objects in buckets, which the caller handles.
pub fn count<S: CounterStore>(
    context: &mut BatchContext<'_, S>,
    messages: &[InboundMessage],
    exact: bool,
    now: Moment,
) -> BatchResult {
    let mut counted = BatchResult::default();
    let mut ignored: BTreeMap<&'static str, (IgnoreReason, u64)> = BTreeMap::new();
    let mut units = Vec::new();
    for (index, message) in messages.iter().enumerate() {
        match &message.content {
            Err(why) => drop(counted.failed.insert(index, MessageError::Malformed(why.clone()))),
            Ok(ParsedContent::Invalid(why)) => counted.invalid.push((index, why.clone())),
            Ok(ParsedContent::Nothing | ParsedContent::Objects(_)) => {}
            Ok(ParsedContent::Hits(hits)) => {
                match split_into_units(context, index, message, hits, exact, now) {
                    Ok((message_units, ignore_reasons)) => {
                        units.extend(message_units);
                        for why in ignore_reasons {
                            ignored.entry(why.code()).or_insert((why, 0)).1 += 1;
                        }
                    }
                    Err(MessageError::Malformed(why)) if hits.iter().all(|hit| hit.by == HitSource::Page) => {
                        counted.invalid.push((index, why));
                    }
                    Err(why) => drop(counted.failed.insert(index, why)),
                }
            }
        }
    }
    count_units(context, &mut units, exact, now, &mut counted);
    for (_, (why, views)) in ignored {
        counted.ignored += views;
        count_ignored(context.store, why, views, now, &mut counted);
    }
    counted
}

/// Counts the units of messages or of a log file. A failure is reported for the message of the unit.
pub fn count_units<S: CounterStore>(
    context: &mut BatchContext<'_, S>,
    units: &mut [DedupUnit],
    exact: bool,
    now: Moment,
    counted: &mut BatchResult,
) {
    let paths = context.config.paths;
    if context.config.visitors {
        visitors::record(context.store, units, now, &mut counted.warnings);
    }
    let refused = HashSet::new();
    let mut counting =
        CountingState { store: &mut *context.store, units, paths, now, refused, refused_views: 0 };
    let results =
        if exact { exact::count(&mut counting) } else { plain::count(&mut counting, &mut counted.warnings) };
    let refused_views = counting.refused_views;
    for (unit, result) in units.iter().zip(results) {
        match result {
            Ok(hits) => counted.hits = counted.hits.saturating_add(hits),
            Err(why) => {
                // The pages may send these views again, and the retry must not look like a reload.
                for page_hit in unit.page_hits.iter().filter(|page_hit| page_hit.in_recent_views) {
                    if let Some(visitor) = &page_hit.visitor {
                        context.recent.forget(visitor, &page_hit.key);
                    }
                }
                counted.failed.entry(unit.message).or_insert(MessageError::NotStored(why));
            }
        }
    }
    if refused_views > 0 {
        let why = if paths == PathAdmission::Strict {
            IgnoreReason::UnknownPath
        } else {
            IgnoreReason::BudgetExhausted
        };
        counted.ignored += refused_views;
        count_ignored(context.store, why, refused_views, now, counted);
    }
}

/// Adds views to the number of ignored views. A failure is only a warning.
pub(crate) fn count_ignored<S: CounterStore>(
    store: &mut S,
    why: IgnoreReason,
    views: u64,
    now: Moment,
    counted: &mut BatchResult,
) {
    if let Err(error) = store.count_ignored(why, views, now) {
        counted.warnings.push(LogEvent::failure("failed to count ignored views", &error));
    }
}

/// Splits the hits of a message into units. Also returns the reason for each view that does not count. If
/// `exact`, a unit that contains only reloads is kept, so that its marker is written. Otherwise a redelivery
/// would count the reloads, because only this process recognizes them, and only for a short time.
fn split_into_units<S>(
    context: &mut BatchContext<'_, S>,
    index: usize,
    message: &InboundMessage,
    hits: &[IncomingHit],
    exact: bool,
    now: Moment,
) -> Result<(Vec<DedupUnit>, Vec<IgnoreReason>), MessageError> {
    let rules = &context.config.rules;
    // One invalid hit makes the whole message invalid, so all hits are evaluated before any is counted.
    let decisions = hits.iter().map(|hit| Ok((hit, evaluate_hit(rules, hit)?)));
    let decisions = decisions.collect::<Result<Vec<_>, PathError>>();
    let decisions = decisions.map_err(|why| MessageError::Malformed(why.to_string()))?;
    let mut ignored = Vec::new();
    let mut units = Vec::new();
    let mut decisions = decisions.into_iter();
    for number in 0..hits.len().div_ceil(MAX_HITS_PER_UNIT) {
        let mut page_hits = Vec::new();
        let mut has_reload = false;
        for (hit, ViewDecision { key, track_visitor, ignored: why }) in
            decisions.by_ref().take(MAX_HITS_PER_UNIT)
        {
            if let Some(why) = why {
                ignored.push(why);
                continue;
            }
            let agent = hit.agent.get().unwrap_or_default();
            let visitor = hit.address.get().filter(|_| track_visitor).and_then(|ip| Visitor::new(ip, agent));
            let mut page_hit = PageHits::new(key, hit.at.unwrap_or(now), hit.n, visitor);
            let is_from_client =
                matches!(hit.by, HitSource::Page | HitSource::Reader) || hit.address.get().is_some();
            // All clients that may not be tracked use one common share of the budget.
            if page_hit.share.is_none() && is_from_client {
                page_hit.share = Some(BudgetShare::for_opted_out());
            }
            if matches!(hit.by, HitSource::Page | HitSource::Reader)
                && let Some(visitor) = &page_hit.visitor
            {
                if context.recent.check_and_record(visitor, &page_hit.key, page_hit.at) {
                    ignored.push(IgnoreReason::Duplicate);
                    has_reload = true;
                    continue;
                }
                page_hit.in_recent_views = true;
            }
            if page_hit.n > 0 {
                page_hits.push(page_hit);
            }
        }
        let dedup_id = match (hits.len() > MAX_HITS_PER_UNIT, message.dedup_id.as_str()) {
            (_, "") => None,
            (false, dedup_id) => Some(dedup_id.to_owned()),
            (true, dedup_id) => Some(format!("{dedup_id}#{number}")),
        };
        if !page_hits.is_empty() || exact && has_reload && dedup_id.is_some() {
            units.push(DedupUnit { message: index, dedup_id, page_hits });
        }
    }
    Ok((units, ignored))
}

fn evaluate_hit(rules: &CountingRules, hit: &IncomingHit) -> Result<ViewDecision, PathError> {
    // A sender that names no user agent is a program of the owner, not a bot.
    let is_trusted = hit.by == HitSource::Sender && hit.agent.get().is_none();
    if is_trusted || hit.by == HitSource::Reader {
        return Ok(ViewDecision { key: rules.key(&hit.path)?, track_visitor: true, ignored: hit.ignored });
    }
    let view = PageView {
        path: &hit.path,
        agent: hit.agent.get(),
        origin: hit.origin.as_deref(),
        referer: None,
        // A queue does not pass on this header. It is not needed: browsers send an `Origin` with every POST.
        fetch_site: FetchSite::Unknown,
        automated: hit.automated,
        prefetched: hit.prefetched,
        opted_out: hit.opted_out,
    };
    rules.evaluate(&view)
}
