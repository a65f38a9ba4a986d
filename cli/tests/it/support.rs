//! Shared test helpers: a test environment that runs the program in this process or as a separate one, and a plain HTTP
//! client.

use std::collections::BTreeMap;
use std::io::{Cursor, Read as _, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hitctl::{Interrupts, ProcessContext};
use hitctl_local::StatePaths;
use serde_json::Value as Json;

/// The path of the `hitctl` binary that cargo built for these tests.
pub(crate) const EXE: &str = env!("CARGO_BIN_EXE_hitctl");

/// Settings that count every hit: on any path, from bots, and repeated ones. Visitors are not distinguished. Tests that
/// are not about the counting rules need this, since their clients are fast and are not browsers.
const COUNT_ALL: &str =
    "\n[counter]\npaths = \"open\"\nvisitors = \"none\"\nbots = \"count\"\nrepeat_window_s = 0\n";

/// A configuration with the default counter settings. It contains the word `counter`, so [`TestEnv::write`] does not
/// add [`COUNT_ALL`].
pub(crate) const DEFAULTS: &str = "# The counter has its default settings.\n";

/// Returns an environment variable of the test process, such as `PATH` or a setting of CI.
#[expect(clippy::disallowed_methods, reason = "the tests read single variables only here")]
pub(crate) fn env_var(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// A temporary directory for one test, with its configuration, its local cloud and its user's home. Dropping it stops
/// the local cloud.
pub(crate) struct TestEnv {
    dir: tempfile::TempDir,
}

/// The exit code and the output of a finished command.
#[derive(Debug)]
pub(crate) struct CommandOutput {
    pub(crate) code: u8,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl TestEnv {
    /// Creates an empty directory.
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::Builder::new().prefix("hitctl-it").tempdir().unwrap() }
    }

    /// Creates a directory with this hitctl.toml.
    pub(crate) fn with_config(config: &str) -> Self {
        let test_env = Self::new();
        test_env.write("hitctl.toml", config);
        test_env
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Returns the state directory of the project in this directory.
    pub(crate) fn state(&self) -> PathBuf {
        StatePaths::new(&self.path().join("home/.local/state/hitctl"), self.path(), true).state_dir()
    }

    /// Writes a file. A hitctl.toml that does not mention the counter gets settings that count every hit.
    pub(crate) fn write(&self, name: &str, text: &str) {
        let added = if name == "hitctl.toml" && !text.contains("counter") { COUNT_ALL } else { "" };
        std::fs::write(self.path().join(name), format!("{text}{added}")).unwrap();
    }

    /// Returns the environment variables of a user with a home directory and the build tools.
    pub(crate) fn env(&self) -> BTreeMap<String, String> {
        let home = self.path().join("home").display().to_string();
        let mut env = BTreeMap::from([("HOME".to_owned(), home)]);
        let tools = self.path().join("tools").display().to_string();
        env.extend(env_var("PATH").map(|path| ("PATH".to_owned(), format!("{tools}:{path}"))));
        // rustup and cargo are installed on the machine, not in the test's home.
        for name in ["CARGO_HOME", "RUSTUP_HOME", "CARGO_TARGET_DIR"] {
            env.extend(env_var(name).map(|value| (name.to_owned(), value)));
        }
        env
    }

    /// Installs a shell script as the tool `name`. It precedes the real tool in `PATH`.
    pub(crate) fn stub_tool(&self, name: &str, script: &str) {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = self.path().join("tools");
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::write(dir.join(name), format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(dir.join(name), std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Runs the program in process.
    pub(crate) fn run(&self, args: &[&str]) -> CommandOutput {
        self.run_with(args, |_| {})
    }

    /// Runs the program in process, in a context that `change` modifies first.
    pub(crate) fn run_with(&self, args: &[&str], change: impl FnOnce(&mut ProcessContext)) -> CommandOutput {
        let (stdout, stderr) = (Buffer::default(), Buffer::default());
        let mut process = ProcessContext {
            args: std::iter::once("hitctl").chain(args.iter().copied()).map(Into::into).collect(),
            env: self.env(),
            cwd: self.path().to_path_buf(),
            exe: PathBuf::from(EXE),
            stdout: Box::new(stdout.clone()),
            stderr: Box::new(stderr.clone()),
            stdin: Box::new(Cursor::new(Vec::new())),
            stdout_tty: false,
            stderr_tty: false,
            stdin_tty: false,
            width: None,
            interrupts: Interrupts::None,
            // A busy machine must not cause the message about slow calls. Only its own tests set a short threshold.
            slow_threshold: Duration::from_mins(10),
        };
        change(&mut process);
        let code = hitctl::exit(process);
        CommandOutput { code, stdout: stdout.text(), stderr: stderr.text() }
    }

    /// Runs a subcommand of `counts` and asserts that it succeeds.
    #[track_caller]
    pub(crate) fn counts(&self, args: &[&str]) -> CommandOutput {
        let output = self.run(&[&["counts"], args].concat());
        assert_eq!(output.code, 0, "{args:?}: {output:?}");
        output
    }

    /// Deploys the built function to the local cloud. Returns its URL.
    pub(crate) fn deploy(&self) -> String {
        let output = self.run(&["deploy", "--env", "local", "--json", "--artifact", &artifact()]);
        assert_eq!(output.code, 0, "{output:?}");
        output.json()["outputs"]["url"].as_str().unwrap_or_else(|| panic!("no url in {output:?}")).to_owned()
    }

    /// Sends a request to the DynamoDB of the local cloud and asserts that it succeeds.
    pub(crate) fn table(&self, operation: &str, request: &Json) -> Json {
        let response = self.send_to_table(operation, request);
        assert_eq!(response.status, 200, "{operation}: {response:?}");
        response.json()
    }

    /// Sends a request to the DynamoDB of the local cloud over HTTP, as any client would.
    pub(crate) fn send_to_table(&self, operation: &str, request: &Json) -> TestResponse {
        let endpoint = std::fs::read(self.state().join("daemon.json")).unwrap();
        let endpoint: Json = serde_json::from_slice(&endpoint).unwrap();
        let headers = format!(
            "content-type: application/x-amz-json-1.0\r\nx-amz-target: DynamoDB_20120810.{operation}\r\n\
             x-amz-date: 20260101T000000Z\r\nauthorization: AWS4-HMAC-SHA256 \
             Credential=local/20260101/local/dynamodb/aws4_request, SignedHeaders=host, Signature=0\r\n"
        );
        let mut http = TestConnection::connect(endpoint["table"].as_str().unwrap()).unwrap();
        http.send("POST", "/", &headers, request.to_string().as_bytes()).unwrap()
    }

    /// Returns a command that runs the program as a separate process.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(EXE);
        command.args(args).current_dir(self.path()).env_clear().envs(self.env());
        command
    }
}

impl Drop for TestEnv {
    fn drop(&mut self) {
        if self.state().exists() {
            self.run(&["local", "stop", "--env", "local", "--config", "hitctl.toml"]);
        }
    }
}

impl CommandOutput {
    /// Parses stdout as one JSON object.
    pub(crate) fn json(&self) -> Json {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// Returns the path of the function's zip, which is built once for all tests.
pub(crate) fn artifact() -> String {
    crate::artifact::built_function().zip.display().to_string()
}

/// Returns the root of this checkout: the parent of the working directory, since Cargo runs tests in the folder of
/// their package. The path at compile time can be that of another checkout which shares the target directory.
pub(crate) fn checkout() -> PathBuf {
    Path::new("..").canonicalize().expect("cli has a parent")
}

/// The distance between the calls of a run at which one kind of cut interrupts it. Each kind starts at another call, so that together
/// they interrupt every call. With `HITCTL_EXHAUSTIVE=1`, as `.ci/release` sets it, every kind interrupts every call.
pub(crate) fn cut_step() -> usize {
    if env_var("HITCTL_EXHAUSTIVE").is_some_and(|value| value == "1") { 1 } else { 3 }
}

/// Returns the numbers of the calls at which the kind of cut with this index interrupts a run. The first call has number 1.
pub(crate) fn cut_calls(kind: usize) -> impl Iterator<Item = usize> {
    (1 + kind % cut_step()..).step_by(cut_step())
}

/// Sleeps for `duration`.
#[expect(clippy::disallowed_methods, reason = "the pace of visitors, and polling of another process")]
pub(crate) fn pause(duration: Duration) {
    std::thread::sleep(duration);
}

/// Sets a flag when it is dropped, so that background load ends even if the test panics.
pub(crate) struct SetOnDrop<'a>(pub(crate) &'a AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// A writer whose content a test can read while the program runs.
#[derive(Clone, Default)]
pub(crate) struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Buffer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// An HTTP response.
#[derive(Debug)]
pub(crate) struct TestResponse {
    pub(crate) status: u16,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

impl TestResponse {
    pub(crate) fn json(&self) -> Json {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// A persistent HTTP/1.1 connection.
pub(crate) struct TestConnection {
    stream: TcpStream,
    host: String,
}

impl TestConnection {
    /// Connects to `http://127.0.0.1:PORT`.
    pub(crate) fn connect(url: &str) -> std::io::Result<Self> {
        let host = url.trim_start_matches("http://").trim_end_matches('/').to_owned();
        let stream = TcpStream::connect(&host)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        Ok(Self { stream, host })
    }

    /// Sends a request and reads the whole response.
    pub(crate) fn send(
        &mut self,
        method: &str,
        target: &str,
        headers: &str,
        body: &[u8],
    ) -> std::io::Result<TestResponse> {
        let length =
            if body.is_empty() { String::new() } else { format!("content-length: {}\r\n", body.len()) };
        let mut request =
            format!("{method} {target} HTTP/1.1\r\nhost: {}\r\n{length}{headers}\r\n", self.host)
                .into_bytes();
        request.extend_from_slice(body);
        self.stream.write_all(&request)?;
        self.read(method == "HEAD")
    }

    fn read(&mut self, head_only: bool) -> std::io::Result<TestResponse> {
        let closed = || std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
        let (mut received, mut chunk) = (Vec::new(), [0; 4096]);
        let end = loop {
            if let Some(end) = received.windows(4).position(|window| window == b"\r\n\r\n") {
                break end;
            }
            match self.stream.read(&mut chunk)? {
                0 => return Err(closed()),
                n => received.extend_from_slice(&chunk[..n]),
            }
        };
        let head = String::from_utf8_lossy(&received[..end]).into_owned();
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|code| code.parse().ok());
        let headers: BTreeMap<_, _> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        let mut body = received.split_off(end + 4);
        while !head_only && body.len() < length {
            match self.stream.read(&mut chunk)? {
                0 => return Err(closed()),
                n => body.extend_from_slice(&chunk[..n]),
            }
        }
        Ok(TestResponse {
            status: status.ok_or_else(closed)?,
            headers,
            body: String::from_utf8_lossy(&body).into_owned(),
        })
    }
}

/// Sends one GET request on a new connection.
pub(crate) fn get(url: &str, target: &str) -> TestResponse {
    TestConnection::connect(url).unwrap().send("GET", target, "", b"").unwrap()
}
