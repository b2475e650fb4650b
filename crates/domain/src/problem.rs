//! What is wrong with a value that somebody sent.

/// One field and what is wrong with it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FieldProblem {
    /// Path of the field in the words of the contract: `items[0].quantity`.
    pub field: String,
    /// A stable `snake_case` word: `required`, `too_long`, `out_of_range`.
    pub code: &'static str,
    /// A sentence for a person.
    pub message: String,
}

/// All that is wrong with a request, gathered, so that the sender can mend it in one go.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Problems(Vec<FieldProblem>);

impl Problems {
    /// Just one.
    #[must_use]
    pub fn one(field: impl Into<String>, code: &'static str, message: impl Into<String>) -> Self {
        let mut problems = Self::default();
        problems.add(field, code, message);
        problems
    }

    /// Adds one more.
    pub fn add(&mut self, field: impl Into<String>, code: &'static str, message: impl Into<String>) {
        self.0.push(FieldProblem { field: field.into(), code, message: message.into() });
    }

    /// Keeps the value, or takes over what was wrong with it.
    pub fn take<T>(&mut self, result: Result<T, Self>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(problems) => {
                self.0.extend(problems.0);
                None
            }
        }
    }

    /// Puts the value in its place, or takes over what was wrong with it and leaves the place as it was.
    pub fn set<T>(&mut self, place: &mut T, result: Result<T, Self>) {
        if let Some(value) = self.take(result) {
            *place = value;
        }
    }

    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// `Ok` while nothing is wrong.
    ///
    /// # Errors
    /// Itself, if anything is.
    pub fn into_result(self) -> Result<(), Self> {
        if self.0.is_empty() { Ok(()) } else { Err(self) }
    }

    /// The problems in the order in which they were found.
    #[must_use]
    pub fn as_slice(&self) -> &[FieldProblem] {
        &self.0
    }
}
