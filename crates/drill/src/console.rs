//! The only place that writes to the terminal: results to standard output,
//! progress to standard error.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool talks to its user, and here only")]

use std::cell::Cell;
use std::io::IsTerminal;
use std::rc::Rc;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// Without a terminal a running count is repeated only this often.
const LINE_INTERVAL: Duration = Duration::from_secs(5);

/// Writes a result.
pub(crate) fn print(text: &str) {
    println!("{text}");
}

/// Says what is going on: a moving line on a terminal, plain lines elsewhere.
#[derive(Clone, Debug)]
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    last: Rc<Cell<Option<Instant>>>,
}

impl Progress {
    /// Progress of this run.
    pub(crate) fn new() -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{spinner} [{elapsed_precise}] {wide_msg}")
                .unwrap_or_else(|_| ProgressStyle::default_spinner());
            let bar = ProgressBar::new_spinner().with_style(style);
            bar.enable_steady_tick(Duration::from_millis(250));
            bar
        });
        Self { bar, last: Rc::default() }
    }

    /// A step that deserves a line of its own.
    pub(crate) fn step(&self, text: &str) {
        self.last.set(None);
        match &self.bar {
            Some(bar) => bar.println(text),
            None => eprintln!("{text}"),
        }
    }

    /// A count that changes often.
    pub(crate) fn tick(&self, text: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(text.to_owned());
        } else if self.last.get().is_none_or(|last| last.elapsed() >= LINE_INTERVAL) {
            self.last.set(Some(Instant::now()));
            eprintln!("  {text}");
        }
    }

    /// Clears the moving line.
    pub(crate) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
