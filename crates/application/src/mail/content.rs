//! What a mail says, before it is put into words.

use std::fmt;

use chrono::SubsecRound;
use domain::{EmailAddress, Language, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// One mail to one person.
#[derive(Clone, PartialEq, Eq)]
pub struct Mail {
    /// Its own id, also of its job and in its `Message-ID`: a mail that was sent twice can be told.
    pub id: Uuid,
    /// To whom.
    pub to: EmailAddress,
    /// In which language.
    pub language: Language,
    /// What it says.
    pub content: MailContent,
    /// What goes with it, made when it is sent.
    pub encloses: Option<Enclosed>,
    /// When it was caused.
    pub at: Timestamp,
    /// From then on it is worth nothing, and is not sent any more.
    pub not_after: Timestamp,
}

/// What goes with a mail.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Enclosed {
    /// The tickets of a booking, and the event for calendars.
    Tickets(Uuid),
    /// One ticket by this issue of its code, and the event for calendars.
    Ticket(Uuid, u32),
}

/// What a mail says. Each variant has a template of its [`name`](MailContent::name) in every language; its fields are
/// the values of the template. Links bear secrets.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case")]
pub enum MailContent {
    /// Somebody is asked to work for an organizer.
    OrganizerInvitation {
        /// The name of the organizer, as its people have written it.
        organizer: String,
        /// Where it is accepted.
        link: String,
    },
    /// A new account is to show that its address is its own.
    VerifyEmail {
        /// Where it does.
        link: String,
    },
    /// Somebody may choose a password.
    ResetPassword {
        /// Where he does.
        link: String,
    },
    /// The password was changed.
    PasswordChanged {
        /// When.
        when: String,
    },
    /// The account is to get another address: to the present one.
    ConfirmOldEmail {
        /// The other address.
        new_email: String,
        /// Where one agrees.
        link: String,
    },
    /// The account is to get another address: to that one.
    ConfirmNewEmail {
        /// Where one agrees.
        link: String,
    },
    /// Another account was to get the address of this one.
    EmailInUse {},
    /// Somebody can sign in by a provider from now on.
    IdentityLinked {
        /// What people call the provider.
        provider: String,
        /// Since when.
        when: String,
    },
    /// Nobody signs in by a provider any more.
    IdentityUnlinked {
        /// What people call the provider.
        provider: String,
        /// Since when.
        when: String,
    },
    /// A code is asked for at every sign-in from now on.
    SecondFactorSetUp {
        /// Since when.
        when: String,
    },
    /// No code is asked for any more.
    SecondFactorRemoved {
        /// Since when.
        when: String,
    },
    /// Too many codes were wrong, and none is taken for a while.
    SecondFactorBlocked {
        /// Until when.
        when: String,
    },
    /// A recovery code was used.
    RecoveryCodeUsed {
        /// When.
        when: String,
        /// How many are left.
        left: String,
    },
    /// There are other recovery codes.
    RecoveryCodesRenewed {
        /// Since when.
        when: String,
    },
    /// The account has another address now: to the one it had.
    EmailChanged {
        /// Since when.
        when: String,
    },
    /// The account was deleted: to the address it had.
    AccountDeleted {
        /// When.
        when: String,
    },
    /// A booking is confirmed; its tickets are enclosed.
    Tickets {
        /// The name of the event.
        event: String,
        /// When it begins.
        when: String,
        /// Where, or nothing.
        venue: String,
        /// The name of the booking.
        reference: String,
        /// How many tickets it has.
        units: u32,
        /// What it costs, or nothing where it is free.
        total: String,
    },
    /// A ticket has come from somebody else; it is enclosed.
    TicketTransferred {
        /// The name of the event.
        event: String,
        /// When it begins.
        when: String,
        /// Where, or nothing.
        venue: String,
    },
    /// A booking is cancelled.
    BookingCancelled {
        /// The name of the event.
        event: String,
        /// When it would have begun.
        when: String,
        /// The name of the booking.
        reference: String,
        /// What goes back, or nothing.
        paid_back: String,
    },
    /// Some tickets of a booking are cancelled, and the others stand.
    TicketsCancelled {
        /// The name of the event.
        event: String,
        /// When it begins.
        when: String,
        /// The name of the booking.
        reference: String,
        /// How many.
        tickets: u32,
        /// What goes back, or nothing.
        paid_back: String,
    },
    /// An event is cancelled, and a booking with it.
    EventCancelled {
        /// The name of the event.
        event: String,
        /// When it would have begun.
        when: String,
        /// The name of the booking.
        reference: String,
        /// What goes back, or nothing.
        paid_back: String,
    },
    /// An event is at another time or place; its tickets are enclosed once more.
    EventMoved {
        /// The name of the event.
        event: String,
        /// When it begins now.
        when: String,
        /// Where it is now, or nothing.
        venue: String,
        /// The name of the booking; nothing for who has a ticket of somebody else's booking.
        reference: String,
    },
    /// Who has waited is offered tickets.
    WaitingListOffer {
        /// The name of the event.
        event: String,
        /// When it begins.
        when: String,
        /// How many of which ticket type.
        tickets: String,
        /// What they cost, or nothing where they are free.
        total: String,
        /// Until when they are held.
        held_until: String,
        /// The name of the booking.
        reference: String,
        /// Where they are taken.
        link: String,
    },
    /// Money of another currency goes back.
    OtherPaidBack {
        /// The name of the event.
        event: String,
        /// The name of the booking.
        reference: String,
    },
    /// Money goes back.
    PaidBack {
        /// The name of the event.
        event: String,
        /// The name of the booking.
        reference: String,
        /// How much.
        amount: String,
    },
}

impl MailContent {
    /// The name of its template, for logs and metrics too.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::OrganizerInvitation { .. } => "organizer_invitation",
            Self::VerifyEmail { .. } => "verify_email",
            Self::ResetPassword { .. } => "reset_password",
            Self::PasswordChanged { .. } => "password_changed",
            Self::ConfirmOldEmail { .. } => "confirm_old_email",
            Self::ConfirmNewEmail { .. } => "confirm_new_email",
            Self::EmailInUse {} => "email_in_use",
            Self::IdentityLinked { .. } => "identity_linked",
            Self::IdentityUnlinked { .. } => "identity_unlinked",
            Self::SecondFactorSetUp { .. } => "second_factor_set_up",
            Self::SecondFactorRemoved { .. } => "second_factor_removed",
            Self::SecondFactorBlocked { .. } => "second_factor_blocked",
            Self::RecoveryCodeUsed { .. } => "recovery_code_used",
            Self::RecoveryCodesRenewed { .. } => "recovery_codes_renewed",
            Self::EmailChanged { .. } => "email_changed",
            Self::AccountDeleted { .. } => "account_deleted",
            Self::Tickets { .. } => "tickets",
            Self::TicketTransferred { .. } => "ticket_transferred",
            Self::BookingCancelled { .. } => "booking_cancelled",
            Self::TicketsCancelled { .. } => "tickets_cancelled",
            Self::EventCancelled { .. } => "event_cancelled",
            Self::EventMoved { .. } => "event_moved",
            Self::PaidBack { .. } => "paid_back",
            Self::OtherPaidBack { .. } => "other_paid_back",
            Self::WaitingListOffer { .. } => "waiting_list_offer",
        }
    }
}

impl fmt::Debug for MailContent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MailContent({})", self.name())
    }
}

impl fmt::Debug for Mail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mail({} {})", self.id, self.content.name())
    }
}

/// What is sealed of a mail while it waits.
#[derive(Serialize, Deserialize)]
pub(super) struct Letter {
    to: String,
    language: String,
    content: MailContent,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    encloses: Option<Enclosed>,
    at: i64,
    not_after: i64,
}

impl Letter {
    pub(super) fn of(mail: &Mail) -> Self {
        Self {
            to: mail.to.as_str().to_owned(),
            language: mail.language.as_str().to_owned(),
            content: mail.content.clone(),
            encloses: mail.encloses,
            at: mail.at.timestamp_micros(),
            not_after: mail.not_after.timestamp_micros(),
        }
    }

    /// The mail again; none if it is no letter of ours.
    pub(super) fn mail(self, id: Uuid) -> Option<Mail> {
        let instant = |micros| Timestamp::from_timestamp_micros(micros).map(|at| at.trunc_subsecs(6));
        Some(Mail {
            id,
            to: EmailAddress::trusted(self.to),
            language: self.language.parse().ok()?,
            content: self.content,
            encloses: self.encloses,
            at: instant(self.at)?,
            not_after: instant(self.not_after)?,
        })
    }
}
