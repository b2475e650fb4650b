//! Mails: rendered in the reader's language (`render`), and handed to an SMTP server or written to a folder.
//!
//! The texts are files in `templates`, one folder a language; each mail has a text and an HTML form. To add a language,
//! add a folder and its line in `render`; the tests render every mail in every language.

mod folder;
mod mailer;
mod message;
mod render;
mod settings;
mod smtp;

pub use mailer::{MailSetupError, SystemMailer};
pub use settings::{Destination, MailSettings, SmtpAddress, SmtpSettings, SmtpUrlError, TlsMode};
