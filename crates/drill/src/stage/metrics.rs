//! What the server says about itself on its operations address.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};

use crate::report::Section;
use crate::wire::{Api, Target};

/// Notes the server's own series about bookings and the desk.
///
/// # Errors
/// If they cannot be read.
pub(crate) async fn note(url: &str, section: &mut Section) -> Result<()> {
    let text = text(&mut Api::new(Target::parse(url)?)).await?;
    for line in interesting(&text) {
        section.note(line);
    }
    Ok(())
}

/// How many requests of this route were answered, by status.
///
/// # Errors
/// If the metrics cannot be read.
pub(crate) async fn answers_by_status(ops: &mut Api, route: &str) -> Result<BTreeMap<String, u64>> {
    Ok(by_status(&text(ops).await?, route))
}

async fn text(ops: &mut Api) -> Result<String> {
    let (status, text) = ops.call("GET", "/metrics", b"", "").await?;
    ensure!(status == 200, "/metrics answered {status}");
    Ok(text)
}

fn by_status(text: &str, route: &str) -> BTreeMap<String, u64> {
    let route = format!("route=\"{route}\"");
    let mut answers = BTreeMap::new();
    for line in text.lines().filter(|line| line.starts_with("http_requests_total{") && line.contains(&route)) {
        let status = line.split_once("status=\"").and_then(|(_, rest)| rest.split('"').next());
        let count = line.rsplit(' ').next().and_then(|count| count.parse::<u64>().ok());
        if let Some((status, count)) = status.zip(count) {
            *answers.entry(status.to_owned()).or_default() += count;
        }
    }
    answers
}

/// Sums, counts and plain values; the buckets of histograms are for machines.
fn interesting(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .filter(|line| line.contains("booking") || line.contains("desk"))
        .filter(|line| !line.starts_with('#') && !line.contains("_bucket{"))
        .take(40)
}

#[cfg(test)]
mod tests {
    use super::{by_status, interesting};

    #[test]
    fn buckets_and_comments_are_left_out() {
        let text = "# TYPE desk_batch histogram\ndesk_batch_bucket{le=\"1\"} 2\ndesk_batch_sum 7\nhttp_requests 9\n";
        assert_eq!(interesting(text).collect::<Vec<_>>(), ["desk_batch_sum 7"]);
    }

    #[test]
    fn answers_of_a_route_are_counted_by_status() {
        let text = "http_requests_total{method=\"POST\",route=\"/w/{p}\",status=\"200\"} 7\n\
            http_requests_total{method=\"POST\",route=\"/w/{p}\",status=\"503\"} 1\n\
            http_requests_total{method=\"POST\",route=\"/w\",status=\"200\"} 9\n";
        let answers = by_status(text, "/w/{p}");
        assert_eq!(answers.into_iter().collect::<Vec<_>>(), [("200".to_owned(), 7), ("503".to_owned(), 1)]);
    }
}
