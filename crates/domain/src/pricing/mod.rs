//! What a booking costs, and why: lines, discounts, fees and taxes, added up in whole minor units.
//!
//! Everything here is arithmetic over values: no event, no stock, no time. `catalog` keeps the terms of an event,
//! `booking` asks for the sum of a request and keeps its parts as they were at the hold.
//!
//! | question | file |
//! |---|---|
//! | a share of an amount, rounded | `rate` |
//! | taxes and fees of an event | `terms` |
//! | the sum of a request with its parts | `total` |

mod rate;
mod terms;
mod total;

#[cfg(test)]
mod properties;

#[cfg(test)]
pub(crate) use properties::request;
pub use rate::Rate;
pub use terms::{Charge, Fee, NewFee, NewPricing, Payer, Per, Pricing, Rounding};
pub use total::{Line, Of, PricePart, Sum, SumError, TaxGroup, sum, tax_groups};
