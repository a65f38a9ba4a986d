//! Windows. Access to the user's files is limited by the access control lists of the user's profile, which new files inherit, so
//! there are no permission bits to check or set.

use std::collections::BTreeMap;
use std::fs::{Metadata, OpenOptions};
use std::io;
use std::os::windows::fs::OpenOptionsExt as _;
use std::os::windows::process::CommandExt as _;
use std::path::{Path, PathBuf, Prefix};
use std::process::{Command, ExitStatus, Stdio};

use crate::{ProcessState, UserDir};

/// The name of this system, for people.
pub const SYSTEM: &str = "Windows";

/// Whether the processes of the local cloud can run on this system. They are programs for Linux, and need process groups and pipes
/// with the semantics of Unix.
pub const HAS_LOCAL_CLOUD: bool = false;

/// The suffixes of the file names of programs.
pub(crate) const PROGRAM_SUFFIXES: &[&str] = &[".exe", ".cmd", ".bat"];

/// Opens a symbolic link itself and not the file it points to (`FILE_FLAG_OPEN_REPARSE_POINT`).
const OPEN_REPARSE_POINT: u32 = 0x0020_0000;
/// Ctrl-C in the console does not reach the new process (`CREATE_NEW_PROCESS_GROUP`).
const NEW_PROCESS_GROUP: u32 = 0x0000_0200;
/// The new process has no console (`DETACHED_PROCESS`).
const DETACHED: u32 = 0x0000_0008;

/// Returns the environment variable with the base of the user's directories, and the path of the program's directory from there.
pub(crate) fn default_user_dir(kind: UserDir, program: &str) -> (&'static str, PathBuf) {
    let below = match kind {
        UserDir::Cache => "cache",
        UserDir::State => "state",
    };
    ("LOCALAPPDATA", Path::new(program).join(below))
}

/// Returns the user's home directory according to the environment. May be relative.
pub fn home_dir(env: &BTreeMap<String, String>) -> Option<PathBuf> {
    let home = ["USERPROFILE", "HOME"].iter().find_map(|name| env.get(*name).filter(|home| !home.is_empty()));
    home.map(PathBuf::from)
}

/// Returns the name of an environment variable as hitctl looks it up. Windows does not distinguish `Path` and `PATH`.
pub fn variable_name(name: String) -> String {
    name.to_uppercase()
}

/// Returns the name of this machine. `COMPUTERNAME` in the environment has it.
pub fn host_name() -> Option<String> {
    None
}

/// Prepares the terminal for colors. A console of Windows interprets them only after a program has asked for it.
pub fn enable_colors() {
    // Without a console, for example with redirected output, there is nothing to prepare.
    let _enabled = anstyle_query::windows::enable_ansi_colors();
}

/// Returns a path without the prefix `\\?\`, which many programs do not understand.
pub(crate) fn shorten(path: PathBuf) -> PathBuf {
    let mut components = path.components();
    let Some(std::path::Component::Prefix(prefix)) = components.next() else { return path };
    match prefix.kind() {
        Prefix::VerbatimDisk(drive) => {
            let rest: PathBuf = components.collect();
            PathBuf::from(format!("{}:", char::from(drive))).join(rest)
        }
        _ => path,
    }
}

/// Returns the id of the user who owns a file. `None` on systems without numeric user ids.
pub fn owner(_meta: &Metadata) -> Option<u32> {
    None
}

/// Returns the id of the user of this process. `None` on systems without numeric user ids.
pub fn current_user() -> Option<u32> {
    None
}

/// Returns the permission bits of a file. `None` on systems that have none.
pub fn mode(_meta: &Metadata) -> Option<u32> {
    None
}

/// Sets the permission bits of a file. Does nothing on systems that have none.
pub fn set_mode(_path: &Path, _mode: u32) -> io::Result<()> {
    Ok(())
}

/// Returns the number of names of a file. `None` if the system does not report it.
pub fn hard_links(_meta: &Metadata) -> Option<u64> {
    None
}

/// Returns the id of the file system of a file. `None` if the system does not report it.
pub fn file_system(_meta: &Metadata) -> Option<u64> {
    None
}

/// Returns the number of a file in its file system. `None` if the system does not report it.
pub fn file_number(_meta: &Metadata) -> Option<u64> {
    None
}

pub(crate) fn is_program(meta: &Metadata) -> bool {
    meta.is_file()
}

/// Creates a directory, and its parents, unless it exists.
pub fn create_private_dir(path: &Path) -> io::Result<()> {
    std::fs::create_dir_all(path)
}

/// Changes `options` not to follow symbolic links.
pub fn private_options(options: &mut OpenOptions) -> &mut OpenOptions {
    options.custom_flags(OPEN_REPARSE_POINT)
}

/// Does nothing: Windows cannot open a directory to write its entries to disk.
pub fn sync_dir(_path: &Path) -> io::Result<()> {
    Ok(())
}

/// Makes a command run in a process group of its own, so that Ctrl-C in the terminal does not reach it.
pub fn set_own_group(command: &mut Command) {
    command.creation_flags(NEW_PROCESS_GROUP);
}

/// Makes a command run in the background: it continues when the terminal is closed.
pub fn set_detached(command: &mut Command) {
    command.creation_flags(NEW_PROCESS_GROUP | DETACHED);
}

/// Ends a process with `taskkill`, which is part of Windows.
fn taskkill(process: u32, options: &[&str]) {
    let mut command = Command::new("taskkill");
    command.args(["/F", "/PID", &process.to_string()]).args(options);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // An error means that the process has ended.
    let _ended = command.status();
}

/// Ends a process and all processes that it has started. Windows cannot ask a program without a window to end, so this is the
/// same as [`kill_group`].
pub fn terminate_group(leader: u32) {
    kill_group(leader);
}

/// Kills a process and all processes that it has started. Does nothing if they have ended.
pub fn kill_group(leader: u32) {
    taskkill(leader, &["/T"]);
}

/// Kills a process. Does nothing if it has ended.
pub fn kill(process: u32) {
    taskkill(process, &[]);
}

/// Returns the state of a process. Always unknown: the standard library cannot ask for it.
pub fn process_state(_process: u32) -> ProcessState {
    ProcessState::Unknown
}

/// Returns an id of this boot of this machine. `None` on systems that have none: a process id then does not identify a process of
/// another program reliably.
pub fn boot_id() -> Option<String> {
    None
}

/// Whether a program could not be started because its file is missing or not executable.
pub fn is_missing_program(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied)
}

/// Returns the number of the signal that ended a process. Windows has no signals.
pub fn exit_signal(_status: ExitStatus) -> Option<i32> {
    None
}

/// Does nothing: Windows does not limit the open files of a process.
pub fn raise_open_files(_wanted: u64) {}

/// Returns the number of files that this process may open; `None` if there is no limit.
pub fn max_open_files() -> Option<u64> {
    None
}

#[cfg(feature = "async")]
mod with_tokio {
    use std::io::{self, PipeReader};

    use tokio::signal::windows::{CtrlBreak, CtrlC, CtrlClose, CtrlShutdown};
    use tokio::signal::windows::{ctrl_break, ctrl_c, ctrl_close, ctrl_shutdown};

    /// The events of the console that ask this process to stop: Ctrl-C, Ctrl-Break, a closed window, and a shutdown.
    #[derive(Debug)]
    pub struct StopSignals {
        interrupt: CtrlC,
        break_key: CtrlBreak,
        close: CtrlClose,
        shutdown: CtrlShutdown,
    }

    impl StopSignals {
        /// Starts listening. After that, the events do not end the process directly.
        pub fn listen() -> io::Result<Self> {
            Ok(Self {
                interrupt: ctrl_c()?,
                break_key: ctrl_break()?,
                close: ctrl_close()?,
                shutdown: ctrl_shutdown()?,
            })
        }

        /// Starts listening. A process without a console receives no events.
        pub fn listen_detached() -> io::Result<Self> {
            Self::listen()
        }

        /// Waits for the next event.
        pub async fn recv(&mut self) {
            let received = tokio::select! {
                received = self.interrupt.recv() => received,
                received = self.break_key.recv() => received,
                received = self.close.recv() => received,
                received = self.shutdown.recv() => received,
            };
            if received.is_none() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// The reading end of a pipe that a child process writes to. Only processes of the local cloud need it.
    #[derive(Debug)]
    pub struct OutputPipe(std::convert::Infallible);

    impl OutputPipe {
        /// Fails: pipes of the standard library cannot be read without blocking on Windows.
        pub fn new(_pipe: PipeReader) -> io::Result<Self> {
            Err(io::ErrorKind::Unsupported.into())
        }

        /// Waits until there is output, or all writers have closed the pipe.
        pub async fn readable(&self) -> io::Result<()> {
            match self.0 {}
        }

        /// Reads output that tokio has noticed.
        pub fn try_read(&self, _buffer: &mut [u8]) -> io::Result<usize> {
            match self.0 {}
        }

        /// Reads the available output.
        pub fn read_available(&self, _buffer: &mut [u8]) -> io::Result<usize> {
            match self.0 {}
        }
    }
}
#[cfg(feature = "async")]
pub use with_tokio::{OutputPipe, StopSignals};
