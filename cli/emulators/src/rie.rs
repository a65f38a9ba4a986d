//! AWS's Runtime Interface Emulator (RIE): serves the Lambda Runtime API to one function, and a URL that invokes the function.
//!
//! AWS ships it in the Python package of its SAM CLI. Only the files of that package are installed, without its dependencies.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::guard::EmulatorGuard;
use crate::{START_TIMEOUT_S, install};

/// A running Runtime Interface Emulator with its function. Both stop when this value is dropped, and at the latest with the test
/// process.
#[derive(Debug)]
pub struct RuntimeInterfaceEmulator {
    endpoint: String,
    _guard: EmulatorGuard,
}

impl RuntimeInterfaceEmulator {
    /// The path of the invocation endpoint. A POST with an event invokes the function once and returns its response.
    pub const INVOCATIONS: &'static str = "/2015-03-31/functions/function/invocations";

    /// Starts the emulator with the program at `bootstrap` as its function. The function gets only the variables in
    /// `environment` and those that Lambda sets.
    ///
    /// # Panics
    ///
    /// Panics when the emulator cannot be installed or started.
    pub fn start(bootstrap: &Path, environment: &[(&str, &str)]) -> Self {
        Self::try_start(bootstrap, environment)
            .unwrap_or_else(|error| panic!("failed to start the Runtime Interface Emulator: {error}"))
    }

    /// Returns the base URL of the emulator: `http://127.0.0.1:PORT`.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    fn try_start(bootstrap: &Path, environment: &[(&str, &str)]) -> Result<Self, String> {
        let installed = install::sam_cli()?;
        let mut command = Command::new(install::python(installed));
        command
            .args(["-I", "-c", include_str!("rie.py")])
            .arg(emulator_program(installed)?)
            .arg(bootstrap)
            .arg(START_TIMEOUT_S.to_string())
            .env_clear()
            .envs(environment.iter().copied());
        let (guard, ready) = EmulatorGuard::start(&mut command)?;
        let [port] = &ready[..] else { return Err(format!("expected a port, found {ready:?}")) };
        Ok(Self { endpoint: format!("http://127.0.0.1:{port}"), _guard: guard })
    }
}

/// Returns the path of the emulator for this machine in the virtual environment at `installed`.
fn emulator_program(installed: &Path) -> Result<PathBuf, String> {
    let machine = if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" };
    let name = format!("site-packages/samcli/local/rapid/aws-lambda-rie-{machine}");
    let libraries = std::fs::read_dir(installed.join("lib")).map_err(|error| error.to_string())?;
    libraries
        .flatten()
        .map(|library| library.path().join(&name))
        .find(|program| program.is_file())
        .ok_or_else(|| format!("{name} is not in {}", installed.display()))
}
