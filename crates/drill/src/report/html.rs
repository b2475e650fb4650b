//! The report as one file that a browser shows without any other.

use std::fmt::Write;

use super::table::{self, number, verdict};
use super::{Report, Section, plot};

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;color:#223;background:#fff}\
h1{font-size:1.6rem}h2{font-size:1.2rem;margin-top:2.5rem;border-top:1px solid #8884;padding-top:1rem}\
table{border-collapse:collapse;margin:.7rem 0;font-variant-numeric:tabular-nums}th,td{padding:.15rem .7rem;text-align:right;border-bottom:1px solid #8883}\
th:first-child,td:first-child,.words th,.words td{text-align:left}\
svg{width:100%;max-width:40rem;font:11px system-ui,sans-serif;fill:currentColor}.bad{color:#c33;font-weight:600}.good{color:#285}\
.plots{display:flex;flex-wrap:wrap;gap:1rem}.plots>*{flex:1 1 24rem}\
@media(prefers-color-scheme:dark){body{background:#14161a;color:#dde}}";

/// The whole page.
pub(crate) fn render(report: &Report) -> String {
    let mut page = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\"><title>GoTicket drill</title><style>{STYLE}</style></head><body><h1>GoTicket drill</h1>"
    );
    page.push_str("<table class=\"words\">");
    for (name, value) in &report.facts {
        let _ = write!(page, "<tr><th>{}</th><td>{}</td></tr>", escape(name), escape(value));
    }
    page.push_str("</table>");
    if !report.bars.is_empty() {
        bars(report, &mut page);
    }
    for part in &report.sections {
        section(part, &mut page);
    }
    page.push_str("</body></html>\n");
    page
}

fn bars(report: &Report, page: &mut String) {
    page.push_str("<h2>What was to be reached</h2><table class=\"words\"><tr><th>what</th><th>bar</th><th>got</th><th>met</th></tr>");
    for bar in &report.bars {
        let class = if bar.met == Some(true) { "good" } else { "bad" };
        let _ = write!(
            page,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td class=\"{class}\">{}</td></tr>",
            escape(&bar.what),
            escape(&bar.bar),
            escape(&bar.got),
            verdict(bar.met)
        );
    }
    page.push_str("</table>");
}

fn section(part: &Section, page: &mut String) {
    let _ = write!(page, "<h2 id=\"{}\">{}</h2><p>", escape(&part.name), escape(&part.title));
    let settings: Vec<String> =
        part.settings.iter().map(|(name, value)| format!("{} {}", escape(name), escape(value))).collect();
    let _ = write!(page, "{}</p>", settings.join(" · "));
    for failure in &part.failures {
        let _ = write!(page, "<p class=\"bad\">{}</p>", escape(failure));
    }
    if !part.phases.is_empty() {
        phases(part, page);
    }
    page.push_str("<table class=\"words\">");
    for figure in &part.figures {
        let _ = write!(
            page,
            "<tr><th>{}</th><td>{} {}</td></tr>",
            escape(&figure.label),
            number(figure.value),
            figure.unit
        );
    }
    page.push_str("</table>");
    for note in &part.notes {
        let _ = write!(page, "<p>{}</p>", escape(note));
    }
}

fn phases(part: &Section, page: &mut String) {
    page.push_str("<table><tr>");
    for head in table::columns() {
        let _ = write!(page, "<th>{head}</th>");
    }
    page.push_str("</tr>");
    for phase in &part.phases {
        for (class, latency) in &phase.classes {
            page.push_str("<tr>");
            for cell in table::phase_row(phase, *class, latency) {
                let _ = write!(page, "<td>{}</td>", escape(&cell));
            }
            page.push_str("</tr>");
        }
    }
    page.push_str("</table>");
    for phase in &part.phases {
        let _ = write!(page, "<p><b>{}</b>: {}</p>", escape(&phase.label), escape(&table::answers(phase)));
        let _ = write!(page, "<div class=\"plots\">{}{}</div>", plot::timeline(phase), plot::histogram(phase));
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;

    #[test]
    fn the_page_is_one_file_and_what_servers_say_cannot_break_it() {
        let page = render(&samples::report());
        assert!(page.starts_with("<!doctype html>") && page.trim_end().ends_with("</html>"));
        assert!(!page.contains("<b>oops") && page.contains("&lt;b&gt;oops"));
        assert!(!page.contains("http://") && !page.contains("https://") && !page.contains("<script"));
        assert_eq!(page.matches("<svg").count(), 2);
    }
}
