//! Browsers that watch an event's availability over SSE.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::{JoinHandle, spawn_local};
use tokio::time::timeout;

use crate::report::Section;
use crate::stage::event::Event;
use crate::wire::Target;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Open streams; dropping closes them.
#[derive(Debug)]
pub(crate) struct Watchers {
    tasks: Vec<JoinHandle<()>>,
    seen: Rc<Seen>,
    since: Instant,
}

#[derive(Debug, Default)]
struct Seen {
    updates: Cell<u64>,
    closed: Cell<u64>,
    /// One buffer for all: what is read is counted at once and not kept.
    scratch: RefCell<Vec<u8>>,
}

impl Watchers {
    /// Opens so many streams, spread over the servers.
    ///
    /// # Errors
    /// If one is not answered with 200.
    pub(crate) async fn connect(targets: &[Target], event: &Event, count: usize) -> Result<Self> {
        let seen = Rc::new(Seen { scratch: RefCell::new(vec![0; 16 * 1024]), ..Seen::default() });
        let request = format!(
            "GET {} HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n",
            event.path("/availability/stream")
        );
        let mut tasks = Vec::with_capacity(count);
        for number in 0..count {
            let target = targets[number % targets.len()];
            let stream = timeout(CONNECT_TIMEOUT, open(target, request.as_bytes()))
                .await
                .context("no answer in time")
                .flatten()
                .with_context(|| format!("watcher {} of {count}", number + 1))?;
            tasks.push(spawn_local(read(stream, Rc::clone(&seen))));
        }
        Ok(Self { tasks, seen, since: Instant::now() })
    }

    /// Notes what they saw, and closes them.
    pub(crate) fn finish(self, section: &mut Section) {
        let count = self.tasks.len() as f64;
        let rate = self.seen.updates.get() as f64 / count / self.since.elapsed().as_secs_f64();
        section.figure("watcher_updates", "updates that a watcher saw", rate, "/s");
        if self.seen.updates.get() == 0 {
            section.fail("the watchers saw no update while the event sold");
        }
        if self.seen.closed.get() > 0 {
            section.fail(format!("{} watchers were cut off", self.seen.closed.get()));
        }
    }
}

impl Drop for Watchers {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

async fn open(target: Target, request: &[u8]) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(target.address()).await?;
    stream.write_all(request).await?;
    let mut start = [0; 12];
    stream.read_exact(&mut start).await?;
    ensure!(&start == b"HTTP/1.1 200", "answered {}", String::from_utf8_lossy(&start));
    Ok(stream)
}

async fn read(stream: TcpStream, seen: Rc<Seen>) {
    while stream.readable().await.is_ok() {
        let mut scratch = seen.scratch.borrow_mut();
        match stream.try_read(&mut scratch) {
            Ok(0) => break,
            Ok(length) => seen.updates.set(seen.updates.get() + updates(&scratch[..length])),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => break,
        }
    }
    seen.closed.set(seen.closed.get() + 1);
}

/// How many updates begin in these bytes. One that is cut in two between reads
/// may be missed; the rate is for the reader, not for a check.
fn updates(bytes: &[u8]) -> u64 {
    bytes.windows(5).filter(|window| window == b"data:").count() as u64
}

#[cfg(test)]
mod tests {
    use super::updates;

    #[test]
    fn updates_are_told_from_heartbeats() {
        assert_eq!(updates(b": heartbeat\n\n"), 0);
        assert_eq!(updates(b"id: 1\ndata: {}\n\nid: 2\ndata: {}\n\n"), 2);
    }
}
