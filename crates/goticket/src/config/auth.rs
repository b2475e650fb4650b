//! Sections `auth`, `secrets` and `demo`: accounts, sign-ins and the master key.

use std::path::Path;

use adapter_system::{BcryptHasher, MasterKey, MasterKeyError};
use application::identity::IdentitySettings;
use domain::identity::{Role, SessionLifetimes};
use serde::{Deserialize, Serialize};

use super::error::{Wrong, check_range};
use super::{Breaker, HumanDuration, OauthProviders, Secret, Settings, oauth};

/// Accounts and sign-ins.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub struct Auth {
    /// Whether a buyer who makes an organizer or an event becomes an organizer himself.
    pub self_service_organizers: bool,
    /// The claim `iss` of access tokens.
    pub issuer: String,
    /// The claim `aud` of access tokens.
    pub audience: String,
    /// How long an access token lives.
    pub access_ttl: HumanDuration,
    /// How long a session lives without use.
    pub session_idle: HumanDuration,
    /// How long a session lives in all.
    pub session_absolute: HumanDuration,
    /// The cost of a password hash.
    pub bcrypt_cost: u32,
    /// Second factors.
    pub second_factor: SecondFactor,
    /// The pages at which signing in by a provider may end; by default the one of this instance.
    pub sign_in_pages: Vec<String>,
    /// How long one call to a provider may take.
    pub oauth_timeout: HumanDuration,
    /// How often a call to a provider that changes nothing is tried.
    pub oauth_tries: u32,
    /// When a provider that does not answer is left alone.
    pub oauth_breaker: Breaker,
    /// Who else signs people in, by name.
    #[serde(skip_serializing_if = "OauthProviders::is_empty")]
    pub oauth: OauthProviders,
}

impl Default for Auth {
    fn default() -> Self {
        Self {
            self_service_organizers: false,
            issuer: "goticket".to_owned(),
            audience: "goticket-api".to_owned(),
            access_ttl: HumanDuration::from_secs(15 * 60),
            session_idle: HumanDuration::from_secs(30 * 86_400),
            session_absolute: HumanDuration::from_secs(90 * 86_400),
            bcrypt_cost: BcryptHasher::COST_MIN,
            second_factor: SecondFactor::default(),
            sign_in_pages: Vec::new(),
            oauth_timeout: HumanDuration::from_secs(5),
            oauth_tries: 3,
            oauth_breaker: Breaker::default(),
            oauth: OauthProviders::new(),
        }
    }
}

impl Auth {
    pub(super) fn validate(&self) -> Result<(), Wrong> {
        let (second, year) = (HumanDuration::from_secs(1), HumanDuration::from_secs(366 * 86_400));
        for (key, text) in [("auth.issuer", &self.issuer), ("auth.audience", &self.audience)] {
            if text.is_empty() || text.len() > 200 {
                return Err(Wrong::new(key, "must have 1 to 200 bytes"));
            }
        }
        check_range("auth.access_ttl", &self.access_ttl, second..=HumanDuration::from_secs(86_400))?;
        check_range("auth.session_idle", &self.session_idle, self.access_ttl..=year)?;
        check_range("auth.session_absolute", &self.session_absolute, self.session_idle..=year)?;
        check_range("auth.bcrypt_cost", &self.bcrypt_cost, BcryptHasher::COST_MIN..=BcryptHasher::COST_MAX)?;
        self.second_factor.validate()?;
        oauth::validate(self)
    }
}

/// Who cannot do without a second factor.
#[derive(Clone, Default, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub struct SecondFactor {
    /// The roles (`admin`, `organizer`, `user`) that may do nothing without one; with `organizer`, owners and managers of
    /// an organizer, whatever their role, may not act for it without one.
    pub required_for: Vec<String>,
}

impl SecondFactor {
    fn validate(&self) -> Result<(), Wrong> {
        match self.required_for.iter().all(|role| role.parse::<Role>().is_ok()) {
            true => Ok(()),
            false => Err(Wrong::new("auth.second_factor.required_for", "must be roles: admin, organizer, user")),
        }
    }

    fn roles(&self) -> Vec<Role> {
        self.required_for.iter().filter_map(|role| role.parse().ok()).collect()
    }
}

/// The master key.
#[derive(Clone, Default, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub struct Secrets {
    /// 32 bytes in base64, by which every other secret is sealed; by default the file `master.key` in `data_dir`, which
    /// the first start makes. Replicas need the same key.
    pub master_key: Option<Secret>,
    /// The key before it, or the one that is to come: what it has sealed opens too, while one takes the place of the other.
    pub previous_master_key: Option<Secret>,
}

impl Secrets {
    pub(super) fn validate(&self) -> Result<(), Wrong> {
        let keys =
            [("secrets.master_key", &self.master_key), ("secrets.previous_master_key", &self.previous_master_key)];
        for (name, key) in keys {
            if key.as_ref().is_some_and(|key| MasterKey::parse(key.secret()).is_err()) {
                return Err(Wrong::new(name, "must be 32 bytes in base64: make one with `openssl rand -base64 32`"));
            }
        }
        Ok(())
    }

    /// The other key that opens, if there is one.
    ///
    /// # Errors
    /// [`MasterKeyError`], whose text says what to do.
    pub fn load_previous(&self) -> Result<Option<MasterKey>, MasterKeyError> {
        self.previous_master_key.as_ref().map(|key| MasterKey::parse(key.secret())).transpose()
    }

    /// The key of the configuration, or else of the file.
    ///
    /// # Errors
    /// [`MasterKeyError`], whose text says what to do.
    pub fn load(&self, data_dir: &Path) -> Result<MasterKey, MasterKeyError> {
        match &self.master_key {
            Some(key) => MasterKey::parse(key.secret()),
            None => MasterKey::load_or_make(data_dir),
        }
    }
}

/// Whether the instance is a demo, which makes accounts and tokens for whoever has its command line.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub struct Demo {
    /// Whether it is one.
    pub enabled: bool,
    /// How long its tokens live.
    pub token_ttl: HumanDuration,
}

impl Default for Demo {
    fn default() -> Self {
        Self { enabled: false, token_ttl: HumanDuration::from_secs(86_400) }
    }
}

impl Demo {
    pub(super) fn validate(&self) -> Result<(), Wrong> {
        let bounds = HumanDuration::from_secs(60)..=HumanDuration::from_secs(30 * 86_400);
        check_range("demo.token_ttl", &self.token_ttl, bounds)
    }
}

impl Settings {
    /// What accounts and sign-ins go by.
    #[must_use]
    pub fn identity(&self) -> IdentitySettings {
        let (auth, public_url) = (&self.auth, self.http.public_url().trim_end_matches('/').to_owned());
        let mut sign_in_pages = auth.sign_in_pages.clone();
        if sign_in_pages.is_empty() {
            sign_in_pages.push(format!("{public_url}/account/sign-in"));
        }
        IdentitySettings {
            issuer: auth.issuer.as_str().into(),
            audience: auth.audience.as_str().into(),
            access_ttl: auth.access_ttl.delta(),
            session: SessionLifetimes { idle: auth.session_idle.delta(), absolute: auth.session_absolute.delta() },
            self_service_organizers: auth.self_service_organizers,
            second_factor_required_for: auth.second_factor.roles(),
            public_url,
            sign_in_pages,
            demo_token_ttl: self.demo.enabled.then(|| self.demo.token_ttl.delta()),
        }
    }
}
