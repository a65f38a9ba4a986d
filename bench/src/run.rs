//! Runs the load: sends the requests over several connections, and measures the time from the first byte of each
//! request to the last byte of its response. The report computes the figures.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tokio::task::{JoinSet, LocalSet};

use crate::connection::Connection;
use crate::target::LoadTarget;

/// The target, the concurrency and the timeouts of a load.
#[derive(Debug, Clone)]
pub(crate) struct LoadPlan {
    /// The target of the requests.
    pub(crate) target: LoadTarget,
    /// The number of requests in flight.
    pub(crate) concurrency: u16,
    /// The maximum duration of the load: no request is sent after it.
    pub(crate) limit: Duration,
    /// The timeout of one request.
    pub(crate) timeout: Duration,
}

/// The measurements of a load.
#[derive(Debug, Default)]
pub(crate) struct Samples {
    /// The latency of each response, with any status.
    pub(crate) latencies: Vec<Duration>,
    /// The number of responses by status.
    pub(crate) statuses: BTreeMap<u16, u32>,
    /// The number of requests without a response, by error.
    pub(crate) errors: BTreeMap<String, u32>,
    /// The time from the first request to the last response.
    pub(crate) took: Duration,
}

/// Creates the connections of a plan. They are opened on first use.
pub(crate) fn connections(plan: &LoadPlan) -> Vec<Connection> {
    (0..plan.concurrency).map(|_| Connection::default()).collect()
}

/// Sends `requests` requests over `connections`, which stay open for the next load.
pub(crate) async fn run_load(plan: &LoadPlan, connections: &mut Vec<Connection>, requests: u32) -> Samples {
    let remaining = std::rc::Rc::new(Cell::new(requests));
    let samples = std::rc::Rc::new(RefCell::new(Samples::default()));
    let started = Instant::now();
    let local = LocalSet::new();
    let mut workers = JoinSet::new();
    for mut connection in connections.drain(..) {
        let (remaining, samples, plan) = (remaining.clone(), samples.clone(), plan.clone());
        workers.spawn_local_on(
            async move {
                while started.elapsed() < plan.limit && remaining.get() > 0 {
                    remaining.set(remaining.get() - 1);
                    send_request(&plan, &mut connection, remaining.get(), &samples).await;
                }
                connection
            },
            &local,
        );
    }
    *connections = local.run_until(workers.join_all()).await;
    let mut samples = samples.take();
    samples.took = started.elapsed();
    samples
}

async fn send_request(
    plan: &LoadPlan,
    connection: &mut Connection,
    sequence: u32,
    samples: &RefCell<Samples>,
) {
    let started = Instant::now();
    let response = tokio::time::timeout(plan.timeout, connection.send(&plan.target, sequence)).await;
    let mut samples = samples.borrow_mut();
    let error = match response {
        Ok(Ok(status)) => {
            samples.latencies.push(started.elapsed());
            *samples.statuses.entry(status).or_default() += 1;
            return;
        }
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("no response within {} s", plan.timeout.as_secs()),
    };
    *samples.errors.entry(error).or_default() += 1;
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::{LoadPlan, connections, run_load};
    use crate::target::LoadTarget;

    /// Starts a server that returns `response` to every request, and returns a plan for it.
    async fn start_server(response: &'static str) -> LoadPlan {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let mut buffer = [0; 1024];
                    while stream.read(&mut buffer).await.unwrap_or(0) > 0 {
                        stream.write_all(response.as_bytes()).await.unwrap();
                    }
                });
            }
        });
        LoadPlan {
            target: LoadTarget::parse(&format!("http://127.0.0.1:{port}/")).unwrap(),
            concurrency: 4,
            limit: Duration::from_secs(20),
            timeout: Duration::from_secs(5),
        }
    }

    #[tokio::test]
    async fn run_load_counts_every_response_once() {
        let plan = start_server("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
        let mut connections = connections(&plan);
        for requests in [1, 500] {
            let samples = run_load(&plan, &mut connections, requests).await;
            assert_eq!(samples.statuses, [(200, requests)].into());
            assert_eq!(samples.latencies.len(), requests as usize);
            assert!(samples.errors.is_empty() && connections.len() == 4);
        }
    }

    #[tokio::test]
    async fn run_load_reconnects_after_server_closes() {
        let plan = start_server("HTTP/1.1 429 Slow\r\nconnection: close\r\ncontent-length: 0\r\n\r\n").await;
        let samples = run_load(&plan, &mut connections(&plan), 20).await;
        assert_eq!(samples.statuses, [(429, 20)].into());
    }

    #[tokio::test]
    async fn run_load_reports_timeout_as_error() {
        let mut plan = start_server("HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\nhalf").await;
        plan.timeout = Duration::from_millis(20);
        let samples = run_load(&plan, &mut connections(&plan), 8).await;
        assert_eq!(samples.errors, [("no response within 0 s".to_owned(), 8)].into());
        assert!(samples.latencies.is_empty());
    }
}
