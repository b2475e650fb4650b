//! What holds of tokens and of sealed secrets, whatever is sent in their place: nothing panics, what we have made reads
//! back as it was, and nothing else opens anything.
//!
//! Each property is tried a few hundred times here, and a million times by `make fuzz`.

#![expect(clippy::unwrap_used, reason = "a test fails well by it")]

use std::sync::LazyLock;

use application::identity::{AccessClaims, IdentitySettings, KeyPair, Sealer, TokenFormat};
use application::origin::{Factor, Principal};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta};
use domain::identity::Role;
use domain::{SessionId, SigningKeyId, UserId};
use goticket_adapter_system::{AesSealer, EdDsaTokens, MasterKey};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use secrecy::{ExposeSecret, SecretString};
use uuid::Uuid;

static KEYS: LazyLock<KeyPair> = LazyLock::new(|| EdDsaTokens.make_keys().unwrap());
static SEALER: LazyLock<AesSealer> = LazyLock::new(|| AesSealer::try_new(&MasterKey::new([7; 32])).unwrap());

/// A token of ours, and what it says.
fn signed(ids: [u128; 4], (role, factor): (Role, Factor), second: u32) -> (String, AccessClaims) {
    let [user, session, id, key] = ids.map(Uuid::from_u128);
    let principal = Principal { user: UserId::new(user), session: SessionId::new(session), role, factor };
    let now = DateTime::UNIX_EPOCH + TimeDelta::seconds(second.into());
    let settings = IdentitySettings::default();
    let claims = AccessClaims::new(&settings, &principal, id, now, settings.access_ttl);
    (EdDsaTokens.sign(SigningKeyId::new(key), &KEYS.private_key, &claims).unwrap(), claims)
}

/// What somebody does to a text.
#[derive(Clone, Debug)]
enum Blow {
    Replace(Index, u8),
    Insert(Index, u8),
    Remove(Index),
    Cut(Index),
    Double(Index),
}

fn blow() -> impl Strategy<Value = Blow> {
    let byte = || prop_oneof![select(&b"ABxyz019-_.=+/ \0"[..]), any::<u8>()];
    prop_oneof![
        (any::<Index>(), byte()).prop_map(|(at, byte)| Blow::Replace(at, byte)),
        (any::<Index>(), byte()).prop_map(|(at, byte)| Blow::Insert(at, byte)),
        any::<Index>().prop_map(Blow::Remove),
        any::<Index>().prop_map(Blow::Cut),
        any::<Index>().prop_map(Blow::Double),
    ]
}

fn beaten(bytes: &[u8], blows: &[Blow]) -> Vec<u8> {
    blows.iter().fold(bytes.to_vec(), |mut bytes, blow| {
        if bytes.is_empty() {
            return bytes;
        }
        match blow {
            Blow::Replace(at, byte) => {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            }
            Blow::Insert(at, byte) => {
                let at = at.index(bytes.len() + 1);
                bytes.insert(at, *byte);
            }
            Blow::Remove(at) => {
                let at = at.index(bytes.len());
                bytes.remove(at);
            }
            Blow::Cut(at) => {
                let at = at.index(bytes.len());
                bytes.truncate(at);
            }
            Blow::Double(at) => {
                let at = at.index(bytes.len());
                bytes.extend_from_within(at..);
            }
        }
        bytes
    })
}

fn role() -> impl Strategy<Value = Role> {
    select(&[Role::User, Role::Organizer, Role::Admin][..])
}

proptest! {
    #[test]
    fn a_token_says_what_was_signed_and_nothing_once_it_was_touched(
        ids in any::<[u128; 4]>(),
        role in role(),
        has_factor in any::<bool>(),
        second in any::<u32>(),
        blows in vec(blow(), 1..4),
    ) {
        let factor = if has_factor { Factor::Present } else { Factor::Missing };
        let (token, claims) = signed(ids, (role, factor), second);
        prop_assert_eq!(EdDsaTokens.key_id(&token), Some(SigningKeyId::new(Uuid::from_u128(ids[3]))));
        prop_assert_eq!(EdDsaTokens.verify(&token, &KEYS.public_key), Some(claims));
        let touched = beaten(token.as_bytes(), &blows);
        if let Ok(touched) = String::from_utf8(touched)
            && touched != token
        {
            let _ = EdDsaTokens.key_id(&touched);
            prop_assert_eq!(EdDsaTokens.verify(&touched, &KEYS.public_key), None, "{}", touched);
        }
    }

    #[test]
    fn what_has_the_form_of_a_token_and_no_signature_of_ours_is_none(
        parts in vec("[ -~]{0,40}", 0..5),
        alg in select(&["EdDSA", "none", "HS256", "RS256", "eddsa", ""][..]),
        kid in prop_oneof![any::<u128>().prop_map(|id| Uuid::from_u128(id).to_string()), any::<String>()],
        body in prop_oneof![any::<String>(), "[{}\\[\\]\":,a-z0-9]{0,60}"],
        signature in vec(any::<u8>(), 0..70),
        noise in any::<String>(),
    ) {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let header = serde_json::json!({ "alg": alg, "typ": "JWT", "kid": kid }).to_string();
        let shaped = format!("{}.{}.{}", encode(header.as_bytes()), encode(body.as_bytes()), encode(&signature));
        for text in [shaped, parts.join("."), parts.iter().map(|part| encode(part.as_bytes())).collect::<Vec<_>>().join("."), noise] {
            let key = EdDsaTokens.key_id(&text);
            prop_assert!(key.is_none() || alg == "EdDSA", "{} bears a key under {}", text, alg);
            prop_assert_eq!(EdDsaTokens.verify(&text, &KEYS.public_key), None);
        }
    }

    #[test]
    fn a_sealed_secret_opens_for_its_purpose_and_nothing_once_it_was_touched(
        secret in vec(any::<u8>(), 0..40),
        blows in vec(blow(), 1..4),
        noise in vec(any::<u8>(), 0..80),
    ) {
        let sealed = SEALER.seal("csrf", &secret).unwrap();
        let opened = SEALER.open("csrf", &sealed).unwrap();
        prop_assert_eq!(opened.expose_secret(), secret.as_slice());
        prop_assert!(SEALER.open("keys", &sealed).is_err());
        let touched = beaten(&sealed, &blows);
        prop_assert!(touched == sealed || SEALER.open("csrf", &touched).is_err());
        prop_assert!(SEALER.open("csrf", &noise).is_err());
        // With our own head and a nonce in front of it, too.
        prop_assert!(SEALER.open("csrf", &[&sealed[..21], noise.as_slice()].concat()).is_err());
    }

    #[test]
    fn a_master_key_is_32_bytes_in_base64_or_none(
        key in any::<[u8; 32]>(),
        noise in prop_oneof![any::<String>(), "[A-Za-z0-9+/=\n ]{40,48}"],
    ) {
        let text = base64::engine::general_purpose::STANDARD.encode(key);
        let parsed = MasterKey::parse(&SecretString::from(format!(" {text}\n"))).unwrap();
        let by_hand = MasterKey::new(key);
        let sealed = AesSealer::try_new(&parsed).unwrap().seal("test", b"secret").unwrap();
        prop_assert!(AesSealer::try_new(&by_hand).unwrap().open("test", &sealed).is_ok());
        if let Ok(parsed) = MasterKey::parse(&SecretString::from(noise.clone())) {
            prop_assert_eq!(noise.trim().trim_end_matches('=').len(), 43);
            let printed = format!("{parsed:?}");
            prop_assert!(!printed.contains(noise.trim()));
        }
    }
}
