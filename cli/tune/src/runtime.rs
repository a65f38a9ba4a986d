//! A Lambda Runtime API for one process that is measured: it hands out events one by one, and takes the times. Nothing of it runs
//! under the CPU share of what it measures.

use std::convert::Infallible;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use hitctl_local::lambda::RuntimeApiSecret;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value as Json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::request;

/// The pause before an event: hits come one by one, and each finds the CPU time of a new period.
const PAUSE: Duration = Duration::from_millis(25);
/// How long an invocation may take, as the process is told.
const DEADLINE_MS: u128 = 30_000;
/// The largest answer that Lambda takes.
const MAX_BODY: usize = 6 * 1024 * 1024;

/// When what happened.
#[derive(Clone, Debug, Default)]
pub(super) struct Times {
    /// The process asked for its first event.
    pub(super) asked: Option<Instant>,
    /// An event was handed out.
    pub(super) given: Vec<Instant>,
    /// Its answer was there.
    pub(super) answered: Vec<Instant>,
    /// Why the function says that it did not count, if it ever said so.
    pub(super) uncounted: Option<String>,
}

#[derive(Default)]
struct State {
    times: Times,
    failed: Option<String>,
}

/// The API of one process.
pub(super) struct RuntimeApi {
    secret: RuntimeApiSecret,
    events: Vec<Json>,
    state: Mutex<State>,
    over: Notify,
}

impl RuntimeApi {
    /// Returns one that hands out these events to the process that is given its address.
    pub(super) fn new(events: Vec<Json>) -> io::Result<Arc<Self>> {
        let secret = RuntimeApiSecret::new()?;
        Ok(Arc::new(Self { secret, events, state: Mutex::default(), over: Notify::new() }))
    }

    /// Returns the value of `AWS_LAMBDA_RUNTIME_API` for the process.
    pub(super) fn address(&self, listener: &TcpListener) -> io::Result<String> {
        Ok(self.secret.address(listener.local_addr()?))
    }

    /// Serves the process until it has answered every event, or has failed.
    pub(super) async fn serve(self: &Arc<Self>, listener: &TcpListener) -> Result<Times, String> {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => drop(connections.spawn(converse(stream, Arc::clone(self)))),
                    Err(error) => return Err(format!("its connection was not taken: {error}")),
                },
                Some(_) = connections.join_next() => {}
                () = self.over.notified() => break,
            }
        }
        self.with(|state| match state.failed.take() {
            Some(why) => Err(why),
            None => Ok(std::mem::take(&mut state.times)),
        })
    }

    fn with<T>(&self, f: impl FnOnce(&mut State) -> T) -> T {
        f(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn fail(&self, why: String) {
        self.with(|state| drop(state.failed.replace(why)));
        self.over.notify_one();
    }

    async fn handle(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let path = match self.secret.check(&request) {
            Ok(path) => path.to_owned(),
            Err(denied) => return denied.response(),
        };
        let Some(call) = path.strip_prefix("/2018-06-01/runtime/") else {
            return answer(StatusCode::NOT_FOUND, "");
        };
        if request.method() == Method::GET && call == "invocation/next" {
            return self.next().await;
        }
        let is_answer = call.starts_with("invocation/") && call.ends_with("/response");
        let body = match Limited::new(request.into_body(), MAX_BODY).collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) => {
                self.fail(format!("its answer did not arrive: {error}"));
                return answer(StatusCode::BAD_REQUEST, "");
            }
        };
        if is_answer {
            self.answered(&body);
        } else {
            self.fail(format!("it failed: {}", String::from_utf8_lossy(&body)));
        }
        answer(StatusCode::ACCEPTED, "")
    }

    /// The next event, when it is time.
    async fn next(&self) -> Response<Full<Bytes>> {
        let now = Instant::now();
        let (number, last) = self.with(|state| {
            state.times.asked.get_or_insert(now);
            (state.times.given.len(), state.times.answered.last().copied())
        });
        let Some(event) = self.events.get(number) else {
            // It has done all that is wanted of it.
            return std::future::pending().await;
        };
        if let Some(last) = last {
            tokio::time::sleep_until((last + PAUSE).into()).await;
        }
        let event = event.to_string();
        self.with(|state| state.times.given.push(Instant::now()));
        let response = Response::builder()
            .header("content-type", "application/json")
            .header("lambda-runtime-aws-request-id", format!("00000000-0000-4000-8000-{number:012}"))
            .header("lambda-runtime-deadline-ms", (now_ms() + DEADLINE_MS).to_string())
            .header("lambda-runtime-invoked-function-arn", "arn:aws:lambda:local:000000000000:function:tune")
            .header("lambda-runtime-trace-id", "Root=1-00000000-000000000000000000000000;Sampled=0")
            .body(Full::from(event));
        response.unwrap_or_default()
    }

    fn answered(&self, body: &Bytes) {
        let now = Instant::now();
        let json: Json = serde_json::from_slice(body).unwrap_or(Json::Null);
        if let Some(why) = request::fault(&json) {
            return self.fail(why);
        }
        let is_last = self.with(|state| {
            state.times.answered.push(now);
            if state.times.uncounted.is_none() {
                state.times.uncounted = request::uncounted(&json);
            }
            state.times.answered.len() == self.events.len()
        });
        if is_last {
            self.over.notify_one();
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the Runtime API tells the process a time of day")]
fn now_ms() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis()
}

async fn converse(stream: TcpStream, api: Arc<RuntimeApi>) {
    // Answers are small and awaited; without this some would wait for 40 ms. It cannot fail on a live socket.
    drop(stream.set_nodelay(true));
    let service = service_fn(move |request| {
        let api = Arc::clone(&api);
        async move { Ok::<_, Infallible>(api.handle(request).await) }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .auto_date_header(false)
        .serve_connection(TokioIo::new(stream), service);
    // A broken connection is a dead process, and that is noticed elsewhere.
    drop(connection.await);
}

fn answer(status: StatusCode, body: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    response
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    async fn ask(address: &str, method: &str, path: &str, headers: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let body = r#"{"statusCode":200}"#;
        let request = format!(
            "{method} {path} HTTP/1.1\r\n{headers}connection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn measured_process_is_asked_despite_calls_of_strangers() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let api = RuntimeApi::new(vec![serde_json::json!({ "a": 1 })]).unwrap();
        let address = api.address(&listener).unwrap();
        let served = tokio::spawn(async move { api.serve(&listener).await });
        let (host, secret) = address.split_once('/').unwrap();
        let base = "2018-06-01/runtime";
        let own = format!("host: {host}\r\n");
        let strangers = [
            (format!("/{base}/invocation/next"), own.clone()),
            (format!("/{base}/init/error"), own.clone()),
            (format!("/{secret}/{base}/invocation/next"), "host: rebound.example\r\n".to_owned()),
            (format!("/{secret}/{base}/init/error"), format!("{own}origin: https://page.example\r\n")),
        ];
        for (path, headers) in &strangers {
            let method = if path.ends_with("next") { "GET" } else { "POST" };
            let answer = ask(host, method, path, headers).await;
            assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
        }
        let next = ask(host, "GET", &format!("/{secret}/{base}/invocation/next"), &own).await;
        assert!(next.ends_with(r#"{"a":1}"#), "{next}");
        let id = "00000000-0000-4000-8000-000000000000";
        ask(host, "POST", &format!("/{secret}/{base}/invocation/{id}/response"), &own).await;
        let times = served.await.unwrap().unwrap();
        assert_eq!((times.given.len(), times.answered.len()), (1, 1));
    }
}
