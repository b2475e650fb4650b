//! What may happen to a sale, at random.

use proptest::prelude::*;

/// How many buyers there are.
pub(crate) const BUYERS: usize = 3;
/// Two ticket types: one that costs something, with limits, and one that is free. Both stand in one hall.
pub(crate) const TYPES: usize = 2;
/// The most bookings that commands name.
const BOOKINGS: usize = 24;
/// The most entries of the waiting list that commands name.
const ENTRIES: usize = 8;

/// One step.
#[derive(Clone, Debug)]
pub(crate) enum Command {
    /// A buyer wants so many units of each type; in this order, and a type may be named twice.
    Hold { buyer: usize, units: Vec<(usize, u32)> },
    /// The organizer has the money for the booking that was made as this one; none may have been.
    Confirm(usize),
    /// Given back by the buyer, or by the organizer.
    Cancel(usize, By),
    /// A longer hold.
    Renew(usize),
    /// The sweeper comes by, and takes at most so many.
    Sweep(u32),
    /// Another capacity of a type.
    Resize(usize, Option<u32>),
    /// Another capacity of the hall.
    ResizeHall(Option<u32>),
    /// Nothing is sold for a while.
    Pause,
    /// And again it is.
    Resume,
    /// A buyer waits for so many units of a type.
    Join { buyer: usize, ticket_type: usize, quantity: u32 },
    /// He waits no longer, by the entry that was made as this one; none may have been.
    Withdraw(usize),
    /// Time passes.
    Wait(u32),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum By {
    Buyer,
    Organizer,
}

fn command() -> impl Strategy<Value = Command> {
    let booking = 0..BOOKINGS;
    let capacity = |most: u32| prop::option::weighted(0.9, 0..most);
    prop_oneof![
        8 => (0..BUYERS, prop::collection::vec((0..TYPES, 1_u32..4), 1..4))
            .prop_map(|(buyer, units)| Command::Hold { buyer, units }),
        2 => booking.clone().prop_map(Command::Confirm),
        2 => (booking.clone(), prop_oneof![Just(By::Buyer), Just(By::Organizer)])
            .prop_map(|(booking, by)| Command::Cancel(booking, by)),
        2 => booking.prop_map(Command::Renew),
        1 => (1_u32..4).prop_map(Command::Sweep),
        1 => (0..TYPES, capacity(12)).prop_map(|(ticket_type, capacity)| Command::Resize(ticket_type, capacity)),
        1 => capacity(16).prop_map(Command::ResizeHall),
        1 => prop_oneof![1 => Just(Command::Pause), 3 => Just(Command::Resume)],
        4 => (0..BUYERS, 0..TYPES, 1_u32..5)
            .prop_map(|(buyer, ticket_type, quantity)| Command::Join { buyer, ticket_type, quantity }),
        1 => (0..ENTRIES).prop_map(Command::Withdraw),
        3 => prop_oneof![6 => 0_u32..50, 1 => 850_u32..950].prop_map(Command::Wait),
    ]
}

/// A sequence.
pub(crate) fn commands() -> impl Strategy<Value = Vec<Command>> {
    prop::collection::vec(command(), 1..40)
}

/// Sequences that differed once, each with what they found.
pub(crate) fn once_differed() -> Vec<Vec<Command>> {
    let hold = |buyer, ticket_type, quantity| Command::Hold { buyer, units: vec![(ticket_type, quantity)] };
    vec![
        // What was known to be sold out before a hold was believed beyond the end of that hold, and who waited for what
        // it gave back was passed over.
        vec![
            Command::Resize(1, Some(0)),
            hold(0, 1, 1),
            hold(1, 0, 3),
            hold(0, 0, 1),
            Command::Join { buyer: 0, ticket_type: 0, quantity: 4 },
            Command::Wait(850),
            hold(0, 1, 1),
        ],
    ]
}
