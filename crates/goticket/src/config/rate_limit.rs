//! Section `rate_limit`: how often what may be done.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::sync::Arc;

use adapter_memory::MemoryRateLimiter;
use application::clock::Clock;
use application::guard::{Guards, LimitClass, LimitRates, Rate};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::error::{Wrong, check_range};
use super::{HumanDuration, Settings};

/// A rate as people write it: `"5/15m"` is five within 15 minutes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HumanRate {
    count: NonZeroU32,
    per: HumanDuration,
}

/// The text is no rate.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("must be a rate: how many within which time, like \"5/15m\" or \"100/1m\", and at most a million within a day")]
pub struct NoRate;

const COUNT_MAX: u32 = 1_000_000;

impl HumanRate {
    /// The rate of a limit where nobody says otherwise.
    fn of(class: LimitClass) -> Self {
        let rate = LimitRates::default().of(class);
        Self { count: rate.count, per: HumanDuration::from_secs(rate.per.as_secs()) }
    }

    /// As the application has it.
    #[must_use]
    pub const fn rate(self) -> Rate {
        Rate { count: self.count, per: self.per.std() }
    }
}

impl FromStr for HumanRate {
    type Err = NoRate;

    fn from_str(text: &str) -> Result<Self, NoRate> {
        let (count, per) = text.split_once('/').ok_or(NoRate)?;
        let count: NonZeroU32 = count.parse().map_err(|_| NoRate)?;
        let per: HumanDuration = per.parse().map_err(|_| NoRate)?;
        let within = HumanDuration::from_secs(1)..=HumanDuration::from_secs(86_400);
        (count.get() <= COUNT_MAX && within.contains(&per)).then_some(Self { count, per }).ok_or(NoRate)
    }
}

impl fmt::Display for HumanRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.count, self.per)
    }
}

impl<'de> Deserialize<'de> for HumanRate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl Serialize for HumanRate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Rate limits, and the limits of what one may hold.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub struct RateLimit {
    /// Whether there are any.
    pub enabled: bool,
    /// Of how many accounts, addresses and so on each limit knows at a time.
    pub keys_max: u32,
    /// How many hundredths of a pool an account, and an address, may hold at a time; of a small one, half. 100 is all of it.
    pub pool_share: u32,
    /// Requests of an address.
    pub requests: HumanRate,
    /// Answers 401, 403, 404 and 405 to an address, and to an account.
    pub misses: HumanRate,
    /// Requests of an account or a key that only look.
    pub reads: HumanRate,
    /// Requests of an account or a key that change something.
    pub writes: HumanRate,
    /// Bookings that an account tries.
    pub bookings: HumanRate,
    /// Units of one event that an account comes to hold.
    pub buyer_units: HumanRate,
    /// Units of one event that come to be held from one address.
    pub network_units: HumanRate,
    /// Wrong passwords for one account from one address.
    pub login: HumanRate,
    /// Wrong passwords for one account from everywhere.
    pub login_account: HumanRate,
    /// Wrong passwords from one address.
    pub login_network: HumanRate,
    /// Registrations of an e-mail address, and from one address.
    pub register: HumanRate,
    /// Codes that are tried for one account.
    pub codes: HumanRate,
    /// Codes of tickets that are none, shown by an account or a key at the door.
    pub ticket_codes: HumanRate,
    /// Promo codes that are none, named by an account or a key, and from one address.
    pub promo_codes: HumanRate,
    /// Mailed tokens that are tried, and mails that are asked for, from one address.
    pub tokens: HumanRate,
    /// Sign-ins by a provider that are begun, or come back, from one address.
    pub sign_ins: HumanRate,
    /// Mails that others can cause to one e-mail address.
    pub mails: HumanRate,
    /// Invitations of one organizer.
    pub invitations: HumanRate,
}

impl Default for RateLimit {
    fn default() -> Self {
        Self {
            enabled: true,
            keys_max: u32::try_from(MemoryRateLimiter::KEYS_MAX).unwrap_or(u32::MAX),
            pool_share: Guards::POOL_SHARE.into(),
            requests: HumanRate::of(LimitClass::Requests),
            misses: HumanRate::of(LimitClass::Misses),
            reads: HumanRate::of(LimitClass::Reads),
            writes: HumanRate::of(LimitClass::Writes),
            bookings: HumanRate::of(LimitClass::Bookings),
            buyer_units: HumanRate::of(LimitClass::BuyerUnits),
            network_units: HumanRate::of(LimitClass::NetworkUnits),
            login: HumanRate::of(LimitClass::Login),
            login_account: HumanRate::of(LimitClass::LoginAccount),
            login_network: HumanRate::of(LimitClass::LoginNetwork),
            register: HumanRate::of(LimitClass::Register),
            codes: HumanRate::of(LimitClass::Codes),
            ticket_codes: HumanRate::of(LimitClass::TicketCodes),
            promo_codes: HumanRate::of(LimitClass::PromoCodes),
            tokens: HumanRate::of(LimitClass::Tokens),
            sign_ins: HumanRate::of(LimitClass::SignIns),
            mails: HumanRate::of(LimitClass::Mails),
            invitations: HumanRate::of(LimitClass::Invitations),
        }
    }
}

impl RateLimit {
    pub(super) fn validate(&self) -> Result<(), Wrong> {
        check_range("rate_limit.keys_max", &self.keys_max, 2_048..=10_000_000)?;
        check_range("rate_limit.pool_share", &self.pool_share, 1..=100)
    }

    fn rates(&self) -> LimitRates {
        let once = Rate { count: NonZeroU32::MIN, per: self.login.per.std() };
        LimitClass::ALL.into_iter().fold(LimitRates::default(), |rates, class| {
            let rate = match class {
                LimitClass::Requests => self.requests.rate(),
                LimitClass::Misses => self.misses.rate(),
                LimitClass::Reads => self.reads.rate(),
                LimitClass::Writes => self.writes.rate(),
                LimitClass::Bookings => self.bookings.rate(),
                LimitClass::BuyerUnits => self.buyer_units.rate(),
                LimitClass::NetworkUnits => self.network_units.rate(),
                LimitClass::Login => self.login.rate(),
                LimitClass::LoginAccount => self.login_account.rate(),
                LimitClass::LoginNetwork => self.login_network.rate(),
                LimitClass::LoginElsewhere | LimitClass::LoginCredit => once,
                LimitClass::Register => self.register.rate(),
                LimitClass::Codes => self.codes.rate(),
                LimitClass::TicketCodes => self.ticket_codes.rate(),
                LimitClass::PromoCodes => self.promo_codes.rate(),
                LimitClass::Tokens => self.tokens.rate(),
                LimitClass::SignIns => self.sign_ins.rate(),
                LimitClass::Mails => self.mails.rate(),
                LimitClass::Invitations => self.invitations.rate(),
            };
            rates.with(class, rate)
        })
    }
}

impl Settings {
    /// The limits of this instance.
    #[must_use]
    pub fn guards(&self, clock: Arc<dyn Clock>) -> Guards {
        if !self.rate_limit.enabled {
            return Guards::off();
        }
        let keys_max = self.rate_limit.keys_max as usize;
        let limiter = MemoryRateLimiter::new(&self.rate_limit.rates(), keys_max, clock);
        Guards::new(Arc::new(limiter)).sharing(u8::try_from(self.rate_limit.pool_share).unwrap_or(Guards::POOL_SHARE))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_read_as_it_is_written() {
        for text in ["5/15m", "100/1m", "1000000/1d", "1/1s"] {
            assert_eq!(text.parse::<HumanRate>().unwrap().to_string(), text);
        }
        for wrong in ["", "5", "5/", "/1m", "0/1m", "-1/1m", "5/15", "1000001/1m", "5/2d", "5/500ms", "5 / 15m"] {
            assert_eq!(wrong.parse::<HumanRate>(), Err(NoRate), "{wrong}");
        }
    }

    #[test]
    fn the_defaults_are_those_of_the_application() {
        assert_eq!(RateLimit::default().rates(), LimitRates::default());
    }
}
