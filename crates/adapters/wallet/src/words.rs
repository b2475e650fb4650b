//! The labels of passes, and times as they are told there.

use chrono::SecondsFormat;
use domain::catalog::EventTerms;
use domain::{Language, Timestamp};

/// A time by the clocks of the event, with their offset (RFC 3339).
pub(crate) fn local(event: &EventTerms, at: Timestamp) -> String {
    at.with_timezone(&event.timezone).to_rfc3339_opts(SecondsFormat::Secs, false)
}

pub(crate) struct Words {
    pub(crate) ticket: &'static str,
    pub(crate) event: &'static str,
    pub(crate) begins: &'static str,
    pub(crate) place: &'static str,
    pub(crate) attendee: &'static str,
    pub(crate) ticket_type: &'static str,
    pub(crate) reference: &'static str,
    pub(crate) number: &'static str,
    pub(crate) of: &'static str,
}

pub(crate) const fn words(language: Language) -> &'static Words {
    match language {
        Language::English => &Words {
            ticket: "Ticket",
            event: "Event",
            begins: "Begins",
            place: "Place",
            attendee: "Name",
            ticket_type: "Ticket type",
            reference: "Booking",
            number: "Ticket",
            of: "of",
        },
        Language::Polish => &Words {
            ticket: "Bilet",
            event: "Wydarzenie",
            begins: "Początek",
            place: "Miejsce",
            attendee: "Imię i nazwisko",
            ticket_type: "Rodzaj biletu",
            reference: "Rezerwacja",
            number: "Bilet",
            of: "z",
        },
    }
}
