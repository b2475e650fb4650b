//! An event for the calendars of those who come (RFC 5545).
//!
//! Written by hand: the crates that write such files write no zones, without which RFC 5545 allows UTC alone.

use chrono::Offset;
use domain::Timestamp;
use domain::catalog::{Event, EventStatus, EventTerms};

/// The event as a file, `text/calendar` in UTF-8, its times in its own zone. The same event gives the same file; who takes in
/// a newer one sees the changes, and that the event was cancelled.
#[must_use]
pub fn calendar_file(event: &Event) -> String {
    let terms = &event.terms;
    let mut lines = Lines::default();
    lines.put("BEGIN", "VCALENDAR").put("VERSION", "2.0").put("PRODID", "-//GoTicket//GoTicket//EN");
    let zone = offset(terms).map(|seconds| {
        let (sign, minutes) = (if seconds < 0 { '-' } else { '+' }, seconds.unsigned_abs() / 60);
        let offset = format!("{sign}{:02}{:02}", minutes / 60, minutes % 60);
        lines.put("BEGIN", "VTIMEZONE").put("TZID", terms.timezone.name());
        lines.put("BEGIN", "STANDARD").put("DTSTART", "19700101T000000");
        lines.put("TZOFFSETFROM", &offset).put("TZOFFSETTO", &offset);
        lines.put("END", "STANDARD").put("END", "VTIMEZONE");
        terms.timezone
    });
    lines.put("BEGIN", "VEVENT").put("UID", &format!("urn:uuid:{}", event.id));
    lines.put("DTSTAMP", &utc(event.updated_at)).put("SEQUENCE", &event.version.to_string());
    for (key, at) in [("DTSTART", terms.start_at), ("DTEND", terms.end_at)] {
        match zone {
            Some(zone) => lines.put(&format!("{key};TZID={zone}"), &at.with_timezone(&zone).format(LOCAL).to_string()),
            None => lines.put(key, &utc(at)),
        };
    }
    lines.put_text("SUMMARY", terms.name.as_str());
    for (key, text) in [("LOCATION", &terms.venue), ("DESCRIPTION", &terms.description)] {
        text.iter().for_each(|text| lines.put_text(key, text.as_str()));
    }
    lines.put("STATUS", if event.status == EventStatus::Cancelled { "CANCELLED" } else { "CONFIRMED" });
    lines.put("END", "VEVENT").put("END", "VCALENDAR");
    lines.0
}

const LOCAL: &str = "%Y%m%dT%H%M%S";

fn utc(at: Timestamp) -> String {
    at.format("%Y%m%dT%H%M%SZ").to_string()
}

/// The offset from UTC, in seconds, at the beginning of the event, if it is still that at its end, and in whole minutes.
/// What lasts over a change of the clocks is told in UTC: the zone would have to be written out with its changes. Calendars
/// that know the zone by its name take their own.
fn offset(terms: &EventTerms) -> Option<i32> {
    let at = |at: Timestamp| at.with_timezone(&terms.timezone).offset().fix().local_minus_utc();
    Some(at(terms.start_at)).filter(|offset| *offset == at(terms.end_at) && offset % 60 == 0)
}

/// Content lines (RFC 5545, 3.1).
#[derive(Default)]
struct Lines(String);

impl Lines {
    /// The most octets of a line.
    const OCTETS_MAX: usize = 75;

    /// A line, folded where it is long: never within a letter.
    fn put(&mut self, key: &str, value: &str) -> &mut Self {
        let mut octets = 0;
        for letter in key.chars().chain([':']).chain(value.chars()) {
            octets += letter.len_utf8();
            if octets > Self::OCTETS_MAX {
                self.0.push_str("\r\n ");
                octets = 1 + letter.len_utf8();
            }
            self.0.push(letter);
        }
        self.0.push_str("\r\n");
        self
    }

    /// What people wrote (RFC 5545, 3.3.11). It ends no line, and so begins none of its own.
    fn put_text(&mut self, key: &str, text: &str) {
        let mut escaped = String::with_capacity(text.len());
        for letter in text.replace("\r\n", "\n").chars() {
            match letter {
                '\n' => escaped.push_str("\\n"),
                '\\' | ';' | ',' => escaped.extend(['\\', letter]),
                letter if letter.is_control() => {}
                letter => escaped.push(letter),
            }
        }
        self.put(key, &escaped);
    }
}

#[cfg(test)]
mod tests {
    use chrono::{TimeDelta, TimeZone, Utc};
    use domain::catalog::NewEvent;
    use domain::{EventId, OrganizerId};
    use uuid::Uuid;

    use super::*;

    fn event(name: &str, description: &str, timezone: &str, start: (u32, u32), hours: i64) -> Event {
        let start_at = Utc.with_ymd_and_hms(2030, start.0, start.1, 18, 0, 0).unwrap();
        let new = NewEvent {
            name: name.to_owned(),
            description: Some(description.to_owned()),
            venue: None,
            timezone: timezone.to_owned(),
            start_at,
            end_at: start_at + TimeDelta::hours(hours),
            currency: "PLN".to_owned(),
            hold_seconds: 900,
            pricing: None,
            blocks_disputed: None,
            waiting_list: None,
            offer_seconds: None,
        };
        let (id, organizer) = (EventId::new(Uuid::from_u128(1)), OrganizerId::new(Uuid::from_u128(2)));
        Event::try_new(id, organizer, &new, 7, start_at - TimeDelta::days(9)).unwrap()
    }

    /// As a calendar reads it: the lines unfolded.
    fn read(event: &Event) -> Vec<String> {
        let file = calendar_file(event);
        assert!(file.split("\r\n").all(|line| line.len() <= 75 && !line.contains(['\r', '\n'])), "{file}");
        file.replace("\r\n ", "").lines().map(str::to_owned).collect()
    }

    #[test]
    fn times_are_in_the_zone_of_the_event() {
        let summer = read(&event("A", "B", "Europe/Warsaw", (7, 1), 3));
        for line in ["TZID:Europe/Warsaw", "TZOFFSETTO:+0200", "DTSTART;TZID=Europe/Warsaw:20300701T200000"] {
            assert!(summer.iter().any(|known| known == line), "{line}: {summer:?}");
        }
        let night = read(&event("A", "B", "Europe/Warsaw", (10, 26), 12));
        assert!(night.iter().any(|line| line == "DTSTART:20301026T180000Z"), "clocks change in between: {night:?}");
        let west = read(&event("A", "B", "America/St_Johns", (1, 5), 3));
        assert!(west.iter().any(|line| line == "TZOFFSETTO:-0330"), "{west:?}");
    }

    #[test]
    fn what_people_write_begins_no_line_of_its_own() {
        let letters = "ż\u{202e}🎫".repeat(200);
        let hostile = format!("a,b;c\\d\r\nBEGIN:VALARM\nEND:VEVENT {letters}");
        let lines = read(&event("Concert", &hostile, "UTC", (7, 1), 3));
        let expected = format!("DESCRIPTION:a\\,b\\;c\\\\d\\nBEGIN:VALARM\\nEND:VEVENT {letters}");
        assert!(lines.contains(&expected), "{lines:?}");
        let begun = lines.iter().filter(|line| line.starts_with("BEGIN:"));
        assert_eq!(begun.count(), 4, "calendar, zone, its observance, event");
    }
}
