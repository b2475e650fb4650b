//! Errors as RFC 9457 problems: the one place where a kind of error becomes a status.
//!
//! A [`Problem`] travels in the extensions of its response and is written out by the middleware, which alone knows the
//! correlation id. To add a code: name it in `application::error`, give it a title in [`TITLES`], and the test at the
//! end tells what is missing.

use std::borrow::Cow;
use std::time::Duration;

use application::error::{AppError, Kind};
use application::guard::TooMany;
use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use domain::booking::Refusal;
use domain::{FieldProblem, Problems, TicketTypeId};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::rate_limit;

/// Each code with its title, which does not change from one occurrence to the next.
pub(crate) const TITLES: &[(&str, &str)] = &[
    ("malformed_request", "The request cannot be understood"),
    ("unauthenticated", "Sign in first"),
    ("forbidden", "Not allowed"),
    ("not_found", "Not found"),
    ("method_not_allowed", "Not a method of this resource"),
    ("request_timeout", "The request came too slowly"),
    ("sold_out", "Sold out"),
    ("price_changed", "The price has changed"),
    ("already_exists", "It exists already"),
    ("invalid_state", "Its state does not allow this"),
    ("booking_expired", "The booking has expired"),
    ("request_in_progress", "The first request with this key still runs"),
    ("precondition_failed", "It was changed meanwhile"),
    ("payload_too_large", "The request is too large"),
    ("unsupported_media_type", "Not a media type of this resource"),
    ("validation_failed", "Some values are not valid"),
    ("idempotency_conflict", "The key was used for another request"),
    ("sales_closed", "Not on sale"),
    ("limit_exceeded", "More, or fewer, than one booking or buyer may have"),
    ("rate_limited", "Too many requests"),
    ("headers_too_large", "The headers are too large"),
    ("internal", "An internal error"),
    ("unavailable", "Too busy, or a part is away"),
];

/// What is answered instead of success.
#[derive(Clone, Debug)]
pub struct Problem {
    status: StatusCode,
    code: &'static str,
    detail: Cow<'static, str>,
    errors: Vec<FieldProblem>,
    members: Members,
    retry_after: Option<Duration>,
}

/// The members that only some codes have.
#[derive(Clone, Debug)]
enum Members {
    None,
    Left(Vec<(TicketTypeId, u32)>),
    Limit { ticket_type: TicketTypeId, limit: u32 },
    Total(i64),
    InUse { held: u32, sold: u32 },
    TooMany(Box<TooMany>),
}

impl Problem {
    fn new(status: StatusCode, code: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        let detail = detail.into();
        Self { status, code, detail, errors: Vec::new(), members: Members::None, retry_after: None }
    }

    /// 400: what was sent cannot be read.
    pub(crate) fn malformed(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "malformed_request", detail)
    }

    /// 404 for a route that does not exist.
    pub(crate) fn no_route() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "there is nothing at this address")
    }

    /// 405; `Allow` is set by the router.
    pub(crate) fn method_not_allowed() -> Self {
        let detail = "the header Allow names the methods of this resource";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail)
    }

    /// 408: the body did not come in time.
    pub(crate) fn request_timeout() -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, "request_timeout", "the body did not come in time")
    }

    /// 413.
    pub(crate) fn payload_too_large(limit: usize) -> Self {
        let detail = format!("the body must have at most {limit} bytes");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large", detail)
    }

    /// 415.
    pub(crate) fn unsupported_media_type() -> Self {
        let detail = "the body must be application/json in UTF-8";
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", detail)
    }

    /// 431.
    pub(crate) fn headers_too_large(limit: usize) -> Self {
        let detail = format!("the address and the headers must have at most {limit} bytes together");
        Self::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "headers_too_large", detail)
    }

    /// Whatever an inner service answered with this status and no body of ours.
    pub(crate) fn of_status(status: StatusCode) -> Self {
        match status {
            StatusCode::NOT_FOUND => Self::no_route(),
            StatusCode::METHOD_NOT_ALLOWED => Self::method_not_allowed(),
            StatusCode::SERVICE_UNAVAILABLE => AppError::busy().into(),
            status if status.is_client_error() => Self::malformed("the request cannot be understood"),
            _ => AppError::Internal.into(),
        }
    }

    /// Its status.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        self.status
    }

    /// Its code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        self.code
    }

    /// The fields that are wrong.
    #[must_use]
    pub fn errors(&self) -> &[FieldProblem] {
        &self.errors
    }

    /// The body, as a client reads it.
    pub(crate) fn body(&self, correlation_id: &str) -> ProblemBody<'_> {
        let mut body = ProblemBody {
            r#type: Cow::Owned(format!("urn:goticket:problem:{}", self.code)),
            title: title(self.code),
            status: self.status.as_u16(),
            detail: &self.detail,
            code: self.code,
            correlation_id: Cow::Owned(correlation_id.to_owned()),
            errors: self.errors.iter().map(FieldError::from).collect(),
            left: None,
            limit: None,
            ticket_type_id: None,
            total: None,
            held: None,
            sold: None,
        };
        match &self.members {
            Members::None | Members::TooMany(_) => {}
            Members::Left(left) => body.left = Some(left.iter().map(Left::from).collect()),
            Members::Limit { ticket_type, limit } => {
                body.limit = Some(*limit);
                body.ticket_type_id = Some(ticket_type.uuid());
            }
            Members::Total(total) => body.total = Some(*total),
            Members::InUse { held, sold } => (body.held, body.sold) = (Some(*held), Some(*sold)),
        }
        body
    }

    /// Writes itself into a response that bears its status.
    pub(crate) fn write(&self, response: &mut Response, correlation_id: &str) {
        // A body of ours always has a JSON form; should it ever not, the status alone still says what matters.
        let body = serde_json::to_vec(&self.body(correlation_id)).unwrap_or_default();
        *response.body_mut() = Body::from(body);
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    }
}

impl From<AppError> for Problem {
    fn from(error: AppError) -> Self {
        let detail = match &error {
            AppError::NotFound(_) | AppError::InvalidState(_) | AppError::Refused(_) => Cow::Owned(error.to_string()),
            AppError::AlreadyExists(why) => Cow::Borrowed(*why),
            _ => Cow::Owned(error.to_string()),
        };
        let mut problem = Self::new(status(error.kind()), error.code(), detail);
        problem.errors = error.fields().to_vec();
        match error {
            AppError::Unavailable { retry_after } => problem.retry_after = Some(retry_after),
            AppError::RateLimited(limit) => {
                problem.retry_after = Some(limit.retry_after);
                problem.members = Members::TooMany(Box::new(limit));
            }
            AppError::RequestInProgress => problem.retry_after = Some(Duration::from_secs(1)),
            AppError::Refused(refusal) => problem.members = members(refusal),
            _ => {}
        }
        problem
    }
}

impl From<Problems> for Problem {
    fn from(problems: Problems) -> Self {
        AppError::Validation(problems).into()
    }
}

/// The one mapping from the kinds of the application to HTTP.
const fn status(kind: Kind) -> StatusCode {
    match kind {
        Kind::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
        Kind::Unauthenticated => StatusCode::UNAUTHORIZED,
        Kind::Forbidden => StatusCode::FORBIDDEN,
        Kind::NotFound => StatusCode::NOT_FOUND,
        Kind::Conflict => StatusCode::CONFLICT,
        Kind::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
        Kind::RateLimited => StatusCode::TOO_MANY_REQUESTS,
        Kind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Kind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

fn members(refusal: Refusal) -> Members {
    match refusal {
        Refusal::SoldOut { left } => Members::Left(left),
        Refusal::LimitExceeded { ticket_type, limit, .. } => Members::Limit { ticket_type, limit },
        Refusal::PriceChanged { total } => Members::Total(total),
        Refusal::CapacityInUse { held, sold } => Members::InUse { held, sold },
        Refusal::Invalid(_)
        | Refusal::NotFound(_)
        | Refusal::SalesClosed(_)
        | Refusal::BookingExpired
        | Refusal::InvalidState(_)
        | Refusal::VersionMismatch { .. } => Members::None,
    }
}

fn title(code: &str) -> &'static str {
    TITLES.iter().find(|(known, _)| *known == code).map_or("Something went wrong", |(_, title)| title)
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        let headers = response.headers_mut();
        if let Some(pause) = self.retry_after {
            // Rounded up: whoever comes a moment too early has come in vain.
            let secs = pause.as_millis().div_ceil(1_000).max(1);
            headers.insert(RETRY_AFTER, u64::try_from(secs).unwrap_or(u64::MAX).into());
        }
        if let Members::TooMany(limit) = &self.members {
            rate_limit::refuse(headers, limit);
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response.extensions_mut().insert(self);
        response
    }
}

/// An error: RFC 9457, with `code` for programs and the members that belong to the code.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Problem)]
pub(crate) struct ProblemBody<'a> {
    /// Names the kind of problem; as stable as `code`.
    #[schema(format = "uri", example = "urn:goticket:problem:not_found")]
    r#type: Cow<'a, str>,
    /// The kind of problem, for people; always the same for a `code`.
    title: &'static str,
    /// The status of the answer.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// What is wrong with this request, for people.
    detail: &'a str,
    /// What is wrong, for programs.
    #[schema(pattern = "^[a-z_]+$")]
    code: &'static str,
    /// The value of `X-Correlation-Id`: name it when you ask for help.
    #[schema(min_length = 1, max_length = 64)]
    correlation_id: Cow<'a, str>,
    /// With `validation_failed`: each field that is wrong.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldError<'a>>,
    /// With `sold_out`: what is left of the ticket types that were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    left: Option<Vec<Left>>,
    /// With `limit_exceeded`: the limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    limit: Option<u32>,
    /// With `limit_exceeded`: the ticket type whose limit it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    ticket_type_id: Option<Uuid>,
    /// With `price_changed`: the present total in minor units.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    total: Option<i64>,
    /// With `invalid_state` for a capacity: units of pending bookings.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    held: Option<u32>,
    /// With `invalid_state` for a capacity: units of confirmed bookings.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    sold: Option<u32>,
}

/// One field and what is wrong with it.
#[derive(Serialize, ToSchema)]
pub(crate) struct FieldError<'a> {
    /// Its path in the body, or the name of the parameter.
    #[schema(example = "items[0].quantity")]
    field: &'a str,
    /// What is wrong, for programs.
    #[schema(pattern = "^[a-z_]+$", example = "out_of_range")]
    code: &'static str,
    /// What is wrong, for people.
    #[schema(example = "must be at least 1")]
    message: &'a str,
}

/// What is left of a ticket type.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Left {
    /// Which.
    ticket_type_id: Uuid,
    /// How many; null where it has no limit.
    #[schema(example = 1, required)]
    available: Option<u32>,
}

impl<'a> From<&'a FieldProblem> for FieldError<'a> {
    fn from(problem: &'a FieldProblem) -> Self {
        Self { field: &problem.field, code: problem.code, message: &problem.message }
    }
}

impl From<&(TicketTypeId, u32)> for Left {
    fn from((ticket_type, available): &(TicketTypeId, u32)) -> Self {
        let available = Some(*available).filter(|available| *available < u32::MAX);
        Self { ticket_type_id: ticket_type.uuid(), available }
    }
}

#[cfg(test)]
mod tests {
    use application::guard::{LimitClass, Rate};
    use serde_json::{Value, json};

    use super::*;

    fn type_id() -> TicketTypeId {
        TicketTypeId::new(Uuid::from_u128(7))
    }

    fn too_many() -> TooMany {
        let rate = Rate::new(5, 900);
        TooMany { class: LimitClass::Login, rate, retry_after: Duration::from_millis(179_500) }
    }

    /// One of each error that a use case can answer, with what HTTP makes of it.
    fn all() -> Vec<(AppError, u16, &'static str)> {
        let problems = || Problems::one("name", "required", "must not be empty");
        vec![
            (AppError::Validation(problems()), 422, "validation_failed"),
            (AppError::Unauthenticated, 401, "unauthenticated"),
            (AppError::BadCredentials, 401, "unauthenticated"),
            (AppError::Forbidden, 403, "forbidden"),
            (AppError::NotFound("event"), 404, "not_found"),
            (AppError::AlreadyExists("it is there"), 409, "already_exists"),
            (AppError::InvalidState("no".into()), 409, "invalid_state"),
            (AppError::PreconditionFailed { current: 3 }, 412, "precondition_failed"),
            (AppError::IdempotencyConflict, 422, "idempotency_conflict"),
            (AppError::RequestInProgress, 409, "request_in_progress"),
            (AppError::Unavailable { retry_after: Duration::from_millis(1_200) }, 503, "unavailable"),
            (AppError::RateLimited(too_many()), 429, "rate_limited"),
            (AppError::Internal, 500, "internal"),
            (Refusal::Invalid(problems()).into(), 422, "validation_failed"),
            (Refusal::NotFound("pool").into(), 404, "not_found"),
            (Refusal::SoldOut { left: vec![(type_id(), 1)] }.into(), 409, "sold_out"),
            (Refusal::SalesClosed("closed".into()).into(), 422, "sales_closed"),
            (
                Refusal::LimitExceeded { ticket_type: type_id(), limit: 4, message: "at most 4".into() }.into(),
                422,
                "limit_exceeded",
            ),
            (Refusal::PriceChanged { total: 5_000 }.into(), 409, "price_changed"),
            (Refusal::BookingExpired.into(), 409, "booking_expired"),
            (Refusal::InvalidState("no".into()).into(), 409, "invalid_state"),
            (Refusal::CapacityInUse { held: 2, sold: 3 }.into(), 409, "invalid_state"),
            (Refusal::VersionMismatch { current: 3 }.into(), 412, "precondition_failed"),
        ]
    }

    fn body(problem: &Problem) -> Value {
        serde_json::to_value(problem.body("c-1")).unwrap()
    }

    #[test]
    fn each_error_has_its_status_its_code_and_a_title() {
        for (error, status, code) in all() {
            let problem = Problem::from(error.clone());
            assert_eq!((problem.status().as_u16(), problem.code()), (status, code), "{error:?}");
            let body = body(&problem);
            assert_eq!(body["type"], format!("urn:goticket:problem:{code}"));
            assert_eq!((&body["status"], &body["code"]), (&json!(status), &json!(code)));
            assert_eq!(body["correlationId"], "c-1");
            assert_ne!(body["title"], "Something went wrong", "{code} has no title");
            assert_eq!(body["detail"], error.to_string());
        }
    }

    #[test]
    fn problems_of_the_transport_have_titles_too() {
        let of_status = |status| Problem::of_status(StatusCode::from_u16(status).unwrap());
        let all = [
            (Problem::malformed("x"), 400, "malformed_request"),
            (Problem::no_route(), 404, "not_found"),
            (Problem::method_not_allowed(), 405, "method_not_allowed"),
            (Problem::request_timeout(), 408, "request_timeout"),
            (Problem::payload_too_large(1), 413, "payload_too_large"),
            (Problem::unsupported_media_type(), 415, "unsupported_media_type"),
            (Problem::headers_too_large(1), 431, "headers_too_large"),
            (of_status(404), 404, "not_found"),
            (of_status(405), 405, "method_not_allowed"),
            (of_status(418), 400, "malformed_request"),
            (of_status(503), 503, "unavailable"),
            (of_status(502), 500, "internal"),
        ];
        for (problem, status, code) in all {
            assert_eq!((problem.status().as_u16(), problem.code()), (status, code));
            assert_ne!(body(&problem)["title"], "Something went wrong", "{code} has no title");
        }
    }

    #[test]
    fn some_codes_say_more() {
        let of = |refusal: Refusal| body(&Problem::from(AppError::from(refusal)));
        let sold_out = of(Refusal::SoldOut { left: vec![(type_id(), 1), (type_id(), u32::MAX)] });
        let id = type_id().to_string();
        assert_eq!(
            sold_out["left"],
            json!([{"ticketTypeId": id, "available": 1}, {"ticketTypeId": id, "available": null}])
        );
        let limit = of(Refusal::LimitExceeded { ticket_type: type_id(), limit: 4, message: "at most 4".into() });
        assert_eq!((&limit["limit"], &limit["ticketTypeId"]), (&json!(4), &json!(id)));
        assert_eq!(of(Refusal::PriceChanged { total: 5_000 })["total"], 5_000);
        let in_use = of(Refusal::CapacityInUse { held: 2, sold: 3 });
        assert_eq!((&in_use["held"], &in_use["sold"]), (&json!(2), &json!(3)));
        let invalid = of(Refusal::Invalid(Problems::one("name", "required", "must not be empty")));
        assert_eq!(invalid["errors"], json!([{"field": "name", "code": "required", "message": "must not be empty"}]));
        assert_eq!(body(&Problem::no_route()).as_object().unwrap().len(), 6, "no member that says nothing");
    }

    #[test]
    fn headers_go_with_some_statuses() {
        let response = |error: AppError| Problem::from(error).into_response();
        assert_eq!(response(AppError::Unauthenticated).headers()[WWW_AUTHENTICATE], "Bearer");
        assert_eq!(response(AppError::busy()).headers()[RETRY_AFTER], "1");
        assert_eq!(
            response(AppError::Unavailable { retry_after: Duration::from_millis(1_200) }).headers()[RETRY_AFTER],
            "2"
        );
        assert_eq!(response(AppError::RequestInProgress).headers()[RETRY_AFTER], "1");
        let limited = response(AppError::RateLimited(too_many()));
        let header = |name: &str| limited.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(header("retry-after"), "180");
        assert_eq!(header("ratelimit-policy"), "\"login\";q=5;w=900");
        assert_eq!(header("ratelimit"), "\"login\";r=0;t=180");
        assert!(response(AppError::Forbidden).headers().is_empty());
    }
}
