//! Ids in the path.

use application::catalog::EventRef;
use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::request::Parts;
use domain::EventId;
use domain::catalog::Slug;
use uuid::Uuid;

use crate::problem::Problem;
use crate::state::AppState;

/// The ids of the path, in their order; 400 where one is no UUID.
pub(crate) struct Ids<const N: usize>(pub(crate) [Uuid; N]);

impl<S: Send + Sync, const N: usize> FromRequestParts<S> for Ids<N> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let params = raw(parts, state).await?;
        let mut ids = [Uuid::nil(); N];
        let mut found = params.iter();
        for id in &mut ids {
            let (name, value) = found.next().ok_or_else(Problem::no_route)?;
            *id = parse(value).ok_or_else(|| Problem::malformed(format!("{name} must be a UUID")))?;
        }
        Ok(Self(ids))
    }
}

/// The name of a PDF in the path. What has another ending is no route, whoever asks.
pub(crate) struct PdfName(String);

impl PdfName {
    /// The id that it is.
    pub(crate) fn id(&self) -> Result<Uuid, Problem> {
        parse(&self.0).ok_or_else(|| Problem::malformed("the name before `.pdf` must be a UUID"))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for PdfName {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let params = raw(parts, state).await?;
        let name = params.iter().next().and_then(|(_, value)| value.strip_suffix(".pdf"));
        name.map(|name| Self(name.to_owned())).ok_or_else(Problem::no_route)
    }
}

/// A name in the path, its first parameter.
pub(crate) struct Name(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for Name {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let params = raw(parts, state).await?;
        let (_, value) = params.iter().next().ok_or_else(Problem::no_route)?;
        Ok(Self(value.to_owned()))
    }
}

/// An event by its id or its slug, the first parameter of the path.
pub(crate) struct EventPath(pub(crate) EventRef);

impl<S: Send + Sync> FromRequestParts<S> for EventPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let params = raw(parts, state).await?;
        let (_, value) = params.iter().next().ok_or_else(Problem::no_route)?;
        event(value).map(Self).ok_or_else(|| Problem::malformed("eventId must be a UUID or a slug"))
    }
}

fn event(text: &str) -> Option<EventRef> {
    match parse(text) {
        Some(id) => Some(EventRef::Id(EventId::new(id))),
        None => Slug::parse("eventId", text).ok().map(EventRef::Slug),
    }
}

/// Lets a booking in only while there is room in the queue of its event: asked before anything that costs, the check of
/// the token included. What is wrong with the address is said later.
pub(crate) struct Admitted;

impl FromRequestParts<AppState> for Admitted {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        let params = raw(parts, state).await?;
        let id = params.iter().next().and_then(|(_, value)| parse(value));
        if let Some(id) = id {
            state.bookings().admit(EventId::new(id))?;
        }
        Ok(Self)
    }
}

/// The parameters as text.
///
/// # Errors
/// `malformed_request` where they are no UTF-8.
pub(super) async fn raw<S: Send + Sync>(parts: &mut Parts, state: &S) -> Result<RawPathParams, Problem> {
    RawPathParams::from_request_parts(parts, state)
        .await
        .map_err(|_| Problem::malformed("the address must be UTF-8 behind its percent signs"))
}

/// A UUID in its one usual form, with hyphens.
pub(crate) fn parse(text: &str) -> Option<Uuid> {
    (text.len() == uuid::fmt::Hyphenated::LENGTH).then(|| Uuid::try_parse(text).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_has_an_id_or_a_slug() {
        let id = Uuid::from_u128(7);
        assert!(matches!(event(&id.to_string()), Some(EventRef::Id(found)) if found.uuid() == id));
        assert!(matches!(event("gala-2026"), Some(EventRef::Slug(slug)) if slug.as_str() == "gala-2026"));
        for bad in ["", "x", "Gala", "a--b", "a b", "a\0b", "ą-b", &id.simple().to_string(), &"x".repeat(81)] {
            assert!(event(bad).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn a_uuid_has_one_form() {
        let id = Uuid::from_u128(0x0198_0000_0000_7000_8000_0000_0000_0001);
        assert_eq!(parse(&id.to_string()), Some(id));
        assert_eq!(parse(&id.to_string().to_uppercase()), Some(id));
        let (simple, urn, braced) = (id.simple().to_string(), id.urn().to_string(), id.braced().to_string());
        for bad in ["", "x", &simple, &urn, &braced, "01980000-0000-7000-8000-00000000000g"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
