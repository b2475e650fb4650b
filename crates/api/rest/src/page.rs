//! Pages of lists: `?limit=` and an opaque `?cursor=`.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::{Limit, Problems};
use serde::Serialize;
use sha2::{Digest, Sha256};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::problem::Problem;

/// One page of a list.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Page<T> {
    /// What is on it.
    pub(crate) items: Vec<T>,
    /// Pass it as `cursor` for the next page; null on the last one.
    #[schema(required)]
    pub(crate) next_cursor: Option<String>,
}

impl<T> Page<T> {
    /// Of rows that the application has read.
    pub(crate) fn of<R>(
        rows: application::page::Page<R>,
        cursor: impl FnOnce(&R) -> Cursor,
        body: impl FnMut(R) -> T,
    ) -> Self {
        let next_cursor = rows.items.last().filter(|_| rows.more).map(|last| cursor(last).encode());
        Self { items: rows.items.into_iter().map(body).collect(), next_cursor }
    }
}

/// Where a page begins: behind the row of this list with this id (and, where the list is ordered by it, this time).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Cursor {
    /// Which list: the cursor of one list means nothing in another.
    pub(crate) list: List,
    /// Microseconds since 1970; 0 where the list is ordered by id.
    pub(crate) micros: i64,
    /// The row.
    pub(crate) id: Uuid,
}

/// The lists that there are, with the byte that each has in cursors.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum List {
    Users = 1,
    Organizers = 2,
    Events = 3,
    MyBookings = 4,
    EventBookings = 5,
    Members = 6,
    ApiKeys = 7,
    Invitations = 8,
    Audit = 9,
    ExportedBookings = 10,
    PaymentCases = 11,
    PromoCodes = 12,
    Invoices = 14,
    WhoWaits = 15,
    MyWaiting = 16,
}

/// The version of the form; another one is refused, as a client that keeps cursors for months deserves.
const VERSION: u8 = 1;
const PAYLOAD_BYTES: usize = 1 + 1 + 8 + 16;
const CHECK_BYTES: usize = 6;

impl Cursor {
    /// Behind a row of a list that is ordered by id.
    pub(crate) const fn behind(list: List, id: Uuid) -> Self {
        Self { list, micros: 0, id }
    }

    /// The opaque form.
    pub(crate) fn encode(self) -> String {
        let mut bytes = Vec::with_capacity(PAYLOAD_BYTES + CHECK_BYTES);
        bytes.push(VERSION);
        bytes.push(self.list as u8);
        bytes.extend_from_slice(&self.micros.to_be_bytes());
        bytes.extend_from_slice(self.id.as_bytes());
        let check = check(&bytes);
        bytes.extend_from_slice(&check);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads one of this list.
    ///
    /// # Errors
    /// `malformed_request` for anything that [`encode`](Self::encode) has not made for this list.
    pub(crate) fn decode(list: List, text: &str) -> Result<Self, Problem> {
        Self::read(list, text).ok_or_else(|| Problem::malformed("the cursor is none of this list"))
    }

    fn read(list: List, text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok().filter(|bytes| bytes.len() == PAYLOAD_BYTES + CHECK_BYTES)?;
        let (payload, seen) = bytes.split_at(PAYLOAD_BYTES);
        if check(payload) != seen || payload[0] != VERSION || payload[1] != list as u8 {
            return None;
        }
        let micros = i64::from_be_bytes(payload[2..10].try_into().ok()?);
        Some(Self { list, micros, id: Uuid::from_slice(&payload[10..]).ok()? })
    }
}

/// No signature, since a cursor tells nothing and opens nothing; it only finds out what was changed by hand.
fn check(payload: &[u8]) -> [u8; CHECK_BYTES] {
    let digest = Sha256::digest(payload);
    std::array::from_fn(|at| digest[at])
}

/// The parameter `limit`.
///
/// # Errors
/// `validation_failed` outside of 1 to 100.
pub(crate) fn limit(asked: Option<i64>) -> Result<Limit, Problem> {
    let Some(asked) = asked else { return Ok(Limit::default()) };
    u32::try_from(asked)
        .ok()
        .and_then(Limit::parse)
        .ok_or_else(|| Problems::one("limit", "out_of_range", "must be between 1 and 100").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cursor() -> Cursor {
        Cursor { list: List::Events, micros: 1_700_000_000_000_001, id: Uuid::from_u128(0x0123_4567) }
    }

    #[test]
    fn a_cursor_comes_back_as_it_was() {
        let text = cursor().encode();
        assert_eq!(Cursor::decode(List::Events, &text).unwrap(), cursor());
        assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'), "goes into an address");
    }

    #[test]
    fn what_was_not_made_for_this_list_is_refused() {
        let text = cursor().encode();
        assert!(Cursor::decode(List::Users, &text).is_err());
        for bad in ["", "x", "AAAA", "%00", "ąę", &text[1..], &format!("{text}A")] {
            assert_eq!(Cursor::decode(List::Events, bad).unwrap_err().code(), "malformed_request", "{bad:?}");
        }
        for at in 0..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            assert!(Cursor::decode(List::Events, std::str::from_utf8(&changed).unwrap()).is_err(), "changed at {at}");
        }
    }

    #[test]
    fn a_limit_is_between_1_and_100() {
        assert_eq!(limit(None).unwrap().rows(), 20);
        assert_eq!(limit(Some(100)).unwrap().rows(), 100);
        for bad in [0, -1, 101, i64::MAX, i64::MIN] {
            assert_eq!(limit(Some(bad)).unwrap_err().code(), "validation_failed");
        }
    }
}
