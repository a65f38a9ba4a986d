//! Runs on the local cloud are interrupted at each of their calls, in every way (a *cut*). The next run completes the
//! deployment, the URL stays the same, and no acknowledged hit is lost.

mod event_sources;

use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::proxy::{CloudProxy, Cut};
use crate::support::{CommandOutput, SetOnDrop, TestConnection, TestEnv, artifact, cut_calls, get};

/// The first configuration, which counts every hit and also visitors.
const SMALL: &str = "[function]\nreserved_concurrency = \"none\"\n[http]\nrate_per_second = 100000\nburst = 100000\n\
                     [counter]\npaths = \"open\"\nbots = \"count\"\nrepeat_window_s = 0\n";
/// The second configuration, which counts no visitors, so a deploy deletes their table.
const LARGE: &str = "[function]\nreserved_concurrency = \"none\"\nmemory_mb = 256\n[http]\nrate_per_second = 100000\nburst = 90000\n\
                     [counter]\npaths = \"open\"\nbots = \"count\"\nrepeat_window_s = 0\nvisitors = \"none\"\n";

/// A test environment whose runs are cut, and checks of the next run.
struct Case {
    test_env: TestEnv,
    zip: String,
}

impl Case {
    fn new() -> Self {
        Self { test_env: TestEnv::with_config(SMALL), zip: artifact() }
    }

    /// Runs a command and asserts that it succeeds.
    #[track_caller]
    fn ok(&self, args: &[&str]) -> CommandOutput {
        let output = self.test_env.run(args);
        assert_eq!(output.code, 0, "{args:?}: {output:?}");
        output
    }

    fn deploy(&self) -> String {
        let output = self.ok(&["deploy", "--json", "--artifact", &self.zip]);
        output.json()["outputs"]["url"].as_str().unwrap().to_owned()
    }

    /// Removes everything, counts included.
    fn wipe(&self) {
        let file = self.test_env.path().join("wiped.ndjson").display().to_string();
        self.ok(&["destroy", "--delete-data", "--confirm", "local", "--export", &file]);
        drop(std::fs::remove_file(file));
    }

    /// Deploys again after the cut and asserts that nothing is left to change. Returns the URL.
    fn recover(&self) -> String {
        let url = self.deploy();
        let plan = self.test_env.run(&["plan", "--detailed-exitcode", "--artifact", &self.zip]);
        assert_eq!(plan.code, 0, "one deploy after the cut makes all changes: {plan:?}");
        url
    }

    /// Returns the ids and ports that the local cloud has assigned to the API.
    fn api(&self) -> Option<serde_json::Value> {
        let registry = std::fs::read(self.test_env.state().join("registry.json")).ok()?;
        let registry: serde_json::Value = serde_json::from_slice(&registry).expect("a complete file");
        registry["resources"]["http_api"].get("hits-local").cloned().map(|mut api| api["outputs"].take())
    }

    fn hits(&self) -> u64 {
        self.ok(&["counts", "get", "/", "--json"]).json()["counts"][0]["hits"].as_u64().unwrap()
    }

    /// Runs a command and cuts its n-th call. Returns `false` if the command completed with fewer calls.
    fn cut(&self, n: usize, cut: Cut, args: &[&str]) -> bool {
        let proxy = CloudProxy::attach(&self.test_env);
        proxy.cut(n, cut);
        if cut.kills_program() {
            let program =
                self.test_env.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
            proxy.set_program(&program);
            let ended = program.wait_with_output().unwrap();
            let reached = proxy.cut_call().is_some();
            // Killed by the cut, or completed without a cut call.
            let expected = if reached { None } else { Some(0) };
            assert_eq!(ended.status.code(), expected, "{cut:?} of call {n}: {ended:?}");
            return reached;
        }
        let output = self.test_env.run(args);
        let cut_call = proxy.cut_call();
        let reached = cut_call.is_some();
        // A run can succeed after these cuts. The first call only checks that the cloud runs, and is repeated. The SDK
        // retries calls of DynamoDB, and a lease that cannot be released expires.
        let may_succeed = |call: &str| (n == 1 && call == "GET status") || call.starts_with("dynamodb:");
        // A cut run ends with an error message: never with a panic, and never with a false success.
        match output.code {
            0 => assert!(
                cut_call.as_deref().is_none_or(may_succeed),
                "{cut:?} of call {n}, {cut_call:?}: {output:?}"
            ),
            1 | 5 => assert!(reached, "{cut:?} of call {n}: {output:?}"),
            _ => panic!("{cut:?} of call {n}: {output:?}"),
        }
        if output.code != 0 {
            let json = output.json();
            let error = if json["error"].is_object() { &json["error"] } else { &json["failed"][0]["error"] };
            assert!(
                error["message"].is_string() && error["hint"].is_string(),
                "{cut:?} of call {n}: {output:?}"
            );
        }
        reached
    }
}

/// Cuts a run at the calls for this kind of cut ([`cut_calls`]). Asserts that it makes about `min_calls` calls or more. `reset` restores
/// the initial state, and `check` runs after each cut.
fn at_every_call(
    cut: Cut,
    min_calls: usize,
    reset: impl Fn(),
    run: impl Fn(usize) -> bool,
    check: impl Fn(),
) {
    let kind = CUTS.iter().take_while(|kind| **kind != cut).count();
    for n in cut_calls(kind) {
        reset();
        if !run(n) {
            assert!(n > min_calls, "{cut:?}: the run made fewer than {n} calls");
            break;
        }
        check();
    }
}

const CUTS: [Cut; 6] = [
    Cut::RequestLost,
    Cut::ResponseLost,
    Cut::CloudKilledDuring,
    Cut::CloudKilledAfter,
    Cut::ProgramKilledBefore,
    Cut::ProgramKilledAfter,
];

/// Runs a test with every kind of cut, two at a time.
fn for_every_cut(test: impl Fn(Cut) + Sync) {
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
fn first_deploy_cut_at_any_call_recovers() {
    for_every_cut(|cut| {
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
                let url = case.recover();
                if before.is_some() {
                    assert_eq!(case.api(), before, "assigned ids and ports are kept: {cut:?}");
                }
                assert_eq!(get(&url, "/counter?path=/").json()["hits"], 1, "{cut:?}");
            },
        );
    });
}

#[test]
fn update_under_load_cut_at_any_call_recovers() {
    for_every_cut(|cut| {
        let case = Case::new();
        let url = case.deploy();
        let (answered, sent, stop) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
        std::thread::scope(|scope| {
            scope.spawn(|| hit_until(&url, &stop, &answered, &sent));
            let stop = SetOnDrop(&stop);
            at_every_call(
                cut,
                10,
                || {
                    case.test_env.write("hitctl.toml", SMALL);
                    assert_eq!(case.deploy(), url);
                    case.test_env.write("hitctl.toml", LARGE);
                },
                |n| case.cut(n, cut, &["deploy", "--json", "--artifact", &case.zip]),
                || {
                    assert_eq!(case.recover(), url, "{cut:?}");
                    let before = answered.load(Ordering::SeqCst);
                    let hits = case.hits();
                    let after = sent.load(Ordering::SeqCst);
                    assert!(
                        (before..=after).contains(&hits),
                        "{cut:?}: expected {before} to {after} hits, found {hits}"
                    );
                },
            );
            drop(stop);
        });
        assert!(answered.into_inner() > 0, "{cut:?}: no hit was acknowledged");
    });
}

#[test]
fn destroy_cut_at_any_call_recovers() {
    for_every_cut(|cut| {
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
                let repeated = case.ok(&["destroy", "--yes", "--json"]).json();
                assert_eq!(repeated["summary"]["delete"], 0, "{cut:?}: {repeated}");
                let status = case.ok(&["status", "--json"]).json();
                let existing =
                    status["resources"].as_array().unwrap().iter().filter(|one| one["present"] == true);
                let existing: Vec<_> = existing.map(|one| &one["address"]).collect();
                assert_eq!(existing, ["log_group.function", "table.hits"], "{cut:?}");
                assert!(std::net::TcpStream::connect(url.trim_start_matches("http://")).is_err(), "{cut:?}");
                // A destroy with nothing to remove does not start the cloud.
                case.ok(&["local", "start"]);
                assert_eq!(case.hits(), hits.get(), "{cut:?}");
            },
        );
    });
}

#[test]
fn destroy_with_data_cut_at_any_call_has_exported_counts() {
    for_every_cut(|cut| {
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
                let table = case.test_env.run(&["counts", "get", "/", "--json"]);
                let in_table = table.json()["counts"][0]["hits"].as_u64().is_some_and(|hits| hits > 0);
                let exported =
                    std::fs::read_to_string(case.test_env.path().join(export(n.get()))).unwrap_or_default();
                assert!(
                    in_table || exported.contains(r#""path":"/""#),
                    "{cut:?} of call {} lost the counts",
                    n.get()
                );
                case.wipe();
                let status = case.ok(&["status", "--json"]).json();
                assert!(status["resources"].as_array().unwrap().iter().all(|one| one["present"] == false));
            },
        );
    });
}

/// Sends hits without a pause until `stop` is set. Connects again if the cloud is killed.
fn hit_until(url: &str, stop: &AtomicBool, answered: &AtomicU64, sent: &AtomicU64) {
    while !stop.load(Ordering::SeqCst) {
        let Ok(mut http) = TestConnection::connect(url) else {
            std::thread::park_timeout(std::time::Duration::from_millis(1));
            continue;
        };
        while !stop.load(Ordering::SeqCst) {
            sent.fetch_add(1, Ordering::SeqCst);
            match http.send("GET", "/counter?path=/", "", b"") {
                Ok(response) if response.status == 200 => drop(answered.fetch_add(1, Ordering::SeqCst)),
                Ok(_) => {}
                Err(_) => break,
            }
        }
    }
}
