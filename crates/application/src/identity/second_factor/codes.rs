//! Codes: made, and checked.

use domain::Problems;
use domain::identity::{CodeDecision, RECOVERY_CODES, SecondFactor, TokenHash, User};
use secrecy::{ExposeSecret, SecretString};

use crate::error::AppError;
use crate::guard::{LimitClass, Rate, TooMany};
use crate::identity::mailed::told;
use crate::identity::secret_token::digest;
use crate::identity::service::Identity;
use crate::mail::MailContent;
use crate::origin::Origin;
use crate::store::UnitOfWork;

/// What a sealed seed is for.
pub(in crate::identity) const SEED: &str = "second factor seed";
/// Neither 0, 1, l nor o, which people take for each other.
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
/// Of five bits each: 120 bits in all, so many that a SHA-256 of them is as safe as a slow hash (OWASP ASVS 5.0, 6.5.2, asks
/// for 112).
const RECOVERY_CHARS: usize = 24;
/// More than any code has, with the spaces that people put in.
const CODE_CHARS_MAX: usize = 64;

/// A code as somebody typed it, without what he put in to read it better.
fn plain(code: &str) -> String {
    let chars = code.chars().take(CODE_CHARS_MAX).filter(|c| !c.is_whitespace() && *c != '-');
    chars.flat_map(char::to_lowercase).collect()
}

pub(super) fn wrong_code() -> AppError {
    Problems::one("code", "wrong_code", "is no code of the account at this time, or was used before").into()
}

impl Identity {
    /// Tries a code of the app, or a recovery code, of an account that this transaction has locked. What it answers is
    /// the second factor after the right code, and none after a wrong one: both are to be committed, since wrong codes are
    /// counted and right ones used up.
    ///
    /// # Errors
    /// [`AppError::RateLimited`] after too many wrong ones, whatever this one is.
    pub(super) async fn try_code_in_op(
        &self,
        uow: &mut dyn UnitOfWork,
        user: &User,
        factor: &SecondFactor,
        code: &str,
        origin: &Origin,
    ) -> Result<Option<SecondFactor>, AppError> {
        let (code, now) = (plain(code), self.now());
        let is_recovery = code.len() == RECOVERY_CHARS;
        let decision = if let Some(until) = factor.blocked(now) {
            CodeDecision::Blocked { until }
        } else if is_recovery {
            factor.try_recovery(uow.take_recovery_code(user.id, &digest(&code)).await?, now)
        } else {
            let seed = self.ports.sealer.open(SEED, &factor.sealed_seed).map_err(|error| {
                tracing::error!(%error, "The seed of a second factor does not open");
                AppError::Internal
            })?;
            factor.try_code(self.ports.codes.step(seed.expose_secret(), &code, now)?, now)
        };
        match decision {
            CodeDecision::Right(factor) => {
                uow.save_second_factor(&factor).await?;
                if is_recovery {
                    self.tell_of_recovery_in_op(uow, user, origin).await?;
                }
                Ok(Some(factor))
            }
            CodeDecision::Wrong(factor) => {
                metrics::counter!("goticket_second_factor_failures_total").increment(1);
                uow.save_second_factor(&factor).await?;
                let blocked = factor.blocked(now);
                uow.append_audit(&[self.scribe(origin).second_factor_failed(user, blocked.is_some())]).await?;
                if let Some(until) = blocked {
                    // Who comes this far by guessing knows the password, unless it is the owner himself.
                    let notice = MailContent::SecondFactorBlocked { when: told(until) };
                    self.notify_in_op(uow, (user, &user.email), notice, now).await?;
                }
                Ok(None)
            }
            CodeDecision::Blocked { until } => {
                let retry_after = (until - now).to_std().unwrap_or_default();
                let within = SecondFactor::BLOCKED_FOR.num_seconds().unsigned_abs();
                let rate = Rate::new(SecondFactor::FAILURES_MAX, within);
                Err(TooMany { class: LimitClass::Codes, rate, retry_after }.into())
            }
        }
    }

    /// As [`try_code_in_op`](Self::try_code_in_op), and ends the transaction after a wrong code.
    ///
    /// # Errors
    /// [`AppError::Validation`] (field `code`) for a wrong code; [`AppError::RateLimited`] after too many wrong ones.
    pub(super) async fn take_code(
        &self,
        mut uow: Box<dyn UnitOfWork>,
        user: &User,
        factor: &SecondFactor,
        code: &str,
        origin: &Origin,
    ) -> Result<(Box<dyn UnitOfWork>, SecondFactor), AppError> {
        match self.try_code_in_op(uow.as_mut(), user, factor, code, origin).await? {
            Some(factor) => Ok((uow, factor)),
            None => {
                uow.commit().await?;
                Err(wrong_code())
            }
        }
    }

    async fn tell_of_recovery_in_op(
        &self,
        uow: &mut dyn UnitOfWork,
        user: &User,
        origin: &Origin,
    ) -> Result<(), AppError> {
        let (now, left) = (self.now(), uow.count_recovery_codes(user.id).await?);
        uow.append_audit(&[self.scribe(origin).recovery_code_used(user, left)]).await?;
        let notice = MailContent::RecoveryCodeUsed { when: told(now), left: left.to_string() };
        self.notify_in_op(uow, (user, &user.email), notice, now).await
    }

    /// New recovery codes, as people read them, and what is kept of them.
    pub(super) fn new_recovery_codes(&self) -> Result<(Vec<SecretString>, Vec<TokenHash>), AppError> {
        let mut codes = (Vec::with_capacity(RECOVERY_CODES), Vec::with_capacity(RECOVERY_CODES));
        for _ in 0..RECOVERY_CODES {
            let random = self.ports.random.secret()?;
            let chars = random.iter().take(RECOVERY_CHARS).map(|byte| char::from(ALPHABET[usize::from(byte % 32)]));
            let code: String = chars.collect();
            codes.1.push(digest(&code));
            let groups: Vec<&str> = (0..RECOVERY_CHARS).step_by(4).map(|at| &code[at..at + 4]).collect();
            codes.0.push(groups.join("-").into());
        }
        Ok(codes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_read_as_people_type_them() {
        for (typed, read) in [("123 456", "123456"), (" ABCD-efgh ", "abcdefgh"), ("", ""), ("12\u{a0}34", "1234")] {
            assert_eq!(plain(typed), read);
        }
        assert!(plain(&"1".repeat(10_000)).len() <= CODE_CHARS_MAX);
    }
}
