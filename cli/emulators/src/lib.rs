//! Test support: runs third-party AWS emulators, and a [`RecordingProxy`] in front of them that records, drops and delays calls
//! and validates each call against AWS's service model.
//!
//! Each emulator ([`Emulator`], [`RuntimeInterfaceEmulator`]) is installed under `target/emulators` when a test uses it
//! for the first time. No emulator behaves exactly like AWS: where they disagree, the service model decides.

mod guard;
mod install;
mod model;
mod policies;
mod proxy;
mod rie;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use guard::EmulatorGuard;

pub use policies::policy_findings;
pub use proxy::{FaultHook, FaultRule, InjectedFault, RecordedCall, RecordingProxy};
pub use rie::RuntimeInterfaceEmulator;

/// The timeout for the start of an emulator, in seconds. A start usually takes one or two seconds.
const START_TIMEOUT_S: u32 = 120;

/// The default limit of concurrent Lambda invocations of an AWS account. New accounts have a lower one.
const DEFAULT_CONCURRENCY: u32 = 1000;

/// The emulators that can replace AWS in a test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EmulatorKind {
    /// `ministack`, which runs real `bootstrap` files behind its HTTP API.
    MiniStack,
    /// `moto[server]`, a second implementation with other gaps. It only stores functions.
    Moto,
}

impl EmulatorKind {
    /// Returns the name of the emulator in lower case.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MiniStack => "ministack",
            Self::Moto => "moto",
        }
    }
}

/// A running emulator. It stops when this value is dropped, and at the latest when the test process ends for any reason.
#[derive(Debug)]
pub struct Emulator {
    kind: EmulatorKind,
    endpoint: String,
    pid: u32,
    log: PathBuf,
    _guard: EmulatorGuard,
}

impl Emulator {
    /// The AWS account id of all resources.
    pub const ACCOUNT: &'static str = "123456789012";
    /// The AWS region of all resources, unless a client selects another one.
    pub const REGION: &'static str = "eu-central-1";

    /// Returns the `MiniStack` that this test process shares, and starts it on first use.
    ///
    /// # Panics
    ///
    /// Panics when the emulator cannot be installed or started.
    pub fn ministack() -> &'static Self {
        static SHARED: OnceLock<Emulator> = OnceLock::new();
        SHARED.get_or_init(Self::new_ministack)
    }

    /// Returns the Moto that this test process shares, and starts it on first use.
    ///
    /// # Panics
    ///
    /// Panics when the emulator cannot be installed or started.
    pub fn moto() -> &'static Self {
        static SHARED: OnceLock<Emulator> = OnceLock::new();
        SHARED.get_or_init(Self::new_moto)
    }

    /// Starts a `MiniStack` for one test.
    ///
    /// # Panics
    ///
    /// Panics when the emulator cannot be installed or started.
    pub fn new_ministack() -> Self {
        Self::start(EmulatorKind::MiniStack, DEFAULT_CONCURRENCY)
    }

    /// Starts a `MiniStack` for one test whose account allows `concurrency` concurrent invocations. A new AWS account allows 10.
    ///
    /// # Panics
    ///
    /// Panics when the emulator cannot be installed or started.
    pub fn new_ministack_with_concurrency(concurrency: u32) -> Self {
        Self::start(EmulatorKind::MiniStack, concurrency)
    }

    /// Starts a Moto for one test.
    ///
    /// # Panics
    ///
    /// Panics when the emulator cannot be installed or started.
    pub fn new_moto() -> Self {
        Self::start(EmulatorKind::Moto, DEFAULT_CONCURRENCY)
    }

    /// Returns the emulator of this kind that this test process shares.
    ///
    /// # Panics
    ///
    /// Panics when the emulator cannot be installed or started.
    pub fn shared(kind: EmulatorKind) -> &'static Self {
        match kind {
            EmulatorKind::MiniStack => Self::ministack(),
            EmulatorKind::Moto => Self::moto(),
        }
    }

    /// Returns the base URL of the emulator: `http://127.0.0.1:PORT`.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Returns the kind of the emulator.
    pub fn kind(&self) -> EmulatorKind {
        self.kind
    }

    /// Returns the process id of the emulator. The functions that it starts are in the process group of this id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Returns the output of the emulator so far.
    pub fn log(&self) -> String {
        std::fs::read(&self.log)
            .map_or_else(|_| String::new(), |output| String::from_utf8_lossy(&output).into_owned())
    }

    fn start(kind: EmulatorKind, concurrency: u32) -> Self {
        let installed =
            install::emulators().unwrap_or_else(|error| panic!("failed to install {kind:?}: {error}"));
        Self::try_start(kind, installed, concurrency)
            .unwrap_or_else(|error| panic!("failed to start {kind:?}: {error}"))
    }

    fn try_start(kind: EmulatorKind, installed: &Path, concurrency: u32) -> Result<Self, String> {
        let mut command = Command::new(install::python(installed));
        command
            .args(["-I", "-c", include_str!("guard.py"), kind.as_str(), Self::ACCOUNT, Self::REGION])
            .args([concurrency.to_string(), START_TIMEOUT_S.to_string()]);
        let (guard, ready) = EmulatorGuard::start(&mut command)?;
        let [port, pid, log] = &ready[..] else {
            return Err(format!("expected a port, a process id and a log file, found {ready:?}"));
        };
        let pid = pid.parse().map_err(|_| format!("expected a process id, found {pid}"))?;
        Ok(Self { kind, endpoint: format!("http://127.0.0.1:{port}"), pid, log: log.into(), _guard: guard })
    }
}
