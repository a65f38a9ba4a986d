//! The commands that talk to AWS, against an emulator: from the plan to the removal.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use hitctl_emulators::Emulator;
use serde_json::Value as Json;

use crate::program::{Project, function_zip};

/// A project with an environment `test` on an emulator.
struct Account {
    project: Project,
    zip: String,
}

impl Account {
    fn new(app: &str, more: &str) -> Self {
        let project = Project::new();
        let arch = if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" };
        let config = format!(
            "app = \"{app}\"\nregion = \"{}\"\nfunction.arch = \"{arch}\"\n[counter]\npaths = \"open\"\nvisitors = \"none\"\n\
             bots = \"count\"\nrepeat_window_s = 0\n{more}[env.test]\n",
            Emulator::REGION
        );
        project.write("hitctl.toml", &config.replace('\n', "\r\n"));
        function_zip(project.path());
        Self { project, zip: "function.zip".to_owned() }
    }

    fn args<'a>(&self, args: &[&'a str]) -> Vec<&'a str> {
        let endpoint = Emulator::ministack().endpoint();
        [args, &["--env", "test", "--endpoint-url", endpoint]].concat()
    }

    fn ok(&self, args: &[&str]) -> String {
        self.project.ok(&self.args(args))
    }

    fn json(&self, args: &[&str]) -> Json {
        serde_json::from_str(&self.ok(&[args, &["--json"]].concat())).unwrap()
    }
}

/// Sends a request to a URL of the emulator. Returns the response's body.
fn get(url: &str, target: &str) -> String {
    let address = url.strip_prefix("http://").unwrap().trim_end_matches('/');
    let host = address.split('/').next().unwrap();
    let prefix = &address[host.len()..];
    let mut stream = TcpStream::connect(host).unwrap();
    write!(stream, "GET {prefix}{target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    response.split_once("\r\n\r\n").unwrap().1.to_owned()
}

/// Runs every command that changes counts, and leaves the page `/imported`.
fn change_counts(account: &Account) {
    account.ok(&["counts", "set", "/imported", "9", "--yes"]);
    account.ok(&["counts", "add", "/imported", "1"]);
    account.ok(&["counts", "set", "/old", "2"]);
    account.ok(&["counts", "rename", "/old", "/new"]);
    account.ok(&["counts", "merge", "/new", "/imported", "--yes"]);
    assert_eq!(account.json(&["counts", "get", "/imported"])["counts"][0]["hits"], 12);
    account.ok(&["counts", "set", "/gone", "1"]);
    account.ok(&["counts", "reset", "/gone", "--confirm", "test"]);
    account.ok(&["counts", "delete", "/gone", "--confirm", "test"]);
    std::fs::create_dir_all(account.project.path().join("public/blog")).unwrap();
    account.project.write("public/blog/post.html", "<p>");
    account.ok(&["paths", "sync", "public"]);
    assert!(account.ok(&["paths", "list"]).contains("/blog/post"));
}

#[test]
fn queue_and_event_commands_work() {
    let account = Account::new("winqueue", "[queue]\nenabled = true\n[events]\nenabled = true\n");
    account.ok(&["deploy", "--yes", "--artifact", &account.zip]);
    account.ok(&["send", "--path", "/queued"]);
    account.project.write("views.txt", "/queued\r\n/queued\r\n");
    account.ok(&["send", "--file", "views.txt"]);
    account.ok(&[
        "emit",
        "--source",
        "windows",
        "--detail-type",
        "view",
        "--detail",
        r#"{"path":"/emitted"}"#,
    ]);
    account.ok(&["dlq", "list"]);
    account.ok(&["dlq", "redrive", "--yes"]);
    account.ok(&["dlq", "purge", "--yes"]);
    account.ok(&["destroy", "--delete-data", "--confirm", "test", "--export", "all.ndjson"]);
}

#[test]
fn every_command_on_aws_works_from_plan_to_destroy() {
    let account = Account::new("winlife", "");
    let plan = account.ok(&["plan", "--artifact", &account.zip]);
    assert!(plan.contains("create"), "{plan}");

    let deployed = account.json(&["deploy", "--yes", "--artifact", &account.zip]);
    let url = deployed["outputs"]["url"].as_str().unwrap().to_owned();
    assert_eq!(account.ok(&["url"]).trim(), url);
    let plan = account.ok(&["plan", "--detailed-exitcode", "--artifact", &account.zip]);
    assert!(plan.contains("Nothing to change"), "{plan}");

    for _ in 0..3 {
        get(&url, "/counter?path=/about");
    }
    assert_eq!(account.json(&["status"])["hits"], 3);
    let invoked = account.json(&["invoke", "--path", "/about"]);
    assert_eq!((&invoked["status"], &invoked["body"]["hits"]), (&200.into(), &4.into()));

    // Files in both directions, with the line endings of Windows.
    account.ok(&["counts", "export", "--out", "counts.csv"]);
    let exported = account.project.read("counts.csv");
    assert!(exported.lines().any(|line| line.starts_with("/about,4,")), "{exported}");
    account.project.write("more.csv", "path,hits\r\n/imported,7\r\n");
    account.ok(&["counts", "import", "more.csv", "--yes"]);
    let list = account.ok(&["counts", "list"]);
    assert!(list.contains("/imported") && !list.contains('\r'), "{list}");
    change_counts(&account);
    account.ok(&["report", "--html", "report.html"]);
    assert!(account.project.read("report.html").contains("/imported"));

    assert!(
        account.json(&["logs", "--since", "1h"])["lines"].as_array().is_some_and(|lines| !lines.is_empty())
    );
    account.ok(&["rollback", "--list"]);
    for args in [
        &["policy", "deployer"][..],
        &["policy", "function"],
        &["snippet"],
        &["privacy"],
        &["gc"],
        &["env", "list"],
        &["config", "show"],
        &["explain", "--path", "/about"],
        &["completions", "powershell"],
        &["man"],
    ] {
        assert!(!account.ok(args).is_empty(), "{args:?}");
    }
    // Without Rust, the program can deploy a built function but not build one.
    let doctor = account.project.run(&account.args(&["doctor"])).stdout;
    assert!(doctor.contains("ok    AWS credentials"), "{doctor}");

    account.ok(&["destroy", "--yes"]);
    let args = ["destroy", "--delete-data", "--confirm", "test", "--export", "all.ndjson"];
    account.ok(&args);
    assert!(account.project.read("all.ndjson").contains("/imported"));
    account.ok(&["destroy", "--yes"]);
}
