//! Mails over a real socket: rendered in every language, sent, taken by a server, and read again.

#![expect(clippy::unwrap_used, reason = "a test fails well by it")]

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use application::breaker::{Breaker, BreakerSettings};
use application::mail::{DeliveryError, Enclosure, Mail, MailContent, Mailer};
use domain::{EmailAddress, Language, Timestamp};
use goticket_adapter_mail::{Destination, MailSettings, SmtpSettings, SystemMailer};
use mail_parser::{MessageParser, MimeHeaders};
use proptest::prelude::*;
use testkit::clock::TestClock;
use testkit::smtp::{ReceivedMail, SmtpServer, SmtpServerSettings, TlsStart};
use uuid::Uuid;

const LINK: &str = "https://tickets.example.com/account/page#token=s3cr3t";

/// One mail of every kind.
fn contents(name: &str) -> Vec<MailContent> {
    let (link, when) = (LINK.to_owned(), "2027-01-15 08:00 UTC".to_owned());
    let all = vec![
        MailContent::OrganizerInvitation { organizer: name.to_owned(), link: link.clone() },
        MailContent::VerifyEmail { link: link.clone() },
        MailContent::ResetPassword { link: link.clone() },
        MailContent::PasswordChanged { when: when.clone() },
        MailContent::ConfirmOldEmail { new_email: "new@example.com".to_owned(), link: link.clone() },
        MailContent::ConfirmNewEmail { link },
        MailContent::IdentityLinked { provider: "Google".into(), when: "2027-01-15 09:00 UTC".into() },
        MailContent::IdentityUnlinked { provider: "Google".into(), when: "2027-01-15 09:00 UTC".into() },
        MailContent::EmailInUse {},
        MailContent::SecondFactorSetUp { when: when.clone() },
        MailContent::SecondFactorRemoved { when: when.clone() },
        MailContent::SecondFactorBlocked { when: when.clone() },
        MailContent::RecoveryCodeUsed { when: when.clone(), left: "9".to_owned() },
        MailContent::RecoveryCodesRenewed { when: when.clone() },
        MailContent::EmailChanged { when: when.clone() },
        MailContent::AccountDeleted { when: when.clone() },
        MailContent::Tickets {
            event: name.to_owned(),
            when: when.clone(),
            venue: "Hala Stulecia".into(),
            reference: "K7QW2M".into(),
            units: 3,
            total: "75.00 PLN".into(),
        },
        MailContent::TicketTransferred { event: name.to_owned(), when: when.clone(), venue: "Hala".into() },
        MailContent::BookingCancelled {
            event: name.to_owned(),
            when: when.clone(),
            reference: "K7QW2M".into(),
            paid_back: "75.00 PLN".into(),
        },
        MailContent::EventMoved {
            event: name.to_owned(),
            when: when.clone(),
            venue: "Hala".into(),
            reference: "K7QW2M".into(),
        },
        MailContent::EventCancelled {
            event: name.to_owned(),
            when: when.clone(),
            reference: "K7QW2M".into(),
            paid_back: "75.00 PLN".into(),
        },
        MailContent::TicketsCancelled {
            event: name.to_owned(),
            when: when.clone(),
            reference: "K7QW2M".into(),
            tickets: 2,
            paid_back: "50.00 PLN".into(),
        },
        MailContent::WaitingListOffer {
            event: name.to_owned(),
            when,
            tickets: "2 × Standing".into(),
            total: "50.00 PLN".into(),
            held_until: "2027-01-16 09:00 (Europe/Warsaw)".into(),
            reference: "K7QW2M".into(),
            link: "https://tickets.example.com/account/offer#token=01890".into(),
        },
        MailContent::OtherPaidBack { event: name.to_owned(), reference: "K7QW2M".into() },
        MailContent::PaidBack { event: name.to_owned(), reference: "K7QW2M".into(), amount: "5.00 PLN".into() },
    ];
    for content in &all {
        values(content);
    }
    let names: HashSet<_> = all.iter().map(MailContent::name).collect();
    assert_eq!(names.len(), all.len());
    all
}

fn mail(language: Language, content: MailContent) -> Mail {
    let at = Timestamp::from_timestamp(1_800_000_000, 0).unwrap();
    Mail {
        id: Uuid::from_u128(7),
        to: EmailAddress::parse("email", "ana@example.com").unwrap(),
        language,
        content,
        encloses: None,
        at,
        not_after: at + Duration::from_secs(3_600),
    }
}

fn invitation(name: &str) -> Mail {
    mail(Language::English, contents(name).remove(0))
}

fn mailer(url: &str, extra_roots: Option<Vec<u8>>) -> SystemMailer {
    let smtp = SmtpSettings { extra_roots, ..SmtpSettings::parse(url, Duration::from_millis(500)).unwrap() };
    let from = "Zażółć <no-reply@shop.example.com>".to_owned();
    SystemMailer::try_new(&MailSettings { from, destination: Destination::Smtp(smtp) }).unwrap()
}

fn plain(server: &SmtpServer) -> SystemMailer {
    mailer(&format!("smtp://{}?tls=none", server.address()), None)
}

/// What a reader sees.
struct Read {
    subject: String,
    text: String,
    html: String,
    headers: Vec<String>,
}

fn read(mail: &ReceivedMail) -> Read {
    let message = MessageParser::default().parse(&mail.data).unwrap();
    assert!(message.content_type().is_some_and(|it| it.subtype() == Some("alternative")));
    assert_eq!((message.text_body_count(), message.html_body_count(), message.attachment_count()), (1, 1, 0));
    Read {
        subject: message.subject().unwrap().to_owned(),
        text: message.body_text(0).unwrap().into_owned(),
        html: message.body_html(0).unwrap().into_owned(),
        headers: message.headers().iter().map(|header| header.name().to_lowercase()).collect(),
    }
}

/// One address that the server cannot take must not keep the mails of everybody.
#[tokio::test]
async fn a_mail_that_the_server_cannot_take_says_nothing_about_the_server() {
    let settings = SmtpServerSettings { ascii_only: true, ..SmtpServerSettings::default() };
    let server = SmtpServer::start_with(settings).await;
    let breaker = BreakerSettings { failures: 1, ..BreakerSettings::default() };
    let mailer = plain(&server).guarded_by(Breaker::new("smtp", breaker, Arc::new(TestClock::default())));
    let to = EmailAddress::parse("email", "zażółć@example.com").unwrap();
    for _ in 0..2 {
        let odd = Mail { to: to.clone(), ..invitation("Kino") };
        assert!(matches!(mailer.deliver(&odd, Vec::new()).await, Err(DeliveryError::Temporary(_))));
        mailer.deliver(&invitation("Kino"), Vec::new()).await.unwrap();
    }
    server.fall_silent(true);
    assert!(mailer.deliver(&invitation("Kino"), Vec::new()).await.is_err());
    server.fall_silent(false);
    assert!(mailer.deliver(&invitation("Kino"), Vec::new()).await.is_err(), "and silence does");
}

#[tokio::test]
async fn every_mail_arrives_as_text_and_html_in_every_language() {
    let server = SmtpServer::start().await;
    let mailer = plain(&server);
    for language in Language::ALL {
        for content in contents("Kino Łódź") {
            mailer.deliver(&mail(language, content.clone()), Vec::new()).await.unwrap();
            let received = server.mails().pop().unwrap();
            assert_eq!(
                (received.from.as_str(), &*received.to),
                ("no-reply@shop.example.com", &["ana@example.com".to_owned()][..])
            );
            let message = MessageParser::default().parse(&received.data).unwrap();
            assert_eq!(message.message_id(), Some("00000000-0000-0000-0000-000000000007@shop.example.com"));
            assert_eq!(message.date().unwrap().to_timestamp(), 1_800_000_000);
            assert_eq!(message.from().unwrap().first().unwrap().name(), Some("Zażółć"));
            assert_eq!(message.header_raw("Auto-Submitted").map(str::trim), Some("auto-generated"));
            assert_eq!(message.header_raw("Content-Language").map(str::trim), Some(language.as_str()));
            let read = read(&received);
            let greeting = if language == Language::Polish { "Dzień dobry" } else { "Hello" };
            for form in [&read.text, &read.html] {
                assert!(form.contains(greeting), "{form}");
                assert!(!form.contains("{{") && !form.contains("{%"), "{form}");
            }
            assert!(!read.subject.is_empty() && !read.text.starts_with(&read.subject), "{}", read.subject);
            for value in values(&content) {
                assert!(read.text.contains(value), "{value}: {}", read.text);
                assert!(unescaped(&read.html).contains(value), "{value}: {}", read.html);
            }
            if values(&content).contains(&LINK) {
                assert!(unescaped(&read.html).contains(&format!("href=\"{LINK}\"")), "{}", read.html);
                assert!(read.text.contains("2027-01-15 09:00 UTC"), "until when: {}", read.text);
            }
            assert!(read.html.contains(&format!("<html lang=\"{}\">", language.as_str())));
        }
    }
}

/// What a mail must show in both forms. A new kind does not compile before it stands here, and in the list above.
fn values(content: &MailContent) -> Vec<&str> {
    match content {
        MailContent::OrganizerInvitation { organizer, link } => vec![organizer, link],
        MailContent::VerifyEmail { link }
        | MailContent::ResetPassword { link }
        | MailContent::ConfirmNewEmail { link } => vec![link],
        MailContent::ConfirmOldEmail { new_email, link } => vec![new_email, link],
        MailContent::PasswordChanged { when }
        | MailContent::EmailChanged { when }
        | MailContent::SecondFactorSetUp { when }
        | MailContent::SecondFactorRemoved { when }
        | MailContent::SecondFactorBlocked { when }
        | MailContent::RecoveryCodesRenewed { when }
        | MailContent::AccountDeleted { when } => vec![when],
        MailContent::RecoveryCodeUsed { when, left } => vec![when, left],
        MailContent::IdentityLinked { provider, when } | MailContent::IdentityUnlinked { provider, when } => {
            vec![provider, when]
        }
        MailContent::EmailInUse {} => Vec::new(),
        MailContent::Tickets { event, when, venue, reference, units: 3, total } => {
            vec![event, when, venue, reference, "3", total]
        }
        MailContent::Tickets { .. } => panic!("three of them"),
        MailContent::TicketTransferred { event, when, venue } => vec![event, when, venue],
        MailContent::EventMoved { event, when, venue, reference } => vec![event, when, venue, reference],
        MailContent::BookingCancelled { event, when, reference, paid_back }
        | MailContent::EventCancelled { event, when, reference, paid_back } => vec![event, when, reference, paid_back],
        MailContent::TicketsCancelled { event, when, reference, tickets: 2, paid_back } => {
            vec![event, when, reference, "2", paid_back]
        }
        MailContent::TicketsCancelled { .. } => panic!("two of them"),
        MailContent::WaitingListOffer { event, when, tickets, total, held_until, reference, link } => {
            vec![event, when, tickets, total, held_until, reference, link]
        }
        MailContent::OtherPaidBack { event, reference } => vec![event, reference],
        MailContent::PaidBack { event, reference, amount } => vec![event, reference, amount],
    }
}

fn unescaped(html: &str) -> String {
    html.replace("&#x2f;", "/").replace("&#x3d;", "=")
}

/// What is nothing leaves no line of its own.
#[tokio::test]
async fn what_there_is_not_is_not_told() {
    let server = SmtpServer::start().await;
    let mailer = plain(&server);
    let of = || ("Gala".to_owned(), "2027-01-15 08:00 (UTC)".to_owned(), "K7QW2M".to_owned());
    for language in Language::ALL {
        let ((event, when, reference), none) = (of(), String::new());
        let tickets =
            MailContent::Tickets { event, when, venue: none.clone(), reference, units: 1, total: none.clone() };
        let (event, when, reference) = of();
        let cancelled = MailContent::EventCancelled { event, when, reference, paid_back: none };
        for (content, words) in
            [(tickets, ["Where", "Total", "Gdzie", "Razem"]), (cancelled, ["give back", "Zwracamy", "PLN", "EUR"])]
        {
            mailer.deliver(&mail(language, content), Vec::new()).await.unwrap();
            let read = read(&server.mails().pop().unwrap());
            for word in words {
                assert!(!read.text.contains(word) && !read.html.contains(word), "{word}: {}", read.text);
            }
            assert!(!read.text.contains("\n\n\n"), "{}", read.text);
        }
    }
}

#[tokio::test]
async fn what_is_enclosed_arrives_as_it_was() {
    let server = SmtpServer::start().await;
    let bytes: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    let file = |name: &str, media_type, bytes| Enclosure { name: name.to_owned(), media_type, bytes };
    let calendar = "BEGIN:VCALENDAR\r\nSUMMARY:Zażółć\r\n.\r\nEND:VCALENDAR\r\n".as_bytes().to_vec();
    let files = vec![
        file("tickets-K7QW2M.pdf", "application/pdf", bytes.clone()),
        file("event.ics", "text/calendar; charset=utf-8", calendar.clone()),
    ];
    plain(&server).deliver(&invitation("Hall"), files).await.unwrap();
    let received = server.mails().pop().unwrap();
    let message = MessageParser::default().parse(&received.data).unwrap();
    assert!(message.content_type().is_some_and(|it| it.subtype() == Some("mixed")));
    assert_eq!((message.text_body_count(), message.html_body_count()), (1, 1));
    let names: Vec<_> = message.attachments().map(|part| part.attachment_name().unwrap()).collect();
    assert_eq!(names, ["tickets-K7QW2M.pdf", "event.ics"]);
    let contents: Vec<_> = message.attachments().map(|part| part.contents().to_vec()).collect();
    assert_eq!(contents, [bytes, calendar]);
    let types: Vec<_> = message.attachments().map(|part| part.content_type().unwrap().subtype().unwrap()).collect();
    assert_eq!(types, ["pdf", "calendar"]);
    let wrong = file("x", "no type", Vec::new());
    let refused = plain(&server).deliver(&invitation("Hall"), vec![wrong]).await.unwrap_err();
    assert!(matches!(refused, DeliveryError::Refused(_)), "{refused}");
}

#[tokio::test]
async fn hostile_names_are_harmless() {
    let server = SmtpServer::start().await;
    let mailer = plain(&server);
    for (name, shown) in [
        ("<script>alert(1)</script>", "<script>alert(1)</script>"),
        ("x\r\nBcc: eve@example.com\r\n\r\nbody", "x Bcc: eve@example.com body"),
        ("x\u{2028}Bcc: eve@example.com\u{85}y", "x Bcc: eve@example.com y"),
        ("\u{202e}moc.elpmaxe", "moc.elpmaxe"),
        ("{{ link }}{% raw %}", "{{ link }}{% raw %}"),
        ("\" onclick=\"steal()", "\" onclick=\"steal()"),
        (".\r\n.\r\nQUIT", ". . QUIT"),
    ] {
        mailer.deliver(&invitation(name), Vec::new()).await.unwrap();
        let received = server.mails().pop().unwrap();
        assert_eq!(received.to, ["ana@example.com"]);
        let read = read(&received);
        assert_eq!(read.subject, format!("Invitation to work for {shown}"));
        assert!(read.text.contains(&format!("{shown} sells tickets")), "{}", read.text);
        assert!(!read.html.contains("<script") && !read.html.contains("\" onclick"), "{}", read.html);
        assert!(!read.headers.iter().any(|name| name == "bcc"), "{:?}", read.headers);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Whatever people write, the head of the mail is what we made it.
    #[test]
    fn no_name_changes_the_head(name in any::<String>()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let read = runtime.block_on(async {
            let server = SmtpServer::start().await;
            plain(&server).deliver(&invitation(&name), Vec::new()).await.unwrap();
            read(&server.mails().pop().unwrap())
        });
        let mut headers = read.headers;
        headers.sort();
        let expected = ["auto-submitted", "content-language", "content-type", "date", "from", "message-id", "mime-version", "subject", "to"];
        prop_assert_eq!(headers, expected);
    }
}

#[tokio::test]
async fn what_the_server_says_decides_whether_it_is_tried_again() {
    let server = SmtpServer::start().await;
    let mailer = plain(&server);
    server.answer_next("550 <ana@example.com> unknown");
    let refused = mailer.deliver(&invitation("Hall"), Vec::new()).await.unwrap_err();
    assert_eq!(refused, DeliveryError::Refused("the SMTP server refused it with 550".to_owned()));
    server.answer_next("451 <ana@example.com> later");
    let put_off = mailer.deliver(&invitation("Hall"), Vec::new()).await.unwrap_err();
    assert_eq!(put_off, DeliveryError::Temporary("the SMTP server put it off with 451".to_owned()));
    mailer.deliver(&invitation("Hall"), Vec::new()).await.unwrap();
    assert_eq!(server.mails().len(), 1);
}

#[tokio::test]
async fn a_server_that_is_silent_or_away_costs_a_bounded_time() {
    let server = SmtpServer::start().await;
    let mailer = plain(&server);
    server.fall_silent(true);
    let began = std::time::Instant::now();
    let error = mailer.deliver(&invitation("Hall"), Vec::new()).await.unwrap_err();
    assert!(matches!(error, DeliveryError::Temporary(_)), "{error}");
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let away = super_mailer(&format!("smtp://{nobody}?tls=none"));
    assert!(matches!(away.deliver(&invitation("Hall"), Vec::new()).await, Err(DeliveryError::Temporary(_))));
    server.fall_silent(false);
    mailer.deliver(&invitation("Hall"), Vec::new()).await.unwrap();
}

fn super_mailer(url: &str) -> SystemMailer {
    mailer(url, None)
}

/// A server with TLS, and the certificate that it is to be known by.
async fn tls_server(start: TlsStart) -> (SmtpServer, Vec<u8>) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let settings = SmtpServerSettings {
        tls: Some((Arc::new(config), start)),
        login: Some(("shop", "hunter2")),
        ascii_only: false,
    };
    (SmtpServer::start_with(settings).await, made.cert.pem().into_bytes())
}

#[tokio::test]
async fn tls_begins_at_once_or_on_demand_and_the_login_goes_over_it() {
    for (start, scheme) in [(TlsStart::AtOnce, "smtps"), (TlsStart::OnDemand, "smtp")] {
        let (server, root) = tls_server(start).await;
        let port = server.address().port();
        let right = mailer(&format!("{scheme}://shop:hunter2@localhost:{port}"), Some(root.clone()));
        right.deliver(&invitation("Hall"), Vec::new()).await.unwrap();
        let received = server.mails().pop().unwrap();
        assert!(received.over_tls, "{start:?}");
        assert_eq!(received.login, Some(("shop".to_owned(), "hunter2".to_owned())));
        let wrong = mailer(&format!("{scheme}://shop:wrong@localhost:{port}"), Some(root.clone()));
        let error = wrong.deliver(&invitation("Hall"), Vec::new()).await.unwrap_err();
        let told = "the SMTP server does not accept our login (535)".to_owned();
        assert_eq!(error, DeliveryError::Temporary(told), "it is set up wrongly, and that can be mended");
        let stranger = mailer(&format!("{scheme}://shop:hunter2@localhost:{port}"), None);
        assert!(matches!(stranger.deliver(&invitation("Hall"), Vec::new()).await, Err(DeliveryError::Temporary(_))));
        let other_name = mailer(&format!("{scheme}://shop:hunter2@127.0.0.1:{port}"), Some(root));
        assert!(matches!(other_name.deliver(&invitation("Hall"), Vec::new()).await, Err(DeliveryError::Temporary(_))));
        assert_eq!(server.mails().len(), 1);
    }
}

#[tokio::test]
async fn nothing_is_said_to_a_server_that_does_not_start_tls() {
    let server = SmtpServer::start().await;
    let demanding = mailer(&format!("smtp://shop:hunter2@localhost:{}", server.address().port()), None);
    assert!(matches!(demanding.deliver(&invitation("Hall"), Vec::new()).await, Err(DeliveryError::Temporary(_))));
    assert!(server.mails().is_empty());
}

#[tokio::test]
async fn without_a_server_mails_are_files_for_their_owner_alone() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("data/mails");
    let settings =
        MailSettings { from: "no-reply@localhost".to_owned(), destination: Destination::Folder(folder.clone()) };
    let mailer = SystemMailer::try_new(&settings).unwrap();
    for _ in 0..2 {
        mailer.deliver(&invitation("Hall"), Vec::new()).await.unwrap();
    }
    let files: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), 1, "the same mail twice is one file: {files:?}");
    assert_eq!(files[0].extension().unwrap(), "eml");
    let data = std::fs::read(&files[0]).unwrap();
    let message = MessageParser::default().parse(&data).unwrap();
    assert!(message.body_text(0).unwrap().contains(LINK));
    #[cfg(unix)]
    for (path, mode) in [(&files[0], 0o600), (&folder, 0o700)] {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(path).unwrap().permissions().mode() & 0o777, mode);
    }
}
