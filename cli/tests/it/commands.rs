//! Every command from end to end on the local cloud: what it says, what it exits with, and that a second run changes nothing.

use std::process::Stdio;
use std::time::Duration;

use hitctl::Interrupts;

use crate::support::{Yard, artifact, get};

#[test]
fn deploy_status_and_destroy_go_round() {
    let yard = Yard::with("");
    let zip = artifact();

    let plan = yard.run(&["plan", "--detailed-exitcode", "--json", "--artifact", &zip]);
    assert_eq!(plan.code, 2, "{plan:?}");
    let actions = |json: &serde_json::Value| {
        json["changes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|change| change["action"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(actions(&plan.json()), ["create"; 9]);
    assert!(!yard.state().join("daemon.json").exists(), "a plan must not start the cloud");

    let first = yard.run(&["deploy", "--json", "--artifact", &zip]);
    assert_eq!((first.code, actions(&first.json())), (0, vec!["create".to_owned(); 9]), "{first:?}");
    let url = first.json()["outputs"]["url"].as_str().unwrap().to_owned();
    assert_eq!(get(&url, "/counter?path=/").json()["hits"], 1);

    let second = yard.run(&["deploy", "--json", "--artifact", &zip]);
    assert_eq!((second.code, actions(&second.json())), (0, vec!["keep".to_owned(); 9]), "{second:?}");
    assert_eq!(second.json()["outputs"]["url"], url.as_str());
    assert_eq!(yard.run(&["plan", "--detailed-exitcode", "--artifact", &zip]).code, 0);

    let status = yard.run(&["status", "--json", "--detailed-exitcode"]);
    assert_eq!(status.code, 0, "{status:?}");
    assert_eq!((&status.json()["hits"], &status.json()["url"]), (&1.into(), &url.as_str().into()));
    assert!(
        status.json()["resources"].as_array().unwrap().iter().all(|resource| resource["present"] == true)
    );

    let refused = yard.run(&["destroy"]);
    assert_eq!(refused.code, 3, "without a terminal nobody can be asked: {refused:?}");
    let destroyed = yard.run(&["destroy", "--yes", "--json"]);
    assert_eq!(destroyed.code, 0, "{destroyed:?}");
    let left: Vec<_> = destroyed.json()["changes"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|change| change["action"] == "keep")
        .map(|change| change["address"].clone())
        .collect();
    assert_eq!(left, ["log_group.function", "table.hits"]);
    assert_eq!(
        yard.run(&["counts", "get", "/", "--json"]).json()["counts"][0]["hits"],
        1,
        "the counts are kept"
    );

    // A new deploy goes on from there, and a destroy of everything exports first.
    let url = yard.deploy();
    assert_eq!(get(&url, "/counter?path=/").json()["hits"], 2);
    assert_eq!(yard.run(&["destroy", "--yes", "--delete-data"]).code, 3, "-y never covers the loss of data");
    assert_eq!(yard.run(&["destroy", "--delete-data", "--confirm", "prod"]).code, 3);
    let gone = yard.run(&["destroy", "--delete-data", "--confirm", "local", "--export", "counts.ndjson"]);
    assert_eq!(gone.code, 0, "{gone:?}");
    let export = std::fs::read_to_string(yard.path().join("counts.ndjson")).unwrap();
    assert!(export.contains(r#""path":"/""#) && export.contains(r#""hits":2"#), "{export}");
    let nothing = yard.run(&["status", "--json", "--detailed-exitcode"]);
    assert_eq!((nothing.code, &nothing.json()["hits"]), (2, &0.into()), "{nothing:?}");
    let again = yard.run(&["destroy", "--yes"]);
    assert_eq!(again.code, 0, "{again:?}");
}

#[test]
fn a_changed_setting_is_planned_field_by_field_and_applied() {
    let yard = Yard::with("[function]\nenvironment = { GREETING = \"first secret\" }\n");
    let url = yard.deploy();
    assert_eq!(get(&url, "/counter?path=/").json()["hits"], 1);
    yard.write(
        "hitctl.toml",
        "[function]\nmemory_mb = 256\nenvironment = { GREETING = \"second secret\" }\n\n[http]\nburst = 40\n",
    );
    let zip = artifact();
    let plan = yard.run(&["plan", "--artifact", &zip]);
    for part in
        ["memory_mb", "128 -> 256", "environment.GREETING", "throttle.burst", "20 -> 40", "3 to update"]
    {
        assert!(plan.stdout.contains(part), "{part:?} is not in\n{}", plan.stdout);
    }
    let json = yard.run(&["plan", "--json", "--artifact", &zip]);
    for shown in [&plan.stdout, &json.stdout, &json.stderr] {
        assert!(!shown.contains("secret"), "a value of the environment is shown: {shown}");
    }
    let deployed = yard.run(&["deploy", "--json", "--artifact", &zip]);
    assert_eq!((deployed.code, &deployed.json()["summary"]["update"]), (0, &3.into()), "{deployed:?}");
    assert_eq!(get(&url, "/counter?path=/").json()["hits"], 2, "the URL and the counts stay");
}

#[test]
fn fingerprint_of_a_secret_is_the_same_in_one_home_and_another_in_the_next() {
    use std::os::unix::fs::PermissionsExt as _;
    let config = "[function]\nenvironment = { TOKEN = \"hunter2\" }\n";
    let (one, two) = (Yard::with(config), Yard::with(config));
    let shown = |yard: &Yard| {
        let ran = yard.run(&["config", "show", "--json"]);
        let shown = ran.json()["settings"]["function"]["environment"]["TOKEN"].as_str().unwrap().to_owned();
        assert!(shown.len() == 9 && shown.starts_with('#'), "{shown}");
        let toml = yard.run(&["config", "show"]).stdout;
        assert!(toml.contains(&format!("TOKEN = \"{shown}\"")), "{shown} is not in\n{toml}");
        shown
    };
    assert_eq!(shown(&one), shown(&one));
    assert_ne!(shown(&one), shown(&two));
    let file = one.path().join("home/.local/state/hitctl/fingerprint.key");
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);

    // A plan shows the same one.
    let plan = one.run(&["plan", "--json", "--artifact", &artifact()]);
    assert!(plan.stdout.contains(&format!("\"TOKEN\":\"{}\"", shown(&one))), "{}", plan.stdout);
    // SHA-256 of the secret, as it was shown once.
    for ran in [plan.stdout, one.run(&["config", "show"]).stdout] {
        assert!(!ran.contains("#f52fbd32"), "{ran}");
    }
}

#[test]
fn without_http_there_is_no_api_and_invoke_still_counts() {
    let yard = Yard::with("");
    let url = yard.deploy();
    yard.write("hitctl.toml", "[http]\nexpose = \"none\"\n");
    let deployed = yard.run(&["deploy", "--json", "--artifact", &artifact()]);
    assert_eq!((deployed.code, &deployed.json()["summary"]["delete"]), (0, &5.into()), "{deployed:?}");
    assert!(deployed.json()["outputs"].get("url").is_none_or(serde_json::Value::is_null), "{deployed:?}");
    assert!(std::net::TcpStream::connect(url.trim_start_matches("http://")).is_err(), "the gateway is gone");
    let invoked = yard.run(&["invoke", "--path", "/x", "--json"]);
    assert_eq!(
        (&invoked.json()["status"], &invoked.json()["body"]["hits"]),
        (&200.into(), &1.into()),
        "{invoked:?}"
    );
}

#[test]
fn invoke_starts_nothing_for_a_function_that_is_not_there() {
    let yard = Yard::with("");
    let invoked = yard.run(&["invoke", "--path", "/"]);
    assert!(invoked.code == 1 && invoked.stderr.contains("hitctl deploy --env local"), "{invoked:?}");
    assert!(!yard.state().exists(), "nothing is started");
    yard.deploy();
    assert_eq!(yard.run(&["local", "stop"]).code, 0);
    assert_eq!(yard.run(&["invoke", "--path", "/"]).code, 0, "what is deployed is started for it");
}

#[test]
fn invoke_prints_the_answer_the_duration_and_the_log() {
    let yard = Yard::with("[function]\nlog_level = \"debug\"\n");
    yard.deploy();
    let invoked = yard.run(&["invoke", "--path", "/a b?x#y", "--json"]);
    assert_eq!(invoked.code, 0, "{invoked:?}");
    let json = invoked.json();
    assert_eq!((&json["status"], &json["body"]["hits"]), (&200.into(), &1.into()));
    assert!(json["duration_ms"].as_f64().unwrap() > 0.0);
    assert!(json["log"].as_str().unwrap().contains("REPORT RequestId"), "{json}");
    assert_eq!(yard.run(&["invoke", "--path", "/%00", "--json"]).json()["status"], 400);
    yard.write("event.json", r#"{"detail":{"path":"/by-hand"}}"#);
    let by_hand = yard.run(&["invoke", "--payload", "event.json", "--json"]);
    assert_eq!((by_hand.code, &by_hand.json()["body"]["hits"]), (0, &1.into()), "{by_hand:?}");
    yard.write("event.json", "{\"no\":\"shape\"}");
    let strange = yard.run(&["invoke", "--payload", "event.json"]);
    assert_eq!(strange.code, 1, "an event of no known shape is an error of the function: {strange:?}");

    let logs = yard.run(&["logs", "--since", "1h"]);
    assert!(logs.code == 0 && logs.stdout.contains(" report "), "{logs:?}");
    let filtered = yard.run(&["logs", "--filter", "no such text"]);
    assert_eq!((filtered.code, filtered.stdout.trim()), (0, ""), "{filtered:?}");
}

#[test]
fn counts_are_listed_and_exported() {
    let yard = Yard::with("[http]\nburst = 1000\n[function]\nreserved_concurrency = \"none\"\n");
    let url = yard.deploy();
    for (path, times) in [("/b", 3), ("/a,\"x\"", 1), ("/c", 2)] {
        for _ in 0..times {
            assert_eq!(get(&url, &format!("/counter?path={}", path.replace('"', "%22"))).status, 200);
        }
    }
    let list = yard.run(&["counts", "list", "--json"]).json();
    let paths: Vec<_> = list["counts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["path"].as_str().unwrap(), row["hits"].as_u64().unwrap()))
        .collect();
    assert_eq!(paths, [("/b", 3), ("/c", 2), ("/a,%22x%22", 1)]);
    assert_eq!(
        yard.run(&["counts", "list", "--limit", "1", "--json"]).json()["counts"].as_array().unwrap().len(),
        1
    );
    assert_eq!(yard.run(&["counts", "get", "/never", "--json"]).json()["counts"][0]["hits"], 0);

    let csv = yard.run(&["counts", "export"]).stdout;
    let mut lines = csv.lines();
    assert!(lines.next().unwrap().starts_with("path,hits"));
    assert!(lines.next().unwrap().starts_with("\"/a,%22x%22\",1,"), "{csv}");
    let to_file = yard.run(&["counts", "export", "--format", "ndjson", "--out", "all.ndjson"]);
    assert_eq!((to_file.code, to_file.stdout.as_str()), (0, ""), "{to_file:?}");
    assert_eq!(std::fs::read_to_string(yard.path().join("all.ndjson")).unwrap().lines().count(), 3);
    let again = yard.run(&["counts", "export", "--out", "all.ndjson"]);
    assert!(
        again.code == 1 && again.stderr.contains("all.ndjson is there already"),
        "never overwritten: {again:?}"
    );
    let nowhere = yard.run(&["counts", "export", "--out", "no/dir.csv"]);
    assert!(nowhere.code == 1 && nowhere.stderr.contains("there is no such directory"), "{nowhere:?}");
    assert_eq!(yard.run(&["counts", "export", "--json"]).json()["counts"].as_array().unwrap().len(), 3);
    assert_eq!(yard.run(&["counts", "list", "--limit", "0"]).code, 64);
}

#[test]
fn nothing_is_started_for_what_is_not_there() {
    let yard = Yard::with("");
    for args in [["destroy", "--yes"], ["destroy", "--json"], ["status", "--env=local"], ["doctor", "--json"]]
    {
        let ran = yard.run(&args);
        assert_eq!(ran.code, 0, "{ran:?}");
    }
    assert!(!yard.state().exists());
    let status = yard.run(&["status"]).stdout;
    assert!(status.contains("next  hitctl deploy --env local"), "{status}");
}

#[test]
fn a_destroy_shows_what_it_asks_about() {
    let yard = Yard::with("");
    yard.deploy();
    let refused = yard.run(&["destroy"]);
    assert_eq!(refused.code, 3, "{refused:?}");
    assert!(refused.stderr.contains("- delete  function.counter"), "{refused:?}");
    let loss = yard.run(&["destroy", "--delete-data"]);
    assert!(loss.code == 3 && loss.stderr.contains("loses its data"), "{loss:?}");
}

#[test]
fn the_local_cloud_starts_stops_and_comes_back() {
    let yard = Yard::with("");
    assert_eq!(yard.run(&["local", "status", "--json"]).json()["running"], false);
    assert_eq!(yard.run(&["local", "stop"]).code, 0, "stopping what does not run is done already");
    let url = yard.deploy();
    assert_eq!(get(&url, "/counter?path=/").json()["hits"], 1);
    assert_eq!(yard.run(&["local", "stop"]).code, 0);
    assert!(std::net::TcpStream::connect(url.trim_start_matches("http://")).is_err());

    let status = yard.run(&["status", "--json"]);
    assert_eq!(status.code, 0, "{status:?}");
    assert!(status.json()["hits"].is_null(), "what cannot be read is not 0: {status:?}");
    assert!(
        status.json()["resources"].as_array().unwrap().iter().all(|resource| resource["present"] == true)
    );
    let logs = yard.run(&["logs"]);
    assert!(logs.code == 1 && logs.stderr.contains("hitctl local start"), "{logs:?}");

    assert_eq!(yard.run(&["local", "start"]).code, 0);
    assert_eq!(get(&url, "/counter?path=/").json()["hits"], 2, "same URL, same counts");
    assert_eq!(yard.run(&["local", "reset"]).code, 3);
    assert_eq!(yard.run(&["local", "reset", "--confirm", "local"]).code, 0);
    assert_eq!(yard.run(&["status", "--json", "--detailed-exitcode"]).code, 2);
}

#[test]
fn three_first_deploys_at_once_make_one_api() {
    let yard = Yard::with("");
    let zip = artifact();
    let urls: Vec<String> = std::thread::scope(|scope| {
        let runs: Vec<_> =
            (0..3).map(|_| scope.spawn(|| yard.run(&["deploy", "--json", "--artifact", &zip]))).collect();
        runs.into_iter()
            .map(|run| {
                let ran = run.join().unwrap();
                assert_eq!(ran.code, 0, "{ran:?}");
                ran.json()["outputs"]["url"].as_str().unwrap().to_owned()
            })
            .collect()
    });
    assert!(urls.iter().all(|url| *url == urls[0]), "{urls:?}");
    assert_eq!(get(&urls[0], "/counter?path=/").json()["hits"], 1);
}

#[test]
fn logs_follow_until_interrupted() {
    let yard = Yard::with("");
    let url = yard.deploy();
    let mut follow =
        yard.command(&["logs", "--follow"]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    assert_eq!(get(&url, "/counter?path=/").status, 200);
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(follow.stdout.take().unwrap()));
    assert!(lines.by_ref().any(|line| line.unwrap().contains(" report ")));
    interrupt(&follow);
    assert_eq!(follow.wait().unwrap().code(), Some(130));
}

#[test]
fn the_program_answers_at_once_and_in_words() {
    let yard = Yard::new();
    let help = yard.run(&["--help"]);
    assert!(help.code == 0 && help.stdout.contains("deploy") && help.stderr.is_empty(), "{help:?}");
    assert!(yard.run(&["help", "exit-codes"]).stdout.contains("130  interrupted"));
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        assert!(yard.run(&["completions", shell]).stdout.contains("hitctl"), "{shell}");
    }
    assert!(yard.run(&["man"]).stdout.contains(".TH"));
    assert_eq!(yard.run(&["man", "--out", "man"]).code, 0);
    assert!(yard.path().join("man/hitctl-deploy.1").exists());
    assert_eq!(yard.run(&["explain", "--path", "//a//b/index.html?x=1", "--json"]).json()["key"], "/a/b");
    assert!(yard.run(&["explain", "--path", "/\u{0}"]).stdout.contains("control"));
    assert_eq!(yard.run(&["env", "list", "--json"]).code, 0);
    let config = yard.run(&["config", "show", "--origin"]);
    assert!(config.stdout.contains("memory_mb = 128") && config.stdout.contains("# default"), "{config:?}");

    let init = yard.run(&["init"]);
    assert!(init.code == 0 && yard.path().join("hitctl.toml").exists(), "{init:?}");
    assert_eq!(yard.run(&["config", "show"]).code, 0, "what init writes is valid");
    assert_eq!(yard.run(&["init"]).code, 1, "init never overwrites");
    let doctor = yard.run(&["doctor", "--json"]);
    assert!(doctor.stdout.contains("cargo"), "{doctor:?}");
}

/// Runs `init` on a terminal where these answers are typed.
fn init_with(yard: &Yard, answers: &str, args: &[&str]) -> crate::support::Ran {
    let answers = answers.to_owned();
    yard.run_as(&[&["init"], args].concat(), |world| {
        (world.stdin_tty, world.stderr_tty) = (true, true);
        world.stdin = Box::new(std::io::Cursor::new(answers));
    })
}

fn setting(yard: &Yard, env: &str, key: &[&str]) -> serde_json::Value {
    let shown = yard.run(&["config", "show", "--env", env, "--json"]);
    assert_eq!(shown.code, 0, "{shown:?}");
    let mut value = shown.json()["settings"].clone();
    for name in key {
        value = value[*name].take();
    }
    value
}

#[test]
fn init_asks_on_a_terminal_or_takes_flags() {
    use serde_json::json;
    let any = json!(["*"]);
    let asked = Yard::new();
    let ran = init_with(&asked, "My Blog\nblog\nhttps://blog.example\n", &[]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stderr.contains("Name of the app") && ran.stderr.contains("my-blog"), "{ran:?}");
    let flags = Yard::new();
    let ran = flags.run(&["init", "--app", "blog", "--origin", "https://blog.example"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    for yard in [&asked, &flags] {
        for env in ["test", "prod"] {
            assert_eq!(setting(yard, env, &["app"]), "blog");
            assert_eq!(setting(yard, env, &["http", "allow_origins"]), json!(["https://blog.example"]));
        }
        assert_eq!(setting(yard, "local", &["http", "allow_origins"]), any);
    }
    // Flags answer the questions; nothing is asked where nobody can answer, or of `--full`.
    let ran = init_with(&Yard::new(), "", &["--app", "a", "--origin", "https://a.example"]);
    assert!(ran.code == 0 && !ran.stderr.contains("Name of the app"), "{ran:?}");
    let ran = init_with(&Yard::new(), "", &["--full"]);
    assert!(ran.code == 0 && !ran.stderr.contains("Name of the app"), "{ran:?}");
    let silent = Yard::new();
    assert_eq!(init_with(&silent, "x\n", &["--no-input"]).code, 0);
    assert_eq!(
        (setting(&silent, "prod", &["app"]), setting(&silent, "prod", &["http", "allow_origins"])),
        (json!("hits"), any)
    );
    let text = std::fs::read_to_string(silent.path().join("hitctl.toml")).unwrap();
    assert!(
        text.lines().count() <= 25 && text.contains("[env.test]") && text.contains("[env.prod]"),
        "{text}"
    );
    let full = Yard::new();
    assert_eq!(full.run(&["init", "--full"]).code, 0);
    assert!(std::fs::read_to_string(full.path().join("hitctl.toml")).unwrap().contains("#memory_mb = 128"));
    for args in [&["--app", "My Blog"] as &[&str], &["--origin", "blog.example/x"], &["--full", "--app", "a"]]
    {
        let yard = Yard::new();
        assert_eq!(yard.run(&[&["init"], args].concat()).code, 64, "{args:?}");
        assert!(!yard.path().join("hitctl.toml").exists());
    }
}

#[test]
fn init_leaves_the_counter_on_this_machine_as_it_is() {
    let yard = Yard::new();
    let url = yard.deploy();
    yard.counts(&["add", "/", "1"]);
    let ran = yard.run(&["init", "--app", "blog", "--origin", "https://blog.example"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let status = || yard.run(&["status", "--json"]).json();
    assert_eq!((&status()["url"], &status()["hits"]), (&serde_json::json!(url), &serde_json::json!(1)));
    assert_eq!(yard.deploy(), url, "the URL stays");
    assert_eq!(get(&url, "/v1/count?path=/").json()["hits"], 1);
    assert_eq!(setting(&yard, "prod", &["app"]), "blog");
}

#[test]
fn a_second_interrupt_quits_whatever_is_in_flight() {
    let yard = Yard::with("");
    yard.tool("cargo", "case \"$1\" in -*) echo 'cargo 1.95.0' ;; *) exec sleep 600 ;; esac");
    let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
    sender.send(()).unwrap();
    sender.send(()).unwrap();
    let ran = yard.run_as(&["build", "--json"], |world| world.interrupts = Interrupts::Channel(receiver));
    assert_eq!((ran.code, ran.json()["error"]["code"].as_str()), (130, Some("interrupted")), "{ran:?}");
}

#[test]
fn ctrl_c_during_a_build_that_hangs_stops_it() {
    let yard = Yard::with("");
    let pid_file = yard.path().join("cargo.pid").display().to_string();
    yard.tool(
        "cargo",
        &format!("case \"$1\" in -*) echo 'cargo 1.95.0' ;; *) echo $$ > {pid_file}; exec sleep 600 ;; esac"),
    );
    let mut deploy = yard.command(&["deploy"]).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let started =
        || std::fs::read_to_string(yard.path().join("cargo.pid")).ok().filter(|pid| pid.ends_with('\n'));
    let mut pid = started();
    while pid.is_none() && deploy.try_wait().unwrap().is_none() {
        std::thread::park_timeout(Duration::from_millis(5));
        pid = started();
    }
    interrupt(&deploy);
    let code = deploy.wait().unwrap().code();
    let mut said = String::new();
    std::io::Read::read_to_string(&mut deploy.stderr.take().unwrap(), &mut said).unwrap();
    assert_eq!(code, Some(130), "{said}");
    let pid: i32 = pid.expect("the build was started").trim().parse().unwrap();
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    assert!(rustix::process::test_kill_process(pid).is_err(), "the build outlived its Ctrl-C");
}

fn interrupt(child: &std::process::Child) {
    let pid = rustix::process::Pid::from_child(child);
    // An error means that it ended by itself.
    let _ = rustix::process::kill_process(pid, rustix::process::Signal::INT);
}

/// State that an earlier version kept in the project moves once, and nobody has to know.
#[test]
fn state_of_an_earlier_version_moves_with_its_url_and_its_counts() {
    let yard = Yard::with("");
    let url = yard.deploy();
    assert_eq!(get(&url, "/counter?path=/").json()["hits"], 1);
    assert_eq!(yard.run(&["local", "stop"]).code, 0);
    std::fs::create_dir(yard.path().join(".hitctl")).unwrap();
    std::fs::rename(yard.state(), yard.path().join(".hitctl/local")).unwrap();
    let reads = yard.run(&["status"]);
    assert!(
        reads.stderr.contains("is still in") && !yard.state().exists(),
        "what only reads moves nothing: {reads:?}"
    );
    let ran = yard.run(&["deploy", "--env", "local", "--json", "--artifact", &artifact()]);
    assert_eq!((ran.code, &ran.json()["outputs"]["url"]), (0, &url.as_str().into()), "{ran:?}");
    assert!(ran.stderr.contains("moved the local state of this project from"), "{ran:?}");
    assert!(!yard.path().join(".hitctl").exists(), "nothing is left in the project");
    assert_eq!(get(&url, "/counter?path=/").json()["hits"], 2);
    assert!(!yard.run(&["status"]).stderr.contains("local state"), "it is said once");
}

#[test]
fn several_declared_environments_without_a_default_are_listed() {
    let yard = Yard::with("[env.prod]\n[env.staging]\n");
    let ran = yard.run(&["status"]);
    assert_eq!(ran.code, 64, "{ran:?}");
    insta::assert_snapshot!(ran.stderr, @r#"
    error: expected the name of an environment: hitctl.toml declares prod, staging

    hint: pass `--env NAME`, or set `default_env = "local"` at the top of hitctl.toml
    "#);
    // What needs no environment works.
    for args in [&["env", "list"] as &[&str], &["local", "status"], &["doctor", "--json"]] {
        assert_ne!(yard.run(args).code, 64, "{args:?}");
    }
}
