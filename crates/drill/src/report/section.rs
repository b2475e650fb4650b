//! The result of one scenario.

use crate::load::Phase;

/// A number with its name.
#[derive(Clone, Debug, serde::Serialize)]
pub(crate) struct Figure {
    /// What the bars look it up by.
    pub(crate) key: String,
    pub(crate) label: String,
    pub(crate) value: f64,
    pub(crate) unit: &'static str,
}

/// What one scenario found out.
#[derive(Clone, Debug, serde::Serialize)]
pub(crate) struct Section {
    pub(crate) name: String,
    pub(crate) title: String,
    pub(crate) settings: Vec<(String, String)>,
    pub(crate) phases: Vec<Phase>,
    pub(crate) figures: Vec<Figure>,
    pub(crate) notes: Vec<String>,
    pub(crate) failures: Vec<String>,
}

impl Section {
    /// An empty one.
    pub(crate) fn new(name: &str, title: &str) -> Self {
        Self {
            name: name.to_owned(),
            title: title.to_owned(),
            settings: Vec::new(),
            phases: Vec::new(),
            figures: Vec::new(),
            notes: Vec::new(),
            failures: Vec::new(),
        }
    }

    /// Says under which setting it ran.
    pub(crate) fn setting(&mut self, name: &str, value: impl ToString) {
        self.settings.push((name.to_owned(), value.to_string()));
    }

    /// Adds a load, and its failures; lost requests are none where the server was killed.
    pub(crate) fn phase(&mut self, phase: Phase, lost_is_fine: bool) {
        self.failures.extend(phase.failures(lost_is_fine));
        self.phases.push(phase);
    }

    /// Adds a figure.
    pub(crate) fn figure(&mut self, key: &str, label: &str, value: f64, unit: &'static str) {
        self.figures.push(Figure { key: key.to_owned(), label: label.to_owned(), value, unit });
    }

    /// Adds a remark.
    pub(crate) fn note(&mut self, text: impl Into<String>) {
        self.notes.push(text.into());
    }

    /// Adds something that must not have happened.
    pub(crate) fn fail(&mut self, text: impl Into<String>) {
        self.failures.push(text.into());
    }

    /// Fails unless the two are equal.
    pub(crate) fn expect_equal(&mut self, what: &str, got: u64, wanted: u64) {
        if got == wanted {
            self.note(format!("{what}: {got}, as it must be"));
        } else {
            self.fail(format!("{what}: {got}, but it must be {wanted}"));
        }
    }

    /// The figure with this key.
    pub(crate) fn value(&self, key: &str) -> Option<f64> {
        self.figures.iter().find(|figure| figure.key == key).map(|figure| figure.value)
    }

    /// Several runs of one scenario as one: the median of each figure, the
    /// loads of the last run, the failures of all.
    pub(crate) fn median(mut runs: Vec<Self>) -> Option<Self> {
        let mut merged = runs.pop()?;
        if runs.is_empty() {
            return Some(merged);
        }
        for figure in &mut merged.figures {
            let mut values: Vec<f64> = runs.iter().filter_map(|run| run.value(&figure.key)).collect();
            values.push(figure.value);
            let shown: Vec<String> = values.iter().map(|value| super::table::number(*value)).collect();
            figure.label = format!("{} (median of {})", figure.label, shown.join(", "));
            figure.value = median(&mut values);
        }
        for run in runs {
            merged.failures.extend(run.failures);
        }
        Some(merged)
    }
}

/// The value in the middle; the mean of the two in the middle where there are two.
pub(crate) fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        len if len % 2 == 1 => values[len / 2],
        len => f64::midpoint(values[len / 2 - 1], values[len / 2]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_are_in_the_middle() {
        assert_eq!(median(&mut [3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&mut [4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median(&mut []).is_nan());
    }

    #[test]
    fn runs_are_merged_and_no_failure_is_forgotten() {
        let run = |value, failure: &str| {
            let mut section = Section::new("x", "X");
            section.figure("rate", "rate", value, "/s");
            section.fail(failure);
            section
        };
        let merged = Section::median(vec![run(1.0, "a"), run(9.0, "b"), run(2.0, "c")]).unwrap();
        assert_eq!(merged.value("rate"), Some(2.0));
        assert_eq!(merged.failures.len(), 3);
        assert_eq!(merged.value("other"), None);
    }

    #[test]
    fn a_difference_in_accounting_is_a_failure() {
        let mut section = Section::new("x", "X");
        section.expect_equal("sold", 10, 10);
        assert!(section.failures.is_empty());
        section.expect_equal("sold", 11, 10);
        assert_eq!(section.failures, ["sold: 11, but it must be 10"]);
    }
}
