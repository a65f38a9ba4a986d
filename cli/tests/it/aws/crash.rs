//! The crash loop on an emulator: a run is cut at its n-th call, for every n, in every way. The next run brings everything where
//! it belongs, with one API and nothing orphaned; the URL stays, and no hit that was answered is lost.

mod fed;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use hitctl_emulators::{Emulator, Fault, Wire};
use serde_json::Value as Json;

use super::scene::{Death, build, hit, left, one_more, try_to_ask};
use super::yard::AwsYard;
use crate::support::{Ran, SetOnDrop, artifact};

/// With visitors, and every hit counts.
const SMALL: &str = "function.reserved_concurrency = \"none\"\nhttp.rate_per_second = 100000\nhttp.burst = 100000\n\
                     counter.paths = \"open\"\ncounter.bots = \"count\"\ncounter.repeat_window_s = 0\n";
/// Without visitors: their table goes.
const LARGE: &str = "function.reserved_concurrency = \"none\"\nfunction.memory_mb = 256\nhttp.rate_per_second = 100000\nhttp.burst = 90000\n\
                     counter.paths = \"open\"\ncounter.bots = \"count\"\ncounter.repeat_window_s = 0\ncounter.visitors = \"none\"\n";

/// So many visits during a run, at most: the emulator has to serve everybody.
const VISITS: u32 = 30;

/// How a call is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// The program is killed before the call is sent on.
    KilledBefore,
    /// The program is killed when the call is done, and has no answer yet.
    KilledAfter,
    /// The call is done, and its answer is lost.
    Lost,
    /// The service fails.
    Failed,
}

const WAYS: [Way; 4] = [Way::KilledBefore, Way::KilledAfter, Way::Lost, Way::Failed];

/// An app of its own, the emulator that it is on, and the wire to it. Each loop has an emulator for itself: one that serves several
/// of them may answer nobody for half a minute, since it ends processes one by one.
struct Case {
    emulator: Arc<Emulator>,
    yard: AwsYard,
    wire: Wire,
    zip: String,
    /// Of the same function, with another hash.
    other: String,
}

impl Case {
    fn new(emulator: &Arc<Emulator>, subject: &str, way: Way) -> Self {
        let wire = Wire::new(emulator.endpoint());
        let app = format!("{subject}-{}", format!("{way:?}").to_lowercase());
        let yard = AwsYard::new(wire.endpoint(), &app, SMALL);
        let other = build(&yard, 1);
        Self { emulator: Arc::clone(emulator), yard, wire, zip: artifact(), other }
    }

    /// Runs what must succeed.
    #[track_caller]
    fn ok(&self, args: &[&str]) -> Ran {
        let ran = self.yard.run(args);
        assert_eq!(ran.code, 0, "{}: {args:?}: {ran:?}", self.yard.app);
        ran
    }

    fn deploy(&self) -> String {
        self.deploy_zip(&self.zip)
    }

    fn deploy_zip(&self, zip: &str) -> String {
        let ran = self.ok(&["deploy", "--json", "--artifact", zip]);
        ran.json()["outputs"]["url"].as_str().unwrap().to_owned()
    }

    /// Deploys once more after the cut, and looks that nothing is left to do after that, and nothing is there twice.
    fn mended(&self, zip: &str) -> String {
        let url = self.deploy_zip(zip);
        let plan = self.ok(&["plan", "--json", "--artifact", zip]).json();
        let changes = plan["changes"].as_array().unwrap().iter().filter(|change| change["action"] != "keep");
        let changes = changes.filter(|change| !is_forgotten(change));
        assert_eq!(changes.count(), 0, "a deploy after the cut is the end of it: {plan}");
        let config = std::fs::read_to_string(self.yard.yard.path().join("hitctl.toml")).unwrap();
        let tables = if config.contains("visitors = \"none\"") { 1 } else { 2 };
        // Two queues, a mapping, a rule, and another role.
        let fed = if config.contains("queue.enabled = true") { 5 } else { 0 };
        let left = self.left();
        assert_eq!(
            left.len(),
            tables + 4 + fed,
            "the tables, role, log group, function and one API: {left:?}"
        );
        url
    }

    /// What the emulator says is there.
    fn left(&self) -> Vec<String> {
        left(&self.emulator, &self.yard.app)
    }

    /// Removes everything, counts too.
    fn wipe(&self) {
        let file = self.yard.yard.path().join("wiped.ndjson");
        let name = file.display().to_string();
        self.ok(&["destroy", "--delete-data", "--confirm", "test", "--export", &name]);
        drop(std::fs::remove_file(file));
        assert_eq!(self.left(), [""; 0], "nothing is orphaned");
    }

    fn hits(&self) -> u64 {
        self.ok(&["counts", "get", "/", "--json"]).json()["counts"][0]["hits"].as_u64().unwrap()
    }

    /// Runs with the n-th call cut. `None`: it made fewer calls than that, and so has come to its end. Else whether it may have
    /// changed something.
    fn cut(&self, n: usize, way: Way, args: &[&str]) -> Option<bool> {
        self.wire.reset();
        let code = if matches!(way, Way::KilledBefore | Way::KilledAfter) {
            self.killed(n, way, args)
        } else {
            let fault = if way == Way::Lost { Fault::LostAnswer } else { Fault::server_error() };
            self.wire.at(n, fault);
            let ran = self.yard.run(args);
            // Most of it is mended by asking again. What is not is an error with words; 6 says that all is made, and the URL was
            // too slow to answer.
            if !matches!(ran.code, 0 | 6) {
                let json = ran.json();
                let error =
                    if json["error"].is_object() { &json["error"] } else { &json["failed"][0]["error"] };
                assert!(error["message"].is_string(), "{way:?} of call {n}: {ran:?}");
            }
            Some(i32::from(ran.code))
        };
        self.wire.heal();
        let reached = self.wire.calls().len() >= n;
        let expected: &[Option<i32>] = match (way, reached) {
            (_, false) => &[Some(0)],
            (Way::KilledBefore | Way::KilledAfter, true) => &[None],
            (Way::Lost | Way::Failed, true) => &[Some(0), Some(1), Some(5), Some(6)],
        };
        let calls = self.wire.names();
        assert!(expected.contains(&code), "{way:?} of call {n}: ended with {code:?}: {calls:?}");
        let wrote = !self.wire.writes().is_empty();
        reached.then_some(wrote)
    }

    /// As a process of its own, which is killed at the n-th call.
    fn killed(&self, n: usize, way: Way, args: &[&str]) -> Option<i32> {
        let death = Death::default();
        let kill = {
            let death = death.clone();
            move || death.comes()
        };
        self.wire.at(n, if way == Way::KilledBefore { Fault::before(kill) } else { Fault::after(kill) });
        death.of(&self.wire, self.yard.command(args)).status.code()
    }
}

/// Whether nothing differs but the role that is assumed to put hits on the queue: the emulator drops it.
fn is_forgotten(change: &Json) -> bool {
    let fields: Vec<_> = change["fields"].as_array().unwrap().iter().map(|diff| &diff["field"]).collect();
    change["address"] == "http_api.api" && fields == ["ingest.role_arn"]
}

/// Cuts a run at every call that it makes, in every way, each way with an app of its own. `again` brings back the state to
/// begin with, `look` looks after each cut that may have changed something.
fn at_every_call(
    subject: &str,
    least: usize,
    begin: impl Fn(&Case) + Sync,
    again: impl Fn(&Case, usize) + Sync,
    run: impl Fn(&Case, usize, Way) -> Option<bool> + Sync,
    look: impl Fn(&Case, usize) + Sync,
) {
    let emulator = Arc::new(Emulator::new_ministack());
    let one_way = |way: Way| {
        let case = Case::new(&emulator, subject, way);
        begin(&case);
        let mut n = 1;
        loop {
            again(&case, n);
            match run(&case, n, way) {
                None => break,
                Some(true) => look(&case, n),
                // Cut while it was still looking: all is as it was.
                Some(false) => {}
            }
            n += 1;
        }
        assert!(n > least, "{way:?}: only {n} calls were there to be cut");
        case.wipe();
    };
    std::thread::scope(|scope| {
        let ways = WAYS.map(|way| scope.spawn(move || one_way(way)));
        for way in ways {
            way.join().unwrap();
        }
    });
}

#[test]
fn a_first_deploy_can_be_cut_anywhere() {
    at_every_call(
        "first",
        25,
        |_| {},
        |_, _| {},
        |case, n, way| case.cut(n, way, &["deploy", "--json", "--artifact", &case.zip]),
        |case, n| {
            let url = case.mended(&case.zip);
            one_more(&url, 0, &format!("after the cut of call {n}"));
            case.wipe();
        },
    );
}

#[test]
fn an_update_under_hits_can_be_cut_anywhere() {
    // From one setting and code to the others and back, so that nothing has to be brought back in between.
    fn changed(case: &Case, n: usize) -> (&'static str, &str) {
        if n % 2 == 1 { (LARGE, &case.other) } else { (SMALL, &case.zip) }
    }
    at_every_call(
        "update",
        15,
        |case| drop(case.deploy()),
        |case, n| case.yard.configure(changed(case, n).0),
        |case, n, way| {
            let (url, zip) = (url_of(case), changed(case, n).1);
            let before = case.hits();
            let (answered, sent, over) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
            let cut = std::thread::scope(|scope| {
                scope.spawn(|| {
                    for _ in 0..VISITS {
                        if over.load(Ordering::SeqCst) {
                            break;
                        }
                        sent.fetch_add(1, Ordering::SeqCst);
                        // What is not answered is nobody's loss.
                        let is_answered =
                            try_to_ask(&url, "/counter?path=/").is_ok_and(|answer| answer.status == 200);
                        answered.fetch_add(u64::from(is_answered), Ordering::SeqCst);
                    }
                });
                let _over = SetOnDrop(&over);
                case.cut(n, way, &["deploy", "--json", "--artifact", zip])
            });
            assert_eq!(case.mended(zip), url, "{way:?} of call {n}: the URL stays");
            // A process that is replaced may have counted without having answered.
            let counted = case.hits() - before;
            let (answered, sent) = (answered.into_inner(), sent.into_inner());
            assert!(
                (answered..=sent).contains(&counted),
                "{way:?} of call {n}: {counted} of {answered} to {sent}"
            );
            cut
        },
        |_, _| {},
    );
}

#[test]
fn a_destroy_can_be_cut_anywhere() {
    at_every_call(
        "destroy",
        20,
        |case| drop(case.deploy()),
        |_, _| {},
        |case, n, way| case.cut(n, way, &["destroy", "--yes", "--json"]),
        |case, n| {
            case.ok(&["destroy", "--yes"]);
            let left = case.left();
            assert!(
                left.len() == 2 && left[0].starts_with("destroy-") && left[1].contains(":log-group:"),
                "the table and the log group alone, after call {n}: {left:?}"
            );
            let url = case.deploy();
            one_more(&url, case.hits(), &format!("the counts are those of before the cut of call {n}"));
        },
    );
}

#[test]
fn a_destroy_with_its_data_has_exported_it_before_it_is_gone() {
    let export = |n: usize| format!("export-{n}.ndjson");
    let begin = |case: &Case| assert_eq!(hit(&case.deploy(), "/counter?path=/").status, 200);
    at_every_call(
        "data",
        25,
        begin,
        |_, _| {},
        |case, n, way| {
            let args = ["destroy", "--json", "--delete-data", "--confirm", "test", "--export", &export(n)];
            case.cut(n, way, &args)
        },
        |case, n| {
            let table = case.yard.run(&["counts", "get", "/", "--json"]);
            let in_table = table.json()["counts"][0]["hits"].as_u64().is_some_and(|hits| hits > 0);
            let file = case.yard.yard.path().join(export(n));
            let exported = std::fs::read_to_string(file).unwrap_or_default();
            assert!(in_table || exported.contains(r#""path":"/""#), "lost by the cut of call {n}");
            case.wipe();
            begin(case);
        },
    );
}

fn url_of(case: &Case) -> String {
    case.ok(&["status", "--json"]).json()["url"].as_str().unwrap().to_owned()
}
