//! The table.
//!
//! To add something that can be done: a variant and its row; the compiler asks for it, and the matrix test of `testkit`
//! asks for every route. `docs/access.md` shows the table to operators.

use domain::EventId;
use domain::OrganizerId;
use domain::catalog::{Member, MemberRole, Reach};
use domain::identity::{Role, Scope};

use crate::access::Agent;
use crate::origin::{Factor, Principal};

/// What can be done to an organizer, its events and their bookings.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Operation {
    /// See that it is there, and oneself in it.
    SeeOrganizer,
    /// See drafts, archived events, and what is hidden of others.
    SeeUnpublished,
    /// Make events.
    CreateEvents,
    /// Change events, ticket types and pools, and delete them.
    ChangeEvents,
    /// See the promo codes of an event.
    SeePromoCodes,
    /// Make and change the promo codes of an event.
    ChangePromoCodes,
    /// List the bookings of an event.
    ListBookings,
    /// See a booking.
    SeeBooking,
    /// Confirm that a booking was paid outside.
    ConfirmBooking,
    /// Take an offer of what costs nothing.
    TakeFreeOffer,
    /// Give the tickets of a booking back.
    CancelBooking,
    /// Pay a booking.
    PayBooking,
    /// Give the money of a booking back.
    RefundBooking,
    /// See which payments somebody should look at.
    SeePaymentCases,
    /// See invoices and credit notes, and who writes them.
    SeeInvoices,
    /// Say who sells, in the eyes of the law.
    ChangeInvoicing,
    /// Hold the tickets of a booking for longer.
    RenewBooking,
    /// See the tickets of a booking, with the codes that let in.
    SeeTickets,
    /// Issue tickets anew, and pass them on.
    ChangeTickets,
    /// Let tickets let in nobody, and again.
    BlockTickets,
    /// See the check-in lists of an event.
    SeeCheckInLists,
    /// Let in at the door.
    CheckIn,
    /// Watch how many have come.
    SeeDoorCounters,
    /// Read what a device needs to let in without a network.
    ReadDoorBundle,
    /// Undo an entry.
    UndoCheckIn,
    /// See who the members are.
    SeeMembers,
    /// Change and remove members, and invite others.
    ChangeMembers,
    /// Leave.
    Leave,
    /// Hand over what one owns.
    HandOver,
    /// See, make and revoke API keys.
    ManageKeys,
    /// See, set and remove what passes for wallets are signed with.
    ManagePassIssuers,
    /// Read the audit log, with the addresses in it.
    SeeAudit,
    /// Erase what is kept of guests and attendees.
    ErasePeople,
}

/// What can be done to nobody's organizer.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum PlatformOperation {
    /// Buy: hold tickets for oneself, and list what one has.
    Buy,
    /// Become what one was invited to be.
    AcceptInvitations,
    /// Make an organizer.
    MakeOrganizers,
    /// List all organizers, and not only one's own.
    SeeOrganizers,
    /// See all accounts and change their roles.
    ManageAccounts,
    /// Read the audit log of what is no organizer's: accounts, failed sign-ins, refused access.
    SeePlatformAudit,
}

/// What somebody shows his session for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Purpose {
    /// Whatever there is to do.
    Anything,
    /// What the session itself is about: setting a second factor up, seeing how one stands, signing out.
    Session,
}

/// Whether a session may be used so. An account whose role cannot do without a second factor, and that has none, may
/// nothing but set one up, and end the session.
#[must_use]
pub fn decide_session(principal: &Principal, required_for: &[Role], purpose: Purpose) -> bool {
    match purpose {
        Purpose::Session => true,
        Purpose::Anything => principal.factor == Factor::Present || !required_for.contains(&principal.role),
    }
}

/// Whether an account of this role with these memberships cannot do without a second factor.
pub(crate) fn cannot_do_without(role: Role, memberships: &[Member], required_for: &[Role]) -> bool {
    let acts_for_one = memberships.iter().any(|member| needs_factor(member.role));
    required_for.contains(&role) || (required_for.contains(&Role::Organizer) && acts_for_one)
}

/// Whether who is this to an organizer owes a second factor where organizers do. Who stands at the door does not.
fn needs_factor(role: MemberRole) -> bool {
    role != MemberRole::Scanner
}

/// How an account stands to a second factor where these roles cannot do without. Who makes organizers cannot where they
/// cannot, and neither can who owns or manages one, whatever his own role.
pub(crate) fn factor_of(principal: &Principal, required_for: &[Role]) -> Factor {
    let is_required = required_for.contains(&principal.role) || required_for.contains(&Role::Organizer);
    match principal.factor {
        Factor::Missing if is_required => Factor::Owed,
        known => known,
    }
}

const YES: bool = true;
const NO: bool = false;

/// What a key must open.
#[derive(Clone, Copy)]
enum Key {
    /// No key may.
    No,
    /// Every key of the organizer may.
    Any,
    /// One with this scope may.
    With(Scope),
}

/// Who may do a thing. «Whole»: whether a member who is restricted to some events may do it to the organizer as a
/// whole; to an event that is none of his he is a stranger in any case. «Buyer»: whose booking it is.
struct Row {
    admin: bool,
    owner: bool,
    manager: bool,
    scanner: bool,
    whole: bool,
    buyer: bool,
    key: Key,
}

#[rustfmt::skip]
const fn row(operation: Operation) -> Row {
    use Operation as O;
    use Scope::{BookingsRead, BookingsWrite, CheckInsWrite, EventsRead, EventsWrite};
    use Key::{Any, No, With};
    match operation {
        //                           admin owner manager scanner whole buyer key
        O::SeeOrganizer   => of([YES,  YES,  YES,    YES,    YES,  NO],  Any),
        O::SeeUnpublished => of([YES,  YES,  YES,    YES,    NO,   NO],  With(EventsRead)),
        O::CreateEvents   => of([YES,  YES,  YES,    NO,     NO,   NO],  With(EventsWrite)),
        O::ChangeEvents   => of([YES,  YES,  YES,    NO,     NO,   NO],  With(EventsWrite)),
        O::SeePromoCodes  => of([YES,  YES,  YES,    NO,     NO,   NO],  With(EventsRead)),
        O::ChangePromoCodes => of([YES, YES, YES,   NO,     NO,   NO],  With(EventsWrite)),
        O::ListBookings   => of([YES,  YES,  YES,    NO,     NO,   NO],  With(BookingsRead)),
        O::SeeBooking     => of([YES,  YES,  YES,    NO,     NO,   YES], With(BookingsRead)),
        O::ConfirmBooking => of([YES,  YES,  YES,    NO,     NO,   NO],  With(BookingsWrite)),
        O::TakeFreeOffer  => of([NO,   NO,   NO,     NO,     NO,   YES], No),
        O::CancelBooking  => of([YES,  YES,  YES,    NO,     NO,   YES], With(BookingsWrite)),
        O::PayBooking     => of([NO,   NO,   NO,     NO,     NO,   YES], No),
        O::RefundBooking  => of([YES,  YES,  YES,    NO,     NO,   NO],  With(BookingsWrite)),
        O::SeePaymentCases => of([YES, YES,  YES,    NO,     NO,   NO],  With(BookingsRead)),
        O::SeeInvoices    => of([YES,  YES,  YES,    NO,     NO,   YES], With(BookingsRead)),
        O::ChangeInvoicing => of([YES, YES,  NO,     NO,     NO,   NO],  No),
        O::RenewBooking   => of([NO,   NO,   NO,     NO,     NO,   YES], No),
        O::SeeTickets     => of([YES,  YES,  YES,    NO,     NO,   YES], With(BookingsRead)),
        O::ChangeTickets  => of([YES,  YES,  YES,    NO,     NO,   YES], With(BookingsWrite)),
        O::BlockTickets   => of([YES,  YES,  YES,    NO,     NO,   NO],  With(BookingsWrite)),
        O::SeeCheckInLists => of([YES, YES,  YES,    YES,    NO,   NO],  With(CheckInsWrite)),
        O::CheckIn        => of([YES,  YES,  YES,    YES,    NO,   NO],  With(CheckInsWrite)),
        O::SeeDoorCounters => of([YES, YES,  YES,    YES,    NO,   NO],  With(CheckInsWrite)),
        O::ReadDoorBundle => of([YES,  YES,  YES,    YES,    NO,   NO],  With(CheckInsWrite)),
        O::UndoCheckIn    => of([YES,  YES,  YES,    NO,     NO,   NO],  No),
        O::SeeMembers     => of([YES,  YES,  YES,    NO,     NO,   NO],  No),
        O::ChangeMembers  => of([YES,  YES,  NO,     NO,     NO,   NO],  No),
        O::Leave          => of([NO,   YES,  YES,    YES,    YES,  NO],  No),
        O::HandOver       => of([NO,   YES,  NO,     NO,     NO,   NO],  No),
        O::ManageKeys     => of([YES,  YES,  NO,     NO,     NO,   NO],  No),
        O::ManagePassIssuers => of([YES, YES, NO,   NO,     NO,   NO],  No),
        O::SeeAudit       => of([YES,  YES,  NO,     NO,     NO,   NO],  No),
        O::ErasePeople    => of([YES,  YES,  NO,     NO,     NO,   NO],  No),
    }
}

/// Who may do a thing on the platform: nobody without an account, and no key.
#[rustfmt::skip]
const fn platform_row(operation: PlatformOperation, self_service: bool) -> [bool; 3] {
    use PlatformOperation as O;
    match operation {
        //                       user          organizer  admin
        O::Buy               => [YES,          YES,       YES],
        O::AcceptInvitations => [YES,          YES,       YES],
        O::MakeOrganizers    => [self_service, YES,       YES],
        O::SeeOrganizers     => [NO,           NO,        YES],
        O::ManageAccounts    => [NO,           NO,        YES],
        O::SeePlatformAudit  => [NO,           NO,        YES],
    }
}

const fn of([admin, owner, manager, scanner, whole, buyer]: [bool; 6], key: Key) -> Row {
    Row { admin, owner, manager, scanner, whole, buyer, key }
}

/// What somebody is to the thing that he wants to do something to.
#[derive(Clone, Copy, Debug)]
pub struct Standing<'a> {
    /// Who he is.
    pub agent: &'a Agent,
    /// Whose the thing is.
    pub organizer: OrganizerId,
    /// What he is in that organizer.
    pub member: Option<&'a Member>,
    /// The event that it is about; none means the organizer as a whole.
    pub event: Option<EventId>,
    /// Whether it is his own booking.
    pub is_buyer: bool,
}

/// What the table says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// He may.
    Allowed,
    /// He may know of the thing, and may not do this to it.
    Forbidden,
    /// He might as a member, if he had a second factor.
    FactorOwed,
    /// He may not even know that it is there.
    Hidden,
}

/// Decides. What no row allows is not allowed.
#[must_use]
pub fn decide(standing: &Standing<'_>, operation: Operation) -> Verdict {
    let row = row(operation);
    let mut known = standing.is_buyer;
    let mut may = standing.is_buyer && row.buyer;
    let mut owed = false;
    match standing.agent {
        Agent::System => return Verdict::Allowed,
        Agent::Anonymous => {}
        Agent::Key(key) if key.organizer != standing.organizer => {}
        // To all but its event, a key that is bound to one is a stranger.
        Agent::Key(key) if key.event.is_some() && key.event != standing.event => {}
        Agent::Key(key) => {
            known = true;
            may |= match row.key {
                Key::No => false,
                Key::Any => true,
                Key::With(scope) => key.scopes.contain(scope),
            };
        }
        Agent::Account(principal) => {
            let is_admin = principal.role == Role::Admin;
            known |= is_admin;
            may |= is_admin && row.admin;
            let mut as_member = |member: &Member, here: bool| {
                known = true;
                let lacks = needs_factor(member.role) && principal.factor == Factor::Owed;
                may |= here && row.of(member.role) && !lacks;
                owed |= here && row.of(member.role) && lacks;
            };
            match (standing.member, standing.event) {
                (None, _) => {}
                (Some(member), None) => as_member(member, member.reach == Reach::All || row.whole),
                (Some(member), Some(event)) if member.reach.covers(event) => as_member(member, true),
                // To an event that is none of his, a restricted member is a stranger.
                (Some(_), Some(_)) => {}
            }
        }
    }
    match (may, known) {
        (true, _) => Verdict::Allowed,
        (false, _) if owed => Verdict::FactorOwed,
        (false, true) => Verdict::Forbidden,
        (false, false) => Verdict::Hidden,
    }
}

/// Whether an account of this role may do it; `self_service` is `auth.self_service_organizers`.
#[must_use]
pub const fn decide_platform(role: Role, operation: PlatformOperation, self_service: bool) -> bool {
    let [user, organizer, admin] = platform_row(operation, self_service);
    match role {
        Role::User => user,
        Role::Organizer => organizer,
        Role::Admin => admin,
    }
}

impl Row {
    const fn of(&self, role: MemberRole) -> bool {
        match role {
            MemberRole::Owner => self.owner,
            MemberRole::Manager => self.manager,
            MemberRole::Scanner => self.scanner,
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::identity::Scopes;
    use domain::{ApiKeyId, SessionId, Timestamp, UserId};
    use uuid::Uuid;

    use super::*;
    use crate::access::ActingKey;

    const ALL: [Operation; 33] = [
        Operation::SeeOrganizer,
        Operation::SeeUnpublished,
        Operation::CreateEvents,
        Operation::ChangeEvents,
        Operation::SeePromoCodes,
        Operation::ChangePromoCodes,
        Operation::ListBookings,
        Operation::SeeBooking,
        Operation::ConfirmBooking,
        Operation::TakeFreeOffer,
        Operation::CancelBooking,
        Operation::PayBooking,
        Operation::RefundBooking,
        Operation::SeePaymentCases,
        Operation::SeeInvoices,
        Operation::ChangeInvoicing,
        Operation::RenewBooking,
        Operation::SeeTickets,
        Operation::ChangeTickets,
        Operation::BlockTickets,
        Operation::SeeCheckInLists,
        Operation::CheckIn,
        Operation::SeeDoorCounters,
        Operation::ReadDoorBundle,
        Operation::UndoCheckIn,
        Operation::SeeMembers,
        Operation::ChangeMembers,
        Operation::Leave,
        Operation::HandOver,
        Operation::ManageKeys,
        Operation::ManagePassIssuers,
        Operation::SeeAudit,
        Operation::ErasePeople,
    ];

    fn organizer(number: u128) -> OrganizerId {
        OrganizerId::new(Uuid::from_u128(number))
    }

    fn event(number: u128) -> EventId {
        EventId::new(Uuid::from_u128(number))
    }

    fn account(role: Role) -> Agent {
        Agent::Account(principal(role, Factor::Missing))
    }

    fn principal(role: Role, factor: Factor) -> Principal {
        let id = Uuid::from_u128(1);
        Principal { user: UserId::new(id), session: SessionId::new(id), role, factor }
    }

    fn key(of: u128, scopes: impl IntoIterator<Item = Scope>) -> Agent {
        let id = ApiKeyId::new(Uuid::from_u128(2));
        Agent::Key(ActingKey {
            id,
            organizer: organizer(of),
            scopes: scopes.into_iter().collect::<Scopes>(),
            event: None,
        })
    }

    fn member(role: MemberRole, reach: Reach) -> Member {
        let user = UserId::new(Uuid::from_u128(1));
        Member { organizer: organizer(1), user, role, reach, since: Timestamp::UNIX_EPOCH }
    }

    fn standing<'a>(agent: &'a Agent, member: Option<&'a Member>, event: Option<EventId>) -> Standing<'a> {
        Standing { agent, organizer: organizer(1), member, event, is_buyer: false }
    }

    #[test]
    fn who_is_nobody_there_learns_nothing() {
        for operation in ALL {
            for agent in [Agent::Anonymous, account(Role::User), account(Role::Organizer), key(2, Scope::ALL)] {
                for event in [None, Some(event(1))] {
                    assert_eq!(decide(&standing(&agent, None, event), operation), Verdict::Hidden, "{operation:?}");
                }
            }
        }
    }

    #[test]
    fn a_restricted_member_is_a_stranger_to_other_events() {
        let agent = account(Role::User);
        let only = || Reach::Only([event(1)].into());
        for role in [MemberRole::Manager, MemberRole::Scanner] {
            let (restricted, free) = (member(role, only()), member(role, Reach::All));
            for operation in ALL {
                let of = |member, event| decide(&standing(&agent, Some(member), event), operation);
                assert_eq!(of(&restricted, Some(event(1))), of(&free, Some(event(1))), "{operation:?}");
                assert_eq!(of(&restricted, Some(event(2))), Verdict::Hidden, "{operation:?}");
                assert_ne!(of(&restricted, None), Verdict::Hidden, "{operation:?}");
            }
            let of = |operation| decide(&standing(&agent, Some(&restricted), None), operation);
            assert_eq!(of(Operation::CreateEvents), Verdict::Forbidden);
            assert_eq!(of(Operation::SeeOrganizer), Verdict::Allowed);
        }
    }

    #[test]
    fn a_key_may_what_its_scopes_say_and_nothing_else() {
        for operation in ALL {
            let bare = key(1, []);
            let expected = if operation == Operation::SeeOrganizer { Verdict::Allowed } else { Verdict::Forbidden };
            assert_eq!(decide(&standing(&bare, None, None), operation), expected);
            let opening = Scope::ALL.into_iter().filter(|scope| {
                let agent = key(1, [*scope]);
                decide(&standing(&agent, None, None), operation) == Verdict::Allowed
            });
            assert!(opening.count() <= 1 || operation == Operation::SeeOrganizer, "{operation:?}: one scope opens it");
        }
    }

    #[test]
    fn nobody_below_an_owner_touches_members() {
        let agent = account(Role::Organizer);
        for operation in [
            Operation::ChangeMembers,
            Operation::HandOver,
            Operation::ManageKeys,
            Operation::ManagePassIssuers,
            Operation::SeeAudit,
            Operation::ErasePeople,
            Operation::ChangeInvoicing,
        ] {
            for (role, expected) in [
                (MemberRole::Owner, Verdict::Allowed),
                (MemberRole::Manager, Verdict::Forbidden),
                (MemberRole::Scanner, Verdict::Forbidden),
            ] {
                let member = member(role, Reach::All);
                assert_eq!(decide(&standing(&agent, Some(&member), None), operation), expected);
            }
        }
    }

    #[test]
    fn a_buyer_may_what_is_his() {
        let agent = account(Role::User);
        let mine = Standing { is_buyer: true, ..standing(&agent, None, Some(event(1))) };
        for operation in ALL {
            let his = [
                Operation::SeeBooking,
                Operation::TakeFreeOffer,
                Operation::CancelBooking,
                Operation::RenewBooking,
                Operation::SeeTickets,
                Operation::ChangeTickets,
                Operation::PayBooking,
                Operation::SeeInvoices,
            ];
            let his = his.contains(&operation);
            let expected = if his { Verdict::Allowed } else { Verdict::Forbidden };
            assert_eq!(decide(&mine, operation), expected, "{operation:?}");
        }
    }

    #[test]
    fn who_owes_a_second_factor_sets_one_up_and_nothing_else() {
        for role in [Role::User, Role::Organizer, Role::Admin] {
            for required in [&[] as &[Role], &[Role::Admin], &[Role::Admin, Role::Organizer], &[Role::User]] {
                for factor in [Factor::Present, Factor::Missing, Factor::Owed] {
                    let who = principal(role, factor);
                    let is_whole = factor == Factor::Present || !required.contains(&role);
                    assert_eq!(decide_session(&who, required, Purpose::Anything), is_whole);
                    assert!(decide_session(&who, required, Purpose::Session));
                }
                let owes = required.contains(&role) || required.contains(&Role::Organizer);
                let expected = if owes { Factor::Owed } else { Factor::Missing };
                assert_eq!(factor_of(&principal(role, Factor::Missing), required), expected);
                assert_eq!(factor_of(&principal(role, Factor::Present), required), Factor::Present);
                for (of, needs) in
                    [(MemberRole::Owner, true), (MemberRole::Manager, true), (MemberRole::Scanner, false)]
                {
                    let expected = required.contains(&role) || (needs && required.contains(&Role::Organizer));
                    assert_eq!(cannot_do_without(role, &[member(of, Reach::All)], required), expected, "{of:?}");
                }
                assert_eq!(cannot_do_without(role, &[], required), required.contains(&role));
            }
        }
    }

    #[test]
    fn owners_and_managers_act_with_a_second_factor_where_organizers_owe_one() {
        let [owing, having] =
            [Factor::Owed, Factor::Present].map(|factor| Agent::Account(principal(Role::User, factor)));
        for role in [MemberRole::Owner, MemberRole::Manager, MemberRole::Scanner] {
            let member = member(role, Reach::All);
            for operation in ALL {
                let of = |agent| decide(&standing(agent, Some(&member), Some(event(1))), operation);
                let expected = match of(&having) {
                    Verdict::Allowed if role != MemberRole::Scanner => Verdict::FactorOwed,
                    other => other,
                };
                assert_eq!(of(&owing), expected, "{operation:?} by {role:?}");
            }
        }
        // What one may as a buyer one may all the same.
        let member = member(MemberRole::Owner, Reach::All);
        let mine = Standing { is_buyer: true, ..standing(&owing, Some(&member), Some(event(1))) };
        assert_eq!(decide(&mine, Operation::SeeBooking), Verdict::Allowed);
        assert_eq!(decide(&mine, Operation::ConfirmBooking), Verdict::FactorOwed);
    }

    #[test]
    fn a_key_of_one_event_is_a_stranger_to_all_else() {
        let Agent::Key(key) = key(1, Scope::ALL) else { unreachable!("it is a key") };
        let bound = Agent::Key(ActingKey { event: Some(event(1)), ..key });
        for operation in ALL {
            let free = decide(&standing(&Agent::Key(key), None, Some(event(1))), operation);
            assert_eq!(decide(&standing(&bound, None, Some(event(1))), operation), free, "{operation:?}: at its event");
            for elsewhere in [Some(event(2)), None] {
                assert_eq!(decide(&standing(&bound, None, elsewhere), operation), Verdict::Hidden, "{operation:?}");
            }
        }
    }

    #[test]
    fn the_platform_goes_by_role() {
        use PlatformOperation::{Buy, MakeOrganizers, ManageAccounts, SeePlatformAudit};
        for role in [Role::User, Role::Organizer, Role::Admin] {
            assert!(decide_platform(role, Buy, false));
            assert_eq!(decide_platform(role, ManageAccounts, true), role == Role::Admin);
            assert_eq!(decide_platform(role, SeePlatformAudit, true), role == Role::Admin);
            assert_eq!(decide_platform(role, MakeOrganizers, false), role != Role::User);
            assert!(decide_platform(role, MakeOrganizers, true));
        }
    }
}
