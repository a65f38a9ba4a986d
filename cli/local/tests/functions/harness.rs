//! A runner with the echo function (`examples/echo_function.rs`), and a small HTTP client.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hitctl_engine::SpecValue;
use hitctl_local::gateway::{FrontendSpec, Gateway};
use hitctl_local::lambda::{Invocation, Runner, RunnerConfig};
use hitctl_local::logs::{LogEventQuery, Logs};
use hitctl_resources::{Arch, Cors, FunctionSpec, HttpApiSpec, Throttle};
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

pub(crate) const GROUP: &str = "/aws/lambda/f";
pub(crate) const API: &str = "abc123";

pub(crate) struct FunctionTestEnv {
    pub(crate) runner: Runner,
    pub(crate) gateway: Gateway,
    pub(crate) logs: Logs,
    pub(crate) dir: tempfile::TempDir,
}

impl FunctionTestEnv {
    pub(crate) fn new() -> Self {
        Self::with_concurrency(1000)
    }

    pub(crate) fn with_concurrency(account_concurrency: u32) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let logs = Logs::open(&dir.path().join("logs")).unwrap();
        std::fs::create_dir(dir.path().join("zips")).unwrap();
        let config = RunnerConfig {
            code_dir: dir.path().join("code"),
            zip_dir: dir.path().join("zips"),
            region: "eu-central-1".to_owned(),
            account: "000000000000".to_owned(),
            endpoint: "http://127.0.0.1:9".to_owned(),
            account_concurrency,
        };
        let runner = Runner::new(config, logs.clone());
        let gateway = Gateway::new(runner.clone(), "eu-central-1".to_owned(), "000000000000".to_owned());
        Self { runner, gateway, logs, dir }
    }

    /// Returns a spec of the echo function.
    pub(crate) fn echo_spec(&self) -> FunctionSpec {
        self.program_spec(&std::fs::read(echo_function_path()).unwrap())
    }

    /// Returns a spec of a function whose `bootstrap` is `program`.
    pub(crate) fn program_spec(&self, program: &[u8]) -> FunctionSpec {
        let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        let options =
            zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
        zip.start_file("bootstrap", options).unwrap();
        zip.write_all(program).unwrap();
        let bytes = zip.finish().unwrap().into_inner();
        let sha = Sha256::digest(&bytes).iter().fold(String::new(), |sha, byte| format!("{sha}{byte:02x}"));
        std::fs::write(self.dir.path().join("zips").join(format!("{sha}.zip")), bytes).unwrap();
        FunctionSpec {
            runtime: "provided.al2023".to_owned(),
            arch: if cfg!(target_arch = "aarch64") { Arch::Arm64 } else { Arch::X86_64 },
            code_sha256: sha,
            memory_mb: 128,
            timeout_s: 10,
            reserved_concurrency: None,
            environment: BTreeMap::new(),
            role_arn: SpecValue::Literal("arn:aws:iam::000000000000:role/f".to_owned()),
            log_format: "JSON".to_owned(),
            app_log_level: Some("INFO".to_owned()),
            system_log_level: Some("INFO".to_owned()),
            log_group: SpecValue::Literal(GROUP.to_owned()),
            tags: BTreeMap::new(),
        }
    }

    /// Deploys the echo function as `f`, with a spec that `change` has modified.
    pub(crate) async fn deploy(&self, change: impl FnOnce(&mut FunctionSpec)) {
        let mut spec = self.echo_spec();
        change(&mut spec);
        self.runner.put("f", &spec).await.unwrap();
    }

    pub(crate) async fn invoke(&self, payload: &str) -> Invocation {
        self.runner.invoke("f", Bytes::copy_from_slice(payload.as_bytes())).await.unwrap()
    }

    /// Deploys the echo function behind an API, whose spec `change` has modified. Returns the port.
    pub(crate) async fn serve(&self, change: impl FnOnce(&mut HttpApiSpec)) -> u16 {
        self.deploy(|_| {}).await;
        self.gateway.permit(API, "f");
        let mut spec = api();
        change(&mut spec);
        self.gateway.put("api", API, FrontendSpec::Api(&spec), None).await.unwrap()
    }

    /// Returns the lines of the log.
    pub(crate) fn log(&self) -> Vec<String> {
        self.logs.flush();
        let page = self.logs.read(GROUP, &LogEventQuery::default()).unwrap();
        page.events.into_iter().map(|event| event.message).collect()
    }
}

/// Waits until `condition` is true. Fails after 20 seconds.
pub(crate) async fn wait_until(condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < deadline, "the condition did not become true");
        tokio::task::yield_now().await;
    }
}

fn echo_function_path() -> PathBuf {
    let exe = std::env::current_exe().unwrap();
    let path = exe.parent().and_then(Path::parent).unwrap().join("examples/echo_function");
    let mode = std::fs::metadata(&path).map_or(0, |meta| meta.permissions().mode());
    assert!(
        mode & 0o111 != 0,
        "{} is not built; run `cargo build -p hitctl-local --examples`",
        path.display()
    );
    path
}

/// Returns the spec of an API that accepts every path and origin, and is practically not throttled.
pub(crate) fn api() -> HttpApiSpec {
    let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
    HttpApiSpec {
        function_arn: SpecValue::Literal("arn:aws:lambda:eu-central-1:000000000000:function:f".to_owned()),
        routes: set(&["ANY /{proxy+}"]),
        reader: None,
        ingest: None,
        cors: Cors {
            allow_origins: set(&["*"]),
            allow_methods: set(&["*"]),
            allow_headers: set(&["content-type"]),
            expose_headers: set(&[]),
            max_age_s: 300,
        },
        throttle: Throttle { rate_per_second: 10_000.0, burst: 10_000 },
        tags: BTreeMap::new(),
    }
}

#[derive(Debug)]
pub(crate) struct RawResponse {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl RawResponse {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (known, value) = line.split_once(": ")?;
            known.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// A connection to an API.
pub(crate) struct HttpConnection {
    stream: TcpStream,
}

impl HttpConnection {
    pub(crate) async fn connect(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream }
    }

    pub(crate) async fn send(&mut self, request: impl AsRef<[u8]>) {
        self.stream.write_all(request.as_ref()).await.unwrap();
    }

    /// Reads one response. A response to HEAD has no body.
    pub(crate) async fn read_response(&mut self, head_only: bool) -> RawResponse {
        tokio::time::timeout(Duration::from_mins(1), self.read_one(head_only))
            .await
            .expect("a response within a minute")
    }

    async fn read_one(&mut self, head_only: bool) -> RawResponse {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.stream.read_u8().await.expect("a complete response head"));
        }
        let head = String::from_utf8(head).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let mut response = RawResponse { status, head, body: String::new() };
        if !head_only {
            let length: usize = response.header("content-length").map_or(0, |length| length.parse().unwrap());
            let mut body = vec![0; length];
            self.stream.read_exact(&mut body).await.unwrap();
            response.body = String::from_utf8(body).unwrap();
        }
        response
    }

    pub(crate) async fn get(&mut self, path: &str, headers: &str) -> RawResponse {
        self.send(format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n{headers}\r\n")).await;
        self.read_response(false).await
    }

    /// Whether the server has closed the connection.
    pub(crate) async fn is_closed(&mut self) -> bool {
        matches!(self.stream.read(&mut [0]).await, Ok(0) | Err(_))
    }
}

pub(crate) async fn get(port: u16, path: &str) -> RawResponse {
    HttpConnection::connect(port).await.get(path, "").await
}
