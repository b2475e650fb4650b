//! The report as text.

use std::fmt::Write;

use super::{Report, Section};
use crate::load::{Class, Latency, Phase};

const COLUMNS: [&str; 10] =
    ["load", "conns", "answers", "rate/s", "p50 ms", "p90 ms", "p99 ms", "p99.9 ms", "max ms", "gen. µs"];

/// The whole report.
pub(crate) fn render(report: &Report) -> String {
    let mut out = String::new();
    let width = report.facts.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    for (name, value) in &report.facts {
        let _ = writeln!(out, "{name:<width$}  {value}");
    }
    for section in &report.sections {
        render_section(section, &mut out);
    }
    if !report.bars.is_empty() {
        let _ = writeln!(out, "\n== what was to be reached");
        let mut rows = vec![["what", "bar", "got", "met"].map(str::to_owned).to_vec()];
        rows.extend(
            report
                .bars
                .iter()
                .map(|bar| vec![bar.what.clone(), bar.bar.clone(), bar.got.clone(), verdict(bar.met).to_owned()]),
        );
        out.push_str(&align(&rows, usize::MAX));
    }
    out
}

/// The word for a bar that was met, missed or not measured.
pub(crate) fn verdict(met: Option<bool>) -> &'static str {
    match met {
        Some(true) => "yes",
        Some(false) => "NO",
        None => "not measured",
    }
}

fn render_section(section: &Section, out: &mut String) {
    let settings: Vec<String> = section.settings.iter().map(|(name, value)| format!("{name} {value}")).collect();
    let _ = writeln!(out, "\n== {} ({})", section.title, settings.join(", "));
    if !section.phases.is_empty() {
        let mut rows = vec![COLUMNS.map(str::to_owned).to_vec()];
        rows.extend(
            section
                .phases
                .iter()
                .flat_map(|phase| phase.classes.iter().map(|(class, latency)| phase_row(phase, *class, latency))),
        );
        out.push_str(&align(&rows, 1));
        for phase in &section.phases {
            let _ = writeln!(out, "  {}: {}", phase.label, answers(phase));
        }
    }
    for figure in &section.figures {
        let _ = writeln!(out, "  {}: {} {}", figure.label, number(figure.value), figure.unit);
    }
    for note in &section.notes {
        let _ = writeln!(out, "  {note}");
    }
    for failure in &section.failures {
        let _ = writeln!(out, "  FAILED {failure}");
    }
}

/// A phase's statuses and losses in one line.
pub(crate) fn answers(phase: &Phase) -> String {
    let mut parts: Vec<String> = phase.statuses.iter().map(|(status, count)| format!("{count} × {status}")).collect();
    parts.extend(phase.lost.iter().map(|(reason, count)| format!("{count} lost ({reason})")));
    if let Some(intended) = phase.intended {
        parts.push(format!(
            "asked for {}/s, offered {}/s, {} not sent",
            number(intended),
            number(phase.offered()),
            phase.missed
        ));
    }
    parts.join(", ")
}

/// One row of the table of loads.
pub(crate) fn phase_row(phase: &Phase, class: Class, latency: &Latency) -> Vec<String> {
    let label = match class {
        Class::Accepted => phase.label.clone(),
        Class::Refused => format!("{} – refused", phase.label),
        Class::Shed => format!("{} – shed (503)", phase.label),
        Class::Unexpected => format!("{} – UNEXPECTED", phase.label),
    };
    let mut row = vec![label, phase.connections.to_string(), latency.count.to_string(), number(latency.rate)];
    row.extend(
        [latency.p50_ms, latency.p90_ms, latency.p99_ms, latency.p999_ms, latency.max_ms, phase.generator_us]
            .map(number),
    );
    row
}

/// The heads of that table.
pub(crate) fn columns() -> [&'static str; 10] {
    COLUMNS
}

/// A number as people read it: three digits that say something.
pub(crate) fn number(value: f64) -> String {
    match value.abs() {
        size if !size.is_finite() => "–".to_owned(),
        size if size >= 1000.0 => {
            let digits = format!("{:.0}", value.abs());
            let mut grouped = if value < 0.0 { "-".to_owned() } else { String::new() };
            for (index, digit) in digits.chars().enumerate() {
                if index > 0 && (digits.len() - index).is_multiple_of(3) {
                    grouped.push(' ');
                }
                grouped.push(digit);
            }
            grouped
        }
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// Rows in columns; from column `numbers` on to the right.
fn align(rows: &[Vec<String>], numbers: usize) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    let widths: Vec<usize> =
        (0..columns).map(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0)).collect();
    let mut out = String::new();
    for row in rows {
        let mut line = String::from("  ");
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let _ = if column >= numbers { write!(line, "{cell:>width$}  ") } else { write!(line, "{cell:<width$}  ") };
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;

    #[test]
    fn numbers_keep_three_digits() {
        let shown: Vec<String> =
            [0.0, 1.234, 12.34, 123.4, 1234.5, 1_234_567.0, -2000.0].into_iter().map(number).collect();
        assert_eq!(shown, ["0.00", "1.23", "12.3", "123", "1 234", "1 234 567", "-2 000"]);
        assert_eq!(number(f64::NAN), "–");
    }

    #[test]
    fn the_table_shows_loads_figures_failures_and_bars() {
        let text = render(&samples::report());
        for expected in [
            "cores  2",
            "== One hot event (engine SQLite)",
            "200 × 201, 1 lost",
            "bookings: 100 /s",
            "verify: clean",
            "FAILED",
            "≥ 50/s",
        ] {
            assert!(text.contains(expected), "{expected} is missing in\n{text}");
        }
    }

    #[test]
    fn columns_are_aligned() {
        let rows = vec![vec!["a".to_owned(), "1".to_owned()], vec!["bbb".to_owned(), "100".to_owned()]];
        assert_eq!(align(&rows, 1), "  a      1\n  bbb  100\n");
    }
}
