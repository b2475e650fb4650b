//! Use case: a new event, a draft, with its ticket types.

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::booking::{Refusal, Sale};
use domain::catalog::{Event, NewEvent, NewTicketType};
use domain::pricing::NewPricing;
use domain::{EventId, OrganizerId, PoolId, Problems, TicketTypeId, Timestamp};

use crate::access::Agent;
use crate::booking::{SaleFact, of_sale, read_sale, sale as snapshot_of};
use crate::catalog::SeenSale;
use crate::catalog::service::Catalog;
use crate::error::AppError;
use crate::idempotency::{Answer, IdempotencyKey};
use crate::origin::Origin;
use crate::store::UnitOfWork;

/// A new event as a transport hands it in; what is none gets the configured default.
#[derive(Clone, Debug)]
pub struct CreateEvent {
    /// Name.
    pub name: String,
    /// Description.
    pub description: Option<String>,
    /// Venue.
    pub venue: Option<String>,
    /// IANA zone name.
    pub timezone: Option<String>,
    /// ISO 4217 code.
    pub currency: Option<String>,
    /// Beginning.
    pub start_at: Timestamp,
    /// End.
    pub end_at: Timestamp,
    /// Seconds of a hold.
    pub hold_seconds: Option<i64>,
    /// Taxes and fees.
    pub pricing: Option<NewPricing>,
    /// Whether a ticket lets in nobody while a bank asks back what paid it; not, where it is left out.
    pub blocks_disputed: Option<bool>,
    /// Whether people may wait for what is sold out.
    pub waiting_list: Option<bool>,
    /// Seconds of an offer to who waits.
    pub offer_seconds: Option<i64>,
    /// Whose event it is; none means the caller's only organizer, which is made if he has none.
    pub organizer: Option<OrganizerId>,
    /// Its ticket types.
    pub ticket_types: Vec<NewTicketType>,
}

/// How often another slug is tried when one is taken.
const SLUGS_MAX: usize = 5;

impl Catalog {
    /// Makes a draft. The first event of somebody without an organizer makes him one. With a key, the first success is
    /// answered again.
    ///
    /// # Errors
    /// [`AppError::Validation`]; [`AppError::Forbidden`] for a buyer, unless buyers may become organizers;
    /// [`AppError::NotFound`] for an organizer that he is no member of.
    pub async fn create_event(
        &self,
        agent: &Agent,
        request: CreateEvent,
        key: Option<&IdempotencyKey>,
        origin: &Origin,
    ) -> Result<Answer<Arc<SeenSale>>, AppError> {
        let _running = key.map(|key| self.in_flight.enter(key)).transpose()?;
        let mut uow = self.ports.store.begin().await?;
        if let Some(snapshot) = self.kept_in_op(uow.as_mut(), key).await? {
            return Ok(Answer::replayed(Arc::new(SeenSale { sale: read_sale(&snapshot)?, version: 0 })));
        }
        let (organizer, changed) =
            self.organizer_of_event_in_op(uow.as_mut(), agent, request.organizer, origin).await?;
        let sale = self.insert_sale_in_op(uow.as_mut(), organizer, &request, origin).await?;
        self.keep_in_op(uow.as_mut(), key, snapshot_of(&sale)).await?;
        uow.commit().await?;
        if let Some(changed) = changed {
            self.ports.identity.role_changed(changed);
        }
        let seen = Arc::new(SeenSale { sale, version: 0 });
        self.pages.changed(Arc::clone(&seen)).await;
        Ok(Answer::fresh(seen))
    }

    async fn insert_sale_in_op(
        &self,
        uow: &mut dyn UnitOfWork,
        organizer: OrganizerId,
        request: &CreateEvent,
        origin: &Origin,
    ) -> Result<Sale, AppError> {
        let now = self.now();
        for _ in 0..SLUGS_MAX {
            let sale = self.draft(organizer, request, now)?;
            if uow.insert_sale(&sale).await? {
                let (message, line) = of_sale(None, &sale, SaleFact::Created, now, origin, &*self.ports.ids);
                uow.append_outbox(&[message]).await?;
                uow.append_audit(&[line]).await?;
                return Ok(sale);
            }
        }
        Err(AppError::AlreadyExists("the slug is taken"))
    }

    fn draft(&self, organizer: OrganizerId, request: &CreateEvent, now: Timestamp) -> Result<Sale, AppError> {
        let ids = &self.ports.ids;
        let new = NewEvent {
            name: request.name.clone(),
            description: request.description.clone(),
            venue: request.venue.clone(),
            timezone: request.timezone.clone().unwrap_or_else(|| self.settings.timezone.clone()),
            currency: request.currency.clone().unwrap_or_else(|| self.settings.currency.code().to_owned()),
            start_at: request.start_at,
            end_at: request.end_at,
            hold_seconds: request.hold_seconds.unwrap_or_else(|| self.settings.hold.num_seconds()),
            pricing: request.pricing.clone(),
            blocks_disputed: request.blocks_disputed,
            waiting_list: request.waiting_list,
            offer_seconds: request.offer_seconds,
        };
        let mut problems = Problems::default();
        let event = problems.take(Event::try_new(EventId::new(ids.uuid()), organizer, &new, ids.random(), now));
        let Some(event) = event else { return Err(problems.into()) };
        let mut sale = Sale { event, ticket_types: Vec::new(), pools: Vec::new(), waiting: BTreeMap::new() };
        for (at, new) in request.ticket_types.iter().enumerate() {
            let id = TicketTypeId::new(ids.uuid());
            match sale.with_ticket_type(id, PoolId::new(ids.uuid()), new, &format!("ticketTypes[{at}].")) {
                Ok(next) => sale = next,
                Err(Refusal::Invalid(wrong)) => {
                    problems.take::<()>(Err(wrong));
                }
                Err(refusal) => return Err(refusal.into()),
            }
        }
        problems.into_result()?;
        Ok(sale)
    }
}
