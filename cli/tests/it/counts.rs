//! The numbers changed by hand and from files, while hits go on arriving: none is lost, and none counts twice.

use std::io::Cursor;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use serde_json::{Value as Json, json};

use crate::support::{Http, Ran, SetOnDrop, Yard, get};
use crate::wire::{Cut, Wire};

/// Nothing that limits.
const OPEN: &str =
    "[function]\nreserved_concurrency = \"none\"\n[http]\nrate_per_second = 100000\nburst = 100000\n";

fn yard() -> (Yard, String) {
    let yard = Yard::with(OPEN);
    let url = yard.deploy();
    (yard, url)
}

/// Runs what must succeed.
#[track_caller]
fn ok(yard: &Yard, args: &[&str]) -> Ran {
    let ran = yard.run(&[&["counts"], args].concat());
    assert_eq!(ran.code, 0, "{args:?}: {ran:?}");
    ran
}

#[track_caller]
fn refused(yard: &Yard, code: u8, args: &[&str]) -> Json {
    let ran = yard.run(&[&["counts"], args, &["--json"]].concat());
    assert_eq!(ran.code, code, "{args:?}: {ran:?}");
    ran.json()["error"].clone()
}

#[track_caller]
fn hits(yard: &Yard, path: &str) -> u64 {
    ok(yard, &["get", path, "--json"]).json()["counts"][0]["hits"].as_u64().unwrap()
}

fn hit(url: &str, path: &str, times: usize) {
    let mut http = Http::connect(url).unwrap();
    for _ in 0..times {
        assert_eq!(http.ask("GET", &format!("/counter?path={path}"), "", b"").unwrap().status, 200);
    }
}

#[test]
fn add_and_set_change_the_total_and_say_what_it_was() {
    let (yard, url) = yard();
    hit(&url, "/", 2);
    let ran = ok(&yard, &["add", "/index.html", "40", "--json"]).json();
    assert_eq!(ran["changed"], json!([{ "path": "/", "old": 2, "new": 42 }]));
    assert_eq!(ran["counts"][0]["hits"], 42);
    // What the function counts goes on from there, and its day is its own.
    let answer = get(&url, "/counter?path=/").json();
    assert_eq!((&answer["hits"], &answer["today"]["hits"]), (&json!(43), &json!(3)));
    let ran = ok(&yard, &["set", "/new", "7"]);
    assert_eq!(ran.stdout, "PATH  BEFORE  NOW\n/new       -    7\n");
    assert_eq!(ok(&yard, &["set", "/new", "7"]).stdout, "Nothing to change.\n");
    assert_eq!(ok(&yard, &["add", "/new", "0"]).stdout, "Nothing to change.\n");
    // Down to 0 and no further, and not without a yes.
    assert_eq!(refused(&yard, 3, &["add", "/new", "-5"])["code"], "confirmation_needed");
    ok(&yard, &["add", "/new", "-5", "--yes"]);
    let error = refused(&yard, 1, &["add", "/new", "-3", "--yes"]);
    assert_eq!(
        error["message"],
        "expected 0 to 9007199254740991 hits of \"/new\", found 2 hits: -3 cannot be added"
    );
    assert_eq!(refused(&yard, 64, &["set", "!lease", "1"])["code"], "usage");
    // Fewer is a loss: `-y` does not cover it.
    assert_eq!(refused(&yard, 3, &["set", "/new", "1", "--yes"])["code"], "confirmation_needed");
    assert_eq!(refused(&yard, 3, &["set", "/new", "1", "--confirm", "prod"])["code"], "confirmation_needed");
    ok(&yard, &["set", "/new", "1", "--confirm", "local"]);
    assert_eq!(hits(&yard, "/new"), 1);
}

#[test]
fn reset_begins_anew_and_delete_forgets() {
    let (yard, url) = yard();
    hit(&url, "/a", 3);
    hit(&url, "/b", 2);
    for args in [["reset", "/a", "--yes"], ["delete", "/a", "--yes"], ["reset", "--all", "--yes"]] {
        let error = refused(&yard, 3, &args);
        assert!(error["message"].as_str().unwrap().contains("are lost"), "{error}");
    }
    assert_eq!(hits(&yard, "/a"), 3);
    let ran = ok(&yard, &["reset", "--all", "--confirm", "local", "--json"]).json();
    let changed = json!([{ "path": "/a", "old": 3, "new": 0 }, { "path": "/b", "old": 2, "new": 0 }]);
    assert_eq!(ran["changed"], changed);
    assert_eq!(
        ran["counts"][0],
        json!({ "path": "/a", "hits": 0, "uniques": 0, "first": null, "last": null })
    );
    let answer = get(&url, "/counter?path=/a").json();
    assert_eq!((&answer["hits"], &answer["today"]["hits"]), (&json!(1), &json!(1)));
    let ran = ok(&yard, &["delete", "/b", "/never", "/a", "--confirm", "local", "--json"]).json();
    let changed = json!([{ "path": "/a", "old": 1, "new": null }, { "path": "/b", "old": 0, "new": null }]);
    assert_eq!((&ran["changed"], &ran["counts"]), (&changed, &json!([])));
    assert_eq!(ok(&yard, &["list"]).stdout, "No path has been hit yet.\n");
    // Nothing is lost, so nobody is asked.
    assert_eq!(ok(&yard, &["delete", "/b"]).stdout, "Nothing to change.\n");
}

#[test]
fn rename_takes_everything_along_and_refuses_a_name_with_counts() {
    let (yard, url) = yard();
    hit(&url, "/old", 3);
    hit(&url, "/other", 1);
    let before = ok(&yard, &["get", "/old", "--json"]).json()["counts"][0].clone();
    let error = refused(&yard, 1, &["rename", "/old", "/other"]);
    assert_eq!(error["message"], "\"/other\" has counts already (1 hits)");
    assert!(error["hint"].as_str().unwrap().contains("counts merge"), "{error}");
    ok(&yard, &["rename", "/old", "/new"]);
    let after = ok(&yard, &["get", "/new", "--json"]).json()["counts"][0].clone();
    assert_eq!(
        (&after["hits"], &after["first"], &after["last"]),
        (&before["hits"], &before["first"], &before["last"])
    );
    assert_eq!(get(&url, "/counter?path=/new").json()["today"]["hits"], 4);
    assert_eq!(hits(&yard, "/old"), 0);
    assert_eq!(refused(&yard, 1, &["rename", "/old", "/newer"])["code"], "no_such_path");
    assert_eq!(refused(&yard, 64, &["rename", "/new", "/new/"])["code"], "usage");
}

#[test]
fn a_merge_under_load_loses_no_hit() {
    let (yard, url) = yard();
    let (over, answered) = (AtomicBool::new(false), AtomicU64::new(0));
    let paths = ["/a", "/b", "/into"];
    std::thread::scope(|scope| {
        for path in paths {
            let (over, answered, url) = (&over, &answered, &url);
            scope.spawn(move || {
                let mut http = Http::connect(url).unwrap();
                while !over.load(Ordering::SeqCst) {
                    let answer = http.ask("GET", &format!("/counter?path={path}"), "", b"").unwrap();
                    // A hit that meets a merge may be told to come back; what is not said to be counted is not.
                    if answer.status == 200 {
                        answered.fetch_add(1, Ordering::SeqCst);
                    }
                }
            });
        }
        let _end = SetOnDrop(&over);
        for round in 1..=10 {
            let goal = answered.load(Ordering::SeqCst) + 60;
            while answered.load(Ordering::SeqCst) < goal {
                std::thread::yield_now();
            }
            let ran = yard.run(&["counts", "merge", "/a", "/b", "/into", "--yes", "--json"]);
            // With both gone at this very moment there is nothing to merge; they are hit again at once.
            assert!(ran.code == 0 || ran.json()["error"]["code"] == "no_such_path", "{round}: {ran:?}");
        }
    });
    let rows = ok(&yard, &["list", "--json"]).json()["counts"].clone();
    let sum: u64 = rows.as_array().unwrap().iter().map(|row| row["hits"].as_u64().unwrap()).sum();
    assert_eq!(sum, answered.into_inner());
    let all: Vec<_> = paths.iter().map(|path| get(&url, &format!("/v1/count?path={path}")).json()).collect();
    let today: u64 = all.iter().map(|answer| answer["today"]["hits"].as_u64().unwrap()).sum();
    assert_eq!(today, sum, "days are summed up too: {all:?}");
    assert_eq!(refused(&yard, 64, &["merge", "/a", "/a/", "--yes"])["code"], "usage");
    assert_eq!(refused(&yard, 3, &["merge", "/a", "/b"])["code"], "confirmation_needed");
}

#[test]
fn what_is_exported_and_imported_elsewhere_is_the_same() {
    let (yard, url) = yard();
    hit(&url, "/", 3);
    hit(&url, "/caf%25C3%25A9", 1);
    ok(&yard, &["set", "a \"quoted\", path", "5"]);
    ok(&yard, &["set", "/zero", "0"]);
    let other = Yard::with(OPEN);
    other.deploy();
    // Days and months are in NDJSON only.
    for (format, ways) in [("csv", "csv"), ("ndjson", "csv")] {
        let exported = ok(&yard, &["export", "--format", format]).stdout;
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
        let ran = other.run_as(&["counts", "import", "-", "--json"], |world| {
            world.stdin = Box::new(Cursor::new(exported.clone().into_bytes()));
        });
        assert_eq!(ran.code, 0, "{ran:?}");
        assert_eq!(ran.json()["counted"], 4);
        assert_eq!(ok(&other, &["export", "--format", format]).stdout, exported);
        let same = |yard: &Yard| ok(yard, &["export", "--format", ways]).stdout;
        assert_eq!(same(&other), same(&yard));
    }
}

/// A file of many paths, more than a few chunks.
fn many(yard: &Yard) -> u64 {
    let lines: Vec<String> =
        (0..100).map(|n| format!("/{n},{},2026-01-02,2026-01-03T00:00:00Z", n + 1)).collect();
    yard.write("many.csv", &lines.join("\n"));
    (1..=100).sum()
}

fn total(yard: &Yard) -> u64 {
    let rows = ok(yard, &["list", "--json"]).json()["counts"].clone();
    rows.as_array().unwrap().iter().map(|row| row["hits"].as_u64().unwrap()).sum()
}

#[test]
fn an_import_adds_once_and_says_so() {
    let (yard, url) = yard();
    hit(&url, "/1", 1);
    let sum = many(&yard) + 1;
    let ran = ok(&yard, &["import", "many.csv"]);
    assert_eq!(ran.stdout, "Imported 100 paths with 5050 hits.\n");
    assert_eq!(total(&yard), sum);
    let ran = ok(&yard, &["import", "many.csv"]);
    assert!(ran.stdout.starts_with("All of it was imported before (100 paths, 5050 hits)"), "{ran:?}");
    assert_eq!(total(&yard), sum);
    // The earliest first and the latest last time stay.
    let row = ok(&yard, &["get", "/1", "--json"]).json()["counts"][0].clone();
    assert_eq!((&row["hits"], &row["first"]), (&json!(3), &json!("2026-01-02")));
    assert_ne!(row["last"], "2026-01-03T00:00:00Z");
    // Markers are no counts.
    assert_eq!(get(&url, "/v1/count").json()["hits"], sum);
    // An id of its own counts once more; under the same id another file is refused.
    ok(&yard, &["import", "many.csv", "--id", "again"]);
    assert_eq!(total(&yard), 2 * sum - 1);
    yard.write("other.csv", "/1,1\n");
    let error = refused(&yard, 1, &["import", "other.csv", "--id", "again"]);
    assert_eq!(error["code"], "import_differs");
    assert_eq!(refused(&yard, 64, &["import", "other.csv", "--id", "a#b"])["code"], "usage");
}

#[test]
fn a_replacing_import_sets_and_asks_before_hits_are_lost() {
    let (yard, url) = yard();
    hit(&url, "/a", 3);
    yard.write("a.csv", "/a,1\n/b,9\n");
    assert_eq!(refused(&yard, 3, &["import", "a.csv", "--replace", "--yes"])["code"], "confirmation_needed");
    ok(&yard, &["import", "a.csv", "--replace", "--confirm", "local"]);
    assert_eq!((hits(&yard, "/a"), hits(&yard, "/b")), (1, 9));
    hit(&url, "/a", 1);
    // The same again is the same import: the hit since then stays.
    ok(&yard, &["import", "a.csv", "--replace", "--confirm", "local"]);
    assert_eq!(hits(&yard, "/a"), 2);
}

#[test]
fn a_file_with_a_bad_line_writes_nothing() {
    let (yard, _) = yard();
    yard.write("bad.csv", "path,hits\n/a,1\n/b,many\n");
    let wire = Wire::tap(&yard);
    let error = refused(&yard, 1, &["import", "bad.csv"]);
    assert_eq!(
        error["message"],
        "line 3: expected a whole number from 0 to 9007199254740991 in \"hits\", found \"many\""
    );
    assert!(wire.calls().iter().all(|call| call.starts_with("GET ")));
    assert_eq!(refused(&yard, 64, &["import", "none.csv"])["code"], "not_read");
}

/// Every call of an import is cut in every way; the next run brings it to its end, and each hit counts once.
#[test]
fn an_import_can_be_cut_anywhere() {
    let (yard, url) = yard();
    let sum = many(&yard);
    hit(&url, "/7", 1);
    let mut expected = 1;
    for cut in [Cut::Unsent, Cut::Unanswered, Cut::ProgramBefore, Cut::ProgramAfter] {
        for n in 1.. {
            let id = format!("{cut:?}-{n}");
            let args = ["counts", "import", "many.csv", "--id", &id];
            let wire = Wire::tap(&yard);
            wire.cut(n, cut);
            let reached = if cut.kills_the_program() {
                let mut program = yard.command(&args);
                let program = program.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
                let mut program = program.spawn().unwrap();
                wire.holds(&program);
                program.wait().unwrap();
                wire.calls().len() >= n
            } else {
                yard.run(&args);
                wire.calls().len() >= n
            };
            drop(wire);
            ok(&yard, &["import", "many.csv", "--id", &id]);
            expected += sum;
            assert_eq!(total(&yard), expected, "{id}");
            if !reached {
                break;
            }
        }
    }
}

#[test]
fn a_change_whose_answer_is_lost_is_made_once() {
    let (yard, url) = yard();
    hit(&url, "/", 1);
    let mut expected = 1;
    // The first call asks whether anybody is there; no answer is one.
    for n in 2.. {
        let wire = Wire::tap(&yard);
        wire.cut(n, Cut::Unanswered);
        let ran = yard.run(&["counts", "add", "/", "10"]);
        let reached = wire.calls().len() >= n;
        assert_eq!(ran.code, 0, "call {n} is asked again: {ran:?}");
        expected += 10;
        drop(wire);
        assert_eq!(hits(&yard, "/"), expected, "call {n}");
        if !reached {
            break;
        }
    }
}

#[test]
fn what_is_not_there_is_said() {
    let yard = Yard::with(OPEN);
    assert_eq!(refused(&yard, 1, &["add", "/", "1"])["code"], "local_stopped");
    assert_eq!(yard.run(&["local", "start"]).code, 0);
    let error = refused(&yard, 1, &["add", "/", "1"]);
    assert_eq!(error["code"], "ResourceNotFoundException");
    assert!(error["hint"].as_str().unwrap().contains("hitctl deploy"), "{error}");
}
