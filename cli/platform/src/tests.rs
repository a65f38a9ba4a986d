//! Tests of what is the same on every system, and of each system's own part.

use super::*;

fn env(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn user_dir_prefers_its_own_variable_and_ignores_relative_paths() {
    let root = std::env::temp_dir();
    let root = root.to_str().unwrap();
    let (base, _) = default_user_dir(UserDir::State, "p");
    let both = env(&[(base, root), ("XDG_STATE_HOME", root)]);
    assert_eq!(user_dir(UserDir::State, "p", &both), Ok(Path::new(root).join("p")));
    let relative = env(&[(base, root), ("XDG_STATE_HOME", "state")]);
    assert_eq!(
        user_dir(UserDir::State, "p", &relative),
        user_dir(UserDir::State, "p", &env(&[(base, root)]))
    );
    assert_eq!(user_dir(UserDir::Cache, "p", &env(&[(base, ".")])), Err([base, "XDG_CACHE_HOME"]));
    let of = |kind| user_dir(kind, "p", &env(&[(base, root)])).unwrap();
    assert_ne!(of(UserDir::Cache), of(UserDir::State));
}

#[test]
fn same_file_is_recognized_until_it_is_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lock");
    let file = File::create(&path).unwrap();
    assert!(is_same_file(&file, &path));
    fs::rename(&path, dir.path().join("other")).unwrap();
    assert!(!is_same_file(&file, &path), "no file at the path");
    drop(File::create(&path).unwrap());
    assert!(!is_same_file(&file, &path), "another file at the path");
}

#[test]
fn program_is_found_in_absolute_folders_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let file = format!("tool{}", PROGRAM_SUFFIXES[0]);
    let (first, second) = (dir.path().join("a"), dir.path().join("b"));
    for folder in [&first, &second] {
        fs::create_dir(folder).unwrap();
        fs::write(folder.join(&file), "").unwrap();
        set_mode(&folder.join(&file), 0o755).unwrap();
    }
    let path = std::env::join_paths([Path::new("."), &second]).unwrap();
    let path = path.to_str().unwrap();
    assert_eq!(find_program("tool", path, std::slice::from_ref(&first)), Some(second.join(&file)));
    assert_eq!(find_program("tool", "", std::slice::from_ref(&first)), Some(first.join(&file)));
    assert_eq!(find_program("tool", "a", &[]), None, "relative folders do not count");
    fs::create_dir(dir.path().join(&file)).unwrap();
    assert_eq!(find_program("tool", "", &[dir.path().to_owned()]), None, "a folder is no program");
}

#[test]
fn state_of_own_process_and_of_ended_process_differ() {
    assert_ne!(process_state(std::process::id()), ProcessState::Ended);
    let mut child =
        std::process::Command::new(std::env::current_exe().unwrap()).arg("--list").spawn().unwrap();
    let id = child.id();
    child.wait().unwrap();
    assert!(matches!(process_state(id), ProcessState::Ended | ProcessState::Unknown));
}

#[cfg(unix)]
#[test]
fn killed_group_leader_ends_by_signal() {
    let mut command = std::process::Command::new("sleep");
    set_own_group(command.arg("60"));
    let mut child = command.spawn().unwrap();
    let ProcessState::Running { leads_group, .. } = process_state(child.id()) else { panic!("not running") };
    assert_ne!(leads_group, Some(false));
    kill_group(child.id());
    assert_eq!(exit_signal(child.wait().unwrap()), Some(9));
}

#[cfg(unix)]
#[test]
fn private_files_and_directories_belong_to_the_user_alone() {
    let dir = tempfile::tempdir().unwrap();
    let private = dir.path().join("a/b");
    create_private_dir(&private).unwrap();
    let file = private.join("file");
    let created = private_options(fs::OpenOptions::new().write(true).create(true)).open(&file).unwrap();
    assert_eq!(mode(&created.metadata().unwrap()), Some(0o600));
    assert_eq!(mode(&private.metadata().unwrap()), Some(0o700));
    assert_eq!(owner(&created.metadata().unwrap()), current_user());
    std::os::unix::fs::symlink(&file, private.join("link")).unwrap();
    assert!(private_options(fs::OpenOptions::new().read(true)).open(private.join("link")).is_err());
}

#[cfg(windows)]
#[test]
fn canonical_path_has_no_verbatim_prefix() {
    let path = canonicalize(&std::env::temp_dir()).unwrap();
    assert!(!path.display().to_string().starts_with(r"\\?\"), "{}", path.display());
}
