//! Whom a limit counts.

use std::net::IpAddr;

use domain::{EmailAddress, EventId, OrganizerId, UserId};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::access::Agent;

/// Whom, or what, a limit counts: 128 bits, which hold no address of anybody's mail in the clear. Keys of different
/// kinds do not meet within one [`LimitClass`](crate::guard::LimitClass).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct LimitKey(u128);

impl LimitKey {
    /// The bits.
    #[must_use]
    pub const fn bits(self) -> u128 {
        self.0
    }

    /// These bits, for tests of limiters.
    #[must_use]
    pub const fn of_bits(bits: u128) -> Self {
        Self(bits)
    }

    /// A network: one address of version 4, also where it is written as one of version 6, or the 64 bits of a version 6
    /// address that a provider gives to one customer. What came over no network is counted together.
    #[must_use]
    pub fn network(address: Option<IpAddr>) -> Self {
        match address.map(|address| address.to_canonical()) {
            Some(IpAddr::V4(address)) => Self(address.to_ipv6_mapped().to_bits()),
            Some(IpAddr::V6(address)) => Self(address.to_bits() >> 64 << 64),
            None => Self(0),
        }
    }

    /// An account or an API key; none for who has no name.
    pub(super) fn agent(agent: &Agent) -> Option<Self> {
        match agent {
            Agent::Account(principal) => Some(Self::account(principal.user)),
            Agent::Key(key) => Some(Self::id(key.id.uuid())),
            Agent::Anonymous | Agent::System => None,
        }
    }

    pub(super) fn account(user: UserId) -> Self {
        Self(user.uuid().as_u128())
    }

    pub(super) fn id(id: Uuid) -> Self {
        Self(id.as_u128())
    }

    pub(super) fn organizer(organizer: OrganizerId) -> Self {
        Self(organizer.uuid().as_u128())
    }

    pub(super) fn mailbox(email: &EmailAddress) -> Self {
        Self::digest(&[email.as_str().as_bytes()])
    }

    pub(super) fn mailbox_from(email: &EmailAddress, network: Self) -> Self {
        Self::digest(&[&network.0.to_be_bytes(), email.as_str().as_bytes()])
    }

    /// Somebody at an event. Ids of version 7 have their random bits behind their time: turned, they do not meet those
    /// of the other one.
    pub(super) fn at_event(event: EventId, who: Self) -> Self {
        Self(event.uuid().as_u128().rotate_left(48) ^ who.0)
    }

    fn digest(parts: &[&[u8]]) -> Self {
        let mut digest = Sha256::new();
        parts.iter().for_each(|part| digest.update(part));
        let bytes: [u8; 32] = digest.finalize().into();
        Self(bytes.iter().take(16).fold(0, |bits, byte| bits << 8 | u128::from(*byte)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> LimitKey {
        LimitKey::network(Some(text.parse().unwrap()))
    }

    #[test]
    fn a_network_is_an_address_or_the_half_of_one() {
        assert_eq!(network("192.0.2.1"), network("::ffff:192.0.2.1"));
        assert_ne!(network("192.0.2.1"), network("192.0.2.2"));
        assert_ne!(network("::ffff:192.0.2.1"), network("::ffff:192.0.2.2"));
        assert_eq!(network("2001:db8:0:1::1"), network("2001:db8:0:1:ffff::2"));
        assert_ne!(network("2001:db8:0:1::1"), network("2001:db8:0:2::1"));
        assert_ne!(LimitKey::network(None), network("192.0.2.1"));
    }

    #[test]
    fn somebody_at_one_event_is_not_the_same_at_another() {
        let event = |low: u128| EventId::new(Uuid::from_u128(0x0198_0000_0000_7000_8000_0000_0000_0000 + low));
        let (one, other) = (network("192.0.2.1"), network("192.0.2.2"));
        assert_ne!(LimitKey::at_event(event(1), one), LimitKey::at_event(event(2), one));
        assert_ne!(LimitKey::at_event(event(1), one), LimitKey::at_event(event(1), other));
        assert_ne!(LimitKey::at_event(event(1), one), LimitKey::at_event(event(2), other));
    }
}
