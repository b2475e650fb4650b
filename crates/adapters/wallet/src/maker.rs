//! The port.

use application::admission::{AppleIssuerRequest, GoogleIssuerRequest, IssuerAccount, Pass, PassMaker, ReadIssuer};
use application::identity::CryptoError;
use domain::{Problems, Timestamp};
use secrecy::SecretSlice;

use crate::apple::Issuer;
use crate::{accounts, apple, google};

/// Makes passes. A signature takes about a millisecond.
#[derive(Clone, Copy, Default, Debug)]
pub struct WalletPassMaker;

impl PassMaker for WalletPassMaker {
    fn read_apple(&self, sent: &AppleIssuerRequest, now: Timestamp) -> Result<ReadIssuer, Problems> {
        accounts::apple(sent, now)
    }

    fn read_google(&self, sent: &GoogleIssuerRequest) -> Result<ReadIssuer, Problems> {
        accounts::google(sent)
    }

    fn make(
        &self,
        pass: &Pass,
        account: &IssuerAccount,
        key: &SecretSlice<u8>,
        at: Timestamp,
    ) -> Result<Vec<u8>, CryptoError> {
        match account {
            IssuerAccount::Apple { pass_type, team, certificate, intermediate, .. } => {
                apple::file(pass, &Issuer { pass_type, team, certificate, intermediate }, key, at)
            }
            IssuerAccount::Google { issuer, service_account } => {
                google::link(pass, (issuer, service_account), key, at).map(String::into_bytes)
            }
        }
    }
}
