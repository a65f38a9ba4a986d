//! `hitctl report`: shows charts of the counts, in the terminal or as one HTML page.

use std::path::PathBuf;

use hitctl_cloud::{AccessMode, Cloud, VisitorIp};
use hitctl_config::{LoadedConfig, VisitorMode, names};
use hitctl_counts::CounterData;
use hitctl_report::{Exit, Failure, ReportRange, ReportView, VisitorIpRow};

use crate::deployment::context::{RunContext, with_progress};
use crate::deployment::counts;
use crate::files::write_new;
use crate::session::Session;

/// Show views, visitors and top pages
///
/// Shows views, visitors, top pages and dropped views, as charts or as one HTML page.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  hitctl report\n  hitctl report --env prod --html report.html\n  hitctl report --days 7 --top 5 --json"
)]
pub struct Args {
    /// Number of days, including today; the table keeps 31
    #[arg(long, value_name = "N", default_value_t = 31, value_parser = clap::value_parser!(u32).range(1..=31))]
    pub days: u32,
    /// Number of months, including this one; the table keeps 36
    #[arg(long, value_name = "N", default_value_t = 12, value_parser = clap::value_parser!(u32).range(1..=36))]
    pub months: u32,
    /// Number of top pages
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub top: u32,
    /// Write an HTML page with plots to this new file
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
}

/// Shows the report, or writes it to a file.
pub async fn run(session: &mut Session, args: Args) -> Result<Exit, Failure> {
    let config = session.load()?;
    let view = with_progress(session, &config, async |run| build_report(run, &args).await).await?;
    match &args.html {
        None => session.console.result(&view),
        Some(file) => {
            let path = session.cwd.join(file);
            write_new(&path, &view.page())?;
            session.console.file_written(
                &path,
                &format!("wrote the report of environment {} to {}", config.env, file.display()),
            );
        }
    }
    Ok(Exit::Done)
}

async fn build_report(run: RunContext<'_>, args: &Args) -> Result<ReportView, Failure> {
    let RunContext { session, config, .. } = run;
    let cloud = run.cloud(AccessMode::Read).await?;
    let data = counts::read_all(&*cloud, config, &session.stop).await?;
    let addresses = match config.app.counter.visitors {
        VisitorMode::Raw => visitor_addresses(&*cloud, config, args.top).await?,
        VisitorMode::None | VisitorMode::Hash => Vec::new(),
    };
    let CounterData { counts, site, dropped, .. } = data;
    let range = range_until(jiff::Timestamp::now(), args);
    let has_visitors = config.app.counter.visitors != VisitorMode::None;
    let report = ReportView::new(&config.app.app, &config.env, &range, has_visitors);
    Ok(ReportView { dropped, addresses, ..report.with_counts(counts, &site, &range) })
}

/// Returns the days and months up to `now` in UTC, the oldest first.
fn range_until(now: jiff::Timestamp, args: &Args) -> ReportRange {
    let today = now.to_zoned(jiff::tz::TimeZone::UTC).date();
    let days = (0..i64::from(args.days)).rev();
    let days = days.filter_map(|back| today.checked_sub(jiff::Span::new().days(back)).ok());
    let this_month = today.first_of_month();
    let months = (0..i64::from(args.months)).rev();
    let months = months.filter_map(|back| this_month.checked_sub(jiff::Span::new().months(back)).ok());
    ReportRange {
        days: days.map(|day| day.to_string()).collect(),
        months: months.map(|month| month.to_string()[..7].to_owned()).collect(),
        top: args.top as usize,
    }
}

/// Returns at most `limit` stored IP addresses, those with the most views first.
async fn visitor_addresses(
    cloud: &dyn Cloud,
    config: &LoadedConfig,
    limit: u32,
) -> Result<Vec<VisitorIpRow>, Failure> {
    let table = cloud.table(&names::seen_table(&config.app.app, &config.env))?;
    let mut rows: Vec<VisitorIpRow> = table
        .visitor_ips()
        .await?
        .into_iter()
        .map(|VisitorIp { address, hits, first, last }| VisitorIpRow { address, hits, first, last })
        .collect();
    rows.sort_by(|a, b| b.hits.cmp(&a.hits).then_with(|| a.address.cmp(&b.address)));
    rows.truncate(limit as usize);
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn range_until_ends_with_today_in_utc() {
        let now = "2026-03-01T00:30:00+02:00".parse().expect("a time");
        let args = Args { days: 3, months: 4, top: 5, html: None };
        let range = range_until(now, &args);
        assert_eq!(range.days, ["2026-02-26", "2026-02-27", "2026-02-28"]);
        assert_eq!(range.months, ["2025-11", "2025-12", "2026-01", "2026-02"]);
        assert_eq!(range.top, 5);
    }
}
