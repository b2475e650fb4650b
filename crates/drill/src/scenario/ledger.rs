//! The drill's own books: what the server has promised, and to whom.

/// The state of a booking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Pending,
    Confirmed,
    Cancelled,
    Expired,
}

impl State {
    /// Reads the word of the API.
    pub(crate) fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "pending" => Self::Pending,
            "confirmed" => Self::Confirmed,
            "cancelled" => Self::Cancelled,
            "expired" => Self::Expired,
            _ => return None,
        })
    }
}

/// A booking that was answered with 201, and what was answered about it since.
#[derive(Clone, Debug)]
pub(crate) struct Promise {
    pub(crate) id: String,
    pub(crate) buyer: usize,
    pub(crate) units: u32,
    pub(crate) state: State,
    /// A change that was asked for without an answer: done, or not.
    pub(crate) maybe: Option<State>,
}

impl Promise {
    /// Whether the server may say this now; `lapsed` where hold times are over.
    pub(crate) fn allows(&self, seen: State, lapsed: bool) -> bool {
        let kept = match self.state {
            State::Pending if lapsed => seen == State::Expired,
            promised => seen == promised,
        };
        kept || self.maybe == Some(seen)
    }
}

/// A booking that was asked for without an answer; its key finds it again.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    pub(crate) buyer: usize,
    /// Which of the sale's requests it was.
    pub(crate) request: usize,
    /// The key as a header line.
    pub(crate) key: Vec<u8>,
}

/// All promises of a run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) promises: Vec<Promise>,
    pub(crate) attempts: Vec<Attempt>,
}

impl Ledger {
    /// Adds the books of one connection.
    pub(crate) fn merge(&mut self, other: Self) {
        self.promises.extend(other.promises);
        self.attempts.extend(other.attempts);
    }

    /// The units promised in this state.
    pub(crate) fn units(&self, state: State) -> u64 {
        self.promises.iter().filter(|promise| promise.state == state).map(|promise| u64::from(promise.units)).sum()
    }

    /// Ids that were promised twice.
    pub(crate) fn doubles(&self) -> usize {
        let distinct: std::collections::HashSet<&str> =
            self.promises.iter().map(|promise| promise.id.as_str()).collect();
        self.promises.len() - distinct.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn promise(state: State, maybe: Option<State>) -> Promise {
        Promise { id: "b".to_owned(), buyer: 0, units: 2, state, maybe }
    }

    #[test]
    fn a_promise_is_kept_or_broken() {
        assert!(promise(State::Pending, None).allows(State::Pending, false));
        assert!(!promise(State::Pending, None).allows(State::Expired, false));
        assert!(promise(State::Pending, None).allows(State::Expired, true));
        assert!(!promise(State::Pending, None).allows(State::Pending, true));
        assert!(!promise(State::Confirmed, None).allows(State::Expired, true));
    }

    #[test]
    fn what_was_asked_without_an_answer_may_be_done_or_not() {
        let doubtful = promise(State::Pending, Some(State::Confirmed));
        assert!(doubtful.allows(State::Confirmed, false) && doubtful.allows(State::Pending, false));
        assert!(!doubtful.allows(State::Cancelled, false));
    }

    #[test]
    fn units_are_summed_by_state_and_doubles_are_seen() {
        let mut ledger = Ledger::default();
        ledger.merge(Ledger {
            promises: vec![promise(State::Confirmed, None), promise(State::Pending, None)],
            attempts: Vec::new(),
        });
        assert_eq!(ledger.units(State::Confirmed), 2);
        assert_eq!(ledger.doubles(), 1);
        assert_eq!(State::parse("expired"), Some(State::Expired));
        assert_eq!(State::parse("lost"), None);
    }
}
