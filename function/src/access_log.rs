//! Parses CloudFront's access logs: the W3C extended format, where a `#Fields:` line names the columns, and JSON,
//! one object per line. A line becomes a view of a page or nothing. A file without a required column is an
//! error.

use std::borrow::Cow;

use crate::encoding::percent_decoded;
use crate::fields::{self, RawFields};
use crate::moment::Moment;

/// The columns that are read, by their names in both formats.
const COLUMNS: [&str; 10] = [
    "date",
    "time",
    "timestamp(ms)",
    "c-ip",
    "cs-method",
    "cs-uri-stem",
    "cs-uri-query",
    "sc-status",
    AGENT,
    "sc-content-type",
];
const AGENT: &str = "cs(User-Agent)";

/// A view of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedView {
    /// The time of the view.
    pub at: Moment,
    /// The path, with its query if there is one, as the viewer sent it.
    pub path: String,
    /// The viewer's address.
    pub address: String,
    /// The user agent, as the viewer sent it.
    pub agent: Option<String>,
}

/// A reader of one file.
#[derive(Debug, Default)]
pub struct AccessLogReader {
    /// Whether a file without user agents is an error.
    needs_agent: bool,
    /// The position of each column in a line.
    column_positions: Option<[Option<usize>; COLUMNS.len()]>,
    /// Whether the required columns were found.
    has_columns: bool,
    /// The number of lines that describe a request.
    requests: u64,
    /// The number of lines that should describe a request but cannot be read.
    unreadable: u64,
}

impl AccessLogReader {
    /// Creates a reader. If `needs_agent`, a file without user agents is an error, because every view would
    /// count as a bot's.
    pub fn new(needs_agent: bool) -> Self {
        Self { needs_agent, ..Self::default() }
    }

    /// Returns the number of lines that could not be read, or an error if the whole file cannot be read.
    pub fn finish(&self) -> Result<u64, String> {
        if !self.has_columns {
            return Err(
                "expected an access log with a `#Fields:` line or JSON lines, found neither".to_owned()
            );
        }
        if self.requests == 0 && self.unreadable > 0 {
            return Err(
                "expected tab-separated values in the order of `#Fields:`, or a JSON object per line; found no \
                 readable line"
                    .to_owned(),
            );
        }
        Ok(self.unreadable)
    }

    /// Reads a line and returns a view of a page or nothing. An error concerns the whole file and names the
    /// missing columns.
    pub fn parse_line(&mut self, line: &str) -> Result<Option<LoggedView>, String> {
        let line = line.trim_end_matches(['\r', '\n']);
        if let Some(fields) = line.strip_prefix("#Fields:") {
            let names: Vec<&str> = fields.split_whitespace().collect();
            let column_positions = COLUMNS.map(|column| names.iter().position(|name| *name == column));
            self.require_columns(|column| names.contains(&column))?;
            self.column_positions = Some(column_positions);
            self.has_columns = true;
            return Ok(None);
        }
        if line.starts_with('{') {
            let fields = fields::object(line, "the line").ok();
            let has_column =
                |fields: &RawFields<'_>| COLUMNS.iter().any(|column| fields.get(column).is_some());
            let Some(fields) = fields.filter(has_column) else {
                self.unreadable += 1;
                return Ok(None);
            };
            self.require_columns(|column| fields.get(column).is_some())?;
            self.has_columns = true;
            let values = COLUMNS.map(|column| match fields.text(column) {
                Ok(value) => value,
                // A JSON number is read as its digits.
                Err(_) => fields.get(column).map(|raw| raw.get().into()),
            });
            return Ok(self.view(values.each_ref().map(Option::as_deref)));
        }
        let Some(column_positions) =
            self.column_positions.filter(|_| !line.is_empty() && !line.starts_with('#'))
        else {
            return Ok(None);
        };
        let separator = if line.contains('\t') { '\t' } else { ' ' };
        let values: Vec<&str> = line.split(separator).collect();
        Ok(self.view(column_positions.map(|position| values.get(position?).copied())))
    }

    /// Checks that all columns exist that are needed to count a view.
    fn require_columns(&self, has: impl Fn(&str) -> bool) -> Result<(), String> {
        let mut missing = Vec::new();
        let has_time = has("timestamp(ms)") || has("date") && has("time");
        if !has_time {
            missing.push("`date` and `time` (or `timestamp(ms)`)".to_owned());
        }
        let agent = self.needs_agent.then_some(AGENT);
        for column in ["cs-method", "cs-uri-stem", "sc-status"].into_iter().chain(agent) {
            if !has(column) {
                missing.push(format!("`{column}`"));
            }
        }
        if missing.is_empty() {
            return Ok(());
        }
        let columns = missing.join(", ");
        Err(format!(
            "the access log lacks required fields: {columns}; add them to the distribution's log settings"
        ))
    }

    fn view(&mut self, values: [Option<&str>; COLUMNS.len()]) -> Option<LoggedView> {
        // A dash is an empty value.
        let [date, time, millis, address, method, stem, query, status, agent, kind] =
            values.map(|value| value.filter(|value| !matches!(*value, "-" | "")));
        let at = match (date, time) {
            (Some(date), Some(time)) => Moment::from_rfc3339(&format!("{date}T{time}Z")),
            _ => millis.and_then(|millis| millis.parse().ok()).map(Moment::from_millis),
        };
        let (Some(at), Some(method), Some(stem), Some(status)) = (at, method, stem, status) else {
            self.unreadable += 1;
            return None;
        };
        self.requests += 1;
        if !matches!(method, "GET" | "HEAD") || !matches!(status, "200" | "304") {
            return None;
        }
        let stem = decoded(stem);
        if !kind.map_or_else(|| is_named_like_a_page(&stem), is_html) {
            return None;
        }
        // Viewers never send a fragment, so a `#` is part of the path. It is encoded, because the path parser
        // removes fragments.
        let sent = |text: &str| text.replace('#', "%23");
        let path = match query {
            Some(query) => format!("{}?{}", sent(&stem), sent(&decoded(query))),
            None => sent(&stem),
        };
        Some(LoggedView {
            at,
            path,
            address: address.unwrap_or_default().to_owned(),
            agent: agent.map(agent_of),
        })
    }
}

/// Returns whether a path looks like a page by its name: it has no extension, or the extension of a page. A
/// suffix without a letter, as in `rust-1.80`, is not an extension.
fn is_named_like_a_page(stem: &str) -> bool {
    const PAGES: [&str; 8] = ["html", "htm", "xhtml", "shtml", "php", "asp", "aspx", "jsp"];
    let name = stem.rsplit('/').next().unwrap_or_default();
    match name.rsplit_once('.') {
        Some((_, extension)) if extension.bytes().any(|byte| byte.is_ascii_alphabetic()) => {
            PAGES.iter().any(|page| extension.eq_ignore_ascii_case(page))
        }
        _ => true,
    }
}

fn is_html(kind: &str) -> bool {
    let kind = decoded(kind);
    let kind = kind.split([';', ' ']).next().unwrap_or_default();
    ["text/html", "application/xhtml+xml"].iter().any(|html| kind.eq_ignore_ascii_case(html))
}

/// Decodes a user agent. Old logs encode it twice, so that it contains no space.
fn agent_of(text: &str) -> String {
    let once = decoded(text);
    if once.contains("%20") && !once.contains(' ') { decoded(&once) } else { once }.into_owned()
}

/// Decodes the value of a field. CloudFront encodes only the bytes in its table of encoded characters, which
/// includes `%`. The viewer sent any other `%XX`, so it is kept.
fn decoded(value: &str) -> Cow<'_, str> {
    if !value.contains('%') {
        return value.into();
    }
    let mut out = Vec::with_capacity(value.len());
    for (byte, spelling) in percent_decoded(value) {
        if is_encoded_in_logs(byte) { out.push(byte) } else { out.extend(spelling) }
    }
    // If the bytes are not UTF-8, the encoded form is the best available.
    String::from_utf8(out).map_or(Cow::Borrowed(value), Cow::Owned)
}

/// Returns whether a byte is in the table of encoded characters in "Standard log file format" of CloudFront's
/// Developer Guide: codes 0 to 32, codes from 127, and some punctuation.
fn is_encoded_in_logs(byte: u8) -> bool {
    byte <= 32 || byte >= 127 || b"<>\"#%{}|\\^~[]`'".contains(&byte)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The example log from the CloudFront page "Access logs (standard logs)", with pages instead of images.
    const W3C: &str = "#Version: 1.0\n\
        #Fields: date time x-edge-location sc-bytes c-ip cs-method cs(Host) cs-uri-stem sc-status cs(Referer) cs(User-Agent) cs-uri-query cs(Cookie) x-edge-result-type x-edge-request-id x-host-header cs-protocol cs-bytes time-taken x-forwarded-for ssl-protocol ssl-cipher x-edge-response-result-type cs-protocol-version fle-status fle-encrypted-fields c-port time-to-first-byte x-edge-detailed-result-type sc-content-type sc-content-len sc-range-start sc-range-end\n\
        2019-12-04\t21:02:31\tLAX1\t392\t192.0.2.100\tGET\td111111abcdef8.cloudfront.net\t/index.html\t200\t-\tMozilla/5.0%20(Windows%20NT%2010.0;%20Win64;%20x64)%20AppleWebKit/537.36%20(KHTML,%20like%20Gecko)%20Chrome/78.0.3904.108%20Safari/537.36\t-\t-\tHit\tSOX4xwn4XV6Q4rgb7XiVGOHms_BGlTAC4KyHmureZmBNrjGdRLiNIQ==\td111111abcdef8.cloudfront.net\thttps\t23\t0.001\t-\tTLSv1.2\tECDHE-RSA-AES128-GCM-SHA256\tHit\tHTTP/2.0\t-\t-\t11040\t0.001\tHit\ttext/html\t78\t-\t-\n\
        2019-12-04\t21:02:31\tLAX1\t392\t192.0.2.100\tGET\td111111abcdef8.cloudfront.net\t/app.js\t200\t-\tMozilla/5.0\t-\t-\tHit\tx\td111111abcdef8.cloudfront.net\thttps\t23\t0.001\t-\tTLSv1.2\tE\tHit\tHTTP/2.0\t-\t-\t11040\t0.001\tHit\ttext/javascript\t78\t-\t-\n\
        2019-12-13\t22:36:27\tSEA19-C1\t900\t192.0.2.200\tHEAD\td111111abcdef8.cloudfront.net\t/a%2520b\t304\t-\tcurl/7.55.1+x\tid=7%2526\t-\tHit\tx\td111111abcdef8.cloudfront.net\thttp\t387\t0.103\t-\t-\t-\tHit\tHTTP/1.1\t-\t-\t12644\t0.103\tHit\t-\t-\t-\t-\n";

    fn views(text: &str) -> Vec<LoggedView> {
        let mut reader = AccessLogReader::default();
        text.lines().filter_map(|line| reader.parse_line(line).unwrap()).collect()
    }

    /// Reads a file and returns the number of unreadable lines, or the error.
    fn unreadable_lines(text: &str) -> Result<u64, String> {
        let mut reader = AccessLogReader::new(true);
        for line in text.lines() {
            reader.parse_line(line)?;
        }
        reader.finish()
    }

    fn view(at: &str, path: &str, address: &str, agent: &str) -> LoggedView {
        LoggedView {
            at: Moment::from_rfc3339(at).unwrap(),
            path: path.to_owned(),
            address: address.to_owned(),
            agent: Some(agent.to_owned()),
        }
    }

    #[test]
    fn documented_log_yields_page_views() {
        let chrome = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/78.0.3904.108 Safari/537.36";
        let expected = [
            view("2019-12-04T21:02:31Z", "/index.html", "192.0.2.100", chrome),
            view("2019-12-13T22:36:27Z", "/a%20b?id=7%26", "192.0.2.200", "curl/7.55.1+x"),
        ];
        assert_eq!(views(W3C), expected);
    }

    #[test]
    fn json_line_is_read_by_the_same_column_names() {
        let line = |stem: &str, status: &str, kind: &str| {
            format!(
                r#"{{"date":"2026-09-20","time":"10:00:00","c-ip":"2001:db8::1","cs-method":"GET","cs-uri-stem":"{stem}","sc-status":"{status}","cs(User-Agent)":"Mozilla/5.0%2520(X11)","cs-uri-query":"-","sc-content-type":"{kind}"}}"#
            )
        };
        let expected = view("2026-09-20T10:00:00Z", "/x", "2001:db8::1", "Mozilla/5.0 (X11)");
        assert_eq!(views(&line("/x", "200", "text/html;%20charset=utf-8")), std::slice::from_ref(&expected));
        assert_eq!(views(&line("/x", "200", "-")), [expected]);
        for (stem, status, kind) in [
            ("/x", "404", "-"),
            ("/x", "206", "-"),
            ("/x", "200", "image/png"),
            ("/x.css", "200", "-"),
            ("", "200", "-"),
        ] {
            assert!(views(&line(stem, status, kind)).is_empty(), "{stem} {status} {kind}");
        }
    }

    #[test]
    fn columns_are_read_in_the_order_of_the_fields_line() {
        let text = "#Fields: cs-uri-stem sc-status cs-method time date\n/x\t200\tGET\t10:00:00\t2026-09-20\n/y\t200\n\
                    #Fields: sc-status cs-uri-stem cs-method time date\n200 /z GET 10:00:00 2026-09-20\n";
        let paths: Vec<String> = views(text).into_iter().map(|view| view.path).collect();
        assert_eq!(paths, ["/x", "/z"]);
    }

    /// Returns the paths of the views in a log with these stems and content types.
    fn page_paths(rows: &[(&str, &str)]) -> Vec<String> {
        let header = "#Fields: date time cs-method cs-uri-stem sc-status cs-uri-query sc-content-type\n";
        let line =
            |(stem, kind): &(&str, &str)| format!("2026-09-20\t10:00:00\tGET\t{stem}\t200\t-\t{kind}\n");
        let lines: Vec<String> = rows.iter().map(line).collect();
        views(&format!("{header}{}", lines.concat())).into_iter().map(|view| view.path).collect()
    }

    /// Each logged value is compared with the value that the viewer sent, by CloudFront's table of encoded
    /// characters.
    #[test]
    fn fields_are_decoded_once_to_the_sent_value() {
        let html = |stem| (stem, "text/html");
        assert_eq!(
            page_paths(&[
                html("/caf%25C3%25A9/"),
                html("/a%2520b"),
                html("/100%2525"),
                html("/%7Ebob"),
                html("/%5Bid%5D/%27x%27"),
                html("/a%252Fb"),
                // Sent in this form by the viewer: `/` and `+` are not encoded in logs.
                html("/a%2Fb+c"),
                html("/a%23b"),
                html("/latin%E9"),
                html("/100%"),
            ]),
            [
                "/caf%C3%A9/",
                "/a%20b",
                "/100%25",
                "/~bob",
                "/[id]/'x'",
                "/a%2Fb",
                "/a%2Fb+c",
                "/a%23b",
                "/latin%E9",
                "/100%"
            ]
        );
        for (written, sent) in [
            ("Mozilla/5.0%20(X11;%20rv:1)%20a+b", "Mozilla/5.0 (X11; rv:1) a+b"),
            ("Mozilla/5.0%2520(X11)", "Mozilla/5.0 (X11)"),
            ("My%2520App/1%20CFNetwork/1", "My%20App/1 CFNetwork/1"),
            ("App%20%7Bv1%7D%20%22x%22%20%5E", "App {v1} \"x\" ^"),
        ] {
            assert_eq!(agent_of(written), sent);
        }
    }

    #[test]
    fn path_with_dot_counts_by_content_type_or_by_extension() {
        let html = "text/html;%20charset=utf-8";
        for (stem, kind, counts) in [
            ("/posts/rust-1.80", html, true),
            ("/index.php", html, true),
            ("/users/john.doe", html, true),
            ("/page", "application/xhtml+xml", true),
            ("/feed.xml", "application/xml", false),
            ("/page", "application/json", false),
            ("/a.html", "text/plain", false),
            ("/posts/rust-1.80", "-", true),
            ("/index.php", "-", true),
            ("/a.HTML", "-", true),
            ("/users/john.doe", "-", false),
            ("/x.css", "-", false),
            ("/song.mp3", "-", false),
        ] {
            assert_eq!(page_paths(&[(stem, kind)]).len(), usize::from(counts), "{stem} {kind}");
        }
    }

    #[test]
    fn timestamp_in_milliseconds_is_read_as_time() {
        let text = "#Fields: cs-method cs-uri-stem sc-status timestamp(ms)\nGET\t/x\t200\t1789898400123\n\
                    {\"cs-method\":\"GET\",\"cs-uri-stem\":\"/y\",\"sc-status\":200,\"timestamp(ms)\":1789898400123}";
        let views = views(text);
        assert_eq!(views.iter().map(|view| view.path.as_str()).collect::<Vec<_>>(), ["/x", "/y"]);
        assert!(views.iter().all(|view| view.at == Moment::from_millis(1_789_898_400_123)));
    }

    #[test]
    fn file_without_required_columns_is_rejected_with_their_names() {
        let refused = |text: &str| unreadable_lines(text).unwrap_err();
        insta::assert_snapshot!(refused("#Fields: date c-ip cs-uri-stem\n"), @"the access log lacks required fields: `date` and `time` (or `timestamp(ms)`), `cs-method`, `sc-status`, `cs(User-Agent)`; add them to the distribution's log settings");
        insta::assert_snapshot!(refused(r#"{"timestamp(ms)":"1","cs-uri-stem":"/","cs(User-Agent)":"x"}"#), @"the access log lacks required fields: `cs-method`, `sc-status`; add them to the distribution's log settings");
        let header = "#Fields: date time cs-method cs-uri-stem sc-status cs(User-Agent)\n";
        insta::assert_snapshot!(refused(&format!("{header}2026-09-20,10:00:00,GET,/,200,Mozilla\n")), @"expected tab-separated values in the order of `#Fields:`, or a JSON object per line; found no readable line");
        let readable = "2026-09-20\t10:00:00\tGET\t/\t200\t-\n";
        assert_eq!(unreadable_lines(header), Ok(0), "a log without requests is valid");
        assert_eq!(
            unreadable_lines(&format!("#Version: 1.0\n{header}{readable}\n2026-09-20\t10:00\n")),
            Ok(1)
        );
        let without_agents = header.replace(" cs(User-Agent)", "");
        let mut reader = AccessLogReader::new(false);
        assert_eq!(
            reader.parse_line(&without_agents),
            Ok(None),
            "user agents are needed only to detect bots"
        );
    }

    #[test]
    fn file_that_is_not_a_log_is_rejected() {
        for text in ["<html>", "{\"a\":1}", "2026-09-20\t10:00:00", ""] {
            assert!(
                unreadable_lines(text)
                    .unwrap_err()
                    .starts_with("expected an access log with a `#Fields:` line"),
                "{text}"
            );
        }
    }

    proptest! {
        #[test]
        fn reading_never_panics(lines in proptest::collection::vec("(#Fields: )?[ -~\t]{0,80}", 0..9), cut in 0..3000_usize) {
            drop(unreadable_lines(&lines.join("\n")));
            drop(unreadable_lines(&W3C[..cut.min(W3C.len())]));
        }
    }
}
