//! Endpoints: credentials do not leave the machine unencrypted, and connection errors are readable.

use std::net::{IpAddr, TcpListener, UdpSocket};

use hitctl::ProcessContext;

use crate::support::{CommandOutput, TestEnv};

const CONFIG: &str = "region = \"eu-central-1\"\n[env.test]\n";

/// Returns an address of this machine that is not loopback, or an unused one if there is none.
fn own_address() -> IpAddr {
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    // Sends nothing. It only selects the network interface.
    let chosen = socket.connect("192.0.2.1:9").and_then(|()| socket.local_addr());
    chosen
        .map(|address| address.ip())
        .ok()
        .filter(|ip| !ip.is_loopback())
        .unwrap_or_else(|| [192, 0, 2, 1].into())
}

/// A listener on an address that is not loopback, and its URL. The listener is `None` if this machine has no such
/// address.
struct Listener(Option<TcpListener>, String);

impl Listener {
    fn new() -> Self {
        let ip = own_address();
        let listener = TcpListener::bind((ip, 0)).ok();
        let port = listener.as_ref().map_or(4566, |listener| listener.local_addr().unwrap().port());
        if let Some(listener) = &listener {
            listener.set_nonblocking(true).unwrap();
        }
        Self(listener, format!("http://{ip}:{port}"))
    }

    fn host(&self) -> &str {
        self.1.trim_start_matches("http://")
    }

    /// Whether a client has connected since the last call.
    fn was_contacted(&self) -> bool {
        self.0.as_ref().is_some_and(|listener| listener.accept().is_ok())
    }
}

/// Credentials that could be real.
const REAL: [(&str, &str); 2] =
    [("AWS_ACCESS_KEY_ID", "AKIA2E0A8F3B244C9986"), ("AWS_SECRET_ACCESS_KEY", "not-to-be-sent")];

/// Credentials of an emulator.
const DUMMY: [(&str, &str); 2] = [("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")];

fn run(test_env: &TestEnv, variables: &[(&str, &str)], args: &[&str]) -> CommandOutput {
    let set = |process: &mut ProcessContext| {
        let common = [("AWS_EC2_METADATA_DISABLED", "true")];
        process
            .env
            .extend(common.iter().chain(variables).map(|(name, value)| ((*name).into(), (*value).into())));
    };
    test_env.run_with(&[&["status", "--env", "test", "--json"], args].concat(), set)
}

/// Writes this text as the AWS config of the user.
fn write_aws_config(test_env: &TestEnv, config: &str) {
    let dir = test_env.path().join("home/.aws");
    std::fs::create_dir_all(&dir).unwrap();
    std::fs::write(dir.join("config"), config).unwrap();
}

/// Asserts that the endpoint is refused before a connection, and that the error names its origin.
#[track_caller]
fn refused(output: &CommandOutput, listener: &Listener, origin: &str) {
    assert_eq!(output.code, 64, "{output:?}");
    let error = &output.json()["error"];
    assert_eq!(error["code"], "insecure_endpoint", "{output:?}");
    let message = error["message"].as_str().unwrap();
    let host = listener.host();
    assert_eq!(
        message,
        format!("failed to use http://{host}: credentials would be sent to {host} unencrypted")
    );
    assert_eq!(error["cause"], format!("the endpoint comes from {origin}"));
    assert_eq!(error["hint"], "use https, or pass `--insecure` if the network is trusted");
    assert!(!listener.was_contacted(), "{origin}: the endpoint was contacted");
}

#[test]
fn plain_http_endpoint_of_a_flag_or_variable_is_refused_with_real_credentials() {
    let (test_env, listener) = (TestEnv::with_config(CONFIG), Listener::new());
    let url = listener.1.as_str();
    refused(&run(&test_env, &REAL, &["--endpoint-url", url]), &listener, "--endpoint-url");
    // The variables of flags are read from the environment of the process, so this runs a separate one.
    let mut command = test_env.command(&["status", "--env", "test", "--json"]);
    let output = command.envs(REAL).env("HITCTL_ENDPOINT_URL", url).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let code = u8::try_from(output.status.code().unwrap()).unwrap();
    let output = CommandOutput { code, stdout: text(output.stdout), stderr: text(output.stderr) };
    refused(&output, &listener, "HITCTL_ENDPOINT_URL");
    for variable in [
        "AWS_ENDPOINT_URL",
        "AWS_ENDPOINT_URL_STS",
        "AWS_ENDPOINT_URL_LAMBDA",
        "AWS_ENDPOINT_URL_DYNAMODB",
        "AWS_ENDPOINT_URL_CLOUDWATCH_LOGS",
        "AWS_ENDPOINT_URL_RESOURCE_GROUPS_TAGGING_API",
    ] {
        let output = run(&test_env, &[REAL[0], REAL[1], (variable, url)], &[]);
        refused(&output, &listener, variable);
    }
}

#[test]
fn plain_http_endpoint_of_a_profile_is_refused_with_real_credentials() {
    let (test_env, listener) = (TestEnv::with_config(CONFIG), Listener::new());
    let url = &listener.1;
    let keys = "aws_access_key_id = AKIA2E0A8F3B244C9986\naws_secret_access_key = not-to-be-sent\n";
    write_aws_config(&test_env, &format!("[default]\n{keys}endpoint_url = {url}\n"));
    refused(&run(&test_env, &[], &[]), &listener, "`endpoint_url` of profile default");
    write_aws_config(
        &test_env,
        &format!("[default]\n{keys}services = mine\n[services mine]\nlambda =\n  endpoint_url = {url}\n"),
    );
    refused(&run(&test_env, &[], &[]), &listener, "`endpoint_url` for Lambda of profile default");
    write_aws_config(
        &test_env,
        "[default]\nsso_session = corp\nsso_account_id = 123456789012\nsso_role_name = Dev\n\
         [sso-session corp]\nsso_start_url = https://corp.example/start\nsso_region = eu-west-1\n",
    );
    refused(&run(&test_env, &[], &["--endpoint-url", url]), &listener, "--endpoint-url");
    write_aws_config(&test_env, &format!("[profile work]\n{keys}"));
    refused(&run(&test_env, &DUMMY, &["-p", "work", "--endpoint-url", url]), &listener, "--endpoint-url");
}

#[test]
fn plain_http_endpoint_is_used_with_dummy_credentials_or_insecure_flag() {
    let test_env = TestEnv::with_config(CONFIG);
    let insecure = [REAL[0], REAL[1], ("HITCTL_INSECURE", "1")];
    for (variables, more) in [(&DUMMY[..], &[][..]), (&REAL, &["--insecure"]), (&insecure, &[])] {
        let listener = Listener::new();
        if listener.0.is_none() {
            // This machine has only loopback addresses, so the test is impossible.
            return;
        }
        let args = [&["status", "--env", "test", "--endpoint-url", &listener.1], more].concat();
        let mut child = test_env.command(&args).envs(variables.iter().copied()).spawn().unwrap();
        let since = std::time::Instant::now();
        let mut contacted = false;
        while !contacted && since.elapsed().as_secs() < 30 {
            contacted = listener.was_contacted();
            std::thread::park_timeout(std::time::Duration::from_millis(2));
        }
        drop(child.kill());
        child.wait().unwrap();
        assert!(contacted, "{variables:?} {more:?}");
    }
}

/// Whether a text contains the debug format of an error: `Name { field:`, `Name(field:`, or a type name of the SDK.
fn has_debug_form(text: &str) -> bool {
    let names = ["DispatchFailure", "ConnectorError", "SdkError", "TimeoutError", "source: "];
    let fields = text.match_indices(['(', '{']).any(|(at, _)| {
        let name = text[..at].trim_end().rsplit(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
        let field = text[at + 1..].trim_start();
        let word = field.trim_start_matches(|c: char| c.is_ascii_lowercase() || c == '_');
        name.starts_with(|c: char| c.is_ascii_uppercase())
            && word.len() < field.len()
            && word.starts_with(':')
    });
    fields || names.iter().any(|name| text.contains(name))
}

#[test]
fn broken_endpoint_error_has_no_debug_output() {
    assert!(
        has_debug_form("x: ConnectorError { kind: Io }")
            && has_debug_form("A(b: 1)")
            && has_debug_form("Foo {a: 1")
    );
    assert!(!has_debug_form("error: (a: b) Connection refused (os error 111) {\"a\": 1}"));
    let test_env = TestEnv::with_config(CONFIG);
    let serve = |response: &'static [u8]| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                if !response.is_empty() {
                    // Reads first: closing a connection with unread data resets it.
                    drop(std::io::Read::read(&mut stream, &mut [0; 8192]));
                    drop(std::io::Write::write_all(&mut stream, response));
                }
            }
        });
        url
    };
    for (url, cause) in [
        ("http://127.0.0.1:1".to_owned(), "Connection refused"),
        // `Connection` or `connection`.
        (serve(b""), "onnection"),
        (serve(b"garbage, and no HTTP\r\n\r\n"), "not HTTP"),
        (serve(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\n<html"), ""),
        (serve(b"HTTP/1.1 500 x\r\ncontent-length: 5\r\nconnection: close\r\n\r\n<html"), ""),
    ] {
        for args in [
            &["status", "--env", "test", "--endpoint-url", &url][..],
            &["doctor", "--env", "test", "--endpoint-url", &url],
        ] {
            let output = test_env.run_with(args, |process| {
                process.env.extend(DUMMY.iter().map(|(name, value)| ((*name).into(), (*value).into())));
            });
            assert_ne!(output.code, 0, "{output:?}");
            let text = format!("{}{}", output.stdout, output.stderr);
            assert!(!has_debug_form(&text), "{text}");
            assert!(text.contains(cause), "{cause:?} is not in\n{text}");
        }
    }
}
