//! Mails are put in.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::{EmailAddress, JobId, Language, Timestamp};
use secrecy::ExposeSecret;

use crate::clock::Ids;
use crate::error::AppError;
use crate::identity::{SealError, Sealer};
use crate::jobs::NewJob;
use crate::mail::content::Letter;
use crate::mail::send::KIND;
use crate::mail::{BOOKING_MAIL, Enclosed, Mail, MailContent};
use crate::store::UnitOfWork;

/// What a sealed mail is for, so that nothing else opens as one.
const PURPOSE: &str = "mail";

/// Puts mails in; every context that writes to people has one.
pub struct Mails {
    sealer: Arc<dyn Sealer>,
    ids: Arc<dyn Ids>,
    public_url: String,
}

/// An invitation to work for an organizer.
#[derive(Clone, Copy)]
pub struct OrganizerInvitation<'a> {
    /// Who is invited.
    pub to: &'a EmailAddress,
    /// In which language he is written to.
    pub language: Language,
    /// The name of the organizer.
    pub organizer: &'a str,
    /// What he shows to accept.
    pub token: &'a str,
    /// From then on the token is worth nothing.
    pub expires_at: Timestamp,
}

impl Mails {
    /// `public_url` is where people reach this instance, like `https://tickets.example.com`: links begin with it.
    #[must_use]
    pub fn new(sealer: Arc<dyn Sealer>, ids: Arc<dyn Ids>, public_url: &str) -> Self {
        Self { sealer, ids, public_url: public_url.trim_end_matches('/').to_owned() }
    }

    /// Invites somebody, once the transaction is committed. Twice sends two mails.
    ///
    /// # Errors
    /// What the store answers.
    pub async fn invite_to_organizer_in_op(
        &self,
        uow: &mut dyn UnitOfWork,
        invitation: OrganizerInvitation<'_>,
        now: Timestamp,
    ) -> Result<(), AppError> {
        let content = MailContent::OrganizerInvitation {
            organizer: invitation.organizer.to_owned(),
            link: self.link("invitation", invitation.token),
        };
        self.send_in_op(uow, invitation.to, invitation.language, content, (now, invitation.expires_at)).await
    }

    /// Sends a mail, once the transaction is committed. `within`: when it was caused, and until when it is worth
    /// sending.
    ///
    /// # Errors
    /// What the store answers.
    pub async fn send_in_op(
        &self,
        uow: &mut dyn UnitOfWork,
        to: &EmailAddress,
        language: Language,
        content: MailContent,
        (at, not_after): (Timestamp, Timestamp),
    ) -> Result<(), AppError> {
        let mail = Mail { id: self.ids.uuid(), to: to.clone(), language, content, encloses: None, at, not_after };
        uow.enqueue_job(&self.job(KIND, &mail)?).await?;
        Ok(())
    }

    /// Tells a buyer of his booking, with what the mail encloses; as [`Self::send_in_op`], but that such mails may wait
    /// for better times.
    ///
    /// # Errors
    /// What the store answers.
    pub async fn tell_in_op(
        &self,
        uow: &mut dyn UnitOfWork,
        to: &EmailAddress,
        language: Language,
        content: MailContent,
        encloses: Option<Enclosed>,
        (at, not_after): (Timestamp, Timestamp),
    ) -> Result<(), AppError> {
        let mail = Mail { id: self.ids.uuid(), to: to.clone(), language, content, encloses, at, not_after };
        uow.enqueue_job(&self.job(BOOKING_MAIL, &mail)?).await?;
        Ok(())
    }

    /// A link to a page of this instance. The token stands behind `#`, where browsers keep it to themselves: no server
    /// log and no `Referer` bears it.
    #[must_use]
    pub fn link(&self, page: &str, token: &str) -> String {
        format!("{}/account/{page}#token={token}", self.public_url)
    }

    fn job(&self, kind: &'static str, mail: &Mail) -> Result<NewJob, AppError> {
        let letter = serde_json::to_vec(&Letter::of(mail)).map_err(|_| AppError::Internal)?;
        let sealed = self.sealer.seal(PURPOSE, &letter)?;
        Ok(NewJob {
            id: JobId::new(mail.id),
            kind,
            subject: mail.id.to_string(),
            payload: serde_json::Value::String(STANDARD.encode(sealed)).to_string(),
            run_at: mail.at,
        })
    }
}

/// Why a mail cannot be read, in words for the log, without anything of the mail.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unreadable {
    #[error("it is no mail")]
    NoMail,
    #[error(transparent)]
    Sealed(#[from] SealError),
    /// A replica of a newer release may read it.
    #[error("it is no mail of this version")]
    OtherVersion,
}

/// The mail of a job.
///
/// # Errors
/// [`Unreadable`].
pub(super) fn open(sealer: &dyn Sealer, id: JobId, payload: &str) -> Result<Mail, Unreadable> {
    let text: String = serde_json::from_str(payload).map_err(|_| Unreadable::NoMail)?;
    let sealed = STANDARD.decode(text).map_err(|_| Unreadable::NoMail)?;
    let letter = sealer.open(PURPOSE, &sealed)?;
    let letter: Letter = serde_json::from_slice(letter.expose_secret()).map_err(|_| Unreadable::OtherVersion)?;
    letter.mail(id.uuid()).ok_or(Unreadable::OtherVersion)
}
