//! Linux and macOS.

use std::collections::BTreeMap;
use std::fs::{DirBuilder, File, Metadata, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::process::{
    Pid, Resource, Rlimit, Signal, getrlimit, kill_process, kill_process_group, setrlimit, test_kill_process,
};

use crate::{ProcessState, UserDir};

/// The name of this system, for people.
pub const SYSTEM: &str = if cfg!(target_os = "macos") { "macOS" } else { "Linux" };

/// Whether the processes of the local cloud can run on this system.
pub const HAS_LOCAL_CLOUD: bool = true;

/// The suffixes of the file names of programs.
pub(crate) const PROGRAM_SUFFIXES: &[&str] = &[""];

/// Returns the environment variable with the base of the user's directories, and the path of the program's directory from there.
pub(crate) fn default_user_dir(kind: UserDir, program: &str) -> (&'static str, PathBuf) {
    let below = match kind {
        UserDir::Cache if cfg!(target_os = "macos") => "Library/Caches",
        UserDir::State if cfg!(target_os = "macos") => "Library/Application Support",
        UserDir::Cache => ".cache",
        UserDir::State => ".local/state",
    };
    ("HOME", Path::new(below).join(program))
}

/// Returns the user's home directory according to the environment. May be relative.
pub fn home_dir(env: &BTreeMap<String, String>) -> Option<PathBuf> {
    env.get("HOME").filter(|home| !home.is_empty()).map(PathBuf::from)
}

/// Returns the name of an environment variable as hitctl looks it up.
pub fn variable_name(name: String) -> String {
    name
}

/// Returns the name of this machine.
pub fn host_name() -> Option<String> {
    let name = rustix::system::uname().nodename().to_string_lossy().trim().to_owned();
    Some(name).filter(|name| !name.is_empty())
}

/// Prepares the terminal for colors.
pub fn enable_colors() {}

pub(crate) fn shorten(path: PathBuf) -> PathBuf {
    path
}

/// Returns the id of the user who owns a file. `None` on systems without numeric user ids.
pub fn owner(meta: &Metadata) -> Option<u32> {
    Some(meta.uid())
}

/// Returns the id of the user of this process. `None` on systems without numeric user ids.
pub fn current_user() -> Option<u32> {
    Some(rustix::process::geteuid().as_raw())
}

/// Returns the permission bits of a file. `None` on systems that have none.
pub fn mode(meta: &Metadata) -> Option<u32> {
    Some(meta.mode() & 0o7777)
}

/// Sets the permission bits of a file. Does nothing on systems that have none.
pub fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    std::fs::set_permissions(path, Permissions::from_mode(mode))
}

/// Returns the number of names of a file. `None` if the system does not report it.
pub fn hard_links(meta: &Metadata) -> Option<u64> {
    Some(meta.nlink())
}

/// Returns the id of the file system of a file. `None` if the system does not report it.
pub fn file_system(meta: &Metadata) -> Option<u64> {
    Some(meta.dev())
}

/// Returns the number of a file in its file system. `None` if the system does not report it.
pub fn file_number(meta: &Metadata) -> Option<u64> {
    Some(meta.ino())
}

pub(crate) fn is_program(meta: &Metadata) -> bool {
    meta.is_file() && meta.mode() & 0o111 != 0
}

/// Creates a directory that only this user can enter, and its parents, unless it exists.
pub fn create_private_dir(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Changes `options` to create files that only this user can read, to refuse symbolic links, and not to wait for the other
/// end of a named pipe.
pub fn private_options(options: &mut OpenOptions) -> &mut OpenOptions {
    options.mode(0o600).custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed())
}

/// Writes the entries of a directory to disk.
pub fn sync_dir(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Makes a command run in a process group of its own, so that Ctrl-C in the terminal does not reach it.
pub fn set_own_group(command: &mut Command) {
    command.process_group(0);
}

/// Makes a command run in the background: it continues when the terminal is closed.
pub fn set_detached(command: &mut Command) {
    set_own_group(command);
}

fn pid(id: u32) -> Option<Pid> {
    Pid::from_raw(i32::try_from(id).ok()?)
}

/// Asks all processes of a process group to end. Does nothing if they have ended.
pub fn terminate_group(leader: u32) {
    if let Some(leader) = pid(leader) {
        let _ended = kill_process_group(leader, Signal::TERM);
    }
}

/// Kills all processes of a process group. Does nothing if they have ended.
pub fn kill_group(leader: u32) {
    if let Some(leader) = pid(leader) {
        let _ended = kill_process_group(leader, Signal::KILL);
    }
}

/// Kills a process. Does nothing if it has ended.
pub fn kill(process: u32) {
    if let Some(process) = pid(process) {
        let _ended = kill_process(process, Signal::KILL);
    }
}

/// Returns the state of a process.
pub fn process_state(process: u32) -> ProcessState {
    let Some(pid) = pid(process) else { return ProcessState::Ended };
    if cfg!(target_os = "linux") {
        return match stat(process) {
            Some(stat) if matches!(stat.state, 'Z' | 'X') => ProcessState::Ended,
            Some(stat) => ProcessState::Running {
                start_time: Some(stat.start_time),
                leads_group: Some(stat.group == process),
            },
            None => ProcessState::Ended,
        };
    }
    match test_kill_process(pid) {
        Err(Errno::SRCH) => ProcessState::Ended,
        // A process that may not be signalled runs.
        _ => ProcessState::Running { start_time: None, leads_group: None },
    }
}

/// Returns an id of this boot of this machine and of the set of process ids. `None` on systems that have none: a process id
/// then does not identify a process of another program reliably.
pub fn boot_id() -> Option<String> {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let namespace = std::fs::read_link("/proc/self/ns/pid").ok()?;
    Some(format!("{} {}", boot.trim(), namespace.display()))
}

/// The fields of `/proc/PID/stat` that hitctl reads.
struct Stat {
    state: char,
    group: u32,
    start_time: u64,
}

/// Reads the state of a process on Linux.
fn stat(process: u32) -> Option<Stat> {
    parse_stat(&std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?)
}

/// Parses the fields of `proc_pid_stat(5)`: the state is field 3, the process group field 5 and the start time field 22. The name
/// of the program, in parentheses, may contain any character, so the fields are counted from the last parenthesis.
fn parse_stat(text: &str) -> Option<Stat> {
    let (_, rest) = text.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    Some(Stat {
        state: fields.first()?.chars().next()?,
        group: fields.get(2)?.parse().ok()?,
        start_time: fields.get(19)?.parse().ok()?,
    })
}

/// Whether a program could not be started because its file is missing or not executable.
pub fn is_missing_program(error: &io::Error) -> bool {
    let errors = [Errno::NOENT, Errno::NOTDIR, Errno::LOOP, Errno::ACCESS, Errno::NOEXEC];
    Errno::from_io_error(error).is_some_and(|errno| errors.contains(&errno))
}

/// Returns the number of the signal that ended a process; `None` if it exited.
pub fn exit_signal(status: ExitStatus) -> Option<i32> {
    status.signal()
}

/// Raises the limit of open files of this process to `wanted`, as far as the system allows.
pub fn raise_open_files(wanted: u64) {
    let limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.map_or(wanted, |maximum| maximum.min(wanted));
    if limit.current.is_some_and(|current| current < wanted) {
        let raised = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum: limit.maximum });
        raised.unwrap_or_default();
    }
}

/// Returns the number of files that this process may open; `None` if there is no limit.
pub fn max_open_files() -> Option<u64> {
    getrlimit(Resource::Nofile).current
}

#[cfg(feature = "async")]
mod with_tokio {
    use std::io::{self, PipeReader};

    use tokio::net::unix::pipe::Receiver;
    use tokio::signal::unix::{Signal, SignalKind, signal};

    /// The signals that ask this process to stop: SIGINT and SIGTERM.
    #[derive(Debug)]
    pub struct StopSignals {
        interrupt: Signal,
        terminate: Signal,
        /// Keeps SIGHUP from ending the process.
        _hangup: Option<Signal>,
    }

    impl StopSignals {
        /// Starts listening. After that, the signals do not end the process directly.
        pub fn listen() -> io::Result<Self> {
            Ok(Self {
                interrupt: signal(SignalKind::interrupt())?,
                terminate: signal(SignalKind::terminate())?,
                _hangup: None,
            })
        }

        /// Starts listening, and ignores the end of the terminal (SIGHUP).
        pub fn listen_detached() -> io::Result<Self> {
            Ok(Self { _hangup: Some(signal(SignalKind::hangup())?), ..Self::listen()? })
        }

        /// Waits for the next signal.
        pub async fn recv(&mut self) {
            let received = tokio::select! {
                received = self.interrupt.recv() => received,
                received = self.terminate.recv() => received,
            };
            if received.is_none() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// The reading end of a pipe that a child process writes to.
    #[derive(Debug)]
    pub struct OutputPipe(Receiver);

    impl OutputPipe {
        /// Makes reads of the pipe return immediately.
        pub fn new(pipe: PipeReader) -> io::Result<Self> {
            Receiver::from_owned_fd(pipe.into()).map(Self)
        }

        /// Waits until there is output, or all writers have closed the pipe.
        pub async fn readable(&self) -> io::Result<()> {
            self.0.readable().await
        }

        /// Reads output that tokio has noticed. Returns 0 if all writers have closed the pipe.
        pub fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
            self.0.try_read(buffer)
        }

        /// Reads the available output with a system call, because tokio may not have noticed it yet.
        pub fn read_available(&self, buffer: &mut [u8]) -> io::Result<usize> {
            Ok(rustix::io::read(&self.0, buffer)?)
        }
    }
}
#[cfg(feature = "async")]
pub use with_tokio::{OutputPipe, StopSignals};
