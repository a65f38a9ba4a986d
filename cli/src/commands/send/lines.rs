//! The lines of a file of hits, judged by the function's own rules before anything is sent. Pure.

use std::net::IpAddr;

use hit_counter::moment::Moment;
use hit_counter::path::normalise_keeping;
use hit_counter::trigger::{self, Content, Sources};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::report::RefusedLine;

/// The most hits that a message stands for.
pub(super) const MOST_IN_MESSAGE: u64 = 1_000_000;
/// How far ahead a time may be, as the function takes it.
const AHEAD: SignedDuration = SignedDuration::from_mins(5);
/// How long ago a time may be, as the function takes it.
const AGO: SignedDuration = SignedDuration::from_hours(60 * 24);
/// The longest id, in bytes.
const LONGEST_ID: usize = 100;

/// A hit, or many of one path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hit {
    /// The line of the file; 1 for one of the command line.
    pub(super) line: u64,
    pub(super) path: String,
    pub(super) ts: Timestamp,
    pub(super) n: u64,
    pub(super) ip: Option<IpAddr>,
    pub(super) ua: Option<String>,
    pub(super) id: String,
    /// The message as it was written, where it is one already: of several hits, or of another service.
    pub(super) record: Option<String>,
}

/// What a message of another form has, by which it is told.
const RECORDS: [&str; 3] = ["Records", "hits", "detail-type"];

/// What every hit is made with.
pub(super) struct Making<'a> {
    /// What the ids of hits without one begin with.
    pub(super) prefix: &'a str,
    /// The query parameters that belong to a path.
    pub(super) keep_query: &'a [String],
    /// When this is.
    pub(super) now: Timestamp,
    /// What the function is told of events and buckets.
    pub(super) sources: &'a Sources,
}

/// A line as it may be written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    #[serde(default = "one")]
    v: u64,
    path: String,
    ts: Option<String>,
    #[serde(default = "one")]
    n: u64,
    ip: Option<String>,
    ua: Option<String>,
    id: Option<String>,
}

fn one() -> u64 {
    1
}

/// A message as the function takes it.
#[derive(Serialize)]
struct Body<'a> {
    v: u8,
    path: &'a str,
    ts: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    ip: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ua: Option<&'a str>,
    #[serde(skip_serializing_if = "is_one")]
    n: u64,
    id: &'a str,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_one(n: &u64) -> bool {
    *n == 1
}

impl Making<'_> {
    /// The hits of a file, and the lines that are none.
    pub(super) fn lines(&self, content: &[u8]) -> (Vec<Hit>, Vec<RefusedLine>) {
        let content = content.strip_prefix("\u{feff}".as_bytes()).unwrap_or(content);
        let (mut hits, mut refused) = (Vec::new(), Vec::new());
        for (n, line) in (1..).zip(content.split(|byte| *byte == b'\n')) {
            let line = line.trim_ascii();
            if line.is_empty() {
                continue;
            }
            let made = std::str::from_utf8(line).map_err(|_| "it is not UTF-8".to_owned());
            match made.and_then(|line| self.line(n, line)) {
                Ok(hit) => hits.push(hit),
                Err(why) => refused.push(RefusedLine { line: n, why }),
            }
        }
        (hits, refused)
    }

    fn line(&self, number: u64, line: &str) -> Result<Hit, String> {
        // Only what begins like JSON is JSON: any other text is a path.
        if !line.starts_with(['{', '[', '"']) {
            return self.hit(number, line, None, 1);
        }
        if let Some(path) = line.starts_with('"').then(|| serde_json::from_str::<String>(line)) {
            return self.hit(number, &path.map_err(|error| error.to_string())?, None, 1);
        }
        if line.starts_with('[') {
            return Err("a list is no hit: one hit a line".to_owned());
        }
        let other = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(line)
            .is_ok_and(|object| RECORDS.iter().any(|name| object.contains_key(*name)));
        if other {
            return self.record(number, line);
        }
        let told: Line = serde_json::from_str(line).map_err(|error| match error.classify() {
            serde_json::error::Category::Data => error.to_string(),
            _ => format!("it is not JSON: {error}"),
        })?;
        if told.v != 1 {
            return Err(format!("v is {}, and this hitctl knows 1", told.v));
        }
        let mut hit = self.hit(number, &told.path, told.ts.as_deref(), told.n)?;
        if let Some(ip) = told.ip {
            hit.ip = Some(ip.parse().map_err(|_| format!("ip is {ip:?}, which is no address"))?);
        }
        if let Some(id) = told.id {
            hit.id = self::id(&id).map_err(|why| format!("the id {id:?} cannot be used: {why}"))?;
        }
        hit.ua = told.ua;
        Ok(hit)
    }

    /// A message of several hits or of another service, as the function itself reads it.
    fn record(&self, line: u64, text: &str) -> Result<Hit, String> {
        let now = Moment::from_millis(u64::try_from(self.now.as_millisecond()).unwrap_or_default());
        let n = match trigger::body(text, self.sources, now)? {
            Content::Hits(hits) => hits.iter().map(|hit| hit.n).sum(),
            Content::Wrong(why) => return Err(why),
            // What is sent for another purpose is no hit.
            Content::Objects(_) | Content::Nothing => 0,
        };
        let record = Some(text.to_owned());
        Ok(Hit { line, path: String::new(), ts: self.now, n, ip: None, ua: None, id: String::new(), record })
    }

    /// A hit that is found to be right.
    pub(super) fn hit(&self, line: u64, path: &str, ts: Option<&str>, n: u64) -> Result<Hit, String> {
        normalise_keeping(path, self.keep_query).map_err(|why| why.to_string())?;
        let ts = ts.map_or(Ok(self.now), |text| time(text, self.now))?;
        if n == 0 {
            return Err("n is 0: a hit counts at least once".to_owned());
        }
        let id = format!("{}-{line}", self.prefix);
        Ok(Hit { line, path: path.to_owned(), ts, n, ip: None, ua: None, id, record: None })
    }
}

impl Hit {
    /// Its messages: more than one where it stands for more hits than a message may.
    pub(super) fn bodies(&self) -> Vec<String> {
        if let Some(record) = &self.record {
            return vec![in_xml(record)];
        }
        let messages = self.n.div_ceil(MOST_IN_MESSAGE);
        let part = |k: u64| {
            let id = if k == 0 { self.id.clone() } else { format!("{}.{}", self.id, k + 1) };
            let body = Body {
                v: 1,
                path: &self.path,
                ts: self.ts.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
                ip: self.ip.map(|ip| ip.to_string()),
                ua: self.ua.as_deref(),
                n: (self.n - k * MOST_IN_MESSAGE).min(MOST_IN_MESSAGE),
                id: &id,
            };
            in_xml(&serde_json::to_string(&body).unwrap_or_default())
        };
        (0..messages).map(part).collect()
    }
}

/// Messages are characters of XML: SQS refuses these two, and JSON has another way to write them.
fn in_xml(json: &str) -> String {
    json.replace('\u{fffe}', "\\ufffe").replace('\u{ffff}', "\\uffff")
}

/// A time as the function takes it.
fn time(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    let ts: Timestamp =
        text.parse().map_err(|_| format!("ts is {text:?}, which is no time such as 2026-09-20T10:00:00Z"))?;
    let ago = now.duration_since(ts);
    if ago < -AHEAD {
        return Err(format!("ts is {text}, which is more than 5 minutes ahead"));
    }
    if ago > AGO {
        return Err(format!("ts is {text}, which is more than 60 days ago"));
    }
    Ok(ts)
}

/// What an id may be: it becomes a part of a key.
pub(super) fn id(text: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_.:".contains(c);
    match text {
        "" => Err("it is empty".to_owned()),
        _ if text.len() > LONGEST_ID => Err(format!("it has more than {LONGEST_ID} characters")),
        _ if !text.chars().all(fits) => Err("it takes letters, digits and - _ . : only".to_owned()),
        _ => Ok(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "2026-09-20T10:00:00Z";

    fn making() -> Making<'static> {
        static NONE: Sources =
            Sources { event_key: None, event_amount: None, site_bucket: None, log_bucket: None };
        Making { prefix: "p", keep_query: &[], now: NOW.parse().unwrap(), sources: &NONE }
    }

    fn lines(text: &str) -> (Vec<Hit>, Vec<RefusedLine>) {
        making().lines(text.as_bytes())
    }

    #[test]
    fn hits_are_paths_or_objects() {
        let text = "\u{feff}/a\r\n\n  /b c?x=1\n\"quoted\"\n\
            {\"path\":\"/d\",\"ts\":\"2026-09-19T23:00:00-02:00\",\"n\":7,\"ip\":\"::1\",\"ua\":\"u\",\"id\":\"own\"}\nDistance";
        let (hits, refused) = lines(text);
        assert_eq!(refused, []);
        let bodies: Vec<_> = hits.iter().flat_map(Hit::bodies).collect();
        insta::assert_snapshot!(bodies.join("\n"), @r#"
        {"v":1,"path":"/a","ts":"2026-09-20T10:00:00Z","id":"p-1"}
        {"v":1,"path":"/b c?x=1","ts":"2026-09-20T10:00:00Z","id":"p-3"}
        {"v":1,"path":"quoted","ts":"2026-09-20T10:00:00Z","id":"p-4"}
        {"v":1,"path":"/d","ts":"2026-09-20T01:00:00Z","ip":"::1","ua":"u","n":7,"id":"own"}
        {"v":1,"path":"Distance","ts":"2026-09-20T10:00:00Z","id":"p-6"}
        "#);
    }

    #[test]
    fn a_bad_line_is_told_with_its_number_and_the_rest_goes_on() {
        let text = [
            "/good",
            "!site",
            "/a\\b",
            "{\"path\":",
            "[\"/a\"]",
            "{\"pth\":\"/a\"}",
            "{\"ts\":\"2026-09-20T10:00:00Z\"}",
            "{\"path\":7}",
            "{\"path\":\"/\",\"ts\":\"yesterday\"}",
            "{\"path\":\"/\",\"ts\":\"2026-09-20T10:06:00Z\"}",
            "{\"path\":\"/\",\"ts\":\"2026-07-01T00:00:00Z\"}",
            "{\"path\":\"/\",\"n\":0}",
            "{\"path\":\"/\",\"n\":-1}",
            "{\"path\":\"/\",\"ip\":\"1.2.3\"}",
            "{\"path\":\"/\",\"id\":\"a b\"}",
            "{\"path\":\"/\",\"v\":2}",
            "\"/open",
            "/also/good",
        ];
        let (hits, refused) = lines(&text.join("\n"));
        assert_eq!(hits.iter().map(|hit| hit.line).collect::<Vec<_>>(), [1, 18]);
        let told: Vec<_> = refused.iter().map(|line| format!("{}: {}", line.line, line.why)).collect();
        insta::assert_snapshot!(told.join("\n"), @r#"
        2: the path begins with `!`, which is reserved
        3: the path holds a backslash
        4: it is not JSON: EOF while parsing a value at line 1 column 8
        5: a list is no hit: one hit a line
        6: unknown field `pth`, expected one of `v`, `path`, `ts`, `n`, `ip`, `ua`, `id` at line 1 column 6
        7: missing field `path` at line 1 column 29
        8: invalid type: integer `7`, expected a string at line 1 column 9
        9: ts is "yesterday", which is no time such as 2026-09-20T10:00:00Z
        10: ts is 2026-09-20T10:06:00Z, which is more than 5 minutes ahead
        11: ts is 2026-07-01T00:00:00Z, which is more than 60 days ago
        12: n is 0: a hit counts at least once
        13: invalid value: integer `-1`, expected u64 at line 1 column 18
        14: ip is "1.2.3", which is no address
        15: the id "a b" cannot be used: it takes letters, digits and - _ . : only
        16: v is 2, and this hitctl knows 1
        17: EOF while parsing a string at line 1 column 6
        "#);
        let (_, refused) = making().lines(b"\xff/a");
        assert_eq!(refused[0].why, "it is not UTF-8");
    }

    #[test]
    fn many_hits_are_as_few_messages_as_can_be() {
        let bodies = making().hit(1, "/", None, 2_000_001).unwrap().bodies();
        let told: Vec<serde_json::Value> =
            bodies.iter().map(|body| serde_json::from_str(body).unwrap()).collect();
        let of = |name: &str| told.iter().map(|body| body[name].to_string()).collect::<Vec<_>>();
        // One alone is said by leaving it out.
        assert_eq!(of("n"), ["1000000", "1000000", "null"]);
        assert_eq!(of("id"), ["\"p-1\"", "\"p-1.2\"", "\"p-1.3\""]);
    }

    #[test]
    fn messages_of_other_forms_go_as_they_are() {
        let records = include_str!("../../../../examples/visitors/records.ndjson");
        let (hits, refused) = lines(records);
        assert_eq!((hits.len(), refused), (3, Vec::new()));
        assert_eq!(hits[1].bodies(), [records.lines().nth(1).unwrap()]);
        let (hits, refused) = lines(
            "{\"v\":1,\"hits\":[{\"path\":\"/a\",\"n\":4},{\"path\":\"/b\"}]}\n{\"Records\":[{\"cf\":7}]}",
        );
        assert_eq!((hits[0].n, hits[0].bodies().len(), refused.len()), (5, 1, 1));
    }

    #[test]
    fn what_sqs_refuses_is_written_in_another_way() {
        let (hits, _) = lines("x\u{ffff}");
        assert!(hits[0].bodies()[0].contains(r"x\uffff"));
    }
}
