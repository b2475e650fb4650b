//! Check-in lists: which tickets may enter, when and how often. The entries of a list are judged together.

use crate::booking::{Refusal, Sale};
use crate::{CheckInListId, EventId, Problems, Text, TicketTypeId, Timestamp};

/// A list as it is kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CheckInList {
    /// Its id.
    pub id: CheckInListId,
    /// Of which event.
    pub event: EventId,
    /// What people call it.
    pub name: Text,
    /// Who enters by it.
    pub terms: ListTerms,
    /// Whether it is put away: nobody enters by it any more.
    pub archived: bool,
    /// Counts its changes from 1; 0 is the list that every event has, which is kept nowhere.
    pub version: u32,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
}

/// Who enters by a list.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct ListTerms {
    /// How often.
    pub entry: EntryRule,
    /// From then on, within the time that tickets are valid anyway.
    pub from: Option<Timestamp>,
    /// Not from then on.
    pub until: Option<Timestamp>,
    /// Tickets of these types; an empty list means all.
    pub ticket_types: Vec<TicketTypeId>,
}

/// How often a ticket lets in on a list.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub enum EntryRule {
    /// Once, whatever happens then.
    #[default]
    Once,
    /// Again after each exit.
    ReEntry,
}

/// A new list as it was asked for; a change likewise, where `None` leaves a field as it is and `Some(None)` empties it.
#[derive(Clone, Default, Debug)]
pub struct ListEdit {
    /// Field `name`.
    pub name: Option<String>,
    /// Field `entry`.
    pub entry: Option<EntryRule>,
    /// Field `from`.
    pub from: Option<Option<Timestamp>>,
    /// Field `until`.
    pub until: Option<Option<Timestamp>>,
    /// Field `ticketTypeIds`.
    pub ticket_types: Option<Vec<TicketTypeId>>,
    /// Field `archived`.
    pub archived: Option<bool>,
}

impl EntryRule {
    /// The word of the contract.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Once => "once",
            Self::ReEntry => "re_entry",
        }
    }
}

impl CheckInListId {
    /// The list that every event has from the start: all of its tickets, each once.
    #[must_use]
    pub const fn default_of(event: EventId) -> Self {
        Self::new(event.uuid())
    }
}

impl CheckInList {
    /// The most lists of an event, the one that it has from the start included.
    pub const PER_EVENT_MAX: usize = 50;
    /// The most characters of a name.
    pub const NAME_MAX: usize = 100;

    /// The list that every event has from the start. It stays as it is.
    #[must_use]
    pub fn default_of(event: EventId) -> Self {
        Self {
            id: CheckInListId::default_of(event),
            event,
            name: Text::trusted("All tickets".into()),
            terms: ListTerms::default(),
            archived: false,
            version: 0,
            created_at: Timestamp::UNIX_EPOCH,
            updated_at: Timestamp::UNIX_EPOCH,
        }
    }

    /// Whether it is the one that the event has from the start.
    #[must_use]
    pub fn is_default(&self) -> bool {
        self.id == CheckInListId::default_of(self.event)
    }

    /// Parses a new list.
    ///
    /// # Errors
    /// All fields that do not hold.
    pub fn try_new(id: CheckInListId, sale: &Sale, new: &ListEdit, now: Timestamp) -> Result<Self, Problems> {
        let event = sale.event.id;
        let mut problems = Problems::default();
        let name = problems.take(Text::parse("name", new.name.as_deref().unwrap_or_default(), Self::NAME_MAX));
        let terms = problems.take(ListTerms::default().edited(sale, new));
        let (Some(name), Some(terms)) = (name, terms) else { return Err(problems) };
        let archived = new.archived.unwrap_or(false);
        Ok(Self { id, event, name, terms, archived, version: 1, created_at: now, updated_at: now })
    }

    /// The list after a change; one that changes nothing gives an equal one.
    ///
    /// # Errors
    /// All fields that do not hold; [`Refusal::InvalidState`] for the list that the event has from the start.
    pub fn edited(&self, sale: &Sale, edit: &ListEdit, now: Timestamp) -> Result<Self, Refusal> {
        if self.is_default() {
            return Err(Refusal::state("the list that every event has stays as it is: make another one"));
        }
        let mut problems = Problems::default();
        let mut name = self.name.clone();
        if let Some(wanted) = &edit.name {
            problems.set(&mut name, Text::parse("name", wanted, Self::NAME_MAX));
        }
        let terms = problems.take(self.terms.edited(sale, edit));
        let archived = edit.archived.unwrap_or(self.archived);
        let (Some(terms), true) = (terms, problems.is_empty()) else { return Err(problems.into()) };
        if name == self.name && terms == self.terms && archived == self.archived {
            return Ok(self.clone());
        }
        Ok(Self { name, terms, archived, version: self.version + 1, updated_at: now, ..self.clone() })
    }
}

impl ListTerms {
    /// Whether tickets of this type are on the list.
    #[must_use]
    pub fn has(&self, ticket_type: TicketTypeId) -> bool {
        self.ticket_types.is_empty() || self.ticket_types.contains(&ticket_type)
    }

    /// Whether it lets in at this time.
    #[must_use]
    pub fn holds(&self, at: Timestamp) -> bool {
        self.from.is_none_or(|from| from <= at) && self.until.is_none_or(|until| at < until)
    }

    fn edited(&self, sale: &Sale, edit: &ListEdit) -> Result<Self, Problems> {
        let mut problems = Problems::default();
        let mut ticket_types = edit.ticket_types.clone().unwrap_or_else(|| self.ticket_types.clone());
        ticket_types.sort_unstable();
        ticket_types.dedup();
        if ticket_types.iter().any(|id| sale.ticket_type(*id).is_none()) {
            problems.add("ticketTypeIds", "unknown", "must name ticket types of this event");
        }
        let (from, until) = (edit.from.unwrap_or(self.from), edit.until.unwrap_or(self.until));
        if let (Some(from), Some(until)) = (from, until)
            && until <= from
        {
            problems.add("until", "not_after_start", "must lie after from");
        }
        problems.into_result()?;
        Ok(Self { entry: edit.entry.unwrap_or(self.entry), from, until, ticket_types })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{at, draft_of, id};

    fn named(name: &str) -> ListEdit {
        ListEdit { name: Some(name.into()), ..ListEdit::default() }
    }

    fn new(edit: &ListEdit) -> Result<CheckInList, Problems> {
        CheckInList::try_new(CheckInListId::new(id(8)), &draft_of(1_000, 2_000), edit, at(0))
    }

    #[test]
    fn a_list_has_a_name_a_window_and_types_of_its_event() {
        let list = new(&named(" Backstage ")).unwrap();
        assert_eq!((list.name.as_str(), list.version, &list.terms), ("Backstage", 1, &ListTerms::default()));
        let bad = ListEdit {
            from: Some(Some(at(5))),
            until: Some(Some(at(5))),
            ticket_types: Some(vec![TicketTypeId::new(id(77))]),
            ..ListEdit::default()
        };
        let problems = new(&bad).unwrap_err();
        let fields: Vec<_> = problems.as_slice().iter().map(|problem| problem.field.as_str()).collect();
        assert_eq!(fields, ["name", "ticketTypeIds", "until"]);
    }

    #[test]
    fn a_change_counts_and_what_changes_nothing_does_not() {
        let (sale, list) = (draft_of(1_000, 2_000), new(&named("Hall")).unwrap());
        assert_eq!(list.edited(&sale, &named("Hall"), at(9)), Ok(list.clone()));
        let edit = ListEdit { entry: Some(EntryRule::ReEntry), until: Some(Some(at(50))), ..ListEdit::default() };
        let after = list.edited(&sale, &edit, at(9)).unwrap();
        assert_eq!((after.version, after.created_at, after.updated_at), (2, at(0), at(9)));
        assert_eq!(after.terms.entry, EntryRule::ReEntry);
        assert!(after.terms.holds(at(49)) && !after.terms.holds(at(50)), "[from, until)");
        let cleared = ListEdit { until: Some(None), ..ListEdit::default() };
        assert!(after.edited(&sale, &cleared, at(9)).unwrap().terms.holds(at(50)));
        assert!(list.edited(&sale, &ListEdit { archived: Some(true), ..ListEdit::default() }, at(9)).unwrap().archived);
    }

    #[test]
    fn the_list_that_is_there_from_the_start_stays_as_it_is() {
        let sale = draft_of(1_000, 2_000);
        let refused = CheckInList::default_of(sale.event.id).edited(&sale, &named("Main door"), at(9));
        assert!(matches!(refused, Err(Refusal::InvalidState(_))), "{refused:?}");
    }
}
