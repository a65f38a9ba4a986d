//! Access logs of `CloudFront`, line by line: W3C's extended format, whose columns a line `#Fields:` names, and JSON, an object
//! a line. A line becomes a view of a page, or nothing. Pure.

use crate::moment::Moment;
use crate::query::decode;
use crate::trigger::fields;

/// The columns that matter, as both formats name them.
const COLUMNS: [&str; 9] = [
    "date",
    "time",
    "c-ip",
    "cs-method",
    "cs-uri-stem",
    "cs-uri-query",
    "sc-status",
    "cs(User-Agent)",
    "sc-content-type",
];

/// A view of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// When.
    pub at: Moment,
    /// The path, with its query if there was one.
    pub path: String,
    /// The viewer's address.
    pub address: String,
    /// The user agent, decoded.
    pub agent: Option<String>,
}

/// A reader of one file.
#[derive(Debug, Default)]
pub struct Reader {
    /// Where in a line the columns are.
    places: Option<[Option<usize>; COLUMNS.len()]>,
    understood: bool,
}

impl Reader {
    /// Whether anything in the file was a line of an access log.
    pub fn has_understood(&self) -> bool {
        self.understood
    }

    /// Reads a line: a view of a page, or nothing.
    pub fn line(&mut self, line: &str) -> Option<View> {
        let line = line.trim_end_matches(['\r', '\n']);
        if let Some(fields) = line.strip_prefix("#Fields:") {
            let names: Vec<&str> = fields.split_whitespace().collect();
            self.places = Some(COLUMNS.map(|column| names.iter().position(|name| *name == column)));
            self.understood = true;
            return None;
        }
        if line.starts_with('{') {
            let fields = fields::object(line, "the line").ok()?;
            self.understood |= fields.has("cs-uri-stem");
            let values = COLUMNS.map(|column| fields.text(column).ok().flatten());
            return view(values.each_ref().map(Option::as_deref));
        }
        let places = self.places?;
        let separator = if line.contains('\t') { '\t' } else { ' ' };
        let values: Vec<&str> = line.split(separator).collect();
        view(places.map(|place| values.get(place?).copied()))
    }
}

fn view(values: [Option<&str>; COLUMNS.len()]) -> Option<View> {
    // A dash is an empty value.
    let [date, time, address, method, stem, query, status, agent, kind] =
        values.map(|value| value.filter(|value| !matches!(*value, "-" | "")));
    if !matches!(method?, "GET" | "HEAD") || !matches!(status?, "200" | "304") {
        return None;
    }
    let stem = stem?;
    if !is_page(stem) || kind.is_some_and(|kind| !is_html(kind)) {
        return None;
    }
    Some(View {
        at: Moment::from_rfc3339(&format!("{}T{}Z", date?, time?))?,
        path: query.map_or_else(|| stem.to_owned(), |query| format!("{stem}?{query}")),
        address: address.unwrap_or_default().to_owned(),
        agent: agent.map(agent_of),
    })
}

/// Whether a path is a page's: without an extension, or with that of HTML.
fn is_page(stem: &str) -> bool {
    let name = stem.rsplit('/').next().unwrap_or_default();
    match name.rsplit_once('.') {
        None => true,
        Some((_, extension)) => ["html", "htm"].iter().any(|html| extension.eq_ignore_ascii_case(html)),
    }
}

fn is_html(kind: &str) -> bool {
    // Logs encode what is in a value, the space behind a semicolon too.
    let kind = kind.split([';', '%', ' ']).next().unwrap_or_default();
    ["text/html", "application/xhtml+xml"].iter().any(|html| kind.eq_ignore_ascii_case(html))
}

/// A user agent, as the browser sent it: logs encode it, old ones twice. A plus stays one.
fn agent_of(text: &str) -> String {
    let once = |text: &str| decode(&text.replace('+', "%2B"));
    let first = once(text).unwrap_or_else(|| text.to_owned());
    if first.contains("%20") { once(&first).unwrap_or(first) } else { first }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The example of "Access logs (standard logs)" of `CloudFront`, with pages in place of its pictures.
    const W3C: &str = "#Version: 1.0\n\
        #Fields: date time x-edge-location sc-bytes c-ip cs-method cs(Host) cs-uri-stem sc-status cs(Referer) cs(User-Agent) cs-uri-query cs(Cookie) x-edge-result-type x-edge-request-id x-host-header cs-protocol cs-bytes time-taken x-forwarded-for ssl-protocol ssl-cipher x-edge-response-result-type cs-protocol-version fle-status fle-encrypted-fields c-port time-to-first-byte x-edge-detailed-result-type sc-content-type sc-content-len sc-range-start sc-range-end\n\
        2019-12-04\t21:02:31\tLAX1\t392\t192.0.2.100\tGET\td111111abcdef8.cloudfront.net\t/index.html\t200\t-\tMozilla/5.0%20(Windows%20NT%2010.0;%20Win64;%20x64)%20AppleWebKit/537.36%20(KHTML,%20like%20Gecko)%20Chrome/78.0.3904.108%20Safari/537.36\t-\t-\tHit\tSOX4xwn4XV6Q4rgb7XiVGOHms_BGlTAC4KyHmureZmBNrjGdRLiNIQ==\td111111abcdef8.cloudfront.net\thttps\t23\t0.001\t-\tTLSv1.2\tECDHE-RSA-AES128-GCM-SHA256\tHit\tHTTP/2.0\t-\t-\t11040\t0.001\tHit\ttext/html\t78\t-\t-\n\
        2019-12-04\t21:02:31\tLAX1\t392\t192.0.2.100\tGET\td111111abcdef8.cloudfront.net\t/app.js\t200\t-\tMozilla/5.0\t-\t-\tHit\tx\td111111abcdef8.cloudfront.net\thttps\t23\t0.001\t-\tTLSv1.2\tE\tHit\tHTTP/2.0\t-\t-\t11040\t0.001\tHit\ttext/javascript\t78\t-\t-\n\
        2019-12-13\t22:36:27\tSEA19-C1\t900\t192.0.2.200\tHEAD\td111111abcdef8.cloudfront.net\t/a%20b\t304\t-\tcurl/7.55.1+x\tid=7\t-\tHit\tx\td111111abcdef8.cloudfront.net\thttp\t387\t0.103\t-\t-\t-\tHit\tHTTP/1.1\t-\t-\t12644\t0.103\tHit\t-\t-\t-\t-\n";

    fn views(text: &str) -> Vec<View> {
        let mut reader = Reader::default();
        text.lines().filter_map(|line| reader.line(line)).collect()
    }

    fn view(at: &str, path: &str, address: &str, agent: &str) -> View {
        View {
            at: Moment::from_rfc3339(at).unwrap(),
            path: path.to_owned(),
            address: address.to_owned(),
            agent: Some(agent.to_owned()),
        }
    }

    #[test]
    fn pages_of_the_documented_log_are_views() {
        let chrome = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/78.0.3904.108 Safari/537.36";
        let expected = [
            view("2019-12-04T21:02:31Z", "/index.html", "192.0.2.100", chrome),
            view("2019-12-13T22:36:27Z", "/a%20b?id=7", "192.0.2.200", "curl/7.55.1+x"),
        ];
        assert_eq!(views(W3C), expected);
    }

    #[test]
    fn json_lines_have_the_same_names() {
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
    fn the_columns_are_where_the_file_says() {
        let text = "#Fields: cs-uri-stem sc-status cs-method time date\n/x\t200\tGET\t10:00:00\t2026-09-20\n/y\t200\n\
                    #Fields: sc-status cs-uri-stem cs-method time date\n200 /z GET 10:00:00 2026-09-20\n";
        let paths: Vec<String> = views(text).into_iter().map(|view| view.path).collect();
        assert_eq!(paths, ["/x", "/z"]);
    }

    #[test]
    fn what_is_no_log_is_not_understood() {
        let mut reader = Reader::default();
        for line in ["<html>", "{\"a\":1}", "2026-09-20\t10:00:00", ""] {
            assert_eq!(reader.line(line), None);
        }
        assert!(!reader.has_understood());
    }

    proptest! {
        #[test]
        fn reading_never_panics(lines in proptest::collection::vec("(#Fields: )?[ -~\t]{0,80}", 0..9), cut in 0..3000_usize) {
            drop(views(&lines.join("\n")));
            drop(views(&W3C[..cut.min(W3C.len())]));
        }
    }
}
