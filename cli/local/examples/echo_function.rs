//! A function for tests and benchmarks that uses the Runtime API and only the standard library.
//!
//! It returns the event, unless the event contains a command such as `do=sleep:500`, or its environment has
//! `INIT`.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "this is a program of its own: it has its environment, waits and exits as its input says"
)]

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

const BASE: &str = "/2018-06-01/runtime";

struct Api {
    stream: BufReader<TcpStream>,
    host: String,
    /// The path prefix of each call: the secret of this process.
    prefix: String,
}

impl Api {
    fn call(
        &mut self,
        method: &str,
        path: &str,
        headers: &str,
        body: &[u8],
    ) -> (Vec<(String, String)>, Vec<u8>) {
        let mut request = Vec::with_capacity(256 + body.len());
        write!(
            request,
            "{method} {}{BASE}{path} HTTP/1.1\r\nhost: {}\r\n{headers}content-length: {}\r\n\r\n",
            self.prefix,
            self.host,
            body.len()
        )
        .expect("a Vec takes it");
        request.extend_from_slice(body);
        self.stream.get_mut().write_all(&request).expect("the Runtime API is there");
        self.read()
    }

    fn read(&mut self) -> (Vec<(String, String)>, Vec<u8>) {
        let mut headers = Vec::new();
        let mut line = String::new();
        self.stream.read_line(&mut line).expect("an answer");
        let status = line.clone();
        loop {
            line.clear();
            if self.stream.read_line(&mut line).expect("a header") == 0 {
                // The runner has exited, so exit too.
                std::process::exit(0);
            }
            let Some((name, value)) = line.trim_end().split_once(": ") else { break };
            headers.push((name.to_lowercase(), value.to_owned()));
        }
        headers.push(("status".to_owned(), status));
        let length = get(&headers, "content-length").parse().unwrap_or(0);
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).expect("a body");
        (headers, body)
    }
}

fn get<'a>(headers: &'a [(String, String)], name: &str) -> &'a str {
    headers.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_default()
}

fn sleep(ms: u64) {
    std::thread::sleep(Duration::from_millis(ms));
}

fn allocate(megabytes: usize) -> Vec<u8> {
    let mut memory = vec![0_u8; megabytes * 1024 * 1024];
    for page in memory.chunks_mut(4096) {
        page[0] = 1;
    }
    std::hint::black_box(memory)
}

/// Returns name and value of `do=NAME:VALUE`, up to a quote, an ampersand, a space or a backslash.
fn command(event: &str) -> (&str, &str) {
    let rest = event.split_once("do=").map_or("", |(_, rest)| rest);
    let command = rest.split(['"', '&', ' ', '\\']).next().unwrap_or_default();
    command.split_once(':').unwrap_or((command, ""))
}

fn main() {
    let address = variable("AWS_LAMBDA_RUNTIME_API");
    let (host, prefix) = address.split_at(address.find('/').unwrap_or(address.len()));
    let (host, prefix) = (host.to_owned(), prefix.to_owned());
    let stream = TcpStream::connect(&host).expect("the Runtime API is there");
    stream.set_nodelay(true).expect("a live socket");
    let mut api = Api { stream: BufReader::new(stream), host, prefix };
    match variable("INIT").as_str() {
        "crash" => std::process::exit(7),
        "hang" => sleep(60_000),
        "error" => {
            let body = br#"{"errorType":"Init.Bad","errorMessage":"failed to initialize"}"#;
            api.call("POST", "/init/error", "lambda-runtime-function-error-type: Init.Bad\r\n", body);
            std::process::exit(1);
        }
        _ => {}
    }
    let build = variable("BUILD");
    loop {
        let (headers, event) = api.call("GET", "/invocation/next", "", b"");
        let id = get(&headers, "lambda-runtime-aws-request-id").to_owned();
        let text = String::from_utf8_lossy(&event).into_owned();
        let (name, value) = command(&text);
        let number = value.parse().unwrap_or(0);
        let mut memory = Vec::new();
        let response: Vec<u8> = match name {
            "sleep" => {
                sleep(number);
                b"\"slept\"".to_vec()
            }
            "crash" => std::process::exit(i32::try_from(number).unwrap_or(1)),
            "abort" => std::process::abort(),
            "eat" => {
                memory = allocate(usize::try_from(number).unwrap_or(0));
                sleep(60_000);
                Vec::new()
            }
            "large" => vec![b'7'; usize::try_from(number).unwrap_or(0)],
            "status" => format!("{{\"statusCode\":{value},\"body\":\"x\"}}").into_bytes(),
            "cors" => {
                br#"{"statusCode":200,"headers":{"access-control-allow-origin":"https://own.example"}}"#
                    .to_vec()
            }
            "nonsense" => b"this is no JSON".to_vec(),
            "build" => format!("\"{build}\"").into_bytes(),
            "pid" => std::process::id().to_string().into_bytes(),
            "env" => {
                let mut all = String::from("{");
                for (name, value) in std::env::vars_os() {
                    let comma = if all.len() > 1 { "," } else { "" };
                    write!(all, "{comma}{:?}:{:?}", name.to_string_lossy(), value.to_string_lossy())
                        .expect("a String");
                }
                let cwd = std::fs::canonicalize(".").expect("a directory");
                write!(all, ",\"cwd\":{:?}}}", cwd.to_string_lossy()).expect("a String");
                all.into_bytes()
            }
            "headers" => format!("{headers:?}").replace('(', "[").replace(')', "]").into_bytes(),
            "print" => {
                println!("to stdout");
                eprintln!("to stderr");
                print!("without newline");
                std::io::stdout().flush().expect("a pipe");
                b"null".to_vec()
            }
            "note" => {
                let notes = std::fs::File::options().create(true).append(true).open(variable("NOTES"));
                writeln!(notes.expect("a file for notes"), "{value}").expect("a note");
                b"null".to_vec()
            }
            "say" => {
                println!("said {value}");
                b"null".to_vec()
            }
            "error" => {
                let path = format!("/invocation/{id}/error");
                let body = br#"{"errorType":"My.Error","errorMessage":"requested error"}"#;
                api.call("POST", &path, "lambda-runtime-function-error-type: My.Error\r\n", body);
                continue;
            }
            _ => event,
        };
        let (headers, _) = api.call("POST", &format!("/invocation/{id}/response"), "", &response);
        if name == "last" {
            std::process::exit(0);
        }
        if get(&headers, "status").contains("413") {
            eprintln!("response rejected: too large");
        }
        drop(memory);
    }
}
