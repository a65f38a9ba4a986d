//! Random requests with a known meaning, and the events that contain them.

use std::fmt::Write as _;

use serde_json::{Value, json};

/// A random number generator with a fixed seed: splitmix64.
pub(crate) struct SeededRng(pub(crate) u64);

impl SeededRng {
    fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    pub(crate) fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next_u64() % u64::try_from(n).unwrap()).unwrap()
    }

    pub(crate) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }
}

/// The key of a page, or the status and the code of the error if its name is invalid.
pub(crate) type ExpectedKey = Result<String, (u16, &'static str)>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RandomRoute {
    Counter,
    Hit,
    Count,
    Total,
    Badge,
    Health,
    Nowhere,
}

/// A random request and its meaning.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each flag is chosen independently")]
pub(crate) struct RandomRequest {
    pub(crate) route: RandomRoute,
    pub(crate) method: &'static str,
    /// The page as the client names it.
    pub(crate) name: String,
    /// The key of the page, or the expected error.
    pub(crate) page: ExpectedKey,
    pub(crate) address: &'static str,
    pub(crate) agent: Option<&'static str>,
    pub(crate) bot: bool,
    pub(crate) origin: Option<&'static str>,
    pub(crate) cross_site: bool,
    pub(crate) referer: Option<&'static str>,
    pub(crate) opted_out: bool,
    pub(crate) prefetched: bool,
    /// Whether the request only reads: `ro=1`, or a badge without `hit=1`.
    pub(crate) only_reads: bool,
    pub(crate) quiet: bool,
    /// A query or a body that cannot be parsed, and the error code.
    pub(crate) broken: Option<(&'static str, &'static str)>,
    pub(crate) too_large: bool,
}

/// Valid names of pages and their keys: the examples of the contract, and some more.
const VALID_NAMES: [(&str, &str); 16] = [
    ("/", "/"),
    ("", "/"),
    ("/index.html", "/"),
    ("//a//b/", "/a/b"),
    ("/a/index.html", "/a"),
    ("/a/?utm_source=x#y", "/a"),
    ("/%7Ebob", "/~bob"),
    ("/caf%c3%a9", "/caf%C3%A9"),
    ("/café", "/caf%C3%A9"),
    ("/a%2Fb", "/a%2Fb"),
    ("/a/../b", "/b"),
    ("https://a.example:8443/x/?q", "/x"),
    ("HTTPS://A.example", "/"),
    ("my page", "my page"),
    ("/\"><script>alert(1)</script>", "/%22%3E%3Cscript%3Ealert(1)%3C/script%3E"),
    ("a\"b\\c</script>&'", "a\"b\\c</script>&'"),
];

/// Invalid names of pages, with the status and the code of the error.
const INVALID_NAMES: [(&str, u16, &str); 9] = [
    ("/%00", 400, "bad_path"),
    ("/a\u{7}", 400, "bad_path"),
    ("/a\\b", 400, "bad_path"),
    ("/%ff%fe", 400, "bad_path"),
    ("!lease", 400, "bad_path"),
    ("!budget", 400, "bad_path"),
    ("https:///x", 400, "bad_path"),
    ("https://a b/x", 400, "bad_path"),
    ("a\r\nset-cookie: x=1", 400, "bad_path"),
];

const PEOPLE: [&str; 4] = [
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Linux; Android 12; CUBOT NOTE 30) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/125.0.0.0 Mobile Safari/537.36",
    "Mozilla/5.0 (hitctl; invoke) Gecko",
];

const BOTS: [Option<&str>; 5] = [
    None,
    Some(""),
    Some("curl/8.14.1"),
    Some("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"),
    Some("\u{0}\u{1}\u{fffd}"),
];

/// The first four addresses belong to four visitors, the next two to one household. The last three texts are not
/// addresses.
const ADDRESSES: [&str; 9] = [
    "203.0.113.7",
    "203.0.113.8",
    "198.51.100.1",
    "2001:db8:1:2::1",
    "2001:db8:9:9::1",
    "2001:db8:9:9:ffff::2",
    "",
    "unknown",
    "203.0.113.7, 10.0.0.1",
];

/// Returns the network that identifies a visitor, if the text is an address.
pub(crate) fn network(address: &str) -> Option<&str> {
    match ADDRESSES.iter().position(|other| *other == address)? {
        0..=4 => Some(address),
        5 => Some(ADDRESSES[4]),
        _ => None,
    }
}

impl RandomRequest {
    pub(crate) fn new(rng: &mut SeededRng, pages: usize) -> Self {
        // Repeated routes are chosen more often.
        const ROUTES: [RandomRoute; 14] = [
            RandomRoute::Counter,
            RandomRoute::Counter,
            RandomRoute::Counter,
            RandomRoute::Counter,
            RandomRoute::Hit,
            RandomRoute::Hit,
            RandomRoute::Hit,
            RandomRoute::Badge,
            RandomRoute::Badge,
            RandomRoute::Count,
            RandomRoute::Count,
            RandomRoute::Total,
            RandomRoute::Health,
            RandomRoute::Nowhere,
        ];
        let route = rng.pick(&ROUTES);
        let method = match route {
            _ if rng.one_in(20) => {
                rng.pick(&["GET", "POST", "HEAD", "PUT", "DELETE", "PATCH", "TRACE", "get", ""])
            }
            RandomRoute::Hit => "POST",
            _ if rng.one_in(8) => "HEAD",
            _ => "GET",
        };
        let (name, page) = name(rng, pages);
        let bot = rng.one_in(5);
        let broken = match route {
            RandomRoute::Hit => rng.pick(&[
                ("", "bad_param"),
                ("null", "bad_param"),
                ("[\"/x\"]", "bad_param"),
                ("{\"p\":", "bad_param"),
                ("{\"p\":null}", "bad_param"),
                ("{\"p\":7}", "bad_param"),
                ("{}", "bad_param"),
                ("{\"p\":\"/x\",\"b\":-1}", "bad_param"),
            ]),
            RandomRoute::Counter | RandomRoute::Badge => rng.pick(&[
                ("", "bad_param"),
                ("path=/a&path=/b", "bad_param"),
                ("path=%", "bad_path"),
                ("path=%ff", "bad_path"),
                ("%ff=1&path=/a", "bad_param"),
                ("path=/a&ro=2&hit=2", "bad_param"),
            ]),
            _ => ("path=%zz", "bad_path"),
        };
        Self {
            route,
            method,
            name,
            page,
            address: rng.pick(&ADDRESSES),
            agent: if bot { rng.pick(&BOTS) } else { Some(rng.pick(&PEOPLE)) },
            bot,
            origin: rng.pick(&[
                None,
                Some("https://a.example"),
                Some("https://a.example"),
                Some("https://b.example"),
                Some("null"),
            ]),
            cross_site: rng.one_in(5),
            referer: rng.pick(&[None, None, Some("https://a.example/x?y"), Some("https://b.example/")]),
            opted_out: rng.one_in(10),
            prefetched: rng.one_in(15),
            only_reads: rng.one_in(4),
            quiet: rng.one_in(3),
            broken: rng.one_in(12).then_some(broken),
            too_large: rng.one_in(40),
        }
    }

    pub(crate) fn path(&self) -> &'static str {
        match self.route {
            RandomRoute::Counter => "/counter",
            RandomRoute::Hit => "/v1/hit",
            RandomRoute::Count | RandomRoute::Total => "/v1/count",
            RandomRoute::Badge => "/v1/badge.svg",
            RandomRoute::Health => "/healthz",
            RandomRoute::Nowhere => "/wp-login.php",
        }
    }

    fn query(&self, rng: &mut SeededRng) -> String {
        if let (Some((broken, _)), true) = (self.broken, self.route != RandomRoute::Hit) {
            return broken.to_owned();
        }
        let page = format!("path={}", encoded(rng, &self.name));
        let more = match self.route {
            RandomRoute::Counter if self.only_reads => "ro=1",
            RandomRoute::Counter => "ro=0",
            RandomRoute::Badge if self.only_reads => "hit=0",
            RandomRoute::Badge => "hit=1",
            RandomRoute::Hit if self.quiet => return "quiet=1".to_owned(),
            RandomRoute::Hit | RandomRoute::Total | RandomRoute::Health | RandomRoute::Nowhere => {
                return "utm_source=x&".to_owned();
            }
            RandomRoute::Count => "x",
        };
        if rng.one_in(2) { format!("{page}&{more}") } else { format!("{more}&&{page}") }
    }

    /// Returns the event, with forged headers and other details that must not change the result.
    pub(crate) fn event(&self, rng: &mut SeededRng) -> Value {
        let mut headers = json!({"accept": "*/*", "host": "x.example"});
        let mut set = |name: &str, value: Option<&str>| {
            if let Some(value) = value {
                headers[name] = value.into();
            }
        };
        set("origin", self.origin);
        set("referer", self.referer);
        set("sec-fetch-site", self.cross_site.then_some("cross-site"));
        set("user-agent", self.agent);
        set(rng.pick(&["dnt", "sec-gpc"]), self.opted_out.then_some("1"));
        set(rng.pick(&["sec-purpose", "purpose", "x-moz"]), self.prefetched.then_some("prefetch"));
        // Headers that any client can forge must change nothing.
        for name in [
            "x-forwarded-for",
            "true-client-ip",
            "cf-connecting-ip",
            "cloudfront-viewer-address",
            "forwarded",
        ] {
            let forged = format!("192.0.2.{}:1", rng.below(256));
            set(name, rng.one_in(3).then_some(forged.as_str()));
        }
        set("x-hitctl-origin-secret", rng.one_in(3).then_some("guess"));
        let body = match self.broken {
            _ if self.too_large => "x".repeat(2049 + rng.below(5000)),
            Some((broken, _)) if self.route == RandomRoute::Hit => broken.to_owned(),
            _ => json!({"p": self.name, "r": "https://ref.example", "b": 0}).to_string(),
        };
        let encode = rng.one_in(3);
        json!({
            "version": "2.0",
            "routeKey": if rng.one_in(2) { format!("ANY {}", self.path()) } else { "$default".to_owned() },
            "rawPath": self.path(),
            "rawQueryString": self.query(rng),
            "headers": headers,
            "cookies": null,
            "requestContext": {
                "http": {"method": self.method, "path": self.path(), "sourceIp": self.address, "userAgent": "x"},
                "stage": "$default", "requestId": "id",
            },
            "body": if encode { base64(body.as_bytes()) } else { body },
            "isBase64Encoded": encode,
        })
    }
}

fn name(rng: &mut SeededRng, pages: usize) -> (String, ExpectedKey) {
    match rng.below(10) {
        0 => {
            let (raw, status, code) = rng.pick(&INVALID_NAMES);
            (raw.to_owned(), Err((status, code)))
        }
        1 => {
            let long = format!("/{}", "a".repeat(512 + rng.below(600)));
            (long, Err((414, "path_too_long")))
        }
        2..=4 => {
            let (raw, key) = rng.pick(&VALID_NAMES);
            (raw.to_owned(), Ok(key.to_owned()))
        }
        _ => {
            let key = format!("/n/{}", rng.below(pages));
            let raw =
                format!("{key}{}", rng.pick(&["", "/", "//", "/index.html", "?a=b", "#c", "/./", "/x/.."]));
            (raw, Ok(key))
        }
    }
}

/// Percent-encodes the value of a parameter: all bytes, or only some of them.
fn encoded(rng: &mut SeededRng, text: &str) -> String {
    let all = rng.one_in(2);
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'/' | b':' | b'.' if !all => out.push(char::from(byte)),
            b' ' if !all => out.push('+'),
            _ => write!(out, "%{byte:02X}").unwrap(),
        }
    }
    out
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for group in bytes.chunks(3) {
        let bits = group.iter().fold(0_usize, |bits, byte| bits << 8 | usize::from(*byte))
            << (8 * (3 - group.len()));
        for at in 0..4 {
            let digit = DIGITS[bits >> (18 - 6 * at) & 63];
            out.push(if at <= group.len() { char::from(digit) } else { '=' });
        }
    }
    out
}
