//! The report as a page: one file of HTML with its plots drawn in it. No script and no address of another host, so that
//! it can be opened anywhere and sent to anybody. Every text in it is escaped.

use std::fmt::Write as _;

use hit_counter::badge;

use super::report::{Point, ReportView};
use crate::style::Style;
use crate::{format, text};

const STYLE: &str = include_str!("page.css");
/// Numbers with commas, as on a terminal.
const PEOPLE: Style = Style { color: false, tty: true, width: None, unicode: true };

/// A plot's size in its own units.
const WIDTH: usize = 720;
const HEIGHT: usize = 160;
/// Under the plot, for the labels of its columns.
const FOOT: usize = 18;

/// The page.
pub(crate) fn render(report: &ReportView) -> String {
    let title = format!("{} {}: page views", escaped(&report.app), escaped(&report.env));
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n"
    );
    head(&mut out, report);
    plot(&mut out, "Days", &report.days, report.uniques.is_some());
    plot(&mut out, "Months", &report.months, report.uniques.is_some());
    pages(&mut out, report);
    ignored(&mut out, report);
    addresses(&mut out, report);
    out.push_str("</main>\n</body>\n</html>\n");
    out
}

fn head(out: &mut String, report: &ReportView) {
    let today = report.today();
    let day = report.days.last().map_or("", |point| point.time.as_str());
    let _ = writeln!(
        out,
        "<h1>{} <span>{}</span></h1>\n<p class=\"when\">Until {} (UTC)</p>\n<dl>",
        escaped(&report.app),
        escaped(&report.env),
        escaped(day)
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
    fact("pages", report.paths);
    out.push_str("</dl>\n");
    if report.uniques.is_some() {
        out.push_str(
            "<p class=\"note\">A visitor is counted once a day; sums over days count who comes again anew.</p>\n",
        );
    }
}

/// A column a day or month: views, and inside it visitors.
fn plot(out: &mut String, title: &str, points: &[Point], has_visitors: bool) {
    let most = points.iter().map(|point| point.tally.hits.max(point.tally.uniques)).max().unwrap_or(0);
    if points.is_empty() || most == 0 {
        return;
    }
    let _ = writeln!(
        out,
        "<section>\n<h2>{title} <small>at most {}</small></h2>\n\
         <svg viewBox=\"0 0 {WIDTH} {}\" role=\"img\" aria-label=\"{title}: views{}\">",
        number(most),
        HEIGHT + FOOT,
        if has_visitors { " and visitors" } else { "" }
    );
    let step = WIDTH / points.len();
    let wide = (step * 4 / 5).max(1);
    let labelled = points.len().div_ceil(WIDTH / 80);
    for (n, point) in points.iter().enumerate() {
        let left = n * step;
        let said = if has_visitors {
            format!("{}: {} views, {} visitors", point.time, point.tally.hits, point.tally.uniques)
        } else {
            format!("{}: {} views", point.time, point.tally.hits)
        };
        let _ = write!(out, "<g><title>{}</title>", escaped(&said));
        for (class, value) in [("views", point.tally.hits), ("visitors", point.tally.uniques)] {
            let high = scaled(value, most);
            if high > 0 && (class == "views" || has_visitors) {
                let top = HEIGHT - high;
                let _ = write!(
                    out,
                    "<rect class=\"{class}\" x=\"{left}\" y=\"{top}\" width=\"{wide}\" height=\"{high}\"/>"
                );
            }
        }
        out.push_str("</g>\n");
        if (points.len() - 1 - n).is_multiple_of(labelled) {
            let middle = left + wide / 2;
            let label = point.time.get(5..).filter(|_| point.time.len() > 7).unwrap_or(&point.time);
            let _ =
                writeln!(out, "<text x=\"{middle}\" y=\"{}\">{}</text>", HEIGHT + FOOT - 4, escaped(label));
        }
    }
    let _ = writeln!(out, "<line x1=\"0\" y1=\"{HEIGHT}\" x2=\"{WIDTH}\" y2=\"{HEIGHT}\"/>\n</svg>");
    if has_visitors {
        out.push_str(
            "<p class=\"key\"><i class=\"views\"></i> views <i class=\"visitors\"></i> visitors</p>\n",
        );
    }
    out.push_str("</section>\n");
}

fn pages(out: &mut String, report: &ReportView) {
    if report.top.is_empty() {
        return;
    }
    out.push_str("<section>\n<h2>Pages</h2>\n<table>\n<thead><tr><th>page</th><th>views</th>");
    if report.uniques.is_some() {
        out.push_str("<th>visitors</th>");
    }
    out.push_str("<th></th></tr></thead>\n<tbody>\n");
    let most = report.top.iter().map(|row| row.hits).max().unwrap_or(0);
    for row in &report.top {
        let _ = write!(out, "<tr><td>{}</td><td>{}</td>", escaped(&row.path), number(row.hits));
        if report.uniques.is_some() {
            let _ = write!(out, "<td>{}</td>", number(row.uniques));
        }
        let _ = writeln!(out, "<td>{}</td></tr>", meter("views", row.hits, most));
    }
    out.push_str("</tbody>\n</table>\n</section>\n");
}

fn ignored(out: &mut String, report: &ReportView) {
    let reasons = report.reasons();
    let Some((_, most)) = reasons.first() else { return };
    out.push_str("<section>\n<h2>Not counted</h2>\n<table>\n<thead><tr><th>reason</th><th>views</th><th></th></tr></thead>\n<tbody>\n");
    for (reason, n) in &reasons {
        let _ = writeln!(
            out,
            "<tr><td>{}</td><td>{}</td><td>{}</td></tr>",
            escaped(reason),
            number(*n),
            meter("ignored", *n, *most)
        );
    }
    out.push_str("</tbody>\n</table>\n</section>\n");
}

fn addresses(out: &mut String, report: &ReportView) {
    if report.addresses.is_empty() {
        return;
    }
    out.push_str("<section>\n<h2>Addresses</h2>\n<table>\n<thead><tr><th>address</th><th>views</th><th>last</th></tr></thead>\n<tbody>\n");
    for row in &report.addresses {
        let _ = writeln!(
            out,
            "<tr><td>{}</td><td>{}</td><td class=\"time\">{}</td></tr>",
            escaped(&row.address),
            number(row.hits),
            escaped(row.last.as_deref().unwrap_or_default())
        );
    }
    out.push_str("</tbody>\n</table>\n</section>\n");
}

/// A bar that is as wide as its share.
fn meter(class: &str, n: u64, most: u64) -> String {
    let percent = u128::from(n) * 1000 / u128::from(most.max(1));
    let percent = if n > 0 { percent.max(2) } else { 0 };
    format!("<b class=\"{class}\" style=\"width:{}.{}%\"></b>", percent / 10, percent % 10)
}

/// Of a plot's height; what is not zero can be seen.
fn scaled(value: u64, most: u64) -> usize {
    if value == 0 || most == 0 {
        return 0;
    }
    let high = u128::from(value) * HEIGHT as u128 / u128::from(most);
    usize::try_from(high).unwrap_or(HEIGHT).clamp(1, HEIGHT)
}

fn number(n: u64) -> String {
    format::number(n, PEOPLE)
}

/// A text as it may stand in HTML, within quotes too.
fn escaped(raw: &str) -> String {
    badge::escaped(&text::clean(raw))
}
