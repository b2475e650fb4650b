//! The labels of passes.

use domain::Language;

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
