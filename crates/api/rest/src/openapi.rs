//! The OpenAPI document: made of the routes themselves, and completed here with what they have in common.
//!
//! An operation names the codes of its problems in the extension `x-problems`; what follows from its shape (a body, a
//! parameter, a login) is added without being named. Here each code becomes a documented answer with its example.

mod examples;

use std::collections::BTreeMap;

use serde_json::{Value, json};
use utoipa::openapi::content::ContentBuilder;
use utoipa::openapi::example::ExampleBuilder;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::schema::{AnyOfBuilder, KnownFormat, ObjectBuilder, Schema, SchemaFormat, Type};
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{Components, OpenApi, Ref, RefOr};
use utoipa::{OpenApi as _, PartialSchema, ToSchema};

use crate::door_live::DoorCountsBody;
use crate::extract::cookie::ACCESS;
use crate::problem::{FieldError, Left, ProblemBody, TITLES};

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "GoTicket",
        description = "Event ticketing that does not break at the rush.\n\n\
            Ids are UUIDs, times are RFC 3339 in UTC, money is an integer in the minor unit of its currency. Errors are \
            problems (RFC 9457) with a stable `code`. Lists have pages: pass `nextCursor` of one as `cursor` of the \
            next. Every answer bears `X-Correlation-Id`. A `POST` that creates something honours `Idempotency-Key`. Limits are \
            told by `RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers-10), with a good answer as well \
            where one has signed in.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    components(schemas(ProblemBody<'_>, FieldError<'_>, Left, EventName, DoorCountsBody)),
)]
struct Document;

/// What a `POST` that creates something may bear.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "it describes a header, which `Keyed` reads")]
pub(crate) struct IdempotencyKeyHeader {
    /// Sent again with the same body within 24 hours, it gets the first success again. Quoted or bare.
    #[param(rename = "Idempotency-Key", nullable = false, min_length = 1, max_length = 255, pattern = "^[!-~]+$")]
    #[param(example = "8e03978e-40d5-43e8-bc93-6894a57f9324")]
    idempotency_key: Option<String>,
}

/// What a change of an event may bear.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "it describes a header, which `IfMatch` reads")]
pub(crate) struct IfMatchHeader {
    /// The `version` of the event that the change was made for, in quotation marks; another one is 412.
    #[param(rename = "If-Match", nullable = false, pattern = r#"^(\*|(W/)?"[!#-~]*")$"#, example = "\"3\"")]
    if_match: Option<String>,
}

/// What a read may bear.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "it describes a header, which is read where the answer is made")]
pub(crate) struct IfNoneMatchHeader {
    /// The `ETag` of an earlier answer; 304 while it still holds.
    #[param(rename = "If-None-Match", nullable = false, example = "W/\"3-17\"")]
    if_none_match: Option<String>,
}

/// The id of an event, or its slug.
pub(crate) struct EventName;

impl PartialSchema for EventName {
    fn schema() -> RefOr<Schema> {
        let text = || ObjectBuilder::new().schema_type(Type::String);
        let id = text().format(Some(SchemaFormat::KnownFormat(KnownFormat::Uuid)));
        let slug = text().min_length(Some(2)).max_length(Some(80)).pattern(Some("^[a-z0-9]+(-[a-z0-9]+)*$"));
        let slug = slug.examples(["autumn-gala-k3v9w7q"]);
        Schema::AnyOf(AnyOfBuilder::new().item(id).item(slug).description(Some("An id or a slug.")).build()).into()
    }
}

impl ToSchema for EventName {}

const PROBLEM_JSON: &str = "application/problem+json";
const EXTENSION: &str = "x-problems";

/// Each code with its status and the sentence of its example.
const PROBLEMS: &[(&str, u16, &str)] = &[
    ("malformed_request", 400, "the body does not fit: unknown field `nam` at line 1 column 6"),
    ("unauthenticated", 401, "sign in first"),
    ("forbidden", 403, "you are not allowed to do this"),
    ("not_found", 404, "there is no such event"),
    ("request_timeout", 408, "the body did not come in time"),
    ("already_exists", 409, "an account with this e-mail address exists already"),
    ("booking_expired", 409, "the booking has expired"),
    ("invalid_state", 409, "the event is cancelled: it cannot be changed"),
    ("price_changed", 409, "the price has changed: the total is 5000 now"),
    ("request_in_progress", 409, "the first request with this idempotency key is still running"),
    ("sold_out", 409, "sold out"),
    ("precondition_failed", 412, "it was changed meanwhile: the present version is 4"),
    ("payload_too_large", 413, "the body must have at most 1000000 bytes"),
    ("unsupported_media_type", 415, "the body must be application/json in UTF-8"),
    ("idempotency_conflict", 422, "this idempotency key was used for another request"),
    ("limit_exceeded", 422, "at most 10 of Standing can be booked together"),
    ("sales_closed", 422, "sales of Standing are closed"),
    ("validation_failed", 422, "the request has values that are not valid"),
    ("rate_limited", 429, "too many requests, try again later"),
    ("headers_too_large", 431, "the address and the headers must have at most 32768 bytes together"),
    ("internal", 500, "an internal error happened"),
    ("unavailable", 503, "too busy at the moment, try again shortly"),
];

/// What every operation can answer.
const ALWAYS: [&str; 3] = ["headers_too_large", "internal", "unavailable"];
/// The tag of operations that have no limits.
const UNLIMITED: &str = "Operation";
/// What an operation with a body can answer.
const WITH_BODY: [&str; 4] = ["malformed_request", "request_timeout", "payload_too_large", "unsupported_media_type"];
/// What an operation with an idempotency key can answer.
const WITH_KEY: [&str; 2] = ["request_in_progress", "idempotency_conflict"];

/// The document before its routes.
pub(crate) fn blank() -> OpenApi {
    let mut document = Document::openapi();
    document.info.version = env!("CARGO_PKG_VERSION").to_owned();
    let tags = [
        ("Identity", "Accounts, sessions, roles."),
        ("Catalog", "Organizers, events, ticket types, pools."),
        ("Booking", "Holding, confirming, cancelling."),
        ("Payment", "Paying, refunding, and what became of the money."),
        ("Invoices", "Invoices and credit notes, and who writes them."),
        ("Tickets", "Codes that let in: read, issued anew, passed on, and shown at the door."),
        ("Operation", "For operators and their machines."),
    ];
    let tag = |(name, description)| TagBuilder::new().name(name).description(Some(description)).build();
    document.tags = Some(tags.map(tag).to_vec());
    document
}

/// Where the router has a parameter alone, since it knows no endings, and the document has it with its ending.
pub(crate) const WITH_ENDING: [(&str, &str); 1] = [("/api/v1/tickets/{ticketId}", "/api/v1/tickets/{ticketId}.pdf")];

/// The document with all that its routes have in common.
pub(crate) fn complete(mut document: OpenApi) -> OpenApi {
    for (routed, documented) in WITH_ENDING {
        if let Some(item) = document.paths.paths.remove(routed) {
            document.paths.paths.insert(documented.to_owned(), item);
        }
    }
    for item in document.paths.paths.values_mut() {
        for operation in operations(item) {
            complete_operation(operation);
        }
    }
    let components = document.components.get_or_insert_with(Components::new);
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("JWT")
        .description(Some(
            "The `accessToken` of `POST /api/v1/auth/login`, or an API key of an organizer, which begins with `gtk_`.",
        ))
        .build();
    components.security_schemes.insert("bearer".to_owned(), SecurityScheme::Http(bearer).into());
    let told = "From `POST /api/v1/auth/web/login`. It counts wherever a bearer token does; what changes something must then \
                bear `X-CSRF-Token`.";
    let cookie = SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::with_description(ACCESS, told)));
    components.security_schemes.insert("cookie".to_owned(), cookie.into());
    for code in shared() {
        components.responses.insert(component_name(code), response(&[code]).into());
    }
    examples::fill(&mut document);
    document
}

/// The operations of a path.
pub(crate) fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.post, &mut item.put, &mut item.patch, &mut item.delete].into_iter().flatten()
}

/// Cookies count wherever a bearer token does.
fn complete_security(operation: &mut Operation) {
    let bearer = SecurityRequirement::new::<_, [&str; 0], &str>("bearer", []);
    let cookie = SecurityRequirement::new::<_, [&str; 0], &str>("cookie", []);
    if let Some(schemes) = &mut operation.security
        && schemes.contains(&bearer)
        && !schemes.contains(&cookie)
    {
        schemes.push(cookie);
    }
}

fn complete_operation(operation: &mut Operation) {
    complete_security(operation);
    let has_key = has_key(operation);
    for (status, answer) in &mut operation.responses.responses {
        let RefOr::T(answer) = answer else { continue };
        answer.headers.insert("X-Correlation-Id".to_owned(), correlation_id().into());
        if status == "201" {
            let location = header(Type::String, "Where it is from now on.");
            answer.headers.entry("Location".to_owned()).or_insert(location.into());
        }
        if status == "201" && has_key {
            let replayed = header(Type::String, "`true` where this is the answer to an earlier request with this key.");
            answer.headers.insert("Idempotency-Replayed".to_owned(), replayed.into());
        }
    }
    let mut by_status: BTreeMap<u16, Vec<&str>> = BTreeMap::new();
    for code in codes(operation) {
        by_status.entry(status(code)).or_default().push(code);
    }
    for (status, codes) in by_status {
        let answers = &mut operation.responses.responses;
        match answers.get_mut(&status.to_string()) {
            // An operation that has its own answer with this status may have this one as well.
            Some(RefOr::T(own)) => own.content.extend(response(&codes).content),
            _ if shared().any(|code| codes == [code]) => {
                answers.insert(status.to_string(), Ref::from_response_name(component_name(codes[0])).into());
            }
            _ => {
                answers.insert(status.to_string(), response(&codes).into());
            }
        }
    }
}

/// The codes that an operation names, and those that follow from its shape; sorted, each once.
fn codes(operation: &mut Operation) -> Vec<&'static str> {
    let named = operation.extensions.as_mut().and_then(|extensions| extensions.remove(EXTENSION));
    if operation.extensions.as_ref().is_some_and(|extensions| extensions.is_empty()) {
        operation.extensions = None;
    }
    let named: Vec<String> = named.and_then(|named| serde_json::from_value(named).ok()).unwrap_or_default();
    let parameters = operation.parameters.iter().flatten();
    let has_key = has_key(operation);
    let has_limits = has_limits(operation);
    let needs_login = operation.security.iter().flatten().any(|it| *it != Default::default());
    let implied = ALWAYS
        .into_iter()
        .chain(WITH_BODY.into_iter().filter(|_| operation.request_body.is_some()))
        .chain(WITH_KEY.into_iter().filter(|_| has_key))
        .chain(has_limits.then_some("rate_limited"))
        .chain(parameters.count().gt(&0).then_some("malformed_request"))
        // Any credentials that hold may yet be of the wrong kind, or open too little.
        .chain(["unauthenticated", "forbidden"].into_iter().filter(|_| needs_login));
    let known = |code: &str| {
        let found = PROBLEMS.iter().find(|(known, _, _)| *known == code);
        found.map(|(known, _, _)| *known).unwrap_or_else(|| panic!("no such code as {code:?}"))
    };
    let mut codes: Vec<_> = implied.chain(named.iter().map(|code| known(code))).collect();
    codes.sort_unstable();
    codes.dedup();
    codes
}

fn has_key(operation: &Operation) -> bool {
    let mut parameters = operation.parameters.iter().flatten();
    parameters.any(|it| matches!(it, RefOr::T(it) if it.name == "Idempotency-Key"))
}

fn has_limits(operation: &Operation) -> bool {
    !operation.tags.iter().flatten().any(|tag| tag == UNLIMITED)
}

fn status(code: &str) -> u16 {
    PROBLEMS.iter().find(|(known, _, _)| *known == code).map_or(500, |(_, status, _)| *status)
}

/// The codes whose answers are alike everywhere.
fn shared() -> impl Iterator<Item = &'static str> {
    ALWAYS.into_iter().chain([
        "rate_limited",
        "request_timeout",
        "payload_too_large",
        "unsupported_media_type",
        "unauthenticated",
    ])
}

fn component_name(code: &str) -> String {
    code.split('_').map(|word| word[..1].to_uppercase() + &word[1..]).collect()
}

/// One answer for all codes of one status.
fn response(codes: &[&str]) -> Response {
    let titles: Vec<_> = TITLES
        .iter()
        .filter(|(code, _)| codes.contains(code))
        .map(|(code, title)| format!("`{code}`: {title}."))
        .collect();
    let examples = codes.iter().map(|code| {
        let example = ExampleBuilder::new().value(Some(example(code))).build();
        ((*code).to_owned(), RefOr::T(example))
    });
    let content = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name(ProblemBody::name())))
        .examples_from_iter(examples)
        .build();
    let mut response = ResponseBuilder::new()
        .description(titles.join(" "))
        .content(PROBLEM_JSON, content)
        .header("X-Correlation-Id", correlation_id());
    if ["unavailable", "request_in_progress", "rate_limited"].iter().any(|code| codes.contains(code)) {
        response =
            response.header("Retry-After", header(Type::Integer, "After so many seconds it makes sense to try again."));
    }
    if codes.contains(&"rate_limited") {
        let policy = "The limit: its name, how many (`q`) within how many seconds (`w`).";
        let limit = "What is left (`r`), and after how many seconds there is more (`t`).";
        response = response.header("RateLimit-Policy", header(Type::String, policy));
        response = response.header("RateLimit", header(Type::String, limit));
    }
    if codes.contains(&"unauthenticated") {
        response = response.header("WWW-Authenticate", header(Type::String, "`Bearer`"));
    }
    response.build()
}

fn correlation_id() -> utoipa::openapi::header::Header {
    header(Type::String, "Taken from the request, or made for it.")
}

fn header(of: Type, description: &str) -> utoipa::openapi::header::Header {
    let schema = Schema::Object(ObjectBuilder::new().schema_type(of).build());
    HeaderBuilder::new().schema(Some(schema)).description(Some(description)).build()
}

fn example(code: &str) -> Value {
    let (_, status, detail) = PROBLEMS.iter().find(|(known, _, _)| *known == code).unwrap_or(&PROBLEMS[0]);
    let title = TITLES.iter().find(|(known, _)| *known == code).map_or("", |(_, title)| title);
    let mut example = json!({
        "type": format!("urn:goticket:problem:{code}"),
        "title": title,
        "status": status,
        "detail": detail,
        "code": code,
        "correlationId": "01990e4c-7a50-7c11-8f2e-2b1f6c3d9a10",
    });
    let ticket_type = "01990e4c-7a50-7c11-8f2e-2b1f6c3d9a11";
    let more = match code {
        "validation_failed" => {
            json!({"errors": [{"field": "items[0].quantity", "code": "out_of_range", "message": "must be at least 1"}]})
        }
        "sold_out" => json!({"left": [{"ticketTypeId": ticket_type, "available": 1}]}),
        "limit_exceeded" => json!({"limit": 10, "ticketTypeId": ticket_type}),
        "price_changed" => json!({"total": 5000}),
        _ => json!({}),
    };
    if let (Some(example), Value::Object(more)) = (example.as_object_mut(), more) {
        example.extend(more);
    }
    example
}
