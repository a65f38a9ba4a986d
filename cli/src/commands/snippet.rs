//! `hitctl snippet`: prints HTML and Markdown to paste, with the URL of the deployed counter.

use hit_counter::path;
use hitctl_cloud::is_loopback;
use hitctl_config::is_unsafe_to_show;
use hitctl_report::{Exit, Failure, SnippetView};

use crate::deployment::context::with_progress;
use crate::deployment::live_url::live_url;
use crate::session::Session;

/// Print the HTML for your page and README
///
/// Prints HTML and Markdown with the URL of your counter.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  hitctl snippet --env prod\n  hitctl snippet --js --spa\n  hitctl snippet --badge --path /my-project --count >> README.md"
)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag that stands by itself")]
pub struct Args {
    /// Only the script and the element for the number
    #[arg(long)]
    pub js: bool,
    /// Only the image that counts visitors without scripts
    #[arg(long)]
    pub noscript: bool,
    /// Only the Markdown of a badge
    #[arg(long)]
    pub badge: bool,
    /// Path for the image and the badge; the script uses the page's own
    #[arg(long, value_name = "PATH", default_value = "/")]
    pub path: String,
    /// Label of the badge
    #[arg(long, value_name = "TEXT", default_value = "views")]
    pub label: String,
    /// Make the badge count a view each time it is fetched, for a README, which cannot run the script
    #[arg(long)]
    pub count: bool,
    /// Also count pages that a script changes without loading
    #[arg(long)]
    pub spa: bool,
}

/// Prints the snippets.
pub async fn run(session: &mut Session, args: Args) -> Result<Exit, Failure> {
    let config = session.load()?;
    let key = path::normalise_keeping(&args.path, &config.app.counter.keep_query).map_err(|why| {
        Failure::usage(format!(
            "expected a path that can be counted after `--path`, found {:?}: {why}",
            args.path
        ))
        .hinted("use a path that begins with `/`, such as `/blog/hello`")
    })?;
    let url = with_progress(session, &config, live_url).await?;
    if is_loopback(&url) {
        session
            .console
            .message("this counter runs on this machine; only pages opened on this machine can reach it");
    }
    let encode = |text: &str| path::percent_encoded(text, UNENCODED);
    let (path, label) = (encode(key.as_str()), encode(&args.label));
    let spa = if args.spa { " data-spa" } else { "" };
    let label = if args.label == "views" { String::new() } else { format!("&label={label}") };
    let hit = if args.count { "&hit=1" } else { "" };
    let html = format!(
        "<span data-hitctl=\"hits\">many</span>\n<script defer src=\"{url}/v1/widget.js\"{spa}></script>"
    );
    let pixel = format!(
        "<noscript><img src=\"{url}/v1/badge.svg?path={path}&amp;style=none&amp;hit=1\" width=\"1\" height=\"1\" alt=\"\"></noscript>"
    );
    let badge = format!("![{}]({url}/v1/badge.svg?path={path}{label}{hit})", escape_markdown(&args.label));
    let all = !(args.js || args.noscript || args.badge);
    session.console.result(&SnippetView {
        env: config.env.clone(),
        url,
        html: (all || args.js).then_some(html),
        noscript: (all || args.noscript).then_some(pixel),
        badge: (all || args.badge).then_some(badge),
    });
    Ok(Exit::Done)
}

/// The characters that are not percent-encoded in the value of a query parameter. The slash keeps the URL readable.
const UNENCODED: &[u8] = b"-._~/";

/// Escapes `text` for use as the alternative text of a Markdown image.
fn escape_markdown(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars().map(|c| if is_unsafe_to_show(c) { ' ' } else { c }) {
        if matches!(c, '[' | ']' | '\\' | '`' | '<' | '*' | '_') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_encoded_and_names_escaped() {
        assert_eq!(path::percent_encoded("/caf%C3%A9 x&y=\"<", UNENCODED), "/caf%25C3%25A9%20x%26y%3D%22%3C");
        assert_eq!(escape_markdown("my [views]\n`x`"), "my \\[views\\] \\`x\\`");
        assert_eq!(escape_markdown("a\u{202e}b\u{200b}c"), "a b c");
    }
}
