//! What the server says about itself on its operations address.

use anyhow::{Result, ensure};

use crate::report::Section;
use crate::wire::{Api, Target};

/// Notes the server's own series about bookings and the desk.
///
/// # Errors
/// If they cannot be read.
pub(crate) async fn note(url: &str, section: &mut Section) -> Result<()> {
    let (status, text) = Api::new(Target::parse(url)?).call("GET", "/metrics", b"", "").await?;
    ensure!(status == 200, "/metrics answered {status}");
    for line in interesting(&text) {
        section.note(line);
    }
    Ok(())
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
    use super::interesting;

    #[test]
    fn buckets_and_comments_are_left_out() {
        let text = "# TYPE desk_batch histogram\ndesk_batch_bucket{le=\"1\"} 2\ndesk_batch_sum 7\nhttp_requests 9\n";
        assert_eq!(interesting(text).collect::<Vec<_>>(), ["desk_batch_sum 7"]);
    }
}
