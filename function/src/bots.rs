//! Detects bots by their user agents, and returns the reason. Matches words and a few patterns, without regular
//! expressions or lists of addresses; `tests/it/bots.rs` measures the error rates on a corpus. Pure; the rules
//! decide what happens to a bot's hit.

use std::fmt;
use std::ops::Range;

/// The minimum length of a browser's user agent, in bytes. The shortest in the corpus of people has 11.
const MIN_BYTES: usize = 10;

/// The maximum length of a browser's user agent, in bytes. The longest in the corpus of people has 322, and old
/// toolbars added some hundreds. The limit also bounds the time for a hostile user agent.
const MAX_BYTES: usize = 1024;

/// The reason why a user agent looks like a bot's. Displays as a lower-case sentence fragment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BotSignal {
    /// The user agent is missing or blank, but every browser sends one.
    Missing,
    /// It is shorter than any browser's.
    TooShort {
        /// The length in bytes.
        bytes: usize,
    },
    /// It is longer than any browser's.
    TooLong {
        /// The length in bytes.
        bytes: usize,
    },
    /// It contains this word, which names bots, tools or libraries.
    Keyword(&'static str),
    /// It contains a URL, a host or an e-mail address, with which bots name a contact.
    Address,
    /// It calls itself `compatible` after naming `WebKit`, which browsers do not do.
    Compatible,
    /// It names no browser.
    NoEngine,
}

impl fmt::Display for BotSignal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("there is no user agent"),
            Self::TooShort { bytes } => {
                write!(f, "the user agent has {bytes} bytes; a browser's has at least {MIN_BYTES}")
            }
            Self::TooLong { bytes } => {
                write!(f, "the user agent has {bytes} bytes; a browser's has at most {MAX_BYTES}")
            }
            Self::Keyword(word) => write!(f, "the user agent contains the bot keyword `{word}`"),
            Self::Address => f.write_str("the user agent contains a contact address"),
            Self::Compatible => f.write_str("the user agent claims to be compatible with a browser"),
            Self::NoEngine => f.write_str("the user agent names no browser"),
        }
    }
}

/// Returns the reason why a user agent looks like a bot's, or `None` if it may be a person's.
///
/// ASCII case does not matter. Allocates nothing. The time is linear in the length up to a limit: user agents
/// over 1,024 bytes are not examined.
pub fn detect_bot(user_agent: Option<&str>) -> Option<BotSignal> {
    let text = user_agent.unwrap_or_default().trim_ascii().as_bytes();
    match text.len() {
        0 => return Some(BotSignal::Missing),
        bytes @ 1..MIN_BYTES => return Some(BotSignal::TooShort { bytes }),
        MIN_BYTES..=MAX_BYTES => {}
        bytes => return Some(BotSignal::TooLong { bytes }),
    }
    let mut engine = false;
    let mut webkit = false;
    let model = device_model_range(text);
    for at in 0..text.len() {
        let rest = &text[at..];
        let first = rest[0].to_ascii_lowercase();
        if let Some(word) = find_prefix(rest, bot_words(first))
            && !is_in_product_name(text, at, word, &model)
        {
            return Some(BotSignal::Keyword(word));
        }
        if is_address(&text[..at], rest) {
            return Some(BotSignal::Address);
        }
        if webkit && starts_with(rest, "compatible;") {
            return Some(BotSignal::Compatible);
        }
        webkit |= first == b'w' && starts_with(rest, "webkit");
        engine = engine || find_prefix(rest, browser_words(first)).is_some();
    }
    if engine { None } else { Some(BotSignal::NoEngine) }
}

/// Names of image proxies. All people behind a proxy share one address and one user agent. GitHub shows
/// the images of a README through Camo; GitLab and forums run Camo or go-camo themselves.
const IMAGE_PROXIES: [&str; 3] = ["github-camo", "camo asset proxy", "go-camo"];

/// Returns whether a user agent is an image proxy's, so that many people share its address.
pub fn is_image_proxy(user_agent: &str) -> bool {
    let text = user_agent.as_bytes();
    (0..text.len()).any(|at| find_prefix(&text[at..], &IMAGE_PROXIES).is_some())
}

/// Returns whether the bot word at `at` is part of a product name: phones such as Cubot, `M bot 60` and `XBot
/// Junior`, televisions by Botech, and the apps fuboTV and `CamScanner`.
fn is_in_product_name(text: &[u8], at: usize, word: &str, model: &Range<usize>) -> bool {
    let (before, after) = (&text[..at], &text[at + word.len()..]);
    match word {
        "bot" => {
            let is_versioned = after.iter().find(|byte| b"/ ;)".contains(byte)) == Some(&b'/');
            ends_with(before, "cu")
                || starts_with(after, "ech")
                || ends_with(before, "fu") && starts_with(after, "v")
                || model.contains(&at) && !is_versioned
        }
        "check" => starts_with(after, "out"),
        "scan" => ends_with(before, "cam"),
        _ => false,
    }
}

/// Returns the range of the device's name: in the first parentheses, the text after `Android` and its version.
fn device_model_range(text: &[u8]) -> Range<usize> {
    let find =
        |from: usize, byte: u8| text[from..].iter().position(|&other| other == byte).map(|at| from + at);
    let find_range = || {
        let end = find(find(0, b'(')?, b')')?;
        let android = (0..end).find(|&at| starts_with(&text[at..end], "android"))?;
        Some(find(android, b';').filter(|&start| start < end)?..end)
    };
    find_range().unwrap_or_default()
}

/// Returns whether a URL, a host or an e-mail address begins here.
fn is_address(before: &[u8], rest: &[u8]) -> bool {
    let name_before = before.last().is_some_and(u8::is_ascii_alphanumeric);
    match rest[0] {
        b'@' => name_before && is_host(&rest[1..]),
        // `.community` and `.com.example` are parts of an app's name, and `[name.com]` marks an old browser.
        b'.' => {
            name_before
                && HOST_SUFFIXES.iter().any(|end| {
                    let after = rest.get(end.len());
                    starts_with(rest, end)
                        && !after.is_some_and(|c| c.is_ascii_alphanumeric() || b".]".contains(c))
                })
        }
        b'+' => is_host(&rest[1..]),
        b'h' | b'H' => starts_with(rest, "http://") || starts_with(rest, "https://"),
        b'w' | b'W' => starts_with(rest, "www."),
        _ => false,
    }
}

/// Returns whether a host with a dot begins here. Without a dot it is a locale or a version:
/// `th-TH@calendar`, `android@150.0`.
fn is_host(text: &[u8]) -> bool {
    let end = text.iter().position(|&c| !c.is_ascii_alphanumeric() && c != b'-').unwrap_or(text.len());
    end > 0 && text[end..].first() == Some(&b'.') && text.get(end + 1).is_some_and(u8::is_ascii_alphabetic)
}

/// The suffixes of hosts that bots write without `http://`. `.net` is missing, because it also occurs in
/// Microsoft's user agents.
const HOST_SUFFIXES: [&str; 3] = [".com", ".org", ".io"];

fn starts_with(text: &[u8], word: &str) -> bool {
    text.get(..word.len()).is_some_and(|head| head.eq_ignore_ascii_case(word.as_bytes()))
}

fn ends_with(text: &[u8], word: &str) -> bool {
    text.len().checked_sub(word.len()).is_some_and(|start| starts_with(&text[start..], word))
}

fn find_prefix(text: &[u8], words: &[&'static str]) -> Option<&'static str> {
    words.iter().copied().find(|word| starts_with(text, word))
}

/// Returns the words of bots, tools and libraries with the first letter `first`, so that each byte needs few
/// comparisons. The first match is reported.
///
/// Some of these words occur only in user agents that name no browser and are detected anyway. They are listed
/// so that the reason names the tool.
fn bot_words(first: u8) -> &'static [&'static str] {
    match first {
        b'a' => &["analyz", "anthropic", "archiv", "appinsights", "audit", "axios", "apachebench"],
        b'b' => &["bot", "barkrowler", "browserless", "burpcollab", "bytespider"],
        b'c' => &[
            "crawl",
            "curl",
            "check",
            "catchpoint",
            "censys",
            "chatgpt",
            "classifier",
            "claude",
            "cloudflare",
            "cohere",
            "cypress",
        ],
        b'd' => &[
            "dareboost",
            "datadog",
            "daumoa",
            "datanyze",
            "debugbear",
            "detectify",
            "devin/",
            "dmbrowser",
            "dynatrace",
        ],
        b'f' => &[
            "fetch",
            "favicon",
            "facebookexternalhit",
            "fasthttp",
            "feeder.co",
            "feedly",
            "findlink",
            "functionize",
        ],
        b'g' => &[
            "google-",
            "googleadsense",
            "googlemessages",
            "googleother",
            "googlesecurity",
            "go-http-client",
            "gomez",
            "gtmetrix",
            "guzzle",
        ],
        b'h' => &["headless", "htmlunit", "httpclient", "http-client", "httrack", "health"],
        b'i' => &["imageproxy", "inspect", "index", "insights", "iplabel"],
        b'j' => &["jsdom", "jakarta"],
        b'k' => &["kube-probe"],
        b'l' => &["lighthouse", "libwww-perl", "lwp-", "linkcheck"],
        b'm' => &["monitor", "marketgoo", "meta-external", "mediapartners", "mistral", "masscan"],
        b'n' => &["netcraft", "newrelic", "node-fetch", "nutch", "nessus", "nikto", "nmap", "nuclei"],
        b'o' => &["okhttp", "oai-search", "onetrust", "openvas"],
        b'p' => &[
            "python",
            "preview",
            "postman",
            "phantomjs",
            "perplexity",
            "playwright",
            "powershell",
            "prerender",
            "pingdom",
            "pinger",
            "probe",
            "prospect",
            "ptst",
            "puppeteer",
        ],
        b'q' => &["qualys"],
        b'r' => &["rendertron", "research", "rigor", "ruxit"],
        b's' => &[
            "spider",
            "scan",
            "scrap",
            "screenshot",
            "search console",
            "securityheader",
            "selenium",
            "semrush",
            "shodan",
            "silktide",
            "site24x7",
            "slimerjs",
            "slurp",
            "snapshot",
            "speedcurve",
            "splash version",
            "sqlmap",
            "statuscake",
            "survey",
            "synthetic",
        ],
        b't' => &["thumb", "thousandeyes", "transcod"],
        b'u' => &["uptime"],
        b'v' => &["valid", "verif"],
        b'w' => {
            &["wechatdevtools", "wget", "wordpress", "web preview", "webdriver", "wkhtmlto", "webpagetest"]
        }
        b'y' => &["yahooseeker", "yellowlab"],
        b'z' => &["zgrab"],
        b'-' => &["-google", "-user/", "-agent"],
        _ => &[],
    }
}

/// Returns the words of browsers with the first letter `first`: engines, and browsers whose user agent names no
/// engine.
/// Camo is included because it fetches a README's badge while somebody looks at it.
fn browser_words(first: u8) -> &'static [&'static str] {
    match first {
        b'a' => &["amigavoyager", "amiga-aweb"],
        b'b' => &["blackberry", "brew"],
        b'c' => &["camo asset proxy", "chrome/"],
        b'd' => &["docomo/", "dillo/"],
        b'e' => &["elinks"],
        b'f' => &["firefox/"],
        b'g' => &["gecko", "goanna", "github-camo", "go-camo"],
        b'i' => &["icab", "ibrowse"],
        b'k' => &["khtml", "konqueror"],
        b'l' => &["lynx/", "links ("],
        b'm' => &["msie", "midp", "mosaic"],
        b'n' => &["netfront", "netsurf/", "nintendo", "novarra"],
        b'o' => &["opera", "obigo", "omniweb"],
        b'p' => &["presto", "polaris", "planetweb", "playstation"],
        b's' => &["servo/", "smarttv", "sonyericsson", "symbian"],
        b't' => &["trident", "teleca"],
        b'u' => &["up.browser", "up.link", "ucbrowser", "uc browser", "ucweb"],
        b'w' => &["webkit", "w3m/"],
        // Netscape 4: `Mozilla/4.79 [en] (X11; U; Linux)`.
        b'[' => &["[en]"],
        _ => &[],
    }
}

#[cfg(test)]
mod tests;
