//! Tests of the choice of sources, of the embedded sources and of the lock file.

use super::*;

fn checkout() -> PathBuf {
    Path::new("../..").canonicalize().unwrap()
}

fn env(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn choose(cwd: &Path, from_source: bool) -> Result<FunctionSource, String> {
    FunctionSource::choose(cwd, Path::new("/cache"), from_source, &BTreeMap::new())
        .map_err(|fault| fault.code.to_string())
}

/// Returns a folder that looks like a checkout of hitctl.
fn other_checkout() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for file in ["Cargo.toml", "function/Cargo.toml", "config/Cargo.toml", "cli/Cargo.toml"] {
        store::write_atomically(&dir.path().join(file), &fs::read(checkout().join(file)).unwrap()).unwrap();
    }
    dir
}

#[test]
fn choose_in_own_checkout_selects_it_from_any_folder() {
    let root = checkout();
    for inner in ["", "function/src", "cli"] {
        assert_eq!(choose(&root.join(inner), false), Ok(FunctionSource::Checkout { root: root.clone() }));
    }
}

#[test]
fn choose_elsewhere_selects_embedded_sources() {
    let elsewhere = tempfile::tempdir().unwrap();
    let embedded = FunctionSource::Embedded { cache: "/cache".into() };
    assert_eq!(choose(elsewhere.path(), false), Ok(embedded.clone()));
    assert_eq!(choose(elsewhere.path(), true), Err("no_checkout".to_owned()));
    assert_eq!(choose(other_checkout().path(), false), Ok(embedded));
}

#[test]
fn choose_selects_other_complete_checkout_only_with_from_source() {
    let dir = other_checkout();
    let root = dir.path().canonicalize().unwrap();
    assert_eq!(choose(&root.join("function"), true), Ok(FunctionSource::Checkout { root: root.clone() }));
    // A folder with only some of the packages is not a checkout.
    fs::remove_file(root.join("cli/Cargo.toml")).unwrap();
    assert_eq!(choose(&root, true), Err("no_checkout".to_owned()));
}

#[test]
fn choose_rejects_world_writable_checkout() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = other_checkout();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).unwrap();
    assert_eq!(choose(&dir.path().join("function"), true), Err("untrusted_checkout".to_owned()));
}

#[test]
fn target_dir_is_separate_from_cargos() {
    let source = FunctionSource::Checkout { root: "/code".into() };
    assert_eq!(source.target_dir(&env(&[])), Path::new("/code/target/hitctl"));
    assert_eq!(source.target_dir(&env(&[("CARGO_TARGET_DIR", "/big")])), Path::new("/big/hitctl"));
    assert_eq!(source.target_dir(&env(&[("CARGO_TARGET_DIR", "out")])), Path::new("/code/out/hitctl"));
    let source = FunctionSource::Embedded { cache: "/cache".into() };
    assert_eq!(source.target_dir(&env(&[("CARGO_TARGET_DIR", "/big")])), Path::new("/cache/target"));
}

#[test]
fn embedded_sources_contain_the_workspace_of_the_function() {
    let names: Vec<&str> = EMBEDDED.iter().map(|(name, _)| *name).collect();
    for name in
        ["Cargo.lock", "Cargo.toml", "config/Cargo.toml", "config/src/contract.rs", "function/Cargo.toml"]
    {
        assert!(names.contains(&name), "{name} is not among {names:?}");
    }
    let manifest = EMBEDDED.iter().find(|(name, _)| *name == "Cargo.toml").unwrap().1;
    let manifest = std::str::from_utf8(manifest).unwrap();
    assert!(manifest.contains("members = [\"config\", \"function\"]\n"), "{manifest}");
    assert!(manifest.contains("[profile.lambda]"), "{manifest}");
}

/// The function must depend only on the folders in [`source_files::FOLDERS`].
#[test]
fn packages_depend_only_on_embedded_folders() {
    for folder in source_files::FOLDERS {
        let manifest = fs::read_to_string(checkout().join(folder).join("Cargo.toml")).unwrap();
        for line in manifest.lines().filter(|line| line.contains("path = \"..")) {
            assert!(
                source_files::FOLDERS.iter().any(|known| line.contains(&format!("\"../{known}\""))),
                "{line}"
            );
        }
        for line in manifest.lines().filter(|line| line.starts_with("hitctl-")) {
            assert!(line.starts_with("hitctl-config = { path"), "{folder} must not need {line}");
        }
    }
}

#[test]
fn unpack_repairs_changed_files_and_keeps_others() {
    let cache = tempfile::tempdir().unwrap();
    let source = FunctionSource::Embedded { cache: cache.path().to_owned() };
    source.unpack().unwrap();
    let root = source.root();
    let (intact, truncated, missing) =
        (root.join("Cargo.toml"), root.join("Cargo.lock"), root.join("function/Cargo.toml"));
    let time = |path: &Path| fs::metadata(path).unwrap().modified().unwrap();
    let before = time(&intact);
    fs::write(&truncated, "half").unwrap();
    fs::remove_file(&missing).unwrap();
    source.unpack().unwrap();
    assert_eq!(time(&intact), before);
    for (name, content) in EMBEDDED {
        assert_eq!(fs::read(root.join(name)).unwrap(), *content, "{name}");
    }
    source.check_versions().unwrap();
    fs::write(&truncated, "half").unwrap();
    assert_eq!(source.check_versions().unwrap_err().code, "versions_changed");
}

#[test]
fn fingerprint_depends_on_content_not_on_modification_time() {
    let copy = tempfile::tempdir().unwrap();
    for (name, content) in EMBEDDED {
        store::write_atomically(&copy.path().join(name), content).unwrap();
    }
    let source = FunctionSource::Checkout { root: copy.path().to_owned() };
    let hash = || {
        let mut hasher = Hasher::default();
        source.fingerprint(&mut hasher).unwrap();
        hasher.hex()
    };
    let before = hash();
    let file = copy.path().join("function/Cargo.toml");
    let content = fs::read(&file).unwrap();
    fs::write(&file, &content).unwrap();
    assert_eq!(hash(), before);
    fs::write(&file, [&content[..], b"\n"].concat()).unwrap();
    assert_ne!(hash(), before);
    fs::write(&file, &content).unwrap();
    fs::write(copy.path().join("rust-toolchain.toml"), "[toolchain]\nchannel = \"beta\"\n").unwrap();
    assert_ne!(hash(), before);
}

const LOCK: &str = "\
# generated
version = 4

[[package]]
name = \"app\"
version = \"0.1.0\"
dependencies = [
 \"left 2.0.0\",
 \"ring\",
]

[[package]]
name = \"left\"
version = \"1.0.0\"
source = \"registry+https://example.org/index\"
checksum = \"aa\"

[[package]]
name = \"left\"
version = \"2.0.0\"
source = \"registry+https://example.org/index\"
checksum = \"bb\"

[[package]]
name = \"other\"
version = \"0.1.0\"
dependencies = [
 \"left 1.0.0\",
]

[[package]]
name = \"ring\"
version = \"0.17.0\"
source = \"registry+https://example.org/index\"
checksum = \"cc\"
";

#[test]
fn prune_lock_keeps_dependencies_of_roots() {
    insta::assert_snapshot!(source_files::prune_lock(LOCK, &["app"]), @r#"
    # generated
    version = 4

    [[package]]
    name = "app"
    version = "0.1.0"
    dependencies = [
     "left 2.0.0",
     "ring",
    ]

    [[package]]
    name = "left"
    version = "2.0.0"
    source = "registry+https://example.org/index"
    checksum = "bb"

    [[package]]
    name = "ring"
    version = "0.17.0"
    source = "registry+https://example.org/index"
    checksum = "cc"
    "#);
    assert_eq!(source_files::prune_lock(LOCK, &["app", "other"]), LOCK);
}

#[test]
fn keeps_versions_allows_removed_packages_only() {
    let whole = LOCK.replace("\"app\"", "\"hit-counter\"");
    let keeps = |lock: &str| keeps_versions(lock.as_bytes(), whole.as_bytes());
    assert!(keeps(&whole));
    let pruned = source_files::prune_lock(&whole, &["hit-counter"]);
    assert!(keeps(&pruned));
    assert!(keeps(&pruned.replace("left 2.0.0", "left")));
    for (from, to) in
        [("0.17.0", "0.18.0"), ("\"bb\"", "\"xx\""), ("example.org", "example.com"), ("hit-counter", "hit")]
    {
        assert!(!keeps(&pruned.replace(from, to)), "{from} -> {to}");
    }
    let cut = pruned.split("[[package]]\nname = \"ring\"").next().unwrap();
    assert!(!keeps(cut) && !keeps(""));
    assert!(!keeps_versions(&[0xff], whole.as_bytes()));
}
