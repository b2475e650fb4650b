//! Use cases: check-in lists of an event are made, shown and changed.

use std::sync::Arc;

use domain::admission::{CheckInList, ListEdit};
use domain::{CheckInListId, EventId};

use super::tickets::Tickets;
use crate::access::{Agent, Operation};
use crate::booking::{Command, Outcome};
use crate::error::AppError;
use crate::origin::Origin;

impl Tickets {
    /// Makes a list.
    ///
    /// # Errors
    /// [`AppError::NotFound`], [`AppError::Forbidden`], [`AppError::Validation`] (as a refusal);
    /// [`AppError::InvalidState`] where the event has its fill of lists.
    pub async fn create_check_in_list(
        &self,
        agent: &Agent,
        event: EventId,
        new: ListEdit,
        origin: Origin,
    ) -> Result<CheckInList, AppError> {
        self.ports.catalog.require(agent, Operation::ChangeEvents, event).await?;
        let id = CheckInListId::new(self.ports.ids.uuid());
        self.put_check_in_list(event, Command::AddCheckInList { id, new: Box::new(new) }, origin).await
    }

    /// Changes a list. Scans obey it at once here, and within a second on other replicas.
    ///
    /// # Errors
    /// [`AppError::NotFound`], [`AppError::Forbidden`], [`AppError::Validation`] (as a refusal); [`AppError::InvalidState`]
    /// for the list that every event has.
    pub async fn edit_check_in_list(
        &self,
        agent: &Agent,
        event: EventId,
        id: CheckInListId,
        edit: ListEdit,
        origin: Origin,
    ) -> Result<CheckInList, AppError> {
        self.ports.catalog.require(agent, Operation::ChangeEvents, event).await?;
        self.put_check_in_list(event, Command::EditCheckInList { id, edit: Box::new(edit) }, origin).await
    }

    /// The lists of an event, those that are put away included: first the one that every event has, then oldest first.
    ///
    /// # Errors
    /// [`AppError::NotFound`], [`AppError::Forbidden`].
    pub async fn check_in_lists(&self, agent: &Agent, event: EventId) -> Result<Vec<CheckInList>, AppError> {
        self.ports.catalog.require(agent, Operation::SeeCheckInLists, event).await?;
        let mut lists = vec![CheckInList::default_of(event)];
        lists.append(&mut self.ports.store.check_in_lists(event).await?);
        Ok(lists)
    }

    /// One list.
    ///
    /// # Errors
    /// [`AppError::NotFound`], [`AppError::Forbidden`].
    pub async fn check_in_list(
        &self,
        agent: &Agent,
        event: EventId,
        id: CheckInListId,
    ) -> Result<CheckInList, AppError> {
        let lists = self.check_in_lists(agent, event).await?;
        lists.into_iter().find(|list| list.id == id).ok_or(AppError::NotFound("check-in list"))
    }

    async fn put_check_in_list(
        &self,
        event: EventId,
        command: Command,
        origin: Origin,
    ) -> Result<CheckInList, AppError> {
        let done = self.ports.desk.submit(event, command, origin, None).await;
        self.lists.invalidate(&event).await;
        match done?.value {
            Outcome::CheckInList(list) => Ok(*list),
            _ => Err(AppError::Internal),
        }
    }

    /// The list that a scan names, or the one that every event has; as it was a second ago at the most.
    pub(super) async fn list(
        &self,
        event: EventId,
        named: Option<CheckInListId>,
    ) -> Result<Arc<CheckInList>, AppError> {
        let found = self.list_of(event, named.unwrap_or(CheckInListId::default_of(event))).await?;
        found.filter(|list| !list.archived).ok_or(AppError::NotFound("check-in list"))
    }

    /// The list of this id, put away or not: whoever entered by it may leave, and be told of.
    pub(super) async fn list_of(
        &self,
        event: EventId,
        id: CheckInListId,
    ) -> Result<Option<Arc<CheckInList>>, AppError> {
        Ok(self.lists(event).await?.iter().find(|list| list.id == id).cloned())
    }

    /// All lists of the event, put away or not; as they were a second ago at the most.
    pub(super) async fn lists(&self, event: EventId) -> Result<Arc<[Arc<CheckInList>]>, AppError> {
        let read = async {
            let kept = self.ports.store.check_in_lists(event).await?;
            Ok(std::iter::once(CheckInList::default_of(event)).chain(kept).map(Arc::new).collect())
        };
        self.lists.try_get_with(event, read).await.map_err(|error: Arc<AppError>| AppError::clone(&error))
    }
}
