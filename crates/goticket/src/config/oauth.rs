//! `auth.oauth.<name>`: who else may sign people in.

use std::collections::BTreeMap;
use std::sync::Arc;

use adapter_oauth::{
    GithubProvider, GithubSettings, HttpSettings, OidcProvider, OidcSettings, OutsideCalls, is_sound_url,
};
use application::breaker::Breaker;
use application::clock::{Clock, Ids};
use application::identity::SignInProvider;
use serde::{Deserialize, Serialize};

use super::error::{Wrong, check_range};
use super::{Auth, HumanDuration, Secret, Settings};

const KEY: &str = "auth.oauth";
const GOOGLE: &str = "https://accounts.google.com";
const GITHUB: &str = "https://github.com";
const GITHUB_API: &str = "https://api.github.com";
/// More buttons than anybody wants.
const PROVIDERS_MAX: usize = 20;

/// A provider. `google` and `github` need `client_id` and `client_secret` alone; any other name is a provider of OpenID
/// Connect and needs its `issuer`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct OauthProvider {
    /// How the provider knows us.
    pub client_id: String,
    /// By what we show that we are we; none for a public client of OpenID Connect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<Secret>,
    /// The issuer of OpenID Connect, from which all else is found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// What people call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What is asked for beside `openid`: `email` and `profile` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scopes: Option<Vec<String>>,
    /// `github` alone: where people sign in, for GitHub Enterprise Server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub web_url: Option<String>,
    /// `github` alone: its API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_url: Option<String>,
}

impl OauthProvider {
    fn is_github(&self, name: &str) -> bool {
        name == "github" && self.issuer.is_none()
    }

    fn issuer(&self, name: &str) -> Option<&str> {
        self.issuer.as_deref().or((name == "google").then_some(GOOGLE))
    }

    fn title(&self, name: &str) -> String {
        let usual = match name {
            "google" => "Google",
            "github" => "GitHub",
            other => other,
        };
        self.title.clone().unwrap_or_else(|| usual.to_owned())
    }

    fn validate(&self, name: &str) -> Result<(), String> {
        let is_name = (1..=40).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_'));
        if !is_name {
            return Err("must be a name of 1 to 40 lower case letters, digits, - and _".to_owned());
        }
        if self.client_id.is_empty() {
            return Err("`client_id` must be set".to_owned());
        }
        if self.title.as_ref().is_some_and(|title| title.is_empty() || title.chars().count() > 60) {
            return Err("`title` must have 1 to 60 characters".to_owned());
        }
        let needs_secret = self.is_github(name) || name == "google";
        if needs_secret && self.client_secret.is_none() {
            return Err("`client_secret` must be set".to_owned());
        }
        if self.is_github(name) {
            let urls = [&self.web_url, &self.api_url];
            if urls.into_iter().flatten().any(|url| !is_sound_url(url) || url.ends_with('/')) {
                return Err("`web_url` and `api_url` must begin with https:// and not end with /".to_owned());
            }
            return Ok(());
        }
        if self.web_url.is_some() || self.api_url.is_some() {
            return Err("`web_url` and `api_url` are for `github` alone".to_owned());
        }
        match self.issuer(name) {
            None => Err("`issuer` must be set".to_owned()),
            Some(issuer) if !is_sound_url(issuer) => Err("`issuer` must begin with https://".to_owned()),
            Some(_) => Ok(()),
        }
    }
}

/// Checks all of them, and the pages where signing in may end.
pub(super) fn validate(auth: &Auth) -> Result<(), Wrong> {
    let timeouts = HumanDuration::from_millis(100)..=HumanDuration::from_secs(8);
    check_range("auth.oauth_timeout", &auth.oauth_timeout, timeouts)?;
    check_range("auth.oauth_tries", &auth.oauth_tries, 1..=10)?;
    auth.oauth_breaker.validate("auth.oauth_breaker.failures", "auth.oauth_breaker.open_for")?;
    if auth.oauth.len() > PROVIDERS_MAX {
        return Err(Wrong::new(KEY, format!("must have at most {PROVIDERS_MAX} providers")));
    }
    for (name, provider) in &auth.oauth {
        provider.validate(name).map_err(|told| Wrong::new(KEY, format!("`{name}`: {told}")))?;
    }
    // Codes go there. Programs of telephones have schemes of their own.
    let is_page = |page: &String| {
        let has_scheme = page.split_once(':').is_some_and(|(scheme, rest)| !scheme.is_empty() && !rest.is_empty());
        let is_plain = page.len() <= 500 && page.bytes().all(|b| b.is_ascii_graphic() && b != b'#');
        let is_web = page.starts_with("http:") || page.starts_with("https:");
        has_scheme && is_plain && (!is_web || is_sound_url(page))
    };
    if auth.sign_in_pages.len() > 50 || !auth.sign_in_pages.iter().all(is_page) {
        return Err(Wrong::new("auth.sign_in_pages", "must be URLs with https:// and without #, at most 50"));
    }
    Ok(())
}

impl Settings {
    /// Who else signs people in, in the order of their names.
    ///
    /// # Errors
    /// If TLS cannot be set up.
    pub fn sign_in_providers(
        &self,
        clock: &Arc<dyn Clock>,
        ids: &Arc<dyn Ids>,
    ) -> anyhow::Result<Vec<Arc<dyn SignInProvider>>> {
        if self.auth.oauth.is_empty() {
            return Ok(Vec::new());
        }
        let settings = HttpSettings { timeout: self.auth.oauth_timeout.std(), tries: self.auth.oauth_tries };
        let calls = OutsideCalls::try_new(settings, Arc::clone(ids))?;
        let settings = self.auth.oauth_breaker.settings();
        let guarded = |name: &str| calls.guarded_by(Breaker::new(name, settings, Arc::clone(clock)));
        self.auth.oauth.iter().map(|(name, provider)| made(name, provider, &guarded(name), clock)).collect()
    }
}

fn made(
    name: &str,
    provider: &OauthProvider,
    calls: &OutsideCalls,
    clock: &Arc<dyn Clock>,
) -> anyhow::Result<Arc<dyn SignInProvider>> {
    let (title, client_id) = (provider.title(name), provider.client_id.clone());
    let (name_of, secret) = (name.to_owned(), provider.client_secret.as_ref().map(|secret| secret.secret().clone()));
    if provider.is_github(name) {
        let url = |set: &Option<String>, usual: &str| set.clone().unwrap_or_else(|| usual.to_owned());
        let settings = GithubSettings {
            name: name_of,
            title,
            client_id,
            client_secret: secret.unwrap_or_default(),
            web_url: url(&provider.web_url, GITHUB),
            api_url: url(&provider.api_url, GITHUB_API),
        };
        return Ok(Arc::new(GithubProvider::new(settings, calls.clone())));
    }
    let usual = || vec!["email".to_owned(), "profile".to_owned()];
    let settings = OidcSettings {
        name: name_of,
        title,
        issuer: provider.issuer(name).unwrap_or_default().to_owned(),
        client_id,
        client_secret: secret,
        scopes: provider.scopes.clone().unwrap_or_else(usual),
    };
    Ok(Arc::new(OidcProvider::try_new(settings, calls.clone(), Arc::clone(clock))?))
}

/// All of them by their names.
pub type OauthProviders = BTreeMap<String, OauthProvider>;
