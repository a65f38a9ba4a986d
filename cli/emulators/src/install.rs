//! Installs the emulators from the Python registry into a virtual environment below cargo's target directory: once, by
//! whichever test process comes first, and anew when their versions change.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use sha2::{Digest as _, Sha256};

const REQUIREMENTS: &str = include_str!("../requirements.txt");

/// The validators of policies. They have an environment of their own, since they need other versions of the emulators' packages.
const POLICY_VALIDATORS: &str = include_str!("../policies.txt");

/// The package that AWS's Runtime Interface Emulator comes in; what it requires is not needed for that.
const SAM: &str = "--no-deps\naws-sam-cli==1.167.0\n";

/// An environment, or why it could not be installed: each is installed once per process.
type Installed = OnceLock<Result<PathBuf, String>>;

/// The virtual environment, installed.
pub(crate) fn installed() -> Result<&'static Path, String> {
    static INSTALLED: Installed = OnceLock::new();
    once(&INSTALLED, REQUIREMENTS)
}

/// The virtual environment with the validators of policies, installed.
pub(crate) fn policy_validators() -> Result<&'static Path, String> {
    static INSTALLED: Installed = OnceLock::new();
    once(&INSTALLED, POLICY_VALIDATORS)
}

/// The virtual environment with just the SAM CLI's own files, installed.
pub(crate) fn sam() -> Result<&'static Path, String> {
    static INSTALLED: Installed = OnceLock::new();
    once(&INSTALLED, SAM)
}

fn once(installed: &'static Installed, requirements: &str) -> Result<&'static Path, String> {
    let installed = installed.get_or_init(|| {
        let program = std::env::current_exe().map_err(|error| error.to_string())?;
        install(&target(&program)?.join("emulators"), requirements)
    });
    installed.as_deref().map_err(Clone::clone)
}

/// The interpreter of a virtual environment.
pub(crate) fn python(environment: &Path) -> PathBuf {
    environment.join("bin/python")
}

/// Cargo's target directory, seen from a program in it. Cargo marks it only where it created it, and writes its facts about rustc there always.
fn target(program: &Path) -> Result<PathBuf, String> {
    program
        .ancestors()
        .find(|folder| [".rustc_info.json", "CACHEDIR.TAG"].iter().any(|file| folder.join(file).is_file()))
        .map(Path::to_path_buf)
        .ok_or_else(|| format!("{} is not in a target directory of cargo", program.display()))
}

/// Installs what is required, by lines that are options of pip or packages, unless it is there: into a directory named after it, so that two checkouts that share a
/// target directory can want different versions.
fn install(place: &Path, requirements: &str) -> Result<PathBuf, String> {
    let said = |error: std::io::Error| format!("{}: {error}", place.display());
    fs::create_dir_all(place).map_err(said)?;
    let lock = File::create(place.join("lock")).map_err(said)?;
    // Let go when the file is closed, also by the end of a process that was killed half way.
    lock.lock().map_err(said)?;
    let hash = Sha256::digest(requirements);
    let environment = place.join(format!("{:02x}{:02x}{:02x}{:02x}", hash[0], hash[1], hash[2], hash[3]));
    let done = environment.join("installed");
    // Its interpreter is a link to the one of the machine, which may have gone.
    if done.is_file() && python(&environment).exists() {
        return Ok(environment);
    }
    if environment.exists() {
        fs::remove_dir_all(&environment).map_err(said)?;
    }
    run(Command::new("python3").args(["-m", "venv"]).arg(&environment)).map_err(|why| {
        format!("{why}\nhint: Python 3.11 or newer with its venv module is needed (on Debian: apt-get install python3-venv)")
    })?;
    let list = environment.join("requirements.txt");
    let (options, packages): (Vec<_>, Vec<_>) = requirements.lines().partition(|line| line.starts_with("--"));
    fs::write(&list, packages.join("\n")).map_err(said)?;
    run(Command::new(python(&environment))
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"])
        .args(options)
        .arg("-r")
        .arg(&list))?;
    fs::write(&done, "").map_err(said)?;
    Ok(environment)
}

/// Runs a program; what it said is the error.
fn run(command: &mut Command) -> Result<(), String> {
    let ran = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    if ran.status.success() {
        return Ok(());
    }
    let (out, err) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    Err(format!("{command:?} ended with {}\n{out}{err}", ran.status))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_target_directory_is_the_one_that_the_test_runs_in() {
        let program = std::env::current_exe().unwrap();
        let target = target(&program).unwrap();
        assert!(program.starts_with(&target));
        assert!(!target.ends_with("deps") && !target.ends_with("debug"), "{}", target.display());
        assert!(super::target(Path::new("/bin/sh")).unwrap_err().contains("not in a target directory"));
    }

    #[test]
    fn what_cannot_be_installed_is_said_in_the_words_of_pip_and_is_not_taken_for_installed() {
        let place = tempfile::tempdir().unwrap();
        // Never asked for on a network: an address that is no version.
        for _ in 0..2 {
            let why = install(place.path(), "ministack=?=1\n").unwrap_err();
            assert!(why.contains("pip") && why.contains("ministack=?=1"), "{why}");
        }
    }

    #[test]
    fn what_is_installed_stays_and_another_list_gets_a_place_of_its_own() {
        let place = tempfile::tempdir().unwrap();
        let first = install(place.path(), "# nothing\n").unwrap();
        fs::write(first.join("mark"), "").unwrap();
        assert_eq!(install(place.path(), "# nothing\n").unwrap(), first);
        assert!(first.join("mark").exists());
        let second = install(place.path(), "# nothing either\n").unwrap();
        assert_ne!(second, first);
        // One that was cut half way is made anew.
        fs::remove_file(first.join("installed")).unwrap();
        install(place.path(), "# nothing\n").unwrap();
        assert!(!first.join("mark").exists());
    }
}
