//! The proof of idempotency: every run is cut at its n-th call, for every n, in every way a call can be cut. The next run
//! brings everything where it belongs, the URL stays, and no hit that was answered is lost.

mod fed;

use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::support::{Http, Ran, SetOnDrop, Yard, artifact, get};
use crate::wire::{Cut, Wire};

/// With visitors, and every hit counts.
const SMALL: &str = "[function]\nreserved_concurrency = \"none\"\n[http]\nrate_per_second = 100000\nburst = 100000\n\
                     [counter]\npaths = \"open\"\nbots = \"count\"\nrepeat_window_s = 0\n";
/// Without visitors: their table goes.
const LARGE: &str = "[function]\nreserved_concurrency = \"none\"\nmemory_mb = 256\n[http]\nrate_per_second = 100000\nburst = 90000\n\
                     [counter]\npaths = \"open\"\nbots = \"count\"\nrepeat_window_s = 0\nvisitors = \"none\"\n";

/// A state to begin with, a run that is cut, and how to look whether the next one mended it.
struct Case {
    yard: Yard,
    zip: String,
}

impl Case {
    fn new() -> Self {
        Self { yard: Yard::with(SMALL), zip: artifact() }
    }

    /// Runs what must succeed.
    #[track_caller]
    fn ok(&self, args: &[&str]) -> Ran {
        let ran = self.yard.run(args);
        assert_eq!(ran.code, 0, "{args:?}: {ran:?}");
        ran
    }

    fn deploy(&self) -> String {
        let ran = self.ok(&["deploy", "--json", "--artifact", &self.zip]);
        ran.json()["outputs"]["url"].as_str().unwrap().to_owned()
    }

    /// Removes everything, counts too.
    fn wipe(&self) {
        let file = self.yard.path().join("wiped.ndjson").display().to_string();
        self.ok(&["destroy", "--delete-data", "--confirm", "local", "--export", &file]);
        drop(std::fs::remove_file(file));
    }

    /// Deploys once more after the cut, and looks that nothing is left to do after that.
    fn mended(&self) -> String {
        let url = self.deploy();
        let plan = self.yard.run(&["plan", "--detailed-exitcode", "--artifact", &self.zip]);
        assert_eq!(plan.code, 0, "a deploy after the cut is the end of it: {plan:?}");
        url
    }

    /// The ids and ports that were given out so far.
    fn api(&self) -> Option<serde_json::Value> {
        let registry = std::fs::read(self.yard.state().join("registry.json")).ok()?;
        let registry: serde_json::Value = serde_json::from_slice(&registry).expect("never half-written");
        registry["resources"]["http_api"].get("hits-local").cloned().map(|mut api| api["outputs"].take())
    }

    fn hits(&self) -> u64 {
        self.ok(&["counts", "get", "/", "--json"]).json()["counts"][0]["hits"].as_u64().unwrap()
    }

    /// Runs with the n-th call cut. `false`: it made fewer calls than that, and so has come to its end.
    fn cut(&self, n: usize, cut: Cut, args: &[&str]) -> bool {
        let wire = Wire::tap(&self.yard);
        wire.cut(n, cut);
        if cut.kills_the_program() {
            let program =
                self.yard.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
            wire.holds(&program);
            let ended = program.wait_with_output().unwrap();
            let reached = wire.was_cut().is_some();
            // Killed by the cut, or come to its end without a call that was cut.
            let expected = if reached { None } else { Some(0) };
            assert_eq!(ended.status.code(), expected, "{cut:?} of call {n}: {ended:?}");
            return reached;
        }
        let ran = self.yard.run(args);
        let was_cut = wire.was_cut();
        let reached = was_cut.is_some();
        // The first call only checks that the cloud runs, and is repeated. The SDK repeats its own calls, and a lease that
        // cannot be released expires.
        let sent_again = |call: &str| (n == 1 && call == "GET status") || call.starts_with("dynamodb:");
        // What was cut is an error with words: never a panic, never a false success.
        match ran.code {
            0 => assert!(
                was_cut.as_deref().is_none_or(sent_again),
                "{cut:?} of call {n}, {was_cut:?}: {ran:?}"
            ),
            1 | 5 => assert!(reached, "{cut:?} of call {n}: {ran:?}"),
            _ => panic!("{cut:?} of call {n}: {ran:?}"),
        }
        if ran.code != 0 {
            let json = ran.json();
            let error = if json["error"].is_object() { &json["error"] } else { &json["failed"][0]["error"] };
            assert!(
                error["message"].is_string() && error["hint"].is_string(),
                "{cut:?} of call {n}: {ran:?}"
            );
        }
        reached
    }
}

/// Cuts a run at every call that it makes; `again` brings back the state to begin with, `look` looks after each cut.
fn at_every_call(cut: Cut, least: usize, again: impl Fn(), run: impl Fn(usize) -> bool, look: impl Fn()) {
    let mut n = 1;
    loop {
        again();
        if !run(n) {
            break;
        }
        look();
        n += 1;
    }
    assert!(n > least, "{cut:?}: only {n} calls were there to be cut");
}

const CUTS: [Cut; 6] =
    [Cut::Unsent, Cut::Unanswered, Cut::CloudDuring, Cut::CloudAfter, Cut::ProgramBefore, Cut::ProgramAfter];

/// Every way of cutting, each in a yard of its own, two at a time.
fn every_way(test: impl Fn(Cut) + Sync) {
    let next = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(cut) = CUTS.get(next.fetch_add(1, Ordering::SeqCst)) {
                    test(*cut);
                }
            });
        }
    });
}

#[test]
fn a_first_deploy_can_be_cut_anywhere() {
    every_way(|cut| {
        let case = Case::new();
        let args = ["deploy", "--json", "--artifact", &case.zip];
        at_every_call(
            cut,
            15,
            || {
                case.ok(&["local", "reset", "--confirm", "local"]);
                case.ok(&["local", "start"]);
            },
            |n| case.cut(n, cut, &args),
            || {
                let before = case.api();
                let url = case.mended();
                if before.is_some() {
                    assert_eq!(case.api(), before, "what was given out once stays: {cut:?}");
                }
                assert_eq!(get(&url, "/counter?path=/").json()["hits"], 1, "{cut:?}");
            },
        );
    });
}

#[test]
fn an_update_under_load_can_be_cut_anywhere() {
    every_way(|cut| {
        let case = Case::new();
        let url = case.deploy();
        let (answered, sent, over) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
        std::thread::scope(|scope| {
            scope.spawn(|| hit_until(&url, &over, &answered, &sent));
            let over = SetOnDrop(&over);
            at_every_call(
                cut,
                10,
                || {
                    case.yard.write("hitctl.toml", SMALL);
                    assert_eq!(case.deploy(), url);
                    case.yard.write("hitctl.toml", LARGE);
                },
                |n| case.cut(n, cut, &["deploy", "--json", "--artifact", &case.zip]),
                || {
                    assert_eq!(case.mended(), url, "{cut:?}");
                    let before = answered.load(Ordering::SeqCst);
                    let hits = case.hits();
                    let after = sent.load(Ordering::SeqCst);
                    assert!((before..=after).contains(&hits), "{cut:?}: {hits} of {before} to {after} hits");
                },
            );
            drop(over);
        });
        assert!(answered.into_inner() > 0, "{cut:?}: no hit came through");
    });
}

#[test]
fn a_destroy_can_be_cut_anywhere() {
    every_way(|cut| {
        let case = Case::new();
        let url = case.deploy();
        let hits = std::cell::Cell::new(0);
        at_every_call(
            cut,
            12,
            || {
                assert_eq!(case.deploy(), url);
                hits.set(hits.get() + 1);
                assert_eq!(get(&url, "/counter?path=/").json()["hits"], hits.get(), "{cut:?}");
            },
            |n| case.cut(n, cut, &["destroy", "--yes", "--json"]),
            || {
                case.ok(&["destroy", "--yes"]);
                let again = case.ok(&["destroy", "--yes", "--json"]).json();
                assert_eq!(again["summary"]["delete"], 0, "{cut:?}: {again}");
                let status = case.ok(&["status", "--json"]).json();
                let there =
                    status["resources"].as_array().unwrap().iter().filter(|one| one["present"] == true);
                let there: Vec<_> = there.map(|one| &one["address"]).collect();
                assert_eq!(there, ["log_group.function", "table.hits"], "{cut:?}");
                assert!(std::net::TcpStream::connect(url.trim_start_matches("http://")).is_err(), "{cut:?}");
                // With nothing to remove, a destroy starts nothing.
                case.ok(&["local", "start"]);
                assert_eq!(case.hits(), hits.get(), "{cut:?}");
            },
        );
    });
}

#[test]
fn a_destroy_with_its_data_has_exported_it_before_it_is_gone() {
    every_way(|cut| {
        let case = Case::new();
        let n = std::cell::Cell::new(0);
        let export = |n: usize| format!("export-{n}.ndjson");
        at_every_call(
            cut,
            14,
            || {
                let url = case.deploy();
                assert_eq!(get(&url, "/counter?path=/").status, 200);
            },
            |at| {
                n.set(at);
                let file = export(at);
                case.cut(
                    at,
                    cut,
                    &["destroy", "--json", "--delete-data", "--confirm", "local", "--export", &file],
                )
            },
            || {
                case.ok(&["local", "start"]);
                let table = case.yard.run(&["counts", "get", "/", "--json"]);
                let in_table = table.json()["counts"][0]["hits"].as_u64().is_some_and(|hits| hits > 0);
                let exported =
                    std::fs::read_to_string(case.yard.path().join(export(n.get()))).unwrap_or_default();
                assert!(in_table || exported.contains(r#""path":"/""#), "{cut:?} of call {}: lost", n.get());
                case.wipe();
                let status = case.ok(&["status", "--json"]).json();
                assert!(status["resources"].as_array().unwrap().iter().all(|one| one["present"] == false));
            },
        );
    });
}

/// One reader after the other, with nothing between them, whatever happens to the cloud.
fn hit_until(url: &str, over: &AtomicBool, answered: &AtomicU64, sent: &AtomicU64) {
    while !over.load(Ordering::SeqCst) {
        let Ok(mut http) = Http::connect(url) else {
            std::thread::park_timeout(std::time::Duration::from_millis(1));
            continue;
        };
        while !over.load(Ordering::SeqCst) {
            sent.fetch_add(1, Ordering::SeqCst);
            match http.ask("GET", "/counter?path=/", "", b"") {
                Ok(answer) if answer.status == 200 => drop(answered.fetch_add(1, Ordering::SeqCst)),
                Ok(_) => {}
                Err(_) => break,
            }
        }
    }
}
