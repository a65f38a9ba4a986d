//! Parses the lines of a file of views, and checks them with the function's own rules. It calls no service.

use std::net::IpAddr;

use hit_counter::moment::Moment;
use hit_counter::path::normalise_keeping;
use hit_counter::trigger::{self, EventOptions, ParsedContent};
use hitctl_config::contract::MAX_COUNT;
use hitctl_counts::fields::{self, JsonFields};
use hitctl_report::RejectedLine;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::flags::id_argument;

/// The maximum time in the future that the function accepts.
const MAX_FUTURE: SignedDuration = SignedDuration::from_mins(5);
/// The maximum age of a time that the function accepts.
const MAX_AGE: SignedDuration = SignedDuration::from_hours(60 * 24);

/// A line of the file: one or more views of one path, or a message in another format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct HitLine {
    /// The line number in the file. It is 1 for views of `--path`.
    pub(super) line: u64,
    pub(super) path: String,
    pub(super) ts: Timestamp,
    /// The number of views.
    pub(super) n: u64,
    pub(super) ip: Option<IpAddr>,
    pub(super) ua: Option<String>,
    pub(super) id: String,
    /// The original line, if it is a message with several hits or of another service.
    pub(super) message: Option<String>,
}

/// A line with one of these fields is a message in another format.
const MESSAGE_FIELDS: [&str; 3] = ["Records", "hits", "detail-type"];

/// Parses views. The fields are settings for all lines.
pub(super) struct HitParser<'a> {
    /// The prefix of the ID of views without their own ID.
    pub(super) prefix: &'a str,
    /// The query parameters that belong to a path.
    pub(super) keep_query: &'a [String],
    /// The current time.
    pub(super) now: Timestamp,
    /// The settings of the function for events and buckets.
    pub(super) sources: &'a EventOptions,
}

/// The JSON fields of a line with one path.
const FIELDS: [&str; 7] = ["v", "path", "ts", "n", "ip", "ua", "id"];
/// A line with one of these prefixes is a path or a URL. The function also counts names without a slash, but then any
/// line of text would be a view.
const PATH_PREFIXES: [&str; 3] = ["/", "http://", "https://"];
/// The prefix of comments.
const COMMENT_PREFIX: &str = "#";

/// A message in the format of the function.
#[derive(Serialize)]
struct HitMessage<'a> {
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

impl HitParser<'_> {
    /// Parses a file. Returns its views and its invalid lines.
    pub(super) fn parse_file(&self, content: &[u8]) -> (Vec<HitLine>, Vec<RejectedLine>) {
        let content = content.strip_prefix("\u{feff}".as_bytes()).unwrap_or(content);
        let (mut hits, mut refused) = (Vec::new(), Vec::new());
        for (n, line) in (1..).zip(content.split(|byte| *byte == b'\n')) {
            let line = line.trim_ascii();
            if line.is_empty() || line.starts_with(COMMENT_PREFIX.as_bytes()) {
                continue;
            }
            let text =
                std::str::from_utf8(line).map_err(|_| "expected UTF-8, found invalid bytes".to_owned());
            match text.and_then(|line| self.parse_line(n, line)) {
                Ok(hit) => hits.push(hit),
                Err(why) => refused.push(RejectedLine { line: n, why }),
            }
        }
        (hits, refused)
    }

    fn parse_line(&self, number: u64, line: &str) -> Result<HitLine, String> {
        let is_path =
            |prefix: &&str| line.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
        if PATH_PREFIXES.iter().any(is_path) {
            return self.hit(number, line, None, 1);
        }
        if line.starts_with('"') {
            let path: String = serde_json::from_str(line).map_err(|error| fields::syntax_error(&error))?;
            return self.hit(number, &path, None, 1);
        }
        if !line.starts_with('{') {
            return Err(format!(
                "expected a path, a hit as a JSON object, or a comment, found {}",
                fields::quoted(line)
            ));
        }
        let mut fields = JsonFields::parse(line)?;
        if MESSAGE_FIELDS.iter().any(|name| fields.has(name)) {
            return self.parse_message(number, line);
        }
        fields.allow_only(&FIELDS)?;
        match fields.count("v")? {
            None | Some(1) => {}
            Some(other) => return Err(format!("expected 1 in \"v\", found {other}")),
        }
        let path = fields.text("path")?.ok_or_else(|| fields::missing_field("path"))?;
        let (ts, n) = (fields.text("ts")?, fields.count("n")?.unwrap_or(1));
        let mut hit = self.hit(number, &path, ts.as_deref(), n)?;
        if let Some(ip) = fields.text("ip")? {
            let found = fields::quoted(&ip);
            hit.ip =
                Some(ip.parse().map_err(|_| format!("expected an IP address in \"ip\", found {found}"))?);
        }
        if let Some(id) = fields.text("id")? {
            hit.id = id_argument(&id).map_err(|why| format!("\"id\": {why}"))?;
        }
        hit.ua = fields.text("ua")?;
        Ok(hit)
    }

    /// Parses a message with several hits or of another service, like the function.
    fn parse_message(&self, line: u64, text: &str) -> Result<HitLine, String> {
        let now = Moment::from_millis(u64::try_from(self.now.as_millisecond()).unwrap_or_default());
        let n = match trigger::parse_body(text, self.sources, now)? {
            ParsedContent::Hits(hits) => hits.iter().map(|hit| hit.n).fold(0, u64::saturating_add),
            ParsedContent::Invalid(why) => return Err(why),
            // These messages contain no views, but the function accepts them.
            ParsedContent::Objects(_) | ParsedContent::Nothing => 0,
        };
        let message = Some(text.to_owned());
        Ok(HitLine {
            line,
            path: String::new(),
            ts: self.now,
            n,
            ip: None,
            ua: None,
            id: String::new(),
            message,
        })
    }

    /// Checks the fields of a line and returns it. `n` is the number of views.
    pub(super) fn hit(&self, line: u64, path: &str, ts: Option<&str>, n: u64) -> Result<HitLine, String> {
        normalise_keeping(path, self.keep_query).map_err(|why| why.to_string())?;
        let ts = ts.map_or(Ok(self.now), |text| parse_time(text, self.now))?;
        if !(1..=MAX_COUNT).contains(&n) {
            return Err(format!("expected a whole number from 1 to {MAX_COUNT} in \"n\", found {n}"));
        }
        let id = format!("{}-{line}", self.prefix);
        Ok(HitLine { line, path: path.to_owned(), ts, n, ip: None, ua: None, id, message: None })
    }
}

impl HitLine {
    /// Returns the body of the SQS message.
    pub(super) fn body(&self) -> String {
        if let Some(message) = &self.message {
            return escape_for_sqs(message);
        }
        let body = HitMessage {
            v: 1,
            path: &self.path,
            ts: self.ts.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            ip: self.ip.map(|ip| ip.to_string()),
            ua: self.ua.as_deref(),
            n: self.n,
            id: &self.id,
        };
        escape_for_sqs(&serde_json::to_string(&body).unwrap_or_default())
    }
}

/// Escapes U+FFFE and U+FFFF in JSON. SQS rejects them, because the text of a message must be valid in XML.
fn escape_for_sqs(json: &str) -> String {
    json.replace('\u{fffe}', "\\ufffe").replace('\u{ffff}', "\\uffff")
}

/// Parses a time and checks that the function accepts it.
fn parse_time(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    let ts: Timestamp = text
        .parse()
        .map_err(|_| format!("expected a time such as 2026-09-20T10:00:00Z in \"ts\", found {text:?}"))?;
    let age = now.duration_since(ts);
    if age < -MAX_FUTURE {
        return Err(format!("expected a time at most 5 minutes ahead in \"ts\", found {text}"));
    }
    if age > MAX_AGE {
        return Err(format!("expected a time at most 60 days ago in \"ts\", found {text}"));
    }
    Ok(ts)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "2026-09-20T10:00:00Z";

    fn parser() -> HitParser<'static> {
        static NONE: EventOptions =
            EventOptions { event_key: None, event_amount: None, site_bucket: None, log_bucket: None };
        HitParser { prefix: "p", keep_query: &[], now: NOW.parse().unwrap(), sources: &NONE }
    }

    fn lines(text: &str) -> (Vec<HitLine>, Vec<RejectedLine>) {
        parser().parse_file(text.as_bytes())
    }

    #[test]
    fn hits_are_paths_or_objects() {
        let text = "\u{feff}/a\r\n\n  /b c?x=1\n\"quoted\"\n\
            {\"path\":\"/d\",\"ts\":\"2026-09-19T23:00:00-02:00\",\"n\":7,\"ip\":\"::1\",\"ua\":\"u\",\"id\":\"own\"}\n# a comment\n  #another\n{\"path\":\"Distance\"}\nHTTPS://a.example/x";
        let (hits, refused) = lines(text);
        assert_eq!(refused, []);
        let bodies: Vec<_> = hits.iter().map(HitLine::body).collect();
        insta::assert_snapshot!(bodies.join("\n"), @r#"
        {"v":1,"path":"/a","ts":"2026-09-20T10:00:00Z","id":"p-1"}
        {"v":1,"path":"/b c?x=1","ts":"2026-09-20T10:00:00Z","id":"p-3"}
        {"v":1,"path":"quoted","ts":"2026-09-20T10:00:00Z","id":"p-4"}
        {"v":1,"path":"/d","ts":"2026-09-20T01:00:00Z","ip":"::1","ua":"u","n":7,"id":"own"}
        {"v":1,"path":"Distance","ts":"2026-09-20T10:00:00Z","id":"p-8"}
        {"v":1,"path":"HTTPS://a.example/x","ts":"2026-09-20T10:00:00Z","id":"p-9"}
        "#);
    }

    #[test]
    fn invalid_lines_are_reported_and_others_are_kept() {
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
            "Distance",
            "path,hits",
            "203.0.113.7 - - [20/Sep/2026:10:00:00 +0000] \"GET / HTTP/1.1\" 200 512 \"-\" \"Agent/1\"",
            "{\"path\":\"/\",\"n\":9007199254740992}",
        ];
        let (hits, refused) = lines(&text.join("\n"));
        assert_eq!(hits.iter().map(|hit| hit.line).collect::<Vec<_>>(), [1, 18]);
        let shown: Vec<_> = refused.iter().map(|line| format!("{}: {}", line.line, line.why)).collect();
        insta::assert_snapshot!(shown.join("\n"), @r#"
        2: expected a path, a hit as a JSON object, or a comment, found "!site"
        3: the path contains a backslash
        4: expected more JSON, found the end of the text
        5: expected a path, a hit as a JSON object, or a comment, found "[\"/a\"]"
        6: expected only the fields v, path, ts, n, ip, ua, id, found "pth"
        7: expected a field "path", found none
        8: expected a string in "path", found 7
        9: expected a time such as 2026-09-20T10:00:00Z in "ts", found "yesterday"
        10: expected a time at most 5 minutes ahead in "ts", found 2026-09-20T10:06:00Z
        11: expected a time at most 60 days ago in "ts", found 2026-07-01T00:00:00Z
        12: expected a whole number from 1 to 9007199254740991 in "n", found 0
        13: expected a whole number from 0 to 9007199254740991 in "n", found -1
        14: expected an IP address in "ip", found "1.2.3"
        15: "id": expected only letters, digits and - _ . :, found "a b"
        16: expected 1 in "v", found 2
        17: expected more JSON, found the end of the text
        19: expected a path, a hit as a JSON object, or a comment, found "Distance"
        20: expected a path, a hit as a JSON object, or a comment, found "path,hits"
        21: expected a path, a hit as a JSON object, or a comment, found "203.0.113.7 - - [20/Sep/2026:10:00:00 +0000] \"GET / HTTP/1.1"..
        22: expected a whole number from 0 to 9007199254740991 in "n", found 9007199254740992
        "#);
        let (_, refused) = parser().parse_file(b"\xff/a");
        assert_eq!(refused[0].why, "expected UTF-8, found invalid bytes");
    }

    #[test]
    fn several_hits_of_one_path_are_one_message() {
        let body = |n| -> serde_json::Value {
            serde_json::from_str(&parser().hit(1, "/", None, n).unwrap().body()).unwrap()
        };
        assert_eq!(body(MAX_COUNT)["n"], MAX_COUNT);
        // A single hit has no `n`.
        assert_eq!(body(1)["n"], serde_json::Value::Null);
        assert!(parser().hit(1, "/", None, MAX_COUNT + 1).is_err());
    }

    #[test]
    fn messages_of_other_formats_are_unchanged() {
        let records = include_str!("../../../../examples/visitors/records.ndjson");
        let (hits, refused) = lines(records);
        assert_eq!((hits.len(), refused), (3, Vec::new()));
        assert_eq!(hits[1].body(), records.lines().nth(1).unwrap());
        let (hits, refused) = lines(
            "{\"v\":1,\"hits\":[{\"path\":\"/a\",\"n\":4},{\"path\":\"/b\"}]}\n{\"Records\":[{\"cf\":7}]}",
        );
        assert_eq!((hits[0].n, refused.len()), (5, 1));
    }

    #[test]
    fn characters_that_sqs_rejects_are_escaped() {
        let (hits, _) = lines("/x?\u{ffff}");
        assert!(hits[0].body().contains(r"x?\uffff"));
    }
}
