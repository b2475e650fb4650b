//! How the process ends, and what goes on beside requests until then.

use std::future::Future;
use std::io;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures::FutureExt;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// After a panic a task begins anew after this long.
const PAUSE: Duration = Duration::from_secs(1);

/// What asks the process to stop.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Takes the signals over from the system, which would end the process at once.
    ///
    /// # Errors
    /// If the system does not let us.
    pub(crate) fn take() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Waits for the next one, and names it.
    pub(crate) async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

/// Runs a task for as long as the process lives: if it panics, or ends by itself, that is logged and it begins anew.
pub(crate) fn supervise<F>(
    tasks: &TaskTracker,
    cancel: &CancellationToken,
    name: &'static str,
    mut task: impl FnMut(CancellationToken) -> F + Send + 'static,
) where
    F: Future<Output = ()> + Send + 'static,
{
    let cancel = cancel.clone();
    tasks.spawn(async move {
        loop {
            let ended = AssertUnwindSafe(task(cancel.clone())).catch_unwind().await;
            if cancel.is_cancelled() {
                return;
            }
            let how = if ended.is_err() { "panicked" } else { "ended by itself" };
            tracing::error!(task = name, "The background task `{name}` {how}; it begins anew");
            tokio::select! {
                () = cancel.cancelled() => return,
                () = tokio::time::sleep(PAUSE) => {}
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_task_that_panics_begins_anew_until_it_is_cancelled() {
        let (tasks, cancel) = (TaskTracker::new(), CancellationToken::new());
        let runs = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&runs);
        supervise(&tasks, &cancel, "test", move |cancel| {
            let run = counted.fetch_add(1, Ordering::Relaxed);
            async move {
                assert!(run > 1, "the first two runs panic");
                cancel.cancelled().await;
            }
        });
        while runs.load(Ordering::Relaxed) < 3 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        cancel.cancel();
        tasks.close();
        tasks.wait().await;
        assert_eq!(runs.load(Ordering::Relaxed), 3);
    }
}
