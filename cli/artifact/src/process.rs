//! Runs a program: bounded in time and in what is kept of its words, and stopped together with all that it started.
//!
//! Knows nothing of what the program does.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::Child;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

/// What is kept of one line; the rest of it is dropped.
const LINE_BYTES: usize = 256 * 1024;
/// How long a program may take to end once it is asked to.
const GRACE: Duration = Duration::from_secs(3);
/// How long what a program left running may hold its output open.
const LINGER: Duration = Duration::from_secs(2);

/// A program with all that it is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Command {
    pub(super) program: PathBuf,
    pub(super) args: Vec<String>,
    /// The whole environment.
    pub(super) env: BTreeMap<String, String>,
    pub(super) cwd: PathBuf,
}

/// One line of output, without its end.
#[derive(Debug)]
pub(super) enum Line {
    Out(String),
    Err(String),
}

/// Why a program did not end by itself.
#[derive(Debug)]
pub(super) enum Stopped {
    /// The user wants to stop.
    Cancelled,
    /// It took too long.
    TooLong,
    /// It could not be started or waited for.
    Failed(io::Error),
}

/// Runs a program to its end and hands over each line as it comes. Whenever this returns or is dropped early, the
/// program's whole process group has been killed.
pub(super) async fn run(
    command: &Command,
    limit: Duration,
    stop: &CancellationToken,
    mut on_line: impl FnMut(Line),
) -> Result<ExitStatus, Stopped> {
    let mut deadline = Instant::now() + limit;
    let mut child = spawn(command).map_err(Stopped::Failed)?;
    let mut group = Group(child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)));
    let (sender, mut lines) = mpsc::channel(256);
    if let Some(stdout) = child.stdout.take() {
        tokio::spawn(read_lines(stdout, sender.clone(), Line::Out));
    }
    if let Some(stderr) = child.stderr.take() {
        tokio::spawn(read_lines(stderr, sender.clone(), Line::Err));
    }
    drop(sender);

    let mut status = None;
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled(), if status.is_none() => {
                group.end(&mut child).await;
                return Err(Stopped::Cancelled);
            }
            line = timeout_at(deadline, lines.recv()) => match line {
                Ok(Some(line)) => on_line(line),
                // Both ends are closed: only the exit is missing.
                Ok(None) => break,
                Err(_) if status.is_some() => break,
                Err(_) => {
                    group.end(&mut child).await;
                    return Err(Stopped::TooLong);
                }
            },
            ended = child.wait(), if status.is_none() => {
                status = Some(ended.map_err(Stopped::Failed)?);
                // A helper that stays, such as a compiler cache, may keep the pipes open.
                deadline = Instant::now() + LINGER;
            }
        }
    }
    if let Some(status) = status {
        group.0 = None;
        return Ok(status);
    }
    let stopped = tokio::select! {
        () = stop.cancelled() => Stopped::Cancelled,
        ended = timeout_at(deadline, child.wait()) => match ended.map(|ended| ended.map_err(Stopped::Failed)) {
            Ok(ended) => {
                group.0 = None;
                return ended;
            }
            Err(_) => Stopped::TooLong,
        },
    };
    group.end(&mut child).await;
    Err(stopped)
}

/// Runs a program that answers in a few lines; gives what it said on stdout, or why there is no answer, in one line.
pub(super) async fn ask(
    command: &Command,
    limit: Duration,
    stop: &CancellationToken,
) -> Result<String, String> {
    let (mut out, mut err) = (String::new(), String::new());
    let status = run(command, limit, stop, |line| {
        let (text, to) = match &line {
            Line::Out(text) => (text, &mut out),
            Line::Err(text) => (text, &mut err),
        };
        if to.len() + text.len() < LINE_BYTES {
            to.push_str(text);
            to.push('\n');
        }
    })
    .await;
    match status {
        Ok(status) if status.success() => Ok(out),
        Ok(status) => {
            let said = err.lines().find(|line| line.contains("error")).or_else(|| err.lines().next());
            Err(said.map_or_else(|| status.to_string(), str::to_owned))
        }
        Err(Stopped::Cancelled) => Err("interrupted".to_owned()),
        Err(Stopped::TooLong) => Err(format!("no answer within {} s", limit.as_secs())),
        Err(Stopped::Failed(error)) => Err(error.to_string()),
    }
}

/// The executable of that name, in the folders of a `PATH` and then in `extra`.
pub(super) fn find(name: &str, path: &str, extra: &[PathBuf]) -> Option<PathBuf> {
    let folders = std::env::split_paths(path).filter(|folder| folder.is_absolute());
    folders.chain(extra.iter().cloned()).map(|folder| folder.join(name)).find(|file| is_executable(file))
}

fn is_executable(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    file.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

fn spawn(command: &Command) -> io::Result<Child> {
    tokio::process::Command::new(&command.program)
        .args(command.args.iter().map(OsString::from))
        .env_clear()
        .envs(&command.env)
        .current_dir(&command.cwd)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // A group of its own: Ctrl-C reaches us alone, and we stop all that was started.
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
}

/// The process group of a running child, killed when dropped.
struct Group(Option<Pid>);

impl Group {
    fn signal(&self, signal: Signal) {
        if let Some(group) = self.0 {
            // Already gone is as good.
            let _gone = kill_process_group(group, signal);
        }
    }

    /// Asks all to end, and after a while makes them.
    async fn end(&mut self, child: &mut Child) {
        self.signal(Signal::TERM);
        let polite = timeout(GRACE, child.wait()).await.is_ok();
        self.signal(Signal::KILL);
        if !polite {
            let _reaped = timeout(GRACE, child.wait()).await;
        }
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

async fn read_lines(from: impl AsyncRead + Unpin, to: mpsc::Sender<Line>, wrap: fn(String) -> Line) {
    let mut reader = BufReader::new(from);
    let mut line = Vec::new();
    loop {
        let chunk = match reader.fill_buf().await {
            Ok([]) | Err(_) => break,
            Ok(chunk) => chunk,
        };
        let end = chunk.iter().position(|&byte| byte == b'\n');
        let text = &chunk[..end.unwrap_or(chunk.len())];
        let room = LINE_BYTES.saturating_sub(line.len()).min(text.len());
        line.extend_from_slice(&text[..room]);
        let used = text.len() + usize::from(end.is_some());
        reader.consume(used);
        if end.is_some() && to.send(wrap(take_text(&mut line))).await.is_err() {
            return;
        }
    }
    if !line.is_empty() {
        // Nobody listens any more: nothing is lost.
        let _unheard = to.send(wrap(take_text(&mut line))).await;
    }
}

fn take_text(line: &mut Vec<u8>) -> String {
    let text = String::from_utf8_lossy(line).trim_end_matches('\r').to_owned();
    line.clear();
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        Command {
            program: "/bin/sh".into(),
            args: vec!["-c".to_owned(), script.to_owned()],
            env: [("PATH".to_owned(), "/usr/bin:/bin".to_owned())].into(),
            cwd: "/".into(),
        }
    }

    async fn lines_of(script: &str) -> (Vec<String>, Result<ExitStatus, Stopped>) {
        let mut lines = Vec::new();
        let ended = run(&shell(script), Duration::from_mins(1), &CancellationToken::new(), |line| {
            lines.push(match line {
                Line::Out(text) => format!("out {text}"),
                Line::Err(text) => format!("err {text}"),
            });
        })
        .await;
        lines.sort();
        (lines, ended)
    }

    #[tokio::test]
    async fn every_line_arrives_and_the_exit_is_told() {
        let (lines, ended) = lines_of("echo one; printf 'two\\r\\nlast'; echo bad >&2; exit 3").await;
        assert_eq!(lines, ["err bad", "out last", "out one", "out two"]);
        assert_eq!(ended.unwrap().code(), Some(3));
    }

    #[tokio::test]
    async fn an_endless_line_is_cut_and_does_not_fill_the_memory() {
        let (lines, ended) = lines_of("head -c 3000000 /dev/zero | tr '\\0' x; echo; echo after").await;
        assert!(ended.unwrap().success());
        assert_eq!(lines[0], "out after");
        assert_eq!(lines[1].len(), LINE_BYTES + "out ".len());
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_is_a_failure() {
        let missing = Command { program: "/nonexistent/cargo".into(), ..shell("") };
        let ended = run(&missing, GRACE, &CancellationToken::new(), |_| {}).await;
        assert!(matches!(ended, Err(Stopped::Failed(error)) if error.kind() == io::ErrorKind::NotFound));
    }

    /// Stops a program that has started another one; both must be gone.
    async fn both_are_gone(limit: Duration, cancel: bool) -> Stopped {
        let stop = CancellationToken::new();
        let mut inner = None;
        let ended = run(&shell("sleep 600 & echo $!; wait"), limit, &stop, |line| {
            if let Line::Out(pid) = line {
                inner = Pid::from_raw(pid.parse().unwrap());
            }
            if cancel {
                stop.cancel();
            }
        })
        .await
        .unwrap_err();
        // On a busy machine the time may be over before anything was started.
        let Some(inner) = inner else { return ended };
        // An orphan is reaped by init in its own time; until then it is a zombie.
        let gone = async {
            let mut ticks = tokio::time::interval(Duration::from_millis(5));
            while !ended_or_zombie(inner) {
                ticks.tick().await;
            }
        };
        timeout(Duration::from_secs(30), gone).await.expect("the inner program was killed");
        ended
    }

    fn ended_or_zombie(pid: Pid) -> bool {
        if rustix::process::test_kill_process(pid).is_err() {
            return true;
        }
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with(['Z', 'X']))
    }

    #[tokio::test]
    async fn stopping_ends_all_that_was_started() {
        assert!(matches!(both_are_gone(Duration::from_mins(1), true).await, Stopped::Cancelled));
    }

    #[tokio::test]
    async fn too_long_ends_all_that_was_started() {
        assert!(matches!(both_are_gone(Duration::from_millis(400), false).await, Stopped::TooLong));
    }

    #[tokio::test]
    async fn a_helper_that_holds_the_output_open_does_not_hold_us() {
        let mut helper = None;
        let started = Instant::now();
        let ended =
            run(&shell("sleep 600 & echo $!"), Duration::from_mins(1), &CancellationToken::new(), |line| {
                if let Line::Out(pid) = line {
                    helper = Pid::from_raw(pid.parse().unwrap());
                }
            })
            .await;
        assert!(ended.unwrap().success());
        assert!(started.elapsed() < Duration::from_secs(30));
        rustix::process::kill_process(helper.unwrap(), Signal::KILL).unwrap();
    }

    #[tokio::test]
    async fn a_question_is_answered_in_one_line_either_way() {
        let ask = |script: &'static str| async move {
            super::ask(&shell(script), Duration::from_mins(1), &CancellationToken::new()).await
        };
        assert_eq!(ask("echo 1.95.0").await, Ok("1.95.0\n".to_owned()));
        assert_eq!(
            ask("echo info: x >&2; echo error: no toolchain >&2; exit 1").await,
            Err("error: no toolchain".into())
        );
        assert_eq!(ask("exit 4").await, Err("exit status: 4".into()));
    }
}
