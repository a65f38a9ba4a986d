//! The bot matcher: does a user agent look like a robot's, and by what. Words and a few shapes, no regular expression and
//! no list of addresses; the words are measured against the corpus in `tests/corpus`. Pure; it must not know what becomes
//! of a robot's hit, that is the rules' business.

use std::fmt;
use std::ops::Range;

/// Shorter user agents are no browser's: the shortest in the corpus of people has 11 bytes.
const SHORTEST: usize = 10;

/// Longer user agents are no browser's: the longest in the corpus of people has 322 bytes, and toolbars of the past added
/// some hundreds. It also bounds the time that a hostile one takes.
const LONGEST: usize = 1024;

/// Why a user agent is taken for a robot's. Displays as a lower-case sentence fragment for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// There is none, or it is blank: every browser sends one.
    Missing,
    /// It is shorter than a browser's.
    TooShort {
        /// Its length in bytes.
        bytes: usize,
    },
    /// It is longer than a browser's.
    TooLong {
        /// Its length in bytes.
        bytes: usize,
    },
    /// It holds this word, which names robots, tools or libraries.
    Names(&'static str),
    /// It holds a URL, a host or an e-mail address, by which robots say whom to ask.
    Address,
    /// It calls itself `compatible` with the `WebKit` that it named before: browsers that are do not say so.
    Compatible,
    /// It names nothing that shows pages to people.
    NoEngine,
}

impl fmt::Display for Sign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("there is no user agent"),
            Self::TooShort { bytes } => {
                write!(f, "the user agent is {bytes} bytes short, a browser's has at least {SHORTEST}")
            }
            Self::TooLong { bytes } => {
                write!(f, "the user agent is {bytes} bytes long, a browser's has at most {LONGEST}")
            }
            Self::Names(word) => write!(f, "the user agent names a robot: `{word}`"),
            Self::Address => f.write_str("the user agent holds an address, as robots' do"),
            Self::Compatible => {
                f.write_str("the user agent calls itself compatible with a browser, as robots' do")
            }
            Self::NoEngine => f.write_str("the user agent names no browser"),
        }
    }
}

/// Says by what a user agent looks like a robot's, or `None` if a person may sit behind it.
///
/// ASCII case does not matter. Takes no memory, and time linear in the length up to a bound: what is over 1,024 bytes is not
/// looked at.
pub fn sign(user_agent: Option<&str>) -> Option<Sign> {
    let text = user_agent.unwrap_or_default().trim_ascii().as_bytes();
    match text.len() {
        0 => return Some(Sign::Missing),
        bytes @ 1..SHORTEST => return Some(Sign::TooShort { bytes }),
        SHORTEST..=LONGEST => {}
        bytes => return Some(Sign::TooLong { bytes }),
    }
    let mut engine = false;
    let mut webkit = false;
    let model = model(text);
    for at in 0..text.len() {
        let rest = &text[at..];
        let first = rest[0].to_ascii_lowercase();
        if let Some(word) = begins_with_one(rest, robots(first))
            && !is_product(text, at, word, &model)
        {
            return Some(Sign::Names(word));
        }
        if is_address(&text[..at], rest) {
            return Some(Sign::Address);
        }
        if webkit && begins(rest, "compatible;") {
            return Some(Sign::Compatible);
        }
        webkit |= first == b'w' && begins(rest, "webkit");
        engine = engine || begins_with_one(rest, browsers(first)).is_some();
    }
    if engine { None } else { Some(Sign::NoEngine) }
}

/// Names of image proxies, behind each of which many people share an address and a user agent: GitHub shows the pictures of
/// a README through Camo, and GitLab and forums run it or go-camo themselves.
const IMAGE_PROXIES: [&str; 3] = ["github-camo", "camo asset proxy", "go-camo"];

/// Whether a user agent is an image proxy's, so that one address stands for many people.
pub fn is_image_proxy(user_agent: &str) -> bool {
    let text = user_agent.as_bytes();
    (0..text.len()).any(|at| begins_with_one(&text[at..], &IMAGE_PROXIES).is_some())
}

/// Whether the word of robots at `at` is a part of the name of something that people use: phones such as Cubot, `M bot 60`
/// and `XBot Junior`, televisions by Botech, and the apps fuboTV and `CamScanner`.
fn is_product(text: &[u8], at: usize, word: &str, model: &Range<usize>) -> bool {
    let (before, after) = (&text[..at], &text[at + word.len()..]);
    match word {
        "bot" => {
            let is_versioned = after.iter().find(|byte| b"/ ;)".contains(byte)) == Some(&b'/');
            ends(before, "cu")
                || begins(after, "ech")
                || ends(before, "fu") && begins(after, "v")
                || model.contains(&at) && !is_versioned
        }
        "check" => begins(after, "out"),
        "scan" => ends(before, "cam"),
        _ => false,
    }
}

/// The place of a device's name: what follows `Android` and its version, up to the end of the first comment.
fn model(text: &[u8]) -> Range<usize> {
    let find =
        |from: usize, byte: u8| text[from..].iter().position(|&other| other == byte).map(|at| from + at);
    let place = || {
        let end = find(find(0, b'(')?, b')')?;
        let android = (0..end).find(|&at| begins(&text[at..end], "android"))?;
        Some(find(android, b';').filter(|&start| start < end)?..end)
    };
    place().unwrap_or_default()
}

/// Whether a URL, a host or an e-mail address is here.
fn is_address(before: &[u8], rest: &[u8]) -> bool {
    let name_before = before.last().is_some_and(u8::is_ascii_alphanumeric);
    match rest[0] {
        b'@' => name_before && is_host(&rest[1..]),
        // `.community` and `.com.example` are parts of an app's name, `[name.com]` the mark of an old browser.
        b'.' => {
            name_before
                && HOSTS.iter().any(|end| {
                    let after = rest.get(end.len());
                    begins(rest, end)
                        && !after.is_some_and(|c| c.is_ascii_alphanumeric() || b".]".contains(c))
                })
        }
        b'+' => is_host(&rest[1..]),
        b'h' | b'H' => begins(rest, "http://") || begins(rest, "https://"),
        b'w' | b'W' => begins(rest, "www."),
        _ => false,
    }
}

/// Whether a host with a dot in it begins here. Without one it is a locale or a version: `th-TH@calendar`, `android@150.0`.
fn is_host(text: &[u8]) -> bool {
    let end = text.iter().position(|&c| !c.is_ascii_alphanumeric() && c != b'-').unwrap_or(text.len());
    end > 0 && text[end..].first() == Some(&b'.') && text.get(end + 1).is_some_and(u8::is_ascii_alphabetic)
}

/// The ends of hosts that robots write without `http://`; `.net` is also Microsoft's.
const HOSTS: [&str; 3] = [".com", ".org", ".io"];

fn begins(text: &[u8], word: &str) -> bool {
    text.get(..word.len()).is_some_and(|head| head.eq_ignore_ascii_case(word.as_bytes()))
}

fn ends(text: &[u8], word: &str) -> bool {
    text.len().checked_sub(word.len()).is_some_and(|start| begins(&text[start..], word))
}

fn begins_with_one(text: &[u8], words: &[&'static str]) -> Option<&'static str> {
    words.iter().copied().find(|word| begins(text, word))
}

/// Words of robots, tools and libraries, by their first letter, so that a look at a byte costs few comparisons. The first
/// that matches is what the reader is told.
///
/// What names no browser needs no word to be found; those that are here all the same are the ones whose owners may ask.
fn robots(first: u8) -> &'static [&'static str] {
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

/// What shows pages to people, by the first letter: engines, and the browsers whose user agent names none. Camo fetches
/// a README's badge while somebody looks at it.
fn browsers(first: u8) -> &'static [&'static str] {
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
#[path = "bots_tests.rs"]
mod tests;
