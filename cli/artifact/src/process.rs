//! Runs a program with a timeout and a limit on its output, and stops it together with all processes it started.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use hitctl_platform::{kill_group, set_own_group, terminate_group};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::Child;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

/// The maximum number of bytes kept of one line. The rest of the line is dropped.
const MAX_LINE_BYTES: usize = 256 * 1024;
/// The time between asking a program to end and killing it.
const TERM_GRACE: Duration = Duration::from_secs(3);
/// The time that processes left behind by a program may keep its output open.
const OUTPUT_GRACE: Duration = Duration::from_secs(2);

/// A program with its arguments, environment and working directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Command {
    pub(super) program: PathBuf,
    pub(super) args: Vec<String>,
    /// The complete environment; nothing is inherited.
    pub(super) env: BTreeMap<String, String>,
    pub(super) cwd: PathBuf,
}

/// A line of output without its line ending.
#[derive(Debug)]
pub(super) enum OutputLine {
    Out(String),
    Err(String),
}

/// The reason why a program did not run to its end.
#[derive(Debug)]
pub(super) enum RunError {
    /// The user interrupted the run.
    Cancelled,
    /// The program did not end within the timeout.
    TimedOut,
    /// The program could not be started or waited for.
    Failed(io::Error),
}

/// Runs a program to its end and passes each line of output to `on_line`. If the run fails, or the future is dropped
/// early, the program's whole process group is killed.
pub(super) async fn run(
    command: &Command,
    limit: Duration,
    stop: &CancellationToken,
    mut on_line: impl FnMut(OutputLine),
) -> Result<ExitStatus, RunError> {
    let mut deadline = Instant::now() + limit;
    let mut child = spawn(command).map_err(RunError::Failed)?;
    let mut group = ProcessGroup(child.id());
    let (sender, mut lines) = mpsc::channel(256);
    if let Some(stdout) = child.stdout.take() {
        tokio::spawn(read_lines(stdout, sender.clone(), OutputLine::Out));
    }
    if let Some(stderr) = child.stderr.take() {
        tokio::spawn(read_lines(stderr, sender.clone(), OutputLine::Err));
    }
    drop(sender);

    let mut status = None;
    loop {
        tokio::select! {
            // A cancellation takes precedence over further output.
            biased;
            () = stop.cancelled(), if status.is_none() => {
                group.terminate(&mut child).await;
                return Err(RunError::Cancelled);
            }
            line = timeout_at(deadline, lines.recv()) => match line {
                Ok(Some(line)) => on_line(line),
                // Both streams are closed; only the exit status is missing.
                Ok(None) => break,
                Err(_) if status.is_some() => break,
                Err(_) => {
                    group.terminate(&mut child).await;
                    return Err(RunError::TimedOut);
                }
            },
            result = child.wait(), if status.is_none() => {
                status = Some(result.map_err(RunError::Failed)?);
                // A background process that is still running, such as a compiler cache, may keep the pipes open.
                deadline = Instant::now() + OUTPUT_GRACE;
            }
        }
    }
    if let Some(status) = status {
        // After a regular end, background processes may continue.
        group.0 = None;
        return Ok(status);
    }
    let stopped = tokio::select! {
        () = stop.cancelled() => RunError::Cancelled,
        result = timeout_at(deadline, child.wait()) => match result.map(|result| result.map_err(RunError::Failed)) {
            Ok(result) => {
                group.0 = None;
                return result;
            }
            Err(_) => RunError::TimedOut,
        },
    };
    group.terminate(&mut child).await;
    Err(stopped)
}

/// Runs a program with short output. Returns its standard output, or a one-line error message.
pub(super) async fn capture_output(
    command: &Command,
    limit: Duration,
    stop: &CancellationToken,
) -> Result<String, String> {
    let (mut out, mut err) = (String::new(), String::new());
    let status = run(command, limit, stop, |line| {
        let (text, buffer) = match &line {
            OutputLine::Out(text) => (text, &mut out),
            OutputLine::Err(text) => (text, &mut err),
        };
        if buffer.len() + text.len() < MAX_LINE_BYTES {
            buffer.push_str(text);
            buffer.push('\n');
        }
    })
    .await;
    match status {
        Ok(status) if status.success() => Ok(out),
        Ok(status) => {
            let message = err.lines().find(|line| line.contains("error")).or_else(|| err.lines().next());
            Err(message.map_or_else(|| status.to_string(), str::to_owned))
        }
        Err(RunError::Cancelled) => Err("interrupted".to_owned()),
        Err(RunError::TimedOut) => Err(format!("no response within {} s", limit.as_secs())),
        Err(RunError::Failed(error)) => Err(error.to_string()),
    }
}

fn spawn(command: &Command) -> io::Result<Child> {
    let mut process = tokio::process::Command::new(&command.program);
    // With a process group of its own, Ctrl-C reaches only hitctl, which then stops the whole group.
    set_own_group(process.as_std_mut());
    process
        .args(command.args.iter().map(OsString::from))
        .env_clear()
        .envs(&command.env)
        .current_dir(&command.cwd)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
}

/// The process group of a running child. It is killed when this value is dropped; `None` prevents this.
struct ProcessGroup(Option<u32>);

impl ProcessGroup {
    /// Asks the group to end, and kills it after the grace period.
    async fn terminate(&mut self, child: &mut Child) {
        self.0.into_iter().for_each(terminate_group);
        let ended_in_time = timeout(TERM_GRACE, child.wait()).await.is_ok();
        self.0.into_iter().for_each(kill_group);
        if !ended_in_time {
            let _reaped = timeout(TERM_GRACE, child.wait()).await;
        }
        self.0 = None;
    }
}

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        self.0.into_iter().for_each(kill_group);
    }
}

async fn read_lines(
    stream: impl AsyncRead + Unpin,
    sender: mpsc::Sender<OutputLine>,
    to_line: fn(String) -> OutputLine,
) {
    let mut reader = BufReader::new(stream);
    let mut line = Vec::new();
    loop {
        let chunk = match reader.fill_buf().await {
            Ok([]) | Err(_) => break,
            Ok(chunk) => chunk,
        };
        let end = chunk.iter().position(|&byte| byte == b'\n');
        let text = &chunk[..end.unwrap_or(chunk.len())];
        let remaining = MAX_LINE_BYTES.saturating_sub(line.len()).min(text.len());
        line.extend_from_slice(&text[..remaining]);
        let consumed = text.len() + usize::from(end.is_some());
        reader.consume(consumed);
        if end.is_some() && sender.send(to_line(take_line(&mut line))).await.is_err() {
            return;
        }
    }
    if !line.is_empty() {
        // The receiver may be closed already; then the line is not needed.
        let _ignored = sender.send(to_line(take_line(&mut line))).await;
    }
}

fn take_line(line: &mut Vec<u8>) -> String {
    let text = String::from_utf8_lossy(line).trim_end_matches('\r').to_owned();
    line.clear();
    text
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use hitctl_platform::{ProcessState, process_state};

    use super::*;

    fn shell(script: &str) -> Command {
        Command {
            program: "/bin/sh".into(),
            args: vec!["-c".to_owned(), script.to_owned()],
            env: [("PATH".to_owned(), "/usr/bin:/bin".to_owned())].into(),
            cwd: "/".into(),
        }
    }

    async fn lines_of(script: &str) -> (Vec<String>, Result<ExitStatus, RunError>) {
        let mut lines = Vec::new();
        let result = run(&shell(script), Duration::from_mins(1), &CancellationToken::new(), |line| {
            lines.push(match line {
                OutputLine::Out(text) => format!("out {text}"),
                OutputLine::Err(text) => format!("err {text}"),
            });
        })
        .await;
        lines.sort();
        (lines, result)
    }

    #[tokio::test]
    async fn run_passes_all_lines_and_returns_exit_status() {
        let (lines, result) = lines_of("echo one; printf 'two\\r\\nlast'; echo bad >&2; exit 3").await;
        assert_eq!(lines, ["err bad", "out last", "out one", "out two"]);
        assert_eq!(result.unwrap().code(), Some(3));
    }

    #[tokio::test]
    async fn run_cuts_long_line() {
        let (lines, result) = lines_of("head -c 3000000 /dev/zero | tr '\\0' x; echo; echo after").await;
        assert!(result.unwrap().success());
        assert_eq!(lines[0], "out after");
        assert_eq!(lines[1].len(), MAX_LINE_BYTES + "out ".len());
    }

    #[tokio::test]
    async fn run_of_missing_program_fails() {
        let missing = Command { program: "/nonexistent/cargo".into(), ..shell("") };
        let result = run(&missing, TERM_GRACE, &CancellationToken::new(), |_| {}).await;
        assert!(matches!(result, Err(RunError::Failed(error)) if error.kind() == io::ErrorKind::NotFound));
    }

    /// Stops a program that has started another one, and checks that both have ended.
    async fn run_until_both_ended(limit: Duration, cancel: bool) -> RunError {
        let stop = CancellationToken::new();
        let mut inner = None;
        let result = run(&shell("sleep 600 & echo $!; wait"), limit, &stop, |line| {
            if let OutputLine::Out(pid) = line {
                inner = pid.parse().ok();
            }
            if cancel {
                stop.cancel();
            }
        })
        .await
        .unwrap_err();
        // On a busy machine, the timeout may expire before the inner program starts.
        let Some(inner) = inner else { return result };
        let both_ended = async {
            let mut ticks = tokio::time::interval(Duration::from_millis(5));
            while process_state(inner) != ProcessState::Ended {
                ticks.tick().await;
            }
        };
        timeout(Duration::from_secs(30), both_ended).await.expect("the inner program was killed");
        result
    }

    #[tokio::test]
    async fn run_when_cancelled_ends_whole_process_group() {
        assert!(matches!(run_until_both_ended(Duration::from_mins(1), true).await, RunError::Cancelled));
    }

    #[tokio::test]
    async fn run_after_timeout_ends_whole_process_group() {
        assert!(matches!(run_until_both_ended(Duration::from_millis(400), false).await, RunError::TimedOut));
    }

    #[tokio::test]
    async fn run_returns_although_background_process_keeps_output_open() {
        let mut helper = None;
        let started = Instant::now();
        let result =
            run(&shell("sleep 600 & echo $!"), Duration::from_mins(1), &CancellationToken::new(), |line| {
                if let OutputLine::Out(pid) = line {
                    helper = pid.parse().ok();
                }
            })
            .await;
        assert!(result.unwrap().success());
        assert!(started.elapsed() < Duration::from_secs(30));
        hitctl_platform::kill(helper.unwrap());
    }

    #[tokio::test]
    async fn capture_output_returns_output_or_one_line_error() {
        let capture_output = |script: &'static str| async move {
            super::capture_output(&shell(script), Duration::from_mins(1), &CancellationToken::new()).await
        };
        assert_eq!(capture_output("echo 1.95.0").await, Ok("1.95.0\n".to_owned()));
        assert_eq!(
            capture_output("echo info: x >&2; echo error: no toolchain >&2; exit 1").await,
            Err("error: no toolchain".into())
        );
        assert_eq!(capture_output("exit 4").await, Err("exit status: 4".into()));
    }
}
