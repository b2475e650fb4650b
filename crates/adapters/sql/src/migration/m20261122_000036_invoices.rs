//! Invoices and credit notes (ADR 0041).
//!
//! `invoices_due` is hot: the desk puts a row there for each commit and organizer that it is about, and the job that writes
//! documents takes it away. `sellers`, `invoices` and `invoice_lines` are written once: triggers refuse anything else, also
//! to who comes by another way than this program. Like all that bookings write they have no foreign keys. `invoice_series`
//! counts the numbers; that none is there twice is a unique index of the documents themselves.

use super::Step;

pub(super) const STEPS: &[Step] = &[
    Step::Both(&[
        // `bookings` are 17 bytes each: 1 where the commit has confirmed it, else 0, and its id.
        "CREATE TABLE invoices_due (
            id {uuid} PRIMARY KEY NOT NULL,
            organizer_id {uuid} NOT NULL,
            bookings {bytes} NOT NULL CONSTRAINT invoices_due_bookings
                CHECK (length(bookings) > 0 AND length(bookings) % 17 = 0)
        )",
        "CREATE TABLE sellers (
            id {uuid} PRIMARY KEY NOT NULL,
            organizer_id {uuid} NOT NULL,
            version integer NOT NULL CONSTRAINT sellers_version CHECK (version > 0),
            created_at bigint NOT NULL,
            name text NOT NULL,
            address text NOT NULL,
            country text NOT NULL,
            tax_id text,
            series text NOT NULL,
            credit_series text NOT NULL CONSTRAINT sellers_credit_series CHECK (credit_series <> series),
            timezone text NOT NULL
        )",
        "CREATE UNIQUE INDEX sellers_version_key ON sellers (organizer_id, version)",
        "CREATE TABLE invoice_series (
            organizer_id {uuid} NOT NULL,
            series text NOT NULL,
            year smallint NOT NULL,
            last bigint NOT NULL CONSTRAINT invoice_series_last CHECK (last > 0),
            PRIMARY KEY (organizer_id, series, year)
        ){by_key}",
        // `corrects_id` is the invoice of a credit note; an invoice has none.
        "CREATE TABLE invoices (
            id {uuid} PRIMARY KEY NOT NULL,
            organizer_id {uuid} NOT NULL,
            seller_id {uuid} NOT NULL,
            booking_id {uuid} NOT NULL,
            event_id {uuid} NOT NULL,
            corrects_id {uuid},
            number bigint NOT NULL CONSTRAINT invoices_number CHECK (number > 0),
            issued_at bigint NOT NULL,
            net bigint NOT NULL,
            tax bigint NOT NULL,
            gross bigint NOT NULL CONSTRAINT invoices_gross CHECK (gross > 0),
            year smallint NOT NULL,
            series text NOT NULL,
            currency text NOT NULL,
            reference text NOT NULL,
            event_name text NOT NULL,
            event_starts_on text NOT NULL,
            buyer_name text,
            buyer_email text,
            CONSTRAINT invoices_sums CHECK (net >= 0 AND tax >= 0 AND net + tax = gross)
        )",
        "CREATE UNIQUE INDEX invoices_number_key ON invoices (organizer_id, series, year, number)",
        "CREATE UNIQUE INDEX invoices_booking_key ON invoices (booking_id) WHERE corrects_id IS NULL",
        "CREATE INDEX invoices_booking ON invoices (booking_id) WHERE corrects_id IS NOT NULL",
        "CREATE INDEX invoices_organizer ON invoices (organizer_id, id)",
        "CREATE TABLE invoice_lines (
            invoice_id {uuid} NOT NULL,
            unit_price bigint NOT NULL CONSTRAINT invoice_lines_price CHECK (unit_price >= 0),
            discount bigint NOT NULL CONSTRAINT invoice_lines_discount CHECK (discount >= 0),
            net bigint NOT NULL,
            tax bigint NOT NULL,
            gross bigint NOT NULL,
            quantity bigint NOT NULL CONSTRAINT invoice_lines_quantity CHECK (quantity > 0),
            tax_rate integer CONSTRAINT invoice_lines_rate CHECK (tax_rate BETWEEN 0 AND 1000000),
            position smallint NOT NULL,
            name text NOT NULL,
            PRIMARY KEY (invoice_id, position),
            CONSTRAINT invoice_lines_sums CHECK (net >= 0 AND tax >= 0 AND net + tax = gross)
        ){by_key}",
    ]),
    Step::Postgres(&[
        "CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS
            $$BEGIN RAISE EXCEPTION 'rows of % are never changed', TG_TABLE_NAME; END$$",
        "CREATE TRIGGER sellers_kept BEFORE UPDATE OR DELETE ON sellers
            FOR EACH ROW EXECUTE FUNCTION refuse_change()",
        "CREATE TRIGGER invoices_kept BEFORE UPDATE OR DELETE ON invoices
            FOR EACH ROW EXECUTE FUNCTION refuse_change()",
        "CREATE TRIGGER invoice_lines_kept BEFORE UPDATE OR DELETE ON invoice_lines
            FOR EACH ROW EXECUTE FUNCTION refuse_change()",
    ]),
    Step::Sqlite(&[
        "CREATE TRIGGER sellers_not_changed BEFORE UPDATE ON sellers
            BEGIN SELECT RAISE(ABORT, 'rows of sellers are never changed'); END",
        "CREATE TRIGGER sellers_not_deleted BEFORE DELETE ON sellers
            BEGIN SELECT RAISE(ABORT, 'rows of sellers are never changed'); END",
        "CREATE TRIGGER invoices_not_changed BEFORE UPDATE ON invoices
            BEGIN SELECT RAISE(ABORT, 'rows of invoices are never changed'); END",
        "CREATE TRIGGER invoices_not_deleted BEFORE DELETE ON invoices
            BEGIN SELECT RAISE(ABORT, 'rows of invoices are never changed'); END",
        "CREATE TRIGGER invoice_lines_not_changed BEFORE UPDATE ON invoice_lines
            BEGIN SELECT RAISE(ABORT, 'rows of invoice_lines are never changed'); END",
        "CREATE TRIGGER invoice_lines_not_deleted BEFORE DELETE ON invoice_lines
            BEGIN SELECT RAISE(ABORT, 'rows of invoice_lines are never changed'); END",
    ]),
];
