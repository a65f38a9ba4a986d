//! Tests of `deploy`, `url`, `open` and `build`: their output, and the state that they leave behind.

use std::net::TcpListener;
use std::time::Duration;

use crate::support::{TestEnv, artifact, get, pause};

fn is_running(test_env: &TestEnv) -> bool {
    let status = test_env.run(&["local", "status", "--json"]).json();
    status["running"].as_bool().expect("a flag")
}

#[test]
fn quiet_deploy_and_url_print_the_url_alone() {
    let test_env = TestEnv::with_config("");
    let missing = test_env.run(&["url"]);
    assert_eq!((missing.code, missing.stdout.as_str()), (1, ""));
    assert!(missing.stderr.contains("hint: run `hitctl deploy --env local`"), "{missing:?}");
    let output = test_env.run(&["deploy", "-q", "--artifact", &artifact()]);
    let url = output.stdout.trim_end().to_owned();
    assert_eq!((output.code, output.stderr.as_str()), (0, ""), "{output:?}");
    assert_eq!(get(&url, "/healthz").status, 200);
    assert_eq!(test_env.run(&["url"]).stdout, format!("{url}\n"));
    assert_eq!(test_env.run(&["url", "--json"]).json()["url"], url.as_str());
    assert_eq!(test_env.run(&["deploy", "-q", "--artifact", &artifact()]).stdout, format!("{url}\n"));
}

#[test]
fn open_starts_the_system_browser_or_asks_the_user_to_open_the_url() {
    let test_env = TestEnv::with_config("");
    let url = test_env.deploy();
    let without_browser = test_env.run_with(&["open"], |process| {
        process.env.insert("PATH".to_owned(), "/nonexistent".to_owned());
    });
    assert_eq!((without_browser.code, without_browser.stdout.as_str()), (1, format!("{url}\n").as_str()));
    assert!(without_browser.stderr.contains(&format!("hint: open {url} yourself")), "{without_browser:?}");
    let opened = test_env.path().join("opened");
    test_env.stub_tool("xdg-open", &format!("echo \"$1\" > {}.part && mv {0}.part {0}", opened.display()));
    let output = test_env.run(&["open"]);
    assert_eq!((output.code, output.stdout), (0, format!("{url}\n")));
    // The program does not wait for the browser, so this polls.
    let mut seen = None;
    for _ in 0..1_000 {
        seen = std::fs::read_to_string(&opened).ok();
        if seen.is_some() {
            break;
        }
        pause(Duration::from_millis(20));
    }
    assert_eq!(seen, Some(format!("{url}\n")));
}

#[test]
fn page_at_the_url_shows_the_widget_and_counts_nothing() {
    let test_env = TestEnv::with_config("");
    let url = test_env.deploy();
    let page = get(&url, "/");
    assert_eq!((page.status, page.headers["content-type"].as_str()), (200, "text/html; charset=utf-8"));
    assert!(page.body.contains("/v1/widget.js") && !page.body.contains("hits"), "{page:?}");
    assert_eq!(test_env.counts(&["list", "--json"]).json()["counts"], serde_json::json!([]));
}

#[test]
fn dry_run_shows_the_plan_and_changes_nothing() {
    let test_env = TestEnv::with_config("");
    let dry = test_env.run(&["deploy", "--dry-run", "--artifact", &artifact()]);
    let plan = test_env.run(&["plan", "--artifact", &artifact()]);
    assert_eq!((dry.code, &dry.stdout), (0, &plan.stdout));
    assert!(dry.stdout.contains("9 to create") && !is_running(&test_env), "{dry:?}");
}

#[test]
fn failed_first_deploy_leaves_no_daemon() {
    let test_env = TestEnv::with_config("");
    test_env.write("broken.zip", "this is no zip");
    let failed = test_env.run(&["deploy", "--artifact", "broken.zip"]);
    assert_eq!(failed.code, 1, "{failed:?}");
    assert!(!is_running(&test_env), "{failed:?}");
    // A local cloud that the user has started keeps running, and so does one with a deployment.
    assert_eq!(test_env.run(&["local", "start"]).code, 0);
    assert_eq!(test_env.run(&["deploy", "--artifact", "broken.zip"]).code, 1);
    assert!(is_running(&test_env));
    test_env.deploy();
    assert_eq!(test_env.run(&["local", "stop"]).code, 0);
    assert_eq!(test_env.run(&["deploy", "--artifact", "broken.zip"]).code, 1);
    assert!(is_running(&test_env));
}

#[test]
fn deploy_reports_a_changed_port() {
    let test_env = TestEnv::with_config("");
    let url = test_env.deploy();
    assert_eq!(test_env.run(&["local", "stop"]).code, 0);
    let _other = TcpListener::bind(url.trim_start_matches("http://")).unwrap();
    let output = test_env.run(&["deploy", "--artifact", &artifact()]);
    assert_eq!(output.code, 0, "{output:?}");
    assert!(output.stderr.contains(&format!("moved from {url} to")), "{output:?}");
    assert_ne!(test_env.run(&["url"]).stdout.trim_end(), url);
}

#[test]
fn status_names_the_last_deploy() {
    let test_env = TestEnv::with_config("");
    assert_eq!(test_env.run(&["status", "--json"]).json()["deployed"], serde_json::Value::Null);
    let output = test_env.run_with(&["deploy", "--artifact", &artifact()], |process| {
        process
            .env
            .extend([("USER", "ann"), ("HOSTNAME", "laptop")].map(|(k, v)| (k.to_owned(), v.to_owned())));
    });
    assert_eq!(output.code, 0, "{output:?}");
    let status = test_env.run(&["status", "--json"]).json();
    assert_eq!(
        (&status["deployed"]["by"], &status["deployed"]["command"]),
        (&"ann@laptop".into(), &"deploy".into())
    );
    assert_eq!((&status["app"], &status["account"]), (&"hits".into(), &"000000000000".into()));
    let text = test_env.run(&["status"]).stdout;
    assert!(
        text.contains("env       local (this machine)\n") && text.contains("UTC by ann@laptop\n"),
        "{text}"
    );
    // A deploy without changes is not recorded.
    test_env.deploy();
    assert_eq!(test_env.run(&["status", "--json"]).json()["deployed"], status["deployed"]);
}

#[test]
fn built_zip_is_copied_to_a_file_or_a_directory() {
    let test_env = TestEnv::with_config("");
    let zip = std::fs::read(artifact()).unwrap();
    for _ in 0..2 {
        let output = test_env.run(&["build", "--artifact", &artifact(), "--out", "function.zip", "--json"]);
        assert_eq!(output.code, 0, "{output:?}");
        assert_eq!(output.json()["zip"], test_env.path().join("function.zip").display().to_string());
        assert_eq!(std::fs::read(test_env.path().join("function.zip")).unwrap(), zip);
    }
    std::fs::create_dir(test_env.path().join("dist")).unwrap();
    let output = test_env.run(&["build", "--artifact", &artifact(), "--out", "dist", "--json"]);
    let written = output.json()["zip"].as_str().unwrap().to_owned();
    assert!(written.starts_with(&test_env.path().join("dist/").display().to_string()), "{written}");
    assert_eq!(std::fs::read(written).unwrap(), zip);
    let missing = test_env.run(&["build", "--artifact", &artifact(), "--out", "no/such/function.zip"]);
    assert!(missing.code == 1 && missing.stderr.contains("the directory does not exist"), "{missing:?}");
}
