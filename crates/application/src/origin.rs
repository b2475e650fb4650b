//! Who asks, and within which request: what every journal row bears.

use std::net::IpAddr;
use std::sync::Arc;

use domain::identity::Role;
use domain::{ApiKeyId, SessionId, UserId};

/// Who causes a change.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Actor {
    /// A signed-in account.
    User(UserId),
    /// A key of an organizer.
    Key(ApiKeyId),
    /// Nobody is signed in.
    Anonymous,
    /// GoTicket itself: a job, a command line.
    System,
}

/// The request that causes a change: its actor and the ids by which logs, traces and journal rows find each other.
#[derive(Clone, Debug)]
pub struct Origin {
    /// Who.
    pub actor: Actor,
    /// The `X-Correlation-Id` of the request.
    pub correlation_id: Arc<str>,
    /// The W3C `traceparent` of the request, if it bears one.
    pub traceparent: Option<Arc<str>>,
    /// Where the request comes from, in its canonical form; none where it did not come over a network.
    pub address: Option<IpAddr>,
}

impl Origin {
    /// A change that GoTicket makes by itself.
    #[must_use]
    pub fn system(correlation_id: &str) -> Self {
        Self { actor: Actor::System, correlation_id: correlation_id.into(), traceparent: None, address: None }
    }
}

/// Somebody whose access token was verified.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Principal {
    /// His account.
    pub user: UserId,
    /// The sign-in that the token belongs to.
    pub session: SessionId,
    /// What the platform lets him do.
    pub role: Role,
    /// How he stands to a second factor.
    pub factor: Factor,
}

/// How an account stands to a second factor, as its access token says: it is known without a look into the database, and
/// counts from the next token on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Factor {
    /// It has one.
    Present,
    /// It has none, and is asked for none.
    Missing,
    /// It has none, and its role or what it does for an organizer cannot do without: `auth.second_factor.required_for`.
    Owed,
}
