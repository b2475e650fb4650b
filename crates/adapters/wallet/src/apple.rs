//! Pass files (`.pkpass`): a zip of what the pass says, an icon, the digests of both, and a signature of the digests.

use std::io::{Cursor, Write};

use application::admission::Pass;
use application::identity::CryptoError;
use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use domain::Timestamp;
use secrecy::SecretSlice;
use serde_json::{Value, json};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use crate::cms;
use crate::icon::icons;
use crate::words::{local, words};

/// By whom passes are issued.
pub(crate) struct Issuer<'a> {
    pub(crate) pass_type: &'a str,
    pub(crate) team: &'a str,
    pub(crate) certificate: &'a [u8],
    pub(crate) intermediate: &'a [u8],
}

/// The file. The same pass, signed at the same second, has the same bytes.
pub(crate) fn file(
    pass: &Pass,
    issuer: &Issuer<'_>,
    key: &SecretSlice<u8>,
    at: Timestamp,
) -> Result<Vec<u8>, CryptoError> {
    let mut files = vec![("pass.json", text(&content(pass, issuer))?)];
    files.extend(icons()?);
    let digests = files.iter().map(|(name, bytes)| ((*name).to_owned(), Value::String(hex(bytes))));
    let manifest = text(&Value::Object(digests.collect()))?;
    let signature = cms::signature(&manifest, key, (issuer.certificate, issuer.intermediate), at)?;
    files.extend([("manifest.json", manifest), ("signature", signature)]);
    zipped(&files).map_err(|_| CryptoError("a pass cannot be packed"))
}

/// What the pass says (`pass.json`). Times bear the offset of the event's zone, so that they are shown as they are there.
fn content(pass: &Pass, issuer: &Issuer<'_>) -> Value {
    let (sheet, words) = (&pass.sheet, words(pass.sheet.language));
    let local = |at| local(&sheet.event, at);
    let field = |key: &str, label: &str, value: &str| json!({ "key": key, "label": label, "value": value });
    let begins = json!({
        "key": "begins", "label": words.begins, "value": local(sheet.event.start_at),
        "dateStyle": "PKDateStyleMedium", "timeStyle": "PKDateStyleShort", "ignoresTimeZone": true,
    });
    let venue = sheet.event.venue.as_ref().map(|venue| field("place", words.place, venue.as_str()));
    let attendee = sheet.attendee.as_deref().map(|name| field("attendee", words.attendee, name));
    let number = format!("{} {} {}", sheet.unit, words.of, sheet.units);
    let auxiliary: Vec<Value> =
        attendee.into_iter().chain([field("type", words.ticket_type, &sheet.ticket_type)]).collect();
    json!({
        "formatVersion": 1,
        "passTypeIdentifier": issuer.pass_type,
        "teamIdentifier": issuer.team,
        // The same ticket takes the place of what the wallet had of it, whatever its issue.
        "serialNumber": pass.ticket.uuid().to_string(),
        "organizationName": pass.organizer,
        "description": format!("{}: {}", words.ticket, sheet.event.name),
        "relevantDate": local(sheet.event.start_at),
        "expirationDate": local(sheet.event.end_at),
        "sharingProhibited": true,
        "barcodes": [{
            "format": "PKBarcodeFormatQR", "message": sheet.code.expose(), "messageEncoding": "iso-8859-1",
        }],
        "eventTicket": {
            "primaryFields": [field("event", words.event, sheet.event.name.as_str())],
            "secondaryFields": std::iter::once(begins).chain(venue).collect::<Vec<_>>(),
            "auxiliaryFields": auxiliary,
            "backFields": [
                field("reference", words.reference, &sheet.reference),
                field("number", words.number, &number),
            ],
        },
    })
}

fn text(value: &Value) -> Result<Vec<u8>, CryptoError> {
    serde_json::to_vec(value).map_err(|_| CryptoError("a pass cannot be written"))
}

/// The digest of a file as the manifest wants it: SHA-1. What binds is the signature, of which it is a part.
fn hex(bytes: &[u8]) -> String {
    digest(&SHA1_FOR_LEGACY_USE_ONLY, bytes).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn zipped(files: &[(&str, Vec<u8>)]) -> zip::result::ZipResult<Vec<u8>> {
    let mut packed = ZipWriter::new(Cursor::new(Vec::new()));
    // No time of its own, so that the same files have the same bytes.
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Stored)
        .last_modified_time(DateTime::default());
    for (name, bytes) in files {
        packed.start_file(*name, options)?;
        packed.write_all(bytes)?;
    }
    Ok(packed.finish()?.into_inner())
}
