//! A proxy between the program and PostgreSQL that a test can make misbehave: real sockets, on loopback.
//!
//! It passes bytes on and may refuse, freeze, delay or cut them. Of PostgreSQL's protocol it knows as much as it takes to
//! find the `COMMIT` of a transaction that writes bookings, so that a connection can be lost exactly there.

mod commits;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use commits::{Commits, Found};

/// What becomes of what is sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Weather {
    /// It is passed on.
    #[default]
    Clear,
    /// It is passed on after this time, in each direction: a round trip takes twice as long.
    Slow(Duration),
    /// Nothing is passed on, and no connection ends: as behind a network that loses everything. What was sent meanwhile
    /// goes on its way when it clears up.
    Frozen,
    /// Connections are cut, and new ones as soon as they are made.
    Refused,
}

/// How the connection of a commit is lost.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LostCommit {
    /// Before the `COMMIT` has reached the database: it rolls back.
    OnTheWay,
    /// After the database has committed, and before its answer has come back.
    AnswerOnly,
}

/// The proxy. It ends with the value, and cuts its connections.
pub struct Proxy {
    address: SocketAddr,
    control: Arc<Control>,
    accepting: JoinHandle<()>,
}

struct Control {
    weather: watch::Sender<Weather>,
    /// Connections with a number below this one get nothing any more.
    stranded_below: watch::Sender<u64>,
    /// What is to happen to the next commits, and how often it has happened.
    commit_trap: std::sync::Mutex<Option<LostCommit>>,
    commits_lost: AtomicU64,
    /// So many more bytes go to the database; then all is cut.
    budget: std::sync::Mutex<Option<usize>>,
    connections: AtomicU64,
}

impl Proxy {
    /// Listens on a free port of loopback, in front of this address.
    ///
    /// # Panics
    /// When there is no port.
    pub async fn before(upstream: SocketAddr) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let address = listener.local_addr().expect("the address of a listener");
        let control = Arc::new(Control {
            weather: watch::Sender::new(Weather::Clear),
            stranded_below: watch::Sender::new(0),
            commit_trap: std::sync::Mutex::default(),
            commits_lost: AtomicU64::new(0),
            budget: std::sync::Mutex::default(),
            connections: AtomicU64::new(0),
        });
        let accepting = tokio::spawn(accept(listener, upstream, Arc::clone(&control)));
        Self { address, control, accepting }
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes the weather for all connections, old and new.
    pub fn set(&self, weather: Weather) {
        self.control.weather.send_replace(weather);
    }

    /// The connections that there are get nothing passed on any more and never end, as when the other machine has lost
    /// its power; new ones are served.
    pub fn strand(&self) {
        self.control.stranded_below.send_replace(self.control.connections.load(Ordering::SeqCst));
    }

    /// Cuts all connections once so many more bytes have gone to the database; new ones are served.
    ///
    /// # Panics
    /// Never: nothing panics while it holds the lock.
    pub fn cut_after(&self, bytes: usize) {
        *self.control.budget.lock().expect("not poisoned") = Some(bytes);
    }

    /// The next transaction that writes bookings loses its connection at its commit.
    ///
    /// # Panics
    /// Never: nothing panics while it holds the lock.
    pub fn lose_next_commit(&self, how: LostCommit) {
        *self.control.commit_trap.lock().expect("not poisoned") = Some(how);
    }

    /// How many commits have been lost so far.
    #[must_use]
    pub fn commits_lost(&self) -> u64 {
        self.control.commits_lost.load(Ordering::SeqCst)
    }

    /// How many connections were made so far.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.control.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.control.weather.send_replace(Weather::Refused);
    }
}

async fn accept(listener: TcpListener, upstream: SocketAddr, control: Arc<Control>) {
    loop {
        let Ok((client, _)) = listener.accept().await else { continue };
        let number = control.connections.fetch_add(1, Ordering::SeqCst);
        tokio::spawn(serve(client, upstream, number, Arc::clone(&control)));
    }
}

/// Why a direction goes on or ends.
enum Pass {
    On,
    Cut,
}

async fn serve(client: TcpStream, upstream: SocketAddr, number: u64, control: Arc<Control>) {
    if matches!(control.pass(number).await, Pass::Cut) {
        return;
    }
    let Ok(server) = TcpStream::connect(upstream).await else { return };
    // What is small must not wait for more: the delay is the test's alone.
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    // The upward direction tells the downward one that the answer to a commit is to be swallowed.
    let (swallow, swallows) = watch::channel(false);
    let up = upward(from_client, to_server, number, Arc::clone(&control), swallow);
    let down = downward(from_server, to_client, number, Arc::clone(&control), swallows);
    // The end of one direction ends the connection, as a cut does; dropping the halves closes both sockets.
    tokio::select! {
        () = up => {}
        () = down => {}
        () = control.refused() => {}
    }
}

impl Control {
    /// Waits until bytes of this connection may go on their way.
    async fn pass(&self, number: u64) -> Pass {
        let mut weather = self.weather.subscribe();
        let mut stranded = self.stranded_below.subscribe();
        loop {
            if *stranded.borrow_and_update() > number {
                // For ever; until the proxy ends.
                self.refused().await;
                return Pass::Cut;
            }
            let now = *weather.borrow_and_update();
            match now {
                Weather::Clear => return Pass::On,
                Weather::Refused => return Pass::Cut,
                Weather::Slow(delay) => {
                    tokio::time::sleep(delay).await;
                    return Pass::On;
                }
                Weather::Frozen => {
                    tokio::select! { _ = weather.changed() => {} _ = stranded.changed() => {} }
                }
            }
        }
    }

    async fn refused(&self) {
        let mut weather = self.weather.subscribe();
        while *weather.borrow_and_update() != Weather::Refused {
            if weather.changed().await.is_err() {
                return;
            }
        }
    }

    /// How many of these bytes still go to the database.
    fn within_budget(&self, wanted: usize) -> usize {
        let mut budget = self.budget.lock().expect("not poisoned");
        match budget.take() {
            None => wanted,
            Some(left) if left >= wanted => {
                *budget = Some(left - wanted);
                wanted
            }
            Some(left) => left,
        }
    }

    fn spring(&self) -> Option<LostCommit> {
        let sprung = self.commit_trap.lock().expect("not poisoned").take();
        if sprung.is_some() {
            self.commits_lost.fetch_add(1, Ordering::SeqCst);
        }
        sprung
    }
}

async fn upward(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    number: u64,
    control: Arc<Control>,
    swallow: watch::Sender<bool>,
) {
    let mut commits = Commits::default();
    let mut buffer = Vec::with_capacity(16 * 1024);
    loop {
        buffer.clear();
        match from.read_buf(&mut buffer).await {
            Ok(1..) => {}
            _ => return,
        }
        if matches!(control.pass(number).await, Pass::Cut) {
            return;
        }
        let found = commits.read(&buffer);
        let mut length = control.within_budget(buffer.len());
        let mut is_cut = length < buffer.len();
        if let Found::CommitOfBookings { at } = found {
            match control.spring() {
                Some(LostCommit::OnTheWay) => (length, is_cut) = (length.min(at), true),
                Some(LostCommit::AnswerOnly) => drop(swallow.send_replace(true)),
                None => {}
            }
        }
        if to.write_all(&buffer[..length]).await.is_err() || is_cut {
            return;
        }
    }
}

async fn downward(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    number: u64,
    control: Arc<Control>,
    swallows: watch::Receiver<bool>,
) {
    let mut buffer = Vec::with_capacity(16 * 1024);
    loop {
        buffer.clear();
        match from.read_buf(&mut buffer).await {
            Ok(1..) => {}
            _ => return,
        }
        if *swallows.borrow() && buffer.windows(COMMITTED.len()).any(|window| window == COMMITTED) {
            return;
        }
        if matches!(control.pass(number).await, Pass::Cut) || to.write_all(&buffer).await.is_err() {
            return;
        }
    }
}

/// What the database answers to a `COMMIT`.
const COMMITTED: &[u8] = b"COMMIT\0";
