//! Who sells, in the eyes of the law, and how his documents are called.

use std::fmt;

use chrono_tz::Tz;

use crate::invoicing::InvoiceKind;
use crate::{OrganizerId, Problems, SellerId, Text, Timestamp};

/// The particulars of an organizer as they were from some moment on. They are never changed: other particulars are a
/// version more, and documents keep that by which they were written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Seller {
    /// Its id.
    pub id: SellerId,
    /// Of which organizer.
    pub organizer: OrganizerId,
    /// Counts the versions of the organizer from 1; the highest holds.
    pub version: u32,
    /// What was said.
    pub terms: SellerTerms,
    /// From when on.
    pub created_at: Timestamp,
}

/// What stands on documents, and how they are called.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SellerTerms {
    /// The name by law.
    pub name: Text,
    /// Where he is; as many lines as it has.
    pub address: Text,
    /// ISO 3166-1, two letters.
    pub country: Text,
    /// By what the tax office knows him.
    pub tax_id: Option<Text>,
    /// What the numbers of his invoices begin with.
    pub series: Series,
    /// What those of his credit notes begin with.
    pub credit_series: Series,
    /// By whose clocks a document is of a day, and of a year.
    pub timezone: Tz,
}

/// Particulars as somebody sends them.
#[derive(Clone, Default, Debug)]
pub struct NewSeller {
    /// The name by law.
    pub name: String,
    /// Where he is, line by line.
    pub address_lines: Vec<String>,
    /// ISO 3166-1, two letters.
    pub country: String,
    /// By what the tax office knows him.
    pub tax_id: Option<String>,
    /// What the numbers of his invoices begin with.
    pub series: String,
    /// What those of his credit notes begin with; of the other, with `-CN` behind it, unless it is said.
    pub credit_series: Option<String>,
    /// IANA; UTC unless it is said.
    pub timezone: Option<String>,
}

impl SellerTerms {
    /// The most characters of the name.
    pub const NAME_MAX: usize = 200;
    /// The most lines of the address.
    pub const LINES_MAX: usize = 6;
    /// The most characters of one.
    pub const LINE_MAX: usize = 100;
    /// The most characters of the tax id.
    pub const TAX_ID_MAX: usize = 40;
    /// The most characters of the series of invoices.
    pub const SERIES_MAX: usize = 20;

    /// Parses particulars.
    ///
    /// # Errors
    /// All fields that do not hold.
    pub fn parse(new: &NewSeller) -> Result<Self, Problems> {
        let mut problems = Problems::default();
        let name = problems.take(Text::parse("name", &new.name, Self::NAME_MAX));
        let address = problems.take(address(&new.address_lines));
        let country = problems.take(country(&new.country));
        let tax_id = new.tax_id.as_deref().map(|id| Text::parse("taxId", id, Self::TAX_ID_MAX));
        let tax_id = problems.take(tax_id.transpose());
        let short = Text::parse("series", &new.series, Self::SERIES_MAX);
        let series = problems.take(short.and_then(|short| Series::parse("series", short.as_str())));
        let credit_series = match (&new.credit_series, &series) {
            (Some(named), _) => problems.take(Series::parse("creditNoteSeries", named)),
            (None, Some(series)) => Some(series.of_credit_notes()),
            (None, None) => None,
        };
        if series.is_some() && series == credit_series {
            problems.add("creditNoteSeries", "invalid", "must be another than that of the invoices");
        }
        let timezone = problems.take(timezone(new.timezone.as_deref()));
        match (name, address, country, tax_id, series, credit_series, timezone) {
            (
                Some(name),
                Some(address),
                Some(country),
                Some(tax_id),
                Some(series),
                Some(credit_series),
                Some(timezone),
            ) if problems.is_empty() => Ok(Self { name, address, country, tax_id, series, credit_series, timezone }),
            _ => Err(problems),
        }
    }

    /// What the numbers of such documents begin with.
    #[must_use]
    pub const fn series_of(&self, kind: InvoiceKind) -> &Series {
        match kind {
            InvoiceKind::Invoice => &self.series,
            InvoiceKind::CreditNote(_) => &self.credit_series,
        }
    }
}

fn address(lines: &[String]) -> Result<Text, Problems> {
    const FIELD: &str = "addressLines";
    if lines.is_empty() || lines.len() > SellerTerms::LINES_MAX {
        let message = format!("must have between 1 and {} lines", SellerTerms::LINES_MAX);
        return Err(Problems::one(FIELD, "out_of_range", message));
    }
    let mut problems = Problems::default();
    let mut kept = Vec::with_capacity(lines.len());
    for (at, line) in lines.iter().enumerate() {
        let field = format!("{FIELD}[{at}]");
        let Some(line) = problems.take(Text::parse(&field, line, SellerTerms::LINE_MAX)) else { continue };
        if line.as_str().contains(['\n', '\r']) {
            problems.add(field, "invalid_characters", "must be one line");
        }
        kept.push(line.as_str().to_owned());
    }
    problems.into_result()?;
    Ok(Text::trusted(kept.join("\n")))
}

fn country(raw: &str) -> Result<Text, Problems> {
    let code = raw.trim().to_ascii_uppercase();
    if code.len() == 2 && code.bytes().all(|letter| letter.is_ascii_uppercase()) {
        return Ok(Text::trusted(code));
    }
    Err(Problems::one("country", "invalid", "must be two letters, as in ISO 3166-1: PL"))
}

fn timezone(raw: Option<&str>) -> Result<Tz, Problems> {
    let parsed = raw.map_or(Ok(Tz::UTC), |name| name.trim().parse());
    parsed.map_err(|_| Problems::one("timezone", "unknown_timezone", "must be a time zone of IANA: Europe/Warsaw"))
}

/// What numbers of documents begin with: letters A to Z, digits, hyphens in between.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Series(String);

impl Series {
    /// The most characters: those of the longest series of invoices with `-CN` behind it.
    pub const MAX: usize = SellerTerms::SERIES_MAX + 3;

    /// Parses one; small letters become capitals.
    ///
    /// # Errors
    /// `required`, `too_long`, `invalid_characters`.
    pub fn parse(field: &str, raw: &str) -> Result<Self, Problems> {
        let text = Text::parse(field, raw, Self::MAX)?;
        let series = text.as_str().to_ascii_uppercase();
        let is_sane = series.bytes().all(|it| it.is_ascii_uppercase() || it.is_ascii_digit() || it == b'-');
        if is_sane && !series.starts_with('-') && !series.ends_with('-') && !series.contains("--") {
            return Ok(Self(series));
        }
        let message = "must be letters A to Z and digits, with single hyphens between them";
        Err(Problems::one(field, "invalid_characters", message))
    }

    /// A value that a store has read.
    #[must_use]
    pub fn trusted(stored: String) -> Self {
        Self(stored)
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The one of credit notes where none is named.
    fn of_credit_notes(&self) -> Self {
        Self(format!("{self}-CN"))
    }
}

impl fmt::Display for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
