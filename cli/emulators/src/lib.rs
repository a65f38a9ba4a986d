//! For tests: two AWS emulators that nobody here wrote, and a [`Wire`] to them that counts, cuts and delays, and holds each
//! call against AWS's service model.
//!
//! [`Emulator::ministack`] runs real `bootstrap` files behind its HTTP API; [`Emulator::moto`] is a second opinion, with
//! other gaps. [`Rie`] is AWS's own emulator of the runtime around a function. All are installed under `target/emulators` when a
//! test first asks for one. None is AWS: where they disagree, the service model decides.

mod install;
mod keeper;
mod model;
mod policies;
mod rie;
mod wire;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use keeper::Keeper;

pub use policies::policy_findings;
pub use rie::Rie;
pub use wire::{Call, Fault, Hook, Rule, Wire};

/// How long an emulator may take until it answers, in seconds: it takes one or two.
const PATIENCE_S: u32 = 120;

/// How many invocations an account of AWS's may run at once, unless it is new.
const CONCURRENCY: u32 = 1000;

/// Which emulator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// `ministack`: runs functions for real.
    MiniStack,
    /// `moto[server]`.
    Moto,
}

impl Kind {
    /// Its name, in lower case.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MiniStack => "ministack",
            Self::Moto => "moto",
        }
    }
}

/// A running emulator. It ends when this is dropped, and at the latest when the test process ends, however that happens.
#[derive(Debug)]
pub struct Emulator {
    kind: Kind,
    endpoint: String,
    pid: u32,
    log: PathBuf,
    _keeper: Keeper,
}

impl Emulator {
    /// The account that everything is in.
    pub const ACCOUNT: &'static str = "123456789012";
    /// The region that everything is in, unless a client asks for another.
    pub const REGION: &'static str = "eu-central-1";

    /// The `MiniStack` of this test process.
    ///
    /// # Panics
    ///
    /// When it cannot be installed or started.
    pub fn ministack() -> &'static Self {
        static SHARED: OnceLock<Emulator> = OnceLock::new();
        SHARED.get_or_init(Self::new_ministack)
    }

    /// The Moto of this test process.
    ///
    /// # Panics
    ///
    /// When it cannot be installed or started.
    pub fn moto() -> &'static Self {
        static SHARED: OnceLock<Emulator> = OnceLock::new();
        SHARED.get_or_init(Self::new_moto)
    }

    /// A `MiniStack` for one test alone.
    ///
    /// # Panics
    ///
    /// When it cannot be installed or started.
    pub fn new_ministack() -> Self {
        Self::start(Kind::MiniStack, CONCURRENCY)
    }

    /// A `MiniStack` for one test alone, whose account may run so many invocations at once: 10 in a new one of AWS's.
    ///
    /// # Panics
    ///
    /// When it cannot be installed or started.
    pub fn new_ministack_of(concurrency: u32) -> Self {
        Self::start(Kind::MiniStack, concurrency)
    }

    /// A Moto for one test alone.
    ///
    /// # Panics
    ///
    /// When it cannot be installed or started.
    pub fn new_moto() -> Self {
        Self::start(Kind::Moto, CONCURRENCY)
    }

    /// The one of this test process, by kind.
    ///
    /// # Panics
    ///
    /// When it cannot be installed or started.
    pub fn shared(kind: Kind) -> &'static Self {
        match kind {
            Kind::MiniStack => Self::ministack(),
            Kind::Moto => Self::moto(),
        }
    }

    /// Where it answers: `http://127.0.0.1:PORT`.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Which one it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The id of its process, which leads the group of the functions that it starts.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// What it printed so far.
    pub fn log(&self) -> String {
        std::fs::read(&self.log)
            .map_or_else(|_| String::new(), |said| String::from_utf8_lossy(&said).into_owned())
    }

    fn start(kind: Kind, concurrency: u32) -> Self {
        let installed = install::installed().unwrap_or_else(|why| panic!("cannot install {kind:?}: {why}"));
        Self::keep(kind, installed, concurrency).unwrap_or_else(|why| panic!("cannot start {kind:?}: {why}"))
    }

    fn keep(kind: Kind, installed: &Path, concurrency: u32) -> Result<Self, String> {
        let mut command = Command::new(install::python(installed));
        command
            .args(["-I", "-c", include_str!("keeper.py"), kind.as_str(), Self::ACCOUNT, Self::REGION])
            .args([concurrency.to_string(), PATIENCE_S.to_string()]);
        let (keeper, said) = Keeper::start(&mut command)?;
        let [port, pid, log] = &said[..] else { return Err(format!("it is ready with {said:?}")) };
        let pid = pid.parse().map_err(|_| format!("{pid} is no process id"))?;
        Ok(Self { kind, endpoint: format!("http://127.0.0.1:{port}"), pid, log: log.into(), _keeper: keeper })
    }
}
