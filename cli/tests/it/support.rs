//! What the tests share: a directory to run in, the program in process or as a process, and plain HTTP.

use std::collections::BTreeMap;
use std::io::{Cursor, Read as _, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hitctl::{Interrupts, World};
use hitctl_local::Places;
use serde_json::Value as Json;

/// The program as cargo built it for these tests.
pub(crate) const EXE: &str = env!("CARGO_BIN_EXE_hitctl");

/// Every hit counts as it comes, and nobody is told apart: what tests want that are about something else. Their clients are
/// quick, and no browsers.
const COUNT_ALL: &str =
    "\n[counter]\npaths = \"open\"\nvisitors = \"none\"\nbots = \"count\"\nrepeat_window_s = 0\n";

/// A configuration that counts as users' do.
pub(crate) const DEFAULTS: &str = "# The counter is as it is by default.\n";

/// A variable of the environment, for the few things that CI decides.
#[expect(clippy::disallowed_methods, reason = "the tests' one look at the environment")]
pub(crate) fn env_var(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// A directory of its own for one test: its config, its local cloud, its user's home. The cloud ends with it.
pub(crate) struct Yard {
    dir: tempfile::TempDir,
}

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: u8,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Yard {
    /// An empty directory.
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::Builder::new().prefix("hitctl-it").tempdir().unwrap() }
    }

    /// A directory with a configuration.
    pub(crate) fn with(config: &str) -> Self {
        let yard = Self::new();
        yard.write("hitctl.toml", config);
        yard
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// The state directory of this directory's project.
    pub(crate) fn state(&self) -> PathBuf {
        Places::new(&self.path().join("home/.local/state/hitctl"), self.path(), true).state_dir()
    }

    /// Writes a file. A configuration that does not speak of the counter counts every hit.
    pub(crate) fn write(&self, name: &str, text: &str) {
        let more = if name == "hitctl.toml" && !text.contains("counter") { COUNT_ALL } else { "" };
        std::fs::write(self.path().join(name), format!("{text}{more}")).unwrap();
    }

    /// The environment of a user who has nothing but a home and the tools.
    pub(crate) fn env(&self) -> BTreeMap<String, String> {
        let home = self.path().join("home").display().to_string();
        let mut env = BTreeMap::from([("HOME".to_owned(), home)]);
        let tools = self.path().join("tools").display().to_string();
        env.extend(env_var("PATH").map(|path| ("PATH".to_owned(), format!("{tools}:{path}"))));
        // Where rustup and cargo are is the machine's business, not the home's.
        for name in ["CARGO_HOME", "RUSTUP_HOME", "CARGO_TARGET_DIR"] {
            env.extend(env_var(name).map(|value| (name.to_owned(), value)));
        }
        env
    }

    /// Puts a shell script in front of the tools of that name.
    pub(crate) fn tool(&self, name: &str, script: &str) {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = self.path().join("tools");
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::write(dir.join(name), format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(dir.join(name), std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Runs the program in process, with the built function at hand.
    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        self.run_as(args, |_| {})
    }

    /// Runs the program in process, in a world that `change` changed.
    pub(crate) fn run_as(&self, args: &[&str], change: impl FnOnce(&mut World)) -> Ran {
        let (stdout, stderr) = (Buffer::default(), Buffer::default());
        let mut world = World {
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
            // A busy machine is slow; only the tests of this are impatient.
            patience: Duration::from_mins(10),
        };
        change(&mut world);
        let code = hitctl::exit(world);
        Ran { code, stdout: stdout.text(), stderr: stderr.text() }
    }

    /// Runs a command of `counts` that has to succeed.
    #[track_caller]
    pub(crate) fn counts(&self, args: &[&str]) -> Ran {
        let ran = self.run(&[&["counts"], args].concat());
        assert_eq!(ran.code, 0, "{args:?}: {ran:?}");
        ran
    }

    /// Deploys the built function to the local cloud of this yard, and gives back the URL.
    pub(crate) fn deploy(&self) -> String {
        let ran = self.run(&["deploy", "--env", "local", "--json", "--artifact", &artifact()]);
        assert_eq!(ran.code, 0, "{ran:?}");
        ran.json()["outputs"]["url"].as_str().unwrap_or_else(|| panic!("no url in {ran:?}")).to_owned()
    }

    /// Asks the table of the local cloud what it must not refuse.
    pub(crate) fn table(&self, operation: &str, request: &Json) -> Json {
        let answer = self.ask_table(operation, request);
        assert_eq!(answer.status, 200, "{operation}: {answer:?}");
        answer.json()
    }

    /// Asks the table of the local cloud as any program would.
    pub(crate) fn ask_table(&self, operation: &str, request: &Json) -> Answer {
        let said = std::fs::read(self.state().join("daemon.json")).unwrap();
        let said: Json = serde_json::from_slice(&said).unwrap();
        let headers = format!(
            "content-type: application/x-amz-json-1.0\r\nx-amz-target: DynamoDB_20120810.{operation}\r\n\
             x-amz-date: 20260101T000000Z\r\nauthorization: AWS4-HMAC-SHA256 \
             Credential=local/20260101/local/dynamodb/aws4_request, SignedHeaders=host, Signature=0\r\n"
        );
        let mut http = Http::connect(said["table"].as_str().unwrap()).unwrap();
        http.ask("POST", "/", &headers, request.to_string().as_bytes()).unwrap()
    }

    /// The program as a process of its own.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(EXE);
        command.args(args).current_dir(self.path()).env_clear().envs(self.env());
        command
    }
}

impl Drop for Yard {
    fn drop(&mut self) {
        if self.state().exists() {
            self.run(&["local", "stop", "--env", "local", "--config", "hitctl.toml"]);
        }
    }
}

impl Ran {
    /// The one JSON object on stdout.
    pub(crate) fn json(&self) -> Json {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// The zip of the function, built once for all tests.
pub(crate) fn artifact() -> String {
    crate::artifact::built_function().zip.display().to_string()
}

/// The root of this checkout. Cargo runs tests in the folder of their package; the path at compile time can be that of another
/// checkout with the same target directory.
pub(crate) fn checkout() -> PathBuf {
    Path::new("..").canonicalize().expect("cli has a parent")
}

/// Sets a flag when it is dropped, so that background load ends even when the test fails.
pub(crate) struct SetOnDrop<'a>(pub(crate) &'a AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Bytes that a test reads back.
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

/// What a server answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Json {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// A connection that is kept open from one question to the next.
pub(crate) struct Http {
    stream: TcpStream,
    host: String,
}

impl Http {
    /// Connects to `http://127.0.0.1:PORT`.
    pub(crate) fn connect(url: &str) -> std::io::Result<Self> {
        let host = url.trim_start_matches("http://").trim_end_matches('/').to_owned();
        let stream = TcpStream::connect(&host)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        Ok(Self { stream, host })
    }

    /// Asks, and reads the whole answer.
    pub(crate) fn ask(
        &mut self,
        method: &str,
        target: &str,
        headers: &str,
        body: &[u8],
    ) -> std::io::Result<Answer> {
        let length =
            if body.is_empty() { String::new() } else { format!("content-length: {}\r\n", body.len()) };
        let mut request =
            format!("{method} {target} HTTP/1.1\r\nhost: {}\r\n{length}{headers}\r\n", self.host)
                .into_bytes();
        request.extend_from_slice(body);
        self.stream.write_all(&request)?;
        self.read(method == "HEAD")
    }

    fn read(&mut self, head_only: bool) -> std::io::Result<Answer> {
        let closed = || std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
        let (mut seen, mut chunk) = (Vec::new(), [0; 4096]);
        let end = loop {
            if let Some(end) = seen.windows(4).position(|window| window == b"\r\n\r\n") {
                break end;
            }
            match self.stream.read(&mut chunk)? {
                0 => return Err(closed()),
                n => seen.extend_from_slice(&chunk[..n]),
            }
        };
        let head = String::from_utf8_lossy(&seen[..end]).into_owned();
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|code| code.parse().ok());
        let headers: BTreeMap<_, _> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        let mut body = seen.split_off(end + 4);
        while !head_only && body.len() < length {
            match self.stream.read(&mut chunk)? {
                0 => return Err(closed()),
                n => body.extend_from_slice(&chunk[..n]),
            }
        }
        Ok(Answer {
            status: status.ok_or_else(closed)?,
            headers,
            body: String::from_utf8_lossy(&body).into_owned(),
        })
    }
}

/// One question on a connection of its own.
pub(crate) fn get(url: &str, target: &str) -> Answer {
    Http::connect(url).unwrap().ask("GET", target, "", b"").unwrap()
}
