//! Disks that are full or cannot be written: a clear error, no hit that was answered is lost, nothing is half-written, and
//! when there is room again everything goes on.
//!
//! A disk is full here when the process may not make files any larger: the kernel fails the same writes, for root too.

use std::process::{Child, Stdio};

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};

use crate::support::{Http, Yard, artifact, get};

const OPEN: &str =
    "[function]\nreserved_concurrency = \"none\"\n[http]\nrate_per_second = 10000\nburst = 5000\n";

/// A local cloud that answers a full disk with an error, as the kernel gives it, and not by dying of a signal.
fn serve(yard: &Yard) -> (Child, Pid) {
    let mut child = std::process::Command::new("sh")
        .args(["-c", "trap '' XFSZ; exec \"$0\" local serve --state-dir \"$1\""])
        .arg(crate::support::EXE)
        .arg(yard.state())
        .current_dir(yard.path())
        .env_clear()
        .envs(yard.env())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let pid = Pid::from_child(&child);
    for _ in 0..1_000 {
        let status = yard.run(&["local", "status", "--json"]).json();
        if status["pid"].as_u64() == Some(u64::from(child.id())) {
            return (child, pid);
        }
        std::thread::park_timeout(std::time::Duration::from_millis(10));
    }
    child.kill().unwrap();
    panic!("the local cloud did not start: {:?}", child.wait());
}

/// From now on no file of that process grows over so many bytes.
fn room(pid: Pid, bytes: Option<u64>) {
    let maximum = getrlimit(Resource::Fsize).maximum;
    prlimit(Some(pid), Resource::Fsize, Rlimit { current: bytes.or(maximum), maximum }).unwrap();
}

#[test]
fn a_disk_that_fills_up_loses_no_answered_hit_and_a_deploy_says_so() {
    let yard = Yard::with(OPEN);
    let url = yard.deploy();
    assert_eq!(yard.run(&["local", "stop"]).code, 0);
    let (mut child, pid) = serve(&yard);
    assert_eq!(get(&url, "/counter?path=/0").json()["hits"], 1);

    // Room for some more hits, then for none.
    room(pid, Some(256 * 1024));
    let mut http = Http::connect(&url).unwrap();
    let (mut counted, mut refused) = (vec![0], Vec::new());
    for n in 1..4_000 {
        let path = format!("/{n}-{}", "x".repeat(400));
        let answer = http.ask("GET", &format!("/counter?path={path}"), "", b"").unwrap();
        match answer.status {
            200 => counted.push(n),
            500..=599 => {
                assert!(!answer.body.is_empty(), "{answer:?}");
                refused.push(n);
            }
            _ => panic!("{answer:?}"),
        }
        if refused.len() == 5 {
            break;
        }
    }
    assert!(counted.len() > 1 && refused.len() == 5, "{} counted, {} refused", counted.len(), refused.len());

    // The status says so, to people and to programs.
    let status = yard.run(&["status"]);
    assert!(status.stdout.contains("warn") && status.stdout.contains("tables.db"), "{status:?}");
    let warnings = yard.run(&["status", "--json"]).json()["warnings"].to_string();
    assert!(warnings.contains("failed to write") && warnings.contains("free some space"), "{warnings}");
    let notices = yard.run(&["local", "status", "--json"]).json()["notices"].to_string();
    assert!(notices.contains("tables.db"), "{notices}");

    // A deploy cannot be written either, and changes nothing.
    room(pid, Some(0));
    yard.write("hitctl.toml", &OPEN.replace("[http]", "memory_mb = 256\n[http]"));
    let registry = std::fs::read(yard.state().join("registry.json")).unwrap();
    let full = yard.run(&["deploy", "--artifact", &artifact()]);
    assert_eq!(full.code, 1, "{full:?}");
    assert!(full.stderr.contains("hits-local") && full.stderr.contains("free some space"), "{}", full.stderr);
    assert_eq!(std::fs::read(yard.state().join("registry.json")).unwrap(), registry);
    let litter: Vec<_> =
        std::fs::read_dir(yard.state()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(litter.iter().all(|name| !name.to_string_lossy().starts_with('.')), "{litter:?}");

    // Room again, and nobody has to start anything anew.
    room(pid, None);
    assert_eq!(yard.run(&["deploy", "--artifact", &artifact()]).code, 0);
    assert_eq!(get(&url, "/counter?path=/0").json()["hits"], 2);
    let status = yard.run(&["status", "--json"]).json();
    assert_eq!(status.get("warnings"), None, "a write that succeeds ends it: {status}");
    let rows = yard.run(&["counts", "list", "--json"]).json();
    let rows = rows["counts"].as_array().unwrap();
    assert_eq!(rows.len(), counted.len(), "as many paths as were answered with 200");
    assert_eq!(rows.iter().map(|row| row["hits"].as_u64().unwrap()).sum::<u64>(), counted.len() as u64 + 1);
    assert_eq!(yard.run(&["local", "stop"]).code, 0);
    child.wait().unwrap();
}

#[test]
fn a_program_that_cannot_write_its_file_leaves_none() {
    let yard = Yard::with("");
    let url = yard.deploy();
    assert_eq!(get(&url, "/counter?path=/").status, 200);
    let limited = |args: &[&str]| {
        let output = std::process::Command::new("sh")
            .args(["-c", "trap '' XFSZ; ulimit -f 0; exec \"$0\" \"$@\""])
            .arg(crate::support::EXE)
            .args(args)
            .current_dir(yard.path())
            .env_clear()
            .envs(yard.env())
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
    let mut left: Vec<_> = std::fs::read_dir(yard.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != "home")
        .collect();
    left.sort();
    assert_eq!(left, ["hitctl.toml"], "nothing half-written is left");
    assert_eq!(get(&url, "/counter?path=/").json()["hits"], 2, "without its export nothing was destroyed");
}

#[test]
fn what_stdout_could_not_take_is_an_error() {
    let yard = Yard::with("");
    for args in
        [&["config", "show"] as &[&str], &["--help"], &["completions", "bash"], &["env", "list", "--json"]]
    {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let output = yard.command(args).stdout(full).stderr(Stdio::piped()).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{args:?}: {stderr}");
        assert!(stderr.contains("failed to write the result to stdout"), "{args:?}: {stderr}");
    }
}

/// Nobody makes directories in `/sys`, not even root.
#[test]
fn a_place_that_cannot_be_written_is_named_with_what_to_do() {
    let yard = Yard::new();
    let elsewhere = |args: &[&str], parts: &[&str]| {
        let ran = yard.run_as(args, |world| {
            for variable in ["XDG_STATE_HOME", "XDG_CACHE_HOME"] {
                world.env.insert(variable.to_owned(), "/sys/nowhere".to_owned());
            }
        });
        assert_eq!(ran.code, 1, "{args:?}: {ran:?}");
        for part in parts {
            assert!(
                ran.stderr.contains(part) || ran.stdout.contains(part),
                "{args:?}: {part:?} is not in {ran:?}"
            );
        }
    };
    elsewhere(&["local", "start"], &["/sys/nowhere/hitctl/projects/", "hint: ", "writable"]);
    elsewhere(&["deploy", "--artifact", &artifact()], &["/sys/nowhere", "hint: "]);
    elsewhere(&["build"], &["/sys/nowhere", "hint: "]);
    elsewhere(&["doctor"], &["/sys", "cannot be written"]);
    elsewhere(&["init", "--config", "/sys/hitctl.toml"], &["failed to write /sys/hitctl.toml"]);
}

#[test]
fn a_damaged_registry_is_told_and_left_as_it_is() {
    let yard = Yard::with("");
    yard.deploy();
    assert_eq!(yard.run(&["local", "stop"]).code, 0);
    let registry = yard.state().join("registry.json");
    let whole = std::fs::read(&registry).unwrap();
    std::fs::write(&registry, &whole[..whole.len() / 2]).unwrap();
    for args in [&["status"] as &[&str], &["deploy", "--artifact", &artifact()], &["local", "start"]] {
        let ran = yard.run(args);
        assert_eq!(ran.code, 1, "{args:?}: {ran:?}");
        assert!(ran.stderr.contains("registry.json is damaged"), "{args:?}: {ran:?}");
        assert_eq!(std::fs::read(&registry).unwrap(), &whole[..whole.len() / 2], "{args:?}");
    }
    std::fs::write(&registry, &whole).unwrap();
    assert_eq!(yard.run(&["local", "start"]).code, 0);
}

/// `local reset` works whatever is wrong with the state, since errors name it as the way out.
#[test]
fn reset_is_a_way_out_of_every_damage() {
    let damages: [(&str, &str); 3] =
        [("hitctl-local.json", ""), ("hitctl-local.json", "{\"v\":9}"), ("registry.json", "{")];
    for (file, content) in damages {
        let yard = Yard::with("");
        yard.deploy();
        assert_eq!(yard.run(&["local", "stop"]).code, 0);
        std::fs::write(yard.state().join(file), content).unwrap();
        // A copy that the user made there does not make the directory unusable afterwards.
        std::fs::write(yard.state().join("tables.db.bak"), "mine").unwrap();
        let refused = yard.run(&["local", "start"]);
        assert!(refused.code == 1 && refused.stderr.contains("`hitctl local reset`"), "{file}: {refused:?}");
        let reset = yard.run(&["local", "reset", "--confirm", "local"]);
        assert_eq!(reset.code, 0, "{file}: {reset:?}");
        yard.deploy();
        assert!(yard.state().join("tables.db.bak").exists());
    }
}
