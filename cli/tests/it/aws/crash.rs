//! Runs on an emulator are interrupted at each of their AWS calls, in every way (a *cut*). The next run completes the
//! deployment: it creates no second API and leaves no orphaned resource. The URL stays the same, and no acknowledged
//! hit is lost.

mod event_sources;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use hitctl_emulators::{Emulator, InjectedFault, RecordingProxy};
use serde_json::Value as Json;

use super::recorded_env::{
    KillSwitch, assert_one_more_hit, build, hit, remaining_resources, try_get_from_emulator,
};
use super::test_env::AwsTestEnv;
use crate::support::{CommandOutput, SetOnDrop, artifact, cut_calls};

/// The first configuration, which counts every hit and also visitors.
const SMALL: &str = "function.reserved_concurrency = \"none\"\nhttp.rate_per_second = 100000\nhttp.burst = 100000\n\
                     counter.paths = \"open\"\ncounter.bots = \"count\"\ncounter.repeat_window_s = 0\n";
/// The second configuration, which counts no visitors, so a deploy deletes their table.
const LARGE: &str = "function.reserved_concurrency = \"none\"\nfunction.memory_mb = 256\nhttp.rate_per_second = 100000\nhttp.burst = 90000\n\
                     counter.paths = \"open\"\ncounter.bots = \"count\"\ncounter.repeat_window_s = 0\ncounter.visitors = \"none\"\n";

/// Maximum number of hits during a run. More would slow down the emulator, which serves several apps.
const MAX_HITS: u32 = 30;

/// How a run is interrupted at a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CutKind {
    /// The program is killed before the call is forwarded.
    ProgramKilledBefore,
    /// The program is killed after the call was executed, before it gets the response.
    ProgramKilledAfter,
    /// The call is executed, and its response is lost.
    ResponseLost,
    /// The service returns an error.
    ServerError,
}

const CUT_KINDS: [CutKind; 4] =
    [CutKind::ProgramKilledBefore, CutKind::ProgramKilledAfter, CutKind::ResponseLost, CutKind::ServerError];

/// An app, its emulator and the proxy in front of it. Each test has its own emulator. A shared one may not respond for
/// half a minute, since it ends the processes of functions one by one.
struct Case {
    emulator: Arc<Emulator>,
    env: AwsTestEnv,
    proxy: RecordingProxy,
    zip: String,
    /// A zip of the same function with another hash.
    other_zip: String,
}

impl Case {
    fn new(emulator: &Arc<Emulator>, subject: &str, kind: CutKind) -> Self {
        let proxy = RecordingProxy::new(emulator.endpoint());
        let app = format!("{subject}-{}", format!("{kind:?}").to_lowercase());
        let env = AwsTestEnv::new(proxy.endpoint(), &app, SMALL);
        let other_zip = build(&env, 1);
        Self { emulator: Arc::clone(emulator), env, proxy, zip: artifact(), other_zip }
    }

    /// Runs a command and asserts that it succeeds.
    #[track_caller]
    fn ok(&self, args: &[&str]) -> CommandOutput {
        let output = self.env.run(args);
        assert_eq!(output.code, 0, "{}: {args:?}: {output:?}", self.env.app);
        output
    }

    fn deploy(&self) -> String {
        self.deploy_zip(&self.zip)
    }

    fn deploy_zip(&self, zip: &str) -> String {
        let output = self.ok(&["deploy", "--json", "--artifact", zip]);
        output.json()["outputs"]["url"].as_str().unwrap().to_owned()
    }

    /// Deploys again after the cut. Asserts that nothing is left to change and that no resource exists twice. Returns
    /// the URL.
    fn recover(&self, zip: &str) -> String {
        let url = self.deploy_zip(zip);
        let plan = self.ok(&["plan", "--json", "--artifact", zip]).json();
        let changes = plan["changes"].as_array().unwrap().iter().filter(|change| change["action"] != "keep");
        let changes = changes.filter(|change| !is_emulator_gap(change));
        assert_eq!(changes.count(), 0, "one deploy after the cut makes all changes: {plan}");
        let config = std::fs::read_to_string(self.env.base.path().join("hitctl.toml")).unwrap();
        let tables = if config.contains("visitors = \"none\"") { 1 } else { 2 };
        // Two queues, a mapping, a rule, and another role.
        let event_sources = if config.contains("queue.enabled = true") { 5 } else { 0 };
        let remaining = self.remaining_resources();
        assert_eq!(
            remaining.len(),
            tables + 4 + event_sources,
            "the tables, role, log group, function and one API: {remaining:?}"
        );
        url
    }

    /// Lists the resources of the app in the emulator.
    fn remaining_resources(&self) -> Vec<String> {
        remaining_resources(&self.emulator, &self.env.app)
    }

    /// Removes everything, counts included.
    fn wipe(&self) {
        let file = self.env.base.path().join("wiped.ndjson");
        let name = file.display().to_string();
        self.ok(&["destroy", "--delete-data", "--confirm", "test", "--export", &name]);
        drop(std::fs::remove_file(file));
        assert_eq!(self.remaining_resources(), [""; 0], "nothing is orphaned");
    }

    fn hits(&self) -> u64 {
        self.ok(&["counts", "get", "/", "--json"]).json()["counts"][0]["hits"].as_u64().unwrap()
    }

    /// Runs a command and cuts its n-th call. Returns whether the command made a writing call, or `None` if it
    /// completed with fewer calls.
    fn cut(&self, n: usize, kind: CutKind, args: &[&str]) -> Option<bool> {
        self.proxy.reset();
        let code = if matches!(kind, CutKind::ProgramKilledBefore | CutKind::ProgramKilledAfter) {
            self.run_killed(n, kind, args)
        } else {
            let fault = if kind == CutKind::ResponseLost {
                InjectedFault::DropResponse
            } else {
                InjectedFault::server_error()
            };
            self.proxy.fail_call(n, fault);
            let output = self.env.run(args);
            // Retries repair most cuts. After the others, the command reports an error. Exit code 6 means that
            // everything was created, but the URL did not respond in time.
            if !matches!(output.code, 0 | 6) {
                let json = output.json();
                let error =
                    if json["error"].is_object() { &json["error"] } else { &json["failed"][0]["error"] };
                assert!(error["message"].is_string(), "{kind:?} of call {n}: {output:?}");
            }
            Some(i32::from(output.code))
        };
        self.proxy.clear_fault_rule();
        let reached = self.proxy.calls().len() >= n;
        let expected: &[Option<i32>] = match (kind, reached) {
            (_, false) => &[Some(0)],
            (CutKind::ProgramKilledBefore | CutKind::ProgramKilledAfter, true) => &[None],
            (CutKind::ResponseLost | CutKind::ServerError, true) => &[Some(0), Some(1), Some(5), Some(6)],
        };
        let calls = self.proxy.call_names();
        assert!(expected.contains(&code), "{kind:?} of call {n}: ended with {code:?}: {calls:?}");
        let wrote = !self.proxy.write_names().is_empty();
        reached.then_some(wrote)
    }

    /// Runs a command as a separate process, which is killed at its n-th call.
    fn run_killed(&self, n: usize, kind: CutKind, args: &[&str]) -> Option<i32> {
        let kill_switch = KillSwitch::default();
        let kill = {
            let kill_switch = kill_switch.clone();
            move || kill_switch.kill()
        };
        self.proxy.fail_call(
            n,
            if kind == CutKind::ProgramKilledBefore {
                InjectedFault::hook_before(kill)
            } else {
                InjectedFault::hook_after(kill)
            },
        );
        kill_switch.run(&self.proxy, self.env.command(args)).status.code()
    }
}

/// Whether a change only sets the role with which the API sends hits to the queue. The emulator does not store this
/// field.
fn is_emulator_gap(change: &Json) -> bool {
    let fields: Vec<_> = change["fields"].as_array().unwrap().iter().map(|diff| &diff["field"]).collect();
    change["address"] == "http_api.api" && fields == ["ingest.role_arn"]
}

/// Cuts a run at the calls for each kind of cut ([`cut_calls`]), with one app per kind. Asserts that it makes about `min_calls` calls or
/// more. `reset` restores the initial state before each run. `check` runs after each cut run that made a writing call.
fn at_every_call(
    subject: &str,
    min_calls: usize,
    set_up: impl Fn(&Case) + Sync,
    reset: impl Fn(&Case, usize) + Sync,
    run: impl Fn(&Case, usize, CutKind) -> Option<bool> + Sync,
    check: impl Fn(&Case, usize) + Sync,
) {
    let emulator = Arc::new(Emulator::new_ministack());
    let run_kind = |index: usize, kind: CutKind| {
        let case = Case::new(&emulator, subject, kind);
        set_up(&case);
        for n in cut_calls(index) {
            reset(&case, n);
            match run(&case, n, kind) {
                None => {
                    assert!(n > min_calls, "{kind:?}: the run made fewer than {n} calls");
                    break;
                }
                Some(true) => check(&case, n),
                // The run had only read, so nothing changed.
                Some(false) => {}
            }
        }
        case.wipe();
    };
    std::thread::scope(|scope| {
        let run_kind = &run_kind;
        let kinds = CUT_KINDS.iter().enumerate();
        let runs: Vec<_> = kinds.map(|(index, kind)| scope.spawn(move || run_kind(index, *kind))).collect();
        for thread in runs {
            thread.join().unwrap();
        }
    });
}

#[test]
fn first_deploy_cut_at_any_call_recovers() {
    at_every_call(
        "first",
        25,
        |_| {},
        |_, _| {},
        |case, n, kind| case.cut(n, kind, &["deploy", "--json", "--artifact", &case.zip]),
        |case, n| {
            let url = case.recover(&case.zip);
            assert_one_more_hit(&url, 0, &format!("after the cut of call {n}"));
            case.wipe();
        },
    );
}

#[test]
fn update_under_hits_cut_at_any_call_recovers() {
    // Each run switches between two configurations and builds, so that no reset is necessary.
    fn config_and_zip(case: &Case, n: usize) -> (&'static str, &str) {
        if n % 2 == 1 { (LARGE, &case.other_zip) } else { (SMALL, &case.zip) }
    }
    at_every_call(
        "update",
        15,
        |case| drop(case.deploy()),
        |case, n| case.env.configure(config_and_zip(case, n).0),
        |case, n, kind| {
            let (url, zip) = (live_url(case), config_and_zip(case, n).1);
            let before = case.hits();
            let (answered, sent, stop) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
            let cut = std::thread::scope(|scope| {
                scope.spawn(|| {
                    for _ in 0..MAX_HITS {
                        if stop.load(Ordering::SeqCst) {
                            break;
                        }
                        sent.fetch_add(1, Ordering::SeqCst);
                        // A hit without a response does not have to be counted.
                        let is_answered = try_get_from_emulator(&url, "/counter?path=/")
                            .is_ok_and(|response| response.status == 200);
                        answered.fetch_add(u64::from(is_answered), Ordering::SeqCst);
                    }
                });
                let _stop = SetOnDrop(&stop);
                case.cut(n, kind, &["deploy", "--json", "--artifact", zip])
            });
            assert_eq!(case.recover(zip), url, "{kind:?} of call {n}: the URL is unchanged");
            // A process that was replaced may have counted a hit without responding.
            let counted = case.hits() - before;
            let (answered, sent) = (answered.into_inner(), sent.into_inner());
            assert!(
                (answered..=sent).contains(&counted),
                "{kind:?} of call {n}: expected {answered} to {sent} hits, found {counted}"
            );
            cut
        },
        |_, _| {},
    );
}

#[test]
fn destroy_cut_at_any_call_recovers() {
    at_every_call(
        "destroy",
        20,
        |case| drop(case.deploy()),
        |_, _| {},
        |case, n, kind| case.cut(n, kind, &["destroy", "--yes", "--json"]),
        |case, n| {
            case.ok(&["destroy", "--yes"]);
            let remaining = case.remaining_resources();
            assert!(
                remaining.len() == 2
                    && remaining[0].starts_with("destroy-")
                    && remaining[1].contains(":log-group:"),
                "only the table and the log group remain after the cut of call {n}: {remaining:?}"
            );
            let url = case.deploy();
            assert_one_more_hit(&url, case.hits(), &format!("after the cut of call {n}"));
        },
    );
}

#[test]
fn destroy_with_data_cut_at_any_call_has_exported_counts() {
    let export = |n: usize| format!("export-{n}.ndjson");
    let set_up = |case: &Case| assert_eq!(hit(&case.deploy(), "/counter?path=/").status, 200);
    at_every_call(
        "data",
        25,
        set_up,
        |_, _| {},
        |case, n, kind| {
            let args = ["destroy", "--json", "--delete-data", "--confirm", "test", "--export", &export(n)];
            case.cut(n, kind, &args)
        },
        |case, n| {
            let table = case.env.run(&["counts", "get", "/", "--json"]);
            let in_table = table.json()["counts"][0]["hits"].as_u64().is_some_and(|hits| hits > 0);
            let file = case.env.base.path().join(export(n));
            let exported = std::fs::read_to_string(file).unwrap_or_default();
            assert!(in_table || exported.contains(r#""path":"/""#), "the cut of call {n} lost the counts");
            case.wipe();
            set_up(case);
        },
    );
}

fn live_url(case: &Case) -> String {
    case.ok(&["status", "--json"]).json()["url"].as_str().unwrap().to_owned()
}
