//! Badges for READMEs and for pages without scripts. A badge counts a view only if the request has `hit=1`.
//! Errors are shown as badges with status 200, because a broken image explains nothing.

use hitctl_config::contract::HEADER_ERROR;

use super::counter::Counter;
use super::hit::{ViewRequest, ViewResult};
use super::outcome::{RouteError, RouteOutcome};
use super::params::{bad_param, flag, optional_param, query, required_path};
use crate::badge::{self, Badge, BadgeColor, BadgeStyle};
use crate::http::{CachePolicy, CounterRequest, CounterResponse};
use crate::moment::Moment;
use crate::query::QueryParams;
use crate::store::CounterStore;

/// The content security policy of images, which allows only inline styles.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";

/// The number that a badge shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum BadgeMetric {
    #[default]
    Total,
    Today,
    Unique,
}

impl BadgeMetric {
    fn label(self) -> &'static str {
        match self {
            Self::Total => "views",
            Self::Today => "views today",
            Self::Unique => "visitors",
        }
    }
}

/// The query parameters of a badge.
struct BadgeParams {
    show: BadgeMetric,
    label: Option<String>,
    color: Option<BadgeColor>,
    label_color: Option<BadgeColor>,
    style: BadgeStyle,
    abbreviated: bool,
    counts: bool,
}

impl BadgeParams {
    fn read(query: &QueryParams, request: &CounterRequest) -> Result<Self, RouteError> {
        let show = match optional_param(query, "show")? {
            None | Some("total") => BadgeMetric::Total,
            Some("today") => BadgeMetric::Today,
            Some("unique") => BadgeMetric::Unique,
            Some(_) => return Err(bad_param("`show`: expected total, today or unique")),
        };
        let style = match optional_param(query, "style")? {
            None => BadgeStyle::default(),
            Some(name) => BadgeStyle::parse(name)
                .ok_or_else(|| bad_param("`style`: expected flat, flat-square or none"))?,
        };
        Ok(Self {
            show,
            style,
            label: optional_param(query, "label")?.map(str::to_owned),
            color: color(query, "color")?,
            label_color: color(query, "labelColor")?,
            abbreviated: flag(query, "abbr")?,
            counts: flag(query, "hit")? && request.method != "HEAD",
        })
    }
}

fn color(query: &QueryParams, name: &str) -> Result<Option<BadgeColor>, RouteError> {
    let Some(text) = optional_param(query, name)? else { return Ok(None) };
    let message = format!("`{name}`: expected a color name, or 3, 4, 6 or 8 hexadecimal digits");
    BadgeColor::parse(text).map(Some).ok_or_else(|| bad_param(&message))
}

/// The output format of a badge.
#[derive(Clone, Copy)]
pub(super) enum BadgeFormat {
    Svg,
    Json,
    /// An invisible image that only counts.
    Pixel,
}

impl BadgeFormat {
    /// Returns the format of a badge route. Other routes return errors as JSON.
    pub(super) fn of(route: &str) -> Option<Self> {
        match route {
            "/v1/badge.svg" => Some(Self::Svg),
            "/v1/badge.json" => Some(Self::Json),
            "/v1/pixel.svg" => Some(Self::Pixel),
            _ => None,
        }
    }

    fn render(self, badge: &Badge<'_>, cache: CachePolicy) -> CounterResponse {
        match self {
            Self::Svg => picture(badge.svg(), cache),
            Self::Json => CounterResponse::json(200, cache, badge.json()),
            Self::Pixel => picture(Badge { style: BadgeStyle::None, ..Badge::new("", "") }.svg(), cache),
        }
    }

    /// Returns an error as a badge with status 200, because a broken image explains nothing.
    pub(super) fn error(self, error: RouteError) -> RouteOutcome {
        let RouteError { code, store_error, response, forward } = error;
        let badge = Badge::error(BadgeMetric::Total.label());
        let mut rendered = self.render(&badge, CachePolicy::NoStoreStrict).with_header(HEADER_ERROR, code);
        if let Some(after) = response.header("retry-after") {
            rendered = rendered.with_header("retry-after", after.to_owned());
        }
        RouteOutcome { store_error, forward, ..RouteOutcome::new(rendered) }
    }
}

fn picture(svg: String, cache: CachePolicy) -> CounterResponse {
    CounterResponse::new(200, "image/svg+xml; charset=utf-8", cache, svg)
        .with_header("content-security-policy", POLICY)
}

impl<S: CounterStore> Counter<S> {
    /// Handles `/v1/badge.svg`, an image; `/v1/badge.json`, the input of shields.io's endpoint badge; and
    /// `/v1/pixel.svg`, an invisible image that counts, for pages without scripts.
    pub(super) fn picture(&mut self, request: &CounterRequest, now: Moment) -> RouteOutcome {
        let format = BadgeFormat::of(&request.route).unwrap_or(BadgeFormat::Svg);
        let rendered = match format {
            BadgeFormat::Pixel => self.pixel(request, now),
            BadgeFormat::Svg | BadgeFormat::Json => self.badge(request, now, format),
        };
        rendered.unwrap_or_else(|error| format.error(error))
    }

    /// Counts a view of the page in the `path` parameter, by the same rules as a badge with `hit=1`.
    fn pixel(&mut self, request: &CounterRequest, now: Moment) -> Result<RouteOutcome, RouteError> {
        let query = query(request)?;
        let path = required_path(&query)?;
        let response = BadgeFormat::Pixel.render(&Badge::new("", ""), CachePolicy::NoStoreStrict);
        if request.method == "HEAD" {
            return Ok(RouteOutcome::for_page(response, Some(self.config.rules.key(path)?)));
        }
        let result =
            self.count_view(request, ViewRequest { path, is_picture: true, ..ViewRequest::default() }, now)?;
        Ok(result.into_outcome(response, true))
    }

    fn badge(
        &mut self,
        request: &CounterRequest,
        now: Moment,
        format: BadgeFormat,
    ) -> Result<RouteOutcome, RouteError> {
        let query = query(request)?;
        let params = BadgeParams::read(&query, request)?;
        if params.show == BadgeMetric::Unique && !self.config.visitors {
            return Err(bad_param("this counter does not count visitors"));
        }
        let path = required_path(&query)?;
        let result = if params.counts {
            self.count_view(request, ViewRequest { path, is_picture: true, ..ViewRequest::default() }, now)?
        } else {
            let key = self.config.rules.key(path)?;
            let counts = self.read_one(&key, now)?;
            ViewResult::new(key, counts)
        };
        let n = match params.show {
            BadgeMetric::Total => result.counts.hits,
            BadgeMetric::Today => result.counts.today,
            BadgeMetric::Unique => result.counts.uniques,
        };
        let message = badge::message(n, params.abbreviated);
        let badge = Badge {
            color: params.color.unwrap_or_else(BadgeColor::blue),
            label_color: params.label_color.unwrap_or_else(BadgeColor::grey),
            style: params.style,
            ..Badge::new(params.label.as_deref().unwrap_or(params.show.label()), &message)
        };
        let cache = if params.counts { CachePolicy::NoStoreStrict } else { CachePolicy::FiveMinutes };
        Ok(result.into_outcome(format.render(&badge, cache), params.counts))
    }
}
