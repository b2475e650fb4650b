//! What a booking costs, and why (ADR 0029).
//!
//! `booking_price_parts` has rows only of bookings with taxes, fees or discounts, and like all that bookings write no
//! foreign keys. A part with a ticket type is a line of tickets, one without is a fee. `events.pricing` is read and
//! written as a whole, with the rest of the event's terms; null: there has never been any.

use super::Step;

pub(super) const STEPS: &[Step] = &[Step::Both(&[
    "ALTER TABLE events ADD COLUMN pricing text",
    // Paid by: 0 the buyer, 1 the organizer. Rates are millionths.
    "CREATE TABLE booking_price_parts (
        booking_id {uuid} NOT NULL,
        ticket_type_id {uuid},
        unit_price bigint NOT NULL CONSTRAINT booking_price_parts_price CHECK (unit_price >= 0),
        discount bigint NOT NULL,
        net bigint NOT NULL,
        tax bigint NOT NULL,
        gross bigint NOT NULL,
        rounding bigint NOT NULL,
        tax_rate integer CONSTRAINT booking_price_parts_rate CHECK (tax_rate BETWEEN 0 AND 1000000),
        quantity bigint NOT NULL CONSTRAINT booking_price_parts_quantity CHECK (quantity > 0),
        position smallint NOT NULL,
        paid_by smallint NOT NULL CONSTRAINT booking_price_parts_paid_by CHECK (paid_by BETWEEN 0 AND 1),
        name text NOT NULL,
        PRIMARY KEY (booking_id, position),
        CONSTRAINT booking_price_parts_discount CHECK (discount >= 0 AND discount <= unit_price * quantity),
        CONSTRAINT booking_price_parts_sum CHECK (net >= 0 AND tax >= 0 AND net + tax = gross)
    ){by_key}",
])];
