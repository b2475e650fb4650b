//! Tickets that go with mails.

use std::time::Duration;

use async_trait::async_trait;
use domain::admission::{Ticket, TicketStatus};
use domain::booking::Booking;
use domain::catalog::Event;
use domain::{BookingId, Language, TicketId};

use super::passes::{Passes, Wallet};
use super::printing::{Paper, TicketSheet};
use super::tickets::{IssuedTicket, Tickets, sheet};
use crate::catalog::calendar_file;
use crate::error::AppError;
use crate::mail::{Enclosed, Enclosure, Enclosures};

/// How many tickets one mail brings at most: about a megabyte. Who has more of them finds the rest where he has booked.
const ENCLOSED_MAX: usize = 50;
/// How many of them as passes for a wallet besides, a file each.
const PASSES_MAX: usize = 10;

/// Before a mail is tried again whose tickets are all blocked.
const BLOCKED_PAUSE: Duration = Duration::from_secs(300);

/// What a mail brings.
pub(super) struct Brought {
    booking: Booking,
    event: Event,
    /// The tickets that let in; at least one.
    tickets: Vec<(Ticket, TicketSheet)>,
}

impl Tickets {
    /// The tickets that a mail brings, as they are now. None where none lets in any more; where all are blocked for the time
    /// being, [`AppError::Unavailable`].
    async fn brought(&self, of: Enclosed, language: Language) -> Result<Option<Brought>, AppError> {
        let (tickets, booking) = match of {
            Enclosed::Tickets(booking) => {
                let booking = BookingId::new(booking);
                let mut tickets = self.ports.store.tickets_of(booking).await?;
                // What is somebody else's by now went to him.
                tickets.retain(|ticket| !ticket.passed_on);
                (tickets, booking)
            }
            Enclosed::Ticket(ticket, issue) => match self.ports.store.ticket(TicketId::new(ticket)).await? {
                // Another issue is somebody else's.
                Some(ticket) if ticket.issue == issue => (vec![ticket.clone()], ticket.booking),
                _ => return Ok(None),
            },
        };
        let Some(booking) = self.ports.bookings.booking(booking).await? else { return Ok(None) };
        let Some(seen) = self.ports.events.sale(booking.event).await? else { return Ok(None) };
        let event = seen.sale.event;
        let mut issued = self.issued(tickets, &booking).await?;
        issued.truncate(ENCLOSED_MAX);
        let is_blocked = |issued: &IssuedTicket| matches!(issued.ticket.status, TicketStatus::Blocked(_));
        if !issued.is_empty() && issued.iter().all(is_blocked) {
            // They may let in again: the mail waits.
            return Err(AppError::Unavailable { retry_after: BLOCKED_PAUSE });
        }
        let tickets: Vec<_> = issued
            .into_iter()
            .filter_map(|issued| {
                Some((issued.ticket.clone(), sheet(issued, &booking, &event.terms, (language, Paper::A4))?))
            })
            .collect();
        Ok((!tickets.is_empty()).then_some(Brought { booking, event, tickets }))
    }
}

#[async_trait]
impl Enclosures for Passes {
    /// The tickets that let in: all as one PDF of a page each, the first ones for Apple Wallet where the organizer issues
    /// such passes; and the event as a calendar file. None where none lets in.
    async fn enclosures(&self, of: Enclosed, language: Language) -> Result<Option<Vec<Enclosure>>, AppError> {
        let Some(brought) = self.ports.tickets.brought(of, language).await? else { return Ok(None) };
        let sheets = brought.tickets.iter().map(|(_, sheet)| sheet.clone()).collect();
        let pdf = self.ports.tickets.print(sheets).await?;
        let name = format!("tickets-{}.pdf", brought.booking.reference);
        let calendar = calendar_file(&brought.event).into_bytes();
        let mut enclosures = vec![
            Enclosure { name, media_type: "application/pdf", bytes: pdf },
            Enclosure { name: "event.ics".to_owned(), media_type: "text/calendar; charset=utf-8", bytes: calendar },
        ];
        // Who issues no passes, or cannot at the moment, sends the rest all the same.
        if let Ok(issuing) = self.issuing(brought.event.organizer, Wallet::Apple).await {
            for (ticket, sheet) in brought.tickets.into_iter().take(PASSES_MAX) {
                let name = format!("ticket-{}.pkpass", ticket.unit);
                let bytes = issuing.pass(sheet, &ticket)?;
                enclosures.push(Enclosure { name, media_type: "application/vnd.apple.pkpass", bytes });
            }
        }
        Ok(Some(enclosures))
    }
}
