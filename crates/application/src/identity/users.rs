//! Use cases: accounts are shown.

use domain::identity::User;
use domain::{Limit, UserId};

use crate::access::{Agent, PlatformOperation, require_on_platform};
use crate::error::AppError;
use crate::identity::service::Identity;
use crate::origin::Principal;

/// A page of accounts in the order in which they were made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UsersPage {
    /// The accounts.
    pub items: Vec<User>,
    /// The next page begins behind this one; none on the last page.
    pub next: Option<UserId>,
}

impl Identity {
    /// The account of the caller.
    ///
    /// # Errors
    /// [`AppError::Unauthenticated`] if it is gone.
    pub async fn me(&self, principal: &Principal) -> Result<User, AppError> {
        self.ports
            .reads
            .user_by_id(principal.user)
            .await?
            .filter(|user| user.deleted_at.is_none())
            .ok_or(AppError::Unauthenticated)
    }

    /// Accounts, for admins.
    ///
    /// # Errors
    /// [`AppError::Forbidden`] for anybody else.
    pub async fn list_users(
        &self,
        principal: &Principal,
        after: Option<UserId>,
        limit: Limit,
    ) -> Result<UsersPage, AppError> {
        let agent = Agent::Account(*principal);
        require_on_platform(&agent, PlatformOperation::ManageAccounts, false)?;
        let mut items = self.ports.reads.users(after, limit.rows() + 1).await?;
        let page = usize::try_from(limit.rows()).unwrap_or(usize::MAX);
        let has_more = items.len() > page;
        items.truncate(page);
        let next = items.last().filter(|_| has_more).map(|user| user.id);
        Ok(UsersPage { items, next })
    }
}
