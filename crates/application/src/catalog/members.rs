//! Use cases: the members of an organizer are shown and changed, they go, and an owner hands over.
//!
//! Every change holds the lock of the team, so that two of them are decided one behind the other.

use domain::catalog::{Member, MemberEdit, Reach, Team, TeamDecision, TeamRefusal};
use domain::{EventId, Limit, OrganizerId, Problems, Timestamp, UserId};
use serde_json::{Value, json};

use crate::access::{Agent, Operation, Subject, decide};
use crate::catalog::service::Catalog;
use crate::catalog::{MemberCursor, SeenMember};
use crate::error::AppError;
use crate::journal::{AuditRow, Deed, OutboxRow, Scribe};
use crate::origin::{Origin, Principal};
use crate::page::{Page, probe};
use crate::store::UnitOfWork;

/// What happened to a member.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum MemberFact {
    /// He has accepted an invitation.
    Joined,
    /// Another role or other events.
    Changed,
    /// He has gone, or was removed.
    Left,
}

impl MemberFact {
    const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Joined => ("goticket.member.joined.v1", "member.joined"),
            Self::Changed => ("goticket.member.changed.v1", "member.changed"),
            Self::Left => ("goticket.member.left.v1", "member.left"),
        }
    }
}

impl Catalog {
    /// A page of the members of an organizer, oldest first.
    ///
    /// # Errors
    /// [`AppError::NotFound`] for who is none of them, [`AppError::Forbidden`] for those who may not see the others.
    pub async fn members(
        &self,
        agent: &Agent,
        organizer: OrganizerId,
        after: Option<MemberCursor>,
        limit: Limit,
    ) -> Result<Page<SeenMember>, AppError> {
        self.access.require(agent, Operation::SeeMembers, &Subject::organizer(organizer), "organizer").await?;
        let rows = self.ports.reads.members(organizer, after, probe(limit)).await?;
        // Every organizer has its owner: an empty first page means that an admin asked for one that is not there.
        if rows.is_empty() && after.is_none() {
            return Err(AppError::NotFound("organizer"));
        }
        Ok(Page::of(rows, limit))
    }

    /// What the caller is in which organizers.
    ///
    /// # Errors
    /// What the store answers.
    pub async fn memberships(&self, principal: &Principal) -> Result<Vec<Member>, AppError> {
        Ok(self.ports.store.begin().await?.memberships(principal.user).await?)
    }

    /// One member; everybody sees himself.
    ///
    /// # Errors
    /// As [`members`](Self::members).
    pub async fn member(&self, agent: &Agent, organizer: OrganizerId, user: UserId) -> Result<SeenMember, AppError> {
        let operation = if is(agent, user) { Operation::SeeOrganizer } else { Operation::SeeMembers };
        self.access.require(agent, operation, &Subject::organizer(organizer), "organizer").await?;
        self.ports.reads.member(organizer, user).await?.ok_or(AppError::NotFound("member"))
    }

    /// Gives a member another role or other events; in this process it counts at once, in others within a second. The
    /// same again changes nothing.
    ///
    /// # Errors
    /// [`AppError::NotFound`], [`AppError::Forbidden`], [`AppError::Validation`]; [`AppError::InvalidState`] for the
    /// last owner, also where two owners demote each other at the same time.
    pub async fn change_member(
        &self,
        agent: &Agent,
        organizer: OrganizerId,
        user: UserId,
        edit: MemberEdit,
        origin: &Origin,
    ) -> Result<SeenMember, AppError> {
        let mut uow = self.ports.store.begin().await?;
        let mut team = self.team_in_op(uow.as_mut(), agent, Operation::ChangeMembers, organizer).await?;
        let account = uow.user_by_id(user).await?.ok_or(AppError::NotFound("member"))?;
        let before = uow.membership(organizer, user).await?.ok_or(AppError::NotFound("member"))?;
        let TeamDecision::Changed(after) = team.edit(&before, &edit)? else {
            return Ok(SeenMember { member: before, user: account });
        };
        self.check_events_in_op(uow.as_mut(), organizer, &after.reach).await?;
        uow.save_member(&after).await?;
        let now = self.now();
        self.tell_in_op(uow.as_mut(), &mut team, (Some(&before), &after), MemberFact::Changed, (now, origin)).await?;
        uow.save_team(&team).await?;
        uow.commit().await?;
        self.access.forget(organizer, user).await;
        Ok(SeenMember { member: after, user: account })
    }

    /// Removes a member; one who removes himself leaves.
    ///
    /// # Errors
    /// [`AppError::NotFound`], [`AppError::Forbidden`]; [`AppError::InvalidState`] for the last owner.
    pub async fn remove_member(
        &self,
        agent: &Agent,
        organizer: OrganizerId,
        user: UserId,
        origin: &Origin,
    ) -> Result<(), AppError> {
        let operation = if is(agent, user) { Operation::Leave } else { Operation::ChangeMembers };
        let mut uow = self.ports.store.begin().await?;
        let mut team = self.team_in_op(uow.as_mut(), agent, operation, organizer).await?;
        let member = uow.membership(organizer, user).await?.ok_or(AppError::NotFound("member"))?;
        team.remove(&member)?;
        uow.delete_member(organizer, user).await?;
        let now = self.now();
        self.tell_in_op(uow.as_mut(), &mut team, (Some(&member), &member), MemberFact::Left, (now, origin)).await?;
        uow.save_team(&team).await?;
        uow.commit().await?;
        self.access.forget(organizer, user).await;
        Ok(())
    }

    /// The caller, an owner, makes another member an owner and himself a manager.
    ///
    /// # Errors
    /// [`AppError::NotFound`], [`AppError::Forbidden`]; [`AppError::InvalidState`] where he would take over from
    /// himself.
    pub async fn hand_over(
        &self,
        agent: &Agent,
        organizer: OrganizerId,
        to: UserId,
        origin: &Origin,
    ) -> Result<SeenMember, AppError> {
        let mut uow = self.ports.store.begin().await?;
        let mut team = self.team_in_op(uow.as_mut(), agent, Operation::HandOver, organizer).await?;
        let from = agent.account()?.user;
        let account = uow.user_by_id(to).await?.ok_or(AppError::NotFound("member"))?;
        let giver = uow.membership(organizer, from).await?.ok_or(AppError::NotFound("organizer"))?;
        let taker = uow.membership(organizer, to).await?.ok_or(AppError::NotFound("member"))?;
        let [new_owner, new_manager] = team.hand_over(&giver, &taker)?;
        let now = self.now();
        for (before, after) in [(&taker, &new_owner), (&giver, &new_manager)] {
            if before != after {
                uow.save_member(after).await?;
                let states = (Some(before), after);
                self.tell_in_op(uow.as_mut(), &mut team, states, MemberFact::Changed, (now, origin)).await?;
            }
        }
        uow.save_team(&team).await?;
        uow.commit().await?;
        for user in [from, to] {
            self.access.forget(organizer, user).await;
        }
        Ok(SeenMember { member: new_owner, user: account })
    }

    /// The locked team, for who may do this to it, as the store knows him under the lock.
    pub(crate) async fn team_in_op(
        &self,
        uow: &mut dyn UnitOfWork,
        agent: &Agent,
        operation: Operation,
        organizer: OrganizerId,
    ) -> Result<Team, AppError> {
        if let Agent::Account(principal) = agent {
            // What is given to others here outlives the session, and another replica may just have ended it.
            self.ports.identity.signed_in_in_op(uow, principal).await?;
        }
        let team = uow.lock_team(organizer).await?.ok_or(AppError::NotFound("organizer"))?;
        let member = match agent {
            Agent::Account(principal) => uow.membership(organizer, principal.user).await?,
            _ => None,
        };
        let subject = Subject::organizer(organizer);
        decide(&subject.standing(agent, member.as_ref()), operation).into_result("organizer")?;
        Ok(team)
    }

    /// Makes sure that who lets others in reads the mails of his address. Whoever registered somebody else's would keep a
    /// way in when its owner comes (ADR 0018).
    ///
    /// # Errors
    /// [`AppError::InvalidState`].
    pub(super) async fn verified_in_op(&self, uow: &mut dyn UnitOfWork, agent: &Agent) -> Result<(), AppError> {
        let user = uow.user_by_id(agent.account()?.user).await?.ok_or(AppError::Unauthenticated)?;
        Ok(user.must_be_verified()?)
    }

    /// Refuses events that are not the organizer's, in the same words as those that are nobody's.
    pub(super) async fn check_events_in_op(
        &self,
        uow: &mut dyn UnitOfWork,
        organizer: OrganizerId,
        reach: &Reach,
    ) -> Result<(), AppError> {
        let Reach::Only(events) = reach else { return Ok(()) };
        let wanted: Vec<EventId> = events.iter().copied().collect();
        if uow.events_among(organizer, &wanted).await? == wanted {
            return Ok(());
        }
        Err(Problems::one("events", "unknown", "must be events of this organizer").into())
    }

    /// Appends what happened to both journals; the team counts its messages.
    pub(super) async fn tell_in_op(
        &self,
        uow: &mut dyn UnitOfWork,
        team: &mut Team,
        (before, after): (Option<&Member>, &Member),
        fact: MemberFact,
        (now, origin): (Timestamp, &Origin),
    ) -> Result<(), AppError> {
        team.version += 1;
        let scribe = Scribe { ids: self.ports.ids.as_ref(), origin, at: now };
        let (message, line) = scribe.member(team, before, after, fact);
        uow.append_outbox(&[message]).await?;
        uow.append_audit(&[line]).await?;
        Ok(())
    }
}

impl Scribe<'_> {
    /// The rows of a member who leaves because his account is deleted; the team has counted the message already.
    pub(crate) fn member_left(&self, team: &Team, member: &Member) -> (OutboxRow, AuditRow) {
        self.member(team, Some(member), member, MemberFact::Left)
    }

    fn member(&self, team: &Team, before: Option<&Member>, after: &Member, fact: MemberFact) -> (OutboxRow, AuditRow) {
        let (kind, action) = fact.words();
        let data = json!({
            "organizerId": after.organizer.uuid(),
            "userId": after.user.uuid(),
            "role": after.role.as_str(),
        });
        let message = self.message(after.organizer.uuid(), team.version, kind, data.to_string());
        let deed = Deed { organizer: Some(after.organizer), action, object_kind: "member", object: after.user.uuid() };
        let before = before.map(|member| state(member).to_string());
        let line = self.line(deed, before, (fact != MemberFact::Left).then(|| state(after).to_string()));
        (message, line)
    }
}

fn is(agent: &Agent, user: UserId) -> bool {
    matches!(agent, Agent::Account(principal) if principal.user == user)
}

fn state(member: &Member) -> Value {
    json!({ "role": member.role.as_str(), "events": events_state(&member.reach) })
}

pub(super) fn events_state(reach: &Reach) -> Value {
    match reach {
        Reach::All => Value::Null,
        Reach::Only(events) => events.iter().map(|event| event.uuid().to_string()).collect(),
    }
}

impl From<TeamRefusal> for AppError {
    fn from(refusal: TeamRefusal) -> Self {
        match refusal {
            TeamRefusal::Invalid(problems) => problems.into(),
            TeamRefusal::NotAnOwner => Self::Forbidden,
            TeamRefusal::AlreadyMember => Self::AlreadyExists("he is a member already"),
            TeamRefusal::LastOwner | TeamRefusal::Himself | TeamRefusal::Full | TeamRefusal::TooMany => {
                Self::InvalidState(refusal.to_string())
            }
        }
    }
}
