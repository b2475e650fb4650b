//! Use cases: organizers and their members.

use domain::catalog::{Member, MemberRole, Organizer, Reach};
use domain::{Limit, OrganizerId};

use crate::access::{Agent, Operation, PlatformOperation, Subject, Verdict, decide, decide_platform};
use crate::booking::{organizer as snapshot_of, read_organizer};
use crate::catalog::Inside;
use crate::catalog::service::Catalog;
use crate::error::AppError;
use crate::idempotency::{Answer, IdempotencyKey, KeptAnswer};
use crate::identity::ChangedRole;
use crate::journal::{AuditRow, Deed, OutboxRow, Scribe};
use crate::origin::{Origin, Principal};
use crate::page::{Page, probe};
use crate::store::UnitOfWork;

/// How often another slug is tried when one made of the name is taken.
const SLUGS_MAX: usize = 5;

impl Catalog {
    /// Makes an organizer; the caller becomes its owner, and with `auth.self_service_organizers` an organizer by role.
    /// With a key, the first success is answered again.
    ///
    /// # Errors
    /// [`AppError::Validation`]; [`AppError::Forbidden`] for a buyer; [`AppError::AlreadyExists`] for a slug that is
    /// taken; [`AppError::InvalidState`] where he acts for [`Member::ORGANIZERS_MAX`] already.
    pub async fn create_organizer(
        &self,
        agent: &Agent,
        name: &str,
        slug: Option<&str>,
        key: Option<&IdempotencyKey>,
        origin: &Origin,
    ) -> Result<Answer<Organizer>, AppError> {
        let principal = agent.account()?;
        let _running = key.map(|key| self.in_flight.enter(key)).transpose()?;
        let mut uow = self.ports.store.begin().await?;
        if let Some(snapshot) = self.kept_in_op(uow.as_mut(), key).await? {
            return Ok(Answer::replayed(read_organizer(&snapshot)?));
        }
        let changed = self.ports.identity.ensure_organizer_in_op(uow.as_mut(), principal.user, origin).await?;
        let organizer = self.insert_organizer_in_op(uow.as_mut(), principal, name, slug, origin).await?;
        self.keep_in_op(uow.as_mut(), key, snapshot_of(&organizer)).await?;
        uow.commit().await?;
        if let Some(changed) = changed {
            self.ports.identity.role_changed(changed);
        }
        Ok(Answer::fresh(organizer))
    }

    /// The organizers that the caller is a member of; all of them for an admin, its own for a key.
    ///
    /// # Errors
    /// Only those of the store.
    pub async fn organizers(
        &self,
        agent: &Agent,
        after: Option<OrganizerId>,
        limit: Limit,
    ) -> Result<Page<Organizer>, AppError> {
        let inside = match agent {
            Agent::Anonymous => return Err(AppError::Unauthenticated),
            Agent::System => None,
            Agent::Account(principal) if decide_platform(principal.role, PlatformOperation::SeeOrganizers, false) => {
                None
            }
            Agent::Account(principal) => Some(Inside::Member(principal.user)),
            // A device at the door of one event knows that event alone.
            Agent::Key(key) if key.event.is_some() => return Ok(Page::of(Vec::new(), limit)),
            Agent::Key(key) => Some(Inside::Organizer(key.organizer)),
        };
        Ok(Page::of(self.ports.reads.organizers(inside, after, probe(limit)).await?, limit))
    }

    /// One organizer.
    ///
    /// # Errors
    /// [`AppError::NotFound`] for who is neither inside it nor an admin.
    pub async fn organizer(&self, agent: &Agent, organizer: OrganizerId) -> Result<Organizer, AppError> {
        let subject = Subject::organizer(organizer);
        self.access.require(agent, Operation::SeeOrganizer, &subject, "organizer").await?;
        let found = self.ports.reads.organizers(Some(Inside::Organizer(organizer)), None, 1).await?;
        found.into_iter().next().ok_or(AppError::NotFound("organizer"))
    }

    /// The organizer that a new event belongs to: the one that is named, else the caller's only one, else a new one; and
    /// what became of his role where that made him an organizer.
    pub(super) async fn organizer_of_event_in_op(
        &self,
        uow: &mut dyn UnitOfWork,
        agent: &Agent,
        named: Option<OrganizerId>,
        origin: &Origin,
    ) -> Result<(OrganizerId, Option<ChangedRole>), AppError> {
        let named = match agent {
            Agent::Key(key) => Some(named.unwrap_or(key.organizer)),
            _ => named,
        };
        if let Some(named) = named {
            let organizer = uow.organizer(named).await?.ok_or(AppError::NotFound("organizer"))?.id;
            let member = match agent {
                Agent::Account(principal) => uow.membership(organizer, principal.user).await?,
                _ => None,
            };
            let subject = Subject::organizer(organizer);
            decide(&subject.standing(agent, member.as_ref()), Operation::CreateEvents).into_result("organizer")?;
            return Ok((organizer, None));
        }
        let principal = agent.account()?;
        let may_create = |member: &Member| {
            let subject = Subject::organizer(member.organizer);
            decide(&subject.standing(agent, Some(member)), Operation::CreateEvents) == Verdict::Allowed
        };
        let mut mine = uow.memberships(principal.user).await?;
        mine.retain(may_create);
        let mut changed = None;
        if mine.is_empty() {
            // This locks his account: of two first events at a time only one makes an organizer.
            changed = self.ports.identity.ensure_organizer_in_op(uow, principal.user, origin).await?;
            mine = uow.memberships(principal.user).await?;
            mine.retain(may_create);
        }
        match mine.as_slice() {
            [only] => Ok((only.organizer, changed)),
            [] => {
                let user = uow.user_by_id(principal.user).await?.ok_or(AppError::Unauthenticated)?;
                let name = user.name.as_ref().map_or("Organizer", |name| name.as_str());
                Ok((self.insert_organizer_in_op(uow, principal, name, None, origin).await?.id, changed))
            }
            _ => Err(domain::Problems::one("organizerId", "required", "you have several organizers: name one").into()),
        }
    }

    /// Makes an organizer of an account that this transaction has locked.
    async fn insert_organizer_in_op(
        &self,
        uow: &mut dyn UnitOfWork,
        principal: &Principal,
        name: &str,
        slug: Option<&str>,
        origin: &Origin,
    ) -> Result<Organizer, AppError> {
        Member::one_more(&uow.memberships(principal.user).await?)?;
        let now = self.now();
        for _ in 0..SLUGS_MAX {
            let id = OrganizerId::new(self.ports.ids.uuid());
            let organizer = Organizer::try_new(id, name, slug, self.ports.ids.random(), now)?;
            let (user, role) = (principal.user, MemberRole::Owner);
            let owner = Member { organizer: id, user, role, reach: Reach::All, since: now };
            if uow.insert_organizer(&organizer, &owner).await? {
                let (message, line) = self.organizer_created(&organizer, origin);
                uow.append_outbox(&[message]).await?;
                uow.append_audit(&[line]).await?;
                return Ok(organizer);
            }
            if slug.is_some() {
                break;
            }
        }
        Err(AppError::AlreadyExists("the slug is taken"))
    }

    fn organizer_created(&self, organizer: &Organizer, origin: &Origin) -> (OutboxRow, AuditRow) {
        let scribe = Scribe { ids: self.ports.ids.as_ref(), origin, at: organizer.created_at };
        let id = organizer.id.uuid();
        let data = serde_json::json!({ "organizerId": id }).to_string();
        let deed =
            Deed { organizer: Some(organizer.id), action: "organizer.created", object_kind: "organizer", object: id };
        let message = scribe.message(id, 1, "goticket.organizer.created.v1", data);
        (message, scribe.line(deed, None, Some(snapshot_of(organizer))))
    }

    /// The answer that was kept under the key, if there is one that has not lapsed.
    pub(super) async fn kept_in_op(
        &self,
        uow: &mut dyn UnitOfWork,
        key: Option<&IdempotencyKey>,
    ) -> Result<Option<String>, AppError> {
        let Some(key) = key else { return Ok(None) };
        let kept = uow.kept_answer(key).await?.filter(|kept| !kept.lapsed(self.now()));
        kept.map(|kept| kept.replay(key).map(ToOwned::to_owned)).transpose()
    }

    /// Whether a success is kept under the key, and so what it comes with is answered and not done.
    pub(crate) async fn has_answered(&self, key: &IdempotencyKey) -> Result<bool, AppError> {
        let kept = self.ports.store.begin().await?.kept_answer(key).await?;
        Ok(kept.is_some_and(|kept| !kept.lapsed(self.now())))
    }

    pub(super) async fn keep_in_op(
        &self,
        uow: &mut dyn UnitOfWork,
        key: Option<&IdempotencyKey>,
        snapshot: String,
    ) -> Result<(), AppError> {
        if let Some(key) = key {
            uow.keep_answer(&KeptAnswer { key: key.clone(), snapshot, at: self.now() }).await?;
        }
        Ok(())
    }
}
