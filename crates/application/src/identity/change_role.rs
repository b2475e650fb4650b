//! Use cases: a role changes, by an admin or because somebody makes his first organizer.
//!
//! A change of role ends no session: every replica learns of it within a second and from then on puts the new role in
//! place of the one that the tokens of the account still bear.

use domain::identity::{NotVerified, Role, RoleDecision, RoleRefusal, User};
use domain::{EmailAddress, UserId};

use crate::access::{Agent, PlatformOperation, decide_platform, require_on_platform};
use crate::error::AppError;
use crate::identity::ChangedRole;
use crate::identity::service::Identity;
use crate::journal::Scribe;
use crate::origin::{Origin, Principal};
use crate::store::UnitOfWork;

impl Identity {
    /// Gives an account another role. The same role again changes nothing and succeeds.
    ///
    /// # Errors
    /// [`AppError::Forbidden`] for anybody but an admin; [`AppError::NotFound`]; [`AppError::InvalidState`] for the
    /// last admin, also where two admins demote each other at the same time.
    pub async fn change_role(
        &self,
        principal: &Principal,
        user: UserId,
        role: Role,
        origin: &Origin,
    ) -> Result<User, AppError> {
        let agent = Agent::Account(*principal);
        require_on_platform(&agent, PlatformOperation::ManageAccounts, false)?;
        let mut uow = self.ports.store.begin().await?;
        let admins = uow.lock_admins().await?;
        if !admins.contains(&principal.user) {
            return Err(AppError::Forbidden);
        }
        let before = lock_user_in_op(uow.as_mut(), user).await?;
        self.put_role(uow, &admins, before, role, origin).await
    }

    /// Gives the account of this address another role, by whoever has the command line: how the first admin is made of who has
    /// registered already. The same role again changes nothing.
    ///
    /// # Errors
    /// [`AppError::Validation`] for what is no address; [`AppError::NotFound`]; [`AppError::InvalidState`] for the last
    /// admin, and where nobody has verified the address yet: whoever registered it may be somebody else.
    pub async fn give_role(&self, email: &str, role: Role, origin: &Origin) -> Result<User, AppError> {
        let email = EmailAddress::parse("email", email)?;
        let account = self.ports.reads.account_by_email(&email).await?.ok_or(AppError::NotFound("user"))?;
        let mut uow = self.ports.store.begin().await?;
        let admins = uow.lock_admins().await?;
        let before = lock_user_in_op(uow.as_mut(), account.user.id).await?;
        before.must_be_verified()?;
        self.put_role(uow, &admins, before, role, origin).await
    }

    /// Gives a locked account another role beside these locked admins, commits, and lets everybody know.
    async fn put_role(
        &self,
        mut uow: Box<dyn UnitOfWork>,
        admins: &[UserId],
        before: User,
        role: Role,
        origin: &Origin,
    ) -> Result<User, AppError> {
        let other_admins = admins.iter().filter(|admin| **admin != before.id).count();
        let RoleDecision::Changed(after) = before.change_role(Role::Admin, role, other_admins, self.now())? else {
            return Ok(before);
        };
        let changed = self.save_role_in_op(uow.as_mut(), &before, &after, origin).await?;
        uow.commit().await?;
        self.role_changed(changed);
        Ok(after)
    }

    /// Sees to it that somebody may make organizers and events: with `auth.self_service_organizers` a buyer becomes an
    /// organizer, within the transaction of the caller, who passes a change on to
    /// [`role_changed`](Self::role_changed) once he has committed it. `None` where he is one already.
    ///
    /// # Errors
    /// [`AppError::Forbidden`] for a buyer where the setting is off.
    pub async fn ensure_organizer_in_op(
        &self,
        uow: &mut dyn UnitOfWork,
        user: UserId,
        origin: &Origin,
    ) -> Result<Option<ChangedRole>, AppError> {
        let before = uow.lock_user(user).await?.filter(|user| user.deleted_at.is_none());
        let before = before.ok_or(AppError::Unauthenticated)?;
        let operation = PlatformOperation::MakeOrganizers;
        let may = decide_platform(before.role, operation, self.settings.self_service_organizers);
        match before.become_organizer(self.now()) {
            RoleDecision::Unchanged => Ok(None),
            RoleDecision::Changed(_) if !may => Err(AppError::Forbidden),
            RoleDecision::Changed(after) => self.save_role_in_op(uow, &before, &after, origin).await.map(Some),
        }
    }

    async fn save_role_in_op(
        &self,
        uow: &mut dyn UnitOfWork,
        before: &User,
        after: &User,
        origin: &Origin,
    ) -> Result<ChangedRole, AppError> {
        let at = after.role_changed_at.unwrap_or_else(|| self.now());
        let entry = Scribe { ids: self.ports.ids.as_ref(), origin, at }.role_changed(before, after);
        uow.save_user(after).await?;
        uow.append_outbox(&[entry.message]).await?;
        uow.append_audit(&[entry.line]).await?;
        Ok(ChangedRole { user: after.id, role: after.role, at })
    }
}

async fn lock_user_in_op(uow: &mut dyn UnitOfWork, user: UserId) -> Result<User, AppError> {
    let user = uow.lock_user(user).await?.filter(|user| user.deleted_at.is_none());
    user.ok_or(AppError::NotFound("user"))
}

impl From<NotVerified> for AppError {
    fn from(refusal: NotVerified) -> Self {
        Self::InvalidState(refusal.to_string())
    }
}

impl From<RoleRefusal> for AppError {
    fn from(refusal: RoleRefusal) -> Self {
        match refusal {
            RoleRefusal::NotAdmin => Self::Forbidden,
            RoleRefusal::LastAdmin => Self::InvalidState(refusal.to_string()),
        }
    }
}
