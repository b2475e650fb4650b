//! Plots as inline SVG: no script, nothing loaded from elsewhere.

use std::fmt::Write;

use super::table::number;
use crate::load::Phase;

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 200.0;
const LEFT: f64 = 60.0;
const BOTTOM: f64 = 30.0;
const TOP: f64 = 20.0;

const CLASSES: [(&str, &str); 4] = [("accepted", "#2a7"), ("refused", "#48c"), ("503", "#e92"), ("unexpected", "#c33")];

/// Answers a second over time, a line for each class that has any.
pub(crate) fn timeline(phase: &Phase) -> String {
    let highest = phase.slots.iter().flat_map(|slot| slot.counts).max().unwrap_or(0).max(1);
    let rate = |count: u32| f64::from(count) / phase.slot_seconds;
    let mut svg = open("answers a second over time");
    grid(&mut svg, rate(highest), "/s");
    let step = (WIDTH - LEFT) / phase.slots.len().max(1) as f64;
    let mut legend = LEFT;
    for (class, (name, colour)) in CLASSES.iter().enumerate() {
        if phase.slots.iter().all(|slot| slot.counts[class] == 0) {
            continue;
        }
        let points: Vec<String> = phase
            .slots
            .iter()
            .enumerate()
            .map(|(index, slot)| {
                format!(
                    "{:.1},{:.1}",
                    LEFT + (index as f64 + 0.5) * step,
                    height(f64::from(slot.counts[class]) / f64::from(highest))
                )
            })
            .collect();
        let _ =
            write!(svg, r#"<polyline fill="none" stroke="{colour}" stroke-width="2" points="{}"/>"#, points.join(" "));
        let _ = write!(svg, r#"<text x="{legend}" y="12" fill="{colour}">{name}</text>"#);
        legend += 90.0;
    }
    let seconds = phase.slots.len() as f64 * phase.slot_seconds;
    label(&mut svg, LEFT, "start", 0.0);
    label(&mut svg, WIDTH, &format!("{} s", number(seconds)), 0.0);
    svg.push_str("</svg>");
    svg
}

/// How many answers took how long; both the widths of the bars and the axis are logarithmic.
pub(crate) fn histogram(phase: &Phase) -> String {
    let mut svg = open("answers by latency");
    let highest = phase.buckets.iter().map(|(_, count)| *count).max().unwrap_or(0).max(1);
    grid(&mut svg, highest as f64, "");
    let (Some(first), Some(last)) = (phase.buckets.first(), phase.buckets.last()) else {
        svg.push_str("</svg>");
        return svg;
    };
    let (low, high) = ((first.0 / 1.2).ln(), last.0.ln());
    let across = |ms: f64| LEFT + (WIDTH - LEFT) * (ms.ln() - low) / (high - low).max(f64::EPSILON);
    for (bound, count) in &phase.buckets {
        let (from, to) = (across(bound / 1.2), across(*bound));
        let top = height(*count as f64 / highest as f64);
        let _ = write!(
            svg,
            r##"<rect x="{from:.1}" y="{top:.1}" width="{:.1}" height="{:.1}" fill="#48c"><title>≤ {} ms: {count}</title></rect>"##,
            (to - from - 0.5).max(0.5),
            HEIGHT - BOTTOM - top,
            number(*bound)
        );
    }
    for decade in -2..=5 {
        let ms = 10_f64.powi(decade);
        if ms.ln() >= low && ms.ln() <= high {
            label(&mut svg, across(ms) + 12.0, &format!("{ms} ms"), 0.0);
        }
    }
    svg.push_str("</svg>");
    svg
}

fn open(title: &str) -> String {
    format!(r#"<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{title}"><title>{title}</title>"#)
}

/// From a share of the highest value to a place on the picture.
fn height(share: f64) -> f64 {
    HEIGHT - BOTTOM - share * (HEIGHT - BOTTOM - TOP)
}

fn grid(svg: &mut String, highest: f64, unit: &str) {
    for quarter in 0..=4 {
        let share = f64::from(quarter) / 4.0;
        let y = height(share);
        let _ = write!(svg, r##"<line x1="{LEFT}" x2="{WIDTH}" y1="{y:.1}" y2="{y:.1}" stroke="#8884"/>"##);
        let _ = write!(
            svg,
            r#"<text x="{}" y="{:.1}" text-anchor="end">{}{unit}</text>"#,
            LEFT - 4.0,
            y + 4.0,
            number(highest * share)
        );
    }
}

fn label(svg: &mut String, x: f64, text: &str, up: f64) {
    let _ = write!(svg, r#"<text x="{x:.1}" y="{:.1}" text-anchor="end">{text}</text>"#, HEIGHT - 12.0 - up);
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;

    #[test]
    fn plots_are_whole_svg_with_only_the_classes_that_occurred() {
        let report = samples::report();
        let phase = &report.sections[0].phases[0];
        let svg = timeline(phase);
        assert!(svg.starts_with("<svg") && svg.ends_with("</svg>"));
        assert_eq!(svg.matches("<polyline").count(), 2);
        assert_eq!(histogram(phase).matches("<rect").count(), 2);
        assert!(!svg.contains("NaN"));
    }

    #[test]
    fn a_phase_without_answers_has_empty_plots() {
        let mut report = samples::report();
        let phase = &mut report.sections[0].phases[0];
        phase.slots.clear();
        phase.buckets.clear();
        assert!(timeline(phase).ends_with("</svg>"));
        assert!(histogram(phase).ends_with("</svg>"));
    }
}
