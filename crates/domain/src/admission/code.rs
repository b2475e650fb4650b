//! The code of a ticket: what it says, as bytes that are signed, and as the text that stands in the QR code.
//!
//! `GT1:` and the Base45 of 129 bytes: version (1) · number of the key (2) · ticket (16) · event (16) · ticket type (16)
//! · valid from (5) · valid until (5) · issue (4) · Ed25519 signature of all that (64). Numbers are big-endian, times are
//! whole seconds since 1970. Each field has its one place and its one length, so that there is one text for one code: any
//! other text is none. It is derived when it is read, and kept nowhere.

use std::fmt;

use chrono::TimeDelta;
use uuid::Uuid;

use super::base45;
use crate::admission::Ticket;
use crate::catalog::EventTerms;
use crate::{EventId, TicketId, TicketTypeId, Timestamp};

const PREFIX: &str = "GT1:";
const VERSION: u8 = 1;
const SIGNATURE_BYTES: usize = 64;
/// What is signed.
const CLAIMS_BYTES: usize = 65;
/// The characters of a code: 129 bytes make 64 times three and two.
const CODE_CHARS: usize = PREFIX.len() + 194;
/// So long before the beginning of an event its tickets are valid: doors open before.
const DOORS_BEFORE: TimeDelta = TimeDelta::hours(24);

/// When a ticket lets in, in whole seconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Validity {
    /// Seconds since 1970; from this one on.
    from: u64,
    /// Seconds since 1970; not from this one on.
    until: u64,
}

impl Validity {
    /// That of an event: from a day before it begins until it ends.
    #[must_use]
    pub fn of(terms: &EventTerms) -> Self {
        Self { from: seconds(terms.start_at - DOORS_BEFORE), until: seconds(terms.end_at) }
    }

    /// From when until when, in seconds since 1970: `[from, until)`.
    #[must_use]
    pub const fn bounds(self) -> (u64, u64) {
        (self.from, self.until)
    }

    /// Whether it lets in at this instant.
    #[must_use]
    pub fn holds(self, at: Timestamp) -> bool {
        (self.from..self.until).contains(&seconds(at))
    }
}

/// Whole seconds since 1970, as far as five bytes hold them.
fn seconds(at: Timestamp) -> u64 {
    const MAX: u64 = (1 << 40) - 1;
    u64::try_from(at.timestamp()).unwrap_or_default().min(MAX)
}

/// What a code says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CodeClaims {
    /// Which key of the event has signed it.
    pub key: u16,
    /// Which ticket.
    pub ticket: TicketId,
    /// Of which event.
    pub event: EventId,
    /// Of which type.
    pub ticket_type: TicketTypeId,
    /// When it lets in, as it was known when the code was made.
    pub validity: Validity,
    /// Which issue of the ticket: all but the last are revoked.
    pub issue: u32,
}

impl CodeClaims {
    /// What the present code of the ticket says.
    #[must_use]
    pub const fn of(ticket: &Ticket, key: u16, validity: Validity) -> Self {
        let Ticket { id, event, ticket_type, issue, .. } = *ticket;
        Self { key, ticket: id, event, ticket_type, validity, issue }
    }

    /// What is signed.
    #[must_use]
    pub fn bytes(&self) -> [u8; CLAIMS_BYTES] {
        let mut bytes = [0; CLAIMS_BYTES];
        bytes[0] = VERSION;
        bytes[1..3].copy_from_slice(&self.key.to_be_bytes());
        bytes[3..19].copy_from_slice(self.ticket.uuid().as_bytes());
        bytes[19..35].copy_from_slice(self.event.uuid().as_bytes());
        bytes[35..51].copy_from_slice(self.ticket_type.uuid().as_bytes());
        bytes[51..56].copy_from_slice(&self.validity.from.to_be_bytes()[3..]);
        bytes[56..61].copy_from_slice(&self.validity.until.to_be_bytes()[3..]);
        bytes[61..].copy_from_slice(&self.issue.to_be_bytes());
        bytes
    }

    /// The code with this signature of [`bytes`](Self::bytes).
    #[must_use]
    pub fn signed(&self, signature: &[u8; SIGNATURE_BYTES]) -> CodeText {
        let text = base45::encode(&[self.bytes().as_slice(), signature].concat());
        CodeText(format!("{PREFIX}{text}"))
    }

    fn read(bytes: &[u8; CLAIMS_BYTES]) -> Result<Self, NotACode> {
        if bytes[0] != VERSION {
            return Err(NotACode);
        }
        Ok(Self {
            key: u16::from_be_bytes(part(bytes, 1)?),
            ticket: TicketId::new(Uuid::from_bytes(part(bytes, 3)?)),
            event: EventId::new(Uuid::from_bytes(part(bytes, 19)?)),
            ticket_type: TicketTypeId::new(Uuid::from_bytes(part(bytes, 35)?)),
            validity: Validity { from: whole(part(bytes, 51)?), until: whole(part(bytes, 56)?) },
            issue: u32::from_be_bytes(part(bytes, 61)?),
        })
    }
}

fn part<const N: usize>(bytes: &[u8], at: usize) -> Result<[u8; N], NotACode> {
    bytes.get(at..at + N).and_then(|part| part.try_into().ok()).ok_or(NotACode)
}

fn whole(seconds: [u8; 5]) -> u64 {
    seconds.into_iter().fold(0, |sum, byte| sum << 8 | u64::from(byte))
}

/// The text of a code, as it stands in a QR code. Whoever has it gets in, so that it is not printed by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct CodeText(String);

impl CodeText {
    /// The text, for its holder alone.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for CodeText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CodeText(…)")
    }
}

/// The text is the code of no ticket.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("this is no code of a ticket")]
pub struct NotACode;

/// A text that has the form of a code. It says nothing before its signature was verified.
#[derive(Clone, PartialEq, Eq)]
pub struct SignedCode {
    claims: CodeClaims,
    signature: [u8; SIGNATURE_BYTES],
}

impl SignedCode {
    /// Reads the one text that a code has.
    ///
    /// # Errors
    /// [`NotACode`] for every other text.
    pub fn parse(text: &str) -> Result<Self, NotACode> {
        if text.len() != CODE_CHARS {
            return Err(NotACode);
        }
        let bytes = text.strip_prefix(PREFIX).and_then(base45::decode).ok_or(NotACode)?;
        let (claims, signature) = bytes.split_first_chunk::<CLAIMS_BYTES>().ok_or(NotACode)?;
        let signature = signature.try_into().map_err(|_| NotACode)?;
        Ok(Self { claims: CodeClaims::read(claims)?, signature })
    }

    /// Which key is said to have signed it, of which event: nothing else of it may be used before it was verified.
    #[must_use]
    pub const fn key(&self) -> (EventId, u16) {
        (self.claims.event, self.claims.key)
    }

    /// What it says, if `verify` finds its signature to be of the message that it is given.
    ///
    /// # Errors
    /// [`NotACode`] where the signature is of something else, or of somebody else.
    pub fn verified(&self, verify: impl FnOnce(&[u8], &[u8]) -> bool) -> Result<CodeClaims, NotACode> {
        if verify(&self.claims.bytes(), &self.signature) { Ok(self.claims) } else { Err(NotACode) }
    }
}

impl fmt::Debug for SignedCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SignedCode(…)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn claims() -> impl Strategy<Value = CodeClaims> {
        let id = any::<u128>().prop_map(Uuid::from_u128);
        (any::<u16>(), [id.clone(), id.clone(), id], 0_u64..1 << 40, 0_u64..1 << 40, any::<u32>()).prop_map(
            |(key, [ticket, event, ticket_type], from, until, issue)| CodeClaims {
                key,
                ticket: TicketId::new(ticket),
                event: EventId::new(event),
                ticket_type: TicketTypeId::new(ticket_type),
                validity: Validity { from, until },
                issue,
            },
        )
    }

    /// A signature that only these bytes have: for the form alone it need not be a good one.
    fn stamp(message: &[u8]) -> [u8; SIGNATURE_BYTES] {
        let mut stamp = [0_u8; SIGNATURE_BYTES];
        for (at, byte) in message.iter().enumerate() {
            let place = &mut stamp[at % SIGNATURE_BYTES];
            *place = place.rotate_left(3) ^ byte.wrapping_add(u8::try_from(at % 251).unwrap_or_default());
        }
        stamp
    }

    fn is_stamp(message: &[u8], signature: &[u8]) -> bool {
        stamp(message) == signature
    }

    fn holds(text: &str) -> Result<CodeClaims, NotACode> {
        SignedCode::parse(text)?.verified(is_stamp)
    }

    proptest! {
        // Each case tries some thousands of texts.
        #![proptest_config(ProptestConfig::with_cases(4))]

        #[test]
        fn every_flipped_bit_is_refused(claims in claims()) {
            let code = claims.signed(&stamp(&claims.bytes()));
            let bytes = base45::decode(&code.expose()[PREFIX.len()..]).unwrap_or_default();
            for bit in 0..bytes.len() * 8 {
                let mut changed = bytes.clone();
                changed[bit / 8] ^= 1 << (bit % 8);
                let text = format!("{PREFIX}{}", base45::encode(&changed));
                prop_assert_eq!(holds(&text), Err(NotACode), "bit {}", bit);
            }
            for bit in 0..code.expose().len() * 7 {
                let mut changed = code.expose().as_bytes().to_vec();
                changed[bit / 7] ^= 1 << (bit % 7);
                let text = String::from_utf8(changed).unwrap_or_default();
                prop_assert_eq!(holds(&text), Err(NotACode), "bit {} of the text", bit);
            }
        }

        #[test]
        fn every_shorter_or_longer_text_is_refused(claims in claims(), more in "[0-9A-Z $%*+./:-]{1,9}") {
            let code = claims.signed(&stamp(&claims.bytes()));
            let code = code.expose();
            for length in 0..code.len() {
                prop_assert_eq!(holds(&code[..length]), Err(NotACode));
                prop_assert_eq!(holds(&code[length + 1..]), Err(NotACode));
            }
            prop_assert_eq!(holds(&format!("{code}{more}")), Err(NotACode));
            prop_assert_eq!(holds(&format!("{more}{code}")), Err(NotACode));
        }
    }

    proptest! {
        #[test]
        fn what_is_signed_comes_back(claims in claims()) {
            let code = claims.signed(&stamp(&claims.bytes()));
            prop_assert!(code.expose().len() <= 200);
            prop_assert_eq!(holds(code.expose()), Ok(claims));
            let shown = format!("{code:?} {:?}", SignedCode::parse(code.expose()));
            prop_assert!(!shown.contains(code.expose()) && !shown.contains(&claims.ticket.to_string()));
        }

        #[test]
        fn any_text_is_refused_and_breaks_nothing(text in ".{0,300}") {
            prop_assert_eq!(holds(&text), Err(NotACode));
            let dressed = format!("{PREFIX}{text}");
            prop_assert_eq!(holds(&dressed), Err(NotACode));
        }
    }

    #[test]
    fn other_spellings_of_a_code_are_refused() {
        let id = Uuid::from_u128(7);
        let validity = Validity { from: 1, until: 2 };
        let claims = CodeClaims {
            key: 1,
            ticket: TicketId::new(id),
            event: EventId::new(id),
            ticket_type: TicketTypeId::new(id),
            validity,
            issue: 1,
        };
        let code = claims.signed(&stamp(&claims.bytes()));
        let code = code.expose();
        for text in [code.to_lowercase(), format!(" {code}"), format!("{code}\n"), code.replacen("GT1:", "GT2:", 1)] {
            assert_eq!(holds(&text), Err(NotACode), "{text:?}");
        }
        let mut older = claims.bytes();
        older[0] = 0;
        assert_eq!(CodeClaims::read(&older), Err(NotACode), "another version");
    }

    #[test]
    fn a_ticket_lets_in_from_a_day_before_until_the_end() {
        let at = |seconds| Timestamp::from_timestamp(seconds, 999_999_000).unwrap_or_default();
        let validity = Validity { from: 100, until: 200 };
        assert!(
            !validity.holds(at(99)) && validity.holds(at(100)) && validity.holds(at(199)) && !validity.holds(at(200))
        );
    }
}
