//! What is written in which language.

use chrono::{Datelike, Timelike};
use domain::{Language, Timestamp};

/// The labels of a sheet.
pub(crate) struct Words {
    pub(crate) ticket: &'static str,
    pub(crate) ticket_type: &'static str,
    pub(crate) attendee: &'static str,
    pub(crate) reference: &'static str,
    pub(crate) number: &'static str,
    pub(crate) of: &'static str,
    pub(crate) code: &'static str,
    pub(crate) hint: &'static str,
    weekdays: [&'static str; 7],
    months: [&'static str; 12],
}

pub(crate) const fn words(language: Language) -> &'static Words {
    match language {
        Language::English => &ENGLISH,
        Language::Polish => &POLISH,
    }
}

const ENGLISH: Words = Words {
    ticket: "Ticket",
    ticket_type: "Ticket type",
    attendee: "Name",
    reference: "Booking",
    number: "Ticket",
    of: "of",
    code: "QR code of the ticket",
    hint: "Show this code at the entrance. It lets in once: do not pass on copies of it.",
    weekdays: ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"],
    months: [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ],
};

const POLISH: Words = Words {
    ticket: "Bilet",
    ticket_type: "Rodzaj biletu",
    attendee: "Imię i nazwisko",
    reference: "Rezerwacja",
    number: "Bilet",
    of: "z",
    code: "Kod QR biletu",
    hint: "Pokaż ten kod przy wejściu. Wpuszcza jeden raz: nie przekazuj jego kopii.",
    weekdays: ["poniedziałek", "wtorek", "środa", "czwartek", "piątek", "sobota", "niedziela"],
    months: [
        "stycznia",
        "lutego",
        "marca",
        "kwietnia",
        "maja",
        "czerwca",
        "lipca",
        "sierpnia",
        "września",
        "października",
        "listopada",
        "grudnia",
    ],
};

impl Words {
    /// From when until when, on the clocks of the place, with the name of its zone.
    pub(crate) fn period(
        &self,
        start: Timestamp,
        end: Timestamp,
        zone: impl chrono::TimeZone + std::fmt::Display,
    ) -> String {
        let (start, end) = (start.with_timezone(&zone), end.with_timezone(&zone));
        let until = if start.date_naive() == end.date_naive() {
            clock(&end)
        } else {
            format!("{}, {}", self.day(&end), clock(&end))
        };
        format!("{}, {} – {until} ({zone})", self.day(&start), clock(&start))
    }

    fn day(&self, date: &impl Datelike) -> String {
        let weekday = self.weekdays.get(date.weekday().num_days_from_monday() as usize).unwrap_or(&"");
        let month = self.months.get(date.month0() as usize).unwrap_or(&"");
        format!("{weekday}, {} {month} {}", date.day(), date.year())
    }
}

fn clock(time: &impl Timelike) -> String {
    format!("{:02}:{:02}", time.hour(), time.minute())
}

#[cfg(test)]
mod tests {
    use chrono_tz::Europe::Warsaw;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn times_are_those_of_the_place() {
        let (start, end) = (at("2027-01-22T18:00:00Z"), at("2027-01-22T22:30:00Z"));
        let english = words(Language::English).period(start, end, Warsaw);
        assert_eq!(english, "Friday, 22 January 2027, 19:00 – 23:30 (Europe/Warsaw)");
        let polish = words(Language::Polish).period(start, at("2027-01-23T01:00:00Z"), Warsaw);
        assert_eq!(polish, "piątek, 22 stycznia 2027, 19:00 – sobota, 23 stycznia 2027, 02:00 (Europe/Warsaw)");
    }

    /// In the night when clocks go back an hour comes twice, and both ends are told as their clocks show them.
    #[test]
    fn a_night_with_two_hours_of_one_name_is_told_as_the_clocks_show_it() {
        let told = words(Language::English).period(at("2027-10-30T23:30:00Z"), at("2027-10-31T01:30:00Z"), Warsaw);
        assert_eq!(told, "Sunday, 31 October 2027, 01:30 – 02:30 (Europe/Warsaw)");
    }
}
