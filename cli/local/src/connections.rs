//! The connections of one listener: how many there may be, in all and of one client, and which give way. A client that
//! connects and sends nothing must not keep others out, so where there is no room, the connection goes that has waited
//! longest for a request. One that is being answered never does.

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
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::clock;
use crate::lock::lock;

/// How long a new client may take to send the head of its first request.
const FIRST_HEAD: Duration = Duration::from_secs(10);
/// A connection gives way only after it has waited this long: the request of a busy client may be on its way.
const PATIENCE: Duration = Duration::from_millis(500);
/// How long to wait when no connection can be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);
/// The most connections of a listener, if the system lets this process have as many open files.
const MOST: u64 = 4096;
/// Open files that are left to databases, logs, functions and other listeners.
const RESERVED_FILES: u64 = 384;
/// The number of open files that this process asks the system for.
const OPEN_FILES: u64 = 16_384;

/// Raises the number of files that this process may have open, as far as the system lets it.
pub(crate) fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.map_or(OPEN_FILES, |maximum| maximum.min(OPEN_FILES));
    if limit.current.is_some_and(|current| current < wanted) {
        // If it is refused, there is less room.
        let raised = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum: limit.maximum });
        raised.unwrap_or_default();
    }
}

/// Ends when a client has not sent the head of its first request in time; never once it has.
async fn silence(has_asked: &CancellationToken) {
    tokio::select! {
        () = has_asked.cancelled() => std::future::pending().await,
        () = clock::pause(FIRST_HEAD) => {}
    }
}

/// The connections of a listener.
pub(crate) struct Connections {
    all: Mutex<HashMap<u64, Entry>>,
    next: AtomicU64,
    /// The most, in all.
    most: usize,
    /// The most of one address: others always find room.
    most_of_one: usize,
    freed: Notify,
}

struct Entry {
    peer: IpAddr,
    /// Since when it waits for a request; `None` while one is answered.
    waits_since: Option<Instant>,
    ends: CancellationToken,
}

/// A place among the connections, for as long as it is held.
pub(crate) struct Place {
    among: Arc<Connections>,
    id: u64,
    /// The client's address.
    pub(crate) peer: IpAddr,
    /// Cancelled when the connection has to give way.
    ends: CancellationToken,
}

/// A request that is being answered.
pub(crate) struct Answering {
    among: Arc<Connections>,
    id: u64,
}

impl Connections {
    /// As many as the open files of this process allow for.
    pub(crate) fn new() -> Arc<Self> {
        let files = getrlimit(Resource::Nofile).current.unwrap_or(OPEN_FILES);
        Self::with_room_for((files.saturating_sub(RESERVED_FILES) / 2).clamp(128, MOST))
    }

    /// At most so many, and three quarters of them of one client.
    pub(crate) fn with_room_for(most: u64) -> Arc<Self> {
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let (all, next, freed) = (Mutex::default(), AtomicU64::new(0), Notify::new());
        Arc::new(Self { all, next, most, most_of_one: most / 4 * 3, freed })
    }

    /// Accepts the next connection that finds a place; `None` once `stop` is cancelled. Not to be dropped before that: a
    /// connection that was accepted would be lost.
    pub(crate) async fn accept(
        self: &Arc<Self>,
        listener: &TcpListener,
        stop: &CancellationToken,
    ) -> Option<(TcpStream, Place)> {
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = stop.cancelled() => return None,
            };
            let Ok((stream, peer)) = accepted else {
                // For want of open files, for example.
                end_oldest(&mut self.locked(), None, Instant::now());
                clock::pause(ACCEPT_PAUSE).await;
                continue;
            };
            // Without a place it is dropped: this client has as many as it may.
            if let Some(place) = self.place(peer.ip(), stop).await {
                return Some((stream, place));
            }
        }
    }

    /// Waits for a place. `None` if this client has too many connections that are all in use, and once `stop` is cancelled.
    async fn place(self: &Arc<Self>, peer: IpAddr, stop: &CancellationToken) -> Option<Place> {
        while !stop.is_cancelled() {
            let freed = self.freed.notified();
            match self.try_place(peer, Instant::now()) {
                Tried::Placed(place) => return Some(place),
                Tried::TooMany => return None,
                Tried::Full => {
                    tokio::select! {
                        () = freed => {}
                        () = clock::pause(PATIENCE / 10) => {}
                    }
                }
            }
        }
        None
    }

    fn try_place(self: &Arc<Self>, peer: IpAddr, now: Instant) -> Tried {
        let mut all = self.locked();
        let of_peer = all.values().filter(|entry| entry.peer == peer).count();
        if of_peer >= self.most_of_one && !end_oldest(&mut all, Some(peer), now) {
            return Tried::TooMany;
        }
        if all.len() >= self.most && !end_oldest(&mut all, None, now) {
            return Tried::Full;
        }
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let ends = CancellationToken::new();
        all.insert(id, Entry { peer, waits_since: Some(now), ends: ends.clone() });
        Tried::Placed(Place { among: Arc::clone(self), id, peer, ends })
    }

    fn set(&self, id: u64, waits_since: Option<Instant>) {
        if let Some(entry) = self.locked().get_mut(&id) {
            entry.waits_since = waits_since;
        }
    }

    fn locked(&self) -> MutexGuard<'_, HashMap<u64, Entry>> {
        lock(&self.all)
    }
}

enum Tried {
    Placed(Place),
    /// The client has all that it may have.
    TooMany,
    Full,
}

/// Ends the connection, of that client if one is named, that has waited longest. False if none has waited long enough.
fn end_oldest(all: &mut HashMap<u64, Entry>, of: Option<IpAddr>, now: Instant) -> bool {
    let of_client = all.iter().filter(|(_, entry)| of.is_none_or(|peer| entry.peer == peer));
    let waiting = of_client.filter_map(|(id, entry)| Some((entry.waits_since?, *id)));
    let Some((since, id)) = waiting.min() else { return false };
    if now.saturating_duration_since(since) < PATIENCE {
        return false;
    }
    if let Some(entry) = all.remove(&id) {
        entry.ends.cancel();
    }
    true
}

impl Place {
    /// Serves a connection until it ends, has to give way, or its client stays silent. A broken connection has no one to report to.
    /// Once `stop` is cancelled, the request that is being answered is the last.
    pub(crate) async fn serve<S, B>(
        &self,
        connection: http1::Connection<TokioIo<TcpStream>, S>,
        has_asked: &CancellationToken,
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
            () = self.ends.cancelled() => {}
            () = silence(has_asked) => {}
            () = stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                drop(connection.await);
            }
        }
    }

    /// Says that the head of a request is here: its client is no silent one, but may still send a body for ever.
    pub(crate) fn heard(&self) {
        self.among.set(self.id, Some(Instant::now()));
    }

    /// Says that a request is being answered, until what is returned is dropped.
    pub(crate) fn answering(&self) -> Answering {
        self.among.set(self.id, None);
        Answering { among: Arc::clone(&self.among), id: self.id }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.among.locked().remove(&self.id);
        self.among.freed.notify_one();
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.among.set(self.id, Some(Instant::now()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
    const OTHER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 2));

    fn placed(connections: &Arc<Connections>, peer: IpAddr, now: Instant) -> Option<Place> {
        match connections.try_place(peer, now) {
            Tried::Placed(place) => Some(place),
            Tried::TooMany | Tried::Full => None,
        }
    }

    #[test]
    fn silent_connection_gives_way_and_answered_one_does_not() {
        let connections = Connections::with_room_for(8);
        let start = Instant::now();
        let silent: Vec<Place> = (0..6).filter_map(|_| placed(&connections, ONE, start)).collect();
        assert_eq!(silent.len(), 6);
        assert!(placed(&connections, ONE, start).is_none(), "three quarters are the most of one client");
        let busy = silent[0].answering();
        let later = start + PATIENCE;
        let new = placed(&connections, ONE, later).expect("room");
        let ended = silent.iter().filter(|place| place.ends.is_cancelled()).count();
        assert!(ended == 1 && !silent[0].ends.is_cancelled() && !new.ends.is_cancelled());
        drop(busy);
        assert_eq!(connections.locked().len(), 6);
        drop((silent, new));
        assert!(connections.locked().is_empty());
    }

    #[test]
    fn client_finds_room_beside_one_that_floods() {
        let connections = Connections::with_room_for(8);
        let start = Instant::now();
        let flood: Vec<Place> = (0..8).filter_map(|_| placed(&connections, ONE, start)).collect();
        let others: Vec<Place> = (0..2).filter_map(|_| placed(&connections, OTHER, start)).collect();
        assert_eq!((flood.len(), others.len()), (6, 2));
        assert!(placed(&connections, OTHER, start).is_none(), "all is taken, and nobody has waited long");
        assert!(placed(&connections, OTHER, start + PATIENCE).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn full_listener_waits_for_a_place() {
        let connections = Connections::with_room_for(4);
        let start = Instant::now();
        let held: Vec<Place> =
            [ONE, ONE, ONE, OTHER].iter().filter_map(|peer| placed(&connections, *peer, start)).collect();
        let busy: Vec<Answering> = held.iter().map(Place::answering).collect();
        let waits = tokio::spawn({
            let connections = Arc::clone(&connections);
            async move { connections.place(OTHER, &CancellationToken::new()).await.is_some() }
        });
        drop((busy, held));
        assert!(waits.await.unwrap());
    }
}
