//! How mails leave.

use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;
use url::Url;

/// Where mails go, and whose name they bear.
#[derive(Clone, Debug)]
pub struct MailSettings {
    /// The sender, like `GoTicket <no-reply@example.com>`.
    pub from: String,
    /// Where they go.
    pub destination: Destination,
}

/// Where mails go.
#[derive(Clone, Debug)]
pub enum Destination {
    /// Into a folder, one file each: for those who try GoTicket out.
    Folder(PathBuf),
    /// To an SMTP server.
    Smtp(SmtpSettings),
}

/// An SMTP server.
#[derive(Clone, Debug)]
pub struct SmtpSettings {
    /// Where it is.
    pub address: SmtpAddress,
    /// User and password; none where it asks for neither.
    pub login: Option<(String, SecretString)>,
    /// Certificates in PEM that are trusted besides those of the system.
    pub extra_roots: Option<Vec<u8>>,
    /// The longest that connecting, and each answer of the server, may take; the whole delivery may take three times
    /// that.
    pub timeout: Duration,
}

/// How a connection to a server is protected.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TlsMode {
    /// It begins in plain text and goes on in TLS before anything is said; else nothing is said.
    StartTls,
    /// TLS from the first byte.
    Implicit,
    /// No TLS: only on the machine itself.
    None,
}

/// The address of a server, without its login.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SmtpAddress {
    /// Its name, which its certificate must bear.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How it is talked to.
    pub tls: TlsMode,
}

/// A URL that is none of an SMTP server. It does not repeat the URL, which may bear a password.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SmtpUrlError {
    /// It is no such URL.
    #[error("must be like smtp://user:password@mail.example.com:587 (STARTTLS) or smtps://mail.example.com (TLS)")]
    Malformed,
    /// It asks for a connection in plain text to another machine.
    #[error("`tls=none` is for a server on this machine alone: its host must be localhost or a loopback address")]
    PlainAbroad,
}

impl SmtpSettings {
    /// Parses `smtp://[user[:password]@]host[:port]` (STARTTLS, port 587), `smtps://…` (TLS from the start, port 465),
    /// or `smtp://127.0.0.1[:port]?tls=none` (no TLS, port 25).
    ///
    /// # Errors
    /// [`SmtpUrlError`].
    pub fn parse(url: &str, timeout: Duration) -> Result<Self, SmtpUrlError> {
        let url = Url::parse(url).map_err(|_| SmtpUrlError::Malformed)?;
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or(SmtpUrlError::Malformed)?;
        let (tls, port) = match (url.scheme(), url.query()) {
            ("smtp", None) => (TlsMode::StartTls, 587),
            ("smtps", None) => (TlsMode::Implicit, 465),
            ("smtp", Some("tls=none")) if is_loopback(host) => (TlsMode::None, 25),
            ("smtp", Some("tls=none")) => return Err(SmtpUrlError::PlainAbroad),
            _ => return Err(SmtpUrlError::Malformed),
        };
        if !matches!(url.path(), "" | "/") || url.fragment().is_some() {
            return Err(SmtpUrlError::Malformed);
        }
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let address = SmtpAddress { host, port: url.port().unwrap_or(port), tls };
        Ok(Self { address, login: login(&url)?, extra_roots: None, timeout })
    }
}

fn login(url: &Url) -> Result<Option<(String, SecretString)>, SmtpUrlError> {
    if url.username().is_empty() {
        return if url.password().is_none() { Ok(None) } else { Err(SmtpUrlError::Malformed) };
    }
    let plain = |text: &str| unescape(text).ok_or(SmtpUrlError::Malformed);
    Ok(Some((plain(url.username())?, plain(url.password().unwrap_or_default())?.into())))
}

/// Undoes the percent encoding of user and password.
fn unescape(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        rest = behind;
        if *first == b'%' {
            let digits = std::str::from_utf8(behind.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &behind[2..];
        } else {
            bytes.push(*first);
        }
    }
    String::from_utf8(bytes).ok()
}

fn is_loopback(host: &str) -> bool {
    let ip = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    host.eq_ignore_ascii_case("localhost") || ip.is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn parse(url: &str) -> Result<SmtpSettings, SmtpUrlError> {
        SmtpSettings::parse(url, Duration::from_secs(1))
    }

    fn address(url: &str) -> (String, u16, TlsMode) {
        let SmtpAddress { host, port, tls } = parse(url).unwrap().address;
        (host, port, tls)
    }

    #[test]
    fn the_scheme_says_how_it_is_protected() {
        assert_eq!(address("smtp://mail.example.com"), ("mail.example.com".into(), 587, TlsMode::StartTls));
        assert_eq!(address("smtps://mail.example.com/"), ("mail.example.com".into(), 465, TlsMode::Implicit));
        assert_eq!(address("smtp://127.0.0.1:1025?tls=none"), ("127.0.0.1".into(), 1025, TlsMode::None));
        assert_eq!(address("smtp://[::1]?tls=none"), ("::1".into(), 25, TlsMode::None));
    }

    #[test]
    fn nobody_talks_in_plain_text_to_another_machine() {
        for host in ["mail.example.com", "10.0.0.1", "localhost.example.com", "127.0.0.1.example.com"] {
            assert_eq!(parse(&format!("smtp://{host}?tls=none")).unwrap_err(), SmtpUrlError::PlainAbroad, "{host}");
        }
    }

    #[test]
    fn a_login_may_bear_any_character_and_is_not_printed() {
        let settings = parse("smtp://no-reply%40example.com:p%3A%2Fss%C5%82@mail.example.com").unwrap();
        let (user, password) = settings.login.clone().unwrap();
        assert_eq!((user.as_str(), password.expose_secret()), ("no-reply@example.com", "p:/ssł"));
        assert!(!format!("{settings:?}").contains("p:/ss"));
        assert!(parse("smtp://mail.example.com").unwrap().login.is_none());
    }

    #[test]
    fn what_is_no_such_url_is_refused() {
        for bad in [
            "",
            "mail.example.com",
            "http://mail.example.com",
            "smtp://",
            "smtp://:secret@mail.example.com",
            "smtp://u:%ff@mail.example.com",
            "smtp://u:%e@mail.example.com",
            "smtp://mail.example.com/path",
            "smtp://mail.example.com?tls=maybe",
            "smtps://127.0.0.1?tls=none",
        ] {
            assert_eq!(parse(bad).unwrap_err(), SmtpUrlError::Malformed, "{bad}");
        }
    }
}
