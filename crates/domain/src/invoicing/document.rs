//! What a document is, and what it is called.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use chrono::NaiveDate;
use chrono_tz::Tz;

use crate::booking::Reference;
use crate::invoicing::Series;
use crate::pricing::Rate;
use crate::{BookingId, Currency, EmailAddress, EventId, InvoiceId, OrganizerId, SellerId, Text, Timestamp};

/// An invoice, or a credit note: written once, and never changed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Invoice {
    /// Its id.
    pub id: InvoiceId,
    /// Which of both.
    pub kind: InvoiceKind,
    /// What it is called.
    pub number: InvoiceNumber,
    /// Whose it is.
    pub organizer: OrganizerId,
    /// By which particulars it was written.
    pub seller: SellerId,
    /// Of which booking.
    pub booking: BookingId,
    /// Of which event.
    pub event: EventId,
    /// The name of the booking for people.
    pub reference: Reference,
    /// What was sold.
    pub billed: BilledEvent,
    /// To whom.
    pub recipient: Recipient,
    /// Of which currency all its amounts are.
    pub currency: Currency,
    /// At least one. Those of a credit note are what goes back, above 0 like any.
    pub lines: Vec<InvoiceLine>,
    /// What the lines make.
    pub sums: Sums,
    /// When it was written. Its day is that of the seller's zone.
    pub issued_at: Timestamp,
}

/// Which document it is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum InvoiceKind {
    /// What a buyer owes, or has paid.
    Invoice,
    /// What of that invoice is owed no more.
    CreditNote(InvoiceId),
}

/// The event as it was when the document was written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BilledEvent {
    /// Its name.
    pub name: Text,
    /// The day on which it begins, in its own zone.
    pub starts_on: NaiveDate,
}

impl BilledEvent {
    /// One of this name that begins then, by the clocks of that zone.
    #[must_use]
    pub fn starting(name: Text, at: Timestamp, zone: Tz) -> Self {
        Self { name, starts_on: at.with_timezone(&zone).date_naive() }
    }
}

/// To whom a document is written, as far as he is known.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Recipient {
    /// His name.
    pub name: Option<Text>,
    /// His address for mails.
    pub email: Option<EmailAddress>,
}

/// One line. All amounts are in minor units; `net + tax = gross`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InvoiceLine {
    /// What for.
    pub name: Text,
    /// How many.
    pub quantity: u32,
    /// Price of one, before discounts, with its tax where prices contain it.
    pub unit_price: i64,
    /// What is taken off all of them together.
    pub discount: i64,
    /// The rate of the tax; none where none is reckoned.
    pub tax_rate: Option<Rate>,
    /// What it makes.
    pub sums: Sums,
}

/// Sums in minor units: `net + tax = gross`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Sums {
    /// Without tax.
    pub net: i64,
    /// Tax.
    pub tax: i64,
    /// With tax.
    pub gross: i64,
}

/// Sums by rates, lowest first, and those without one before them.
pub type InvoiceTaxes = BTreeMap<Option<Rate>, Sums>;

impl Sums {
    /// Both together.
    ///
    /// # Errors
    /// [`InvoiceError::Overflow`].
    pub(super) fn plus(self, other: Self) -> Result<Self, InvoiceError> {
        let add = |one: i64, other: i64| one.checked_add(other).ok_or(InvoiceError::Overflow);
        Ok(Self {
            net: add(self.net, other.net)?,
            tax: add(self.tax, other.tax)?,
            gross: add(self.gross, other.gross)?,
        })
    }

    /// This one less the other, which is part of it.
    ///
    /// # Errors
    /// [`InvoiceError::Exceeds`] where it is not.
    pub(super) fn minus(self, other: Self) -> Result<Self, InvoiceError> {
        let left = Self { net: self.net - other.net, tax: self.tax - other.tax, gross: self.gross - other.gross };
        if left.net < 0 || left.tax < 0 { Err(InvoiceError::Exceeds) } else { Ok(left) }
    }
}

/// What these lines make together.
///
/// # Errors
/// [`InvoiceError::Overflow`].
pub fn sums(lines: &[InvoiceLine]) -> Result<Sums, InvoiceError> {
    lines.iter().try_fold(Sums::default(), |sum, line| sum.plus(line.sums))
}

/// What these lines make by rates.
///
/// # Errors
/// [`InvoiceError::Overflow`].
pub fn taxes<'a>(lines: impl IntoIterator<Item = &'a InvoiceLine>) -> Result<InvoiceTaxes, InvoiceError> {
    let mut taxes = InvoiceTaxes::new();
    for line in lines {
        let sum = taxes.entry(line.tax_rate).or_default();
        *sum = sum.plus(line.sums)?;
    }
    Ok(taxes)
}

/// A document that cannot be written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum InvoiceError {
    /// An amount does not fit 64 bits.
    #[error("the amount is too large")]
    Overflow,
    /// The lines do not make what the booking costs.
    #[error("the parts of the booking do not make its total")]
    Total,
    /// More is to be taken back than the invoice has left.
    #[error("more is taken back than was invoiced")]
    Exceeds,
}

/// What a document is called: `FV-2026-17`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct InvoiceNumber {
    /// What it begins with.
    pub series: Series,
    /// The year of its day.
    pub year: u16,
    /// Counts the documents of the organizer in the series and the year from 1, without gaps.
    pub number: u64,
}

impl fmt::Display for InvoiceNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{:04}-{}", self.series, self.year, self.number)
    }
}

/// The text is no number of a document.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("must be a series, a year and a number, as in FV-2026-17")]
pub struct NotANumber;

impl FromStr for InvoiceNumber {
    type Err = NotANumber;

    fn from_str(text: &str) -> Result<Self, NotANumber> {
        let mut parts = text.trim().rsplitn(3, '-');
        let (Some(number), Some(year), Some(series)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(NotANumber);
        };
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(number) || number.starts_with('0') || !digits(year) || year.len() != 4 {
            return Err(NotANumber);
        }
        let series = Series::parse("number", series).map_err(|_| NotANumber)?;
        let (year, number) = (year.parse().map_err(|_| NotANumber)?, number.parse().map_err(|_| NotANumber)?);
        Ok(Self { series, year, number })
    }
}
