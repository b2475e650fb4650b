//! The app of somebody with a second factor, as it lies on a telephone: an implementation of its own would prove more, the
//! vectors of the standard are in `adapter-system`.

use application::clock::Clock;
use chrono::TimeDelta;
use domain::Timestamp;
use serde_json::Value;
use totp_rs::{Builder, Secret, Totp};

use crate::app::TestApp;

/// An app that knows one seed.
pub struct Phone(Totp);

impl Phone {
    /// One that has read what an enrolment answers.
    ///
    /// # Panics
    /// Where it bears no seed, or its link another one.
    #[must_use]
    pub fn read(enrolment: &Value) -> Self {
        let secret = enrolment["secret"].as_str().expect("a secret");
        let link = enrolment["link"].as_str().expect("a link");
        assert!(link.contains(&format!("secret={secret}&")) || link.ends_with(&format!("secret={secret}")), "{link}");
        Self::of(secret)
    }

    /// One into which somebody has typed a seed.
    ///
    /// # Panics
    /// Where it is none.
    #[must_use]
    pub fn of(secret: &str) -> Self {
        let secret = Secret::try_from_base32(secret).expect("base32");
        let totp = Builder::new().with_secret(secret).with_issuer(Some("GoTicket")).with_account_name("ana");
        Self(totp.build().expect("a seed that is long enough"))
    }

    /// What it shows at this time.
    ///
    /// # Panics
    /// Before 1970.
    #[must_use]
    pub fn at(&self, now: Timestamp) -> String {
        self.0.generate(u64::try_from(now.timestamp()).expect("after 1970")).to_string()
    }

    /// What it shows now.
    #[must_use]
    pub fn code(&self, app: &TestApp) -> String {
        self.at(app.clock.now())
    }

    /// What it shows half a minute later: each code counts once.
    #[must_use]
    pub fn next(&self, app: &TestApp) -> String {
        app.clock.step(TimeDelta::seconds(30));
        self.code(app)
    }

    /// A code that it shows neither now nor a step before or after.
    ///
    /// # Panics
    /// Never.
    #[must_use]
    pub fn wrong(&self, app: &TestApp) -> String {
        let now = app.clock.now();
        let shown = [-30, 0, 30].map(|seconds| self.at(now + TimeDelta::seconds(seconds)));
        let mut codes = (0..4).map(|code| format!("{code:06}"));
        codes.find(|code| !shown.contains(code)).expect("there are more than three")
    }
}
