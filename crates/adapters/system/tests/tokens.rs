//! Access tokens against forgers: whatever is not exactly a token that a known key has signed is nothing at all.

#![expect(clippy::unwrap_used, reason = "a test fails well by it")]

use application::identity::{AccessClaims, IdentitySettings, KeyPair, TokenFormat};
use application::origin::{Factor, Principal};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use domain::identity::Role;
use domain::{SessionId, SigningKeyId, UserId};
use goticket_adapter_system::EdDsaTokens;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use uuid::Uuid;

const KEY_ID: SigningKeyId = SigningKeyId::new(Uuid::from_u128(7));

fn issued_at() -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::days(20_000)
}

fn claims(settings: &IdentitySettings) -> AccessClaims {
    let principal = Principal {
        user: UserId::new(Uuid::from_u128(1)),
        session: SessionId::new(Uuid::from_u128(2)),
        role: Role::Organizer,
        factor: Factor::Present,
    };
    AccessClaims::new(settings, &principal, Uuid::from_u128(3), issued_at(), settings.access_ttl)
}

fn signed() -> (KeyPair, String) {
    let keys = EdDsaTokens.make_keys().unwrap();
    let token = EdDsaTokens.sign(KEY_ID, &keys.private_key, &claims(&IdentitySettings::default())).unwrap();
    (keys, token)
}

fn part(token: &str, index: usize) -> Value {
    let part = token.split('.').nth(index).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

fn encode(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

#[test]
fn a_token_says_what_was_signed() {
    let (keys, token) = signed();
    assert_eq!(EdDsaTokens.key_id(&token), Some(KEY_ID));
    assert_eq!(EdDsaTokens.verify(&token, &keys.public_key), Some(claims(&IdentitySettings::default())));
}

#[test]
fn its_form_is_that_of_the_standards() {
    let (_, token) = signed();
    let id = |number| Uuid::from_u128(number).to_string();
    assert_eq!(part(&token, 0), json!({ "typ": "JWT", "alg": "EdDSA", "kid": id(7) }));
    let iat = issued_at().timestamp();
    assert_eq!(
        part(&token, 1),
        json!({
            "iss": "goticket", "aud": "goticket-api", "sub": id(1), "sid": id(2), "jti": id(3), "role": "organizer",
            "sf": true, "iat": iat, "nbf": iat - 60, "exp": iat + 900,
        })
    );
}

#[test]
fn every_changed_character_spoils_it() {
    let (keys, token) = signed();
    for index in 0..token.len() {
        for other in ['A', 'B', '.', '=', 'é'] {
            let mut changed: Vec<char> = token.chars().collect();
            if changed[index] == other {
                continue;
            }
            changed[index] = other;
            let changed: String = changed.into_iter().collect();
            assert_eq!(EdDsaTokens.verify(&changed, &keys.public_key), None, "{other} at {index}");
        }
    }
}

#[test]
fn what_is_no_token_is_none_and_breaks_nothing() {
    let (keys, token) = signed();
    let unsigned = token.rsplit_once('.').unwrap().0;
    let nested = URL_SAFE_NO_PAD.encode("[".repeat(100_000));
    let long = format!("{nested}.{nested}.{nested}");
    for rubbish in
        ["", ".", "..", "...", "a.b.c", "\0", unsigned, &format!("{unsigned}."), &format!("{token}.x"), &long]
    {
        assert_eq!(EdDsaTokens.verify(rubbish, &keys.public_key), None);
    }
}

#[test]
fn the_algorithm_none_is_refused() {
    let (keys, token) = signed();
    for name in ["none", "None", "NONE", ""] {
        let header = encode(&json!({ "alg": name, "typ": "JWT", "kid": KEY_ID.to_string() }));
        let body = token.split('.').nth(1).unwrap();
        for forged in [
            format!("{header}.{body}."),
            format!("{header}.{body}"),
            token.replacen(token.split('.').next().unwrap(), &header, 1),
        ] {
            assert_eq!(EdDsaTokens.key_id(&forged), None);
            assert_eq!(EdDsaTokens.verify(&forged, &keys.public_key), None);
        }
    }
}

#[test]
fn a_mac_made_with_the_public_key_is_refused() {
    let (keys, token) = signed();
    for algorithm in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
        let header = Header { kid: Some(KEY_ID.to_string()), ..Header::new(algorithm) };
        let forged =
            jsonwebtoken::encode(&header, &part(&token, 1), &EncodingKey::from_secret(&keys.public_key)).unwrap();
        assert_eq!(EdDsaTokens.key_id(&forged), None);
        assert_eq!(EdDsaTokens.verify(&forged, &keys.public_key), None);
    }
}

#[test]
fn a_signature_of_another_kind_is_refused() {
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
    let (keys, token) = signed();
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new()).unwrap();
    let header = Header { kid: Some(KEY_ID.to_string()), ..Header::new(Algorithm::ES256) };
    let key = EncodingKey::from_ec_der(pkcs8.as_ref());
    let forged = jsonwebtoken::encode(&header, &part(&token, 1), &key).unwrap();
    assert_eq!(EdDsaTokens.key_id(&forged), None);
    assert_eq!(EdDsaTokens.verify(&forged, &keys.public_key), None);
    // Our own signature under the name of another algorithm is none either.
    for name in ["ES256", "ES384", "RS256", "PS512", "HS256", "eddsa"] {
        let header = encode(&json!({ "alg": name, "typ": "JWT", "kid": KEY_ID.to_string() }));
        let renamed = token.replacen(token.split('.').next().unwrap(), &header, 1);
        assert_eq!(EdDsaTokens.key_id(&renamed), None, "{name}");
        assert_eq!(EdDsaTokens.verify(&renamed, &keys.public_key), None, "{name}");
    }
}

#[test]
fn a_token_of_another_key_is_refused_even_under_our_kid() {
    let (keys, _) = signed();
    let (_, foreign) = signed();
    assert_eq!(EdDsaTokens.key_id(&foreign), Some(KEY_ID));
    assert_eq!(EdDsaTokens.verify(&foreign, &keys.public_key), None);
}

#[test]
fn a_key_that_the_token_brings_along_counts_for_nothing() {
    let (keys, _) = signed();
    let own = EdDsaTokens.make_keys().unwrap();
    let token = EdDsaTokens.sign(KEY_ID, &own.private_key, &claims(&IdentitySettings::default())).unwrap();
    let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": URL_SAFE_NO_PAD.encode(own.public_key) });
    let header = Header {
        kid: Some(KEY_ID.to_string()),
        jwk: Some(serde_json::from_value(jwk).unwrap()),
        jku: Some("https://evil.example/jwks.json".to_owned()),
        ..Header::new(Algorithm::EdDSA)
    };
    let key = EncodingKey::from_ed_der(own.private_key.expose_secret());
    let forged = jsonwebtoken::encode(&header, &part(&token, 1), &key).unwrap();
    assert_eq!(EdDsaTokens.verify(&forged, &keys.public_key), None);
}

#[test]
fn a_kid_that_is_no_id_of_ours_is_none() {
    let (keys, token) = signed();
    let key = EncodingKey::from_ed_der(keys.private_key.expose_secret());
    for kid in [None, Some(""), Some("../../etc/passwd"), Some("' OR 1=1 --")] {
        let header = Header { kid: kid.map(ToOwned::to_owned), ..Header::new(Algorithm::EdDSA) };
        let forged = jsonwebtoken::encode(&header, &part(&token, 1), &key).unwrap();
        assert_eq!(EdDsaTokens.key_id(&forged), None);
    }
}

#[test]
fn claims_that_are_missing_or_none_of_ours_spoil_a_signed_token() {
    let (keys, token) = signed();
    let key = EncodingKey::from_ed_der(keys.private_key.expose_secret());
    let sign = |body: &Value| jsonwebtoken::encode(&Header::new(Algorithm::EdDSA), body, &key).unwrap();
    let whole = part(&token, 1);
    assert!(EdDsaTokens.verify(&sign(&whole), &keys.public_key).is_some());
    for name in ["iss", "aud", "sub", "sid", "jti", "role", "iat", "nbf", "exp"] {
        let mut body = whole.clone();
        body.as_object_mut().unwrap().remove(name);
        assert_eq!(EdDsaTokens.verify(&sign(&body), &keys.public_key), None, "without {name}");
        body[name] = json!(["something", "else"]);
        assert_eq!(EdDsaTokens.verify(&sign(&body), &keys.public_key), None, "with another {name}");
    }
    let mut body = whole;
    // One from before there were second factors speaks of somebody without one.
    body.as_object_mut().unwrap().remove("sf");
    assert!(!EdDsaTokens.verify(&sign(&body), &keys.public_key).unwrap().has_second_factor);
    body["sf"] = json!("yes");
    assert_eq!(EdDsaTokens.verify(&sign(&body), &keys.public_key), None);
    body["sf"] = json!(true);
    body["role"] = json!("root");
    assert_eq!(EdDsaTokens.verify(&sign(&body), &keys.public_key), None);
}

#[test]
fn a_signed_token_holds_only_in_its_time_and_place() {
    let settings = IdentitySettings::default();
    let (keys, token) = signed();
    let claims = EdDsaTokens.verify(&token, &keys.public_key).unwrap();
    let holds = |seconds| claims.holds(&settings, issued_at() + TimeDelta::seconds(seconds));
    assert!(holds(0) && holds(899));
    assert!(!holds(900), "expired, without leeway");
    assert!(!holds(-61), "not yet");
    let elsewhere = IdentitySettings { audience: "other-api".into(), ..settings.clone() };
    assert!(!claims.holds(&elsewhere, issued_at()));
    let other = IdentitySettings { issuer: "other".into(), ..settings };
    assert!(!claims.holds(&other, issued_at()));
}

#[test]
fn keys_and_private_parts_do_not_print() {
    let keys = EdDsaTokens.make_keys().unwrap();
    let printed = format!("{keys:?}");
    assert!(printed.contains("REDACTED"), "{printed}");
    assert!(!printed.contains(&format!("{:?}", keys.private_key.expose_secret())));
}
