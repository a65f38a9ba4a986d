//! Endpoints: credentials do not leave the machine unencrypted, and errors of a connection are told in words.

use std::net::{IpAddr, TcpListener, UdpSocket};

use hitctl::World;

use crate::support::{Ran, Yard};

const CONFIG: &str = "region = \"eu-central-1\"\n[env.test]\n";

/// An address of this machine that is not loopback.
fn own_address() -> IpAddr {
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    // Sends nothing: it only chooses the way out.
    let chosen = socket.connect("192.0.2.1:9").and_then(|()| socket.local_addr());
    chosen
        .map(|address| address.ip())
        .ok()
        .filter(|ip| !ip.is_loopback())
        .unwrap_or_else(|| [192, 0, 2, 1].into())
}

/// A listener that counts who comes; where this machine has no other address, nobody can come.
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

    /// Whether anybody connected since.
    fn was_asked(&self) -> bool {
        self.0.as_ref().is_some_and(|listener| listener.accept().is_ok())
    }
}

const REAL: [(&str, &str); 2] =
    [("AWS_ACCESS_KEY_ID", "AKIA2E0A8F3B244C9986"), ("AWS_SECRET_ACCESS_KEY", "not-to-be-sent")];

const DUMMY: [(&str, &str); 2] = [("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")];

fn run(yard: &Yard, variables: &[(&str, &str)], args: &[&str]) -> Ran {
    let set = |world: &mut World| {
        let all = [("AWS_EC2_METADATA_DISABLED", "true")];
        world.env.extend(all.iter().chain(variables).map(|(name, value)| ((*name).into(), (*value).into())));
    };
    yard.run_as(&[&["status", "--env", "test", "--json"], args].concat(), set)
}

/// A user whose AWS config is that text.
fn profile(yard: &Yard, config: &str) {
    let dir = yard.path().join("home/.aws");
    std::fs::create_dir_all(&dir).unwrap();
    std::fs::write(dir.join("config"), config).unwrap();
}

#[track_caller]
fn refused(ran: &Ran, listener: &Listener, origin: &str) {
    assert_eq!(ran.code, 64, "{ran:?}");
    let error = &ran.json()["error"];
    assert_eq!(error["code"], "insecure_endpoint", "{ran:?}");
    let message = error["message"].as_str().unwrap();
    let host = listener.host();
    assert_eq!(
        message,
        format!("failed to use http://{host}: credentials would be sent to {host} unencrypted")
    );
    assert_eq!(error["cause"], format!("the endpoint comes from {origin}"));
    assert_eq!(error["hint"], "use https, or pass --insecure if nobody can listen in");
    assert!(!listener.was_asked(), "{origin}: something was sent");
}

#[test]
fn plain_http_endpoint_of_a_flag_or_variable_is_refused_with_real_credentials() {
    let (yard, listener) = (Yard::with(CONFIG), Listener::new());
    let url = listener.1.as_str();
    refused(&run(&yard, &REAL, &["--endpoint-url", url]), &listener, "--endpoint-url");
    // Variables of flags are read from the process.
    let mut command = yard.command(&["status", "--env", "test", "--json"]);
    let output = command.envs(REAL).env("HITCTL_ENDPOINT_URL", url).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let code = u8::try_from(output.status.code().unwrap()).unwrap();
    let ran = Ran { code, stdout: text(output.stdout), stderr: text(output.stderr) };
    refused(&ran, &listener, "HITCTL_ENDPOINT_URL");
    for variable in [
        "AWS_ENDPOINT_URL",
        "AWS_ENDPOINT_URL_STS",
        "AWS_ENDPOINT_URL_LAMBDA",
        "AWS_ENDPOINT_URL_DYNAMODB",
        "AWS_ENDPOINT_URL_CLOUDWATCH_LOGS",
        "AWS_ENDPOINT_URL_RESOURCE_GROUPS_TAGGING_API",
    ] {
        let ran = run(&yard, &[REAL[0], REAL[1], (variable, url)], &[]);
        refused(&ran, &listener, variable);
    }
}

#[test]
fn plain_http_endpoint_of_a_profile_is_refused_with_real_credentials() {
    let (yard, listener) = (Yard::with(CONFIG), Listener::new());
    let url = &listener.1;
    let keys = "aws_access_key_id = AKIA2E0A8F3B244C9986\naws_secret_access_key = not-to-be-sent\n";
    profile(&yard, &format!("[default]\n{keys}endpoint_url = {url}\n"));
    refused(&run(&yard, &[], &[]), &listener, "`endpoint_url` of profile default");
    profile(
        &yard,
        &format!("[default]\n{keys}services = mine\n[services mine]\nlambda =\n  endpoint_url = {url}\n"),
    );
    refused(&run(&yard, &[], &[]), &listener, "`endpoint_url` for Lambda of profile default");
    profile(
        &yard,
        "[default]\nsso_session = corp\nsso_account_id = 123456789012\nsso_role_name = Dev\n\
         [sso-session corp]\nsso_start_url = https://corp.example/start\nsso_region = eu-west-1\n",
    );
    refused(&run(&yard, &[], &["--endpoint-url", url]), &listener, "--endpoint-url");
    profile(&yard, &format!("[profile work]\n{keys}"));
    refused(&run(&yard, &DUMMY, &["-p", "work", "--endpoint-url", url]), &listener, "--endpoint-url");
}

#[test]
fn plain_http_endpoint_is_asked_with_dummy_credentials_or_when_insecure() {
    let yard = Yard::with(CONFIG);
    let insecure = [REAL[0], REAL[1], ("HITCTL_INSECURE", "1")];
    for (variables, more) in [(&DUMMY[..], &[][..]), (&REAL, &["--insecure"]), (&insecure, &[])] {
        let listener = Listener::new();
        if listener.0.is_none() {
            // This machine has no other address: nothing can be asked there.
            return;
        }
        let args = [&["status", "--env", "test", "--endpoint-url", &listener.1], more].concat();
        let mut child = yard.command(&args).envs(variables.iter().copied()).spawn().unwrap();
        let since = std::time::Instant::now();
        let mut asked = false;
        while !asked && since.elapsed().as_secs() < 30 {
            asked = listener.was_asked();
            std::thread::park_timeout(std::time::Duration::from_millis(2));
        }
        drop(child.kill());
        child.wait().unwrap();
        assert!(asked, "{variables:?} {more:?}");
    }
}

/// Whether a text has the debug form of an error in it: `Name { field:` or `Name(field:`, or a name of the SDK's.
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
fn broken_endpoint_is_told_without_debug_forms() {
    assert!(
        has_debug_form("x: ConnectorError { kind: Io }")
            && has_debug_form("A(b: 1)")
            && has_debug_form("Foo {a: 1")
    );
    assert!(!has_debug_form("error: (a: b) Connection refused (os error 111) {\"a\": 1}"));
    let yard = Yard::with(CONFIG);
    let serve = |answer: &'static [u8]| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                if !answer.is_empty() {
                    // Read first: what is unread when a connection is closed resets it.
                    drop(std::io::Read::read(&mut stream, &mut [0; 8192]));
                    drop(std::io::Write::write_all(&mut stream, answer));
                }
            }
        });
        url
    };
    for (url, cause) in [
        ("http://127.0.0.1:1".to_owned(), "Connection refused"),
        (serve(b""), "onnection"),
        (serve(b"garbage, and no HTTP\r\n\r\n"), "not HTTP"),
        (serve(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\n<html"), ""),
        (serve(b"HTTP/1.1 500 x\r\ncontent-length: 5\r\nconnection: close\r\n\r\n<html"), ""),
    ] {
        for args in [
            &["status", "--env", "test", "--endpoint-url", &url][..],
            &["doctor", "--env", "test", "--endpoint-url", &url],
        ] {
            let ran = yard.run_as(args, |world| {
                world.env.extend(DUMMY.iter().map(|(name, value)| ((*name).into(), (*value).into())));
            });
            assert_ne!(ran.code, 0, "{ran:?}");
            let text = format!("{}{}", ran.stdout, ran.stderr);
            assert!(!has_debug_form(&text), "{text}");
            assert!(text.contains(cause), "{cause:?} is not in\n{text}");
        }
    }
}
