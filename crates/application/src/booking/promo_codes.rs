//! Use cases: promo codes of an event are made, shown and changed.

use std::net::IpAddr;
use std::sync::Arc;

use domain::booking::{PromoCode, PromoEdit, PromoWord, Refusal, unknown_promo_code};
use domain::{EventId, Limit, Problems, PromoCodeId, TicketTypeId};

use super::bookings::{Bookings, is_unknown_code};
use crate::access::{Agent, Operation};
use crate::booking::{Command, Outcome};
use crate::catalog::{EventRef, SeenSale};
use crate::error::AppError;
use crate::idempotency::{Answer, IdempotencyKey};
use crate::origin::Origin;
use crate::page::{Page, probe};

impl Bookings {
    /// Makes a code; without a text of its own it gets one that nobody guesses.
    ///
    /// # Errors
    /// [`AppError::NotFound`], [`AppError::Forbidden`], [`AppError::Validation`] (as a refusal);
    /// [`AppError::AlreadyExists`] where the event has one of this text; with a key, [`AppError::RequestInProgress`].
    pub async fn create_promo_code(
        &self,
        agent: &Agent,
        event: EventId,
        code: Option<&str>,
        new: PromoEdit,
        key: Option<IdempotencyKey>,
        origin: Origin,
    ) -> Result<Answer<PromoCode>, AppError> {
        self.ports.catalog.require(agent, Operation::ChangePromoCodes, event).await?;
        let _running = key.as_ref().map(|key| self.in_flight.enter(key)).transpose()?;
        let ids = &self.ports.ids;
        let code = code.map(|code| PromoWord::parse("code", code)).transpose();
        let code = code.map_err(|wrong: Problems| AppError::from(wrong))?;
        let code = code.unwrap_or_else(|| PromoWord::of([ids.random(), ids.random()]));
        let command = Command::AddPromoCode { id: PromoCodeId::new(ids.uuid()), code, new: Box::new(new) };
        self.change_promo_code(event, command, key, origin).await
    }

    /// Changes a code: its terms, or whether it is put away. Its text stays.
    ///
    /// # Errors
    /// [`AppError::NotFound`], [`AppError::Forbidden`], [`AppError::Validation`] (as a refusal).
    pub async fn edit_promo_code(
        &self,
        agent: &Agent,
        event: EventId,
        id: PromoCodeId,
        edit: PromoEdit,
        origin: Origin,
    ) -> Result<PromoCode, AppError> {
        self.ports.catalog.require(agent, Operation::ChangePromoCodes, event).await?;
        let command = Command::EditPromoCode { id, edit: Box::new(edit) };
        self.change_promo_code(event, command, None, origin).await.map(|answer| answer.value)
    }

    /// A page of the codes of an event, archived ones included, oldest first, behind `after`.
    ///
    /// # Errors
    /// [`AppError::NotFound`], [`AppError::Forbidden`].
    pub async fn promo_codes(
        &self,
        agent: &Agent,
        event: EventId,
        after: Option<PromoCodeId>,
        limit: Limit,
    ) -> Result<Page<PromoCode>, AppError> {
        self.ports.catalog.require(agent, Operation::SeePromoCodes, event).await?;
        Ok(Page::of(self.ports.reads.promo_codes_of(event, after, probe(limit)).await?, limit))
    }

    /// One code.
    ///
    /// # Errors
    /// [`AppError::NotFound`], [`AppError::Forbidden`].
    pub async fn promo_code(&self, agent: &Agent, event: EventId, id: PromoCodeId) -> Result<PromoCode, AppError> {
        self.ports.catalog.require(agent, Operation::SeePromoCodes, event).await?;
        self.ports.reads.promo_code(event, id).await?.ok_or(AppError::NotFound("promo code"))
    }

    /// Which hidden ticket types a code opens, for who knows it, with their event; stale by a second at the most.
    ///
    /// # Errors
    /// [`AppError::NotFound`] for an event that the caller may not know of, the refusal of a code that is of no use, and
    /// [`AppError::RateLimited`] for who has named too many that are none.
    pub async fn open_ticket_types(
        &self,
        agent: &Agent,
        event: &EventRef,
        typed: &str,
        address: Option<IpAddr>,
    ) -> Result<(Arc<SeenSale>, Vec<TicketTypeId>), AppError> {
        let seen = self.ports.catalog.event(agent, event).await?.seen;
        let guards = self.ports.catalog.guards();
        guards.has_guessed_promo_codes(agent, address).await?;
        let code = match PromoWord::read(typed) {
            Some(word) => self.ports.reads.promo_code_named(seen.sale.event.id, &word).await?,
            None => None,
        };
        let now = self.ports.catalog.now();
        let usable = match &code {
            // How often he has used it his booking finds out.
            Some(code) => code.check_usable(0, now).map(|()| code),
            None => Err(unknown_promo_code()),
        };
        let usable = usable.map_err(|wrong| AppError::from(Refusal::from(wrong)));
        if is_unknown_code(&usable) {
            guards.guessed_promo_code(agent, address).await;
        }
        let code = usable?;
        let opened = seen.sale.ticket_types.iter().filter(|known| known.hidden && code.opens(known.id));
        let opened = opened.map(|known| known.id).collect();
        Ok((seen, opened))
    }

    async fn change_promo_code(
        &self,
        event: EventId,
        command: Command,
        key: Option<IdempotencyKey>,
        origin: Origin,
    ) -> Result<Answer<PromoCode>, AppError> {
        let Answer { value, replayed } = self.ports.desk.submit(event, command, origin, key).await?;
        match value {
            Outcome::PromoCode(code) => {
                if !code.terms.opens.is_empty() {
                    self.ports.catalog.forget(event).await;
                }
                Ok(Answer { value: *code, replayed })
            }
            _ => Err(AppError::Internal),
        }
    }
}
