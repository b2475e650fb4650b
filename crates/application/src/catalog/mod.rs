//! Organizers and events: what is for sale, and by whom.
//!
//! New things are made by a unit of work; every change of an event goes through its lane at the booking desk, because
//! each booking is decided by the terms before or after it and never by a mixture.

mod api_keys;
mod calendar;
mod create_event;
mod events;
mod invitation_store;
mod invitations;
mod members;
mod organizers;
mod pages;
mod ports;
mod service;

pub use api_keys::IssuedApiKey;
pub use calendar::calendar_file;
pub use create_event::CreateEvent;
pub use events::{EventRef, SeenEvent};
pub use invitation_store::{InvitationReads, InvitationRepository};
pub use ports::{
    CatalogReads, CatalogRepository, EventCursor, EventFilter, Inside, MemberCursor, SeenMember, SeenSale,
};
pub use service::{Catalog, CatalogPorts, CatalogSettings};
