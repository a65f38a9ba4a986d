//! A whole life on each emulator: deployed, hit, looked at, changed, destroyed, and found again.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use hitctl_config::contract::HEADER_BUILD;
use hitctl_emulators::Emulator;
use serde_json::json;

use super::scene::{Scene, ask, hit, left};
use crate::support::Ran;

/// Room for hits that come at once.
const OPEN: &str = "http.rate_per_second = 10000\nhttp.burst = 5000\n";
const HITS: u64 = 500;
const VISITORS: u64 = 4;

fn summary(ran: &Ran) -> [u64; 4] {
    ["create", "update", "replace", "delete"].map(|word| ran.json()["summary"][word].as_u64().unwrap())
}

/// How often a path was hit, by the table.
fn hits(scene: &mut Scene, path: &str) -> u64 {
    scene.ok(&["counts", "get", path, "--json"]).json()["counts"][0]["hits"].as_u64().unwrap()
}

fn present(ran: &Ran) -> Vec<String> {
    let json = ran.json();
    let rows = json["resources"].as_array().unwrap().iter().filter(|row| row["present"] == true);
    rows.map(|row| row["address"].as_str().unwrap().to_owned()).collect()
}

/// Hits the URL from several sides at once, and gives back the counts that were answered, in order.
fn storm(url: &str) -> Vec<u64> {
    let visit = || {
        let answer = hit(url, "/counter?path=/");
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["hits"].as_u64().unwrap()
    };
    let visitor = || (0..HITS / VISITORS).map(|_| visit()).collect::<Vec<_>>();
    let mut counts = std::thread::scope(|scope| {
        let visitors: Vec<_> = (0..VISITORS).map(|_| scope.spawn(visitor)).collect();
        visitors.into_iter().flat_map(|visitor| visitor.join().unwrap()).collect::<Vec<_>>()
    });
    counts.sort_unstable();
    counts
}

/// The calls of a life on `MiniStack`, which runs the function.
pub(super) fn on_ministack() -> &'static BTreeSet<String> {
    static SEEN: OnceLock<BTreeSet<String>> = OnceLock::new();
    SEEN.get_or_init(|| {
        let mut scene = Scene::new(Emulator::ministack(), "life", OPEN);
        let url = scene.deploy().expect("an API has a URL");
        looked_at(&mut scene, &url);
        changed(&mut scene, &url);
        gone_back(&mut scene, &url);
        destroyed_and_found_again(&mut scene);
        scene.into_seen()
    })
}

fn looked_at(scene: &mut Scene, url: &str) {
    assert!(storm(url).into_iter().eq(1..=HITS), "each answer has a count of its own");
    assert_eq!(hits(scene, "/"), HITS, "each answer was counted, and nothing else was");

    let status = scene.ok(&["status", "--json", "--detailed-exitcode"]);
    assert_eq!((&status.json()["hits"], &status.json()["url"]), (&HITS.into(), &url.into()));
    assert_eq!(present(&status).len(), 11, "{status:?}");

    let invoked = scene.ok(&["invoke", "--path", "/", "--json"]).json();
    assert_eq!((&invoked["status"], &invoked["body"]["hits"]), (&200.into(), &(HITS + 1).into()));
    let read = scene.ok(&["invoke", "--path", "/", "--read-only", "--json"]).json();
    assert_eq!((&read["status"], &read["body"]["hits"]), (&200.into(), &(HITS + 1).into()));
    assert!(read["duration_ms"].as_f64().unwrap() > 0.0, "{read}");

    let export = scene.ok(&["counts", "export"]).stdout;
    assert!(export.lines().any(|line| line.starts_with(&format!("/,{},", HITS + 1))), "{export}");
    let plan = scene.run(&["plan", "--detailed-exitcode", "--artifact", &crate::support::artifact()]);
    assert_eq!(plan.code, 0, "{plan:?}");
    assert!(plan.stdout.contains("Nothing to change"), "{plan:?}");
}

fn changed(scene: &mut Scene, url: &str) {
    // A setting.
    let changed =
        format!("{OPEN}function.log_level = \"debug\"\nhttp.allow_origins = [\"https://a.example\"]\n");
    scene.yard.configure(&changed);
    let ran = scene.ok(&["deploy", "--json", "--artifact", &crate::support::artifact()]);
    assert_eq!(summary(&ran), [0, 5, 0, 0], "functions, aliases and API: {ran:?}");
    assert_eq!(ran.json()["outputs"]["url"], url);
    // The code.
    let build = scene.build(1);
    let ran = scene.ok(&["deploy", "--json", "--artifact", &build]);
    assert_eq!(summary(&ran), [0, 4, 0, 0], "functions and aliases: {ran:?}");
    assert_eq!(ran.json()["outputs"]["url"], url);
    assert_eq!(hit(url, "/counter?path=/").json()["hits"], HITS + 2);

    let logs = scene.ok(&["logs", "--since", "1h", "--json"]);
    let json = logs.json();
    let lines: Vec<_> = json["lines"].as_array().unwrap().iter().collect();
    let levels: BTreeSet<_> = lines.iter().filter_map(|line| line["level"].as_str()).collect();
    assert!(levels.contains("DEBUG") || levels.contains("INFO"), "the function's own lines: {levels:?}");
    assert!(levels.contains("report"), "Lambda's lines: {levels:?}");
}

/// Which build answers: the first digits of its hash.
fn build(url: &str) -> String {
    hit(url, "/healthz").headers[HEADER_BUILD].clone()
}

/// After the two versions of the changes before, and the first one.
fn gone_back(scene: &mut Scene, url: &str) {
    let builds: Vec<_> = (2..=5)
        .map(|number| {
            let zip = scene.build(number);
            assert_eq!(scene.deploy_zip(&zip).as_deref(), Some(url));
            (build(url), zip)
        })
        .collect();
    let [.., (before, _), (last, zip)] = &builds[..] else { panic!("four builds were deployed") };
    assert_ne!(before, last);
    let listed = scene.ok(&["rollback", "--list", "--json"]).json();
    let numbers: Vec<_> = listed["versions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|version| version["version"].as_u64().unwrap())
        .collect();
    assert_eq!(numbers, [7, 6, 5, 4, 3], "the last five stay");

    let back = scene.ok(&["rollback", "--yes", "--json"]).json();
    assert_eq!((&back["from"], &back["to"], &back["build"]), (&7.into(), &6.into(), &before.as_str().into()));
    assert_eq!(build(url), *before);
    let status = scene.run(&["status", "--json", "--detailed-exitcode"]);
    assert_eq!(
        (status.code, &status.json()["version"]),
        (2, &json!({ "live": 6, "newest": 7 })),
        "{status:?}"
    );
    let plan = scene.run(&["plan", "--detailed-exitcode", "--artifact", zip]);
    assert!(plan.code == 2 && plan.stdout.contains("version 6 answers"), "{plan:?}");
    assert_eq!(scene.deploy_zip(zip).as_deref(), Some(url));
    assert_eq!(build(url), *last);
    assert_eq!(scene.run(&["plan", "--detailed-exitcode", "--artifact", zip]).code, 0);
}

fn destroyed_and_found_again(scene: &mut Scene) {
    let destroyed = scene.ok(&["destroy", "--yes", "--json"]);
    assert_eq!(summary(&destroyed)[3], 8, "{destroyed:?}");
    let status = scene.run(&["status", "--json", "--detailed-exitcode"]);
    let kept = vec!["log_group.function".to_owned(), "table.hits".to_owned()];
    assert_eq!((status.code, present(&status)), (2, kept), "{status:?}");
    assert_eq!(hits(scene, "/"), HITS + 2, "the counts are kept");

    let url = scene.deploy().expect("an API has a URL");
    assert_eq!(hit(&url, "/counter?path=/").json()["hits"], HITS + 3);

    assert_eq!(scene.run(&["destroy", "--yes", "--delete-data"]).code, 3, "-y never covers the loss of data");
    let gone = &["destroy", "--delete-data", "--confirm", "test", "--export", "all.ndjson"];
    scene.ok(gone);
    let export = std::fs::read_to_string(scene.yard.yard.path().join("all.ndjson")).unwrap();
    assert!(export.contains(&format!("\"hits\":{}", HITS + 3)), "{export}");
    assert_eq!(present(&scene.ok(&["status", "--json"])), Vec::<String>::new());
    scene.ok(&["destroy", "--yes"]);
    assert_eq!(left(Emulator::ministack(), "life"), Vec::<String>::new());
}

#[test]
fn every_hit_is_counted_and_nothing_is_left() {
    assert!(!on_ministack().is_empty());
}

/// The calls of a life in which the way in is switched.
pub(super) fn of_ways() -> &'static BTreeSet<String> {
    static SEEN: OnceLock<BTreeSet<String>> = OnceLock::new();
    SEEN.get_or_init(|| {
        let mut scene = Scene::new(Emulator::ministack(), "ways", OPEN);
        let url = scene.deploy().expect("an API has a URL");
        assert_eq!(hit(&url, "/counter?path=/").json()["hits"], 1);

        scene.yard.configure("http.expose = \"function-url\"\n");
        let direct = scene.deploy_agreed().expect("a function URL");
        assert_ne!(direct, url);
        assert_eq!(hit(&direct, "/counter?path=/").json()["hits"], 2);
        assert_eq!(ask(&url, "/counter?path=/").status, 404, "the API is gone");
        assert_eq!(scene.deploy().as_ref(), Some(&direct), "nothing changes the second time");

        // Without a way in, without a version to go back to, without a share of the account's concurrency.
        scene.yard.configure(
            "http.expose = \"none\"\nfunction.publish = false\nfunction.reserved_concurrency = \"none\"\n",
        );
        assert_eq!(scene.deploy_agreed(), None);
        assert_ne!(ask(&direct, "/counter?path=/").status, 200, "the URL is gone");
        assert_eq!(scene.ok(&["invoke", "--path", "/", "--json"]).json()["body"]["hits"], 3);
        assert_eq!(scene.run(&["status", "--detailed-exitcode"]).code, 0);
        scene.ok(&["destroy", "--yes"]);
        scene.into_seen()
    })
}

#[test]
fn the_way_in_is_switched() {
    assert!(!of_ways().is_empty());
}

/// Moto keeps what is deployed and runs none of it: its URLs lead to AWS, so that nothing is asked there. It drops the table's
/// `OnDemandThroughput`, which is all that differs afterwards.
#[test]
fn what_is_deployed_where_nothing_runs_is_seen_and_destroyed() {
    let mut scene = Scene::new(Emulator::moto(), "life", "");
    let deployed = scene.ok(&["deploy", "--artifact", &crate::support::artifact()]);
    assert!(deployed.stderr.contains("does not serve it"), "the look at the URL is left out: {deployed:?}");
    let status = scene.ok(&["status", "--json"]);
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
        left(Emulator::moto(), "life").len(),
        7,
        "table, log group, two functions with roles, and API"
    );

    // On an address of its own. It is looked for where emulators that run functions serve it, so that it has to be said that
    // this one does not.
    scene.yard.configure("http.expose = \"function-url\"\n");
    let zip = crate::support::artifact();
    let deployed = scene.ok(&["deploy", "--json", "--yes", "--no-smoke", "--artifact", &zip]);
    assert!(deployed.json()["outputs"]["url"].is_string(), "{deployed:?}");
    let there = present(&scene.ok(&["status", "--json"]));
    assert!(there.contains(&"function_url.counter".to_owned()), "{there:?}");
    assert!(!there.contains(&"http_api.api".to_owned()), "{there:?}");

    assert_eq!(summary(&scene.ok(&["destroy", "--yes", "--json"]))[3], 4);
    assert_eq!(present(&scene.ok(&["status", "--json"])), ["log_group.function", "table.hits"]);
    scene.ok(&["destroy", "--delete-data", "--confirm", "test", "--export", "all.csv"]);
    assert_eq!(present(&scene.ok(&["status", "--json"])), Vec::<String>::new());
    assert_eq!(left(Emulator::moto(), "life"), Vec::<String>::new());
}
