//! Mails go to an SMTP server.

use std::time::Duration;

use application::breaker::{Breaker, BreakerOpen};
use application::mail::DeliveryError;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::transport::smtp::{Error, PoolConfig};
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use secrecy::ExposeSecret;

use crate::mailer::MailSetupError;
use crate::settings::{SmtpAddress, SmtpSettings, TlsMode};

/// Connections that are kept.
const CONNECTIONS_MAX: u32 = 4;
/// For how long an unused one is kept: servers close them soon after.
const IDLE: Duration = Duration::from_secs(30);

/// A server, with the connections to it.
pub(crate) struct Smtp {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    deadline: Duration,
    breaker: Option<Breaker>,
}

impl Smtp {
    pub(crate) fn try_new(settings: &SmtpSettings) -> Result<Self, MailSetupError> {
        let SmtpAddress { host, port, tls } = &settings.address;
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host)
            .port(*port)
            .timeout(Some(settings.timeout))
            .pool_config(PoolConfig::new().max_size(CONNECTIONS_MAX).idle_timeout(IDLE))
            .tls(match tls {
                TlsMode::StartTls => Tls::Required(parameters(settings)?),
                TlsMode::Implicit => Tls::Wrapper(parameters(settings)?),
                TlsMode::None => Tls::None,
            });
        if let Some((user, password)) = &settings.login {
            builder = builder.credentials(Credentials::new(user.clone(), password.expose_secret().to_owned()));
        }
        Ok(Self { transport: builder.build(), deadline: settings.timeout * 3, breaker: None })
    }

    pub(crate) fn guard(&mut self, breaker: Breaker) {
        self.breaker = Some(breaker);
    }

    pub(crate) async fn send(&self, message: &Message) -> Result<(), DeliveryError> {
        let left_alone = |open: BreakerOpen| DeliveryError::Temporary(format!("the SMTP server: {open}"));
        let trial = self.breaker.as_ref().map(Breaker::admit).transpose().map_err(left_alone)?;
        let sent = tokio::time::timeout(self.deadline, self.transport.send(message.clone())).await;
        // Whoever says no has answered; and so has who cannot do what this one mail needs.
        let is_answer = |error: &Error| error.status().is_some() || error.is_client();
        let is_answered = sent.as_ref().is_ok_and(|sent| sent.as_ref().map_or_else(is_answer, |_| true));
        if let Some(trial) = trial.filter(|_| is_answered) {
            trial.answered();
        }
        match sent {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(told(&error)),
            Err(_) => Err(DeliveryError::Temporary("the SMTP server took too long".to_owned())),
        }
    }
}

fn parameters(settings: &SmtpSettings) -> Result<TlsParameters, MailSetupError> {
    let mut builder = TlsParameters::builder(settings.address.host.clone());
    if let Some(pem) = &settings.extra_roots {
        builder = builder.add_root_certificate(Certificate::from_pem(pem).map_err(|_| MailSetupError::Certificate)?);
    }
    builder.build().map_err(MailSetupError::Tls)
}

/// What went wrong, without what the server wrote: that often repeats the address.
fn told(error: &Error) -> DeliveryError {
    let code = error.status().map(|code| code.to_string());
    match code {
        // Who cannot sign in, or must not send unencrypted, is set up wrongly; that is no fault of the mail.
        Some(code) if matches!(code.as_str(), "530" | "534" | "535" | "538") => {
            DeliveryError::Temporary(format!("the SMTP server does not accept our login ({code})"))
        }
        Some(code) if error.is_permanent() => DeliveryError::Refused(format!("the SMTP server refused it with {code}")),
        Some(code) => DeliveryError::Temporary(format!("the SMTP server put it off with {code}")),
        None if error.is_timeout() => DeliveryError::Temporary("the SMTP server took too long".to_owned()),
        None if error.is_tls() => DeliveryError::Temporary("TLS to the SMTP server failed".to_owned()),
        None if error.is_client() => {
            // Something that the server lacks: STARTTLS, a login that both know, addresses with letters beyond ASCII.
            DeliveryError::Temporary("the SMTP server cannot do what this mail needs".to_owned())
        }
        None => DeliveryError::Temporary("the SMTP server cannot be reached".to_owned()),
    }
}
