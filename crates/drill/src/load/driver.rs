//! Runs the scripts, one connection each.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tokio::task::{JoinHandle, spawn_local};
use tokio::time::{sleep, timeout_at};

use super::Script;
use super::pace::{Metronome, Pace, Stop};
use super::phase::Phase;
use super::recorder::Recorder;
use crate::console::Progress;
use crate::stage::memory::own_cpu;
use crate::wire::{Connection, Target, WireError};

/// How long answers may still come after the end.
const GRACE: Duration = Duration::from_secs(15);
/// The wait after a lost request, so that a dead server is not asked in a spin.
const AFTER_LOSS: Duration = Duration::from_millis(20);

/// A load to be driven; the number of connections is the number of scripts.
#[derive(Clone, Debug)]
pub(crate) struct Load {
    /// What it is called in the report.
    pub(crate) label: String,
    /// Not measured at the start.
    pub(crate) warmup: Duration,
    /// Measured.
    pub(crate) duration: Duration,
    /// How requests follow each other.
    pub(crate) pace: Pace,
    /// The servers, given to the connections in turn.
    pub(crate) targets: Vec<Target>,
    /// Into how many groups the scripts sort their answers.
    pub(crate) groups: usize,
    /// Ends it early.
    pub(crate) stop: Stop,
}

impl Load {
    /// A closed loop without warm-up.
    pub(crate) fn closed(label: &str, targets: &[Target], duration: Duration) -> Self {
        Self {
            label: label.to_owned(),
            warmup: Duration::ZERO,
            duration,
            pace: Pace::Closed,
            targets: targets.to_vec(),
            groups: 0,
            stop: Stop::default(),
        }
    }
}

struct Shared {
    metronome: Metronome,
    recorder: RefCell<Recorder>,
    hard_end: Instant,
}

/// Drives the load to its end; gives the scripts back with what they learnt.
///
/// # Errors
/// If the connections cannot be opened.
pub(crate) async fn drive<S: Script + 'static>(
    load: &Load,
    progress: &Progress,
    scripts: Vec<S>,
) -> Result<(Phase, Vec<S>)> {
    let connections = scripts.len();
    let mut links = Vec::with_capacity(connections);
    for index in 0..connections {
        let mut link = Connection::new(load.targets[index % load.targets.len()]);
        link.open().await.with_context(|| format!("opening connection {} of {connections}", index + 1))?;
        links.push(link);
    }
    let start = Instant::now();
    let window = (start + load.warmup, start + load.warmup + load.duration);
    let shared = Rc::new(Shared {
        metronome: Metronome::new(load.pace, start, window.1, load.stop.clone()),
        recorder: RefCell::new(Recorder::new(start, window, load.groups)),
        hard_end: window.1 + GRACE,
    });
    let cpu = own_cpu();
    let handles: Vec<JoinHandle<S>> = scripts
        .into_iter()
        .zip(links)
        .map(|(script, link)| spawn_local(work(script, link, Rc::clone(&shared))))
        .collect();
    let ticker = spawn_local(tick(load.label.clone(), progress.clone(), Rc::clone(&shared)));
    let mut scripts = Vec::with_capacity(connections);
    for handle in handles {
        scripts.push(handle.await.context("a connection's task")?);
    }
    ticker.abort();
    let ended = Instant::now().min(window.1);
    let measured = ended.saturating_duration_since(window.0);
    let recorder = shared.recorder.borrow();
    let phase =
        Phase::new(load, connections, measured, &recorder, shared.metronome.missed(), own_cpu().saturating_sub(cpu));
    Ok((phase, scripts))
}

async fn work<S: Script>(mut script: S, mut link: Connection, shared: Rc<Shared>) -> S {
    let hard_end = shared.hard_end.into();
    if timeout_at(hard_end, converse(&mut script, &mut link, &shared)).await.is_err() {
        script.lost();
        shared.recorder.borrow_mut().lose(&WireError::TimedOut);
    }
    script
}

async fn converse<S: Script>(script: &mut S, link: &mut Connection, shared: &Shared) {
    let mut request = Vec::with_capacity(2048);
    while let Some(due) = shared.metronome.beat().await {
        if !script.next(&mut request) {
            return;
        }
        match link.exchange(&request).await {
            Ok(reply) => {
                let verdict = script.answered(&reply);
                shared.recorder.borrow_mut().answer(due, Instant::now(), &reply, verdict);
                let rest = script.rest();
                if !rest.is_zero() {
                    sleep(rest).await;
                }
            }
            Err(error) => {
                script.lost();
                shared.recorder.borrow_mut().lose(&error);
                sleep(AFTER_LOSS).await;
            }
        }
    }
}

async fn tick(label: String, progress: Progress, shared: Rc<Shared>) {
    let mut before = 0;
    loop {
        sleep(Duration::from_secs(1)).await;
        let (answers, window) = {
            let recorder = shared.recorder.borrow();
            (recorder.answers, recorder.window)
        };
        let left = window.1.saturating_duration_since(Instant::now()).as_secs();
        progress.tick(&format!("{label}: {} answers/s, {left} s left", answers - before));
        before = answers;
    }
}
