//! Tickets as passes for the wallets of telephones, signed with the organizer's own keys (ADR 0043): what an organizer has
//! to sign with, the ports to where that is kept and to who makes a pass, and the use cases.

use std::sync::Arc;

use async_trait::async_trait;
use domain::admission::Ticket;
use domain::{Language, OrganizerId, PassIssuerId, Problems, TicketId, Timestamp};
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use serde_json::json;

use super::printing::{Paper, TicketSheet};
use super::tickets::Tickets;
use crate::access::{Agent, Operation, Subject};
use crate::catalog::{Catalog, CatalogReads, Inside};
use crate::clock::{Clock, Ids};
use crate::error::AppError;
use crate::identity::{CryptoError, Sealer};
use crate::journal::{Deed, Scribe};
use crate::origin::Origin;
use crate::store::{Store, StoreError, UnitOfWork};

/// What the keys of issuers are sealed for, so that nothing else opens as one.
pub const PASS_KEY_PURPOSE: &str = "wallet pass signing key";

/// Whose wallet.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Wallet {
    /// Apple Wallet: a signed file.
    Apple,
    /// Google Wallet: a signed link.
    Google,
}

impl Wallet {
    /// Its word in rows and addresses.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Apple => "apple",
            Self::Google => "google",
        }
    }

    /// The wallet of a word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Apple, Self::Google].into_iter().find(|wallet| wallet.as_str() == word)
    }
}

/// By what an organizer is known to a wallet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum IssuerAccount {
    /// At Apple.
    Apple {
        /// The pass type, like `pass.com.example.tickets`, as the certificate names it.
        pass_type: String,
        /// The team, as the certificate names it.
        team: String,
        /// The certificate of the pass type, in DER.
        certificate: Vec<u8>,
        /// The certificate of Apple's that has signed it, in DER.
        intermediate: Vec<u8>,
        /// From then on the certificate is worth nothing.
        expires_at: Timestamp,
    },
    /// At Google.
    Google {
        /// The number of the issuer.
        issuer: String,
        /// The address of the service account that signs for it.
        service_account: String,
    },
}

impl IssuerAccount {
    /// Whose wallet it is for.
    #[must_use]
    pub const fn wallet(&self) -> Wallet {
        match self {
            Self::Apple { .. } => Wallet::Apple,
            Self::Google { .. } => Wallet::Google,
        }
    }
}

/// What an organizer issues passes as: one for each wallet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PassIssuer {
    /// Its id.
    pub id: PassIssuerId,
    /// Whose it is.
    pub organizer: OrganizerId,
    /// By what it is known there.
    pub account: IssuerAccount,
    /// The RSA key in DER, sealed.
    pub sealed_private_key: Vec<u8>,
    /// Since when it is so.
    pub changed_at: Timestamp,
}

/// What an organizer sends to issue passes for Apple's wallet, each in PEM.
#[derive(Debug)]
pub struct AppleIssuerRequest {
    /// The certificate of the pass type.
    pub certificate: String,
    /// The certificate of Apple's that has signed it.
    pub intermediate: String,
    /// The RSA key of the certificate, without a password.
    pub private_key: SecretString,
}

/// What an organizer sends to issue passes for Google's wallet.
#[derive(Debug)]
pub struct GoogleIssuerRequest {
    /// The number of the issuer.
    pub issuer: String,
    /// The address of a service account that may issue for it.
    pub service_account: String,
    /// The RSA key of that account, in PEM.
    pub private_key: SecretString,
}

/// An account with its key in DER, as they were found to be good.
pub type ReadIssuer = (IssuerAccount, SecretSlice<u8>);

/// What a pass says.
#[derive(Clone, Debug)]
pub struct Pass {
    /// What is on the sheet of the ticket; its paper is of no meaning here.
    pub sheet: TicketSheet,
    /// Which ticket.
    pub ticket: TicketId,
    /// Which issue of it.
    pub issue: u32,
    /// Of which event.
    pub event: domain::EventId,
    /// Who organizes it.
    pub organizer: String,
}

/// Makes passes.
pub trait PassMaker: Send + Sync {
    /// Reads what was sent, and sees whether the parts belong together and hold at this time.
    ///
    /// # Errors
    /// What does not.
    fn read_apple(&self, sent: &AppleIssuerRequest, now: Timestamp) -> Result<ReadIssuer, Problems>;

    /// The same.
    ///
    /// # Errors
    /// What does not.
    fn read_google(&self, sent: &GoogleIssuerRequest) -> Result<ReadIssuer, Problems>;

    /// A pass: the bytes of a file for Apple's wallet, those of an address for Google's.
    ///
    /// # Errors
    /// A defect: the account and its key were read by this very port.
    fn make(
        &self,
        pass: &Pass,
        account: &IssuerAccount,
        key: &SecretSlice<u8>,
        at: Timestamp,
    ) -> Result<Vec<u8>, CryptoError>;
}

/// Where issuers are kept.
///
/// # Table
/// `pass_issuers`: `id` (primary key), `organizer_id` (references `organizers`, cascades on delete) and `wallet` (unique
/// together), `name` (pass type, or issuer), `account` (team, or service account), `certificate`, `intermediate`,
/// `expires_at` (null for Google), `sealed_private_key`, `changed_at`.
#[async_trait]
pub trait PassIssuerReads: Send + Sync {
    /// Those of an organizer, by their wallets.
    async fn pass_issuers(&self, organizer: OrganizerId) -> Result<Vec<PassIssuer>, StoreError>;
}

/// Issuers within a transaction.
#[async_trait]
pub trait PassIssuerRepository {
    /// Keeps an issuer, in the place of the one for the same wallet if there is one, whose id it takes.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] where there is no such organizer any more.
    async fn save_pass_issuer(&mut self, issuer: &PassIssuer) -> Result<(), StoreError>;

    /// Forgets one; `false` where there is none.
    async fn delete_pass_issuer(&mut self, organizer: OrganizerId, wallet: Wallet) -> Result<bool, StoreError>;
}

/// What passes need from outside.
#[derive(Clone)]
pub struct PassPorts {
    /// Transactions.
    pub store: Arc<dyn Store>,
    /// Issuers.
    pub issuers: Arc<dyn PassIssuerReads>,
    /// The names of organizers.
    pub organizers: Arc<dyn CatalogReads>,
    /// Tickets with their codes.
    pub tickets: Arc<Tickets>,
    /// Who may do what.
    pub catalog: Arc<Catalog>,
    /// Makes passes.
    pub maker: Arc<dyn PassMaker>,
    /// Seals the keys.
    pub sealer: Arc<dyn Sealer>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Ids.
    pub ids: Arc<dyn Ids>,
}

/// Passes.
pub struct Passes {
    pub(super) ports: PassPorts,
}

/// An organizer's account at a wallet, ready for use.
pub(super) struct Issuing<'a> {
    maker: &'a dyn PassMaker,
    account: IssuerAccount,
    key: SecretSlice<u8>,
    organizer: String,
    at: Timestamp,
}

impl Issuing<'_> {
    /// The pass of a ticket.
    pub(super) fn pass(&self, sheet: TicketSheet, ticket: &Ticket) -> Result<Vec<u8>, AppError> {
        let Ticket { id, issue, event, .. } = *ticket;
        let pass = Pass { sheet, ticket: id, issue, event, organizer: self.organizer.clone() };
        Ok(self.maker.make(&pass, &self.account, &self.key, self.at)?)
    }
}

impl Passes {
    /// Over these ports.
    #[must_use]
    pub const fn new(ports: PassPorts) -> Self {
        Self { ports }
    }

    /// What an organizer issues passes as, without the keys.
    ///
    /// # Errors
    /// [`AppError::NotFound`], [`AppError::Forbidden`].
    pub async fn issuers(&self, agent: &Agent, organizer: OrganizerId) -> Result<Vec<PassIssuer>, AppError> {
        self.require(agent, organizer).await?;
        Ok(self.ports.issuers.pass_issuers(organizer).await?)
    }

    /// Passes for Apple's wallet are issued so from now on.
    ///
    /// # Errors
    /// [`AppError::NotFound`], [`AppError::Forbidden`], and [`AppError::Validation`] with what does not hold.
    pub async fn set_apple(
        &self,
        agent: &Agent,
        organizer: OrganizerId,
        sent: &AppleIssuerRequest,
        origin: &Origin,
    ) -> Result<PassIssuer, AppError> {
        self.require(agent, organizer).await?;
        let read = self.ports.maker.read_apple(sent, self.ports.clock.now())?;
        self.set(organizer, read, origin).await
    }

    /// Passes for Google's wallet are issued so from now on.
    ///
    /// # Errors
    /// As [`Self::set_apple`].
    pub async fn set_google(
        &self,
        agent: &Agent,
        organizer: OrganizerId,
        sent: &GoogleIssuerRequest,
        origin: &Origin,
    ) -> Result<PassIssuer, AppError> {
        self.require(agent, organizer).await?;
        self.set(organizer, self.ports.maker.read_google(sent)?, origin).await
    }

    /// No passes are issued for this wallet any more; those that are out go on to open the door. Done twice, it is done
    /// once.
    ///
    /// # Errors
    /// [`AppError::NotFound`], [`AppError::Forbidden`].
    pub async fn remove(
        &self,
        agent: &Agent,
        organizer: OrganizerId,
        wallet: Wallet,
        origin: &Origin,
    ) -> Result<(), AppError> {
        self.require(agent, organizer).await?;
        let mut uow = self.ports.store.begin().await?;
        if uow.delete_pass_issuer(organizer, wallet).await? {
            self.note_in_op(uow.as_mut(), organizer, wallet, "pass_issuer.removed", None, origin).await?;
            uow.commit().await?;
        }
        Ok(())
    }

    /// A ticket as a pass for this wallet: the bytes of a file for Apple's, those of an address for Google's. It bears the
    /// code of the ticket's present issue.
    ///
    /// # Errors
    /// As [`Tickets::printed`]; and [`AppError::InvalidState`] where the organizer issues none, or his certificate has
    /// expired.
    pub async fn pass(
        &self,
        agent: &Agent,
        ticket: TicketId,
        wallet: Wallet,
        language: Language,
    ) -> Result<Vec<u8>, AppError> {
        let (sheet, ticket, organizer) = self.ports.tickets.sheet_of(agent, ticket, (language, Paper::Phone)).await?;
        self.issuing(organizer, wallet).await?.pass(sheet, &ticket)
    }

    /// What passes of this organizer are made with.
    ///
    /// # Errors
    /// [`AppError::InvalidState`] where he issues none for this wallet, or his certificate has expired.
    pub(super) async fn issuing(&self, organizer: OrganizerId, wallet: Wallet) -> Result<Issuing<'_>, AppError> {
        let now = self.ports.clock.now();
        let issuers = self.ports.issuers.pass_issuers(organizer).await?;
        let issuer = issuers.into_iter().find(|issuer| issuer.account.wallet() == wallet);
        let none =
            || AppError::InvalidState(format!("the organizer issues no passes for the wallet of {}", wallet.as_str()));
        let issuer = issuer.ok_or_else(none)?;
        if matches!(issuer.account, IssuerAccount::Apple { expires_at, .. } if expires_at <= now) {
            return Err(AppError::InvalidState("the organizer's certificate for passes has expired".into()));
        }
        let key = self.ports.sealer.open(PASS_KEY_PURPOSE, &issuer.sealed_private_key).map_err(|error| {
            tracing::error!(%error, issuer = %issuer.id, "A key that signs passes cannot be opened");
            AppError::Internal
        })?;
        let found = self.ports.organizers.organizers(Some(Inside::Organizer(organizer)), None, 1).await?;
        let organizer = found.first().map(|organizer| organizer.name.as_str().to_owned()).unwrap_or_default();
        Ok(Issuing { maker: self.ports.maker.as_ref(), account: issuer.account, key, organizer, at: now })
    }

    async fn require(&self, agent: &Agent, organizer: OrganizerId) -> Result<(), AppError> {
        let subject = Subject::organizer(organizer);
        self.ports.catalog.access().require(agent, Operation::ManagePassIssuers, &subject, "organizer").await
    }

    async fn set(
        &self,
        organizer: OrganizerId,
        (account, key): ReadIssuer,
        origin: &Origin,
    ) -> Result<PassIssuer, AppError> {
        let issuer = PassIssuer {
            id: PassIssuerId::new(self.ports.ids.uuid()),
            organizer,
            sealed_private_key: self.ports.sealer.seal(PASS_KEY_PURPOSE, key.expose_secret())?,
            changed_at: self.ports.clock.now(),
            account,
        };
        let state = match &issuer.account {
            IssuerAccount::Apple { pass_type, team, expires_at, .. } => {
                json!({ "passType": pass_type, "team": team, "expiresAt": expires_at })
            }
            IssuerAccount::Google { issuer, service_account } => {
                json!({ "issuer": issuer, "serviceAccount": service_account })
            }
        };
        let (wallet, state) = (issuer.account.wallet(), Some(state.to_string()));
        let mut uow = self.ports.store.begin().await?;
        uow.save_pass_issuer(&issuer).await?;
        self.note_in_op(uow.as_mut(), organizer, wallet, "pass_issuer.set", state, origin).await?;
        uow.commit().await?;
        Ok(issuer)
    }

    async fn note_in_op(
        &self,
        uow: &mut dyn UnitOfWork,
        organizer: OrganizerId,
        wallet: Wallet,
        action: &'static str,
        after: Option<String>,
        origin: &Origin,
    ) -> Result<(), AppError> {
        let scribe = Scribe { ids: self.ports.ids.as_ref(), origin, at: self.ports.clock.now() };
        let deed = Deed { organizer: Some(organizer), action, object_kind: "pass_issuer", object: organizer.uuid() };
        let before = after.is_none().then(|| json!({ "wallet": wallet.as_str() }).to_string());
        Ok(uow.append_audit(&[scribe.line(deed, before, after)]).await?)
    }
}
