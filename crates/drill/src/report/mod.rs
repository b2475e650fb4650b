//! What a run found out, and its three forms: table, JSON, HTML.

mod html;
mod plot;
mod section;
mod table;

use std::path::Path;

use anyhow::{Context, Result};

use crate::console;
use crate::stage::facts::Fact;

pub(crate) use section::Section;
pub(crate) use table::number;

/// A bar to be reached, and what was reached.
#[derive(Clone, Debug, serde::Serialize)]
pub(crate) struct Bar {
    pub(crate) what: String,
    pub(crate) bar: String,
    pub(crate) got: String,
    /// Unknown where the scenario failed before it had a figure.
    pub(crate) met: Option<bool>,
}

/// Everything a run found out.
#[derive(Clone, Debug, serde::Serialize)]
pub(crate) struct Report {
    pub(crate) facts: Vec<Fact>,
    pub(crate) sections: Vec<Section>,
    pub(crate) bars: Vec<Bar>,
}

impl Report {
    /// Whether nothing happened that must not.
    pub(crate) fn is_clean(&self) -> bool {
        self.sections.iter().all(|section| section.failures.is_empty())
    }

    /// Prints the table and writes the files that were asked for.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub(crate) fn publish(&self, json: Option<&Path>, html: Option<&Path>) -> Result<()> {
        console::print(&table::render(self));
        if let Some(path) = json {
            std::fs::write(path, serde_json::to_string_pretty(self)?)
                .with_context(|| format!("writing {}", path.display()))?;
        }
        if let Some(path) = html {
            std::fs::write(path, html::render(self)).with_context(|| format!("writing {}", path.display()))?;
        }
        Ok(())
    }
}

#[cfg(test)]
pub(crate) mod samples {
    use super::*;
    use crate::load::{Latency, Phase, Slot};

    /// A report with one of everything.
    pub(crate) fn report() -> Report {
        let latency =
            Latency { count: 200, rate: 100.0, p50_ms: 1.0, p90_ms: 2.0, p99_ms: 3.5, p999_ms: 4.0, max_ms: 5.0 };
        let phase = Phase {
            label: "sale <one>".to_owned(),
            connections: 4,
            seconds: 2.0,
            intended: None,
            missed: 0,
            classes: [(crate::load::Class::Accepted, latency)].into(),
            statuses: [(201, 200)].into(),
            lost: [("closed before the answer".to_owned(), 1)].into(),
            samples: vec!["500 <b>oops</b>".to_owned()],
            shed_without_hint: 0,
            generator_us: 6.0,
            slot_seconds: 0.5,
            slots: vec![Slot { counts: [50, 0, 0, 1], slowest_us: 900 }; 4],
            buckets: vec![(1.0, 150), (2.0, 50)],
            ended_at: std::time::Instant::now(),
            groups: Vec::new(),
        };
        let mut section = Section::new("hot-event", "One hot event");
        section.setting("engine", "SQLite");
        section.phase(phase, false);
        section.figure("rate", "bookings", 100.0, "/s");
        section.note("goticket verify: clean");
        let bar = Bar { what: "hot".to_owned(), bar: "≥ 50/s".to_owned(), got: "100/s".to_owned(), met: Some(true) };
        Report { facts: vec![("cores".to_owned(), "2".to_owned())], sections: vec![section], bars: vec![bar] }
    }
}

#[cfg(test)]
mod tests {
    use super::samples;

    #[test]
    fn a_failure_makes_the_run_unclean() {
        let mut report = samples::report();
        assert!(!report.is_clean());
        assert_eq!(report.sections[0].failures.len(), 2);
        report.sections[0].failures.clear();
        assert!(report.is_clean());
    }

    #[test]
    fn the_json_holds_what_programs_compare() {
        let json = serde_json::to_value(samples::report()).unwrap();
        assert_eq!(json["sections"][0]["phases"][0]["classes"]["accepted"]["rate"], 100.0);
        assert_eq!(json["sections"][0]["figures"][0]["key"], "rate");
        assert_eq!(json["sections"][0]["phases"][0]["statuses"]["201"], 200);
    }
}
