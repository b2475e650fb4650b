//! The port, fulfilled.

use application::breaker::Breaker;
use application::mail::{DeliveryError, Enclosure, Mail, Mailer};
use async_trait::async_trait;

use crate::folder::Folder;
use crate::message::Sender;
use crate::render::Renderer;
use crate::settings::{Destination, MailSettings};
use crate::smtp::Smtp;

/// Why mails cannot be sent as the settings say.
#[derive(Debug, thiserror::Error)]
pub enum MailSetupError {
    /// The sender is none.
    #[error("the sender of mails must be like `GoTicket <no-reply@example.com>`")]
    Sender,
    /// A certificate is none.
    #[error("the certificates for the SMTP server are not valid PEM")]
    Certificate,
    /// TLS cannot be set up.
    #[error("TLS to the SMTP server cannot be set up")]
    Tls(#[source] lettre::transport::smtp::Error),
    /// The folder cannot be made.
    #[error("the folder for mails cannot be made")]
    Folder(#[source] std::io::Error),
}

/// Sends mails to a server, or writes them to a folder.
pub struct SystemMailer {
    renderer: Renderer,
    sender: Sender,
    way: Way,
}

enum Way {
    Folder(Folder),
    Smtp(Smtp),
}

impl SystemMailer {
    /// Whether a sender is one: `GoTicket <no-reply@example.com>`, or the bare address.
    #[must_use]
    pub fn is_sender(from: &str) -> bool {
        Sender::parse(from).is_ok()
    }

    /// A mailer of these settings. The server is not asked before the first mail.
    ///
    /// # Errors
    /// [`MailSetupError`].
    pub fn try_new(settings: &MailSettings) -> Result<Self, MailSetupError> {
        let way = match &settings.destination {
            Destination::Folder(path) => Way::Folder(Folder::make(path).map_err(MailSetupError::Folder)?),
            Destination::Smtp(smtp) => Way::Smtp(Smtp::try_new(smtp)?),
        };
        Ok(Self { renderer: Renderer::new(), sender: Sender::parse(&settings.from)?, way })
    }

    /// The same, which leaves the server alone while it does not answer: a mail is then put off at once.
    #[must_use]
    pub fn guarded_by(mut self, breaker: Breaker) -> Self {
        if let Way::Smtp(smtp) = &mut self.way {
            smtp.guard(breaker);
        }
        self
    }
}

#[async_trait]
impl Mailer for SystemMailer {
    async fn deliver(&self, mail: &Mail, enclosures: Vec<Enclosure>) -> Result<(), DeliveryError> {
        let rendered = self.renderer.render(mail)?;
        let message = self.sender.message(mail, rendered, enclosures)?;
        match &self.way {
            Way::Folder(folder) => folder.put(mail, &message).await,
            Way::Smtp(smtp) => smtp.send(&message).await,
        }
    }
}
