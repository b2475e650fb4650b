//! One type per entity, so that the id of a pool cannot be passed where the id of a ticket type is meant.

use std::fmt;
use uuid::Uuid;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            /// Wraps a UUID, which the ids port makes (version 7) or a store has read.
            #[must_use]
            pub const fn new(uuid: Uuid) -> Self { Self(uuid) }

            /// The bare UUID, for stores and wires.
            #[must_use]
            pub const fn uuid(self) -> Uuid { self.0 }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { self.0.fmt(f) }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { write!(f, "{}({})", stringify!($name), self.0) }
        }
    )+};
}

ids! {
    /// An account.
    UserId,
    /// One sign-in of an account; the claim `sid` of its access tokens.
    SessionId,
    /// Who an account is at a provider elsewhere.
    ExternalIdentityId,
    /// A key that signs access tokens; the `kid` of a token.
    SigningKeyId,
    /// A tenant.
    OrganizerId,
    /// A key by which a program acts for an organizer.
    ApiKeyId,
    /// An invitation to act for an organizer.
    InvitationId,
    /// An event, and today the key of its lane.
    EventId,
    /// A product of an event.
    TicketTypeId,
    /// A capacity pool (the field also says quota).
    PoolId,
    /// A booking: hold and order in one.
    BookingId,
    /// The right to enter with one unit of a confirmed booking.
    TicketId,
    /// What an organizer issues passes for a wallet as.
    PassIssuerId,
    /// An entry at the door.
    CheckInId,
    /// What may enter where: its entries are judged together.
    CheckInListId,
    /// One attempt to have a booking paid; the idempotency key at its provider.
    PaymentId,
    /// Money that goes back to a buyer; the idempotency key at the provider.
    RefundId,
    /// Rows of the ledger that belong together; of what a payment brought in, the id of the payment.
    LedgerTransactionId,
    /// What makes tickets of an event cheaper for who knows its text.
    PromoCodeId,
    /// An invoice or a credit note.
    InvoiceId,
    /// The particulars of who sells, as they were for a time.
    SellerId,
    /// Somebody who waits for tickets that are sold out.
    WaitingListEntryId,
    /// A message that waits in the outbox; the CloudEvents `id`.
    OutboxId,
    /// A row of the job table.
    JobId,
}
