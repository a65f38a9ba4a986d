//! Every command end to end on the local cloud: its output and its exit code, and that a second run changes nothing.

use std::process::Stdio;
use std::time::Duration;

use hitctl::Interrupts;

use crate::support::{TestEnv, artifact, get};

#[test]
fn deploy_status_and_destroy_work_end_to_end() {
    let test_env = TestEnv::with_config("");
    let zip = artifact();

    let plan = test_env.run(&["plan", "--detailed-exitcode", "--json", "--artifact", &zip]);
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
    assert!(!test_env.state().join("daemon.json").exists(), "a plan must not start the cloud");

    let first = test_env.run(&["deploy", "--json", "--artifact", &zip]);
    assert_eq!((first.code, actions(&first.json())), (0, vec!["create".to_owned(); 9]), "{first:?}");
    let url = first.json()["outputs"]["url"].as_str().unwrap().to_owned();
    assert_eq!(get(&url, "/counter?path=/").json()["hits"], 1);

    let second = test_env.run(&["deploy", "--json", "--artifact", &zip]);
    assert_eq!((second.code, actions(&second.json())), (0, vec!["keep".to_owned(); 9]), "{second:?}");
    assert_eq!(second.json()["outputs"]["url"], url.as_str());
    assert_eq!(test_env.run(&["plan", "--detailed-exitcode", "--artifact", &zip]).code, 0);

    let status = test_env.run(&["status", "--json", "--detailed-exitcode"]);
    assert_eq!(status.code, 0, "{status:?}");
    assert_eq!((&status.json()["hits"], &status.json()["url"]), (&1.into(), &url.as_str().into()));
    assert!(
        status.json()["resources"].as_array().unwrap().iter().all(|resource| resource["present"] == true)
    );

    let refused = test_env.run(&["destroy"]);
    assert_eq!(refused.code, 3, "without a terminal nobody can confirm: {refused:?}");
    let destroyed = test_env.run(&["destroy", "--yes", "--json"]);
    assert_eq!(destroyed.code, 0, "{destroyed:?}");
    let kept: Vec<_> = destroyed.json()["changes"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|change| change["action"] == "keep")
        .map(|change| change["address"].clone())
        .collect();
    assert_eq!(kept, ["log_group.function", "table.hits"]);
    assert_eq!(
        test_env.run(&["counts", "get", "/", "--json"]).json()["counts"][0]["hits"],
        1,
        "the counts are kept"
    );

    // A new deploy continues with the kept counts, and a full destroy exports them first.
    let url = test_env.deploy();
    assert_eq!(get(&url, "/counter?path=/").json()["hits"], 2);
    assert_eq!(
        test_env.run(&["destroy", "--yes", "--delete-data"]).code,
        3,
        "`--yes` does not confirm the loss of data"
    );
    assert_eq!(test_env.run(&["destroy", "--delete-data", "--confirm", "prod"]).code, 3);
    let destroyed_all =
        test_env.run(&["destroy", "--delete-data", "--confirm", "local", "--export", "counts.ndjson"]);
    assert_eq!(destroyed_all.code, 0, "{destroyed_all:?}");
    let export = std::fs::read_to_string(test_env.path().join("counts.ndjson")).unwrap();
    assert!(export.contains(r#""path":"/""#) && export.contains(r#""hits":2"#), "{export}");
    let status = test_env.run(&["status", "--json", "--detailed-exitcode"]);
    assert_eq!((status.code, &status.json()["hits"]), (2, &0.into()), "{status:?}");
    let repeated = test_env.run(&["destroy", "--yes"]);
    assert_eq!(repeated.code, 0, "{repeated:?}");
}

#[test]
fn changed_setting_is_planned_field_by_field_and_applied() {
    let test_env = TestEnv::with_config("[function]\nenvironment = { GREETING = \"first secret\" }\n");
    let url = test_env.deploy();
    assert_eq!(get(&url, "/counter?path=/").json()["hits"], 1);
    test_env.write(
        "hitctl.toml",
        "[function]\nmemory_mb = 256\nenvironment = { GREETING = \"second secret\" }\n\n[http]\nburst = 40\n",
    );
    let zip = artifact();
    let plan = test_env.run(&["plan", "--artifact", &zip]);
    for part in
        ["memory_mb", "128 -> 256", "environment.GREETING", "throttle.burst", "20 -> 40", "3 to update"]
    {
        assert!(plan.stdout.contains(part), "{part:?} is not in\n{}", plan.stdout);
    }
    let json = test_env.run(&["plan", "--json", "--artifact", &zip]);
    for shown in [&plan.stdout, &json.stdout, &json.stderr] {
        assert!(
            !shown.contains("second") && !shown.contains("first"),
            "a value of the environment is shown: {shown}"
        );
    }
    let deployed = test_env.run(&["deploy", "--json", "--artifact", &zip]);
    assert_eq!((deployed.code, &deployed.json()["summary"]["update"]), (0, &3.into()), "{deployed:?}");
    assert_eq!(get(&url, "/counter?path=/").json()["hits"], 2, "the URL and the counts are kept");
}

#[test]
fn secret_fingerprint_is_stable_per_home_and_differs_between_homes() {
    use std::os::unix::fs::PermissionsExt as _;
    let config = "[function]\nenvironment = { TOKEN = \"hunter2\" }\n";
    let (one, two) = (TestEnv::with_config(config), TestEnv::with_config(config));
    let fingerprint = |test_env: &TestEnv| {
        let output = test_env.run(&["config", "show", "--json"]);
        let shown =
            output.json()["settings"]["function"]["environment"]["TOKEN"].as_str().unwrap().to_owned();
        assert!(shown.len() == 9 && shown.starts_with('#'), "{shown}");
        let toml = test_env.run(&["config", "show"]).stdout;
        assert!(toml.contains(&format!("TOKEN = \"{shown}\"")), "{shown} is not in\n{toml}");
        shown
    };
    assert_eq!(fingerprint(&one), fingerprint(&one));
    assert_ne!(fingerprint(&one), fingerprint(&two));
    let file = one.path().join("home/.local/state/hitctl/fingerprint.key");
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);

    // A plan shows the same fingerprint.
    let plan = one.run(&["plan", "--json", "--artifact", &artifact()]);
    assert!(plan.stdout.contains(&format!("\"TOKEN\":\"{}\"", fingerprint(&one))), "{}", plan.stdout);
    // The beginning of the SHA-256 of the secret, which earlier versions showed.
    for output in [plan.stdout, one.run(&["config", "show"]).stdout] {
        assert!(!output.contains("#f52fbd32"), "{output}");
    }
}

#[test]
fn expose_none_removes_api_and_invoke_still_counts() {
    let test_env = TestEnv::with_config("");
    let url = test_env.deploy();
    test_env.write("hitctl.toml", "[http]\nexpose = \"none\"\n");
    let deployed = test_env.run(&["deploy", "--json", "--artifact", &artifact()]);
    assert_eq!((deployed.code, &deployed.json()["summary"]["delete"]), (0, &5.into()), "{deployed:?}");
    assert!(deployed.json()["outputs"].get("url").is_none_or(serde_json::Value::is_null), "{deployed:?}");
    assert!(
        std::net::TcpStream::connect(url.trim_start_matches("http://")).is_err(),
        "the gateway has stopped"
    );
    let invoked = test_env.run(&["invoke", "--path", "/x", "--json"]);
    assert_eq!(
        (&invoked.json()["status"], &invoked.json()["body"]["hits"]),
        (&200.into(), &1.into()),
        "{invoked:?}"
    );
}

#[test]
fn invoke_without_deployed_function_starts_nothing() {
    let test_env = TestEnv::with_config("");
    let invoked = test_env.run(&["invoke", "--path", "/"]);
    assert!(invoked.code == 1 && invoked.stderr.contains("hitctl deploy --env local"), "{invoked:?}");
    assert!(!test_env.state().exists(), "nothing is started");
    test_env.deploy();
    assert_eq!(test_env.run(&["local", "stop"]).code, 0);
    assert_eq!(
        test_env.run(&["invoke", "--path", "/"]).code,
        0,
        "invoke starts a stopped cloud with a deployment"
    );
}

#[test]
fn invoke_prints_response_duration_and_log() {
    let test_env = TestEnv::with_config("[function]\nlog_level = \"debug\"\n");
    test_env.deploy();
    let invoked = test_env.run(&["invoke", "--path", "/a b?x#y", "--json"]);
    assert_eq!(invoked.code, 0, "{invoked:?}");
    let json = invoked.json();
    assert_eq!((&json["status"], &json["body"]["hits"]), (&200.into(), &1.into()));
    assert!(json["duration_ms"].as_f64().unwrap() > 0.0);
    assert!(json["log"].as_str().unwrap().contains("REPORT RequestId"), "{json}");
    assert_eq!(test_env.run(&["invoke", "--path", "/%00", "--json"]).json()["status"], 400);
    test_env.write("event.json", r#"{"detail":{"path":"/by-hand"}}"#);
    let by_hand = test_env.run(&["invoke", "--payload", "event.json", "--json"]);
    assert_eq!((by_hand.code, &by_hand.json()["body"]["hits"]), (0, &1.into()), "{by_hand:?}");
    test_env.write("event.json", "{\"no\":\"shape\"}");
    let unsupported = test_env.run(&["invoke", "--payload", "event.json"]);
    assert_eq!(unsupported.code, 1, "an unsupported event is an error of the function: {unsupported:?}");

    let logs = test_env.run(&["logs", "--since", "1h"]);
    assert!(logs.code == 0 && logs.stdout.contains(" report "), "{logs:?}");
    let filtered = test_env.run(&["logs", "--filter", "no such text"]);
    assert_eq!((filtered.code, filtered.stdout.trim()), (0, ""), "{filtered:?}");
}

#[test]
fn counts_are_listed_and_exported() {
    let test_env =
        TestEnv::with_config("[http]\nburst = 1000\n[function]\nreserved_concurrency = \"none\"\n");
    let url = test_env.deploy();
    for (path, times) in [("/b", 3), ("/a,\"x\"", 1), ("/c", 2)] {
        for _ in 0..times {
            assert_eq!(get(&url, &format!("/counter?path={}", path.replace('"', "%22"))).status, 200);
        }
    }
    let list = test_env.run(&["counts", "list", "--json"]).json();
    let paths: Vec<_> = list["counts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["path"].as_str().unwrap(), row["hits"].as_u64().unwrap()))
        .collect();
    assert_eq!(paths, [("/b", 3), ("/c", 2), ("/a,%22x%22", 1)]);
    assert_eq!(
        test_env.run(&["counts", "list", "--limit", "1", "--json"]).json()["counts"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    assert_eq!(test_env.run(&["counts", "get", "/never", "--json"]).json()["counts"][0]["hits"], 0);

    let csv = test_env.run(&["counts", "export"]).stdout;
    let mut lines = csv.lines();
    assert!(lines.next().unwrap().starts_with("path,hits"));
    assert!(lines.next().unwrap().starts_with("\"/a,%22x%22\",1,"), "{csv}");
    let to_file = test_env.run(&["counts", "export", "--format", "ndjson", "--out", "all.ndjson"]);
    assert_eq!((to_file.code, to_file.stdout.as_str()), (0, ""), "{to_file:?}");
    assert_eq!(std::fs::read_to_string(test_env.path().join("all.ndjson")).unwrap().lines().count(), 3);
    let second = test_env.run(&["counts", "export", "--out", "all.ndjson"]);
    assert!(
        second.code == 1 && second.stderr.contains("all.ndjson already exists"),
        "an export overwrites no file: {second:?}"
    );
    let nowhere = test_env.run(&["counts", "export", "--out", "no/dir.csv"]);
    assert!(nowhere.code == 1 && nowhere.stderr.contains("the directory does not exist"), "{nowhere:?}");
    assert_eq!(test_env.run(&["counts", "export", "--json"]).json()["counts"].as_array().unwrap().len(), 3);
    assert_eq!(test_env.run(&["counts", "list", "--limit", "0"]).code, 64);
}

#[test]
fn commands_without_deployment_start_no_cloud() {
    let test_env = TestEnv::with_config("");
    for args in [["destroy", "--yes"], ["destroy", "--json"], ["status", "--env=local"], ["doctor", "--json"]]
    {
        let output = test_env.run(&args);
        assert_eq!(output.code, 0, "{output:?}");
    }
    assert!(!test_env.state().exists());
    let status = test_env.run(&["status"]).stdout;
    assert!(status.contains("next   hitctl deploy --env local"), "{status}");
}

#[test]
fn destroy_shows_what_it_confirms() {
    let test_env = TestEnv::with_config("");
    test_env.deploy();
    let refused = test_env.run(&["destroy"]);
    assert_eq!(refused.code, 3, "{refused:?}");
    assert!(refused.stderr.contains("- delete  function.counter"), "{refused:?}");
    let loss = test_env.run(&["destroy", "--delete-data"]);
    assert!(loss.code == 3 && loss.stderr.contains("loses its data"), "{loss:?}");
}

#[test]
fn local_cloud_restarts_with_same_url_and_counts() {
    let test_env = TestEnv::with_config("");
    assert_eq!(test_env.run(&["local", "status", "--json"]).json()["running"], false);
    assert_eq!(test_env.run(&["local", "stop"]).code, 0, "stopping a stopped cloud succeeds");
    let url = test_env.deploy();
    assert_eq!(get(&url, "/counter?path=/").json()["hits"], 1);
    assert_eq!(test_env.run(&["local", "stop"]).code, 0);
    assert!(std::net::TcpStream::connect(url.trim_start_matches("http://")).is_err());

    let status = test_env.run(&["status", "--json"]);
    assert_eq!(status.code, 0, "{status:?}");
    assert!(status.json()["hits"].is_null(), "counts that cannot be read are null: {status:?}");
    assert!(
        status.json()["resources"].as_array().unwrap().iter().all(|resource| resource["present"] == true)
    );
    let logs = test_env.run(&["logs"]);
    assert!(logs.code == 1 && logs.stderr.contains("hitctl local start"), "{logs:?}");

    assert_eq!(test_env.run(&["local", "start"]).code, 0);
    assert_eq!(get(&url, "/counter?path=/").json()["hits"], 2, "same URL, same counts");
    assert_eq!(test_env.run(&["local", "reset"]).code, 3);
    assert_eq!(test_env.run(&["local", "reset", "--confirm", "local"]).code, 0);
    assert_eq!(test_env.run(&["status", "--json", "--detailed-exitcode"]).code, 2);
}

#[test]
fn three_concurrent_first_deploys_create_one_api() {
    let test_env = TestEnv::with_config("");
    let zip = artifact();
    let urls: Vec<String> = std::thread::scope(|scope| {
        let runs: Vec<_> =
            (0..3).map(|_| scope.spawn(|| test_env.run(&["deploy", "--json", "--artifact", &zip]))).collect();
        runs.into_iter()
            .map(|run| {
                let output = run.join().unwrap();
                assert_eq!(output.code, 0, "{output:?}");
                output.json()["outputs"]["url"].as_str().unwrap().to_owned()
            })
            .collect()
    });
    assert!(urls.iter().all(|url| *url == urls[0]), "{urls:?}");
    assert_eq!(get(&urls[0], "/counter?path=/").json()["hits"], 1);
}

#[test]
fn logs_follow_until_interrupted() {
    let test_env = TestEnv::with_config("");
    let url = test_env.deploy();
    let mut follow =
        test_env.command(&["logs", "--follow"]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    assert_eq!(get(&url, "/counter?path=/").status, 200);
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(follow.stdout.take().unwrap()));
    assert!(lines.by_ref().any(|line| line.unwrap().contains(" report ")));
    interrupt(&follow);
    assert_eq!(follow.wait().unwrap().code(), Some(130));
}

#[test]
fn offline_commands_print_help_scripts_and_settings() {
    let test_env = TestEnv::new();
    let help = test_env.run(&["--help"]);
    assert!(help.code == 0 && help.stdout.contains("deploy") && help.stderr.is_empty(), "{help:?}");
    assert!(test_env.run(&["help", "exit-codes"]).stdout.contains("130  interrupted"));
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        assert!(test_env.run(&["completions", shell]).stdout.contains("hitctl"), "{shell}");
    }
    assert!(test_env.run(&["man"]).stdout.contains(".TH"));
    assert_eq!(test_env.run(&["man", "--out", "man"]).code, 0);
    assert!(test_env.path().join("man/hitctl-deploy.1").exists());
    assert_eq!(test_env.run(&["explain", "--path", "//a//b/index.html?x=1", "--json"]).json()["key"], "/a/b");
    assert!(test_env.run(&["explain", "--path", "/\u{0}"]).stdout.contains("control"));
    assert_eq!(test_env.run(&["env", "list", "--json"]).code, 0);
    let config = test_env.run(&["config", "show", "--origin"]);
    assert!(config.stdout.contains("memory_mb = 128") && config.stdout.contains("# default"), "{config:?}");

    let init = test_env.run(&["init"]);
    assert!(init.code == 0 && test_env.path().join("hitctl.toml").exists(), "{init:?}");
    assert_eq!(test_env.run(&["config", "show"]).code, 0, "the file that init writes is valid");
    assert_eq!(test_env.run(&["init"]).code, 1, "init never overwrites");
    let doctor = test_env.run(&["doctor", "--json"]);
    assert!(doctor.stdout.contains("cargo"), "{doctor:?}");
}

/// Runs `init` on a terminal, with these answers as input.
fn init_with(test_env: &TestEnv, answers: &str, args: &[&str]) -> crate::support::CommandOutput {
    let answers = answers.to_owned();
    test_env.run_with(&[&["init"], args].concat(), |process| {
        (process.stdin_tty, process.stderr_tty) = (true, true);
        process.stdin = Box::new(std::io::Cursor::new(answers));
    })
}

fn setting(test_env: &TestEnv, env: &str, key: &[&str]) -> serde_json::Value {
    let shown = test_env.run(&["config", "show", "--env", env, "--json"]);
    assert_eq!(shown.code, 0, "{shown:?}");
    let mut value = shown.json()["settings"].clone();
    for name in key {
        value = value[*name].take();
    }
    value
}

#[test]
fn init_prompts_on_terminal_or_uses_flags() {
    use serde_json::json;
    let any_origin = json!(["*"]);
    let prompted = TestEnv::new();
    let output = init_with(&prompted, "My Blog\nblog\nhttps://blog.example\n", &[]);
    assert_eq!(output.code, 0, "{output:?}");
    assert!(output.stderr.contains("Name of the app") && output.stderr.contains("my-blog"), "{output:?}");
    let flags = TestEnv::new();
    let output = flags.run(&["init", "--app", "blog", "--origin", "https://blog.example"]);
    assert_eq!(output.code, 0, "{output:?}");
    for test_env in [&prompted, &flags] {
        for env in ["test", "prod"] {
            assert_eq!(setting(test_env, env, &["app"]), "blog");
            assert_eq!(setting(test_env, env, &["http", "allow_origins"]), json!(["https://blog.example"]));
        }
        assert_eq!(setting(test_env, "local", &["http", "allow_origins"]), any_origin);
    }
    // Flags replace the prompts. Without a terminal and with `--full` there are none.
    let output = init_with(&TestEnv::new(), "", &["--app", "a", "--origin", "https://a.example"]);
    assert!(output.code == 0 && !output.stderr.contains("Name of the app"), "{output:?}");
    let output = init_with(&TestEnv::new(), "", &["--full"]);
    assert!(output.code == 0 && !output.stderr.contains("Name of the app"), "{output:?}");
    let silent = TestEnv::new();
    assert_eq!(init_with(&silent, "x\n", &["--no-input"]).code, 0);
    assert_eq!(
        (setting(&silent, "prod", &["app"]), setting(&silent, "prod", &["http", "allow_origins"])),
        (json!("hits"), any_origin)
    );
    let text = std::fs::read_to_string(silent.path().join("hitctl.toml")).unwrap();
    assert!(
        text.lines().count() <= 25 && text.contains("[env.test]") && text.contains("[env.prod]"),
        "{text}"
    );
    let full = TestEnv::new();
    assert_eq!(full.run(&["init", "--full"]).code, 0);
    assert!(std::fs::read_to_string(full.path().join("hitctl.toml")).unwrap().contains("#memory_mb = 128"));
    for args in [&["--app", "My Blog"] as &[&str], &["--origin", "blog.example/x"], &["--full", "--app", "a"]]
    {
        let test_env = TestEnv::new();
        assert_eq!(test_env.run(&[&["init"], args].concat()).code, 64, "{args:?}");
        assert!(!test_env.path().join("hitctl.toml").exists());
    }
}

#[test]
fn init_leaves_local_counter_unchanged() {
    let test_env = TestEnv::new();
    let url = test_env.deploy();
    test_env.counts(&["add", "/", "1"]);
    let output = test_env.run(&["init", "--app", "blog", "--origin", "https://blog.example"]);
    assert_eq!(output.code, 0, "{output:?}");
    let status = || test_env.run(&["status", "--json"]).json();
    assert_eq!((&status()["url"], &status()["hits"]), (&serde_json::json!(url), &serde_json::json!(1)));
    assert_eq!(test_env.deploy(), url, "the URL is unchanged");
    assert_eq!(get(&url, "/v1/count?path=/").json()["hits"], 1);
    assert_eq!(setting(&test_env, "prod", &["app"]), "blog");
}

#[test]
fn second_interrupt_quits_at_once() {
    let test_env = TestEnv::with_config("");
    test_env.stub_tool("cargo", "case \"$1\" in -*) echo 'cargo 1.95.0' ;; *) exec sleep 600 ;; esac");
    let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
    sender.send(()).unwrap();
    sender.send(()).unwrap();
    let output =
        test_env.run_with(&["build", "--json"], |process| process.interrupts = Interrupts::Channel(receiver));
    assert_eq!(
        (output.code, output.json()["error"]["code"].as_str()),
        (130, Some("interrupted")),
        "{output:?}"
    );
}

#[test]
fn ctrl_c_stops_hanging_build() {
    let test_env = TestEnv::with_config("");
    let pid_file = test_env.path().join("cargo.pid").display().to_string();
    test_env.stub_tool(
        "cargo",
        &format!("case \"$1\" in -*) echo 'cargo 1.95.0' ;; *) echo $$ > {pid_file}; exec sleep 600 ;; esac"),
    );
    let mut deploy =
        test_env.command(&["deploy"]).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let started =
        || std::fs::read_to_string(test_env.path().join("cargo.pid")).ok().filter(|pid| pid.ends_with('\n'));
    let mut pid = started();
    while pid.is_none() && deploy.try_wait().unwrap().is_none() {
        std::thread::park_timeout(Duration::from_millis(5));
        pid = started();
    }
    interrupt(&deploy);
    let code = deploy.wait().unwrap().code();
    let mut stderr = String::new();
    std::io::Read::read_to_string(&mut deploy.stderr.take().unwrap(), &mut stderr).unwrap();
    assert_eq!(code, Some(130), "{stderr}");
    let pid: i32 = pid.expect("the build was started").trim().parse().unwrap();
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    assert!(rustix::process::test_kill_process(pid).is_err(), "the build still runs after Ctrl-C");
}

fn interrupt(child: &std::process::Child) {
    let pid = rustix::process::Pid::from_child(child);
    // An error means that the process has already ended.
    let _ = rustix::process::kill_process(pid, rustix::process::Signal::INT);
}

/// Local state that an earlier version kept in the project directory is moved once, without an action of the user.
#[test]
fn state_of_earlier_version_moves_with_url_and_counts() {
    let test_env = TestEnv::with_config("");
    let url = test_env.deploy();
    assert_eq!(get(&url, "/counter?path=/").json()["hits"], 1);
    assert_eq!(test_env.run(&["local", "stop"]).code, 0);
    std::fs::create_dir(test_env.path().join(".hitctl")).unwrap();
    std::fs::rename(test_env.state(), test_env.path().join(".hitctl/local")).unwrap();
    let status = test_env.run(&["status"]);
    assert!(
        status.stderr.contains("is still in") && !test_env.state().exists(),
        "a read-only command moves nothing: {status:?}"
    );
    let output = test_env.run(&["deploy", "--env", "local", "--json", "--artifact", &artifact()]);
    assert_eq!((output.code, &output.json()["outputs"]["url"]), (0, &url.as_str().into()), "{output:?}");
    assert!(output.stderr.contains("moved the local state of this project from"), "{output:?}");
    assert!(!test_env.path().join(".hitctl").exists(), "the project directory contains no state");
    assert_eq!(get(&url, "/counter?path=/").json()["hits"], 2);
    assert!(!test_env.run(&["status"]).stderr.contains("local state"), "the move is reported once");
}

#[test]
fn several_declared_environments_without_a_default_are_listed() {
    let test_env = TestEnv::with_config("[env.prod]\n[env.staging]\n");
    let output = test_env.run(&["status"]);
    assert_eq!(output.code, 64, "{output:?}");
    insta::assert_snapshot!(output.stderr, @"
    error: expected `--env`: hitctl.toml declares several environments and no default: prod, staging

    hint: pass `--env NAME`, or set `default_env` at the top of hitctl.toml
    ");
    // Commands that need no environment work.
    for args in [&["env", "list"] as &[&str], &["local", "status"], &["doctor", "--json"]] {
        assert_ne!(test_env.run(args).code, 64, "{args:?}");
    }
}
