//! Tests of unpacked code that is damaged while the runner runs: the next start of a process repairs it.

use std::path::{Path, PathBuf};

use serde_json::Value as Json;

use crate::harness::FunctionTestEnv;

/// Returns the path of the unpacked `bootstrap` of the only function.
fn bootstrap(env: &FunctionTestEnv) -> PathBuf {
    let mut all = std::fs::read_dir(env.dir.path().join("code")).unwrap().flatten();
    let code = all.find(|entry| !entry.file_name().to_string_lossy().starts_with('.')).unwrap();
    code.path().join("bootstrap")
}

#[tokio::test]
async fn start_of_damaged_program_unpacks_code_again() {
    use std::os::unix::fs::PermissionsExt as _;
    type Damage = fn(&Path);
    let damages: [(&str, Damage); 5] = [
        ("empty", |path| std::fs::write(path, "").unwrap()),
        ("mode 644", |path| {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o644)).unwrap();
        }),
        ("removed", |path| std::fs::remove_file(path).unwrap()),
        ("all removed", |path| std::fs::remove_dir_all(path.parent().unwrap()).unwrap()),
        ("dangling link", |path| {
            std::fs::remove_file(path).unwrap();
            std::os::unix::fs::symlink("/no/such/program", path).unwrap();
        }),
    ];
    let env = FunctionTestEnv::new();
    env.deploy(|_| {}).await;
    for (name, damage) in damages {
        env.invoke(r#""do=crash:1""#).await;
        let path = bootstrap(&env);
        // The file of a running program cannot be written to, so it is replaced by a copy.
        let written = std::fs::read(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, written).unwrap();
        damage(&path);
        let response = env.invoke("1").await;
        assert_eq!((response.payload.as_ref(), response.function_error), (b"1".as_slice(), None), "{name}");
        let mode = std::fs::metadata(bootstrap(&env)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o755, "{name}");
    }
}

#[tokio::test]
async fn start_without_program_and_zip_fails_with_hint() {
    let env = FunctionTestEnv::new();
    env.deploy(|_| {}).await;
    let path = bootstrap(&env);
    std::fs::remove_file(&path).unwrap();
    std::fs::remove_dir_all(env.dir.path().join("zips")).unwrap();
    let failed: Json = serde_json::from_slice(&env.invoke("{}").await.payload).unwrap();
    assert_eq!(failed["errorType"], "Runtime.InvalidEntrypoint");
    let message = failed["errorMessage"].as_str().unwrap();
    for part in ["No such file or directory", "does not exist", "run `hitctl deploy --env local`"] {
        assert!(message.contains(part), "{part} in {message}");
    }
}
