//! Tickets that go with mails.

use async_trait::async_trait;
use domain::{BookingId, Language, TicketId};

use super::printing::Paper;
use super::tickets::{Tickets, sheet};
use crate::catalog::calendar_file;
use crate::error::AppError;
use crate::mail::{Enclosed, Enclosure, Enclosures};

/// How many tickets one mail brings at most: about a megabyte. Who has more of them finds the rest where he has booked.
const ENCLOSED_MAX: usize = 50;

#[async_trait]
impl Enclosures for Tickets {
    /// The tickets that let in, as one PDF of a page each, and the event as a calendar file. None where none lets in.
    async fn enclosures(&self, of: Enclosed, language: Language) -> Result<Option<Vec<Enclosure>>, AppError> {
        let (tickets, booking) = match of {
            Enclosed::Tickets(booking) => {
                let booking = BookingId::new(booking);
                (self.ports.store.tickets_of(booking).await?, booking)
            }
            Enclosed::Ticket(ticket, issue) => match self.ports.store.ticket(TicketId::new(ticket)).await? {
                // Another issue is somebody else's.
                Some(ticket) if ticket.issue == issue => (vec![ticket.clone()], ticket.booking),
                _ => return Ok(None),
            },
        };
        let Some(booking) = self.ports.bookings.booking(booking).await? else { return Ok(None) };
        let Some(seen) = self.ports.events.sale(booking.event).await? else { return Ok(None) };
        let event = &seen.sale.event;
        let issued = self.issued(tickets, &booking).await?.into_iter().take(ENCLOSED_MAX);
        let sheets = issued.filter_map(|issued| sheet(issued, &booking, &event.terms, (language, Paper::A4)));
        let sheets: Vec<_> = sheets.collect();
        if sheets.is_empty() {
            return Ok(None);
        }
        let pdf = self.print(sheets).await?;
        let name = format!("tickets-{}.pdf", booking.reference);
        let calendar = calendar_file(event).into_bytes();
        Ok(Some(vec![
            Enclosure { name, media_type: "application/pdf", bytes: pdf },
            Enclosure { name: "event.ics".to_owned(), media_type: "text/calendar; charset=utf-8", bytes: calendar },
        ]))
    }
}
