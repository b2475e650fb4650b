//! Links that put a ticket into Google's wallet: a signed text (JWT, RFC 7519) of what the pass says.

use application::admission::Pass;
use application::identity::CryptoError;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::Timestamp;
use secrecy::SecretSlice;
use serde_json::{Value, json};

use crate::key;
use crate::words::{local, words};

/// Where such texts are shown.
const SAVE: &str = "https://pay.google.com/gp/v/save/";

/// The link.
pub(crate) fn link(
    pass: &Pass,
    (issuer, service_account): (&str, &str),
    key: &SecretSlice<u8>,
    at: Timestamp,
) -> Result<String, CryptoError> {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let claims = json!({
        "iss": service_account,
        "aud": "google",
        "typ": "savetowallet",
        "iat": at.timestamp(),
        // No page of ours draws Google's button: the link is opened as it is.
        "origins": [],
        "payload": content(pass, issuer),
    });
    let signed = format!("{}.{}", part(&json!({ "alg": "RS256", "typ": "JWT" })), part(&claims));
    let signature = URL_SAFE_NO_PAD.encode(key::sign(key, signed.as_bytes())?);
    Ok(format!("{SAVE}{signed}.{signature}"))
}

/// A class for the event, which Google keeps as it gets it first, and an object for this issue of the ticket.
fn content(pass: &Pass, issuer: &str) -> Value {
    let (sheet, words) = (&pass.sheet, words(pass.sheet.language));
    let language = sheet.language.as_str();
    let local = |at| local(&sheet.event, at);
    let told = |text: &str| json!({ "defaultValue": { "language": language, "value": text } });
    let (start, end) = (local(sheet.event.start_at), local(sheet.event.end_at));
    let class = format!("{issuer}.{}", pass.event.uuid());
    let mut of_event = json!({
        "id": class,
        "issuerName": pass.organizer,
        "reviewStatus": "UNDER_REVIEW",
        "eventId": pass.event.uuid().to_string(),
        "eventName": told(sheet.event.name.as_str()),
        "dateTime": { "start": start, "end": end },
    });
    if let Some(venue) = &sheet.event.venue {
        // Both are wanted, and a venue is one text here.
        of_event["venue"] = json!({ "name": told(venue.as_str()), "address": told(venue.as_str()) });
    }
    let mut ticket = json!({
        "id": format!("{issuer}.{}-{}", pass.ticket.uuid(), pass.issue),
        "classId": class,
        "state": "ACTIVE",
        "ticketNumber": format!("{} / {} {} {}", sheet.reference, sheet.unit, words.of, sheet.units),
        "ticketType": told(&sheet.ticket_type),
        "barcode": { "type": "QR_CODE", "value": sheet.code.expose() },
        "validTimeInterval": { "end": { "date": local(sheet.event.end_at) } },
    });
    if let Some(attendee) = &sheet.attendee {
        ticket["ticketHolderName"] = json!(attendee);
    }
    json!({ "eventTicketClasses": [of_event], "eventTicketObjects": [ticket] })
}
