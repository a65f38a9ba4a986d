//! Counting what came in messages: judged by the rules, added up, and written once a page. Knows what a message says, and not
//! how it said it; writes by way of the store, and tells for each message whether it is done.

mod exact;
mod meet;
mod piece;
mod plain;

pub use piece::{Part, Piece};

use std::collections::{BTreeMap, HashSet};

use piece::Counting;

use crate::http::FetchSite;
use crate::moment::Moment;
use crate::path::Refusal;
use crate::recent::Recent;
use crate::rules::{Ignored, Judgement, Rules, View};
use crate::setup::Setup;
use crate::share::Share;
use crate::store::{Paths, Store};
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
    let refused = HashSet::new();
    let mut counting = Counting { store: &mut *tools.store, pieces, paths, now, refused, refused_views: 0 };
    let fates =
        if exact { exact::count(&mut counting) } else { plain::count(&mut counting, &mut counted.notes) };
    let refused_views = counting.refused_views;
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
    if refused_views > 0 {
        let why = if paths == Paths::Strict { Ignored::Path } else { Ignored::Full };
        counted.ignored += refused_views;
        ignore(tools.store, why, refused_views, now, counted);
    }
}

/// Counts views among those that do not count. That number is worth no failure.
pub(crate) fn ignore<S: Store>(store: &mut S, why: Ignored, views: u64, now: Moment, counted: &mut Counted) {
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
    // A message is right as a whole or not at all, before anything of it is counted.
    let judged = hits.iter().map(|said| Ok((said, judge_hit(rules, said)?)));
    let judged = judged.collect::<Result<Vec<_>, Refusal>>();
    let judged = judged.map_err(|why| Failed::Malformed(why.to_string()))?;
    let mut ignored = Vec::new();
    let mut pieces = Vec::new();
    let mut judged = judged.into_iter();
    for number in 0..hits.len().div_ceil(HITS_IN_PIECE) {
        let mut parts = Vec::new();
        let mut has_reload = false;
        for (said, Judgement { key, followed, ignored: why }) in judged.by_ref().take(HITS_IN_PIECE) {
            if let Some(why) = why {
                ignored.push(why);
                continue;
            }
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

fn judge_hit(rules: &Rules, said: &Said) -> Result<Judgement, Refusal> {
    // Who is silent about the agent is a program that vouches for its hits, and no robot.
    let is_trusted = said.by == By::Sender && said.agent.get().is_none();
    if is_trusted || said.by == By::Reader {
        return Ok(Judgement { key: rules.key(&said.path)?, followed: true, ignored: said.ignored });
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
    rules.judge(&view)
}
