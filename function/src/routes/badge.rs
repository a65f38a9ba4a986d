//! Badges for READMEs and pages without scripts. They only read unless they are told to count, and a mistake is drawn,
//! with status 200: a broken picture tells nobody anything.

use hitctl_config::contract::HEADER_ERROR;

use super::counter::Counter;
use super::hit::{Asked, Tally};
use super::outcome::{Outcome, Stop};
use super::params::{bad_param, flag, once, query, the_path};
use crate::badge::{self, Badge, Color, Style};
use crate::http::{Answer, Cache, Request};
use crate::moment::Moment;
use crate::query::Query;
use crate::store::Store;

/// What a picture may do: nothing but have a style.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";

/// What a badge is asked to show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Show {
    #[default]
    Total,
    Today,
    Unique,
}

impl Show {
    fn label(self) -> &'static str {
        match self {
            Self::Total => "views",
            Self::Today => "views today",
            Self::Unique => "visitors",
        }
    }
}

/// How a badge is asked for.
struct Look {
    show: Show,
    label: Option<String>,
    color: Option<Color>,
    label_color: Option<Color>,
    style: Style,
    abbreviated: bool,
    counts: bool,
}

impl Look {
    fn read(query: &Query, request: &Request) -> Result<Self, Stop> {
        let show = match once(query, "show")? {
            None | Some("total") => Show::Total,
            Some("today") => Show::Today,
            Some("unique") => Show::Unique,
            Some(_) => return Err(bad_param("the parameter `show` is total, today or unique")),
        };
        let style = match once(query, "style")? {
            None => Style::default(),
            Some(name) => Style::parse(name)
                .ok_or_else(|| bad_param("the parameter `style` is flat, flat-square or none"))?,
        };
        Ok(Self {
            show,
            style,
            label: once(query, "label")?.map(str::to_owned),
            color: color(query, "color")?,
            label_color: color(query, "labelColor")?,
            abbreviated: flag(query, "abbr", "shorten the number")?,
            counts: flag(query, "hit", "count")? && request.method != "HEAD",
        })
    }
}

fn color(query: &Query, name: &str) -> Result<Option<Color>, Stop> {
    let Some(text) = once(query, name)? else { return Ok(None) };
    let message =
        format!("the parameter `{name}` is the name of a color, or 3, 4, 6 or 8 hexadecimal digits");
    Color::parse(text).map(Some).ok_or_else(|| bad_param(&message))
}

/// How a picture, or what one is drawn from, is written.
#[derive(Clone, Copy)]
pub(super) enum Form {
    Svg,
    Json,
    /// The picture that only counts: nothing to be seen.
    Pixel,
}

impl Form {
    /// The form of a route whose mistakes are drawn.
    pub(super) fn of(route: &str) -> Option<Self> {
        match route {
            "/v1/badge.svg" => Some(Self::Svg),
            "/v1/badge.json" => Some(Self::Json),
            "/v1/pixel.svg" => Some(Self::Pixel),
            _ => None,
        }
    }

    fn answer(self, badge: &Badge<'_>, cache: Cache) -> Answer {
        match self {
            Self::Svg => picture(badge.svg(), cache),
            Self::Json => Answer::json(200, cache, badge.json()),
            Self::Pixel => picture(Badge { style: Style::None, ..Badge::new("", "") }.svg(), cache),
        }
    }

    /// A mistake, with status 200: a broken picture tells nobody anything.
    pub(super) fn error(self, stop: Stop) -> Outcome {
        let Stop { code, trouble, answer, forward } = stop;
        let badge = Badge::error(Show::Total.label());
        let mut drawn = self.answer(&badge, Cache::Never).with(HEADER_ERROR, code);
        if let Some(after) = answer.header("retry-after") {
            drawn = drawn.with("retry-after", after.to_owned());
        }
        Outcome { trouble, forward, ..Outcome::of(drawn) }
    }
}

fn picture(svg: String, cache: Cache) -> Answer {
    Answer::new(200, "image/svg+xml; charset=utf-8", cache, svg).with("content-security-policy", POLICY)
}

impl<S: Store> Counter<S> {
    /// `/v1/badge.svg`, a picture; `/v1/badge.json`, what shields.io draws a picture from; and `/v1/pixel.svg`, a picture that counts
    /// and shows nothing, for pages without scripts.
    pub(super) fn picture(&mut self, request: &Request, now: Moment) -> Outcome {
        let form = Form::of(&request.route).unwrap_or(Form::Svg);
        let drawn = match form {
            Form::Pixel => self.pixel(request, now),
            Form::Svg | Form::Json => self.badge(request, now, form),
        };
        drawn.unwrap_or_else(|stop| form.error(stop))
    }

    /// Counts the page that `path` names, by the rules of a badge with `hit=1`.
    fn pixel(&mut self, request: &Request, now: Moment) -> Result<Outcome, Stop> {
        let query = query(request)?;
        let path = the_path(&query)?;
        let answer = Form::Pixel.answer(&Badge::new("", ""), Cache::Never);
        if request.method == "HEAD" {
            return Ok(Outcome::about(answer, Some(self.setup.rules.key(path)?)));
        }
        let tally = self.tally(request, Asked { path, is_picture: true, ..Asked::default() }, now)?;
        Ok(tally.outcome(answer, true))
    }

    fn badge(&mut self, request: &Request, now: Moment, form: Form) -> Result<Outcome, Stop> {
        let query = query(request)?;
        let look = Look::read(&query, request)?;
        if look.show == Show::Unique && !self.setup.visitors {
            return Err(bad_param("visitors are not counted here, so there is no number of them"));
        }
        let path = the_path(&query)?;
        let tally = if look.counts {
            self.tally(request, Asked { path, is_picture: true, ..Asked::default() }, now)?
        } else {
            let key = self.setup.rules.key(path)?;
            let counts = self.read_one(&key, now)?;
            Tally::of(key, counts)
        };
        let n = match look.show {
            Show::Total => tally.counts.hits,
            Show::Today => tally.counts.today,
            Show::Unique => tally.counts.uniques,
        };
        let message = badge::message(n, look.abbreviated);
        let badge = Badge {
            color: look.color.unwrap_or_else(Color::blue),
            label_color: look.label_color.unwrap_or_else(Color::grey),
            style: look.style,
            ..Badge::new(look.label.as_deref().unwrap_or(look.show.label()), &message)
        };
        let cache = if look.counts { Cache::Never } else { Cache::FiveMinutes };
        Ok(tally.outcome(form.answer(&badge, cache), look.counts))
    }
}
