//! A stub web server that serves test pages or replaces a counter. It returns the responses that the test defines, and
//! records the requests in order.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// A request as the server received it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RecordedRequest {
    pub(crate) method: String,
    pub(crate) target: String,
    /// The headers, with lower-case names.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl RecordedRequest {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }
}

/// A response. The server guesses the content type from the first characters of the body.
#[derive(Clone, Debug)]
pub(crate) struct StubResponse {
    pub(crate) status: u16,
    /// Additional header lines, each ending with CRLF.
    pub(crate) headers: String,
    pub(crate) body: String,
}

impl StubResponse {
    pub(crate) fn new(status: u16, body: impl Into<String>) -> Self {
        Self { status, headers: String::new(), body: body.into() }
    }

    /// Adds a header.
    pub(crate) fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers.extend([name, ": ", value, "\r\n"]);
        self
    }
}

/// A server that runs until the test binary ends.
#[derive(Clone)]
pub(crate) struct StubServer {
    /// `http://127.0.0.1:PORT`.
    pub(crate) url: String,
    requests: Arc<Mutex<Vec<RecordedRequest>>>,
}

impl StubServer {
    /// Starts a server that allows requests from every origin (CORS). Requests are handled one at a time: `respond`
    /// receives the request and all previous requests.
    pub(crate) fn start(
        respond: impl Fn(&RecordedRequest, &[RecordedRequest]) -> StubResponse + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (respond, recorded) = (Arc::new(respond), requests.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (respond, recorded) = (respond.clone(), recorded.clone());
                // A browser may open a connection and send nothing. This must not block other connections, so each has
                // its own thread. Errors of a connection are ignored.
                std::thread::spawn(move || serve_connection(stream, &*respond, &recorded).ok());
            }
        });
        Self { url, requests }
    }

    /// Returns the requests so far, in order.
    pub(crate) fn requests(&self) -> Vec<RecordedRequest> {
        self.requests.lock().unwrap().clone()
    }
}

fn serve_connection(
    mut stream: TcpStream,
    respond: &dyn Fn(&RecordedRequest, &[RecordedRequest]) -> StubResponse,
    recorded: &Mutex<Vec<RecordedRequest>>,
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
    let request =
        RecordedRequest { method, target, headers, body: String::from_utf8_lossy(&body).into_owned() };
    // Requests for a page's icon are not recorded.
    let response = if request.target == "/favicon.ico" {
        StubResponse::new(204, "")
    } else {
        let mut recorded = recorded.lock().unwrap();
        let response = respond(&request, &recorded);
        recorded.push(request);
        response
    };
    let StubResponse { status, headers, body } = response;
    let kind = match body.chars().next() {
        Some('<') => "text/html; charset=utf-8",
        // The widget is a block that begins with `{let`. Other bodies that begin with `{` are JSON.
        Some('{') if body.starts_with("{let") => "text/javascript",
        _ => "application/json",
    };
    write!(
        stream,
        "HTTP/1.1 {status} x\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n{headers}access-control-allow-origin: *\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
}
