//! `goticket verify`.
