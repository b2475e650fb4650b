//! The limits of signing in (docs/adr/0016): wrong passwords are bounded for each account, for each network, and for both
//! together, and nobody who guesses from elsewhere keeps the owner of an account out.

use domain::EmailAddress;

use crate::error::AppError;
use crate::guard::{Ask, Guards, LimitClass, LimitKey};
use crate::origin::Origin;

/// A password that is being tried.
#[derive(Clone, Copy, Debug)]
pub struct LoginTry {
    network: LimitKey,
    account: LimitKey,
    both: LimitKey,
    /// Whether so many have guessed at the account that only networks where somebody has signed in may go on as they like.
    is_beset: bool,
}

impl Guards {
    /// Lets a password be tried. The try counts as a wrong one until [`right_login`](Self::right_login) or
    /// [`unproved_login`](Self::unproved_login) says otherwise, so that many at a time are no more than one by one.
    /// Whether the address has an account makes no difference.
    ///
    /// For an account at which too many have guessed, each network has one try, so that the owner gets in from wherever he
    /// is if he knows his password; a network where somebody has signed in lately keeps all it has. Who that was must not
    /// matter: else a stranger behind the same address would learn who has an account, and uses it there.
    ///
    /// # Errors
    /// [`AppError::RateLimited`] for too many wrong ones for the account from this network, from this network, or for the
    /// account.
    pub(crate) async fn try_login(&self, email: &EmailAddress, origin: &Origin) -> Result<LoginTry, AppError> {
        let network = LimitKey::network(origin.address);
        let (account, both) = (LimitKey::mailbox(email), LimitKey::mailbox_from(email, network));
        // First what concerns him alone: who repeats himself must not use up what others behind his address need.
        let asks = [Ask::one(LimitClass::Login, both), Ask::one(LimitClass::LoginNetwork, network)];
        self.take(&asks).await?;
        let beyond = self.take(&[Ask::one(LimitClass::LoginAccount, account)]).await.err();
        if let Some(beyond) = beyond.filter(|_| !self.somebody_signed_in_from(network)) {
            self.take(&[Ask::one(LimitClass::LoginElsewhere, both)]).await.map_err(|_| beyond)?;
        }
        Ok(LoginTry { network, account, both, is_beset: beyond.is_some() })
    }

    /// The password was right. An account that signs in gives its network another try, once in a while: so a network
    /// with many people behind it has as many tries as it has people who do sign in.
    pub(crate) async fn right_login(&self, tried: &LoginTry) {
        self.signed_in_from(tried.network);
        // Wrong tries from here stay counted: they may be a stranger's behind the same address, who would learn by their
        // coming back that there is an account.
        self.unproved_login(tried).await;
        if self.take(&[Ask::one(LimitClass::LoginCredit, tried.both)]).await.is_ok() {
            self.give_back(Ask::one(LimitClass::LoginNetwork, tried.network)).await;
        }
    }

    /// Whether the password was right is not known: there was no room to find out.
    pub(crate) async fn unproved_login(&self, tried: &LoginTry) {
        self.give_back(Ask::one(LimitClass::Login, tried.both)).await;
        self.give_back(Ask::one(LimitClass::LoginNetwork, tried.network)).await;
        if !tried.is_beset {
            self.give_back(Ask::one(LimitClass::LoginAccount, tried.account)).await;
        }
    }
}
