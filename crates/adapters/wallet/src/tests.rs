//! What wallets would look at: files, digests and signatures, over keys that are made for each run.

use std::collections::BTreeMap;
use std::io::Read;

use ::cms::content_info::ContentInfo;
use ::cms::signed_data::SignedData;
use application::admission::{
    AppleIssuerRequest, GoogleIssuerRequest, IssuerAccount, Paper, Pass, PassMaker, ReadIssuer, TicketSheet,
};
use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use chrono::TimeDelta;
use der::{Decode, Encode};
use domain::admission::{CodeClaims, Validity};
use domain::catalog::EventTerms;
use domain::{EventId, Language, Problems, Text, TicketId, TicketTypeId, Timestamp};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, PKCS_RSA_SHA256};
use secrecy::SecretString;
use serde_json::{Value, json};
use uuid::Uuid;
use x509_cert::Certificate;

use crate::WalletPassMaker;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn now() -> Timestamp {
    at("2026-11-22T12:00:00Z")
}

/// A key as PKCS#8.
fn key() -> Vec<u8> {
    let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
    AsDer::<Pkcs8V1Der<'_>>::as_der(&pair).unwrap().as_ref().to_vec()
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<_> = text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

fn signing(der: &[u8]) -> rcgen::KeyPair {
    rcgen::KeyPair::from_pkcs8_der_and_sign_algo(&der.into(), &PKCS_RSA_SHA256).unwrap()
}

/// Who plays Apple.
fn authority(name: &str) -> CertifiedIssuer<'static, rcgen::KeyPair> {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, signing(&key())).unwrap()
}

/// A certificate of a pass type.
fn certified(key: &[u8], by: &CertifiedIssuer<'static, rcgen::KeyPair>, uid: &str, until: i32) -> String {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CustomDnType(vec![0, 9, 2342, 19_200_300, 100, 1, 1]), uid);
    params.distinguished_name.push(DnType::OrganizationalUnitName, "A93A5CM278");
    params.not_before = rcgen::date_time_ymd(2026, 1, 1);
    params.not_after = rcgen::date_time_ymd(until, 1, 1);
    params.signed_by(&signing(key), by).unwrap().pem()
}

fn sent() -> AppleIssuerRequest {
    let (key, authority) = (key(), authority("Worldwide Developer Relations"));
    AppleIssuerRequest {
        certificate: certified(&key, &authority, "pass.com.example.tickets", 2027),
        intermediate: authority.pem(),
        private_key: SecretString::from(pem("PRIVATE KEY", &key)),
    }
}

fn pass() -> Pass {
    let event = EventTerms {
        name: Text::trusted("Gala \"Zażółć\"".to_owned()),
        description: None,
        venue: Some(Text::trusted("Hala Stulecia".to_owned())),
        timezone: chrono_tz::Europe::Warsaw,
        start_at: at("2027-01-22T18:00:00Z"),
        end_at: at("2027-01-22T22:00:00Z"),
        hold: TimeDelta::minutes(15),
        pricing: None,
        blocks_disputed: false,
        waiting_list: false,
        offer: TimeDelta::days(1),
    };
    let claims = CodeClaims {
        key: 1,
        ticket: TicketId::new(Uuid::from_u128(1)),
        event: EventId::new(Uuid::from_u128(2)),
        ticket_type: TicketTypeId::new(Uuid::from_u128(3)),
        validity: Validity::of(&event),
        issue: 2,
    };
    let sheet = TicketSheet {
        language: Language::Polish,
        paper: Paper::Phone,
        event,
        ticket_type: "Miejsce stojące".to_owned(),
        attendee: Some("Łucja".to_owned()),
        reference: "K7P3X9".to_owned(),
        unit: 1,
        units: 3,
        code: claims.signed(&[0xA5; 64]),
    };
    Pass { sheet, ticket: claims.ticket, issue: 2, event: claims.event, organizer: "Klub".to_owned() }
}

fn files(packed: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(packed)).unwrap();
    let names: Vec<String> = archive.file_names().map(|name| name.unwrap().into_owned()).collect();
    let read = |name: String| {
        let mut bytes = Vec::new();
        archive.by_name(&name).unwrap().read_to_end(&mut bytes).unwrap();
        (name, bytes)
    };
    names.into_iter().map(read).collect()
}

fn made((account, key): &ReadIssuer) -> Vec<u8> {
    WalletPassMaker.make(&pass(), account, key, now()).unwrap()
}

#[test]
fn a_pass_file_has_what_apple_asks_for() {
    let issuer = WalletPassMaker.read_apple(&sent(), now()).unwrap();
    let packed = made(&issuer);
    assert_eq!(packed, made(&issuer), "the same bytes at the same second");
    let mut files = files(&packed);
    let signature = files.remove("signature").unwrap();
    let manifest = files.remove("manifest.json").unwrap();
    let digests: BTreeMap<String, String> = serde_json::from_slice(&manifest).unwrap();
    let hex =
        |bytes: &[u8]| digest(&SHA1_FOR_LEGACY_USE_ONLY, bytes).as_ref().iter().map(|b| format!("{b:02x}")).collect();
    let found: BTreeMap<String, String> = files.iter().map(|(name, bytes)| (name.clone(), hex(bytes))).collect();
    assert_eq!(digests, found, "every file but these two is in the manifest");
    assert_eq!(files.keys().collect::<Vec<_>>(), ["icon.png", "icon@2x.png", "icon@3x.png", "pass.json"]);
    for (name, side) in [("icon.png", 29), ("icon@2x.png", 58), ("icon@3x.png", 87)] {
        let read = png::Decoder::new(std::io::Cursor::new(&files[name])).read_info().unwrap();
        assert_eq!((read.info().width, read.info().height), (side, side));
    }
    let said: Value = serde_json::from_slice(&files["pass.json"]).unwrap();
    for (field, value) in [
        ("formatVersion", json!(1)),
        ("passTypeIdentifier", json!("pass.com.example.tickets")),
        ("teamIdentifier", json!("A93A5CM278")),
        ("serialNumber", json!(Uuid::from_u128(1).to_string())),
        ("organizationName", json!("Klub")),
        ("description", json!("Bilet: Gala \"Zażółć\"")),
        ("relevantDate", json!("2027-01-22T19:00:00+01:00")),
    ] {
        assert_eq!(said[field], value, "{field}");
    }
    assert_eq!(said["barcodes"][0]["format"], "PKBarcodeFormatQR");
    assert_eq!(said["barcodes"][0]["message"], pass().sheet.code.expose());
    assert_eq!(said["eventTicket"]["primaryFields"][0]["value"], "Gala \"Zażółć\"");
    let keys = ["primaryFields", "secondaryFields", "auxiliaryFields", "backFields"].map(|part| {
        said["eventTicket"][part].as_array().unwrap().iter().map(|it| it["key"].as_str().unwrap()).collect::<Vec<_>>()
    });
    let mut all = keys.concat();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), keys.concat().len(), "keys are unique within a pass");

    // The signature: of the manifest, by the key of the certificate, with the one above it enclosed.
    let info = ContentInfo::from_der(&signature).unwrap();
    let signed: SignedData = info.content.decode_as().unwrap();
    assert!(signed.encap_content_info.econtent.is_none(), "it stands beside what it signs");
    assert_eq!(signed.certificates.unwrap().0.len(), 2);
    let signer = signed.signer_infos.0.get(0).unwrap();
    let attributes = signer.signed_attrs.as_ref().unwrap();
    let value = |oid: &str| {
        let found = attributes.iter().find(|attribute| attribute.oid.to_string() == oid).unwrap();
        found.values.get(0).unwrap().value().to_vec()
    };
    assert_eq!(value("1.2.840.113549.1.9.4"), digest(&SHA256, &manifest).as_ref());
    assert_eq!(value("1.2.840.113549.1.9.5"), b"261122120000Z");
    let IssuerAccount::Apple { certificate, .. } = &issuer.0 else { panic!("an account at Apple") };
    let certificate = Certificate::from_der(certificate).unwrap();
    let public = certificate.tbs_certificate.subject_public_key_info.subject_public_key;
    let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, public.as_bytes().unwrap());
    let message = attributes.to_der().unwrap();
    public.verify(&message, signer.signature.as_bytes()).unwrap();
    assert!(public.verify(&message[1..], signer.signature.as_bytes()).is_err());
}

#[test]
fn a_link_has_what_google_asks_for() {
    let key = key();
    let sent = GoogleIssuerRequest {
        issuer: "3388000000012345678".to_owned(),
        service_account: "tickets@example.iam.gserviceaccount.com".to_owned(),
        private_key: SecretString::from(pem("PRIVATE KEY", &key)),
    };
    let issuer = WalletPassMaker.read_google(&sent).unwrap();
    let link = String::from_utf8(made(&issuer)).unwrap();
    let token = link.strip_prefix("https://pay.google.com/gp/v/save/").unwrap();
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let public = KeyPair::from_pkcs8(&key).unwrap();
    let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, public.public_key());
    public.verify(signed.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).unwrap()).unwrap();
    let part = |text: &str| serde_json::from_slice::<Value>(&URL_SAFE_NO_PAD.decode(text).unwrap()).unwrap();
    let (header, claims) = signed.split_once('.').unwrap();
    assert_eq!(part(header), json!({ "alg": "RS256", "typ": "JWT" }));
    let claims = part(claims);
    for (name, value) in [
        ("iss", json!("tickets@example.iam.gserviceaccount.com")),
        ("aud", json!("google")),
        ("typ", json!("savetowallet")),
        ("iat", json!(now().timestamp())),
    ] {
        assert_eq!(claims[name], value, "{name}");
    }
    let (class, object) = (&claims["payload"]["eventTicketClasses"][0], &claims["payload"]["eventTicketObjects"][0]);
    assert_eq!(class["id"], format!("3388000000012345678.{}", Uuid::from_u128(2)));
    assert_eq!((&object["classId"], &object["state"]), (&class["id"], &json!("ACTIVE")));
    assert_eq!(object["id"], format!("3388000000012345678.{}-2", Uuid::from_u128(1)));
    assert_eq!(object["barcode"], json!({ "type": "QR_CODE", "value": pass().sheet.code.expose() }));
    assert_eq!(class["eventName"]["defaultValue"], json!({ "language": "pl", "value": "Gala \"Zażółć\"" }));
    assert!(link.len() < 3_000, "browsers and mails bear it: {}", link.len());
}

fn wrong(found: Result<ReadIssuer, Problems>) -> Vec<(String, &'static str)> {
    let problems = found.expect_err("it is refused");
    problems.as_slice().iter().map(|problem| (problem.field.clone(), problem.code)).collect()
}

fn refused(change: impl FnOnce(&mut AppleIssuerRequest)) -> Vec<(String, &'static str)> {
    let mut sent = sent();
    change(&mut sent);
    wrong(WalletPassMaker.read_apple(&sent, now()))
}

#[test]
fn what_does_not_belong_together_is_refused() {
    let is = |field: &str, code| vec![(field.to_owned(), code)];
    assert_eq!(refused(|sent| sent.certificate = "none".into()), is("certificate", "invalid"));
    assert_eq!(refused(|sent| sent.private_key = "none".into()), is("privateKey", "invalid"));
    let other = SecretString::from(pem("PRIVATE KEY", &key()));
    assert_eq!(refused(|sent| sent.private_key = other), is("privateKey", "mismatch"));
    let stranger = authority("Somebody else").pem();
    assert_eq!(refused(|sent| sent.intermediate = stranger), is("intermediateCertificate", "mismatch"));
    let mut swapped = sent();
    swapped.certificate.clone_from(&swapped.intermediate);
    assert!(!wrong(WalletPassMaker.read_apple(&swapped, now())).is_empty(), "it names no pass type");
    assert_eq!(wrong(WalletPassMaker.read_apple(&sent(), at("2027-01-01T00:00:00Z"))), is("certificate", "expired"));
    let (key, apple) = (key(), authority("Worldwide Developer Relations"));
    let unnamed = AppleIssuerRequest {
        certificate: certified(&key, &apple, "", 2027),
        intermediate: apple.pem(),
        private_key: SecretString::from(pem("PRIVATE KEY", &key)),
    };
    assert_eq!(wrong(WalletPassMaker.read_apple(&unnamed, now())), is("certificate", "invalid"));
    let google = GoogleIssuerRequest {
        issuer: "one".to_owned(),
        service_account: "nobody".to_owned(),
        private_key: SecretString::from("-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----"),
    };
    let fields: Vec<String> = wrong(WalletPassMaker.read_google(&google)).into_iter().map(|(field, _)| field).collect();
    assert_eq!(fields, ["issuerId", "serviceAccountEmail", "privateKey"]);
}
