//! A state directory, the daemon's program, and a plain HTTP client that sends exactly the given bytes.

use std::path::{Path, PathBuf};
use std::time::Duration;

use hitctl_local::client::{LocalClient, StartOutcome};
use serde_json::{Value as Json, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// The timeout of each step in these tests. No step takes this long.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(20);

/// Returns the path of the program `examples/daemon.rs`, which cargo builds with the tests.
pub(crate) fn daemon_exe() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let exe = test.parent().and_then(Path::parent).unwrap().join("examples/daemon");
    if !exe.exists() {
        let built = std::process::Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--package", "hitctl-local", "--example", "daemon"])
            .status()
            .unwrap();
        assert!(built.success());
    }
    exe
}

/// Returns a zip of `examples/echo_function.rs`, a function that executes the command in its event.
pub(crate) fn echo_zip() -> Vec<u8> {
    use std::io::Write as _;
    let program = std::fs::read(daemon_exe().with_file_name("echo_function")).unwrap();
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default()
        .compression_method(zip::CompressionMethod::Stored)
        .unix_permissions(0o755);
    zip.start_file("bootstrap", options).unwrap();
    zip.write_all(&program).unwrap();
    zip.finish().unwrap().into_inner()
}

/// A state directory. Its daemon is killed when this value is dropped.
pub(crate) struct DaemonTestEnv {
    pub(crate) temp: TempDir,
}

impl DaemonTestEnv {
    pub(crate) fn new() -> Self {
        Self { temp: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn dir(&self) -> PathBuf {
        self.temp.path().join("state")
    }

    pub(crate) async fn start(&self) -> LocalClient {
        LocalClient::ensure_running(&self.dir(), &daemon_exe(), "daemon").await.unwrap().0
    }

    pub(crate) async fn start_new(&self) -> LocalClient {
        let (client, started) =
            LocalClient::ensure_running(&self.dir(), &daemon_exe(), "daemon").await.unwrap();
        assert_eq!(started, StartOutcome::Started);
        client
    }
}

impl Drop for DaemonTestEnv {
    fn drop(&mut self) {
        if let Ok(text) = std::fs::read(self.dir().join("daemon.json")) {
            let endpoint: Json = serde_json::from_slice(&text).unwrap_or_default();
            if let Some(pid) = endpoint["pid"].as_i64().filter(|_| self.is_locked()) {
                sigkill(i32::try_from(pid).unwrap());
            }
        }
    }
}

impl DaemonTestEnv {
    /// Whether a daemon runs.
    pub(crate) fn is_locked(&self) -> bool {
        let lock = std::fs::File::options().write(true).open(self.dir().join("daemon.lock"));
        lock.is_ok_and(|lock| matches!(lock.try_lock(), Err(std::fs::TryLockError::WouldBlock)))
    }
}

/// Sends SIGKILL.
pub(crate) fn sigkill(pid: i32) {
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}

pub(crate) fn daemon_pid(client: &LocalClient) -> i32 {
    i32::try_from(client.endpoint().pid).unwrap()
}

pub(crate) fn table_spec() -> Json {
    json!({
        "partition_key": "path",
        "point_in_time_recovery": true,
        "deletion_protection": true,
        "max_write_units": 100,
        "tags": { "hitctl:app": "hits", "hitctl:env": "local" },
    })
}

/// A connection to a loopback port that sends requests unchanged.
pub(crate) struct RawConnection {
    stream: TcpStream,
}

impl RawConnection {
    pub(crate) async fn connect(url: &str) -> std::io::Result<Self> {
        let address = url.strip_prefix("http://").unwrap();
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream })
    }

    /// Sends one request and returns the status and the body of the response. Reads as many bytes as
    /// `content-length` says.
    pub(crate) async fn send(&mut self, head: &str, body: &str) -> std::io::Result<(u16, String)> {
        let request = format!("{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        self.stream.write_all(request.as_bytes()).await?;
        let mut response = Vec::new();
        loop {
            let text = String::from_utf8_lossy(&response).into_owned();
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let length = head
                    .lines()
                    .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok())
                    .unwrap_or(0);
                if body.len() >= length {
                    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
                    return Ok((status, body.to_owned()));
                }
            }
            if self.stream.read_buf(&mut response).await? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// Counts one hit, as the function does.
    pub(crate) async fn hit(&mut self, table: &str, path: &str) -> std::io::Result<(u16, String)> {
        let body = json!({
            "TableName": table,
            "Key": { "path": { "S": path } },
            "UpdateExpression": "ADD hits :one",
            "ExpressionAttributeValues": { ":one": { "N": "1" } },
            "ReturnValues": "UPDATED_NEW",
        });
        self.send(&dynamodb_head("UpdateItem", "127.0.0.1"), &body.to_string()).await
    }
}

pub(crate) fn dynamodb_head(operation: &str, host: &str) -> String {
    format!(
        "POST / HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/x-amz-json-1.0\r\nx-amz-target: \
         DynamoDB_20120810.{operation}\r\nx-amz-date: 20260101T000000Z\r\nauthorization: AWS4-HMAC-SHA256 \
         Credential=a/20260101/local/dynamodb/aws4_request, SignedHeaders=host, Signature=0"
    )
}

/// Calls an operation of AWS's JSON protocol. `target` is the value of `X-Amz-Target`.
pub(crate) async fn call_service(client: &LocalClient, target: &str, body: &Json) -> (u16, Json) {
    let mut connection = RawConnection::connect(&client.endpoint().table).await.unwrap();
    let (status, response) = connection.send(&service_head(target), &body.to_string()).await.unwrap();
    (status, serde_json::from_str(&response).unwrap_or(Json::Null))
}

pub(crate) fn service_head(target: &str) -> String {
    format!(
        "POST / HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/x-amz-json-1.1\r\nx-amz-target: {target}\r\nx-amz-date: \
         20260101T000000Z\r\nauthorization: AWS4-HMAC-SHA256 Credential=a/20260101/local/x/aws4_request, SignedHeaders=host, \
         Signature=0"
    )
}

/// Returns the number of counted hits of a path.
pub(crate) async fn hit_count(client: &LocalClient, table: &str, path: &str) -> u64 {
    let key = json!({ "path": { "S": path } });
    let item = client.item(table, key.as_object().unwrap()).await.unwrap();
    item.map_or(0, |item| item["hits"]["N"].as_str().unwrap().parse().unwrap())
}
