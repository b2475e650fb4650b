//! Those who act for an organizer.
//!
//! Every change of a team is decided on the whole [`Team`], which the caller has locked: so an organizer always has an
//! owner, also where two of them demote each other at the same time.

use std::collections::BTreeSet;

use crate::{EventId, OrganizerId, Problems, Timestamp, UserId};

/// What somebody may do inside an organizer, from the most to the least. What exactly, the policy of the application
/// says.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum MemberRole {
    /// Everything, members included.
    Owner,
    /// Events and bookings.
    Manager,
    /// The door.
    Scanner,
}

impl MemberRole {
    /// The word of the contract.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Manager => "manager",
            Self::Scanner => "scanner",
        }
    }

    /// The role of that word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Owner, Self::Manager, Self::Scanner].into_iter().find(|role| role.as_str() == word)
    }
}

/// For which events of the organizer a member acts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Reach {
    /// For all, those to come included, and for the organizer as a whole.
    All,
    /// For these alone. The list may be empty: of an event that is deleted nothing is left to act for.
    Only(BTreeSet<EventId>),
}

impl Reach {
    /// The most events that a member can be restricted to.
    pub const EVENTS_MAX: usize = 200;

    /// The reach of a role: none named means all.
    ///
    /// # Errors
    /// `events`: `out_of_range` for none or too many, `not_for_owners` for an owner, who acts for all.
    pub fn parse(role: MemberRole, events: Option<&[EventId]>) -> Result<Self, Problems> {
        match events {
            None => Ok(Self::All),
            Some(_) if role == MemberRole::Owner => {
                Err(Problems::one("events", "not_for_owners", "an owner acts for all events"))
            }
            Some(events) if (1..=Self::EVENTS_MAX).contains(&events.len()) => {
                Ok(Self::Only(events.iter().copied().collect()))
            }
            Some(_) => {
                let message = format!("must name between 1 and {} events; null means all", Self::EVENTS_MAX);
                Err(Problems::one("events", "out_of_range", message))
            }
        }
    }

    /// Whether the event is within it.
    #[must_use]
    pub fn covers(&self, event: EventId) -> bool {
        match self {
            Self::All => true,
            Self::Only(events) => events.contains(&event),
        }
    }
}

/// A person of an organizer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Member {
    /// Of which.
    pub organizer: OrganizerId,
    /// Who.
    pub user: UserId,
    /// What he may do there.
    pub role: MemberRole,
    /// For which events; an owner's is always [`Reach::All`].
    pub reach: Reach,
    /// Since when.
    pub since: Timestamp,
}

impl Member {
    /// The most organizers that an account acts for.
    pub const ORGANIZERS_MAX: usize = 100;

    /// Decides whether an account that is these members, all that it is, may act for one organizer more.
    ///
    /// # Errors
    /// [`TeamRefusal::TooMany`].
    pub const fn one_more(his: &[Self]) -> Result<(), TeamRefusal> {
        if his.len() >= Self::ORGANIZERS_MAX { Err(TeamRefusal::TooMany) } else { Ok(()) }
    }
}

/// A change of a member: what is none stays.
#[derive(Clone, Default, Debug)]
pub struct MemberEdit {
    /// His role.
    pub role: Option<MemberRole>,
    /// The events that he is restricted to; `Some(None)` takes the restriction off.
    pub events: Option<Option<Vec<EventId>>>,
}

/// A team as it is under its lock: as much of it as decisions read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Team {
    /// Whose.
    pub organizer: OrganizerId,
    /// Counts the messages about the organizer from 1: the next change bears the next number.
    pub version: u32,
    /// The owners.
    pub owners: BTreeSet<UserId>,
    /// How many members there are, owners included.
    pub size: usize,
}

/// What became of a wish to change a member.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TeamDecision {
    /// He is so now.
    Changed(Member),
    /// He was so already.
    Unchanged,
}

/// Why a change of a team is refused.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TeamRefusal {
    /// Values that do not hold.
    #[error("the request has values that are not valid")]
    Invalid(Problems),
    /// Somebody must be left who decides.
    #[error("an organizer needs an owner: make somebody else one first")]
    LastOwner,
    /// Only an owner has something to hand over.
    #[error("only an owner can hand over")]
    NotAnOwner,
    /// Nobody takes over from himself.
    #[error("somebody else must take over")]
    Himself,
    /// He acts for the organizer already.
    #[error("he is a member already")]
    AlreadyMember,
    /// The team has its full size.
    #[error("an organizer has at most {} members", Team::SIZE_MAX)]
    Full,
    /// The account acts for as many as it may.
    #[error("an account acts for at most {} organizers", Member::ORGANIZERS_MAX)]
    TooMany,
}

impl From<Problems> for TeamRefusal {
    fn from(problems: Problems) -> Self {
        Self::Invalid(problems)
    }
}

impl Team {
    /// The most members of an organizer.
    pub const SIZE_MAX: usize = 1_000;

    /// Decides on a new member, whose account is locked and is these members by now, all that it is.
    ///
    /// # Errors
    /// [`TeamRefusal::AlreadyMember`], [`TeamRefusal::TooMany`], [`TeamRefusal::Full`].
    pub fn join(
        &self,
        (user, his): (UserId, &[Member]),
        role: MemberRole,
        reach: Reach,
        now: Timestamp,
    ) -> Result<Member, TeamRefusal> {
        if his.iter().any(|member| member.organizer == self.organizer) {
            return Err(TeamRefusal::AlreadyMember);
        }
        Member::one_more(his)?;
        if self.size >= Self::SIZE_MAX {
            return Err(TeamRefusal::Full);
        }
        Ok(Member { organizer: self.organizer, user, role, reach, since: now })
    }

    /// Decides on a change of a member. The same again changes nothing and succeeds. Whoever becomes an owner acts for
    /// all events.
    ///
    /// # Errors
    /// [`TeamRefusal::Invalid`], [`TeamRefusal::LastOwner`].
    pub fn edit(&self, member: &Member, edit: &MemberEdit) -> Result<TeamDecision, TeamRefusal> {
        let role = edit.role.unwrap_or(member.role);
        let reach = match &edit.events {
            Some(events) => Reach::parse(role, events.as_deref())?,
            None if role == MemberRole::Owner => Reach::All,
            None => member.reach.clone(),
        };
        let after = Member { role, reach, ..member.clone() };
        if after == *member {
            return Ok(TeamDecision::Unchanged);
        }
        if role != MemberRole::Owner {
            self.keeps_an_owner_without(member.user)?;
        }
        Ok(TeamDecision::Changed(after))
    }

    /// Decides whether a member may go, by himself or not.
    ///
    /// # Errors
    /// [`TeamRefusal::LastOwner`].
    pub fn remove(&self, member: &Member) -> Result<(), TeamRefusal> {
        self.keeps_an_owner_without(member.user)
    }

    /// Decides on handing over: the other member becomes an owner, and he who was one a manager. Both at once, so that
    /// there is an owner at every moment.
    ///
    /// # Errors
    /// [`TeamRefusal::NotAnOwner`], [`TeamRefusal::Himself`].
    pub fn hand_over(&self, from: &Member, to: &Member) -> Result<[Member; 2], TeamRefusal> {
        if from.role != MemberRole::Owner {
            return Err(TeamRefusal::NotAnOwner);
        }
        if from.user == to.user {
            return Err(TeamRefusal::Himself);
        }
        let to = Member { role: MemberRole::Owner, reach: Reach::All, ..to.clone() };
        let from = Member { role: MemberRole::Manager, ..from.clone() };
        Ok([to, from])
    }

    fn keeps_an_owner_without(&self, user: UserId) -> Result<(), TeamRefusal> {
        if self.owners.contains(&user) && self.owners.len() == 1 { Err(TeamRefusal::LastOwner) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn user(number: u128) -> UserId {
        UserId::new(Uuid::from_u128(number))
    }

    fn event(number: u128) -> EventId {
        EventId::new(Uuid::from_u128(number))
    }

    fn member(number: u128, role: MemberRole) -> Member {
        let organizer = OrganizerId::new(Uuid::from_u128(1));
        Member { organizer, user: user(number), role, reach: Reach::All, since: Timestamp::UNIX_EPOCH }
    }

    fn team(owners: &[u128]) -> Team {
        Team {
            organizer: OrganizerId::new(Uuid::from_u128(1)),
            version: 1,
            owners: owners.iter().copied().map(user).collect(),
            size: 3,
        }
    }

    fn to(role: MemberRole) -> MemberEdit {
        MemberEdit { role: Some(role), events: None }
    }

    #[test]
    fn the_last_owner_stays_one() {
        let owner = member(1, MemberRole::Owner);
        assert_eq!(team(&[1]).edit(&owner, &to(MemberRole::Manager)), Err(TeamRefusal::LastOwner));
        assert_eq!(team(&[1]).remove(&owner), Err(TeamRefusal::LastOwner));
        assert_eq!(team(&[1]).edit(&owner, &to(MemberRole::Owner)), Ok(TeamDecision::Unchanged));
        assert_eq!(team(&[1, 2]).remove(&owner), Ok(()));
        assert_eq!(
            team(&[1, 2]).edit(&owner, &to(MemberRole::Scanner)),
            Ok(TeamDecision::Changed(member(1, MemberRole::Scanner)))
        );
        assert_eq!(team(&[1]).remove(&member(2, MemberRole::Scanner)), Ok(()));
    }

    #[test]
    fn an_owner_acts_for_all_events() {
        let restricted = Member { reach: Reach::Only([event(7)].into()), ..member(2, MemberRole::Scanner) };
        let promoted = team(&[1]).edit(&restricted, &to(MemberRole::Owner));
        assert_eq!(promoted, Ok(TeamDecision::Changed(member(2, MemberRole::Owner))));
        let both = MemberEdit { role: Some(MemberRole::Owner), events: Some(Some(vec![event(7)])) };
        assert!(matches!(team(&[1]).edit(&restricted, &both), Err(TeamRefusal::Invalid(_))));
    }

    #[test]
    fn a_restriction_is_set_and_taken_off() {
        let scanner = member(2, MemberRole::Scanner);
        let only = MemberEdit { role: None, events: Some(Some(vec![event(7), event(7)])) };
        let Ok(TeamDecision::Changed(restricted)) = team(&[1]).edit(&scanner, &only) else { panic!("a change") };
        assert!(restricted.reach.covers(event(7)) && !restricted.reach.covers(event(8)));
        assert_eq!(team(&[1]).edit(&restricted, &only), Ok(TeamDecision::Unchanged));
        let all = MemberEdit { role: None, events: Some(None) };
        assert_eq!(team(&[1]).edit(&restricted, &all), Ok(TeamDecision::Changed(scanner.clone())));
        for events in [vec![], vec![event(1); Reach::EVENTS_MAX + 1]] {
            let edit = MemberEdit { role: None, events: Some(Some(events)) };
            assert!(matches!(team(&[1]).edit(&scanner, &edit), Err(TeamRefusal::Invalid(_))));
        }
    }

    #[test]
    fn an_owner_hands_over() {
        let (owner, scanner) = (member(1, MemberRole::Owner), member(2, MemberRole::Scanner));
        let done = team(&[1]).hand_over(&owner, &scanner);
        assert_eq!(done, Ok([member(2, MemberRole::Owner), member(1, MemberRole::Manager)]));
        assert_eq!(team(&[1]).hand_over(&owner, &owner), Err(TeamRefusal::Himself));
        assert_eq!(team(&[1]).hand_over(&scanner, &owner), Err(TeamRefusal::NotAnOwner));
    }

    #[test]
    fn a_team_has_a_size() {
        let full = Team { size: Team::SIZE_MAX, ..team(&[1]) };
        let join = |team: &Team, his: &[Member]| {
            team.join((user(9), his), MemberRole::Scanner, Reach::All, Timestamp::UNIX_EPOCH)
        };
        assert_eq!(join(&full, &[]), Err(TeamRefusal::Full));
        let joined = join(&team(&[1]), &[]).unwrap();
        assert_eq!(joined, member(9, MemberRole::Scanner));
        assert_eq!(join(&team(&[1]), std::slice::from_ref(&joined)), Err(TeamRefusal::AlreadyMember));
        let elsewhere = Member { organizer: OrganizerId::new(Uuid::from_u128(77)), ..joined };
        let his = |organizers: usize| vec![elsewhere.clone(); organizers];
        assert!(join(&team(&[1]), &his(Member::ORGANIZERS_MAX - 1)).is_ok());
        assert_eq!(join(&team(&[1]), &his(Member::ORGANIZERS_MAX)), Err(TeamRefusal::TooMany));
    }
}
