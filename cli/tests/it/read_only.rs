//! Read-only commands write nothing, and secrets are shown nowhere.

use std::collections::BTreeMap;
use std::path::Path;

use crate::proxy::CloudProxy;
use crate::support::{TestEnv, artifact, get};

const SECRET: &str = "hunter2-of-the-environment";
const OTHER: &str = "correct-horse-of-tomorrow";

/// Returns every file below a directory with its content.
fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut dirs = vec![dir.to_path_buf()];
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                dirs.push(path);
            } else {
                found.insert(path.display().to_string(), std::fs::read(&path).unwrap());
            }
        }
    }
    found
}

/// Returns every command that only reads.
fn read_only_commands(zip: &str) -> Vec<Vec<&str>> {
    let artifact = ["--artifact", zip];
    vec![
        [&["plan"] as &[_], &artifact].concat(),
        [&["plan", "--detailed-exitcode", "--json", "-v"] as &[_], &artifact].concat(),
        vec!["status"],
        vec!["status", "--json", "--detailed-exitcode"],
        vec!["counts", "list"],
        vec!["counts", "get", "/", "/never"],
        vec!["counts", "export"],
        vec!["paths", "list"],
        vec!["logs"],
        vec!["explain", "--path", "/"],
        vec!["snippet"],
        vec!["config", "show", "--origin"],
        vec!["env", "list"],
        vec!["local", "status"],
        vec!["doctor"],
        vec!["destroy"],
        vec!["destroy", "--delete-data"],
    ]
}

#[test]
fn read_only_commands_make_no_writing_call() {
    let test_env = TestEnv::with_config("");
    let url = test_env.deploy();
    assert_eq!(get(&url, "/counter?path=/").status, 200);
    let proxy = CloudProxy::attach(&test_env);
    // First without, then with changes that a deploy would make.
    for config in ["", "[function]\nmemory_mb = 512\n[http]\nexpose = \"none\"\n"] {
        test_env.write("hitctl.toml", config);
        let before = files(test_env.path());
        for args in read_only_commands(&artifact()) {
            proxy.take_calls();
            let output = test_env.run(&args);
            // The result of `doctor` depends on the machine.
            assert!([0, 2, 3].contains(&output.code) || args == ["doctor"], "{args:?}: {output:?}");
            for call in proxy.take_calls() {
                let only_reads =
                    ["GET ", "HEAD ", "dynamodb:Scan", "dynamodb:GetItem", "dynamodb:BatchGetItem"];
                assert!(only_reads.iter().any(|start| call.starts_with(start)), "{args:?} calls {call}");
            }
        }
        let changed: Vec<_> = files(test_env.path())
            .into_iter()
            // SQLite's shared-memory index is not data, and the function may still be writing its log.
            .filter(|(name, content)| {
                !name.ends_with("-shm") && !name.contains("/logs/") && before.get(name) != Some(content)
            })
            .map(|(name, _)| name)
            .collect();
        assert_eq!(changed, Vec::<String>::new());
    }
    assert_eq!(get(&url, "/v1/count?path=/").json()["hits"], 1);
}

#[test]
fn read_only_commands_start_and_create_nothing() {
    let test_env = TestEnv::with_config("");
    let zip = artifact();
    for args in read_only_commands(&zip).into_iter().filter(|args| args[0] != "destroy") {
        test_env.run(&args);
        let created: Vec<_> = files(test_env.path())
            .into_keys()
            .filter(|name| !name.ends_with("hitctl.toml") && !name.contains("/home/.rustup"))
            // The key for fingerprints of secrets is created when the first fingerprint is shown.
            .filter(|name| !name.ends_with("/.local/state/hitctl/fingerprint.key"))
            .collect();
        assert_eq!(created, Vec::<String>::new(), "{args:?}");
        assert!(!test_env.path().join(".hitctl").exists(), "{args:?}");
    }
    // The same with a stopped cloud that has data.
    test_env.deploy();
    assert_eq!(test_env.run(&["local", "stop"]).code, 0);
    let before = files(&test_env.state());
    for args in read_only_commands(&zip).into_iter().filter(|args| args[0] != "destroy") {
        test_env.run(&args);
        assert!(!test_env.state().join("daemon.json").exists(), "{args:?} started the cloud");
    }
    assert_eq!(files(&test_env.state()), before);
}

#[test]
fn function_environment_values_are_shown_nowhere() {
    let config_with =
        |value: &str, more: &str| format!("[function]\nenvironment = {{ TOKEN = \"{value}\" }}\n{more}");
    let test_env = TestEnv::with_config(&config_with(SECRET, ""));
    let zip = artifact();
    let mut shown = Vec::new();
    for json in [&[] as &[&str], &["--json"]] {
        let mut run = |config: &str, args: &[&str]| {
            test_env.write("hitctl.toml", config);
            let output = test_env.run(&[args, json].concat());
            shown.push((format!("{args:?}"), format!("{}{}", output.stdout, output.stderr)));
            output.code
        };
        let (first, second) = (config_with(SECRET, ""), config_with(OTHER, ""));
        run(&first, &["plan", "-vv", "--artifact", &zip]);
        assert_eq!(run(&first, &["deploy", "-vv", "--artifact", &zip]), 0);
        for args in [
            &["status", "-vv"] as &[&str],
            &["invoke", "--path", "/", "-vv"],
            &["logs"],
            &["config", "show", "--origin"],
            &["doctor"],
            &["local", "status"],
        ] {
            run(&first, args);
        }
        // A change from one secret to another.
        run(&second, &["plan", "-vv", "--artifact", &zip]);
        assert_eq!(run(&second, &["deploy", "-vv", "--artifact", &zip]), 0);
        // Configuration errors in a secret and next to it.
        for config in [
            config_with(OTHER, "memory = 7\n"),
            format!("[function]\nenvironment = {{ TOKEN = [\"{OTHER}\"] }}\n"),
            format!("[function]\nenvironment = {{ \"not a name\" = \"{OTHER}\" }}\n"),
            format!("[function]\nenvironment = {{ TOKEN = \"{OTHER} }}\n"),
            config_with(&format!("{OTHER}\\u0000"), ""),
        ] {
            assert_eq!(run(&config, &["plan"]), 64, "{config}");
        }
        for (name, content) in files(&test_env.state()) {
            let text = String::from_utf8_lossy(&content).into_owned();
            // The function needs the value, so the registry stores it, readable only by this user.
            if name.ends_with("registry.json") {
                assert!(
                    text.contains(OTHER),
                    "the registry does not store the value, so this test proves nothing"
                );
            } else {
                shown.push((name, text));
            }
        }
        test_env.write("hitctl.toml", "");
        let output = test_env.run(&[&["destroy", "--yes", "-vv"], json].concat());
        shown.push(("destroy".to_owned(), format!("{}{}", output.stdout, output.stderr)));
    }
    for (source, text) in shown {
        for secret in [SECRET, OTHER] {
            assert!(!text.contains(secret), "{source} shows {secret}:\n{text}");
        }
    }
}

#[test]
fn other_users_of_this_machine_see_nothing() {
    use std::os::unix::fs::PermissionsExt as _;
    let test_env = TestEnv::with_config("");
    let url = test_env.deploy();
    assert_eq!(get(&url, "/counter?path=/").status, 200);
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&test_env.state()), 0o700);
    let entries: Vec<_> =
        std::fs::read_dir(test_env.state()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(entries.len() > 5, "{entries:?}");
    for path in entries {
        assert_eq!(mode(&path) & 0o077, 0, "{} is open to others", path.display());
    }
    #[cfg(target_os = "linux")]
    {
        let pid = test_env.run(&["local", "status", "--json"]).json()["pid"].as_u64().unwrap();
        let listening = listening(pid);
        // The control port, the tables, the functions' Runtime API and one HTTP API.
        assert!(listening.len() >= 4, "{listening:?}");
        // The kernel writes 127.0.0.1 in hexadecimal, with the bytes reversed.
        assert!(listening.iter().all(|address| address.starts_with("0100007F:")), "{listening:?}");
    }
}

/// Returns the addresses on which a process listens, over IPv4 and IPv6.
#[cfg(target_os = "linux")]
fn listening(pid: u64) -> Vec<String> {
    let sockets: Vec<_> = std::fs::read_dir(format!("/proc/{pid}/fd"))
        .unwrap()
        .filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok()?.to_str().map(str::to_owned))
        .collect();
    let mut found = Vec::new();
    for table in ["tcp", "tcp6"] {
        for line in
            std::fs::read_to_string(format!("/proc/{pid}/net/{table}")).unwrap_or_default().lines().skip(1)
        {
            let columns: Vec<_> = line.split_whitespace().collect();
            // 0A is LISTEN.
            if columns[3] == "0A" && sockets.contains(&format!("socket:[{}]", columns[9])) {
                found.push(columns[1].to_owned());
            }
        }
    }
    found
}
