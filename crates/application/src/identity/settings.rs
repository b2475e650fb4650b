//! The settings of the context.

use std::sync::Arc;

use chrono::TimeDelta;
use domain::identity::{Role, SessionLifetimes};

/// How accounts and sessions behave. The cost of a password hash is a setting of the hasher.
#[derive(Clone, Debug)]
pub struct IdentitySettings {
    /// The claim `iss` of access tokens.
    pub issuer: Arc<str>,
    /// The claim `aud` of access tokens.
    pub audience: Arc<str>,
    /// How long an access token lives: 15 minutes.
    pub access_ttl: TimeDelta,
    /// How long a session lives.
    pub session: SessionLifetimes,
    /// Whether a buyer who makes an organizer becomes an organizer himself (`auth.self_service_organizers`).
    pub self_service_organizers: bool,
    /// The roles that may do nothing without a second factor (`auth.second_factor.required_for`).
    pub second_factor_required_for: Vec<Role>,
    /// Where people reach the instance, like `https://tickets.example.com`: providers send them back there.
    pub public_url: String,
    /// The pages at which signing in by a provider may end; the first one where none is wished for.
    pub sign_in_pages: Vec<String>,
    /// Where the instance is marked as a demo: how long its demo tokens live. `None` (the default) makes none, and
    /// refuses every access token that lives longer than `access_ttl`.
    pub demo_token_ttl: Option<TimeDelta>,
}

impl Default for IdentitySettings {
    fn default() -> Self {
        Self {
            issuer: "goticket".into(),
            audience: "goticket-api".into(),
            access_ttl: TimeDelta::minutes(15),
            session: SessionLifetimes::default(),
            self_service_organizers: false,
            second_factor_required_for: Vec::new(),
            public_url: "http://127.0.0.1:8080".to_owned(),
            sign_in_pages: vec!["http://127.0.0.1:8080/account/sign-in".to_owned()],
            demo_token_ttl: None,
        }
    }
}

impl IdentitySettings {
    /// The longest that any access token lives here.
    #[must_use]
    pub fn longest_token(&self) -> TimeDelta {
        self.demo_token_ttl.map_or(self.access_ttl, |demo| demo.max(self.access_ttl))
    }
}
