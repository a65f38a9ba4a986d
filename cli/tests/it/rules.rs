//! The counting rules of a deployed function with every counter setting: here on the local cloud, and in `aws` on an
//! emulator.

use serde_json::{Value as Json, json};

use crate::support::{CommandOutput, DEFAULTS, TestConnection, TestEnv, TestResponse, artifact};

const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
const CHROME: &str =
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36";
const CURL: &str = "curl/8.5.0";

/// High rate limits, and a repeat window longer than any slow test. All other settings are defaults.
const BASE_SETTINGS: &str =
    "http.rate_per_second = 10000\nhttp.burst = 5000\ncounter.repeat_window_s = 3600\n";

/// A deployment on any target.
pub(crate) struct TestedDeployment<'a> {
    pub(crate) run: &'a dyn Fn(&[&str]) -> CommandOutput,
    pub(crate) configure: &'a dyn Fn(&str),
}

impl TestedDeployment<'_> {
    /// Runs a command, asserts that it succeeds, and parses its JSON output.
    #[track_caller]
    fn ok(&self, args: &[&str]) -> Json {
        let output = (self.run)(args);
        assert_eq!(output.code, 0, "{args:?}: {output:?}");
        output.json()
    }

    /// Deploys with the settings `more`, without confirming anything. Returns the URL and the changes.
    #[track_caller]
    fn deploy(&self, more: &str) -> (String, Vec<String>) {
        (self.configure)(&format!("{BASE_SETTINGS}{more}"));
        let deployed = self.ok(&["deploy", "--json", "--artifact", &artifact()]);
        let rows = deployed["changes"].as_array().unwrap().iter().filter(|row| row["action"] != "keep");
        let text = |row: &Json, field: &str| row[field].as_str().unwrap().to_owned();
        let changed = rows.map(|row| format!("{} {}", text(row, "action"), text(row, "address"))).collect();
        (deployed["outputs"]["url"].as_str().unwrap().to_owned(), changed)
    }

    fn count(&self, path: &str) -> (u64, u64) {
        let row = self.ok(&["counts", "get", path, "--json"])["counts"][0].clone();
        (row["hits"].as_u64().unwrap(), row["uniques"].as_u64().unwrap())
    }
}

/// Sends GET requests with this user agent until one is not throttled.
fn get(url: &str, target: &str, agent: &str) -> TestResponse {
    // The host ends before the third slash.
    let at = url.match_indices('/').nth(2).map_or(url.len(), |(at, _)| at);
    let (server, base) = url.split_at(at);
    for _ in 0..10_000 {
        let headers = format!("user-agent: {agent}\r\n");
        let response = TestConnection::connect(server)
            .unwrap()
            .send("GET", &format!("{base}{target}"), &headers, b"")
            .unwrap();
        if !matches!(response.status, 429 | 503) {
            return response;
        }
    }
    panic!("{url}{target} refused 10,000 requests");
}

/// Sends a view and asserts that it counts. Returns the hits and the visitors after it.
#[track_caller]
fn count_view(url: &str, path: &str, agent: &str) -> (u64, Option<u64>) {
    let response = get(url, &format!("/counter?path={path}"), agent);
    let json = response.json();
    assert_eq!((response.status, &json["counted"]), (200, &json!(true)), "{response:?}");
    (json["hits"].as_u64().unwrap(), json["uniques"].as_u64())
}

/// Sends a view and asserts that it does not count. Returns the reason.
#[track_caller]
fn ignored_reason(url: &str, path: &str, agent: &str) -> String {
    let response = get(url, &format!("/counter?path={path}"), agent);
    let json = response.json();
    assert_eq!((response.status, &json["counted"]), (200, &json!(false)), "{response:?}");
    assert_eq!(response.headers["hitctl-ignored"], json["why"].as_str().unwrap(), "{response:?}");
    json["why"].as_str().unwrap().to_owned()
}

/// Deploys each counter setting in turn and checks what counts.
pub(crate) fn check_counting_rules(site: &TestedDeployment<'_>) {
    let (url, changed) = site.deploy("");
    assert!(changed.contains(&"create table.seen".to_owned()), "{changed:?}");
    assert_eq!(count_view(&url, "/", FIREFOX), (1, Some(1)));
    assert_eq!(ignored_reason(&url, "/", FIREFOX), "dup");
    assert_eq!(ignored_reason(&url, "/", CURL), "bot");
    assert_eq!(count_view(&url, "/", CHROME), (2, Some(2)));
    assert_eq!(count_view(&url, "/b", CHROME), (1, Some(1)));
    let total = get(&url, "/v1/count", CURL).json();
    assert_eq!((&total["hits"], &total["uniques"]), (&json!(3), &json!(2)), "{total}");
    assert_eq!(site.count("/"), (2, 2));
    assert_eq!(get(&url, "/v1/top", CURL).status, 404, "lists are not public");

    // If visitors are not counted, their table is deleted without confirmation, and the number of visitors is kept.
    let (_, changed) = site.deploy("counter.visitors = \"none\"\n");
    assert!(changed.contains(&"delete table.seen".to_owned()), "{changed:?}");
    assert_eq!(count_view(&url, "/", FIREFOX), (3, None));
    assert_eq!(site.count("/"), (3, 2));
    let (same_url, changed) = site.deploy("");
    assert!(same_url == url && changed.contains(&"create table.seen".to_owned()), "{changed:?}");
    assert_eq!(count_view(&url, "/", CHROME), (4, Some(3)), "the new table does not know earlier visitors");

    // Only added paths count.
    site.deploy("counter.paths = \"strict\"\n");
    assert_eq!(ignored_reason(&url, "/new", FIREFOX), "path");
    site.ok(&["counts", "add", "/new", "5", "--json"]);
    assert_eq!(count_view(&url, "/new", FIREFOX).0, 6);

    // The daily budget of new paths is used up.
    site.deploy("counter.new_paths_per_day = 1\n");
    assert_eq!(ignored_reason(&url, "/c", FIREFOX), "full");
    assert_eq!(count_view(&url, "/b", FIREFOX).0, 2);
    site.deploy("counter.paths = \"open\"\ncounter.public_stats = true\n");
    assert_eq!(count_view(&url, "/c", FIREFOX).0, 1);
    assert_eq!(get(&url, "/v1/top", CURL).status, 200);

    // A generated event counts as a person's visit. Bots count if configured.
    let invoked = site.ok(&["invoke", "--path", "/c", "--json"]);
    assert_eq!(
        (&invoked["body"]["counted"], &invoked["body"]["hits"]),
        (&json!(true), &json!(2)),
        "{invoked}"
    );
    site.deploy("counter.bots = \"count\"\n");
    assert_eq!(count_view(&url, "/c", CURL).0, 3);

    // A destroy keeps the counts and the log, and the next deploy uses them again.
    let destroyed = site.ok(&["destroy", "--yes", "--json"]);
    let kept: Vec<_> =
        destroyed["changes"].as_array().unwrap().iter().filter(|change| change["action"] == "keep").collect();
    assert!(kept.len() == 2 && kept[1]["address"] == "table.hits", "{kept:?}");
    let (url, _) = site.deploy("");
    assert_eq!(count_view(&url, "/c", FIREFOX).0, 4);
}

#[test]
fn counting_rules_apply_on_this_machine() {
    let test_env = TestEnv::with_config("");
    check_counting_rules(&TestedDeployment {
        run: &|args| test_env.run(args),
        configure: &|settings| test_env.write("hitctl.toml", settings),
    });
}

/// Returns all items of the local visitor table.
fn visitor_items(test_env: &TestEnv) -> String {
    let table = test_env.run(&["local", "status", "--json"]).json()["table"].as_str().unwrap().to_owned();
    let headers = "content-type: application/x-amz-json-1.0\r\nx-amz-target: DynamoDB_20120810.Scan\r\n\
                   x-amz-date: 20260101T000000Z\r\nauthorization: AWS4-HMAC-SHA256 Credential=local/20260101/local/dynamodb/aws4_request, \
                   SignedHeaders=host, Signature=0\r\n";
    let body = json!({ "TableName": "hits-local-seen" }).to_string();
    TestConnection::connect(&table).unwrap().send("POST", "/", headers, body.as_bytes()).unwrap().body
}

#[test]
fn ip_addresses_are_stored_only_with_raw_visitors() {
    let test_env = TestEnv::with_config(DEFAULTS);
    let url = test_env.deploy();
    assert_eq!(count_view(&url, "/", FIREFOX), (1, Some(1)));
    let hashes = visitor_items(&test_env);
    assert!(hashes.contains("\"Count\":3"), "a salt, a visitor of the page, one of the site: {hashes}");
    assert!(!hashes.contains("127.0.0.1") && !hashes.contains("Firefox"), "{hashes}");

    let raw = "counter.visitors = \"raw\"\ncounter.i_know_this_is_personal_data = true\n";
    test_env.write("hitctl.toml", raw);
    let url = test_env.deploy();
    assert_eq!(count_view(&url, "/", CHROME), (2, Some(2)));
    let addresses = visitor_items(&test_env);
    assert!(addresses.contains("ip#127.0.0.1") && !addresses.contains("Chrome"), "{addresses}");
    for shown in [test_env.run(&["logs"]).stdout, test_env.run(&["counts", "export"]).stdout] {
        assert!(!shown.contains("127.0.0.1") && !shown.contains("Firefox"), "{shown}");
    }
}

#[test]
fn default_configuration_counts_only_browsers() {
    let test_env = TestEnv::new();
    let url = test_env.deploy();
    assert_eq!(count_view(&url, "/", FIREFOX), (1, Some(1)));
    assert_eq!(ignored_reason(&url, "/", CURL), "bot");
    assert_eq!(test_env.run(&["plan", "--detailed-exitcode", "--artifact", &artifact()]).code, 0);
}

#[test]
fn deploy_with_strict_paths_suggests_paths_sync() {
    let test_env = TestEnv::with_config("counter.paths = \"strict\"\n");
    let first = test_env.run(&["deploy", "--artifact", &artifact()]);
    assert!(first.stdout.contains("next      hitctl paths sync DIR --env local\n"), "{first:?}");
    let second = test_env.run(&["deploy", "--artifact", &artifact()]);
    assert!(second.stdout.contains("hitctl snippet --env local\n"), "{second:?}");
}
