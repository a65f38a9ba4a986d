//! Limits the connections of one listener, in total and per client.
//!
//! A client that connects and sends nothing must not keep others out. When the listener is full, it closes
//! the connection that has waited longest for a request, but never one whose request is being served.

use std::collections::HashMap;
use std::error::Error;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::HttpService;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::clock;
use crate::lock::lock;

/// The time in which a new client must send the head of its first request.
const FIRST_HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// A connection is closed in favor of a new one only after it has waited this long: the request of a busy
/// client may be in transit.
const MIN_WAIT: Duration = Duration::from_millis(500);
/// The delay after a failed attempt to accept a connection.
const ACCEPT_RETRY_DELAY: Duration = Duration::from_millis(20);
/// The maximum number of connections of a listener, if the system allows this process as many open files.
const MAX_CONNECTIONS: u64 = 4096;
/// The number of open files that are reserved for databases, logs, functions and other listeners.
const RESERVED_FILES: u64 = 384;
/// The number of open files that this process requests from the system.
const MAX_OPEN_FILES: u64 = 16_384;

/// Raises the limit of open files of this process as far as the system allows.
pub(crate) fn raise_open_files() {
    // If the system refuses, `Connections::new` allows fewer connections.
    hitctl_platform::raise_open_files(MAX_OPEN_FILES);
}

/// Completes when a client has not sent the head of its first request in time. Never completes once the head
/// has arrived.
async fn first_head_timeout(head_received: &CancellationToken) {
    tokio::select! {
        () = head_received.cancelled() => std::future::pending().await,
        () = clock::sleep(FIRST_HEAD_TIMEOUT) => {}
    }
}

/// The connections of a listener.
pub(crate) struct Connections {
    entries: Mutex<HashMap<u64, ConnectionState>>,
    next_id: AtomicU64,
    /// The maximum number of connections in total.
    limit: usize,
    /// The maximum number of connections of one client address, so that other clients can always connect.
    client_limit: usize,
    slot_freed: Notify,
}

struct ConnectionState {
    peer: IpAddr,
    /// The time since when the connection waits for a request; `None` while a request is served.
    waiting_since: Option<Instant>,
    close: CancellationToken,
}

/// A connection that counts against the limits until this value is dropped.
pub(crate) struct ConnectionSlot {
    connections: Arc<Connections>,
    id: u64,
    /// The client's address.
    pub(crate) peer: IpAddr,
    /// Cancelled when the connection must close.
    close: CancellationToken,
}

/// A request that is being served.
pub(crate) struct ActiveRequest {
    connections: Arc<Connections>,
    id: u64,
}

impl Connections {
    /// Creates limits for half of the open files that are not reserved.
    pub(crate) fn new() -> Arc<Self> {
        let files = hitctl_platform::max_open_files().unwrap_or(MAX_OPEN_FILES);
        Self::with_limit((files.saturating_sub(RESERVED_FILES) / 2).clamp(128, MAX_CONNECTIONS))
    }

    /// Creates limits of `limit` connections in total, and of three quarters of them per client.
    pub(crate) fn with_limit(limit: u64) -> Arc<Self> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let (entries, next_id, slot_freed) = (Mutex::default(), AtomicU64::new(0), Notify::new());
        Arc::new(Self { entries, next_id, limit, client_limit: limit / 4 * 3, slot_freed })
    }

    /// Accepts the next connection that is within the limits; returns `None` once `stop` is cancelled. Do not
    /// drop this future before it completes: a connection that was already accepted would be lost.
    pub(crate) async fn accept(
        self: &Arc<Self>,
        listener: &TcpListener,
        stop: &CancellationToken,
    ) -> Option<(TcpStream, ConnectionSlot)> {
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = stop.cancelled() => return None,
            };
            let Ok((stream, peer)) = accepted else {
                // For example, no more files can be opened. Closing a connection frees one.
                close_longest_waiting(&mut self.locked(), None, Instant::now());
                clock::sleep(ACCEPT_RETRY_DELAY).await;
                continue;
            };
            // Without a slot the connection is dropped: this client has reached its limit.
            if let Some(slot) = self.acquire_slot(peer.ip(), stop).await {
                return Some((stream, slot));
            }
        }
    }

    /// Waits for a slot. Returns `None` if all slots of this client are in use, and once `stop` is cancelled.
    async fn acquire_slot(
        self: &Arc<Self>,
        peer: IpAddr,
        stop: &CancellationToken,
    ) -> Option<ConnectionSlot> {
        while !stop.is_cancelled() {
            let slot_freed = self.slot_freed.notified();
            match self.try_acquire_slot(peer, Instant::now()) {
                Admission::Admitted(slot) => return Some(slot),
                Admission::ClientLimitReached => return None,
                Admission::ListenerFull => {
                    tokio::select! {
                        () = slot_freed => {}
                        () = clock::sleep(MIN_WAIT / 10) => {}
                    }
                }
            }
        }
        None
    }

    fn try_acquire_slot(self: &Arc<Self>, peer: IpAddr, now: Instant) -> Admission {
        let mut entries = self.locked();
        let client_connections = entries.values().filter(|entry| entry.peer == peer).count();
        if client_connections >= self.client_limit && !close_longest_waiting(&mut entries, Some(peer), now) {
            return Admission::ClientLimitReached;
        }
        if entries.len() >= self.limit && !close_longest_waiting(&mut entries, None, now) {
            return Admission::ListenerFull;
        }
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let close = CancellationToken::new();
        entries.insert(id, ConnectionState { peer, waiting_since: Some(now), close: close.clone() });
        Admission::Admitted(ConnectionSlot { connections: Arc::clone(self), id, peer, close })
    }

    fn set_waiting_since(&self, id: u64, waiting_since: Option<Instant>) {
        if let Some(entry) = self.locked().get_mut(&id) {
            entry.waiting_since = waiting_since;
        }
    }

    fn locked(&self) -> MutexGuard<'_, HashMap<u64, ConnectionState>> {
        lock(&self.entries)
    }
}

enum Admission {
    Admitted(ConnectionSlot),
    /// The client has reached its limit.
    ClientLimitReached,
    ListenerFull,
}

/// Closes the connection that has waited longest for a request, among those of `client` if it is set. Returns
/// false if none has waited long enough.
fn close_longest_waiting(
    entries: &mut HashMap<u64, ConnectionState>,
    client: Option<IpAddr>,
    now: Instant,
) -> bool {
    let candidates = entries.iter().filter(|(_, entry)| client.is_none_or(|peer| entry.peer == peer));
    let waiting = candidates.filter_map(|(id, entry)| Some((entry.waiting_since?, *id)));
    let Some((since, id)) = waiting.min() else { return false };
    if now.saturating_duration_since(since) < MIN_WAIT {
        return false;
    }
    if let Some(entry) = entries.remove(&id) {
        entry.close.cancel();
    }
    true
}

impl ConnectionSlot {
    /// Serves a connection until it ends, must close, or its client has not sent a request in time. Ignores
    /// connection errors, because there is no caller to report them to. Once `stop` is cancelled, the connection
    /// closes after the request that is being served.
    pub(crate) async fn serve<S, B>(
        &self,
        connection: http1::Connection<TokioIo<TcpStream>, S>,
        head_received: &CancellationToken,
        stop: &CancellationToken,
    ) where
        S: HttpService<Incoming, ResBody = B>,
        S::Error: Into<Box<dyn Error + Send + Sync>>,
        B: Body + 'static,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let mut connection = pin!(connection);
        tokio::select! {
            ended = connection.as_mut() => drop(ended),
            () = self.close.cancelled() => {}
            () = first_head_timeout(head_received) => {}
            () = stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                drop(connection.await);
            }
        }
    }

    /// Records that the head of a request has arrived. The client may still take forever to send the body.
    pub(crate) fn record_head(&self) {
        self.connections.set_waiting_since(self.id, Some(Instant::now()));
    }

    /// Marks the connection as serving a request until the returned value is dropped.
    pub(crate) fn begin_request(&self) -> ActiveRequest {
        self.connections.set_waiting_since(self.id, None);
        ActiveRequest { connections: Arc::clone(&self.connections), id: self.id }
    }
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        self.connections.locked().remove(&self.id);
        self.connections.slot_freed.notify_one();
    }
}

impl Drop for ActiveRequest {
    fn drop(&mut self) {
        self.connections.set_waiting_since(self.id, Some(Instant::now()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
    const OTHER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 2));

    fn admit(connections: &Arc<Connections>, peer: IpAddr, now: Instant) -> Option<ConnectionSlot> {
        match connections.try_acquire_slot(peer, now) {
            Admission::Admitted(slot) => Some(slot),
            Admission::ClientLimitReached | Admission::ListenerFull => None,
        }
    }

    #[test]
    fn try_acquire_slot_closes_silent_connection_but_not_active_one() {
        let connections = Connections::with_limit(8);
        let start = Instant::now();
        let silent: Vec<ConnectionSlot> = (0..6).filter_map(|_| admit(&connections, ONE, start)).collect();
        assert_eq!(silent.len(), 6);
        assert!(admit(&connections, ONE, start).is_none(), "a client can use three quarters of the slots");
        let busy = silent[0].begin_request();
        let later = start + MIN_WAIT;
        let new = admit(&connections, ONE, later).expect("a silent connection was closed");
        let ended = silent.iter().filter(|slot| slot.close.is_cancelled()).count();
        assert!(ended == 1 && !silent[0].close.is_cancelled() && !new.close.is_cancelled());
        drop(busy);
        assert_eq!(connections.locked().len(), 6);
        drop((silent, new));
        assert!(connections.locked().is_empty());
    }

    #[test]
    fn try_acquire_slot_beside_flooding_client_succeeds() {
        let connections = Connections::with_limit(8);
        let start = Instant::now();
        let flood: Vec<ConnectionSlot> = (0..8).filter_map(|_| admit(&connections, ONE, start)).collect();
        let others: Vec<ConnectionSlot> = (0..2).filter_map(|_| admit(&connections, OTHER, start)).collect();
        assert_eq!((flood.len(), others.len()), (6, 2));
        assert!(
            admit(&connections, OTHER, start).is_none(),
            "the listener is full, and no connection has waited long enough"
        );
        assert!(admit(&connections, OTHER, start + MIN_WAIT).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn acquire_slot_of_full_listener_waits_until_slot_is_freed() {
        let connections = Connections::with_limit(4);
        let start = Instant::now();
        let held: Vec<ConnectionSlot> =
            [ONE, ONE, ONE, OTHER].iter().filter_map(|peer| admit(&connections, *peer, start)).collect();
        let busy: Vec<ActiveRequest> = held.iter().map(ConnectionSlot::begin_request).collect();
        let acquired = tokio::spawn({
            let connections = Arc::clone(&connections);
            async move { connections.acquire_slot(OTHER, &CancellationToken::new()).await.is_some() }
        });
        drop((busy, held));
        assert!(acquired.await.unwrap());
    }
}
