//! Buyers and the organizer, each with a token of his own.

use std::rc::Rc;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use super::program::Program;

/// An account with its token, and the address that a proxy would tell of it, as header lines.
#[derive(Debug)]
pub(crate) struct Person {
    pub(crate) authorization: Box<[u8]>,
}

/// Everybody who takes part.
#[derive(Clone, Debug)]
pub(crate) struct People {
    pub(crate) buyers: Rc<[Person]>,
    pub(crate) organizer: Rc<Person>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    role: String,
    access_token: String,
}

impl People {
    /// Has the server's own command make them: ten thousand logins would take
    /// half an hour of bcrypt.
    ///
    /// # Errors
    /// If the command fails.
    pub(crate) async fn make(program: &Program, buyers: usize) -> Result<Self> {
        let count = buyers.to_string();
        let mut lines = program.run(&["demo", "tokens", "--count", &count, "--role", "user"]).await?;
        lines.push_str(&program.run(&["demo", "tokens", "--count", "1", "--role", "organizer"]).await?);
        Self::read(&lines)
    }

    /// Reads what `goticket demo tokens` printed: one JSON object a line.
    ///
    /// # Errors
    /// If a line is none, or buyers or the organizer are missing.
    pub(crate) fn read(lines: &str) -> Result<Self> {
        let mut buyers = Vec::new();
        let mut organizer = None;
        for line in lines.lines().filter(|line| !line.trim().is_empty()) {
            let Line { role, access_token } = serde_json::from_str(line)
                .context("a line of the tokens is not as `goticket demo tokens` prints it")?;
            let lines = format!("Authorization: Bearer {access_token}\r\n{}", forwarded_for(buyers.len()));
            let person = Person { authorization: lines.into_bytes().into() };
            match role.as_str() {
                "organizer" => organizer = Some(person),
                _ => buyers.push(person),
            }
        }
        ensure!(!buyers.is_empty(), "the tokens hold no buyer: `goticket demo tokens --role user`");
        let organizer =
            organizer.context("the tokens hold no organizer: `goticket demo tokens --count 1 --role organizer`")?;
        Ok(Self { buyers: buyers.into(), organizer: Rc::new(organizer) })
    }

    /// The buyer with this number; the numbers go round.
    pub(crate) fn buyer(&self, number: usize) -> &Person {
        &self.buyers[number % self.buyers.len()]
    }
}

/// The header line by which a trusted proxy tells whose request it passes on: each number has its own address.
pub(crate) fn forwarded_for(number: usize) -> String {
    let [_, high, middle, low] = u32::try_from(number).unwrap_or(u32::MAX).to_be_bytes();
    format!("X-Forwarded-For: 10.{high}.{middle}.{low}\r\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const USER: &str = r#"{"id":"1","email":"a@example.org","role":"user","accessToken":"t1"}"#;
    const ORGANIZER: &str = r#"{"id":"2","email":"o@example.org","role":"organizer","accessToken":"t2"}"#;

    #[test]
    fn both_roles_are_read_from_one_file() {
        let people = People::read(&format!("{USER}\n{USER}\n\n{ORGANIZER}\n")).unwrap();
        assert_eq!(people.buyers.len(), 2);
        assert_eq!(&*people.organizer.authorization, b"Authorization: Bearer t2\r\nX-Forwarded-For: 10.0.0.2\r\n");
        assert_eq!(&*people.buyer(7).authorization, b"Authorization: Bearer t1\r\nX-Forwarded-For: 10.0.0.1\r\n");
    }

    #[test]
    fn a_role_that_is_missing_is_named() {
        assert!(People::read(USER).unwrap_err().to_string().contains("organizer"));
        assert!(People::read(ORGANIZER).unwrap_err().to_string().contains("buyer"));
        assert!(People::read("noise").is_err());
    }
}
