//! Use cases: somebody is invited to act for an organizer, and accepts.
//!
//! The token of an invitation is in the mail and nowhere else. Whoever
//! shows it must be signed in to an account of the very address that it was sent to.

use chrono::TimeDelta;
use domain::catalog::{Invitation, InvitationRefusal, NewInvitation};
use domain::identity::User;
use domain::{EmailAddress, InvitationId, Language, Limit, OrganizerId, Problems, Timestamp};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::access::{Agent, Operation, PlatformOperation, Subject, require_on_platform};
use crate::catalog::SeenMember;
use crate::catalog::members::{MemberFact, events_state};
use crate::catalog::service::Catalog;
use crate::error::AppError;
use crate::idempotency::{Answer, IdempotencyKey};
use crate::identity::token_hash;
use crate::journal::{Deed, Scribe};
use crate::mail::OrganizerInvitation;
use crate::origin::Origin;
use crate::page::{Page, probe};
use crate::store::UnitOfWork;

/// The most invitations of an organizer that can be accepted.
const INVITATIONS_MAX: u64 = 100;
/// The most invitations that somebody is shown of his own.
const SHOWN_MAX: u64 = 1_000;
/// For how long it is kept who was invited.
const KEPT: TimeDelta = TimeDelta::days(30);

impl Catalog {
    /// Invites whoever reads the mails of an address. Who was invited before is invited anew: the token of the older
    /// mail is worth nothing then. With a key, the first success is answered again, and no second mail is sent.
    ///
    /// # Errors
    /// [`AppError::NotFound`], [`AppError::Forbidden`], [`AppError::Validation`]; [`AppError::InvalidState`] where the
    /// organizer has its fill of invitations, or the caller has not verified his address; [`AppError::RateLimited`].
    pub async fn invite_member(
        &self,
        agent: &Agent,
        organizer: OrganizerId,
        (new, language): (NewInvitation<'_>, Language),
        key: Option<&IdempotencyKey>,
        origin: &Origin,
    ) -> Result<Answer<Invitation>, AppError> {
        let _running = key.map(|key| self.in_flight.enter(key)).transpose()?;
        let token = self.ports.identity.new_token("")?;
        if let Ok(email) = EmailAddress::parse("email", new.email) {
            // Of who may not invite nothing is counted; who may is asked again under the lock.
            self.access.require(agent, Operation::ChangeMembers, &Subject::organizer(organizer), "organizer").await?;
            self.guards().invite(organizer, &email).await?;
        }
        let mut uow = self.ports.store.begin().await?;
        self.team_in_op(uow.as_mut(), agent, Operation::ChangeMembers, organizer).await?;
        self.verified_in_op(uow.as_mut(), agent).await?;
        if let Some(snapshot) = self.kept_in_op(uow.as_mut(), key).await? {
            return self.invited_before_in_op(uow.as_mut(), organizer, &snapshot).await.map(Answer::replayed);
        }
        let (by, now) = (agent.account()?.user, self.now());
        let id = InvitationId::new(self.ports.ids.uuid());
        let invitation = Invitation::try_new(id, organizer, new, token.hash, by, now)?;
        self.check_events_in_op(uow.as_mut(), organizer, &invitation.reach).await?;
        self.replace_in_op(uow.as_mut(), &invitation, now, origin).await?;
        if uow.count_invitations(organizer, now).await? >= INVITATIONS_MAX {
            let why = format!("at most {INVITATIONS_MAX} invitations can be open: take one back first");
            return Err(AppError::InvalidState(why));
        }
        uow.insert_invitation(&invitation).await?;
        self.tell_of_invitation_in_op(uow.as_mut(), Told::Created, &invitation, now, origin).await?;
        let whose = uow.organizer(organizer).await?.ok_or(AppError::NotFound("organizer"))?;
        let mail = OrganizerInvitation {
            to: &invitation.email,
            language,
            organizer: whose.name.as_str(),
            token: token.text.expose_secret(),
            expires_at: invitation.expires_at,
        };
        self.ports.identity.mails().invite_to_organizer_in_op(uow.as_mut(), mail, now).await?;
        self.keep_in_op(uow.as_mut(), key, json!({ "v": 1, "invitation": id.uuid() }).to_string()).await?;
        uow.commit().await?;
        Ok(Answer::fresh(invitation))
    }

    /// A page of the invitations that can be accepted, oldest first.
    ///
    /// # Errors
    /// [`AppError::NotFound`], [`AppError::Forbidden`].
    pub async fn invitations(
        &self,
        agent: &Agent,
        organizer: OrganizerId,
        after: Option<InvitationId>,
        limit: Limit,
    ) -> Result<Page<Invitation>, AppError> {
        self.access.require(agent, Operation::ChangeMembers, &Subject::organizer(organizer), "organizer").await?;
        Ok(Page::of(self.ports.reads.invitations(organizer, self.now(), after, probe(limit)).await?, limit))
    }

    /// Where the owner of an account was invited to, as far as it is still kept: nothing, unless he has verified that he
    /// reads the mails of his address.
    ///
    /// # Errors
    /// What the store answers.
    pub async fn invitations_to(&self, account: &User) -> Result<Vec<Invitation>, AppError> {
        if !account.email_verified {
            return Ok(Vec::new());
        }
        Ok(self.ports.reads.invitations_to_address(&account.email, SHOWN_MAX).await?)
    }

    /// One invitation that can be accepted.
    ///
    /// # Errors
    /// [`AppError::NotFound`], also for one that is over; [`AppError::Forbidden`].
    pub async fn invitation(
        &self,
        agent: &Agent,
        organizer: OrganizerId,
        id: InvitationId,
    ) -> Result<Invitation, AppError> {
        self.access.require(agent, Operation::ChangeMembers, &Subject::organizer(organizer), "organizer").await?;
        let found = self.ports.reads.open_invitation(organizer, id, self.now()).await?;
        found.ok_or(AppError::NotFound("invitation"))
    }

    /// Takes an invitation back. One that is over stays as it is.
    ///
    /// # Errors
    /// [`AppError::NotFound`], [`AppError::Forbidden`].
    pub async fn revoke_invitation(
        &self,
        agent: &Agent,
        organizer: OrganizerId,
        id: InvitationId,
        origin: &Origin,
    ) -> Result<(), AppError> {
        let mut uow = self.ports.store.begin().await?;
        self.team_in_op(uow.as_mut(), agent, Operation::ChangeMembers, organizer).await?;
        let before = uow.invitation(organizer, id).await?.ok_or(AppError::NotFound("invitation"))?;
        let now = self.now();
        let Some(after) = before.revoke(now) else { return Ok(()) };
        uow.save_invitation(&after).await?;
        self.tell_of_invitation_in_op(uow.as_mut(), Told::Revoked, &after, now, origin).await?;
        uow.commit().await?;
        Ok(())
    }

    /// The caller, whose address is the invited one, becomes a member; it counts at once, and his address as verified.
    ///
    /// # Errors
    /// [`AppError::Validation`] for a token that is none, was used, taken back, or has expired, all told alike;
    /// [`AppError::Forbidden`] for an account of another address; [`AppError::AlreadyExists`] for a member;
    /// [`AppError::InvalidState`] where the team or the account has its fill.
    pub async fn accept_invitation(&self, agent: &Agent, token: &str, origin: &Origin) -> Result<SeenMember, AppError> {
        let principal = require_on_platform(agent, PlatformOperation::AcceptInvitations, false)?;
        self.guards().try_token(origin).await?;
        let hash = token_hash(token).ok_or_else(over)?;
        let mut uow = self.ports.store.begin().await?;
        let found = uow.invitation_by_hash(&hash).await?.ok_or_else(over)?;
        // Accounts are locked before organizers, everywhere; and one that is deleted meanwhile joins nothing.
        let user = uow.lock_user(principal.user).await?.filter(|user| user.deleted_at.is_none());
        let user = user.ok_or(AppError::Unauthenticated)?;
        let mut team = uow.lock_team(found.organizer).await?.ok_or_else(over)?;
        let found = uow.invitation(found.organizer, found.id).await?.ok_or_else(over)?;
        let now = self.now();
        let accepted = found.accept(&user.email, now)?;
        let his = uow.memberships(user.id).await?;
        let member = team.join((user.id, &his), accepted.role, accepted.reach.clone(), now)?;
        // That he has the token proves that he reads the mails of the address.
        self.ports.identity.verify_in_op(uow.as_mut(), &user, origin).await?;
        uow.insert_member(&member).await?;
        uow.save_invitation(&accepted).await?;
        self.tell_of_invitation_in_op(uow.as_mut(), Told::Accepted, &accepted, now, origin).await?;
        self.tell_in_op(uow.as_mut(), &mut team, (None, &member), MemberFact::Joined, (now, origin)).await?;
        uow.save_team(&team).await?;
        uow.commit().await?;
        self.access.forget(team.organizer, user.id).await;
        self.guards().right_token(origin).await;
        Ok(SeenMember { member, user })
    }

    /// Deletes invitations that have been over for a month, at most `limit` at a time, and answers how many: a job calls
    /// it until it answers less than it was allowed.
    ///
    /// # Errors
    /// What the store answers.
    pub async fn delete_old_invitations(&self, limit: Limit) -> Result<u64, AppError> {
        let mut uow = self.ports.store.begin().await?;
        let deleted = uow.delete_old_invitations(self.now() - KEPT, limit).await?;
        uow.commit().await?;
        Ok(deleted)
    }

    /// What a request with the same key has made before.
    async fn invited_before_in_op(
        &self,
        uow: &mut dyn UnitOfWork,
        organizer: OrganizerId,
        snapshot: &str,
    ) -> Result<Invitation, AppError> {
        let kept: Value = serde_json::from_str(snapshot).map_err(|_| AppError::Internal)?;
        let id = kept["invitation"].as_str().and_then(|id| Uuid::try_parse(id).ok()).ok_or(AppError::Internal)?;
        uow.invitation(organizer, InvitationId::new(id)).await?.ok_or(AppError::NotFound("invitation"))
    }

    /// Ends the invitation that the new one takes the place of, if there is one.
    async fn replace_in_op(
        &self,
        uow: &mut dyn UnitOfWork,
        new: &Invitation,
        now: Timestamp,
        origin: &Origin,
    ) -> Result<(), AppError> {
        let Some(older) = uow.invitation_to(new.organizer, &new.email).await? else { return Ok(()) };
        let ended = older.replace(now);
        uow.save_invitation(&ended).await?;
        self.tell_of_invitation_in_op(uow, Told::Revoked, &ended, now, origin).await
    }

    /// Appends to both journals. Neither bears the address: who may know it finds it by the id.
    async fn tell_of_invitation_in_op(
        &self,
        uow: &mut dyn UnitOfWork,
        told: Told,
        invitation: &Invitation,
        now: Timestamp,
        origin: &Origin,
    ) -> Result<(), AppError> {
        let (kind, action, sequence) = told.words();
        let data = json!({
            "organizerId": invitation.organizer.uuid(),
            "invitationId": invitation.id.uuid(),
            "role": invitation.role.as_str(),
        });
        let state = json!({
            "role": invitation.role.as_str(),
            "events": events_state(&invitation.reach),
            "expiresAt": invitation.expires_at,
        });
        let scribe = Scribe { ids: self.ports.ids.as_ref(), origin, at: now };
        let id = invitation.id.uuid();
        let message = scribe.message(id, sequence, kind, data.to_string());
        let deed = Deed { organizer: Some(invitation.organizer), action, object_kind: "invitation", object: id };
        let (before, after) = match told {
            Told::Created => (None, Some(state.to_string())),
            Told::Accepted | Told::Revoked => (Some(state.to_string()), None),
        };
        let line = scribe.line(deed, before, after);
        uow.append_outbox(&[message]).await?;
        uow.append_audit(&[line]).await?;
        Ok(())
    }
}

/// What the journals say of an invitation.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Told {
    Created,
    Accepted,
    Revoked,
}

impl Told {
    const fn words(self) -> (&'static str, &'static str, u32) {
        match self {
            Self::Created => ("goticket.invitation.created.v1", "invitation.created", 1),
            Self::Accepted => ("goticket.invitation.accepted.v1", "invitation.accepted", 2),
            Self::Revoked => ("goticket.invitation.revoked.v1", "invitation.revoked", 2),
        }
    }
}

/// Told alike, whatever is wrong with a token.
fn over() -> AppError {
    Problems::one("token", "invalid_token", "is unknown, used, or expired: ask for another one").into()
}

impl From<InvitationRefusal> for AppError {
    fn from(refusal: InvitationRefusal) -> Self {
        match refusal {
            InvitationRefusal::Over => over(),
            InvitationRefusal::OtherAddress => Self::Forbidden,
        }
    }
}
