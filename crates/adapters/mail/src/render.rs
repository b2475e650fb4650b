//! Mails are put into words.

use std::collections::BTreeMap;

use application::mail::{DeliveryError, Mail};
use domain::Language;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, UndefinedBehavior, Value, context};

/// A mail in words.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Rendered {
    /// One line.
    pub(crate) subject: String,
    /// The text form.
    pub(crate) text: String,
    /// The HTML form.
    pub(crate) html: String,
}

/// The forms of one mail in one language.
macro_rules! templates {
    ($($language:literal: [$($name:literal),+ $(,)?]),+ $(,)?) => {
        &[$($(
            (
                concat!($language, "/", $name, ".txt"),
                include_str!(concat!("../templates/", $language, "/", $name, ".txt")),
            ),
            (
                concat!($language, "/", $name, ".html"),
                include_str!(concat!("../templates/", $language, "/", $name, ".html")),
            ),
        )+)+]
    };
}

/// In HTML alone: the way to follow the link of a mail.
const BUTTON: (&str, &str) = ("button.html", include_str!("../templates/button.html"));

const TEMPLATES: &[(&str, &str)] = templates! {
    "en": [
        "account_deleted", "booking_cancelled", "confirm_new_email", "confirm_old_email", "email_changed",
        "email_in_use", "event_cancelled", "event_moved", "identity_linked", "identity_unlinked", "layout",
        "organizer_invitation", "other_paid_back", "paid_back", "password_changed", "recovery_code_used", "recovery_codes_renewed", "reset_password",
        "second_factor_blocked", "second_factor_removed", "second_factor_set_up",
        "ticket_transferred", "tickets", "tickets_cancelled", "verify_email", "waiting_list_offer",
    ],
    "pl": [
        "account_deleted", "booking_cancelled", "confirm_new_email", "confirm_old_email", "email_changed",
        "email_in_use", "event_cancelled", "event_moved", "identity_linked", "identity_unlinked", "layout",
        "organizer_invitation", "other_paid_back", "paid_back", "password_changed", "recovery_code_used", "recovery_codes_renewed", "reset_password",
        "second_factor_blocked", "second_factor_removed", "second_factor_set_up",
        "ticket_transferred", "tickets", "tickets_cancelled", "verify_email", "waiting_list_offer",
    ],
};

/// More than any subject needs; a name in it may have a hundred characters.
const SUBJECT_CHARS_MAX: usize = 200;

/// Renders mails. What people have written is escaped in HTML, and cannot leave its line anywhere else.
pub(crate) struct Renderer(Environment<'static>);

impl Renderer {
    /// All templates, parsed.
    pub(crate) fn new() -> Self {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_auto_escape_callback(|name| match name.ends_with(".html") {
            true => AutoEscape::Html,
            false => AutoEscape::None,
        });
        for (name, source) in TEMPLATES.iter().chain([&BUTTON]) {
            environment.add_template(name, source).expect("the templates are compiled in, and a test renders each");
        }
        Self(environment)
    }

    /// The mail in its language.
    ///
    /// # Errors
    /// Never, but for a defect; then it is refused.
    pub(crate) fn render(&self, mail: &Mail) -> Result<Rendered, DeliveryError> {
        self.try_render(mail).map_err(|error| {
            tracing::error!(mail.name = mail.content.name(), kind = ?error.kind(), "A mail could not be rendered");
            DeliveryError::Refused("the mail could not be rendered".to_owned())
        })
    }

    fn try_render(&self, mail: &Mail) -> Result<Rendered, minijinja::Error> {
        let Mail { language, content, .. } = mail;
        let template = |form: &str| self.0.get_template(&format!("{}/{}.{form}", language.as_str(), content.name()));
        let values = one_line(&Value::from(Serde(content)))?;
        let until = mail.not_after.format("%Y-%m-%d %H:%M UTC").to_string();
        let values = context! { until, language => language.as_str(), ..values };
        let text = template("txt")?.render(&values)?;
        // The first line of the text form is the subject.
        let (subject, text) = text.split_once('\n').unwrap_or_default();
        let text = text.trim_start().to_owned();
        Ok(Rendered { subject: subject_line(subject), text, html: template("html")?.render(&values)? })
    }
}

/// The values with every run of white space and control characters as one space: names cannot make lines of their own,
/// neither in the text nor in the head of a mail.
fn one_line(values: &Value) -> Result<Value, minijinja::Error> {
    let mut lines = BTreeMap::new();
    for key in values.try_iter()? {
        let value = values.get_item(&key)?;
        let value = value.as_str().map_or_else(|| value.clone(), |text| Value::from(folded(text)));
        lines.insert(key.to_string(), value);
    }
    Ok(Value::from(lines))
}

fn folded(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control() || is_invisible(c));
    words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// Signs that turn the direction of what follows, or separate lines: a name could dress up as something else by them.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn subject_line(subject: &str) -> String {
    folded(subject).chars().take(SUBJECT_CHARS_MAX).collect()
}

/// The languages must all be spoken.
const _: () = assert!(Language::ALL.len() == 2, "a new language needs its folder of templates");

#[cfg(test)]
mod tests {
    use application::mail::MailContent;
    use domain::{EmailAddress, Timestamp};
    use uuid::Uuid;

    use super::*;

    #[test]
    fn the_first_line_is_the_subject() {
        let content = MailContent::OrganizerInvitation { organizer: "Kino".into(), link: "https://h/#t".into() };
        let (id, at) = (Uuid::nil(), Timestamp::UNIX_EPOCH);
        let to = EmailAddress::trusted("ana@example.com".into());
        let mail = Mail { id, to, language: Language::English, content, encloses: None, at, not_after: at };
        let rendered = Renderer::new().try_render(&mail).unwrap();
        assert_eq!(rendered.subject, "Invitation to work for Kino");
        assert!(rendered.text.starts_with("Hello,\n\nKino sells"), "{}", rendered.text);
    }

    #[test]
    fn a_line_stays_a_line() {
        assert_eq!(folded(" a\r\n\t b\u{2028}c\u{0}\u{202e}d "), "a b c d");
        assert_eq!(subject_line(&"x".repeat(500)).len(), SUBJECT_CHARS_MAX);
    }
}
