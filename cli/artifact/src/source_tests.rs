//! Where the sources of the function are found, and the copy that the program carries.

use super::*;

fn checkout() -> PathBuf {
    Path::new("../..").canonicalize().unwrap()
}

fn env(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn choose(cwd: &Path, from_source: bool) -> Result<Source, String> {
    Source::choose(cwd, Path::new("/cache"), from_source, &BTreeMap::new())
        .map_err(|fault| fault.code.to_string())
}

/// A folder that looks like a checkout of hitctl, whoever made it.
fn other_checkout() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for file in ["Cargo.toml", "function/Cargo.toml", "config/Cargo.toml", "cli/Cargo.toml"] {
        store::write_atomically(&dir.path().join(file), &fs::read(checkout().join(file)).unwrap()).unwrap();
    }
    dir
}

#[test]
fn choose_in_the_own_checkout_builds_it_from_any_folder_within() {
    let root = checkout();
    for inner in ["", "function/src", "cli"] {
        assert_eq!(choose(&root.join(inner), false), Ok(Source::Checkout { root: root.clone() }));
    }
}

#[test]
fn choose_elsewhere_builds_the_carried_sources() {
    let elsewhere = tempfile::tempdir().unwrap();
    let carried = Source::Carried { cache: "/cache".into() };
    assert_eq!(choose(elsewhere.path(), false), Ok(carried.clone()));
    assert_eq!(choose(elsewhere.path(), true), Err("no_checkout".to_owned()));
    assert_eq!(choose(other_checkout().path(), false), Ok(carried));
}

#[test]
fn choose_builds_another_checkout_only_when_asked_to_and_only_a_whole_one() {
    let dir = other_checkout();
    let root = dir.path().canonicalize().unwrap();
    assert_eq!(choose(&root.join("function"), true), Ok(Source::Checkout { root: root.clone() }));
    // The name of the package alone makes no checkout.
    fs::remove_file(root.join("cli/Cargo.toml")).unwrap();
    assert_eq!(choose(&root, true), Err("no_checkout".to_owned()));
}

#[test]
fn choose_refuses_a_checkout_that_any_user_can_write_to() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = other_checkout();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).unwrap();
    assert_eq!(choose(&dir.path().join("function"), true), Err("untrusted_checkout".to_owned()));
}

#[test]
fn the_build_folder_is_not_the_checkouts_own() {
    let source = Source::Checkout { root: "/code".into() };
    assert_eq!(source.target_dir(&env(&[])), Path::new("/code/target/hitctl"));
    assert_eq!(source.target_dir(&env(&[("CARGO_TARGET_DIR", "/big")])), Path::new("/big/hitctl"));
    assert_eq!(source.target_dir(&env(&[("CARGO_TARGET_DIR", "out")])), Path::new("/code/out/hitctl"));
    let source = Source::Carried { cache: "/cache".into() };
    assert_eq!(source.target_dir(&env(&[("CARGO_TARGET_DIR", "/big")])), Path::new("/cache/target"));
}

#[test]
fn the_cache_is_where_users_expect_it() {
    let home = if cfg!(target_os = "macos") { "/h/Library/Caches/hitctl" } else { "/h/.cache/hitctl" };
    assert_eq!(cache_dir(&env(&[("HOME", "/h")])), Some(home.into()));
    assert_eq!(cache_dir(&env(&[("HOME", "/h"), ("XDG_CACHE_HOME", "/x")])), Some("/x/hitctl".into()));
    assert_eq!(cache_dir(&env(&[("HOME", "/h"), ("XDG_CACHE_HOME", "relative")])), Some(home.into()));
    assert_eq!(cache_dir(&env(&[])), None);
}

#[test]
fn the_carried_sources_are_those_of_the_checkout() {
    let names: Vec<&str> = CARRIED.iter().map(|(name, _)| *name).collect();
    for wanted in
        ["Cargo.lock", "Cargo.toml", "config/Cargo.toml", "config/src/contract.rs", "function/Cargo.toml"]
    {
        assert!(names.contains(&wanted), "{wanted} is not among {names:?}");
    }
    let manifest = CARRIED.iter().find(|(name, _)| *name == "Cargo.toml").unwrap().1;
    let manifest = std::str::from_utf8(manifest).unwrap();
    assert!(manifest.contains("members = [\"config\", \"function\"]\n"), "{manifest}");
    assert!(manifest.contains("[profile.lambda]"), "{manifest}");
}

/// The folders of [`source_files::FOLDERS`] must be all that the function is made of.
#[test]
fn no_other_folder_of_the_checkout_is_needed() {
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
fn what_is_half_unpacked_or_changed_is_repaired_and_the_rest_left_alone() {
    let cache = tempfile::tempdir().unwrap();
    let source = Source::Carried { cache: cache.path().to_owned() };
    source.unpack().unwrap();
    let root = source.root();
    let (whole, cut, gone) =
        (root.join("Cargo.toml"), root.join("Cargo.lock"), root.join("function/Cargo.toml"));
    let time = |path: &Path| fs::metadata(path).unwrap().modified().unwrap();
    let before = time(&whole);
    fs::write(&cut, "half").unwrap();
    fs::remove_file(&gone).unwrap();
    source.unpack().unwrap();
    assert_eq!(time(&whole), before);
    for (name, content) in CARRIED {
        assert_eq!(fs::read(root.join(name)).unwrap(), *content, "{name}");
    }
    source.check_versions().unwrap();
    fs::write(&cut, "half").unwrap();
    assert_eq!(source.check_versions().unwrap_err().code, "versions_changed");
}

#[test]
fn a_changed_source_changes_the_fingerprint_and_a_touched_one_does_not() {
    let copy = tempfile::tempdir().unwrap();
    for (name, content) in CARRIED {
        store::write_atomically(&copy.path().join(name), content).unwrap();
    }
    let source = Source::Checkout { root: copy.path().to_owned() };
    let print = || {
        let mut hasher = Hasher::default();
        source.fingerprint(&mut hasher).unwrap();
        hasher.hex()
    };
    let before = print();
    let file = copy.path().join("function/Cargo.toml");
    let content = fs::read(&file).unwrap();
    fs::write(&file, &content).unwrap();
    assert_eq!(print(), before);
    fs::write(&file, [&content[..], b"\n"].concat()).unwrap();
    assert_ne!(print(), before);
    fs::write(&file, &content).unwrap();
    fs::write(copy.path().join("rust-toolchain.toml"), "[toolchain]\nchannel = \"beta\"\n").unwrap();
    assert_ne!(print(), before);
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
fn a_lock_file_is_pruned_to_what_a_package_needs() {
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
fn cargo_may_strike_packages_out_of_the_lock_file_and_change_nothing_else() {
    let whole = LOCK.replace("\"app\"", "\"hit-counter\"");
    let keeps = |lock: &str| keeps_versions(lock.as_bytes(), whole.as_bytes());
    assert!(keeps(&whole));
    let struck = source_files::prune_lock(&whole, &["hit-counter"]);
    assert!(keeps(&struck));
    assert!(keeps(&struck.replace("left 2.0.0", "left")));
    for (from, to) in
        [("0.17.0", "0.18.0"), ("\"bb\"", "\"xx\""), ("example.org", "example.com"), ("hit-counter", "hit")]
    {
        assert!(!keeps(&struck.replace(from, to)), "{from} -> {to}");
    }
    let cut = struck.split("[[package]]\nname = \"ring\"").next().unwrap();
    assert!(!keeps(cut) && !keeps(""));
    assert!(!keeps_versions(&[0xff], whole.as_bytes()));
}
