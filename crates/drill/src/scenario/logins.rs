//! Sign-ins as a load: what login storms and guessers send.

use std::rc::Rc;

use anyhow::{Result, bail};
use rand::RngExt;
use rand::rngs::SmallRng;

use crate::load::{Class, Script, Verdict};
use crate::stage::people::forwarded_for;
use crate::stage::{Bench, Counter, Stage, take};
use crate::wire::{Api, Reply, Template};

const PASSWORD: &str = "a password of the drill";
const WRONG: &str = "not a password of the drill";
/// Where the homes of owners lie, far from the addresses of buyers and guessers.
const HOMES: usize = 0x00C8_0000;
/// Where guessers come from.
const GUESSERS: usize = 0x0096_0000;

/// Somebody with a password, who signs in from home.
#[derive(Clone, Debug)]
pub(crate) struct Owner {
    login: Template,
    guess: Template,
    home: Box<[u8]>,
}

fn login(email: &str, password: &str) -> Template {
    let body = serde_json::json!({ "email": email, "password": password });
    Template::new("POST", "/api/v1/auth/login", &body.to_string())
}

impl Owner {
    /// Registers so many, each from his own home.
    ///
    /// # Errors
    /// If one is refused.
    pub(crate) async fn register(stage: &Stage, count: usize) -> Result<Vec<Self>> {
        let mut api = stage.api();
        let mut owners = Vec::with_capacity(count);
        for number in 0..count {
            let (email, home) = (format!("owner-{number}@example.org"), forwarded_for(HOMES + number));
            let body = serde_json::json!({ "email": email, "password": PASSWORD }).to_string();
            api.expect("POST", "/api/v1/auth/register", home.as_bytes(), &body).await?;
            let (login, guess) = (login(&email, PASSWORD), login(&email, WRONG));
            owners.push(Self { login, guess, home: home.into_bytes().into() });
        }
        Ok(owners)
    }

    /// Signs in from this address, with patience for a server that is busy; the status that ends it.
    ///
    /// # Errors
    /// If no answer comes, or the server stays busy.
    pub(crate) async fn sign_in_from(&self, api: &mut Api, address: &[u8]) -> Result<u16> {
        for _ in 0..600 {
            match api.send(&self.login, address).await? {
                503 => tokio::time::sleep(std::time::Duration::from_millis(100)).await,
                status => return Ok(status),
            }
        }
        bail!("the server has been too busy for a sign-in for a minute")
    }

    /// The header line of his home.
    pub(crate) fn home(&self) -> &[u8] {
        &self.home
    }
}

/// The header line of an address that nobody has signed in from.
pub(crate) fn new_address(number: usize) -> String {
    forwarded_for(HOMES + 0x0001_0000 + number)
}

/// People who sign in, each from home, one after the other.
#[derive(Debug)]
pub(crate) struct Storm {
    pub(crate) owners: Rc<[Owner]>,
    pub(crate) next: Counter,
}

impl Script for Storm {
    fn next(&mut self, request: &mut Vec<u8>) -> bool {
        let owner = &self.owners[take(&self.next) % self.owners.len()];
        owner.login.write(&owner.home, request);
        true
    }

    fn answered(&mut self, reply: &Reply<'_>) -> Verdict {
        let class = match reply.status {
            200 => Class::Accepted,
            429 => Class::Refused,
            503 => Class::Shed,
            _ => Class::Unexpected,
        };
        class.into()
    }
}

/// What a guesser's load has in common.
#[derive(Debug)]
pub(crate) struct Guesses {
    accounts: Vec<Template>,
    addresses: Vec<Box<[u8]>>,
    sent: Counter,
    total: usize,
}

impl Guesses {
    /// So many wrong passwords, for these owners and as many more addresses of mail as make `accounts` in all, from so
    /// many addresses.
    pub(crate) fn new(owners: &[Owner], accounts: usize, addresses: usize, total: usize) -> Self {
        let known = owners.iter().map(|owner| owner.guess.clone());
        let others = (owners.len()..accounts).map(|number| login(&format!("listed-{number}@example.org"), WRONG));
        let addresses = (0..addresses).map(|number| forwarded_for(GUESSERS + number).into_bytes().into());
        let sent = Counter::default();
        Self { accounts: known.chain(others).collect(), addresses: addresses.collect(), sent, total }
    }

    /// So many connections of them.
    pub(crate) fn guessers(self, bench: &Bench, connections: u32) -> Vec<Guesser> {
        let guesses = Rc::new(self);
        (0..connections).map(|_| Guesser { guesses: Rc::clone(&guesses), random: bench.random() }).collect()
    }
}

/// One connection of somebody who tries what he has found elsewhere.
#[derive(Debug)]
pub(crate) struct Guesser {
    guesses: Rc<Guesses>,
    random: SmallRng,
}

impl Script for Guesser {
    fn next(&mut self, request: &mut Vec<u8>) -> bool {
        let Guesses { accounts, addresses, sent, total } = &*self.guesses;
        if take(sent) >= *total {
            return false;
        }
        let account = &accounts[self.random.random_range(0..accounts.len())];
        let address = &addresses[self.random.random_range(0..addresses.len())];
        account.write(address, request);
        true
    }

    fn answered(&mut self, reply: &Reply<'_>) -> Verdict {
        let class = match reply.status {
            401 => Class::Accepted,
            429 => Class::Refused,
            503 => Class::Shed,
            _ => Class::Unexpected,
        };
        class.into()
    }
}
