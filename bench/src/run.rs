//! The load itself: as many requests as asked for, spread over the connections, each timed from its first byte out to the
//! last byte of its answer. It draws no conclusions; that is the report's part.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tokio::task::{JoinSet, LocalSet};

use crate::connection::Connection;
use crate::target::Target;

/// What to ask, and within which bounds.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// What is asked.
    pub(crate) target: Target,
    /// Requests in flight.
    pub(crate) concurrency: u16,
    /// The longest that one load may take.
    pub(crate) limit: Duration,
    /// The longest that one request may take.
    pub(crate) timeout: Duration,
}

/// What was seen.
#[derive(Debug, Default)]
pub(crate) struct Samples {
    /// One for every answer, whatever its status.
    pub(crate) latencies: Vec<Duration>,
    /// Answers by status.
    pub(crate) statuses: BTreeMap<u16, u32>,
    /// Requests without an answer, by what went wrong.
    pub(crate) errors: BTreeMap<String, u32>,
    /// From the first request to the last answer.
    pub(crate) took: Duration,
}

/// The connections of a plan, none of them open yet.
pub(crate) fn connections(plan: &Plan) -> Vec<Connection> {
    (0..plan.concurrency).map(|_| Connection::default()).collect()
}

/// Sends `requests` over `connections`, which stay open for the next load.
pub(crate) async fn load(plan: &Plan, connections: &mut Vec<Connection>, requests: u32) -> Samples {
    let left = std::rc::Rc::new(Cell::new(requests));
    let samples = std::rc::Rc::new(RefCell::new(Samples::default()));
    let began = Instant::now();
    let local = LocalSet::new();
    let mut workers = JoinSet::new();
    for mut connection in connections.drain(..) {
        let (left, samples, plan) = (left.clone(), samples.clone(), plan.clone());
        workers.spawn_local_on(
            async move {
                while began.elapsed() < plan.limit && left.get() > 0 {
                    left.set(left.get() - 1);
                    ask(&plan, &mut connection, left.get(), &samples).await;
                }
                connection
            },
            &local,
        );
    }
    *connections = local.run_until(workers.join_all()).await;
    let mut samples = samples.take();
    samples.took = began.elapsed();
    samples
}

async fn ask(plan: &Plan, connection: &mut Connection, turn: u32, samples: &RefCell<Samples>) {
    let began = Instant::now();
    let answer = tokio::time::timeout(plan.timeout, connection.ask(&plan.target, turn)).await;
    let mut samples = samples.borrow_mut();
    let error = match answer {
        Ok(Ok(status)) => {
            samples.latencies.push(began.elapsed());
            *samples.statuses.entry(status).or_default() += 1;
            return;
        }
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("no answer within {} s", plan.timeout.as_secs()),
    };
    *samples.errors.entry(error).or_default() += 1;
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::{Plan, connections, load};
    use crate::target::Target;

    /// A server that answers `answer` to whatever it gets, and counts its connections' requests.
    async fn server(answer: &'static str) -> Plan {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let mut buffer = [0; 1024];
                    while stream.read(&mut buffer).await.unwrap_or(0) > 0 {
                        stream.write_all(answer.as_bytes()).await.unwrap();
                    }
                });
            }
        });
        Plan {
            target: Target::parse(&format!("http://127.0.0.1:{port}/")).unwrap(),
            concurrency: 4,
            limit: Duration::from_secs(20),
            timeout: Duration::from_secs(5),
        }
    }

    #[tokio::test]
    async fn every_request_is_answered_and_counted_once() {
        let plan = server("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
        let mut connections = connections(&plan);
        for requests in [1, 500] {
            let samples = load(&plan, &mut connections, requests).await;
            assert_eq!(samples.statuses, [(200, requests)].into());
            assert_eq!(samples.latencies.len(), requests as usize);
            assert!(samples.errors.is_empty() && connections.len() == 4);
        }
    }

    #[tokio::test]
    async fn a_server_that_closes_is_asked_again_over_a_new_connection() {
        let plan = server("HTTP/1.1 429 Slow\r\nconnection: close\r\ncontent-length: 0\r\n\r\n").await;
        let samples = load(&plan, &mut connections(&plan), 20).await;
        assert_eq!(samples.statuses, [(429, 20)].into());
    }

    #[tokio::test]
    async fn what_is_not_answered_is_an_error() {
        let mut plan = server("HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\nhalf").await;
        plan.timeout = Duration::from_millis(20);
        let samples = load(&plan, &mut connections(&plan), 8).await;
        assert_eq!(samples.errors, [("no answer within 0 s".to_owned(), 8)].into());
        assert!(samples.latencies.is_empty());
    }
}
