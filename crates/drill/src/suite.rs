//! The sets of scenarios with the bars they have to reach. Every case is a
//! command line: what the report shows can be repeated by hand.

mod cases;

use std::collections::BTreeMap;
use std::time::Instant;

use anyhow::Result;
use clap::{Args, Parser};

use self::cases::{Case, FULL, Limit, SHORT};
use crate::cli::{self, Cli, Common};
use crate::report::{Bar, Report, Section, number};
use crate::stage::Bench;
use crate::stage::facts::Fact;

/// A few seconds of everything important, in under two minutes
#[derive(Clone, Debug, Args)]
pub(crate) struct Short {
    /// Play only the cases whose name contains this
    #[arg(long)]
    only: Option<String>,
}

/// Everything that has a bar, with medians
#[derive(Clone, Debug, Args)]
pub(crate) struct Full {
    /// How often each load is run; the median counts
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=9))]
    runs: u32,
    /// Play only the cases whose name contains this
    #[arg(long)]
    only: Option<String>,
}

/// Plays the short set.
///
/// # Errors
/// If a case's command line is wrong.
pub(crate) async fn short(bench: &Bench, common: &Common, options: &Short, facts: Vec<Fact>) -> Result<Report> {
    play(bench, common, SHORT, 1, options.only.as_deref(), facts).await
}

/// Plays the full set.
///
/// # Errors
/// If a case's command line is wrong.
pub(crate) async fn full(bench: &Bench, common: &Common, options: &Full, facts: Vec<Fact>) -> Result<Report> {
    play(bench, common, FULL, options.runs, options.only.as_deref(), facts).await
}

async fn play(
    bench: &Bench,
    common: &Common,
    cases: &[Case],
    runs: u32,
    only: Option<&str>,
    facts: Vec<Fact>,
) -> Result<Report> {
    let started = Instant::now();
    let chosen: Vec<&Case> = cases.iter().filter(|case| only.is_none_or(|word| case.name.contains(word))).collect();
    let mut sections = BTreeMap::new();
    let mut report = Report { facts, sections: Vec::new(), bars: Vec::new() };
    for (index, case) in chosen.iter().enumerate() {
        let runs = if case.once { 1 } else { runs };
        let mut results = Vec::new();
        for run in 1..=runs {
            bench.progress.step(&format!(
                "[{:>4} s] {}/{} {} (run {run} of {runs}): drill {}",
                started.elapsed().as_secs(),
                index + 1,
                chosen.len(),
                case.name,
                case.command
            ));
            results.push(one(bench, common, case).await?);
        }
        let Some(section) = Section::median(results) else { continue };
        sections.insert(case.name, section.clone());
        report.sections.push(section);
        report.bars.extend(bars(case, &sections));
    }
    report.facts.push(("took".to_owned(), format!("{} s", started.elapsed().as_secs())));
    Ok(report)
}

/// One run of a case; what keeps it from running is a failure of its section.
async fn one(bench: &Bench, common: &Common, case: &Case) -> Result<Section> {
    let words = std::iter::once("drill").chain(case.command.split_whitespace());
    let parsed = Cli::try_parse_from(words)?;
    let own = Common { start: parsed.common.start, ..common.clone() };
    let mut section = match cli::play(bench, &own, &parsed.command).await {
        Ok(section) => section,
        Err(error) => {
            let mut section = Section::new(case.name, case.name);
            section.fail(format!("{error:#}"));
            section
        }
    };
    case.name.clone_into(&mut section.name);
    section.setting("command", format!("drill {}", case.command));
    section.failures.iter().for_each(|failure| bench.progress.step(&format!("  FAILED {failure}")));
    Ok(section)
}

/// What the case had to reach, against what it and the cases before it reached.
fn bars(case: &Case, sections: &BTreeMap<&str, Section>) -> Vec<Bar> {
    let section = &sections[case.name];
    let mut bars: Vec<Bar> = case
        .bars
        .iter()
        .map(|(what, key, limit)| {
            let got = section.value(key);
            let unit = section.figures.iter().find(|figure| figure.key == *key).map_or("", |figure| figure.unit);
            let bound = bound(*limit, sections);
            let at_most = matches!(limit, Limit::AtMost(_) | Limit::Below(_));
            let sign = match limit {
                Limit::AtMost(_) => "≤",
                Limit::Below(_) => "<",
                Limit::AtLeast(_) | Limit::ShareOf(..) => "≥",
            };
            Bar {
                what: format!("{}: {what}", case.name),
                bar: format!("{sign} {} {unit}", number(bound.unwrap_or(f64::NAN))),
                got: got.map_or_else(|| "–".to_owned(), |got| format!("{} {unit}", number(got))),
                met: got.zip(bound).map(|(got, bound)| {
                    if at_most {
                        got <= bound && (got < bound || matches!(limit, Limit::AtMost(_)))
                    } else {
                        got >= bound
                    }
                }),
            }
        })
        .collect();
    bars.push(Bar {
        what: format!("{}: nothing that must not happen", case.name),
        bar: "0".to_owned(),
        got: section.failures.len().to_string(),
        met: Some(section.failures.is_empty()),
    });
    bars
}

fn bound(limit: Limit, sections: &BTreeMap<&str, Section>) -> Option<f64> {
    match limit {
        Limit::AtLeast(bound) | Limit::AtMost(bound) | Limit::Below(bound) => Some(bound),
        Limit::ShareOf(share, case, key) => {
            sections.get(case).and_then(|section| section.value(key)).map(|value| value * share)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case_is_a_command_line_and_has_a_name_of_its_own() {
        for cases in [SHORT, FULL] {
            let mut names: Vec<&str> = cases.iter().map(|case| case.name).collect();
            for case in cases {
                let words = std::iter::once("drill").chain(case.command.split_whitespace());
                Cli::try_parse_from(words).unwrap_or_else(|error| panic!("{}: {error}", case.command));
            }
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), cases.len());
        }
    }

    #[test]
    fn bars_are_met_missed_or_not_measured() {
        let case = Case {
            name: "b",
            command: "",
            once: true,
            bars: &[
                ("rate", "rate", Limit::AtLeast(10.0)),
                ("p99", "p99", Limit::Below(60.0)),
                ("against a", "rate", Limit::ShareOf(0.8, "a", "rate")),
                ("other", "other", Limit::AtMost(1.0)),
            ],
        };
        let section = |rate, p99| {
            let mut section = Section::new("x", "X");
            section.figure("rate", "rate", rate, "/s");
            section.figure("p99", "p99", p99, "ms");
            section
        };
        let sections = BTreeMap::from([("a", section(20.0, 1.0)), ("b", section(12.0, 60.0))]);
        let met: Vec<Option<bool>> = bars(&case, &sections).into_iter().map(|bar| bar.met).collect();
        assert_eq!(met, [Some(true), Some(false), Some(false), None, Some(true)]);
    }
}
