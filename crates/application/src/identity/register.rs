//! Use cases: somebody makes an account, or an operator makes one for him.

use domain::identity::{Account, Password, Role, User, UserName};
use domain::{EmailAddress, Language, Problems, UserId};

use crate::error::AppError;
use crate::identity::UserInsert;
use crate::identity::service::Identity;
use crate::journal::Scribe;
use crate::origin::Origin;

const ALREADY_EXISTS: AppError = AppError::AlreadyExists("an account with this e-mail address exists already");

/// What somebody sends to make an account, not yet checked.
#[derive(Clone, Copy)]
pub struct NewUser<'a> {
    /// Field `email`.
    pub email: &'a str,
    /// Field `password`.
    pub password: &'a str,
    /// Field `name`.
    pub name: Option<&'a str>,
}

/// Whether the new account is asked to show that its address is its own.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Verification {
    Mailed,
    /// Who runs the instance says that it is.
    VouchedFor,
}

struct Checked {
    email: EmailAddress,
    password: Password,
    name: Option<UserName>,
}

impl Identity {
    /// Makes an account with the role `user`, and mails it a link by which it shows that the address is its own, in the
    /// language that it is written to from now on.
    ///
    /// # Errors
    /// [`AppError::Validation`]; [`AppError::AlreadyExists`], also for the second of two requests at the same time;
    /// [`AppError::RateLimited`]; [`AppError::Unavailable`] when too many passwords wait to be hashed.
    pub async fn register(&self, new: NewUser<'_>, language: Language, origin: &Origin) -> Result<User, AppError> {
        self.make_account(new, (Role::User, language), Verification::Mailed, origin).await
    }

    /// Makes an account with any role, whose address counts as verified: for the command line, which nobody reaches over a
    /// network.
    ///
    /// # Errors
    /// As [`register`](Self::register).
    pub async fn create_user(&self, new: NewUser<'_>, role: Role, origin: &Origin) -> Result<User, AppError> {
        self.make_account(new, (role, Language::default()), Verification::VouchedFor, origin).await
    }

    async fn make_account(
        &self,
        new: NewUser<'_>,
        (role, language): (Role, Language),
        verification: Verification,
        origin: &Origin,
    ) -> Result<User, AppError> {
        let Checked { email, password, name } = check(new)?;
        if verification == Verification::Mailed {
            self.ports.guards.register(&email, origin).await?;
        }
        // Spares the work of a hash; the last word has the constraint.
        if self.ports.reads.account_by_email(&email).await?.is_some() {
            return Err(ALREADY_EXISTS);
        }
        let password = self.ports.hasher.hash(&password).await?;
        let user = User::new(UserId::new(self.ports.ids.uuid()), email, name, role, self.now()).speaking(language);
        let user = User { email_verified: verification == Verification::VouchedFor, ..user };
        self.save_new(Account { user, password: Some(password) }, verification, origin).await
    }

    async fn save_new(&self, account: Account, verification: Verification, origin: &Origin) -> Result<User, AppError> {
        let scribe = Scribe { ids: self.ports.ids.as_ref(), origin, at: account.user.created_at };
        let entry = scribe.registered(&account.user);
        let mut uow = self.ports.store.begin().await?;
        match uow.insert_user(&account).await? {
            UserInsert::EmailTaken => return Err(ALREADY_EXISTS),
            UserInsert::Inserted => {}
        }
        uow.append_outbox(&[entry.message]).await?;
        uow.append_audit(&[entry.line]).await?;
        if verification == Verification::Mailed {
            self.mail_verification_in_op(uow.as_mut(), &account.user).await?;
        }
        uow.commit().await?;
        Ok(account.user)
    }
}

fn check(new: NewUser<'_>) -> Result<Checked, Problems> {
    let mut problems = Problems::default();
    let email = problems.take(EmailAddress::parse("email", new.email));
    let password = problems.take(Password::parse_new("password", new.password));
    let name = new.name.map(|name| problems.take(UserName::parse("name", name)));
    match (email, password) {
        (Some(email), Some(password)) if problems.is_empty() => Ok(Checked { email, password, name: name.flatten() }),
        _ => Err(problems),
    }
}
