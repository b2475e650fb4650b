//! Use cases: a code is shown at the door, and an entry is undone.

use domain::admission::{CheckIn, CheckInRequest, CodeClaims, Scan, ScanResult, SignedCode};
use domain::{CheckInId, CheckInListId, EventId, Timestamp};

use super::tickets::Tickets;
use crate::access::{Agent, Operation};
use crate::booking::{Command, Outcome};
use crate::error::AppError;
use crate::idempotency::{Answer, IdempotencyKey};
use crate::origin::Origin;

/// What a scanner sends.
#[derive(Clone, Copy, Debug)]
pub struct Presented<'a> {
    /// What it has read, whatever that is.
    pub code: &'a str,
    /// By which list it lets in; none means the one that every event has.
    pub list: Option<CheckInListId>,
    /// Where it stands.
    pub gate: Option<&'a str>,
    /// When it has read it, as it claims.
    pub at: Option<Timestamp>,
}

impl Tickets {
    /// Lets in with a code, once. With a key, the first entry is answered again; what let nobody in is decided anew.
    ///
    /// # Errors
    /// [`AppError::NotFound`] or [`AppError::Forbidden`] for who does not stand at the door, and for a list that is none;
    /// [`AppError::RateLimited`] for who has shown too many codes that are none; a gate that is none.
    pub async fn check_in(
        &self,
        agent: &Agent,
        event: EventId,
        presented: Presented<'_>,
        key: Option<IdempotencyKey>,
        origin: Origin,
    ) -> Result<Answer<Scan>, AppError> {
        self.ports.catalog.require(agent, Operation::CheckIn, event).await?;
        let gate = CheckInRequest::gate(presented.gate)?;
        let list = self.list(event, presented.list).await?;
        let guards = self.ports.catalog.guards();
        guards.has_guessed_tickets(agent).await?;
        let Some(claims) = self.verified(presented.code).await? else {
            guards.guessed_ticket(agent).await;
            return Ok(Answer::fresh(Scan::refused(ScanResult::Invalid)));
        };
        if claims.event != event {
            return Ok(Answer::fresh(Scan::refused(ScanResult::WrongEvent)));
        }
        let _running = key.as_ref().map(|key| self.in_flight.enter(key)).transpose()?;
        let request = CheckInRequest {
            id: CheckInId::new(self.ports.ids.uuid()),
            ticket: claims.ticket,
            issue: claims.issue,
            list,
            gate,
            device_at: presented.at,
        };
        let answer = self.ports.desk.submit(event, Command::CheckIn(Box::new(request)), origin, key).await?;
        match answer.value {
            Outcome::Scan(scan) => Ok(Answer { value: *scan, replayed: answer.replayed }),
            _ => Err(AppError::Internal),
        }
    }

    /// The entry counts no more, and its ticket lets in again. Done twice, it is done once.
    ///
    /// # Errors
    /// [`AppError::NotFound`] or [`AppError::Forbidden`] for who may not.
    pub async fn undo_check_in(
        &self,
        agent: &Agent,
        event: EventId,
        id: CheckInId,
        origin: Origin,
    ) -> Result<CheckIn, AppError> {
        self.ports.catalog.require(agent, Operation::UndoCheckIn, event).await?;
        self.change_check_in(event, Command::UndoCheckIn(id), origin).await
    }

    /// Who had entered is outside again, and may enter again. Done twice, it is done once.
    ///
    /// # Errors
    /// [`AppError::NotFound`] or [`AppError::Forbidden`] for who does not stand at the door, and the refusals of
    /// [`domain::admission::exit_check_in`].
    pub async fn exit_check_in(
        &self,
        agent: &Agent,
        event: EventId,
        id: CheckInId,
        origin: Origin,
    ) -> Result<CheckIn, AppError> {
        self.ports.catalog.require(agent, Operation::CheckIn, event).await?;
        // On which list an entry is never changes, so that it may be read outside of the lane.
        let entry = self.ports.store.check_in(id).await?.filter(|entry| entry.event == event);
        let entry = entry.ok_or(AppError::NotFound("check-in"))?;
        let list = self.list_of(event, entry.list).await?.ok_or(AppError::NotFound("check-in list"))?;
        self.change_check_in(event, Command::ExitCheckIn { id, list }, origin).await
    }

    async fn change_check_in(&self, event: EventId, command: Command, origin: Origin) -> Result<CheckIn, AppError> {
        match self.ports.desk.submit(event, command, origin, None).await?.value {
            Outcome::CheckIn(entry) => Ok(*entry),
            _ => Err(AppError::Internal),
        }
    }

    /// What the code says, if a key of its event has signed it.
    pub(super) async fn verified(&self, code: &str) -> Result<Option<CodeClaims>, AppError> {
        let Ok(code) = SignedCode::parse(code) else { return Ok(None) };
        let (event, number) = code.key();
        let Some(public_key) = self.public_key(event, number).await? else { return Ok(None) };
        let signer = &self.ports.signer;
        Ok(code.verified(|message, signature| signer.verify(&public_key, message, signature)).ok())
    }
}
