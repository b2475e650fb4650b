//! Providers for tests, as small real HTTP servers: one of OpenID Connect that misbehaves as it is told, and one with the
//! shape of GitHub's API. They ask nobody for a password: whoever comes is the person that the test has set. How an honest
//! provider behaves is tested against a certified one (`scripts/oidc`).

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use axum::extract::{Form, Query, State};
use axum::http::header::{AUTHORIZATION, LOCATION};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// How a provider behaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Behaviour {
    /// As it should.
    #[default]
    Honest,
    /// The person says no.
    Denies,
    /// The ID token bears another nonce.
    WrongNonce,
    /// The ID token names another issuer.
    WrongIssuer,
    /// The answer to the browser names another issuer.
    WrongAnswerIssuer,
    /// The ID token is for somebody else.
    WrongAudience,
    /// The ID token has expired.
    Expired,
    /// The signature is another key's.
    BadSignature,
    /// The ID token is not signed at all.
    Unsigned,
    /// The token endpoint answers with 500.
    Fails,
    /// The token endpoint does not answer for a minute.
    Slow,
    /// The token endpoint takes half a second.
    Late,
    /// The token endpoint sends the caller elsewhere.
    Redirects,
    /// The token endpoint answers with megabytes.
    Floods,
}

/// Whom a provider speaks of.
#[derive(Clone, Debug)]
pub struct Person {
    /// His id there.
    pub subject: String,
    /// His address there, and whether it is verified.
    pub email: Option<(String, bool)>,
}

struct Inner {
    address: SocketAddr,
    keys: Ed25519KeyPair,
    other_keys: Ed25519KeyPair,
    state: Mutex<Shared>,
}

#[derive(Default)]
struct Shared {
    behaviour: Behaviour,
    person: Option<Person>,
    /// Codes with the nonces and PKCE challenges that they were given for.
    codes: HashMap<String, (String, String)>,
    made: u32,
    token_calls: u32,
}

/// The server; it ends with the runtime of its test.
#[derive(Clone)]
pub struct TestProvider(Arc<Inner>);

impl TestProvider {
    /// Starts one on a free port of this machine.
    ///
    /// # Panics
    /// When there is none.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let keys = || Ed25519KeyPair::generate().expect("a pair of keys");
        let address = listener.local_addr().expect("the address of the listener");
        let provider = Self(Arc::new(Inner { address, keys: keys(), other_keys: keys(), state: Mutex::default() }));
        let routes = Router::new()
            .route("/.well-known/openid-configuration", get(discovery))
            .route("/jwks", get(jwks))
            .route("/auth", get(authorize))
            .route("/token", post(token))
            .route("/login/oauth/authorize", get(authorize))
            .route("/login/oauth/access_token", post(github_token))
            .route("/user", get(github_user))
            .route("/user/emails", get(github_emails))
            .with_state(provider.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        provider
    }

    /// Its issuer, and the URL of all that it serves.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.0.address)
    }

    /// From now on it behaves so.
    pub fn behave(&self, behaviour: Behaviour) {
        self.state(|state| state.behaviour = behaviour);
    }

    /// Whoever signs in from now on is he.
    pub fn speaks_of(&self, subject: &str, email: Option<(&str, bool)>) {
        let email = email.map(|(address, is_verified)| (address.to_owned(), is_verified));
        self.state(|state| state.person = Some(Person { subject: subject.to_owned(), email }));
    }

    /// How often its token endpoint was called.
    #[must_use]
    pub fn token_calls(&self) -> u32 {
        self.state(|state| state.token_calls)
    }

    fn state<T>(&self, read: impl FnOnce(&mut Shared) -> T) -> T {
        read(&mut self.0.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn behaviour(&self) -> Behaviour {
        self.state(|state| state.behaviour)
    }

    fn person(&self) -> Person {
        self.state(|state| state.person.clone()).expect("the test has said who signs in")
    }

    /// Whether the code was given, was not used, and belongs to this verifier; with its nonce.
    fn take(&self, form: &HashMap<String, String>) -> Option<String> {
        let (nonce, challenge) = self.state(|state| state.codes.remove(form.get("code")?))?;
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, form.get("code_verifier")?.as_bytes());
        (URL_SAFE_NO_PAD.encode(digest) == challenge).then_some(nonce)
    }

    fn id_token(&self, nonce: &str) -> String {
        let (behaviour, person) = (self.behaviour(), self.person());
        let now = epoch_secs();
        let either =
            |when: Behaviour, then: &str, usual: String| if behaviour == when { then.to_owned() } else { usual };
        let mut claims = json!({
            "iss": either(Behaviour::WrongIssuer, "http://127.0.0.1:1", self.url()),
            "aud": either(Behaviour::WrongAudience, "somebody else", "client".to_owned()),
            "nonce": either(Behaviour::WrongNonce, "another", nonce.to_owned()),
            "sub": person.subject,
            "name": "Ana Kowalska",
            "iat": now,
            "exp": if behaviour == Behaviour::Expired { now - 3_600 } else { now + 300 },
        });
        if let Some((email, is_verified)) = person.email {
            (claims["email"], claims["email_verified"]) = (json!(email), json!(is_verified));
        }
        let header = match behaviour {
            Behaviour::Unsigned => json!({ "alg": "none" }),
            _ => json!({ "alg": "EdDSA", "kid": "1" }),
        };
        let text = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", text(&header), text(&claims));
        let keys = if behaviour == Behaviour::BadSignature { &self.0.other_keys } else { &self.0.keys };
        let signature = URL_SAFE_NO_PAD.encode(keys.sign(signed.as_bytes()));
        if behaviour == Behaviour::Unsigned { format!("{signed}.") } else { format!("{signed}.{signature}") }
    }
}

#[expect(clippy::disallowed_methods, reason = "a provider elsewhere has a clock of its own")]
fn epoch_secs() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970").as_secs()
}

async fn discovery(State(provider): State<TestProvider>) -> Json<Value> {
    let url = provider.url();
    Json(json!({
        "issuer": url,
        "authorization_endpoint": format!("{url}/auth"),
        "token_endpoint": format!("{url}/token"),
        "jwks_uri": format!("{url}/jwks"),
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["EdDSA", "none"],
    }))
}

async fn jwks(State(provider): State<TestProvider>) -> Json<Value> {
    let x = URL_SAFE_NO_PAD.encode(provider.0.keys.public_key());
    Json(json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": "1", "x": x }] }))
}

async fn authorize(State(provider): State<TestProvider>, Query(asked): Query<HashMap<String, String>>) -> Response {
    assert_eq!(asked["code_challenge_method"], "S256");
    let nonce = asked.get("nonce").cloned().unwrap_or_default();
    let code = provider.state(|state| {
        state.made += 1;
        let code = format!("code-{}", state.made);
        state.codes.insert(code.clone(), (nonce, asked["code_challenge"].clone()));
        code
    });
    let (redirect, state) = (&asked["redirect_uri"], &asked["state"]);
    let location = match provider.behaviour() {
        Behaviour::Denies => format!("{redirect}?state={state}&error=access_denied&error_description=no"),
        Behaviour::WrongAnswerIssuer => format!("{redirect}?state={state}&code={code}&iss=https://evil.example"),
        _ => format!("{redirect}?state={state}&code={code}"),
    };
    (StatusCode::SEE_OTHER, [(LOCATION, location)]).into_response()
}

async fn token(State(provider): State<TestProvider>, Form(form): Form<HashMap<String, String>>) -> Response {
    provider.state(|state| state.token_calls += 1);
    match provider.behaviour() {
        Behaviour::Fails => return StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        Behaviour::Slow => tokio::time::sleep(Duration::from_secs(60)).await,
        Behaviour::Late => tokio::time::sleep(Duration::from_millis(500)).await,
        Behaviour::Redirects => {
            return (StatusCode::TEMPORARY_REDIRECT, [(LOCATION, "/jwks")]).into_response();
        }
        Behaviour::Floods => return "x".repeat(2_000_000).into_response(),
        _ => {}
    }
    let Some(nonce) = provider.take(&form) else {
        return (StatusCode::BAD_REQUEST, Json(json!({ "error": "invalid_grant" }))).into_response();
    };
    let id_token = provider.id_token(&nonce);
    Json(json!({ "access_token": "a", "token_type": "Bearer", "expires_in": 300, "id_token": id_token }))
        .into_response()
}

async fn github_token(State(provider): State<TestProvider>, Form(form): Form<HashMap<String, String>>) -> Response {
    if provider.behaviour() == Behaviour::Fails {
        return StatusCode::BAD_GATEWAY.into_response();
    }
    if form["client_secret"] != "secret" {
        return Json(json!({ "error": "incorrect_client_credentials" })).into_response();
    }
    match provider.take(&form) {
        Some(_) => Json(json!({ "access_token": "gho_1", "token_type": "bearer", "scope": "read:user,user:email" })),
        None => Json(json!({ "error": "bad_verification_code", "error_description": "incorrect or expired" })),
    }
    .into_response()
}

async fn github_user(State(provider): State<TestProvider>, headers: HeaderMap) -> Response {
    if headers.get(AUTHORIZATION).is_none_or(|value| value != "Bearer gho_1") {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let id: u64 = provider.person().subject.parse().expect("GitHub counts its users");
    Json(json!({ "id": id, "login": "ana", "name": "Ana Kowalska", "email": null })).into_response()
}

async fn github_emails(State(provider): State<TestProvider>) -> Json<Value> {
    let old = json!({ "email": "old@example.com", "primary": false, "verified": true, "visibility": null });
    let primary = provider.person().email.map(
        |(email, verified)| json!({ "email": email, "primary": true, "verified": verified, "visibility": "private" }),
    );
    Json([Some(old), primary].into_iter().flatten().collect())
}
