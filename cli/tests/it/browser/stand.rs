//! A small web server for the pages of a test, or in the place of a counter: it answers as the test says and keeps what it was
//! asked, in order.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// A request as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) target: String,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }
}

/// An answer: what it is follows from how its body begins.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: String,
    pub(crate) body: String,
}

impl Reply {
    pub(crate) fn new(status: u16, body: impl Into<String>) -> Self {
        Self { status, headers: String::new(), body: body.into() }
    }

    /// With one more header.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.extend([name, ": ", value, "\r\n"]);
        self
    }
}

/// A server that ends with the test binary.
#[derive(Clone)]
pub(crate) struct Stand {
    /// `http://127.0.0.1:PORT`.
    pub(crate) url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Stand {
    /// Serves what `answer` says, to pages of any origin. It is asked one question at a time, which it gets with those
    /// before it.
    pub(crate) fn open(answer: impl Fn(&Asked, &[Asked]) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (answer, kept) = (Arc::new(answer), asked.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (answer, kept) = (answer.clone(), kept.clone());
                // A browser may connect and say nothing: it must not hold up the others, and its end is no error.
                std::thread::spawn(move || respond(stream, &*answer, &kept).ok());
            }
        });
        Self { url, asked }
    }

    /// All that was asked, in order.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

fn respond(
    mut stream: TcpStream,
    answer: &dyn Fn(&Asked, &[Asked]) -> Reply,
    kept: &Mutex<Vec<Asked>>,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut words = line.split(' ');
    let (Some(method), Some(target)) = (words.next(), words.next()) else { return Ok(()) };
    let (method, target) = (method.to_owned(), target.to_owned());
    let mut headers = Vec::new();
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let mut body = vec![0; length.and_then(|(_, value)| value.parse().ok()).unwrap_or(0)];
    reader.read_exact(&mut body)?;
    let asked = Asked { method, target, headers, body: String::from_utf8_lossy(&body).into_owned() };
    // What a page's icon would be is no question to the counter.
    let reply = if asked.target == "/favicon.ico" {
        Reply::new(204, "")
    } else {
        let mut kept = kept.lock().unwrap();
        let reply = answer(&asked, &kept);
        kept.push(asked);
        reply
    };
    let Reply { status, headers, body } = reply;
    let kind = match body.chars().next() {
        Some('<') => "text/html; charset=utf-8",
        Some('{') if body.starts_with("{let") => "text/javascript",
        _ => "application/json",
    };
    write!(
        stream,
        "HTTP/1.1 {status} x\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n{headers}access-control-allow-origin: *\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
}
