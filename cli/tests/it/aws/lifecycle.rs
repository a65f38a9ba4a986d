//! The lifecycle of a deployment on each emulator: deploy, hit, read, change, roll back, destroy and deploy again.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use hitctl_config::contract::HEADER_BUILD;
use hitctl_emulators::Emulator;
use serde_json::json;

use super::recorded_env::{RecordedAwsEnv, get_from_emulator, hit, remaining_resources};
use crate::support::CommandOutput;

/// Limits that let concurrent hits through.
const HIGH_LIMITS: &str = "http.rate_per_second = 10000\nhttp.burst = 5000\n";
const HITS: u64 = 500;
const VISITORS: u64 = 4;

fn summary(output: &CommandOutput) -> [u64; 4] {
    ["create", "update", "replace", "delete"].map(|word| output.json()["summary"][word].as_u64().unwrap())
}

/// Returns the hits of a path, from the table.
fn hits(aws_env: &mut RecordedAwsEnv, path: &str) -> u64 {
    aws_env.ok(&["counts", "get", path, "--json"]).json()["counts"][0]["hits"].as_u64().unwrap()
}

fn present(output: &CommandOutput) -> Vec<String> {
    let json = output.json();
    let rows = json["resources"].as_array().unwrap().iter().filter(|row| row["present"] == true);
    rows.map(|row| row["address"].as_str().unwrap().to_owned()).collect()
}

/// Hits the URL from several threads at once. Returns the counts in the responses, sorted.
fn hit_concurrently(url: &str) -> Vec<u64> {
    let visit = || {
        let response = hit(url, "/counter?path=/");
        assert_eq!(response.status, 200, "{response:?}");
        response.json()["hits"].as_u64().unwrap()
    };
    let visitor = || (0..HITS / VISITORS).map(|_| visit()).collect::<Vec<_>>();
    let mut counts = std::thread::scope(|scope| {
        let visitors: Vec<_> = (0..VISITORS).map(|_| scope.spawn(visitor)).collect();
        visitors.into_iter().flat_map(|visitor| visitor.join().unwrap()).collect::<Vec<_>>()
    });
    counts.sort_unstable();
    counts
}

/// Runs the lifecycle on `MiniStack`, which runs functions. Returns the names of its calls.
pub(super) fn on_ministack() -> &'static BTreeSet<String> {
    static CALLS: OnceLock<BTreeSet<String>> = OnceLock::new();
    CALLS.get_or_init(|| {
        let mut aws_env = RecordedAwsEnv::new(Emulator::ministack(), "life", HIGH_LIMITS);
        let url = aws_env.deploy().expect("an API has a URL");
        check_reads(&mut aws_env, &url);
        check_updates(&mut aws_env, &url);
        check_rollback(&mut aws_env, &url);
        check_destroy_and_redeploy(&mut aws_env);
        aws_env.into_calls()
    })
}

fn check_reads(aws_env: &mut RecordedAwsEnv, url: &str) {
    assert!(hit_concurrently(url).into_iter().eq(1..=HITS), "each response has its own count");
    assert_eq!(hits(aws_env, "/"), HITS, "each request counted once");

    let status = aws_env.ok(&["status", "--json", "--detailed-exitcode"]);
    assert_eq!((&status.json()["hits"], &status.json()["url"]), (&HITS.into(), &url.into()));
    assert_eq!(present(&status).len(), 11, "{status:?}");

    let invoked = aws_env.ok(&["invoke", "--path", "/", "--json"]).json();
    assert_eq!((&invoked["status"], &invoked["body"]["hits"]), (&200.into(), &(HITS + 1).into()));
    let read = aws_env.ok(&["invoke", "--path", "/", "--read-only", "--json"]).json();
    assert_eq!((&read["status"], &read["body"]["hits"]), (&200.into(), &(HITS + 1).into()));
    assert!(read["duration_ms"].as_f64().unwrap() > 0.0, "{read}");

    let export = aws_env.ok(&["counts", "export"]).stdout;
    assert!(export.lines().any(|line| line.starts_with(&format!("/,{},", HITS + 1))), "{export}");
    let plan = aws_env.run(&["plan", "--detailed-exitcode", "--artifact", &crate::support::artifact()]);
    assert_eq!(plan.code, 0, "{plan:?}");
    assert!(plan.stdout.contains("Nothing to change"), "{plan:?}");
}

fn check_updates(aws_env: &mut RecordedAwsEnv, url: &str) {
    // Change a setting.
    let changed = format!(
        "{HIGH_LIMITS}function.log_level = \"debug\"\nhttp.allow_origins = [\"https://a.example\"]\n"
    );
    aws_env.env.configure(&changed);
    let output = aws_env.ok(&["deploy", "--json", "--artifact", &crate::support::artifact()]);
    assert_eq!(summary(&output), [0, 5, 0, 0], "functions, aliases and API: {output:?}");
    assert_eq!(output.json()["outputs"]["url"], url);
    // Change the code.
    let build = aws_env.build(1);
    let output = aws_env.ok(&["deploy", "--json", "--artifact", &build]);
    assert_eq!(summary(&output), [0, 4, 0, 0], "functions and aliases: {output:?}");
    assert_eq!(output.json()["outputs"]["url"], url);
    assert_eq!(hit(url, "/counter?path=/").json()["hits"], HITS + 2);

    let logs = aws_env.ok(&["logs", "--since", "1h", "--json"]);
    let json = logs.json();
    let lines: Vec<_> = json["lines"].as_array().unwrap().iter().collect();
    let levels: BTreeSet<_> = lines.iter().filter_map(|line| line["level"].as_str()).collect();
    assert!(levels.contains("DEBUG") || levels.contains("INFO"), "the function's own lines: {levels:?}");
    assert!(levels.contains("report"), "Lambda's lines: {levels:?}");
}

/// Returns the id of the build that responds: the first digits of its hash.
fn live_build(url: &str) -> String {
    hit(url, "/healthz").headers[HEADER_BUILD].clone()
}

/// Checks the rollback. The earlier steps have published versions 1 to 3.
fn check_rollback(aws_env: &mut RecordedAwsEnv, url: &str) {
    let builds: Vec<_> = (2..=5)
        .map(|number| {
            let zip = aws_env.build(number);
            assert_eq!(aws_env.deploy_zip(&zip).as_deref(), Some(url));
            (live_build(url), zip)
        })
        .collect();
    let [.., (before, _), (last, zip)] = &builds[..] else { panic!("four builds were deployed") };
    assert_ne!(before, last);
    let listed = aws_env.ok(&["rollback", "--list", "--json"]).json();
    let numbers: Vec<_> = listed["versions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|version| version["version"].as_u64().unwrap())
        .collect();
    assert_eq!(numbers, [7, 6, 5, 4, 3], "the last five versions are kept");

    let back = aws_env.ok(&["rollback", "--yes", "--json"]).json();
    assert_eq!((&back["from"], &back["to"], &back["build"]), (&7.into(), &6.into(), &before.as_str().into()));
    assert_eq!(live_build(url), *before);
    let status = aws_env.run(&["status", "--json", "--detailed-exitcode"]);
    assert_eq!(
        (status.code, &status.json()["version"]),
        (2, &json!({ "live": 6, "newest": 7 })),
        "{status:?}"
    );
    let plan = aws_env.run(&["plan", "--detailed-exitcode", "--artifact", zip]);
    assert!(plan.code == 2 && plan.stdout.contains("points at version 6"), "{plan:?}");
    assert_eq!(aws_env.deploy_zip(zip).as_deref(), Some(url));
    assert_eq!(live_build(url), *last);
    assert_eq!(aws_env.run(&["plan", "--detailed-exitcode", "--artifact", zip]).code, 0);
}

fn check_destroy_and_redeploy(aws_env: &mut RecordedAwsEnv) {
    let destroyed = aws_env.ok(&["destroy", "--yes", "--json"]);
    assert_eq!(summary(&destroyed)[3], 8, "{destroyed:?}");
    let status = aws_env.run(&["status", "--json", "--detailed-exitcode"]);
    let kept = vec!["log_group.function".to_owned(), "table.hits".to_owned()];
    assert_eq!((status.code, present(&status)), (2, kept), "{status:?}");
    assert_eq!(hits(aws_env, "/"), HITS + 2, "the counts are kept");

    let url = aws_env.deploy().expect("an API has a URL");
    assert_eq!(hit(&url, "/counter?path=/").json()["hits"], HITS + 3);

    assert_eq!(
        aws_env.run(&["destroy", "--yes", "--delete-data"]).code,
        3,
        "`--yes` does not confirm the loss of data"
    );
    let args = &["destroy", "--delete-data", "--confirm", "test", "--export", "all.ndjson"];
    aws_env.ok(args);
    let export = std::fs::read_to_string(aws_env.env.base.path().join("all.ndjson")).unwrap();
    assert!(export.contains(&format!("\"hits\":{}", HITS + 3)), "{export}");
    assert_eq!(present(&aws_env.ok(&["status", "--json"])), Vec::<String>::new());
    aws_env.ok(&["destroy", "--yes"]);
    assert_eq!(remaining_resources(Emulator::ministack(), "life"), Vec::<String>::new());
}

#[test]
fn lifecycle_counts_every_hit_and_leaves_nothing() {
    assert!(!on_ministack().is_empty());
}

/// Runs a lifecycle that switches from the HTTP API to a function URL and to no URL. Returns the names of its calls.
pub(super) fn with_switched_exposure() -> &'static BTreeSet<String> {
    static CALLS: OnceLock<BTreeSet<String>> = OnceLock::new();
    CALLS.get_or_init(|| {
        let mut aws_env = RecordedAwsEnv::new(Emulator::ministack(), "ways", HIGH_LIMITS);
        let url = aws_env.deploy().expect("an API has a URL");
        assert_eq!(hit(&url, "/counter?path=/").json()["hits"], 1);

        aws_env.env.configure("http.expose = \"function-url\"\n");
        let direct = aws_env.deploy_confirmed().expect("a function URL");
        assert_ne!(direct, url);
        assert_eq!(hit(&direct, "/counter?path=/").json()["hits"], 2);
        assert_eq!(get_from_emulator(&url, "/counter?path=/").status, 404, "the API is deleted");
        assert_eq!(aws_env.deploy().as_ref(), Some(&direct), "nothing changes the second time");

        // No URL, no published versions, no reserved concurrency.
        aws_env.env.configure(
            "http.expose = \"none\"\nfunction.publish = false\nfunction.reserved_concurrency = \"none\"\n",
        );
        assert_eq!(aws_env.deploy_confirmed(), None);
        assert_ne!(get_from_emulator(&direct, "/counter?path=/").status, 200, "the URL is deleted");
        assert_eq!(aws_env.ok(&["invoke", "--path", "/", "--json"]).json()["body"]["hits"], 3);
        assert_eq!(aws_env.run(&["status", "--detailed-exitcode"]).code, 0);
        aws_env.ok(&["destroy", "--yes"]);
        aws_env.into_calls()
    })
}

#[test]
fn exposure_is_switched_between_api_function_url_and_none() {
    assert!(!with_switched_exposure().is_empty());
}

/// Moto stores resources but runs no function. Its URLs lead to AWS, so the smoke test is skipped. It drops the table's
/// `OnDemandThroughput`, the only field that differs afterwards.
#[test]
fn deployment_on_moto_is_reported_and_destroyed() {
    let mut aws_env = RecordedAwsEnv::new(Emulator::moto(), "life", "");
    let deployed = aws_env.ok(&["deploy", "--artifact", &crate::support::artifact()]);
    assert!(
        deployed.stderr.contains("does not serve it"),
        "the smoke test of the URL is skipped: {deployed:?}"
    );
    let status = aws_env.ok(&["status", "--json"]);
    assert_eq!(present(&status).len(), 11, "{status:?}");
    let differing: Vec<_> = status.json()["resources"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|row| row["drift"].as_array().is_some_and(|drift| !drift.is_empty()))
        .map(|row| row["drift"].clone())
        .collect();
    assert_eq!(differing, [serde_json::json!(["max_write_units"])]);
    assert_eq!(
        remaining_resources(Emulator::moto(), "life").len(),
        7,
        "table, log group, two functions with roles, and API"
    );

    // With a function URL, the smoke test requests the address at which emulators serve functions. Moto does not run
    // them, so this needs `--no-smoke`.
    aws_env.env.configure("http.expose = \"function-url\"\n");
    let zip = crate::support::artifact();
    let deployed = aws_env.ok(&["deploy", "--json", "--yes", "--no-smoke", "--artifact", &zip]);
    assert!(deployed.json()["outputs"]["url"].is_string(), "{deployed:?}");
    let resources = present(&aws_env.ok(&["status", "--json"]));
    assert!(resources.contains(&"function_url.counter".to_owned()), "{resources:?}");
    assert!(!resources.contains(&"http_api.api".to_owned()), "{resources:?}");

    assert_eq!(summary(&aws_env.ok(&["destroy", "--yes", "--json"]))[3], 4);
    assert_eq!(present(&aws_env.ok(&["status", "--json"])), ["log_group.function", "table.hits"]);
    aws_env.ok(&["destroy", "--delete-data", "--confirm", "test", "--export", "all.csv"]);
    assert_eq!(present(&aws_env.ok(&["status", "--json"])), Vec::<String>::new());
    assert_eq!(remaining_resources(Emulator::moto(), "life"), Vec::<String>::new());
}
