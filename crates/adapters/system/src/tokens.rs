//! Access tokens as JWT, signed by Ed25519.

use std::sync::LazyLock;

use application::identity::{AccessClaims, CryptoError, KeyPair, TokenFormat};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use domain::identity::Role;
use domain::{SessionId, SigningKeyId, UserId};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use secrecy::{ExposeSecret, SecretSlice};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The form of access tokens: header `alg` `EdDSA` and `kid`, and nothing else is ever accepted.
#[derive(Clone, Copy, Default, Debug)]
pub struct EdDsaTokens;

/// The claims as they are on the wire.
#[derive(Serialize, Deserialize)]
struct WireClaims {
    iss: String,
    aud: String,
    sub: Uuid,
    sid: Uuid,
    jti: Uuid,
    role: String,
    /// Left out where it is false, as by versions before it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    sf: bool,
    iat: i64,
    nbf: i64,
    exp: i64,
}

/// The signature and the algorithm only. The claims are checked by `AccessClaims::holds`, with the clock of the port:
/// jsonwebtoken would ask the system's, and allow it a minute.
static SIGNATURE_ONLY: LazyLock<Validation> = LazyLock::new(|| {
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    validation
});

impl TokenFormat for EdDsaTokens {
    fn make_keys(&self) -> Result<KeyPair, CryptoError> {
        let refused = |_| CryptoError("no Ed25519 key could be made");
        let pair = Ed25519KeyPair::generate().map_err(refused)?;
        let private_key = pair.to_pkcs8().map_err(refused)?.as_ref().to_vec();
        let public_key = pair.public_key().as_ref().try_into();
        Ok(KeyPair {
            public_key: public_key.map_err(|_| CryptoError("an Ed25519 public key must have 32 bytes"))?,
            private_key: private_key.into(),
        })
    }

    fn sign(
        &self,
        id: SigningKeyId,
        private_key: &SecretSlice<u8>,
        claims: &AccessClaims,
    ) -> Result<String, CryptoError> {
        let header = Header { kid: Some(id.to_string()), ..Header::new(Algorithm::EdDSA) };
        let key = EncodingKey::from_ed_der(private_key.expose_secret());
        jsonwebtoken::encode(&header, &WireClaims::from(claims), &key)
            .map_err(|_| CryptoError("an access token could not be signed"))
    }

    fn key_id(&self, token: &str) -> Option<SigningKeyId> {
        let header = jsonwebtoken::decode_header(token).ok()?;
        if header.alg != Algorithm::EdDSA || header.crit.is_some() {
            return None;
        }
        Uuid::try_parse(&header.kid?).ok().map(SigningKeyId::new)
    }

    fn verify(&self, token: &str, public_key: &[u8; 32]) -> Option<AccessClaims> {
        let key = DecodingKey::from_ed_der(public_key);
        let token = jsonwebtoken::decode::<WireClaims>(token, &key, &SIGNATURE_ONLY).ok()?;
        token.claims.try_into().ok()
    }
}

impl From<&AccessClaims> for WireClaims {
    fn from(claims: &AccessClaims) -> Self {
        Self {
            iss: claims.issuer.to_string(),
            aud: claims.audience.to_string(),
            sub: claims.user.uuid(),
            sid: claims.session.uuid(),
            jti: claims.id,
            role: claims.role.as_str().to_owned(),
            sf: claims.has_second_factor,
            iat: claims.issued_at,
            nbf: claims.not_before,
            exp: claims.expires_at,
        }
    }
}

impl TryFrom<WireClaims> for AccessClaims {
    type Error = domain::identity::UnknownRole;

    fn try_from(wire: WireClaims) -> Result<Self, Self::Error> {
        Ok(Self {
            issuer: wire.iss.into(),
            audience: wire.aud.into(),
            user: UserId::new(wire.sub),
            session: SessionId::new(wire.sid),
            id: wire.jti,
            role: wire.role.parse::<Role>()?,
            has_second_factor: wire.sf,
            issued_at: wire.iat,
            not_before: wire.nbf,
            expires_at: wire.exp,
        })
    }
}
