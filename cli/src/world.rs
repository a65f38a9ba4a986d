//! Everything that the program takes from outside, gathered once, so that tests can choose it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, IsTerminal, Write};
use std::path::PathBuf;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

/// The process as the program sees it.
pub struct World {
    /// The arguments, the program's name first.
    pub args: Vec<OsString>,
    /// The environment; variables that are not UTF-8 are left out.
    pub env: BTreeMap<String, String>,
    /// The working directory.
    pub cwd: PathBuf,
    /// This very program, to start the local cloud with.
    pub exe: PathBuf,
    /// Where results go.
    pub stdout: Box<dyn Write + Send>,
    /// Where talk goes.
    pub stderr: Box<dyn Write + Send>,
    /// Where answers come from.
    pub stdin: Box<dyn BufRead + Send>,
    /// Whether somebody looks at stdout.
    pub stdout_tty: bool,
    /// Whether somebody looks at stderr.
    pub stderr_tty: bool,
    /// Whether somebody can answer.
    pub stdin_tty: bool,
    /// The width of the terminal in columns.
    pub width: Option<u16>,
    /// Where Ctrl-C comes from.
    pub interrupts: Interrupts,
    /// How long a host may take to answer before it is said that it is waited for.
    pub patience: Duration,
}

/// How long a host may take to answer before it is said that it is waited for: a quick run says nothing.
const PATIENCE: Duration = Duration::from_millis(1_500);

/// Where interrupts come from.
#[derive(Debug)]
pub enum Interrupts {
    /// This process's SIGINT and SIGTERM.
    Signals(Signals),
    /// Nowhere.
    None,
    /// A test.
    Channel(mpsc::UnboundedReceiver<()>),
}

/// The signals of this process that ask it to stop.
#[derive(Debug)]
pub struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl World {
    /// The world as this process finds it.
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the edge: the one place that reads the environment"
    )]
    pub fn of_this_process(interrupts: Interrupts) -> Self {
        let env = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        let (stdout, stderr, stdin) = (io::stdout(), io::stderr(), io::stdin());
        Self {
            args: std::env::args_os().collect(),
            env,
            cwd: std::env::current_dir().unwrap_or_else(|_| PathBuf::from(".")),
            exe: std::env::current_exe().unwrap_or_else(|_| PathBuf::from("hitctl")),
            stdout_tty: stdout.is_terminal(),
            stderr_tty: stderr.is_terminal(),
            stdin_tty: stdin.is_terminal(),
            width: terminal_size::terminal_size_of(&stderr).map(|(width, _)| width.0),
            stdout: Box::new(stdout),
            stderr: Box::new(stderr),
            stdin: Box::new(BufReader::new(stdin)),
            interrupts,
            patience: PATIENCE,
        }
    }
}

impl Interrupts {
    /// Begins to listen for the signals of this process, on a runtime. From now on none of them ends the process by itself.
    pub(crate) fn of_this_process(runtime: &Runtime) -> io::Result<Self> {
        let _context = runtime.enter();
        let (interrupt, terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        Ok(Self::Signals(Signals { interrupt, terminate }))
    }

    /// Waits for the next interrupt; for ever when none can come.
    pub(crate) async fn next(&mut self) {
        let came = match self {
            Self::Channel(receiver) => receiver.recv().await.is_some(),
            Self::None => false,
            Self::Signals(Signals { interrupt, terminate }) => tokio::select! {
                came = interrupt.recv() => came.is_some(),
                came = terminate.recv() => came.is_some(),
            },
        };
        if !came {
            std::future::pending::<()>().await;
        }
    }
}
