//! Manual changes and imports of counts while hits arrive: no hit is lost or counted twice.

use std::io::Cursor;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use serde_json::{Value as Json, json};

use crate::proxy::{CloudProxy, Cut};
use crate::support::{CommandOutput, SetOnDrop, TestConnection, TestEnv, get};

/// Settings whose limits no test reaches.
const UNLIMITED: &str =
    "[function]\nreserved_concurrency = \"none\"\n[http]\nrate_per_second = 100000\nburst = 100000\n";

fn deployed_env() -> (TestEnv, String) {
    let test_env = TestEnv::with_config(UNLIMITED);
    let url = test_env.deploy();
    (test_env, url)
}

/// Runs a subcommand of `counts` and asserts that it succeeds.
#[track_caller]
fn ok(test_env: &TestEnv, args: &[&str]) -> CommandOutput {
    let output = test_env.run(&[&["counts"], args].concat());
    assert_eq!(output.code, 0, "{args:?}: {output:?}");
    output
}

#[track_caller]
fn refused(test_env: &TestEnv, code: u8, args: &[&str]) -> Json {
    let output = test_env.run(&[&["counts"], args, &["--json"]].concat());
    assert_eq!(output.code, code, "{args:?}: {output:?}");
    output.json()["error"].clone()
}

#[track_caller]
fn hits(test_env: &TestEnv, path: &str) -> u64 {
    ok(test_env, &["get", path, "--json"]).json()["counts"][0]["hits"].as_u64().unwrap()
}

fn hit(url: &str, path: &str, times: usize) {
    let mut http = TestConnection::connect(url).unwrap();
    for _ in 0..times {
        assert_eq!(http.send("GET", &format!("/counter?path={path}"), "", b"").unwrap().status, 200);
    }
}

#[test]
fn add_and_set_change_total_and_print_previous_value() {
    let (test_env, url) = deployed_env();
    hit(&url, "/", 2);
    let output = ok(&test_env, &["add", "/index.html", "40", "--json"]).json();
    assert_eq!(output["changed"], json!([{ "path": "/", "old": 2, "new": 42 }]));
    assert_eq!(output["counts"][0]["hits"], 42);
    // New hits add to the changed total. The count of the day is separate.
    let response = get(&url, "/counter?path=/").json();
    assert_eq!((&response["hits"], &response["today"]["hits"]), (&json!(43), &json!(3)));
    let output = ok(&test_env, &["set", "/new", "7"]);
    assert_eq!(output.stdout, "PATH  BEFORE  NOW\n/new       -    7\n");
    assert_eq!(ok(&test_env, &["set", "/new", "7"]).stdout, "Nothing to change.\n");
    assert_eq!(ok(&test_env, &["add", "/new", "0"]).stdout, "Nothing to change.\n");
    // `add` with a negative number needs `--yes`. It is refused if the result is below 0.
    assert_eq!(refused(&test_env, 3, &["add", "/new", "-5"])["code"], "confirmation_needed");
    ok(&test_env, &["add", "/new", "-5", "--yes"]);
    let error = refused(&test_env, 1, &["add", "/new", "-3", "--yes"]);
    assert_eq!(
        error["message"],
        "failed to add -3 to 2 views of \"/new\": expected a sum from 0 to 9007199254740991"
    );
    assert_eq!(refused(&test_env, 64, &["set", "!lease", "1"])["code"], "usage");
    // `set` to a lower value loses the previous one. It needs `--confirm`; `--yes` is not enough.
    assert_eq!(refused(&test_env, 3, &["set", "/new", "1", "--yes"])["code"], "confirmation_needed");
    assert_eq!(
        refused(&test_env, 3, &["set", "/new", "1", "--confirm", "prod"])["code"],
        "confirmation_needed"
    );
    ok(&test_env, &["set", "/new", "1", "--confirm", "local"]);
    assert_eq!(hits(&test_env, "/new"), 1);
}

#[test]
fn reset_sets_zero_and_delete_removes_paths() {
    let (test_env, url) = deployed_env();
    hit(&url, "/a", 3);
    hit(&url, "/b", 2);
    for args in [["reset", "/a", "--yes"], ["delete", "/a", "--yes"], ["reset", "--all", "--yes"]] {
        let error = refused(&test_env, 3, &args);
        assert!(error["message"].as_str().unwrap().contains("and loses"), "{error}");
    }
    assert_eq!(hits(&test_env, "/a"), 3);
    let output = ok(&test_env, &["reset", "--all", "--confirm", "local", "--json"]).json();
    let changed = json!([{ "path": "/a", "old": 3, "new": 0 }, { "path": "/b", "old": 2, "new": 0 }]);
    assert_eq!(output["changed"], changed);
    assert_eq!(
        output["counts"][0],
        json!({ "path": "/a", "hits": 0, "uniques": 0, "first": null, "last": null })
    );
    let response = get(&url, "/counter?path=/a").json();
    assert_eq!((&response["hits"], &response["today"]["hits"]), (&json!(1), &json!(1)));
    let output = ok(&test_env, &["delete", "/b", "/never", "/a", "--confirm", "local", "--json"]).json();
    let changed = json!([{ "path": "/a", "old": 1, "new": null }, { "path": "/b", "old": 0, "new": null }]);
    assert_eq!((&output["changed"], &output["counts"]), (&changed, &json!([])));
    assert_eq!(ok(&test_env, &["list"]).stdout, "No views yet.\n");
    // Nothing is lost, so no confirmation is needed.
    assert_eq!(ok(&test_env, &["delete", "/b"]).stdout, "Nothing to change.\n");
}

#[test]
fn rename_moves_all_counts_and_refuses_existing_path() {
    let (test_env, url) = deployed_env();
    hit(&url, "/old", 3);
    hit(&url, "/other", 1);
    let before = ok(&test_env, &["get", "/old", "--json"]).json()["counts"][0].clone();
    let error = refused(&test_env, 1, &["rename", "/old", "/other"]);
    assert_eq!(error["message"], "\"/other\" already has counts (views: 1)");
    assert!(error["hint"].as_str().unwrap().contains("counts merge"), "{error}");
    ok(&test_env, &["rename", "/old", "/new"]);
    let after = ok(&test_env, &["get", "/new", "--json"]).json()["counts"][0].clone();
    assert_eq!(
        (&after["hits"], &after["first"], &after["last"]),
        (&before["hits"], &before["first"], &before["last"])
    );
    assert_eq!(get(&url, "/counter?path=/new").json()["today"]["hits"], 4);
    assert_eq!(hits(&test_env, "/old"), 0);
    assert_eq!(refused(&test_env, 1, &["rename", "/old", "/newer"])["code"], "no_such_path");
    assert_eq!(refused(&test_env, 64, &["rename", "/new", "/new/"])["code"], "usage");
}

#[test]
fn merge_under_load_loses_no_hit() {
    let (test_env, url) = deployed_env();
    let (stop, answered) = (AtomicBool::new(false), AtomicU64::new(0));
    let paths = ["/a", "/b", "/into"];
    std::thread::scope(|scope| {
        for path in paths {
            let (stop, answered, url) = (&stop, &answered, &url);
            scope.spawn(move || {
                let mut http = TestConnection::connect(url).unwrap();
                while !stop.load(Ordering::SeqCst) {
                    let response = http.send("GET", &format!("/counter?path={path}"), "", b"").unwrap();
                    // A hit during a merge may be refused, and is then not counted.
                    if response.status == 200 {
                        answered.fetch_add(1, Ordering::SeqCst);
                    }
                }
            });
        }
        let _stop = SetOnDrop(&stop);
        for round in 1..=10 {
            let goal = answered.load(Ordering::SeqCst) + 60;
            while answered.load(Ordering::SeqCst) < goal {
                std::thread::yield_now();
            }
            let output = test_env.run(&["counts", "merge", "/a", "/b", "/into", "--yes", "--json"]);
            // Both sources may be missing at this moment, after the previous merge. The next hits create them again.
            assert!(
                output.code == 0 || output.json()["error"]["code"] == "no_such_path",
                "{round}: {output:?}"
            );
        }
    });
    let rows = ok(&test_env, &["list", "--json"]).json()["counts"].clone();
    let sum: u64 = rows.as_array().unwrap().iter().map(|row| row["hits"].as_u64().unwrap()).sum();
    assert_eq!(sum, answered.into_inner());
    let all: Vec<_> = paths.iter().map(|path| get(&url, &format!("/v1/count?path={path}")).json()).collect();
    let today: u64 = all.iter().map(|response| response["today"]["hits"].as_u64().unwrap()).sum();
    assert_eq!(today, sum, "the counts of the day are merged too: {all:?}");
    assert_eq!(refused(&test_env, 64, &["merge", "/a", "/a/", "--yes"])["code"], "usage");
    assert_eq!(refused(&test_env, 3, &["merge", "/a", "/b"])["code"], "confirmation_needed");
}

#[test]
fn exported_counts_are_identical_after_import() {
    let (test_env, url) = deployed_env();
    hit(&url, "/", 3);
    hit(&url, "/caf%25C3%25A9", 1);
    ok(&test_env, &["set", "a \"quoted\", path", "5"]);
    ok(&test_env, &["set", "/zero", "0"]);
    let other = TestEnv::with_config(UNLIMITED);
    other.deploy();
    // NDJSON also contains days and months. CSV contains only the totals.
    for format in ["csv", "ndjson"] {
        let exported = ok(&test_env, &["export", "--format", format]).stdout;
        ok(&other, &["reset", "--all", "--confirm", "local"]);
        let all: Vec<String> = ok(&other, &["list", "--json"]).json()["counts"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| row["path"].as_str().unwrap().to_owned())
            .collect();
        for path in &all {
            ok(&other, &["delete", path]);
        }
        let output = other.run_with(&["counts", "import", "-", "--json"], |process| {
            process.stdin = Box::new(Cursor::new(exported.clone().into_bytes()));
        });
        assert_eq!(output.code, 0, "{output:?}");
        assert_eq!(output.json()["counted"], 4);
        assert_eq!(ok(&other, &["export", "--format", format]).stdout, exported);
        let totals = |test_env: &TestEnv| ok(test_env, &["export", "--format", "csv"]).stdout;
        assert_eq!(totals(&other), totals(&test_env));
    }
}

/// Writes an import file of 100 paths, which takes several chunks. Returns the sum of its hits.
fn write_many(test_env: &TestEnv) -> u64 {
    let lines: Vec<String> =
        (0..100).map(|n| format!("/{n},{},2026-01-02,2026-01-03T00:00:00Z", n + 1)).collect();
    test_env.write("many.csv", &lines.join("\n"));
    (1..=100).sum()
}

fn total(test_env: &TestEnv) -> u64 {
    let rows = ok(test_env, &["list", "--json"]).json()["counts"].clone();
    rows.as_array().unwrap().iter().map(|row| row["hits"].as_u64().unwrap()).sum()
}

#[test]
fn repeated_import_adds_nothing_and_reports_it() {
    let (test_env, url) = deployed_env();
    hit(&url, "/1", 1);
    let sum = write_many(&test_env) + 1;
    let output = ok(&test_env, &["import", "many.csv"]);
    assert_eq!(output.stdout, "Imported 100 paths with 5050 views.\n");
    assert_eq!(total(&test_env), sum);
    let output = ok(&test_env, &["import", "many.csv"]);
    assert!(output.stdout.starts_with("Already imported: 100 paths with 5050 views."), "{output:?}");
    assert_eq!(total(&test_env), sum);
    // The earliest `first` and the latest `last` are kept.
    let row = ok(&test_env, &["get", "/1", "--json"]).json()["counts"][0].clone();
    assert_eq!((&row["hits"], &row["first"]), (&json!(3), &json!("2026-01-02")));
    assert_ne!(row["last"], "2026-01-03T00:00:00Z");
    // Import markers are not counts.
    assert_eq!(get(&url, "/v1/count").json()["hits"], sum);
    // Under another id the file counts again. Another file under the same id is refused.
    ok(&test_env, &["import", "many.csv", "--id", "again"]);
    assert_eq!(total(&test_env), 2 * sum - 1);
    test_env.write("other.csv", "/1,1\n");
    let error = refused(&test_env, 1, &["import", "other.csv", "--id", "again"]);
    assert_eq!(error["code"], "import_differs");
    assert_eq!(refused(&test_env, 64, &["import", "other.csv", "--id", "a#b"])["code"], "usage");
}

#[test]
fn replacing_import_sets_counts_and_needs_confirmation_for_loss() {
    let (test_env, url) = deployed_env();
    hit(&url, "/a", 3);
    test_env.write("a.csv", "/a,1\n/b,9\n");
    assert_eq!(
        refused(&test_env, 3, &["import", "a.csv", "--replace", "--yes"])["code"],
        "confirmation_needed"
    );
    ok(&test_env, &["import", "a.csv", "--replace", "--confirm", "local"]);
    assert_eq!((hits(&test_env, "/a"), hits(&test_env, "/b")), (1, 9));
    hit(&url, "/a", 1);
    // Repeating the import changes nothing: the hit since then is kept.
    ok(&test_env, &["import", "a.csv", "--replace", "--confirm", "local"]);
    assert_eq!(hits(&test_env, "/a"), 2);
}

#[test]
fn import_with_bad_line_writes_nothing() {
    let (test_env, _) = deployed_env();
    test_env.write("bad.csv", "path,hits\n/a,1\n/b,many\n");
    let proxy = CloudProxy::attach(&test_env);
    let error = refused(&test_env, 1, &["import", "bad.csv"]);
    assert_eq!(
        error["message"],
        "line 3: expected a whole number from 0 to 9007199254740991 in \"hits\", found \"many\""
    );
    assert!(proxy.take_calls().iter().all(|call| call.starts_with("GET ")));
    assert_eq!(refused(&test_env, 64, &["import", "none.csv"])["code"], "not_read");
}

/// Cuts every call of an import in every way. The next run completes it, and each hit counts once.
#[test]
fn import_cut_at_any_call_is_completed_by_next_run() {
    let (test_env, url) = deployed_env();
    let sum = write_many(&test_env);
    hit(&url, "/7", 1);
    let mut expected = 1;
    for cut in [Cut::RequestLost, Cut::ResponseLost, Cut::ProgramKilledBefore, Cut::ProgramKilledAfter] {
        for n in 1.. {
            let id = format!("{cut:?}-{n}");
            let args = ["counts", "import", "many.csv", "--id", &id];
            let proxy = CloudProxy::attach(&test_env);
            proxy.cut(n, cut);
            let reached = if cut.kills_program() {
                let mut program = test_env.command(&args);
                let program = program.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
                let mut program = program.spawn().unwrap();
                proxy.set_program(&program);
                program.wait().unwrap();
                proxy.take_calls().len() >= n
            } else {
                test_env.run(&args);
                proxy.take_calls().len() >= n
            };
            drop(proxy);
            ok(&test_env, &["import", "many.csv", "--id", &id]);
            expected += sum;
            assert_eq!(total(&test_env), expected, "{id}");
            if !reached {
                break;
            }
        }
    }
}

#[test]
fn change_with_lost_response_is_applied_once() {
    let (test_env, url) = deployed_env();
    hit(&url, "/", 1);
    let mut expected = 1;
    // The first call checks whether the cloud runs. A lost response would mean that it does not.
    for n in 2.. {
        let proxy = CloudProxy::attach(&test_env);
        proxy.cut(n, Cut::ResponseLost);
        let output = test_env.run(&["counts", "add", "/", "10"]);
        let reached = proxy.take_calls().len() >= n;
        assert_eq!(output.code, 0, "call {n} is retried: {output:?}");
        expected += 10;
        drop(proxy);
        assert_eq!(hits(&test_env, "/"), expected, "call {n}");
        if !reached {
            break;
        }
    }
}

#[test]
fn missing_cloud_or_table_is_reported() {
    let test_env = TestEnv::with_config(UNLIMITED);
    assert_eq!(refused(&test_env, 1, &["add", "/", "1"])["code"], "local_stopped");
    assert_eq!(test_env.run(&["local", "start"]).code, 0);
    let error = refused(&test_env, 1, &["add", "/", "1"]);
    assert_eq!(error["code"], "ResourceNotFoundException");
    assert!(error["hint"].as_str().unwrap().contains("hitctl deploy"), "{error}");
}

#[test]
fn paths_are_printed_without_percent_encoding() {
    let test_env = TestEnv::with_config("");
    test_env.deploy();
    test_env.counts(&["set", "/über-mich", "3"]);
    let text = test_env.counts(&["list"]).stdout;
    assert!(text.contains("/über-mich"), "{text}");
    assert_eq!(
        test_env.counts(&["get", "/über-mich", "--json"]).json()["counts"][0]["path"],
        "/%C3%BCber-mich"
    );
    assert!(test_env.run(&["report"]).stdout.contains("/über-mich"));
    assert!(test_env.run(&["explain", "--path", "/%C3%BCber-mich"]).stdout.contains("as  /über-mich"));
}

#[test]
fn arguments_and_files_are_checked_before_the_cloud_is_used() {
    let test_env = TestEnv::with_config("");
    for args in
        [&["import", "nope.csv"] as &[&str], &["get", "/\u{1}"], &["rename", "/a", "!b"], &["set", "!a", "1"]]
    {
        let output = test_env.run(&[&["counts"], args].concat());
        assert_eq!(output.code, 64, "{args:?}: {output:?}");
        assert!(
            !output.stderr.contains("local cloud") && !output.stderr.contains("on this machine"),
            "{output:?}"
        );
    }
}

#[test]
fn limited_list_totals_all_paths() {
    let test_env = TestEnv::with_config("");
    test_env.deploy();
    for (path, hits) in [("/a", "3"), ("/b", "2"), ("/c", "1")] {
        test_env.counts(&["set", path, hits]);
    }
    let list = test_env.counts(&["list", "--limit", "1", "--json"]).json();
    assert_eq!(list["total"], serde_json::json!({ "paths": 3, "hits": 6 }));
    assert_eq!(list["counts"].as_array().unwrap().len(), 1);
}
