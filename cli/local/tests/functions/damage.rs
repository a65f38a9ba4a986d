//! Unpacked code that was damaged while the runner runs: what the next start of a process does about it.

use std::path::{Path, PathBuf};

use serde_json::Value as Json;

use crate::harness::Cloud;

/// The unpacked `bootstrap` of the only function.
fn bootstrap(cloud: &Cloud) -> PathBuf {
    let mut all = std::fs::read_dir(cloud.dir.path().join("code")).unwrap().flatten();
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
        ("link to nothing", |path| {
            std::fs::remove_file(path).unwrap();
            std::os::unix::fs::symlink("/no/such/program", path).unwrap();
        }),
    ];
    let cloud = Cloud::new();
    cloud.deploy(|_| {}).await;
    for (name, damage) in damages {
        cloud.invoke(r#""do=crash:1""#).await;
        let path = bootstrap(&cloud);
        // A file that runs cannot be written to.
        let written = std::fs::read(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, written).unwrap();
        damage(&path);
        let answer = cloud.invoke("1").await;
        assert_eq!((answer.payload.as_ref(), answer.function_error), (b"1".as_slice(), None), "{name}");
        let mode = std::fs::metadata(bootstrap(&cloud)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o755, "{name}");
    }
}

#[tokio::test]
async fn start_without_program_and_zip_fails_with_hint() {
    let cloud = Cloud::new();
    cloud.deploy(|_| {}).await;
    let path = bootstrap(&cloud);
    std::fs::remove_file(&path).unwrap();
    std::fs::remove_dir_all(cloud.dir.path().join("zips")).unwrap();
    let failed: Json = serde_json::from_slice(&cloud.invoke("{}").await.payload).unwrap();
    assert_eq!(failed["errorType"], "Runtime.InvalidEntrypoint");
    let message = failed["errorMessage"].as_str().unwrap();
    for part in ["No such file or directory", "is not there", "run `hitctl deploy --env local`"] {
        assert!(message.contains(part), "{part} in {message}");
    }
}
