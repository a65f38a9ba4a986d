//! Renders the report as an HTML page in one file, with charts in SVG. The page must not have scripts or references
//! to other hosts, so that it works offline and can be shared. All texts are escaped.

use std::fmt::Write as _;

use hit_counter::badge;

use super::report::{ReportView, StatsPoint};
use crate::style::TextStyle;
use crate::{format, text};

const PAGE_CSS: &str = include_str!("page.css");
/// The style for numbers with separators.
const NUMBER_STYLE: TextStyle = TextStyle { color: false, tty: true, width: None, unicode: true };

/// The width of a chart in SVG units.
const CHART_WIDTH: usize = 720;
/// The height of a chart in SVG units.
const CHART_HEIGHT: usize = 160;
/// The height of the labels below a chart in SVG units.
const LABEL_HEIGHT: usize = 18;

/// Returns the HTML of the page.
pub(crate) fn render(report: &ReportView) -> String {
    let title = format!("{} {}: views", escape_html(&report.app), escape_html(&report.env));
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>{title}</title>\n<style>\n{PAGE_CSS}</style>\n</head>\n<body>\n<main>\n"
    );
    render_header(&mut out, report);
    render_chart(&mut out, "Days", &report.days, report.uniques.is_some());
    render_chart(&mut out, "Months", &report.months, report.uniques.is_some());
    render_pages(&mut out, report);
    render_not_counted(&mut out, report);
    render_addresses(&mut out, report);
    out.push_str("</main>\n</body>\n</html>\n");
    out
}

fn render_header(out: &mut String, report: &ReportView) {
    let today = report.today();
    let day = report.days.last().map_or("", |point| point.time.as_str());
    let _ = writeln!(
        out,
        "<h1>{} <span>{}</span></h1>\n<p class=\"when\">Until {} (UTC)</p>\n<dl>",
        escape_html(&report.app),
        escape_html(&report.env),
        escape_html(day)
    );
    let mut fact = |name: &str, n: u64| {
        let _ = writeln!(out, "<div><dt>{name}</dt><dd>{}</dd></div>", number(n));
    };
    fact("views", report.hits);
    if let Some(uniques) = report.uniques {
        fact("visitors", uniques);
    }
    fact("views today", today.hits);
    if report.uniques.is_some() {
        fact("visitors today", today.uniques);
    }
    fact("paths", report.paths);
    out.push_str("</dl>\n");
    if report.uniques.is_some() {
        out.push_str(
            "<p class=\"note\">A visitor counts once per day. Totals over several days count returning visitors again.</p>\n",
        );
    }
}

/// Renders a chart with one column per day or month. In each column, the visitors are in front of the views.
fn render_chart(out: &mut String, title: &str, points: &[StatsPoint], has_visitors: bool) {
    let max = points.iter().map(|point| point.tally.hits.max(point.tally.uniques)).max().unwrap_or(0);
    if points.is_empty() || max == 0 {
        return;
    }
    let _ = writeln!(
        out,
        "<section>\n<h2>{title} <small>maximum {}</small></h2>\n\
         <svg viewBox=\"0 0 {CHART_WIDTH} {}\" role=\"img\" aria-label=\"{title}: views{}\">",
        number(max),
        CHART_HEIGHT + LABEL_HEIGHT,
        if has_visitors { " and visitors" } else { "" }
    );
    let column_step = CHART_WIDTH / points.len();
    let column_width = (column_step * 4 / 5).max(1);
    // A label is at most 80 units wide.
    let label_interval = points.len().div_ceil(CHART_WIDTH / 80);
    for (n, point) in points.iter().enumerate() {
        let left = n * column_step;
        let views = format::plural(point.tally.hits, "view");
        let tooltip = if has_visitors {
            format!("{}: {views}, {}", point.time, format::plural(point.tally.uniques, "visitor"))
        } else {
            format!("{}: {views}", point.time)
        };
        let _ = write!(out, "<g><title>{}</title>", escape_html(&tooltip));
        for (class, value) in [("views", point.tally.hits), ("visitors", point.tally.uniques)] {
            let height = bar_height(value, max);
            if height > 0 && (class == "views" || has_visitors) {
                let top = CHART_HEIGHT - height;
                let _ = write!(
                    out,
                    "<rect class=\"{class}\" x=\"{left}\" y=\"{top}\" width=\"{column_width}\" height=\"{height}\"/>"
                );
            }
        }
        out.push_str("</g>\n");
        if (points.len() - 1 - n).is_multiple_of(label_interval) {
            let middle = left + column_width / 2;
            let label = point.time.get(5..).filter(|_| point.time.len() > 7).unwrap_or(&point.time);
            let _ = writeln!(
                out,
                "<text x=\"{middle}\" y=\"{}\">{}</text>",
                CHART_HEIGHT + LABEL_HEIGHT - 4,
                escape_html(label)
            );
        }
    }
    let _ = writeln!(
        out,
        "<line x1=\"0\" y1=\"{CHART_HEIGHT}\" x2=\"{CHART_WIDTH}\" y2=\"{CHART_HEIGHT}\"/>\n</svg>"
    );
    if has_visitors {
        out.push_str(
            "<p class=\"key\"><i class=\"views\"></i> views <i class=\"visitors\"></i> visitors</p>\n",
        );
    }
    out.push_str("</section>\n");
}

fn render_pages(out: &mut String, report: &ReportView) {
    if report.top.is_empty() {
        return;
    }
    out.push_str("<section>\n<h2>Paths</h2>\n<table>\n<thead><tr><th>path</th><th>views</th>");
    if report.uniques.is_some() {
        out.push_str("<th>visitors</th>");
    }
    out.push_str("<th></th></tr></thead>\n<tbody>\n");
    let max = report.top.iter().map(|row| row.hits).max().unwrap_or(0);
    for row in &report.top {
        let _ = write!(
            out,
            "<tr><td>{}</td><td>{}</td>",
            escape_html(&text::readable_path(&row.path)),
            number(row.hits)
        );
        if report.uniques.is_some() {
            let _ = write!(out, "<td>{}</td>", number(row.uniques));
        }
        let _ = writeln!(out, "<td>{}</td></tr>", bar_html("views", row.hits, max));
    }
    out.push_str("</tbody>\n</table>\n</section>\n");
}

fn render_not_counted(out: &mut String, report: &ReportView) {
    let reasons = report.drop_reasons();
    let Some((_, max)) = reasons.first() else { return };
    out.push_str("<section>\n<h2>Not counted</h2>\n<table>\n<thead><tr><th>reason</th><th>views</th><th></th></tr></thead>\n<tbody>\n");
    for (reason, n) in &reasons {
        let _ = writeln!(
            out,
            "<tr><td>{}</td><td>{}</td><td>{}</td></tr>",
            escape_html(reason),
            number(*n),
            bar_html("ignored", *n, *max)
        );
    }
    out.push_str("</tbody>\n</table>\n</section>\n");
}

fn render_addresses(out: &mut String, report: &ReportView) {
    if report.addresses.is_empty() {
        return;
    }
    out.push_str("<section>\n<h2>IP addresses</h2>\n<table>\n<thead><tr><th>IP address</th><th>views</th><th>last</th></tr></thead>\n<tbody>\n");
    for row in &report.addresses {
        let _ = writeln!(
            out,
            "<tr><td>{}</td><td>{}</td><td class=\"time\">{}</td></tr>",
            escape_html(&row.address),
            number(row.hits),
            escape_html(row.last.as_deref().unwrap_or_default())
        );
    }
    out.push_str("</tbody>\n</table>\n</section>\n");
}

/// Renders a bar whose width is the ratio of `n` to `max`. A bar for `n` above 0 has at least 0.2 %.
fn bar_html(class: &str, n: u64, max: u64) -> String {
    let per_mille = u128::from(n) * 1000 / u128::from(max.max(1));
    let per_mille = if n > 0 { per_mille.max(2) } else { 0 };
    format!("<b class=\"{class}\" style=\"width:{}.{}%\"></b>", per_mille / 10, per_mille % 10)
}

/// Scales a value to the height of a chart. A value above 0 is always visible.
fn bar_height(value: u64, max: u64) -> usize {
    if value == 0 || max == 0 {
        return 0;
    }
    let height = u128::from(value) * CHART_HEIGHT as u128 / u128::from(max);
    usize::try_from(height).unwrap_or(CHART_HEIGHT).clamp(1, CHART_HEIGHT)
}

fn number(n: u64) -> String {
    format::number(n, NUMBER_STYLE)
}

/// Escapes a text for HTML content and attributes.
fn escape_html(raw: &str) -> String {
    badge::escaped(&text::clean(raw))
}
