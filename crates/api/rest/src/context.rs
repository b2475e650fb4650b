//! What is known of a request before anybody has read it: the ids by which logs and journals find it.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use application::clock::Ids;
use application::guard::Room;
use application::origin::{Actor, Origin};
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName};

use crate::problem::Problem;

/// `X-Correlation-Id`.
pub(crate) const CORRELATION_ID: HeaderName = HeaderName::from_static("x-correlation-id");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// The longest correlation id that is taken over.
const CORRELATION_ID_MAX: usize = 64;

/// The context of one request; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Context(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    correlation_id: Arc<str>,
    traceparent: Option<Arc<str>>,
    address: Option<IpAddr>,
    actor: OnceLock<Actor>,
    let_in: OnceLock<Actor>,
    room: OnceLock<Room>,
}

impl Context {
    /// Takes what is sane from the headers, and makes the rest.
    pub(crate) fn of(headers: &HeaderMap, address: Option<IpAddr>, ids: &dyn Ids) -> Self {
        let correlation_id = headers
            .get(CORRELATION_ID)
            .and_then(|value| value.to_str().ok())
            .filter(|id| is_sane(id))
            .map_or_else(|| fresh(ids), Arc::from);
        let traceparent = headers
            .get(TRACEPARENT)
            .and_then(|value| value.to_str().ok())
            .filter(|it| is_traceparent(it))
            .map(Arc::from);
        Self(Arc::new(Inner {
            correlation_id,
            traceparent,
            address,
            actor: OnceLock::new(),
            let_in: OnceLock::new(),
            room: OnceLock::new(),
        }))
    }

    /// The correlation id.
    pub(crate) fn correlation_id(&self) -> &str {
        &self.0.correlation_id
    }

    /// Where the request comes from; none within a test that does not say.
    pub(crate) fn address(&self) -> Option<IpAddr> {
        self.0.address
    }

    /// Who asks, as far as he is known.
    pub(crate) fn actor(&self) -> Actor {
        self.0.actor.get().copied().unwrap_or(Actor::Anonymous)
    }

    /// Remembers who asks, for journals and the summary line.
    pub(crate) fn known_as(&self, actor: Actor) {
        // The first who says so is right: a request has one caller.
        let _ = self.0.actor.set(actor);
    }

    /// For whom alone the request was let in, where it was.
    pub(crate) fn let_in(&self) -> Option<Actor> {
        self.0.let_in.get().copied()
    }

    /// Remembers for whom alone it is let in.
    pub(crate) fn let_in_as(&self, actor: Actor) {
        let _ = self.0.let_in.set(actor);
    }

    /// What is left of the limit that this request counts against.
    pub(crate) fn room(&self) -> Option<&Room> {
        self.0.room.get()
    }

    /// Remembers what is left, for the answer.
    pub(crate) fn has_room(&self, room: Option<Room>) {
        if let Some(room) = room {
            let _ = self.0.room.set(room);
        }
    }

    /// The origin of what this request changes.
    pub(crate) fn origin(&self) -> Origin {
        Origin {
            actor: self.actor(),
            correlation_id: Arc::clone(&self.0.correlation_id),
            traceparent: self.0.traceparent.clone(),
            address: self.0.address,
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Context {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        // The outermost middleware sets it for every request.
        parts.extensions.get().cloned().ok_or_else(|| application::error::AppError::Internal.into())
    }
}

fn is_sane(id: &str) -> bool {
    (1..=CORRELATION_ID_MAX).contains(&id.len())
        && id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

fn fresh(ids: &dyn Ids) -> Arc<str> {
    let mut buffer = uuid::Uuid::encode_buffer();
    Arc::from(&*ids.uuid().hyphenated().encode_lower(&mut buffer))
}

/// Version 00 of W3C Trace Context, or the same beginning of a later version.
fn is_traceparent(header: &str) -> bool {
    let hex = |part: &str, length: usize| {
        part.len() == length && part.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    };
    let is_zero = |part: &str| part.bytes().all(|b| b == b'0');
    let mut parts = header.splitn(5, '-');
    let (Some(version), Some(trace), Some(span), Some(flags)) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    hex(version, 2)
        && version != "ff"
        && (version != "00" || parts.next().is_none())
        && header.len() <= 128
        && hex(trace, 32)
        && !is_zero(trace)
        && hex(span, 16)
        && !is_zero(span)
        && hex(flags, 2)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use domain::UserId;
    use uuid::Uuid;

    use super::*;

    struct Counted;

    impl Ids for Counted {
        fn uuid(&self) -> Uuid {
            Uuid::from_u128(5)
        }

        fn random(&self) -> u64 {
            5
        }
    }

    const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn context(name: HeaderName, value: &[u8]) -> Context {
        let headers = HeaderMap::from_iter([(name, HeaderValue::from_bytes(value).unwrap())]);
        Context::of(&headers, None, &Counted)
    }

    #[test]
    fn a_sane_correlation_id_is_taken_over() {
        for sane in ["a", "abc-DEF_1.2", &"x".repeat(64)] {
            assert_eq!(context(CORRELATION_ID, sane.as_bytes()).correlation_id(), sane);
        }
        for insane in ["", " ", "a b", "a\"b", "ą", &"x".repeat(65), "a\tb"] {
            let id = context(CORRELATION_ID, insane.as_bytes());
            assert_eq!(id.correlation_id(), "00000000-0000-0000-0000-000000000005", "{insane:?}");
        }
    }

    #[test]
    fn a_traceparent_is_checked() {
        let taken = |value: &str| context(TRACEPARENT, value.as_bytes()).origin().traceparent;
        assert_eq!(taken(TRACE).as_deref(), Some(TRACE));
        let later = format!("01{}-what-comes", &TRACE[2..]);
        assert!(taken(&later).is_some());
        let upper = TRACE.to_uppercase();
        let extended = format!("{TRACE}-more");
        let long = format!("01{}-{}", &TRACE[2..], "x".repeat(200));
        for bad in [
            "",
            "00",
            &TRACE[..54],
            &upper,
            &extended,
            &long,
            &TRACE.replacen("00-", "ff-", 1),
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        ] {
            assert!(taken(bad).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn the_origin_knows_who_asks_once_he_is_known() {
        let context = Context::of(&HeaderMap::new(), Some([192, 0, 2, 1].into()), &Counted);
        assert_eq!(context.origin().actor, Actor::Anonymous);
        let user = UserId::new(Uuid::from_u128(9));
        context.known_as(Actor::User(user));
        assert_eq!(context.origin().actor, Actor::User(user));
        assert_eq!(context.origin().address, Some([192, 0, 2, 1].into()));
    }
}
