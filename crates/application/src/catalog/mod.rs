//! Organizers and events: what is for sale, and by whom.

mod ports;

pub use ports::{CatalogReads, CatalogRepository, EventCursor, EventFilter, SeenSale};
