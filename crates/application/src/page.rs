//! A page of a list.

use domain::Limit;

/// Some rows, and whether there are more behind them.
#[derive(Clone, Debug)]
pub struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
    /// Whether there is a next page; it begins behind the last row.
    pub more: bool,
}

impl<T> Page<T> {
    /// Of rows that a store gave when it was asked for one row more than the limit ([`probe`]).
    #[must_use]
    pub fn of(mut rows: Vec<T>, limit: Limit) -> Self {
        let wanted = usize::try_from(limit.rows()).unwrap_or(usize::MAX);
        let more = rows.len() > wanted;
        rows.truncate(wanted);
        Self { items: rows, more }
    }

    /// The same page of other rows.
    #[must_use]
    pub fn map<U>(self, f: impl FnMut(T) -> U) -> Page<U> {
        Page { items: self.items.into_iter().map(f).collect(), more: self.more }
    }
}

/// How many rows to ask a store for, so that it shows whether there is a next page.
#[must_use]
pub const fn probe(limit: Limit) -> u64 {
    limit.rows() + 1
}
