//! Use cases: promo codes of an event are made, shown and changed.

use domain::booking::{PromoCode, PromoEdit, PromoWord};
use domain::{EventId, Limit, Problems, PromoCodeId};

use super::bookings::Bookings;
use crate::access::{Agent, Operation};
use crate::booking::{Command, Outcome};
use crate::error::AppError;
use crate::origin::Origin;
use crate::page::{Page, probe};

impl Bookings {
    /// Makes a code; without a text of its own it gets one that nobody guesses.
    ///
    /// # Errors
    /// [`AppError::NotFound`], [`AppError::Forbidden`], [`AppError::Validation`] (as a refusal);
    /// [`AppError::AlreadyExists`] where the event has one of this text.
    pub async fn create_promo_code(
        &self,
        agent: &Agent,
        event: EventId,
        code: Option<&str>,
        new: PromoEdit,
        origin: Origin,
    ) -> Result<PromoCode, AppError> {
        self.ports.catalog.require(agent, Operation::ChangePromoCodes, event).await?;
        let ids = &self.ports.ids;
        let code = code.map(|code| PromoWord::parse("code", code)).transpose();
        let code = code.map_err(|wrong: Problems| AppError::from(wrong))?;
        let code = code.unwrap_or_else(|| PromoWord::of([ids.random(), ids.random()]));
        let command = Command::AddPromoCode { id: PromoCodeId::new(ids.uuid()), code, new: Box::new(new) };
        self.change_promo_code(event, command, origin).await
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
        self.change_promo_code(event, Command::EditPromoCode { id, edit: Box::new(edit) }, origin).await
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

    async fn change_promo_code(&self, event: EventId, command: Command, origin: Origin) -> Result<PromoCode, AppError> {
        match self.ports.desk.submit(event, command, origin, None).await?.value {
            Outcome::PromoCode(code) => Ok(*code),
            _ => Err(AppError::Internal),
        }
    }
}
