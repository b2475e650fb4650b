//! Finds, in what a client sends to PostgreSQL, the commit of a transaction that has written bookings.

use std::collections::{HashMap, HashSet};

/// What a piece of the stream held.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Found {
    /// Nothing of interest.
    Nothing,
    /// Such a commit; its first message begins at this place of the piece (at 0 if it began in an earlier one).
    CommitOfBookings {
        /// Where.
        at: usize,
    },
}

/// The messages of one connection, as far as they matter here.
#[derive(Default)]
pub(super) struct Commits {
    /// What has come of a message that is not whole.
    pending: Vec<u8>,
    /// The first messages of a connection have no type.
    has_started: bool,
    /// By name, the prepared statements that commit.
    committing: HashSet<Vec<u8>>,
    /// By name, the prepared statements that insert bookings.
    inserting: HashSet<Vec<u8>>,
    /// Whether the transaction that is open has written bookings.
    has_written: bool,
    /// Where in the present piece the `Parse` of a commit began, which comes before its `Bind`.
    parsed_at: HashMap<Vec<u8>, usize>,
}

impl Commits {
    /// Reads the next piece.
    pub(super) fn read(&mut self, piece: &[u8]) -> Found {
        let before = self.pending.len();
        self.pending.extend_from_slice(piece);
        self.parsed_at.clear();
        let (mut at, mut found) = (0, Found::Nothing);
        while let Some((kind, length)) = self.next(at) {
            let body = self.pending[at + length.start..at + length.end].to_vec();
            let begin = at.saturating_sub(before);
            if let (Some(commit), Found::Nothing) = (self.message(kind, &body, begin), found) {
                found = Found::CommitOfBookings { at: commit };
            }
            at += length.end;
        }
        self.pending.drain(..at);
        found
    }

    /// The kind of the message at this place, and where its body lies from there; none while it is not whole.
    fn next(&self, at: usize) -> Option<(u8, std::ops::Range<usize>)> {
        let rest = &self.pending[at..];
        let head = usize::from(self.has_started);
        let length = u32::from_be_bytes(rest.get(head..head + 4)?.try_into().ok()?) as usize;
        let kind = if self.has_started { rest[0] } else { 0 };
        (rest.len() >= head + length && length >= 4).then_some((kind, head + 4..head + length))
    }

    /// Takes note of a message; says where the commit begins, if it is one of bookings.
    fn message(&mut self, kind: u8, body: &[u8], at: usize) -> Option<usize> {
        match kind {
            // The wish for TLS is followed by the real start.
            0 => self.has_started = !body.starts_with(&80_877_103_u32.to_be_bytes()),
            b'Q' => return self.statement(body, at),
            b'P' => {
                let (name, text) = split(body);
                let kinds = [(&mut self.committing, is_commit(text)), (&mut self.inserting, inserts(text))];
                for (names, is_one) in kinds {
                    if is_one {
                        names.insert(name.to_vec());
                    } else {
                        names.remove(name);
                    }
                }
                self.parsed_at.insert(name.to_vec(), at);
            }
            b'B' => {
                let (name, _) = split(split(body).1);
                self.has_written |= self.inserting.contains(name);
                if self.committing.contains(name) && std::mem::take(&mut self.has_written) {
                    return Some(self.parsed_at.get(name).copied().unwrap_or(at));
                }
            }
            _ => {}
        }
        None
    }

    fn statement(&mut self, text: &[u8], at: usize) -> Option<usize> {
        self.has_written |= inserts(text);
        (is_commit(text) && std::mem::take(&mut self.has_written)).then_some(at)
    }
}

/// A text that ends with NUL, and what follows it.
fn split(bytes: &[u8]) -> (&[u8], &[u8]) {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    (&bytes[..end], bytes.get(end + 1..).unwrap_or_default())
}

fn is_commit(text: &[u8]) -> bool {
    let word = split(text).0.trim_ascii().to_ascii_uppercase();
    word == b"COMMIT" || word == b"COMMIT;"
}

fn inserts(text: &[u8]) -> bool {
    let text = split(text).0.to_ascii_uppercase();
    let found = |words: &[u8]| text.windows(words.len()).any(|window| window == words);
    found(b"INSERT INTO BOOKINGS ") || found(b"INSERT INTO \"BOOKINGS\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
        [&[kind], length.as_slice(), body].concat()
    }

    fn start(commits: &mut Commits) {
        let tls = [8_u32.to_be_bytes(), 80_877_103_u32.to_be_bytes()].concat();
        let real = [12_u32.to_be_bytes(), 196_608_u32.to_be_bytes(), [0; 4]].concat();
        assert_eq!(commits.read(&[tls, real].concat()), Found::Nothing);
    }

    #[test]
    fn only_the_commit_of_bookings_is_found() {
        let mut commits = Commits::default();
        start(&mut commits);
        let insert = message(b'P', b"s1\0INSERT INTO bookings (id) SELECT 1\0\0\0");
        let run = message(b'B', b"\0s1\0");
        let (parse, commit) = (message(b'P', b"s2\0COMMIT\0\0\0"), message(b'B', b"\0s2\0"));
        assert_eq!(commits.read(&[parse.clone(), commit.clone()].concat()), Found::Nothing, "nothing was written");
        assert_eq!(commits.read(&[insert, run.clone()].concat()), Found::Nothing);
        assert_eq!(commits.read(&commit), Found::CommitOfBookings { at: 0 });
        assert_eq!(commits.read(&commit), Found::Nothing, "the next transaction has written nothing");
        // In one piece with what it commits, and prepared only now.
        let at = run.len();
        assert_eq!(commits.read(&[run, parse, commit].concat()), Found::CommitOfBookings { at });
        let simple = message(b'Q', b"INSERT INTO \"bookings\" VALUES (1)\0");
        assert_eq!(commits.read(&simple), Found::Nothing);
        assert_eq!(commits.read(&message(b'Q', b"COMMIT\0")), Found::CommitOfBookings { at: 0 });
    }

    #[test]
    fn messages_may_come_in_pieces() {
        let mut commits = Commits::default();
        start(&mut commits);
        let all = [message(b'Q', b"INSERT INTO bookings VALUES (1)\0"), message(b'Q', b"COMMIT\0")].concat();
        let found: Vec<Found> = all.chunks(3).map(|piece| commits.read(piece)).collect();
        assert_eq!(found.iter().filter(|found| **found != Found::Nothing).count(), 1);
        assert_ne!(found.last(), Some(&Found::Nothing));
    }
}
