//! `hitctl explain`: the function's own rules, run here.

use hit_counter::rules::{self, Verdict};

use crate::report::{Exit, ExplainView, Failure};
use crate::session::Session;

/// Say what would be counted for a path, under which key, or why not; runs the function's own rules here
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  hitctl explain --path /a/index.html\n  hitctl explain --path 'https://me.example/blog/?utm_source=x'"
)]
pub struct Args {
    /// The path, URL or any other string, as a page would send it
    #[arg(long, value_name = "PATH")]
    pub path: String,
}

/// Explains.
pub fn run(session: &mut Session, args: &Args) -> Result<Exit, Failure> {
    let view = match rules::judge(&args.path) {
        Verdict::Counted { key } => ExplainView::counted(&args.path, key.as_str()),
        Verdict::Refused { why } => ExplainView::refused(&args.path, why.code(), &why.to_string()),
    };
    session.console.result(&view);
    Ok(Exit::Done)
}
