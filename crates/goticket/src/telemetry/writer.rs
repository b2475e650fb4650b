//! Writes log lines beside the threads that serve.
//!
//! A line is put into a buffer in memory, which costs a lock and a copy; a thread of its own writes what has gathered,
//! many lines by one call of the system. Where nobody reads the output, the buffer is full one day: then lines are left
//! out and counted, since a server that waits for its log sells nothing.

use std::io::{self, Write};
use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

const BUFFER_MAX: usize = 8 << 20;
/// How long lines gather before they are written: less than anybody notices.
const GATHER: Duration = Duration::from_millis(20);
/// What an unused buffer keeps.
const KEEP: usize = 64 << 10;

/// The thread that writes; when it is dropped, it writes what is left and ends.
pub(crate) struct LogWriter {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// There is something to write, or the end has come.
    work: Condvar,
    /// All that was there is written.
    flushed: Condvar,
}

#[derive(Default)]
struct State {
    lines: Vec<u8>,
    lost: u64,
    writing: bool,
    closed: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LogWriter {
    /// Starts the thread.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub(crate) fn start(output: impl Write + Send + 'static) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let thread = std::thread::Builder::new().name("log".to_owned());
        let theirs = Arc::clone(&shared);
        let thread = thread.spawn(move || write_lines(&theirs, output))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// What lines are handed to.
    pub(crate) fn handle(&self) -> LogHandle {
        LogHandle(Arc::clone(&self.shared))
    }
}

impl Drop for LogWriter {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.work.notify_one();
        if let Some(thread) = self.thread.take() {
            // It has nothing to tell but that it panicked, and there is nobody left to tell it to.
            drop(thread.join());
        }
    }
}

fn write_lines(shared: &Shared, mut output: impl Write) {
    let mut lines = Vec::new();
    loop {
        let mut state = shared.lock();
        while state.lines.is_empty() && !state.closed {
            state = shared.work.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.lines.is_empty() {
            return;
        }
        if !state.closed {
            state = shared.work.wait_timeout(state, GATHER).unwrap_or_else(PoisonError::into_inner).0;
        }
        mem::swap(&mut lines, &mut state.lines);
        let lost = mem::take(&mut state.lost);
        state.writing = true;
        drop(state);
        // An output that is gone is no reason to stop serving.
        let _ = output.write_all(&lines);
        if lost > 0 {
            let _ =
                writeln!(output, "{{\"level\":\"WARN\",\"message\":\"{lost} log lines were lost: nobody read them\"}}");
        }
        let _ = output.flush();
        lines.clear();
        lines.shrink_to(KEEP);
        shared.lock().writing = false;
        shared.flushed.notify_all();
    }
}

/// Where lines are put.
#[derive(Clone)]
pub(crate) struct LogHandle(Arc<Shared>);

impl LogHandle {
    /// Waits until all that was put here is written, but not for ever.
    pub(crate) fn flush_within(&self, patience: Duration) {
        let state = self.0.lock();
        self.0.work.notify_one();
        let busy = |state: &mut State| !state.lines.is_empty() || state.writing;
        drop(self.0.flushed.wait_timeout_while(state, patience, busy));
    }
}

impl Write for &LogHandle {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut state = self.0.lock();
        if state.lines.len() + line.len() > BUFFER_MAX {
            state.lost += 1;
            return Ok(line.len());
        }
        let was_empty = state.lines.is_empty();
        state.lines.extend_from_slice(line);
        drop(state);
        if was_empty {
            self.0.work.notify_one();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for LogHandle {
    type Writer = &'a Self;

    fn make_writer(&'a self) -> Self::Writer {
        self
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Keeps what is written; stops at each write until it is let go.
    struct Slow(Arc<Mutex<Vec<u8>>>, Option<mpsc::Receiver<()>>);

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if let Some(gate) = &self.1 {
                let _ = gate.recv();
            }
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn every_line_is_written_in_order() {
        let written = Arc::new(Mutex::new(Vec::new()));
        let writer = LogWriter::start(Slow(Arc::clone(&written), None)).unwrap();
        let expected: String = (0..10_000).map(|n| format!("line {n}\n")).collect();
        for line in expected.split_inclusive('\n') {
            (&writer.handle()).write_all(line.as_bytes()).unwrap();
        }
        drop(writer);
        assert_eq!(String::from_utf8(written.lock().unwrap().clone()).unwrap(), expected);
    }

    #[test]
    fn flushing_waits_until_all_is_written() {
        let written = Arc::new(Mutex::new(Vec::new()));
        let writer = LogWriter::start(Slow(Arc::clone(&written), None)).unwrap();
        (&writer.handle()).write_all(b"line\n").unwrap();
        writer.handle().flush_within(Duration::from_secs(10));
        assert_eq!(*written.lock().unwrap(), b"line\n");
    }

    #[test]
    fn where_nobody_reads_lines_are_counted_and_nobody_waits() {
        let (gate, closed) = mpsc::channel();
        let written = Arc::new(Mutex::new(Vec::new()));
        let writer = LogWriter::start(Slow(Arc::clone(&written), Some(closed))).unwrap();
        let line = [b'x'; 1 << 20];
        for _ in 0..40 {
            (&writer.handle()).write_all(&line).unwrap();
        }
        drop(gate);
        drop(writer);
        let written = written.lock().unwrap();
        assert!(written.len() < 2 * BUFFER_MAX + 1_000, "{}", written.len());
        assert!(String::from_utf8_lossy(&written).contains("log lines were lost"));
    }
}
