//! Which limits a request has to pass.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use domain::booking::UnitsRequest;
use domain::{EmailAddress, EventId, OrganizerId, UserId};
use moka::sync::Cache;

use crate::access::Agent;
use crate::error::AppError;
use crate::guard::{Ask, LimitClass, LimitKey, Rate, RateLimiter, Room, TooMany};
use crate::origin::{Actor, Origin};

/// What somebody uses the API for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Use {
    /// He only looks.
    Read,
    /// He changes something.
    Write,
}

/// The limits of an instance; cheap to clone.
#[derive(Clone)]
pub struct Guards {
    limiter: Option<Arc<dyn RateLimiter>>,
    /// Networks where somebody has signed in lately. Each process knows its own.
    signed_in: Cache<LimitKey, ()>,
    /// How much of a pool one may hold at a time, in hundredths.
    pub(super) pool_share: u8,
}

/// For how long it counts that somebody has signed in from a network.
const SIGNED_IN_FOR: Duration = Duration::from_secs(24 * 60 * 60);
/// How many such networks are remembered, at about 100 bytes each.
const SIGNED_IN_MAX: u64 = 100_000;

impl Guards {
    /// How many hundredths of a pool one may hold where nobody says otherwise: a quarter.
    pub const POOL_SHARE: u8 = 25;

    /// With this limiter.
    #[must_use]
    pub fn new(limiter: Arc<dyn RateLimiter>) -> Self {
        Self::of(Some(limiter))
    }

    /// Without any limit (`rate_limit.enabled = false`).
    #[must_use]
    pub fn off() -> Self {
        Self::of(None)
    }

    fn of(limiter: Option<Arc<dyn RateLimiter>>) -> Self {
        let signed_in = Cache::builder().max_capacity(SIGNED_IN_MAX).time_to_live(SIGNED_IN_FOR).build();
        Self { limiter, signed_in, pool_share: Self::POOL_SHARE }
    }

    /// The same where one may hold so many hundredths of a pool at a time.
    #[must_use]
    pub fn sharing(self, pool_share: u8) -> Self {
        Self { pool_share, ..self }
    }

    /// Whether there are limits.
    #[must_use]
    pub const fn are_on(&self) -> bool {
        self.limiter.is_some()
    }

    /// Lets a request in before anything is known of it but where it comes from.
    ///
    /// # Errors
    /// [`TooMany`] where the network sends too many requests.
    pub async fn admit(&self, address: Option<IpAddr>) -> Result<(), TooMany> {
        self.take(&[Ask::one(LimitClass::Requests, LimitKey::network(address))]).await.map(drop)
    }

    /// Whether a network, or an account, has knocked at too many doors that are not there, or not open.
    ///
    /// # Errors
    /// [`TooMany`].
    pub async fn has_missed(&self, address: Option<IpAddr>) -> Result<(), TooMany> {
        self.look(Ask::one(LimitClass::Misses, LimitKey::network(address))).await
    }

    /// The same of an account or an API key.
    ///
    /// # Errors
    /// [`TooMany`].
    pub async fn actor_has_missed(&self, actor: Actor) -> Result<(), TooMany> {
        match misses_of(actor) {
            Some(who) => self.look(Ask::one(LimitClass::Misses, who)).await,
            None => Ok(()),
        }
    }

    /// Counts an answer that something is not there, or not open.
    pub async fn missed(&self, address: Option<IpAddr>, actor: Actor) {
        let network = Ask::one(LimitClass::Misses, LimitKey::network(address));
        // Each by itself: one that is used up must not keep the other from counting.
        let _ = self.take(&[network]).await;
        if let Some(who) = misses_of(actor) {
            let _ = self.take(&[Ask::one(LimitClass::Misses, who)]).await;
        }
    }

    /// Lets somebody use the API whose credentials hold; tells what is left.
    ///
    /// # Errors
    /// [`AppError::RateLimited`].
    pub async fn admit_agent(&self, agent: &Agent, to: Use) -> Result<Option<Room>, AppError> {
        let class = match to {
            Use::Read => LimitClass::Reads,
            Use::Write => LimitClass::Writes,
        };
        let Some(key) = LimitKey::agent(agent) else { return Ok(None) };
        Ok(self.take(&[Ask::one(class, key)]).await?)
    }

    /// Lets an account try to book units of an event: so many tries, and so many units within the time of a hold, his
    /// own and those of his network. What it answers goes to [`give_back_units`](Self::give_back_units) where nothing
    /// came to be held.
    ///
    /// # Errors
    /// [`AppError::RateLimited`].
    pub(crate) async fn book(
        &self,
        user: UserId,
        event: EventId,
        units: &UnitsRequest,
        address: Option<IpAddr>,
    ) -> Result<[Ask; 2], AppError> {
        self.hold(user, event, count(units), address).await
    }

    /// The same for units that are held already, and are to be for longer: they count once more, or who renews over and over
    /// could hold more and more.
    ///
    /// # Errors
    /// [`AppError::RateLimited`].
    pub(crate) async fn hold(
        &self,
        user: UserId,
        event: EventId,
        units: u32,
        address: Option<IpAddr>,
    ) -> Result<[Ask; 2], AppError> {
        let at = |who| LimitKey::at_event(event, who);
        let own = Ask { class: LimitClass::BuyerUnits, key: at(LimitKey::account(user)), units };
        let network = Ask { class: LimitClass::NetworkUnits, key: at(LimitKey::network(address)), units };
        let tries = Ask::one(LimitClass::Bookings, LimitKey::account(user));
        let taken = self.take(&[tries, own, network]).await;
        if let Err(TooMany { class: LimitClass::NetworkUnits, .. }) = taken {
            self.give_back(own).await;
        }
        taken?;
        Ok([own, network])
    }

    /// Gives back what [`book`](Self::book) or [`hold`](Self::hold) took.
    pub(crate) async fn give_back_units(&self, units: &[Ask; 2]) {
        for ask in units {
            self.give_back(*ask).await;
        }
    }

    /// Lets an account be made.
    ///
    /// # Errors
    /// [`AppError::RateLimited`] for too many of one address, or from one network.
    pub(crate) async fn register(&self, email: &EmailAddress, origin: &Origin) -> Result<(), AppError> {
        let mailbox = Ask::one(LimitClass::Register, LimitKey::mailbox(email));
        let network = Ask::one(LimitClass::Register, LimitKey::network(origin.address));
        Ok(self.take(&[mailbox, network]).await.map(drop)?)
    }

    /// Lets somebody who has not signed in cause a mail.
    ///
    /// # Errors
    /// [`AppError::RateLimited`] for too many to one address, or from one network.
    pub(crate) async fn ask_for_mail(&self, email: &EmailAddress, origin: &Origin) -> Result<(), AppError> {
        let mailbox = Ask::one(LimitClass::Mails, LimitKey::mailbox(email));
        let network = Ask::one(LimitClass::Tokens, LimitKey::network(origin.address));
        Ok(self.take(&[mailbox, network]).await.map(drop)?)
    }

    /// Lets somebody who has signed in cause a mail to an address that need not be his own.
    ///
    /// # Errors
    /// [`AppError::RateLimited`] for too many to one address.
    pub(crate) async fn mail(&self, email: &EmailAddress) -> Result<(), AppError> {
        Ok(self.take(&[Ask::one(LimitClass::Mails, LimitKey::mailbox(email))]).await.map(drop)?)
    }

    /// Lets an organizer invite somebody.
    ///
    /// # Errors
    /// [`AppError::RateLimited`] for too many to one address, or of one organizer.
    pub(crate) async fn invite(&self, organizer: OrganizerId, email: &EmailAddress) -> Result<(), AppError> {
        let mailbox = Ask::one(LimitClass::Mails, LimitKey::mailbox(email));
        let own = Ask::one(LimitClass::Invitations, LimitKey::organizer(organizer));
        Ok(self.take(&[mailbox, own]).await.map(drop)?)
    }

    /// Lets somebody try a mailed token. One that held is given back by [`right_token`](Self::right_token).
    ///
    /// # Errors
    /// [`AppError::RateLimited`] for too many from one network.
    pub(crate) async fn try_token(&self, origin: &Origin) -> Result<(), AppError> {
        Ok(self.take(&[Ask::one(LimitClass::Tokens, LimitKey::network(origin.address))]).await.map(drop)?)
    }

    /// Lets somebody begin to sign in by a provider, or come back from it: each may make us call the provider.
    ///
    /// # Errors
    /// [`AppError::RateLimited`] for too many from one network.
    pub(crate) async fn sign_in_elsewhere(&self, origin: &Origin) -> Result<(), AppError> {
        Ok(self.take(&[Ask::one(LimitClass::SignIns, LimitKey::network(origin.address))]).await.map(drop)?)
    }

    /// The token held.
    pub(crate) async fn right_token(&self, origin: &Origin) {
        self.give_back(Ask::one(LimitClass::Tokens, LimitKey::network(origin.address))).await;
    }

    /// Lets a code be tried for an account, like that of a second factor. After a right one, say
    /// [`right_code`](Self::right_code).
    ///
    /// # Errors
    /// [`AppError::RateLimited`] for too many of one account, wherever they come from.
    pub async fn try_code(&self, user: UserId) -> Result<(), AppError> {
        Ok(self.take(&[Ask::one(LimitClass::Codes, LimitKey::account(user))]).await.map(drop)?)
    }

    /// The code was right: the account has all its tries again.
    pub async fn right_code(&self, user: UserId) {
        self.forget(LimitClass::Codes, LimitKey::account(user)).await;
    }

    /// Whether somebody at the door has shown too many codes that are none.
    ///
    /// # Errors
    /// [`AppError::RateLimited`].
    pub(crate) async fn has_guessed_tickets(&self, agent: &Agent) -> Result<(), AppError> {
        match LimitKey::agent(agent) {
            Some(key) => Ok(self.look(Ask::one(LimitClass::TicketCodes, key)).await?),
            None => Ok(()),
        }
    }

    /// Counts a code that is none.
    pub(crate) async fn guessed_ticket(&self, agent: &Agent) {
        if let Some(key) = LimitKey::agent(agent) {
            // Whoever is over the limit hears of it when he comes again.
            let _ = self.take(&[Ask::one(LimitClass::TicketCodes, key)]).await;
        }
    }

    /// Whether somebody, or his network, has named too many promo codes that are none.
    ///
    /// # Errors
    /// [`AppError::RateLimited`].
    pub(crate) async fn has_guessed_promo_codes(&self, agent: &Agent, address: Option<IpAddr>) -> Result<(), AppError> {
        self.look(Ask::one(LimitClass::PromoCodes, LimitKey::network(address))).await?;
        match LimitKey::agent(agent) {
            Some(key) => Ok(self.look(Ask::one(LimitClass::PromoCodes, key)).await?),
            None => Ok(()),
        }
    }

    /// Counts a promo code that is none.
    pub(crate) async fn guessed_promo_code(&self, agent: &Agent, address: Option<IpAddr>) {
        // Each by itself: one that is used up must not keep the other from counting.
        let _ = self.take(&[Ask::one(LimitClass::PromoCodes, LimitKey::network(address))]).await;
        if let Some(key) = LimitKey::agent(agent) {
            let _ = self.take(&[Ask::one(LimitClass::PromoCodes, key)]).await;
        }
    }

    /// Lets somebody who has signed in be asked for his password. After the right one, say
    /// [`right_password`](Self::right_password).
    ///
    /// # Errors
    /// [`AppError::RateLimited`].
    pub(crate) async fn try_password(&self, user: UserId) -> Result<(), AppError> {
        Ok(self.take(&[Ask::one(LimitClass::Login, LimitKey::account(user))]).await.map(drop)?)
    }

    /// The password was right.
    pub(crate) async fn right_password(&self, user: UserId) {
        self.forget(LimitClass::Login, LimitKey::account(user)).await;
    }

    /// The rate of a limit; none where there are no limits.
    pub(super) fn rate(&self, class: LimitClass) -> Option<Rate> {
        self.limiter.as_ref().map(|limiter| limiter.rate(class))
    }

    pub(super) async fn take(&self, asks: &[Ask]) -> Result<Option<Room>, TooMany> {
        match &self.limiter {
            Some(limiter) => limiter.take(asks).await.inspect_err(TooMany::tell),
            None => Ok(None),
        }
    }

    pub(super) fn signed_in_from(&self, network: LimitKey) {
        self.signed_in.insert(network, ());
    }

    pub(super) fn somebody_signed_in_from(&self, network: LimitKey) -> bool {
        self.signed_in.contains_key(&network)
    }

    async fn look(&self, ask: Ask) -> Result<(), TooMany> {
        match &self.limiter {
            Some(limiter) => limiter.look(ask).await.inspect_err(TooMany::tell),
            None => Ok(()),
        }
    }

    pub(super) async fn give_back(&self, ask: Ask) {
        if let Some(limiter) = &self.limiter {
            limiter.give_back(ask).await;
        }
    }

    pub(super) async fn forget(&self, class: LimitClass, key: LimitKey) {
        if let Some(limiter) = &self.limiter {
            limiter.forget(class, key).await;
        }
    }
}

impl TooMany {
    fn tell(&self) {
        metrics::counter!("goticket_rate_limited_total", "limit" => self.class.name()).increment(1);
    }
}

/// How many units are asked for, at least one.
fn count(units: &UnitsRequest) -> u32 {
    let count = match units {
        UnitsRequest::Only(count) => *count,
        UnitsRequest::Listed(listed) => listed.iter().fold(0, |sum: u32, units| sum.saturating_add(units.quantity)),
    };
    count.max(1)
}

/// Under what the misses of somebody are counted.
fn misses_of(actor: Actor) -> Option<LimitKey> {
    match actor {
        Actor::User(user) => Some(LimitKey::account(user)),
        Actor::Key(key) => Some(LimitKey::id(key.uuid())),
        Actor::Anonymous | Actor::System => None,
    }
}
