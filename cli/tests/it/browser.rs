//! The example page in a real browser: the number is there, a reload raises it by one, and a counter that fails leaves the
//! page as its author wrote it.

mod webdriver;

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::support::{Yard, env_var, get};
use webdriver::{Browser, VIEW};

/// The number, once it is there.
const NUMBER: &str = r#"document.querySelector("[data-hits]").textContent.match(/^[0-9,.]+$/)?.[0]"#;
/// Whether the counter's script has had its answer, and then some.
const ASKED: &str = r#"(performance.getEntriesByType("resource").some((entry) => entry.name.includes("/counter?"))
    && (window.since ??= performance.now()) + 200 < performance.now())"#;
const WORDS: &str = r#"document.querySelector("[data-hits]").textContent"#;

#[test]
fn the_page_shows_the_count_and_a_reload_raises_it_by_one() {
    // No ceiling on the rate: the first forty readers come at once.
    let yard = Yard::with("[http]\nrate_per_second = 1000\nburst = 1000\n");
    let Some(browser) = Browser::open(yard.path()) else { return };
    let url = yard.deploy();
    for _ in 0..40 {
        assert_eq!(get(&url, "/counter?path=/").status, 200);
    }
    let site = site(&url);

    browser.goto(&site);
    assert_eq!(browser.wait_for(NUMBER), "41");
    browser.reload();
    assert_eq!(browser.wait_for(NUMBER), "42");
    assert_eq!(
        browser.wait_for("document.querySelector('h1').innerText"),
        "This page has been read\n42\ntimes."
    );
    assert_eq!(
        get(&url, "/v1/count?path=/").json()["hits"],
        42,
        "what the table says is what the reader saw"
    );
    keep(&browser.screenshot());

    // Another page of the site has a count of its own.
    browser.goto(&format!("{site}/about/"));
    assert_eq!(browser.wait_for(NUMBER), "1");
    assert_eq!(get(&url, "/v1/count?path=/about").json()["hits"], 1);

    // As the README has it: the file itself, opened from the disk.
    browser.goto(&format!("file://{}?api={url}", page().display()));
    assert_eq!(browser.wait_for(NUMBER), "43");
}

#[test]
fn a_busy_counter_is_asked_again() {
    let home = tempfile::tempdir().unwrap();
    let Some(browser) = Browser::open(home.path()) else { return };
    let asked = Arc::new(AtomicU32::new(0));
    let seen = asked.clone();
    let api = serve(move |_| match seen.fetch_add(1, Ordering::SeqCst) {
        0 | 1 => (503, r#"{"message":"Service Unavailable"}"#.to_owned()),
        _ => (200, r#"{"v":1,"path":"/","hits":1234,"counted":true}"#.to_owned()),
    });
    browser.goto(&site(&api));
    assert_eq!(browser.wait_for(NUMBER), "1,234");
    assert_eq!(asked.load(Ordering::SeqCst), 3);
}

#[test]
fn a_counter_that_fails_leaves_the_text_of_the_author() {
    let home = tempfile::tempdir().unwrap();
    let Some(browser) = Browser::open(home.path()) else { return };
    let broken = serve(|_| (500, r#"{"error":"internal","message":"it broke"}"#.to_owned()));
    let nonsense = serve(|_| (200, "<html>".to_owned()));
    let without_a_number = serve(|_| (200, "{}".to_owned()));
    // A port that was free a moment ago: nobody listens.
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for api in [broken, nonsense, without_a_number, format!("http://{gone}")] {
        browser.goto(&site(&api));
        browser.wait_for(ASKED);
        assert_eq!(browser.wait_for(WORDS), "many", "{api}");
    }
}

#[test]
fn the_readme_shows_the_lines_that_the_page_runs() {
    let page = std::fs::read_to_string(page()).unwrap();
    let (_, script) = page.split_once("<script type=\"module\">").expect("the counter's script");
    let (script, _) = script.split_once("</script>").expect("its end");
    let readme = std::fs::read_to_string(page_dir().join("README.md")).unwrap();
    assert!(
        readme.contains(&format!("<script type=\"module\">{script}</script>")),
        "the snippet of README.md is not the page's"
    );
}

fn page_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("cli has a parent").join("examples/counter")
}

fn page() -> PathBuf {
    page_dir().join("index.html")
}

/// A site of the example page, edited as its author would: with the URL of the counter.
fn site(api: &str) -> String {
    let page = std::fs::read_to_string(page()).unwrap();
    let edited = page.replacen("https://YOUR-URL", api, 1);
    assert_ne!(page, edited, "the page has no place for the URL");
    serve(move |_| (200, edited.clone()))
}

/// Keeps the picture: in the build directory, or, when `HITCTL_UPDATE_SCREENSHOT` is set, where the README shows it.
fn keep(picture: &[u8]) {
    let number = |at: usize| u32::from_be_bytes(picture[at..at + 4].try_into().unwrap());
    assert_eq!(&picture[1..4], b"PNG");
    assert_eq!((number(16), number(20)), VIEW);
    let dir = match env_var("HITCTL_UPDATE_SCREENSHOT") {
        Some(_) => page_dir(),
        None => PathBuf::from(env!("CARGO_TARGET_TMPDIR")),
    };
    std::fs::write(dir.join("screenshot.png"), picture).unwrap();
}

/// Serves what `answer` says to each GET, to pages of any origin, until the tests end. Returns the URL.
fn serve(answer: impl Fn(&str) -> (u16, String) + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let answer = Arc::new(answer);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let answer = answer.clone();
            // A browser may connect and say nothing: it must not hold up the others, and its end is no error.
            std::thread::spawn(move || respond(stream, &*answer).ok());
        }
    });
    url
}

fn respond(mut stream: TcpStream, answer: &dyn Fn(&str) -> (u16, String)) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let first = lines.next().transpose()?.unwrap_or_default();
    let Some(target) = first.split(' ').nth(1) else { return Ok(()) };
    while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
    // What a page's icon would be is no question to the counter.
    let (status, body) = if target == "/favicon.ico" { (404, String::new()) } else { answer(target) };
    let kind = if body.starts_with('<') { "text/html; charset=utf-8" } else { "application/json" };
    write!(
        stream,
        "HTTP/1.1 {status} x\r\ncontent-type: {kind}\r\ncontent-length: {}\r\naccess-control-allow-origin: *\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
}
