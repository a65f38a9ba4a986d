//! `hitctl explain`: applies the function's counting rules to a view on this machine.

use hit_counter::http::{FetchSite, Origins};
use hit_counter::rules::{CountingRules, PageView, ViewDecision};
use hit_counter::{bots, share};
use hitctl_config::{AppConfig, BotPolicy, GpcPolicy, PathPolicy, VisitorMode};
use hitctl_report::{Exit, ExplainView, Failure};

use crate::session::Session;

/// Explain whether a view of a path counts
///
/// Applies the function's own rules on this machine, and prints the key that the view counts under, or the reason why it does not.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  hitctl explain --path /a/index.html\n  hitctl explain --path 'https://me.example/blog/?utm_source=x'\n  hitctl explain --path / --ua 'curl/8.5.0'\n  hitctl explain --path / --origin https://other.example"
)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag that stands by itself")]
pub struct Args {
    /// Path, URL or any other string, as a page sends it
    #[arg(long, value_name = "PATH")]
    pub path: String,
    /// User agent [default: a browser's; empty: none]
    #[arg(long, value_name = "UA")]
    pub ua: Option<String>,
    /// Origin of the page
    #[arg(long, value_name = "ORIGIN")]
    pub origin: Option<String>,
    /// Referring page
    #[arg(long, value_name = "URL")]
    pub referer: Option<String>,
    /// Sec-Fetch-Site header: cross-site, same-site, same-origin or none
    #[arg(long, value_name = "VALUE")]
    pub sec_fetch_site: Option<String>,
    /// Has no effect: the rules for POST and GET are the same
    #[arg(long, hide = true)]
    pub post: bool,
    /// The browser is automated (navigator.webdriver)
    #[arg(long)]
    pub webdriver: bool,
    /// The page is prefetched (Sec-Purpose: prefetch)
    #[arg(long)]
    pub prefetch: bool,
    /// The visitor opted out (Sec-GPC: 1 or DNT: 1)
    #[arg(long)]
    pub gpc: bool,
}

/// The default user agent, which is that of a browser.
const BROWSER: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";

/// Shows whether a view would be counted, and why.
pub fn run(session: &mut Session, args: &Args) -> Result<Exit, Failure> {
    let app = session.load()?.app;
    let agent = args.ua.as_deref().unwrap_or(BROWSER);
    let view = PageView {
        path: &args.path,
        agent: Some(agent).filter(|agent| !agent.is_empty()),
        origin: args.origin.as_deref(),
        referer: args.referer.as_deref(),
        fetch_site: args.sec_fetch_site.as_deref().map_or(FetchSite::Unknown, FetchSite::parse),
        automated: args.webdriver,
        prefetched: args.prefetch,
        opted_out: args.gpc,
    };
    let code_and_text = |code: &str, why: &dyn ToString| (Some(code.to_owned()), Some(why.to_string()));
    let mut explained = ExplainView { path: args.path.clone(), ..ExplainView::default() };
    match rules(&app).evaluate(&view) {
        Ok(ViewDecision { key, track_visitor, ignored }) => {
            explained.key = Some(key.into_string());
            if let Some(why) = ignored {
                (explained.why, explained.message) = code_and_text(why.code(), &why);
            } else {
                explained.counted = true;
                explained.notes = notes(&app, track_visitor, view.agent);
            }
        }
        Err(why) => (explained.why, explained.message) = code_and_text(why.code(), &why),
    }
    session.console.result(&explained);
    Ok(Exit::Done)
}

/// Returns the counting rules that the function has after a deploy of this configuration.
fn rules(app: &AppConfig) -> CountingRules {
    CountingRules {
        keep_query: app.counter.keep_query.clone(),
        ignore_bots: app.counter.bots == BotPolicy::Ignore,
        ignore_opted_out: app.counter.gpc == GpcPolicy::Ignore,
        origins: Origins::parse(Some(&app.http.allow_origins.join(","))),
    }
}

/// Returns the conditions that `explain` cannot check, because they depend on the table or on earlier views.
fn notes(app: &AppConfig, track_visitor: bool, agent: Option<&str>) -> Vec<String> {
    let counter = &app.counter;
    let mut notes = Vec::new();
    match counter.paths {
        PathPolicy::Open => {}
        PathPolicy::Strict => notes.push("if `hitctl paths sync` has added the path".to_owned()),
        PathPolicy::Budget => notes.push(format!(
            "if the path is known, or among the first {} new paths of the day ({} per visitor) and {} paths in total",
            counter.new_paths_per_day,
            share::limits(counter.new_paths_per_day.into()).0,
            counter.max_paths
        )),
    }
    if counter.repeat_window_s > 0 && track_visitor && !agent.is_some_and(bots::is_image_proxy) {
        notes.push(format!(
            "unless the same visitor viewed the same path less than {} s ago",
            counter.repeat_window_s
        ));
    }
    if counter.visitors != VisitorMode::None && !track_visitor {
        notes.push("only as a view, not as a visitor: the visitor opted out of tracking".to_owned());
    }
    notes
}
