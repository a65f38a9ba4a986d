//! What is asked: requests that mean something known, drawn by lot, and the events that carry them.

use std::fmt::Write as _;

use serde_json::{Value, json};

/// Luck with a fixed seed: splitmix64.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    pub(crate) fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.roll() % u64::try_from(n).unwrap()).unwrap()
    }

    pub(crate) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }
}

/// The key of a page, or the status and the code of what is wrong with its name.
pub(crate) type Named = Result<String, (u16, &'static str)>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    Counter,
    Hit,
    Count,
    Total,
    Badge,
    Health,
    Nowhere,
}

/// One request, and what it means.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is drawn by itself")]
pub(crate) struct Asked {
    pub(crate) route: Route,
    pub(crate) method: &'static str,
    /// What the client calls the page.
    pub(crate) name: String,
    pub(crate) page: Named,
    pub(crate) address: &'static str,
    pub(crate) agent: Option<&'static str>,
    pub(crate) robot: bool,
    pub(crate) origin: Option<&'static str>,
    pub(crate) cross_site: bool,
    pub(crate) referer: Option<&'static str>,
    pub(crate) opted_out: bool,
    pub(crate) prefetched: bool,
    /// `ro=1`, for a badge that `hit=1` is missing.
    pub(crate) only_reads: bool,
    pub(crate) quiet: bool,
    /// A query or a body that cannot be read, and the code of the error.
    pub(crate) broken: Option<(&'static str, &'static str)>,
    pub(crate) too_large: bool,
}

/// The vectors of the contract, and some more.
const GOOD: [(&str, &str); 16] = [
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

const BAD: [(&str, u16, &str); 9] = [
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

const ROBOTS: [Option<&str>; 5] = [
    None,
    Some(""),
    Some("curl/8.14.1"),
    Some("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"),
    Some("\u{0}\u{1}\u{fffd}"),
];

/// The first four are four visitors; the next two are one household; the last three are none.
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

/// What tells visitors apart, if the gateway's word is an address.
pub(crate) fn network(address: &str) -> Option<&str> {
    match ADDRESSES.iter().position(|other| *other == address)? {
        0..=4 => Some(address),
        5 => Some(ADDRESSES[4]),
        _ => None,
    }
}

impl Asked {
    pub(crate) fn draw(dice: &mut Dice, pages: usize) -> Self {
        const ROUTES: [Route; 14] = [
            Route::Counter,
            Route::Counter,
            Route::Counter,
            Route::Counter,
            Route::Hit,
            Route::Hit,
            Route::Hit,
            Route::Badge,
            Route::Badge,
            Route::Count,
            Route::Count,
            Route::Total,
            Route::Health,
            Route::Nowhere,
        ];
        let route = dice.pick(&ROUTES);
        let method = match route {
            _ if dice.one_in(20) => {
                dice.pick(&["GET", "POST", "HEAD", "PUT", "DELETE", "PATCH", "TRACE", "get", ""])
            }
            Route::Hit => "POST",
            _ if dice.one_in(8) => "HEAD",
            _ => "GET",
        };
        let (name, page) = name(dice, pages);
        let robot = dice.one_in(5);
        let broken = match route {
            Route::Hit => dice.pick(&[
                ("", "bad_param"),
                ("null", "bad_param"),
                ("[\"/x\"]", "bad_param"),
                ("{\"p\":", "bad_param"),
                ("{\"p\":null}", "bad_param"),
                ("{\"p\":7}", "bad_param"),
                ("{}", "bad_param"),
                ("{\"p\":\"/x\",\"b\":-1}", "bad_param"),
            ]),
            Route::Counter | Route::Badge => dice.pick(&[
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
            address: dice.pick(&ADDRESSES),
            agent: if robot { dice.pick(&ROBOTS) } else { Some(dice.pick(&PEOPLE)) },
            robot,
            origin: dice.pick(&[
                None,
                Some("https://a.example"),
                Some("https://a.example"),
                Some("https://b.example"),
                Some("null"),
            ]),
            cross_site: dice.one_in(5),
            referer: dice.pick(&[None, None, Some("https://a.example/x?y"), Some("https://b.example/")]),
            opted_out: dice.one_in(10),
            prefetched: dice.one_in(15),
            only_reads: dice.one_in(4),
            quiet: dice.one_in(3),
            broken: dice.one_in(12).then_some(broken),
            too_large: dice.one_in(40),
        }
    }

    pub(crate) fn path(&self) -> &'static str {
        match self.route {
            Route::Counter => "/counter",
            Route::Hit => "/v1/hit",
            Route::Count | Route::Total => "/v1/count",
            Route::Badge => "/v1/badge.svg",
            Route::Health => "/healthz",
            Route::Nowhere => "/wp-login.php",
        }
    }

    fn query(&self, dice: &mut Dice) -> String {
        if let (Some((broken, _)), true) = (self.broken, self.route != Route::Hit) {
            return broken.to_owned();
        }
        let page = format!("path={}", encoded(dice, &self.name));
        let more = match self.route {
            Route::Counter if self.only_reads => "ro=1",
            Route::Counter => "ro=0",
            Route::Badge if self.only_reads => "hit=0",
            Route::Badge => "hit=1",
            Route::Hit if self.quiet => return "quiet=1".to_owned(),
            Route::Hit | Route::Total | Route::Health | Route::Nowhere => return "utm_source=x&".to_owned(),
            Route::Count => "x",
        };
        if dice.one_in(2) { format!("{page}&{more}") } else { format!("{more}&&{page}") }
    }

    /// The event, with forged headers and whatever else must not matter.
    pub(crate) fn event(&self, dice: &mut Dice) -> Value {
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
        set(dice.pick(&["dnt", "sec-gpc"]), self.opted_out.then_some("1"));
        set(dice.pick(&["sec-purpose", "purpose", "x-moz"]), self.prefetched.then_some("prefetch"));
        // What anybody can say of himself changes nothing.
        for name in [
            "x-forwarded-for",
            "true-client-ip",
            "cf-connecting-ip",
            "cloudfront-viewer-address",
            "forwarded",
        ] {
            let forged = format!("192.0.2.{}:1", dice.below(256));
            set(name, dice.one_in(3).then_some(forged.as_str()));
        }
        set("x-hitctl-origin-secret", dice.one_in(3).then_some("guess"));
        let body = match self.broken {
            _ if self.too_large => "x".repeat(2049 + dice.below(5000)),
            Some((broken, _)) if self.route == Route::Hit => broken.to_owned(),
            _ => json!({"p": self.name, "r": "https://ref.example", "b": 0}).to_string(),
        };
        let encode = dice.one_in(3);
        json!({
            "version": "2.0",
            "routeKey": if dice.one_in(2) { format!("ANY {}", self.path()) } else { "$default".to_owned() },
            "rawPath": self.path(),
            "rawQueryString": self.query(dice),
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

fn name(dice: &mut Dice, pages: usize) -> (String, Named) {
    match dice.below(10) {
        0 => {
            let (raw, status, code) = dice.pick(&BAD);
            (raw.to_owned(), Err((status, code)))
        }
        1 => {
            let long = format!("/{}", "a".repeat(512 + dice.below(600)));
            (long, Err((414, "path_too_long")))
        }
        2..=4 => {
            let (raw, key) = dice.pick(&GOOD);
            (raw.to_owned(), Ok(key.to_owned()))
        }
        _ => {
            let key = format!("/n/{}", dice.below(pages));
            let raw =
                format!("{key}{}", dice.pick(&["", "/", "//", "/index.html", "?a=b", "#c", "/./", "/x/.."]));
            (raw, Ok(key))
        }
    }
}

/// A parameter's value, encoded as much as it has to be or more.
fn encoded(dice: &mut Dice, text: &str) -> String {
    let all = dice.one_in(2);
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
