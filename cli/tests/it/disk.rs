//! Full and read-only disks: a clear error, no lost acknowledged hit, no half-written file, and everything works again
//! once there is space.
//!
//! The tests simulate a full disk by a limit on the file size of the process: the kernel fails the same writes, for
//! root too.

use std::process::{Child, Stdio};

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};

use crate::support::{TestConnection, TestEnv, artifact, get};

/// Settings whose limits no test reaches.
const UNLIMITED: &str =
    "[function]\nreserved_concurrency = \"none\"\n[http]\nrate_per_second = 10000\nburst = 5000\n";

/// Starts a local cloud that ignores SIGXFSZ. A write above the limit then fails with an error, as on a full disk, and
/// does not end the process.
fn serve(test_env: &TestEnv) -> (Child, Pid) {
    let mut child = std::process::Command::new("sh")
        .args(["-c", "trap '' XFSZ; exec \"$0\" local serve --state-dir \"$1\""])
        .arg(crate::support::EXE)
        .arg(test_env.state())
        .current_dir(test_env.path())
        .env_clear()
        .envs(test_env.env())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let pid = Pid::from_child(&child);
    for _ in 0..1_000 {
        let status = test_env.run(&["local", "status", "--json"]).json();
        if status["pid"].as_u64() == Some(u64::from(child.id())) {
            return (child, pid);
        }
        std::thread::park_timeout(std::time::Duration::from_millis(10));
    }
    child.kill().unwrap();
    panic!("the local cloud did not start: {:?}", child.wait());
}

/// Limits the size of the files of a process, in bytes. `None` removes the limit.
fn limit_file_size(pid: Pid, bytes: Option<u64>) {
    let maximum = getrlimit(Resource::Fsize).maximum;
    prlimit(Some(pid), Resource::Fsize, Rlimit { current: bytes.or(maximum), maximum }).unwrap();
}

#[test]
fn full_disk_loses_no_acknowledged_hit_and_is_reported() {
    let test_env = TestEnv::with_config(UNLIMITED);
    let url = test_env.deploy();
    assert_eq!(test_env.run(&["local", "stop"]).code, 0);
    let (mut child, pid) = serve(&test_env);
    assert_eq!(get(&url, "/counter?path=/0").json()["hits"], 1);

    // There is space for some more hits.
    limit_file_size(pid, Some(256 * 1024));
    let mut http = TestConnection::connect(&url).unwrap();
    let (mut counted, mut refused) = (vec![0], Vec::new());
    for n in 1..4_000 {
        let path = format!("/{n}-{}", "x".repeat(400));
        let response = http.send("GET", &format!("/counter?path={path}"), "", b"").unwrap();
        match response.status {
            200 => counted.push(n),
            500..=599 => {
                assert!(!response.body.is_empty(), "{response:?}");
                refused.push(n);
            }
            _ => panic!("{response:?}"),
        }
        if refused.len() == 5 {
            break;
        }
    }
    assert!(counted.len() > 1 && refused.len() == 5, "{} counted, {} refused", counted.len(), refused.len());

    // `status` reports it as text and as JSON.
    let status = test_env.run(&["status"]);
    assert!(status.stdout.contains("warn") && status.stdout.contains("tables.db"), "{status:?}");
    let warnings = test_env.run(&["status", "--json"]).json()["warnings"].to_string();
    assert!(warnings.contains("failed to write") && warnings.contains("free some space"), "{warnings}");
    let notices = test_env.run(&["local", "status", "--json"]).json()["notices"].to_string();
    assert!(notices.contains("tables.db"), "{notices}");

    // A deploy cannot write either, and changes nothing.
    limit_file_size(pid, Some(0));
    test_env.write("hitctl.toml", &UNLIMITED.replace("[http]", "memory_mb = 256\n[http]"));
    let registry = std::fs::read(test_env.state().join("registry.json")).unwrap();
    let full = test_env.run(&["deploy", "--artifact", &artifact()]);
    assert_eq!(full.code, 1, "{full:?}");
    assert!(full.stderr.contains("hits-local") && full.stderr.contains("free some space"), "{}", full.stderr);
    assert_eq!(std::fs::read(test_env.state().join("registry.json")).unwrap(), registry);
    let files: Vec<_> =
        std::fs::read_dir(test_env.state()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(files.iter().all(|name| !name.to_string_lossy().starts_with('.')), "{files:?}");

    // With space again, nothing has to be restarted.
    limit_file_size(pid, None);
    assert_eq!(test_env.run(&["deploy", "--artifact", &artifact()]).code, 0);
    assert_eq!(get(&url, "/counter?path=/0").json()["hits"], 2);
    let status = test_env.run(&["status", "--json"]).json();
    assert_eq!(status.get("warnings"), None, "a successful write removes the warning: {status}");
    let rows = test_env.run(&["counts", "list", "--json"]).json();
    let rows = rows["counts"].as_array().unwrap();
    assert_eq!(rows.len(), counted.len(), "exactly the hits with status 200 were counted");
    assert_eq!(rows.iter().map(|row| row["hits"].as_u64().unwrap()).sum::<u64>(), counted.len() as u64 + 1);
    assert_eq!(test_env.run(&["local", "stop"]).code, 0);
    child.wait().unwrap();
}

#[test]
fn failed_write_leaves_no_file() {
    let test_env = TestEnv::with_config("");
    let url = test_env.deploy();
    assert_eq!(get(&url, "/counter?path=/").status, 200);
    let limited = |args: &[&str]| {
        let output = std::process::Command::new("sh")
            .args(["-c", "trap '' XFSZ; ulimit -f 0; exec \"$0\" \"$@\""])
            .arg(crate::support::EXE)
            .args(args)
            .current_dir(test_env.path())
            .env_clear()
            .envs(test_env.env())
            .output()
            .unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{args:?}: {stderr}");
        assert!(stderr.contains("error: ") && stderr.contains("caused by: "), "{args:?}: {stderr}");
        stderr
    };
    limited(&["init", "--config", "new.toml"]);
    limited(&["counts", "export", "--out", "all.csv"]);
    limited(&["destroy", "--delete-data", "--confirm", "local", "--export", "all.csv"]);
    let mut files: Vec<_> = std::fs::read_dir(test_env.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != "home")
        .collect();
    files.sort();
    assert_eq!(files, ["hitctl.toml"], "no partial file is left");
    assert_eq!(get(&url, "/counter?path=/").json()["hits"], 2, "a failed export prevents the deletion");
}

#[test]
fn full_stdout_is_an_error() {
    let test_env = TestEnv::with_config("");
    for args in
        [&["config", "show"] as &[&str], &["--help"], &["completions", "bash"], &["env", "list", "--json"]]
    {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let output = test_env.command(args).stdout(full).stderr(Stdio::piped()).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{args:?}: {stderr}");
        assert!(stderr.contains("failed to write the result to stdout"), "{args:?}: {stderr}");
    }
}

/// Nobody can create directories in `/sys`, not even root.
#[test]
fn unwritable_directory_is_named_with_hint() {
    let test_env = TestEnv::new();
    let fails = |args: &[&str], parts: &[&str]| {
        let output = test_env.run_with(args, |process| {
            for variable in ["XDG_STATE_HOME", "XDG_CACHE_HOME"] {
                process.env.insert(variable.to_owned(), "/sys/nowhere".to_owned());
            }
        });
        assert_eq!(output.code, 1, "{args:?}: {output:?}");
        for part in parts {
            assert!(
                output.stderr.contains(part) || output.stdout.contains(part),
                "{args:?}: {part:?} is not in {output:?}"
            );
        }
    };
    fails(&["local", "start"], &["/sys/nowhere/hitctl/projects/", "hint: ", "writable"]);
    fails(&["deploy", "--artifact", &artifact()], &["/sys/nowhere", "hint: "]);
    fails(&["build"], &["/sys/nowhere", "hint: "]);
    fails(&["doctor"], &["failed to write to /sys"]);
    fails(&["init", "--config", "/sys/hitctl.toml"], &["failed to write /sys/hitctl.toml"]);
}

#[test]
fn damaged_registry_is_reported_and_left_unchanged() {
    let test_env = TestEnv::with_config("");
    test_env.deploy();
    assert_eq!(test_env.run(&["local", "stop"]).code, 0);
    let registry = test_env.state().join("registry.json");
    let intact = std::fs::read(&registry).unwrap();
    std::fs::write(&registry, &intact[..intact.len() / 2]).unwrap();
    for args in [&["status"] as &[&str], &["deploy", "--artifact", &artifact()], &["local", "start"]] {
        let output = test_env.run(args);
        assert_eq!(output.code, 1, "{args:?}: {output:?}");
        assert!(output.stderr.contains("registry.json is damaged"), "{args:?}: {output:?}");
        assert_eq!(std::fs::read(&registry).unwrap(), &intact[..intact.len() / 2], "{args:?}");
    }
    std::fs::write(&registry, &intact).unwrap();
    assert_eq!(test_env.run(&["local", "start"]).code, 0);
}

/// `local reset` works with any damaged state, since errors suggest it.
#[test]
fn reset_works_with_any_damaged_state() {
    let damages: [(&str, &str); 3] =
        [("hitctl-local.json", ""), ("hitctl-local.json", "{\"v\":9}"), ("registry.json", "{")];
    for (file, content) in damages {
        let test_env = TestEnv::with_config("");
        test_env.deploy();
        assert_eq!(test_env.run(&["local", "stop"]).code, 0);
        std::fs::write(test_env.state().join(file), content).unwrap();
        // A file that the user has created in the directory does not prevent the next start.
        std::fs::write(test_env.state().join("tables.db.bak"), "mine").unwrap();
        let refused = test_env.run(&["local", "start"]);
        assert!(refused.code == 1 && refused.stderr.contains("`hitctl local reset`"), "{file}: {refused:?}");
        let reset = test_env.run(&["local", "reset", "--confirm", "local"]);
        assert_eq!(reset.code, 0, "{file}: {reset:?}");
        test_env.deploy();
        assert!(test_env.state().join("tables.db.bak").exists());
    }
}
