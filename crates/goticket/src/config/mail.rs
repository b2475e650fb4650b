//! Sections `mail` and `smtp`: how GoTicket writes to people.

use std::path::PathBuf;

use adapter_mail::{Destination, MailSettings, SmtpSettings, SystemMailer};
use anyhow::Context;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};

use super::error::{Wrong, check_range};
use super::{Breaker, HumanDuration, MaskedUrl, Secret, Settings};

/// The sender where no server is set, so that nothing leaves the machine.
const LOCAL_FROM: &str = "GoTicket <no-reply@localhost>";

/// Mails.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub struct Mail {
    /// The sender, like `GoTicket <no-reply@example.com>`; must be set where `smtp.url` is.
    pub from: Option<String>,
    /// How often a mail is tried before it is given up.
    pub tries_max: u32,
}

impl Default for Mail {
    fn default() -> Self {
        Self { from: None, tries_max: 12 }
    }
}

impl Mail {
    pub(super) fn validate(&self, smtp: &Smtp) -> Result<(), Wrong> {
        check_range("mail.tries_max", &self.tries_max, 1..=100)?;
        match &self.from {
            None if smtp.url.is_some() => Err(Wrong::new("mail.from", "must be set where `smtp.url` is")),
            Some(from) if !SystemMailer::is_sender(from) => {
                Err(Wrong::new("mail.from", "must be like \"GoTicket <no-reply@example.com>\""))
            }
            _ => Ok(()),
        }
    }
}

/// The server that mails go to; without one they are written to a folder.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub struct Smtp {
    /// `smtp://user:password@host:port` (STARTTLS), `smtps://…` (TLS from the start), or, on this machine alone,
    /// `smtp://127.0.0.1:1025?tls=none`.
    pub url: Option<MaskedUrl>,
    /// The password, where it does not stand in the URL.
    pub password: Option<Secret>,
    /// A file with certificates (PEM) that are trusted besides those of the system.
    pub ca_path: Option<PathBuf>,
    /// How long connecting, and each answer, may take.
    pub timeout: HumanDuration,
    /// When a server that does not answer is left alone.
    pub breaker: Breaker,
}

impl Default for Smtp {
    fn default() -> Self {
        Self {
            url: None,
            password: None,
            ca_path: None,
            timeout: HumanDuration::from_secs(5),
            breaker: Breaker::default(),
        }
    }
}

impl Smtp {
    pub(super) fn validate(&self) -> Result<(), Wrong> {
        let bounds = HumanDuration::from_millis(100)..=HumanDuration::from_secs(60);
        check_range("smtp.timeout", &self.timeout, bounds)?;
        self.breaker.validate("smtp.breaker.failures", "smtp.breaker.open_for")?;
        match &self.url {
            Some(url) => match SmtpSettings::parse(url.expose(), self.timeout.std()) {
                Ok(parsed) if self.password.is_some() && parsed.login.is_none() => {
                    Err(Wrong::new("smtp.password", "wants a user in `smtp.url`: smtp://user@host"))
                }
                Ok(_) => Ok(()),
                Err(error) => Err(Wrong::new("smtp.url", error.to_string())),
            },
            None if self.password.is_some() => Err(Wrong::new("smtp.password", "wants `smtp.url`")),
            None => Ok(()),
        }
    }

    fn settings(&self, url: &MaskedUrl) -> anyhow::Result<SmtpSettings> {
        let mut settings = SmtpSettings::parse(url.expose(), self.timeout.std()).context("`smtp.url`")?;
        if let (Some((_, password)), Some(secret)) = (&mut settings.login, &self.password) {
            *password = secret.secret().expose_secret().into();
        }
        if let Some(path) = &self.ca_path {
            let pem = std::fs::read(path).with_context(|| format!("`smtp.ca_path`: {}", path.display()))?;
            settings.extra_roots = Some(pem);
        }
        Ok(settings)
    }
}

impl Settings {
    /// How mails leave.
    ///
    /// # Errors
    /// If the file with certificates cannot be read.
    pub fn mailer(&self) -> anyhow::Result<MailSettings> {
        let destination = match &self.smtp.url {
            Some(url) => Destination::Smtp(self.smtp.settings(url)?),
            None => Destination::Folder(self.mails_dir()),
        };
        Ok(MailSettings { from: self.mail.from.clone().unwrap_or_else(|| LOCAL_FROM.to_owned()), destination })
    }

    /// Where mails are written to without a server.
    #[must_use]
    pub fn mails_dir(&self) -> PathBuf {
        self.data_dir.join("mails")
    }
}
