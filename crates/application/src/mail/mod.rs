//! Mails to people.
//!
//! A use case puts a mail in by [`Mails::send_in_op`], within the transaction of the change that causes it: there is no
//! change without its mail, and no mail without its change. It waits as a job of the job table, sealed by the master
//! key, since mails bear secrets and names; [`SendMail`] renders it and hands it over, at least once, through the port
//! [`Mailer`]. To add a mail: a variant of [`MailContent`], and its templates in every language in the adapter.

mod content;
mod mails;
mod ports;
mod send;

pub use content::{Enclosed, Mail, MailContent};
pub use mails::{Mails, OrganizerInvitation};
pub use ports::{DeliveryError, Enclosure, Enclosures, Mailer};
pub use send::{BOOKING_MAIL, KINDS, SendMail};
