//! Counting what came in messages: judged by the rules, added up, and written once a page. Knows what a message says, and not
//! how it said it; writes by way of the store, and tells for each message whether it is done.

mod exact;
mod meet;
mod plain;

use std::collections::{BTreeMap, HashSet};

use hitctl_config::contract::KEY_SITE;

use crate::hit::Sum;
use crate::http::FetchSite;
use crate::moment::Moment;
use crate::path::Key;
use crate::recent::Recent;
use crate::routes::Setup;
use crate::rules::{Ignored, Verdict, View};
use crate::share::Share;
use crate::store::{Paths, Store, StoreError};
use crate::trigger::{By, Content, Message, Said};
use crate::visitor::Visitor;

/// The most hits of a message that are counted in one piece, so that a transaction has room for them, their mark and the
/// visitors of the site. Which hits are a piece must never change: a redelivered message is known by its pieces.
pub const HITS_IN_PIECE: usize = 90;

/// What counting is done with.
#[derive(Debug)]
pub struct Tools<'a, S> {
    /// Where the numbers are.
    pub store: &'a mut S,
    /// What the owner decided.
    pub setup: &'a Setup,
    /// Who looked a moment ago.
    pub recent: &'a mut Recent,
}

/// What became of messages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Hits that were counted.
    pub hits: u64,
    /// Views that were judged not to count.
    pub ignored: u64,
    /// Messages that are not done, by their place: why, and whether another time may do.
    pub failed: BTreeMap<usize, Failed>,
    /// Messages of pages that are answered with an error on the web, and are done all the same.
    pub wrong: Vec<(usize, String)>,
    /// What went wrong without harm.
    pub notes: Vec<String>,
}

/// Why a message is not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failed {
    /// It says nothing that can be counted, and never will.
    Malformed(String),
    /// The store did not take it, or nobody knows, or there was no time.
    Store(String),
}

impl Failed {
    /// The sentence.
    pub fn why(&self) -> &str {
        match self {
            Self::Malformed(why) | Self::Store(why) => why,
        }
    }
}

/// Hits on a page that one piece brings.
#[derive(Clone, Debug)]
pub struct Part {
    /// The page.
    pub key: Key,
    /// When.
    pub at: Moment,
    /// How many.
    pub n: u64,
    /// By whom, if that is to be known.
    pub visitor: Option<Visitor>,
    /// The share of the budget that pays for the page if it is new; none for a sender that names no client.
    pub share: Option<Share>,
    /// How many visitors are new on the page.
    uniques: u64,
    /// How many are new on the site.
    of_site: u64,
    /// Whether it was looked up among the views of the last moments.
    remembered: bool,
}

impl Part {
    /// Hits by somebody, or by nobody known.
    pub fn new(key: Key, at: Moment, n: u64, visitor: Option<Visitor>) -> Self {
        let share = visitor.as_ref().map(Share::of);
        Self { key, at, n, visitor, share, uniques: 0, of_site: 0, remembered: false }
    }
}

/// What is counted in one piece, or not at all.
#[derive(Clone, Debug)]
pub struct Piece {
    /// The place of its message.
    pub message: usize,
    /// Under what it is counted once.
    pub mark: Option<String>,
    /// The hits that it adds; none, where only its mark has to be written.
    pub parts: Vec<Part>,
}

/// What became of a piece: counted with so many hits (none if it was before), or not.
type Fate = Result<u64, String>;

/// Paths that may not be counted, and how many views that cost.
#[derive(Debug, Default)]
struct Refused {
    keys: HashSet<Key>,
    views: u64,
}

/// Counts messages at the time `now`. Objects in buckets are somebody else's.
pub fn count<S: Store>(tools: &mut Tools<'_, S>, messages: &[Message], exact: bool, now: Moment) -> Counted {
    let mut counted = Counted::default();
    let mut ignored: BTreeMap<&'static str, (Ignored, u64)> = BTreeMap::new();
    let mut pieces = Vec::new();
    for (place, message) in messages.iter().enumerate() {
        match &message.content {
            Err(why) => drop(counted.failed.insert(place, Failed::Malformed(why.clone()))),
            Ok(Content::Wrong(why)) => counted.wrong.push((place, why.clone())),
            Ok(Content::Nothing | Content::Objects(_)) => {}
            Ok(Content::Hits(hits)) => match judge(tools, place, message, hits, exact, now) {
                Ok((of_message, views)) => {
                    pieces.extend(of_message);
                    for why in views {
                        ignored.entry(why.code()).or_insert((why, 0)).1 += 1;
                    }
                }
                Err(Failed::Malformed(why)) if hits.iter().all(|said| said.by == By::Page) => {
                    counted.wrong.push((place, why));
                }
                Err(why) => drop(counted.failed.insert(place, why)),
            },
        }
    }
    count_pieces(tools, &mut pieces, exact, now, &mut counted);
    for (_, (why, views)) in ignored {
        counted.ignored += views;
        ignore(tools.store, why, views, now, &mut counted);
    }
    counted
}

/// Counts pieces: of messages, or of a file. What is not done is told by the place of its message.
pub fn count_pieces<S: Store>(
    tools: &mut Tools<'_, S>,
    pieces: &mut [Piece],
    exact: bool,
    now: Moment,
    counted: &mut Counted,
) {
    let paths = tools.setup.paths;
    if tools.setup.visitors {
        meet::meet(tools.store, pieces, now, &mut counted.notes);
    }
    let mut refused = Refused::default();
    let fates = if exact {
        exact::count(tools.store, pieces, paths, now, &mut refused)
    } else {
        plain::count(tools.store, pieces, paths, now, &mut refused, &mut counted.notes)
    };
    for (piece, fate) in pieces.iter().zip(fates) {
        match fate {
            Ok(hits) => counted.hits = counted.hits.saturating_add(hits),
            Err(why) => {
                // Its pages may ask again, and should not be told that they repeat themselves.
                for part in piece.parts.iter().filter(|part| part.remembered) {
                    if let Some(visitor) = &part.visitor {
                        tools.recent.forget(visitor, &part.key);
                    }
                }
                counted.failed.entry(piece.message).or_insert(Failed::Store(why));
            }
        }
    }
    if refused.views > 0 {
        let why = if paths == Paths::Strict { Ignored::Path } else { Ignored::Full };
        counted.ignored += refused.views;
        ignore(tools.store, why, refused.views, now, counted);
    }
}

/// Counts views among those that do not count. That number is worth no failure.
fn ignore<S: Store>(store: &mut S, why: Ignored, views: u64, now: Moment, counted: &mut Counted) {
    if let Err(error) = store.ignore(why, views, now) {
        counted.notes.push(format!("views that do not count were not counted as such: {error}"));
    }
}

/// The pieces of a message, and the views in it that do not count. If `exact`, a piece of nothing but reloads is one too:
/// whether a view is a reload is known to this process and for a moment only, and its mark keeps a second delivery of
/// the message from counting it.
fn judge<S>(
    tools: &mut Tools<'_, S>,
    place: usize,
    message: &Message,
    hits: &[Said],
    exact: bool,
    now: Moment,
) -> Result<(Vec<Piece>, Vec<Ignored>), Failed> {
    let rules = &tools.setup.rules;
    let mut verdicts = Vec::with_capacity(hits.len());
    for said in hits {
        match verdict(rules, said) {
            // A message is right as a whole or not at all, before anything of it is counted.
            Verdict::Refused { why } => return Err(Failed::Malformed(why.to_string())),
            other => verdicts.push(other),
        }
    }
    let mut ignored = Vec::new();
    let mut pieces = Vec::new();
    for (number, chunk) in hits.chunks(HITS_IN_PIECE).enumerate() {
        let mut parts = Vec::with_capacity(chunk.len());
        let mut has_reload = false;
        for (said, verdict) in chunk.iter().zip(verdicts.drain(..chunk.len())) {
            let (key, followed) = match verdict {
                Verdict::Counted { key, followed } => (key, followed),
                Verdict::Ignored { why, .. } => {
                    ignored.push(why);
                    continue;
                }
                Verdict::Refused { .. } => continue,
            };
            let agent = said.agent.get().unwrap_or_default();
            let visitor = said.address.get().filter(|_| followed).and_then(|ip| Visitor::new(ip, agent));
            let mut part = Part::new(key, said.at.unwrap_or(now), said.n, visitor);
            let by_client = matches!(said.by, By::Page | By::Reader) || said.address.get().is_some();
            if part.share.is_none() && by_client {
                part.share = Some(Share::unfollowed());
            }
            if matches!(said.by, By::Page | By::Reader)
                && let Some(visitor) = &part.visitor
            {
                if tools.recent.repeats(visitor, &part.key, part.at) {
                    ignored.push(Ignored::Dup);
                    has_reload = true;
                    continue;
                }
                part.remembered = true;
            }
            if part.n > 0 {
                parts.push(part);
            }
        }
        let mark = match (hits.len() > HITS_IN_PIECE, message.mark.as_str()) {
            (_, "") => None,
            (false, mark) => Some(mark.to_owned()),
            (true, mark) => Some(format!("{mark}#{number}")),
        };
        if !parts.is_empty() || exact && has_reload && mark.is_some() {
            pieces.push(Piece { message: place, mark, parts });
        }
    }
    Ok((pieces, ignored))
}

fn verdict(rules: &crate::rules::Rules, said: &Said) -> Verdict {
    if said.by == By::Reader {
        return match (rules.key(&said.path), said.ignored) {
            (Ok(key), Some(why)) => Verdict::Ignored { key, why },
            (Ok(key), None) => Verdict::Counted { key, followed: true },
            (Err(why), _) => Verdict::Refused { why },
        };
    }
    let view = View {
        path: &said.path,
        agent: said.agent.get(),
        origin: said.origin.as_deref(),
        referer: None,
        // A queue hands over no such header; browsers send an `Origin` with every POST.
        fetch_site: FetchSite::Unknown,
        automated: said.automated,
        prefetched: said.prefetched,
        opted_out: said.opted_out,
    };
    if said.by == By::Sender && said.agent.get().is_none() {
        // Who is silent about the agent is a program that vouches for its hits, and no robot.
        return match rules.key(&said.path) {
            Ok(key) => Verdict::Counted { key, followed: true },
            Err(why) => Verdict::Refused { why },
        };
    }
    rules.judge(&view)
}

/// The sums of some pieces: a page each, and the visitors of the site.
fn sums<'a>(pieces: impl Iterator<Item = &'a Piece>, refused: &Refused) -> BTreeMap<String, (Key, Sum)> {
    let mut sums: BTreeMap<String, (Key, Sum)> = BTreeMap::new();
    for part in pieces.flat_map(|piece| &piece.parts).filter(|part| !refused.keys.contains(&part.key)) {
        let name = part.key.as_str();
        let (_, sum) = match sums.get_mut(name) {
            Some(entry) => entry,
            None => {
                sums.entry(name.to_owned()).or_insert_with(|| (part.key.clone(), Sum::new(name.to_owned())))
            }
        };
        sum.add(part.at, part.n, part.uniques);
    }
    sums
}

/// Takes a new page in: on nobody's share if a sender vouches for it, else on the share of the first client that has one left.
fn admit<'a, S: Store>(
    store: &mut S,
    pieces: impl Iterator<Item = &'a Piece>,
    key: &str,
    paths: Paths,
    now: Moment,
) -> Result<bool, StoreError> {
    let mut shares: Vec<Option<Share>> = Vec::new();
    for part in pieces.flat_map(|piece| &piece.parts).filter(|part| part.key.as_str() == key) {
        if !shares.contains(&part.share) {
            shares.push(part.share);
        }
    }
    if shares.contains(&None) {
        shares = vec![None];
    }
    for share in shares {
        if store.may_admit(paths, share, now.day()) && store.admit(paths, share, now)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The visitors of the site that some pieces bring.
fn site<'a>(pieces: impl Iterator<Item = &'a Piece>, refused: &Refused) -> Option<Sum> {
    let mut sum = Sum::new(KEY_SITE.to_owned());
    let parts = pieces.flat_map(|piece| &piece.parts).filter(|part| part.of_site > 0);
    for part in parts.filter(|part| !refused.keys.contains(&part.key)) {
        sum.add(part.at, 0, part.of_site);
    }
    (!sum.days.is_empty()).then_some(sum)
}

/// The hits of a piece that may be counted; those that may not are counted as such.
fn hits(piece: &Piece, refused: &mut Refused) -> u64 {
    let mut hits = 0_u64;
    for part in &piece.parts {
        if refused.keys.contains(&part.key) {
            refused.views += 1;
        } else {
            hits = hits.saturating_add(part.n);
        }
    }
    hits
}
