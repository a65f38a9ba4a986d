//! Loads the valid and invalid configuration files in `configs`. A test fails if a file is not used.

mod bad_values;
mod config_errors;
mod env_selection;
mod robust;
mod valid;

use std::fs;
use std::path::{Path, PathBuf};

use hitctl_config::{ConfigErrors, FingerprintKey, LoadedConfig, Overrides, load};

/// The fingerprint key of these tests.
pub(crate) static KEY: FingerprintKey = FingerprintKey::new([7; 32]);

fn folder(kind: &str) -> PathBuf {
    Path::new("tests/configs").join(kind)
}

/// Loads the file `name` in `configs/KIND`.
fn load_file(kind: &str, name: &str, env: Option<&str>) -> Result<LoadedConfig, ConfigErrors> {
    let text = hitctl_config::read_config_file(&folder(kind).join(name)).expect("the file exists");
    load(Some((name.into(), text)), env, &Overrides::new())
}

/// Returns the error message for an invalid file.
fn errors(name: &str) -> String {
    load_file("invalid", name, None).expect_err("the file is not valid").to_string()
}

/// Returns the configuration of a valid file.
fn valid(name: &str, env: Option<&str>) -> LoadedConfig {
    load_file("valid", name, env).unwrap_or_else(|errors| panic!("{errors}"))
}

#[test]
fn every_config_file_has_test() {
    let source =
        [include_str!("bad_values.rs"), include_str!("config_errors.rs"), include_str!("valid.rs")].concat();
    for kind in ["valid", "invalid"] {
        for entry in fs::read_dir(folder(kind)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            assert!(source.contains(&format!("\"{name}\"")), "{kind}/{name} has no test");
        }
    }
}
