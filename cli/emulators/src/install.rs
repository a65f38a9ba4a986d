//! Installs the emulators from `PyPI` into virtual environments in cargo's target directory. The first test process
//! that needs them installs them, and the first one after a change of their versions installs them again.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use sha2::{Digest as _, Sha256};

/// The packages of the emulators.
const EMULATOR_REQUIREMENTS: &str = include_str!("../requirements.txt");

/// The packages of the policy validators. They have their own virtual environment, because they need different
/// versions of some packages than the emulators.
const POLICY_VALIDATOR_REQUIREMENTS: &str = include_str!("../policies.txt");

/// The package that contains AWS's Runtime Interface Emulator. The dependencies of the package are not needed.
const SAM_CLI_REQUIREMENTS: &str = "--no-deps\naws-sam-cli==1.167.0\n";

/// The path of a virtual environment, or why it could not be installed. Each process tries only once.
type InstallResult = OnceLock<Result<PathBuf, String>>;

/// Returns the virtual environment with the emulators, and installs it on first use.
pub(crate) fn emulators() -> Result<&'static Path, String> {
    static INSTALLED: InstallResult = OnceLock::new();
    install_once(&INSTALLED, EMULATOR_REQUIREMENTS)
}

/// Returns the virtual environment with the policy validators, and installs it on first use.
pub(crate) fn policy_validators() -> Result<&'static Path, String> {
    static INSTALLED: InstallResult = OnceLock::new();
    install_once(&INSTALLED, POLICY_VALIDATOR_REQUIREMENTS)
}

/// Returns the virtual environment with only the files of the SAM CLI, and installs it on first use.
pub(crate) fn sam_cli() -> Result<&'static Path, String> {
    static INSTALLED: InstallResult = OnceLock::new();
    install_once(&INSTALLED, SAM_CLI_REQUIREMENTS)
}

fn install_once(installed: &'static InstallResult, requirements: &str) -> Result<&'static Path, String> {
    let installed = installed.get_or_init(|| {
        let program = std::env::current_exe().map_err(|error| error.to_string())?;
        install(&target_directory(&program)?.join("emulators"), requirements)
    });
    installed.as_deref().map_err(Clone::clone)
}

/// Returns the Python interpreter of a virtual environment.
pub(crate) fn python(environment: &Path) -> PathBuf {
    environment.join("bin/python")
}

/// Returns cargo's target directory, given a program in it. Cargo writes `CACHEDIR.TAG` only to a directory that it created, but
/// always writes `.rustc_info.json`.
fn target_directory(program: &Path) -> Result<PathBuf, String> {
    program
        .ancestors()
        .find(|folder| [".rustc_info.json", "CACHEDIR.TAG"].iter().any(|file| folder.join(file).is_file()))
        .map(Path::to_path_buf)
        .ok_or_else(|| format!("expected a program in cargo's target directory, found {}", program.display()))
}

/// Installs the packages of `requirements` unless they are installed. Each line is an option of pip or a package. The
/// virtual environment is named after the hash of the requirements, so that two checkouts that share a target directory
/// can use different versions.
fn install(directory: &Path, requirements: &str) -> Result<PathBuf, String> {
    let describe = |error: std::io::Error| format!("{}: {error}", directory.display());
    fs::create_dir_all(directory).map_err(describe)?;
    let lock = File::create(directory.join("lock")).map_err(describe)?;
    // The lock is released when the file is closed, also when the process is killed.
    lock.lock().map_err(describe)?;
    let hash = Sha256::digest(requirements);
    let environment = directory.join(format!("{:02x}{:02x}{:02x}{:02x}", hash[0], hash[1], hash[2], hash[3]));
    let marker = environment.join("installed");
    // The interpreter in the environment is a link to the system's Python, which may have been removed.
    if marker.is_file() && python(&environment).exists() {
        return Ok(environment);
    }
    if environment.exists() {
        fs::remove_dir_all(&environment).map_err(describe)?;
    }
    run(Command::new("python3").args(["-m", "venv"]).arg(&environment)).map_err(|error| {
        format!("{error}\nhint: install Python 3.11 or newer with its venv module, on Debian with `apt-get install python3-venv`")
    })?;
    let list = environment.join("requirements.txt");
    let (options, packages): (Vec<_>, Vec<_>) = requirements.lines().partition(|line| line.starts_with("--"));
    fs::write(&list, packages.join("\n")).map_err(describe)?;
    run(Command::new(python(&environment))
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"])
        .args(options)
        .arg("-r")
        .arg(&list))?;
    fs::write(&marker, "").map_err(describe)?;
    Ok(environment)
}

/// Runs a program. The error contains the output of the program.
fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    Err(format!("{command:?} ended with {}\n{out}{err}", output.status))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn target_directory_contains_the_test_program() {
        let program = std::env::current_exe().unwrap();
        let target = target_directory(&program).unwrap();
        assert!(program.starts_with(&target));
        assert!(!target.ends_with("deps") && !target.ends_with("debug"), "{}", target.display());
        assert!(
            target_directory(Path::new("/bin/sh"))
                .unwrap_err()
                .contains("expected a program in cargo's target")
        );
    }

    #[test]
    fn install_of_invalid_requirement_fails_with_pip_output() {
        let directory = tempfile::tempdir().unwrap();
        // pip rejects this version without a network request.
        for _ in 0..2 {
            let error = install(directory.path(), "ministack=?=1\n").unwrap_err();
            assert!(error.contains("pip") && error.contains("ministack=?=1"), "{error}");
        }
    }

    #[test]
    fn install_reuses_the_environment_of_the_same_requirements() {
        let directory = tempfile::tempdir().unwrap();
        let first = install(directory.path(), "# nothing\n").unwrap();
        fs::write(first.join("marker"), "").unwrap();
        assert_eq!(install(directory.path(), "# nothing\n").unwrap(), first);
        assert!(first.join("marker").exists());
        let second = install(directory.path(), "# nothing either\n").unwrap();
        assert_ne!(second, first);
        // An interrupted installation is repeated.
        fs::remove_file(first.join("installed")).unwrap();
        install(directory.path(), "# nothing\n").unwrap();
        assert!(!first.join("marker").exists());
    }
}
