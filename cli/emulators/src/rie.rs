//! AWS's own Runtime Interface Emulator: the Runtime API of Lambda around one function, and an URL that invokes it.
//!
//! AWS ships it inside the Python package of its SAM CLI, of which nothing else is installed.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::keeper::Keeper;
use crate::{PATIENCE_S, install};

/// A running emulator with its function. Both end when this is dropped, and at the latest with the test process.
#[derive(Debug)]
pub struct Rie {
    endpoint: String,
    _keeper: Keeper,
}

impl Rie {
    /// Where it takes events, by POST: each is one invocation, and the answer is the function's.
    pub const INVOCATIONS: &'static str = "/2015-03-31/functions/function/invocations";

    /// Starts it around the program at `bootstrap`, whose environment is just this and what Lambda sets.
    ///
    /// # Panics
    ///
    /// When it cannot be installed or started.
    pub fn start(bootstrap: &Path, environment: &[(&str, &str)]) -> Self {
        Self::keep(bootstrap, environment)
            .unwrap_or_else(|why| panic!("cannot start the Runtime Interface Emulator: {why}"))
    }

    /// `http://127.0.0.1:PORT`.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    fn keep(bootstrap: &Path, environment: &[(&str, &str)]) -> Result<Self, String> {
        let installed = install::sam()?;
        let mut command = Command::new(install::python(installed));
        command
            .args(["-I", "-c", include_str!("rie.py")])
            .arg(program(installed)?)
            .arg(bootstrap)
            .arg(PATIENCE_S.to_string())
            .env_clear()
            .envs(environment.iter().copied());
        let (keeper, said) = Keeper::start(&mut command)?;
        let [port] = &said[..] else { return Err(format!("it is ready with {said:?}")) };
        Ok(Self { endpoint: format!("http://127.0.0.1:{port}"), _keeper: keeper })
    }
}

/// The emulator for this machine, in the environment that SAM's package is installed in.
fn program(installed: &Path) -> Result<PathBuf, String> {
    let machine = if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" };
    let name = format!("site-packages/samcli/local/rapid/aws-lambda-rie-{machine}");
    let libraries = std::fs::read_dir(installed.join("lib")).map_err(|error| error.to_string())?;
    libraries
        .flatten()
        .map(|library| library.path().join(&name))
        .find(|program| program.is_file())
        .ok_or_else(|| format!("{name} is not in {}", installed.display()))
}
