//! Mails get their head.

use std::time::{Duration, UNIX_EPOCH};

use application::mail::{DeliveryError, Enclosure, Mail};
use lettre::Message;
use lettre::message::header::{Header, HeaderName, HeaderValue};
use lettre::message::{Attachment, Mailbox, MultiPart};

use crate::mailer::MailSetupError;
use crate::render::Rendered;

/// Whose name mails bear.
pub(crate) struct Sender(Mailbox);

/// `Auto-Submitted` (RFC 3834): so that nobody's absence note answers.
#[derive(Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

/// `Content-Language` (RFC 3282).
#[derive(Clone)]
struct ContentLanguage(String);

impl Header for ContentLanguage {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Content-Language")
    }

    fn parse(tag: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self(tag.to_owned()))
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), self.0.clone())
    }
}

/// The words, and the files behind them.
fn enclosing(words: MultiPart, enclosures: Vec<Enclosure>) -> Result<MultiPart, DeliveryError> {
    if enclosures.is_empty() {
        return Ok(words);
    }
    enclosures.into_iter().try_fold(
        MultiPart::mixed().multipart(words),
        |mail, Enclosure { name, media_type, bytes }| {
            let no_type = |_| DeliveryError::Refused("what is enclosed has no valid type".to_owned());
            Ok(mail.singlepart(Attachment::new(name).body(bytes, media_type.parse().map_err(no_type)?)))
        },
    )
}

impl Sender {
    pub(crate) fn parse(from: &str) -> Result<Self, MailSetupError> {
        from.parse().map(Self).map_err(|_| MailSetupError::Sender)
    }

    /// The whole message.
    ///
    /// # Errors
    /// [`DeliveryError::Refused`] for an address that no mail can be sent to.
    pub(crate) fn message(
        &self,
        mail: &Mail,
        rendered: Rendered,
        enclosures: Vec<Enclosure>,
    ) -> Result<Message, DeliveryError> {
        let refused = |reason: &str| DeliveryError::Refused(reason.to_owned());
        let to = mail.to.as_str().parse().map_err(|_| refused("no mail can be sent to the address"))?;
        let micros = u64::try_from(mail.at.timestamp_micros()).unwrap_or_default();
        Message::builder()
            .from(self.0.clone())
            .to(Mailbox::new(None, to))
            .subject(rendered.subject)
            .message_id(Some(format!("<{}@{}>", mail.id, self.0.email.domain())))
            .date(UNIX_EPOCH + Duration::from_micros(micros))
            .header(AutoSubmitted)
            .header(ContentLanguage(mail.language.as_str().to_owned()))
            .multipart(enclosing(MultiPart::alternative_plain_html(rendered.text, rendered.html), enclosures)?)
            .map_err(|_| refused("the mail has no valid form"))
    }
}
