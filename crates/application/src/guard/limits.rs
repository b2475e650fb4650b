//! Which limits there are, and how much each lets through.

use std::num::NonZeroU32;
use std::time::Duration;

/// A limit. Its [`name`](Self::name) is what clients read, and its key in the configuration.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum LimitClass {
    /// Requests of a network.
    Requests,
    /// Answers 401, 403, 404 and 405 to a network, and to an account.
    Misses,
    /// Requests of an account or a key that only look.
    Reads,
    /// Requests of an account or a key that change something.
    Writes,
    /// Bookings that an account tries.
    Bookings,
    /// Units that an account asks for at one event.
    BuyerUnits,
    /// Units that are asked for from one network at one event.
    NetworkUnits,
    /// Wrong passwords for one account from one network, and of a signed-in account that is asked for its password.
    Login,
    /// Wrong passwords for one account from everywhere.
    LoginAccount,
    /// Wrong passwords from one network.
    LoginNetwork,
    /// Tries from a network where nobody has signed in lately, while [`LoginAccount`](Self::LoginAccount) is used up.
    LoginElsewhere,
    /// How often the same account earns its network a try back.
    LoginCredit,
    /// Registrations of an e-mail address, and from one network.
    Register,
    /// Codes, like those of a second factor, that are tried for one account.
    Codes,
    /// Codes of tickets that are none, shown by an account or a key at the door.
    TicketCodes,
    /// Promo codes that are none, named by an account or a key, and from one network.
    PromoCodes,
    /// Mailed tokens that are tried, and mails that are asked for, from one network.
    Tokens,
    /// Sign-ins by a provider that are begun, or come back, from one network.
    SignIns,
    /// Mails that somebody can cause to one e-mail address.
    Mails,
    /// Invitations of one organizer.
    Invitations,
}

impl LimitClass {
    /// All of them, in their order.
    pub const ALL: [Self; 20] = [
        Self::Requests,
        Self::Misses,
        Self::Reads,
        Self::Writes,
        Self::Bookings,
        Self::BuyerUnits,
        Self::NetworkUnits,
        Self::Login,
        Self::LoginAccount,
        Self::LoginNetwork,
        Self::LoginElsewhere,
        Self::LoginCredit,
        Self::Register,
        Self::Codes,
        Self::TicketCodes,
        Self::PromoCodes,
        Self::Tokens,
        Self::SignIns,
        Self::Mails,
        Self::Invitations,
    ];

    /// What clients and operators read.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Misses => "misses",
            Self::Reads => "reads",
            Self::Writes => "writes",
            Self::Bookings => "bookings",
            Self::BuyerUnits => "buyer_units",
            Self::NetworkUnits => "network_units",
            Self::Login => "login",
            Self::LoginAccount => "login_account",
            Self::LoginNetwork => "login_network",
            Self::LoginElsewhere => "login_elsewhere",
            Self::LoginCredit => "login_credit",
            Self::Register => "register",
            Self::Codes => "codes",
            Self::TicketCodes => "ticket_codes",
            Self::PromoCodes => "promo_codes",
            Self::Tokens => "tokens",
            Self::SignIns => "sign_ins",
            Self::Mails => "mails",
            Self::Invitations => "invitations",
        }
    }
}

/// So many at once, which come back evenly within a time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rate {
    /// How many.
    pub count: NonZeroU32,
    /// Within which time all of them come back.
    pub per: Duration,
}

impl Rate {
    /// So many in so many seconds; none is one.
    #[must_use]
    pub const fn new(count: u32, per_secs: u64) -> Self {
        let count = match NonZeroU32::new(count) {
            Some(count) => count,
            None => NonZeroU32::MIN,
        };
        Self { count, per: Duration::from_secs(per_secs) }
    }

    /// The time in which one comes back.
    #[must_use]
    pub fn interval(&self) -> Duration {
        (self.per / self.count.get()).max(Duration::from_nanos(1))
    }
}

/// The rate of each limit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LimitRates([Rate; LimitClass::ALL.len()]);

impl LimitRates {
    /// The rate of a limit.
    #[must_use]
    pub const fn of(&self, class: LimitClass) -> Rate {
        self.0[class as usize]
    }

    /// The same with another rate for one limit.
    #[must_use]
    pub const fn with(mut self, class: LimitClass, rate: Rate) -> Self {
        self.0[class as usize] = rate;
        self
    }
}

impl Default for LimitRates {
    fn default() -> Self {
        const MINUTE: u64 = 60;
        const QUARTER: u64 = 15 * 60;
        Self(LimitClass::ALL.map(|class| match class {
            LimitClass::Requests => Rate::new(18_000, MINUTE),
            LimitClass::Misses => Rate::new(120, MINUTE),
            LimitClass::Reads => Rate::new(600, MINUTE),
            LimitClass::Writes => Rate::new(100, MINUTE),
            LimitClass::Bookings => Rate::new(10, MINUTE),
            LimitClass::BuyerUnits => Rate::new(20, QUARTER),
            LimitClass::NetworkUnits => Rate::new(200, QUARTER),
            LimitClass::Login | LimitClass::LoginAccount | LimitClass::Register | LimitClass::Codes => {
                Rate::new(5, QUARTER)
            }
            LimitClass::LoginNetwork => Rate::new(10, QUARTER),
            LimitClass::LoginElsewhere | LimitClass::LoginCredit => Rate::new(1, QUARTER),
            LimitClass::TicketCodes => Rate::new(60, MINUTE),
            LimitClass::PromoCodes => Rate::new(10, MINUTE),
            LimitClass::Tokens => Rate::new(20, QUARTER),
            LimitClass::SignIns => Rate::new(200, QUARTER),
            LimitClass::Mails => Rate::new(5, QUARTER),
            LimitClass::Invitations => Rate::new(60, 60 * MINUTE),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_limit_has_its_place_and_its_name() {
        let names: std::collections::BTreeSet<_> = LimitClass::ALL.iter().map(|class| class.name()).collect();
        assert_eq!(names.len(), LimitClass::ALL.len());
        for (place, class) in LimitClass::ALL.into_iter().enumerate() {
            assert_eq!(class as usize, place);
            let rates = LimitRates::default().with(class, Rate::new(7, 8));
            assert_eq!(rates.of(class), Rate::new(7, 8));
        }
    }
}
