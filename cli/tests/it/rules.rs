//! What counts and what does not, as it is deployed: every way of counting that a configuration can ask for, on the local
//! cloud here and on an emulator in `aws`.

use serde_json::{Value as Json, json};

use crate::support::{Answer, DEFAULTS, Http, Ran, Yard, artifact};

const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
const CHROME: &str =
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36";
const CURL: &str = "curl/8.5.0";

/// Room for visits, and a window that no slow machine outlasts; all else is as it is by default.
const ROOM: &str = "http.rate_per_second = 10000\nhttp.burst = 5000\ncounter.repeat_window_s = 3600\n";

/// One deployment, wherever it is.
pub(crate) struct Site<'a> {
    pub(crate) run: &'a dyn Fn(&[&str]) -> Ran,
    pub(crate) configure: &'a dyn Fn(&str),
}

impl Site<'_> {
    /// Runs what must succeed.
    #[track_caller]
    fn ok(&self, args: &[&str]) -> Json {
        let ran = (self.run)(args);
        assert_eq!(ran.code, 0, "{args:?}: {ran:?}");
        ran.json()
    }

    /// Deploys with these settings of the counter; nobody is there to be asked. Gives back the URL and what was changed.
    #[track_caller]
    fn deploy(&self, more: &str) -> (String, Vec<String>) {
        (self.configure)(&format!("{ROOM}{more}"));
        let done = self.ok(&["deploy", "--json", "--artifact", &artifact()]);
        let rows = done["changes"].as_array().unwrap().iter().filter(|row| row["action"] != "keep");
        let word = |row: &Json, field: &str| row[field].as_str().unwrap().to_owned();
        let changed = rows.map(|row| format!("{} {}", word(row, "action"), word(row, "address"))).collect();
        (done["outputs"]["url"].as_str().unwrap().to_owned(), changed)
    }

    fn count(&self, path: &str) -> (u64, u64) {
        let row = self.ok(&["counts", "get", path, "--json"])["counts"][0].clone();
        (row["hits"].as_u64().unwrap(), row["uniques"].as_u64().unwrap())
    }
}

/// Asks as that browser does, until the function has room.
fn ask(url: &str, target: &str, agent: &str) -> Answer {
    let at = url.match_indices('/').nth(2).map_or(url.len(), |(at, _)| at);
    let (server, base) = url.split_at(at);
    for _ in 0..10_000 {
        let headers = format!("user-agent: {agent}\r\n");
        let answer =
            Http::connect(server).unwrap().ask("GET", &format!("{base}{target}"), &headers, b"").unwrap();
        if !matches!(answer.status, 429 | 503) {
            return answer;
        }
    }
    panic!("{url}{target} has no room in 10,000 questions");
}

/// A view that counts: the numbers after it.
#[track_caller]
fn counts(url: &str, path: &str, agent: &str) -> (u64, Option<u64>) {
    let answer = ask(url, &format!("/counter?path={path}"), agent);
    let json = answer.json();
    assert_eq!((answer.status, &json["counted"]), (200, &json!(true)), "{answer:?}");
    (json["hits"].as_u64().unwrap(), json["uniques"].as_u64())
}

/// A view that does not: why.
#[track_caller]
fn ignored(url: &str, path: &str, agent: &str) -> String {
    let answer = ask(url, &format!("/counter?path={path}"), agent);
    let json = answer.json();
    assert_eq!((answer.status, &json["counted"]), (200, &json!(false)), "{answer:?}");
    assert_eq!(answer.headers["hitctl-ignored"], json["why"].as_str().unwrap(), "{answer:?}");
    json["why"].as_str().unwrap().to_owned()
}

/// The whole of it.
pub(crate) fn every_way_of_counting(site: &Site<'_>) {
    let (url, made) = site.deploy("");
    assert!(made.contains(&"create table.seen".to_owned()), "{made:?}");
    assert_eq!(counts(&url, "/", FIREFOX), (1, Some(1)));
    assert_eq!(ignored(&url, "/", FIREFOX), "dup");
    assert_eq!(ignored(&url, "/", CURL), "bot");
    assert_eq!(counts(&url, "/", CHROME), (2, Some(2)));
    assert_eq!(counts(&url, "/b", CHROME), (1, Some(1)));
    let total = ask(&url, "/v1/count", CURL).json();
    assert_eq!((&total["hits"], &total["uniques"]), (&json!(3), &json!(2)), "{total}");
    assert_eq!(site.count("/"), (2, 2));
    assert_eq!(ask(&url, "/v1/top", CURL).status, 404, "lists are not for everybody");

    // Without visitors their table goes, unasked, and their number stays.
    let (_, changed) = site.deploy("counter.visitors = \"none\"\n");
    assert!(changed.contains(&"delete table.seen".to_owned()), "{changed:?}");
    assert_eq!(counts(&url, "/", FIREFOX), (3, None));
    assert_eq!(site.count("/"), (3, 2));
    let (again, changed) = site.deploy("");
    assert!(again == url && changed.contains(&"create table.seen".to_owned()), "{changed:?}");
    assert_eq!(counts(&url, "/", CHROME), (4, Some(3)), "who was here before is forgotten");

    // Only paths that were added.
    site.deploy("counter.paths = \"strict\"\n");
    assert_eq!(ignored(&url, "/new", FIREFOX), "path");
    site.ok(&["counts", "add", "/new", "5", "--json"]);
    assert_eq!(counts(&url, "/new", FIREFOX).0, 6);

    // No more new ones than were seen today.
    site.deploy("counter.new_paths_per_day = 1\n");
    assert_eq!(ignored(&url, "/c", FIREFOX), "full");
    assert_eq!(counts(&url, "/b", FIREFOX).0, 2);
    site.deploy("counter.paths = \"open\"\ncounter.public_stats = true\n");
    assert_eq!(counts(&url, "/c", FIREFOX).0, 1);
    assert_eq!(ask(&url, "/v1/top", CURL).status, 200);

    // A generated event counts as a person's visit; robots do where they are wanted.
    let invoked = site.ok(&["invoke", "--path", "/c", "--json"]);
    assert_eq!(
        (&invoked["body"]["counted"], &invoked["body"]["hits"]),
        (&json!(true), &json!(2)),
        "{invoked}"
    );
    site.deploy("counter.bots = \"count\"\n");
    assert_eq!(counts(&url, "/c", CURL).0, 3);

    // All goes but the counts and the log, and they are found again.
    let gone = site.ok(&["destroy", "--yes", "--json"]);
    let kept: Vec<_> =
        gone["changes"].as_array().unwrap().iter().filter(|change| change["action"] == "keep").collect();
    assert!(kept.len() == 2 && kept[1]["address"] == "table.hits", "{kept:?}");
    let (url, _) = site.deploy("");
    assert_eq!(counts(&url, "/c", FIREFOX).0, 4);
}

#[test]
fn every_way_of_counting_works_on_this_machine() {
    let yard = Yard::with("");
    every_way_of_counting(&Site {
        run: &|args| yard.run(args),
        configure: &|settings| yard.write("hitctl.toml", settings),
    });
}

/// All that the local table of visitors holds.
fn seen(yard: &Yard) -> String {
    let table = yard.run(&["local", "status", "--json"]).json()["table"].as_str().unwrap().to_owned();
    let headers = "content-type: application/x-amz-json-1.0\r\nx-amz-target: DynamoDB_20120810.Scan\r\n\
                   x-amz-date: 20260101T000000Z\r\nauthorization: AWS4-HMAC-SHA256 Credential=local/20260101/local/dynamodb/aws4_request, \
                   SignedHeaders=host, Signature=0\r\n";
    let body = json!({ "TableName": "hits-local-seen" }).to_string();
    Http::connect(&table).unwrap().ask("POST", "/", headers, body.as_bytes()).unwrap().body
}

#[test]
fn addresses_are_kept_only_where_that_is_asked_for() {
    let yard = Yard::with(DEFAULTS);
    let url = yard.deploy();
    assert_eq!(counts(&url, "/", FIREFOX), (1, Some(1)));
    let hashes = seen(&yard);
    assert!(hashes.contains("\"Count\":3"), "a salt, a visitor of the page, one of the site: {hashes}");
    assert!(!hashes.contains("127.0.0.1") && !hashes.contains("Firefox"), "{hashes}");

    let raw = "counter.visitors = \"raw\"\ncounter.i_know_this_is_personal_data = true\n";
    yard.write("hitctl.toml", raw);
    let url = yard.deploy();
    assert_eq!(counts(&url, "/", CHROME), (2, Some(2)));
    let addresses = seen(&yard);
    assert!(addresses.contains("ip#127.0.0.1") && !addresses.contains("Chrome"), "{addresses}");
    for shown in [yard.run(&["logs"]).stdout, yard.run(&["counts", "export"]).stdout] {
        assert!(!shown.contains("127.0.0.1") && !shown.contains("Firefox"), "{shown}");
    }
}

#[test]
fn what_has_no_configuration_counts_visits_of_browsers() {
    let yard = Yard::new();
    let url = yard.deploy();
    assert_eq!(counts(&url, "/", FIREFOX), (1, Some(1)));
    assert_eq!(ignored(&url, "/", CURL), "bot");
    assert_eq!(yard.run(&["plan", "--detailed-exitcode", "--artifact", &artifact()]).code, 0);
}

#[test]
fn where_only_known_paths_count_a_deploy_says_how_they_become_known() {
    let yard = Yard::with("counter.paths = \"strict\"\n");
    let first = yard.run(&["deploy", "--artifact", &artifact()]);
    assert!(first.stdout.contains("next      hitctl paths sync DIR --env local\n"), "{first:?}");
    let second = yard.run(&["deploy", "--artifact", &artifact()]);
    assert!(second.stdout.contains("hitctl snippet --env local\n"), "{second:?}");
}
