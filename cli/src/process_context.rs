//! The state of the process: arguments, environment variables, streams and signals. Tests pass their own values.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, IsTerminal, Write};
use std::path::PathBuf;
use std::time::Duration;

use hitctl_platform::StopSignals;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

/// The state of the process that the program depends on.
pub struct ProcessContext {
    /// The arguments. The first is the name of the program.
    pub args: Vec<OsString>,
    /// The environment variables, without those that are not UTF-8.
    pub env: BTreeMap<String, String>,
    /// The working directory.
    pub cwd: PathBuf,
    /// The path of the hitctl executable, from which the local cloud is started.
    pub exe: PathBuf,
    /// The stream for results.
    pub stdout: Box<dyn Write + Send>,
    /// The stream for messages.
    pub stderr: Box<dyn Write + Send>,
    /// The stream for answers to prompts and for input files.
    pub stdin: Box<dyn BufRead + Send>,
    /// Whether stdout is a terminal.
    pub stdout_tty: bool,
    /// Whether stderr is a terminal.
    pub stderr_tty: bool,
    /// Whether stdin is a terminal.
    pub stdin_tty: bool,
    /// The width of the terminal in columns.
    pub width: Option<u16>,
    /// The source of interrupts.
    pub interrupts: Interrupts,
    /// How long a host may take to respond before hitctl prints that it is waiting.
    pub slow_threshold: Duration,
}

/// How long a host may take to respond before hitctl prints that it is waiting.
const SLOW_THRESHOLD: Duration = Duration::from_millis(1_500);

/// A source of interrupts.
#[derive(Debug)]
pub enum Interrupts {
    /// The signals that ask this process to stop.
    Signals(StopSignals),
    /// No interrupts.
    None,
    /// A channel, for tests.
    Channel(mpsc::UnboundedReceiver<()>),
}

impl ProcessContext {
    /// Returns the context of this process.
    #[expect(clippy::disallowed_methods, reason = "the only function that reads the environment")]
    pub fn of_this_process(interrupts: Interrupts) -> Self {
        let env = std::env::vars_os()
            .filter_map(|(name, value)| {
                Some((hitctl_platform::variable_name(name.into_string().ok()?), value.into_string().ok()?))
            })
            .collect();
        hitctl_platform::enable_colors();
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
            slow_threshold: SLOW_THRESHOLD,
        }
    }
}

impl Interrupts {
    /// Starts listening for signals. After that, they do not end the process directly.
    pub(crate) fn of_this_process(runtime: &Runtime) -> io::Result<Self> {
        let _context = runtime.enter();
        Ok(Self::Signals(StopSignals::listen()?))
    }

    /// Waits for the next interrupt. Never returns if there is none.
    pub(crate) async fn next(&mut self) {
        let received = match self {
            Self::Signals(signals) => return signals.recv().await,
            Self::Channel(receiver) => receiver.recv().await.is_some(),
            Self::None => false,
        };
        if !received {
            std::future::pending::<()>().await;
        }
    }
}
