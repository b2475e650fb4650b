//! Password hashes by bcrypt.
//!
//! A hash of cost 12 keeps one core busy for a quarter of a second. So it runs on a thread of its own that gives way to all
//! others, only on half of the cores at a time, every other moment alone while people buy, and behind a line that ends after a
//! few seconds of work: who comes then is told to come back. A wave of sign-ins must not take the cores from those who buy.

use std::error::Error;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use application::identity::{HashError, PasswordHasher};
use async_trait::async_trait;
use bcrypt::{BcryptResult, HashParts};
use domain::identity::{Password, PasswordHash};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, oneshot};

/// For so long one waits for his turn: whoever is given up by his request instead would have tried in vain, as far as limits
/// know.
const WAIT_MAX: Duration = Duration::from_secs(5);

/// How many passwords are hashed at a time, and how many more wait.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BcryptLimits {
    /// At a time; at least 1.
    pub running: usize,
    /// Besides those.
    pub waiting: usize,
}

impl Default for BcryptLimits {
    /// Half of the cores, at least one, and some four seconds of work for each.
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let running = (cores / 2).max(1);
        Self { running, waiting: running * 16 }
    }
}

/// The cost is too low to protect anybody, or so high that nobody could sign in.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the cost of a password hash must be {min} to {max}", min = BcryptHasher::COST_MIN, max = BcryptHasher::COST_MAX)]
pub struct CostOutOfRange;

/// bcrypt, version 2b.
pub struct BcryptHasher {
    cost: u32,
    /// What a password is compared with that belongs to no account.
    dummy: PasswordHash,
    turns: Arc<Semaphore>,
    places: Arc<Semaphore>,
    rush: Rush,
}

/// Whether people buy at this moment.
type Rush = Arc<dyn Fn() -> bool + Send + Sync>;

impl BcryptHasher {
    /// The least cost, and the default.
    pub const COST_MIN: u32 = 12;
    /// Some four seconds a hash.
    pub const COST_MAX: u32 = 16;

    /// A hasher whose hashes take `2^cost` rounds.
    ///
    /// # Errors
    /// [`CostOutOfRange`] unless the cost is 12 to 16.
    pub fn try_new(cost: u32, limits: BcryptLimits) -> Result<Self, CostOutOfRange> {
        if !(Self::COST_MIN..=Self::COST_MAX).contains(&cost) {
            return Err(CostOutOfRange);
        }
        Ok(Self::with_cost(cost, limits))
    }

    /// A hasher of cost 4, which protects nothing and takes a millisecond: for tests only.
    #[must_use]
    pub fn weak_for_tests(limits: BcryptLimits) -> Self {
        Self::with_cost(4, limits)
    }

    fn with_cost(cost: u32, limits: BcryptLimits) -> Self {
        let running = limits.running.max(1);
        Self {
            cost,
            dummy: PasswordHash::new(format!("$2b${cost:02}$Ro0CUfOqk6cXEKf3dyaM7OhSCvnwM9s4wIX9JeLapehKK5YdLxKcm")),
            turns: Arc::new(Semaphore::new(running)),
            places: Arc::new(Semaphore::new(running + limits.waiting)),
            rush: Arc::new(|| false),
        }
    }

    /// The same, but that while people buy a turn is followed by a pause of its length: priorities alone leave too little to
    /// them, where a machine is never quite busy and its cores are not quite its own.
    #[must_use]
    pub fn resting_while(self, people_buy: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self { rush: Arc::new(people_buy), ..self }
    }

    /// Runs the work when it is its turn. It keeps turn and place until it is done, even if nobody waits for it any
    /// more: bcrypt cannot be stopped half-way.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> BcryptResult<T> + Send + 'static,
    ) -> Result<T, HashError> {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| HashError::Busy)?;
        let turn = tokio::time::timeout(WAIT_MAX, Arc::clone(&self.turns).acquire_owned()).await;
        let turn = turn.map_err(|_| HashError::Busy)?.map_err(failed)?;
        let (done, result) = oneshot::channel();
        let (rush, handle) = (Arc::clone(&self.rush), Handle::current());
        // Not one of the threads for blocking work: whoever gives way once does so for good.
        let hashing = std::thread::Builder::new().name("hashing".to_owned()).spawn(move || {
            give_way();
            let began = Instant::now();
            // Whoever has asked may be gone.
            let _ = done.send(work());
            drop(place);
            let took = began.elapsed();
            if rush() {
                handle.spawn(async move {
                    tokio::time::sleep(took).await;
                    drop(turn);
                });
            }
        });
        hashing.map_err(failed)?;
        result.await.map_err(failed)?.map_err(failed)
    }
}

/// How much less of a contended core a hash gets: a third of what a thread of those who buy gets there. Where cores are idle
/// it has them.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 5;

/// This thread gives way to others from now on. On Linux a priority is that of a thread, elsewhere that of the process, which
/// must not give way.
fn give_way() {
    // Who is not allowed to hashes at the priority of all else.
    #[cfg(target_os = "linux")]
    let _ = rustix::process::nice(NICENESS);
}

/// Works on for as long as an outdated hash was quicker than a present one, or the time would tell the accounts that have
/// one.
fn catch_up(password: &Password, hash: &PasswordHash, dummy: &PasswordHash, cost: u32) -> BcryptResult<()> {
    let made_with = hash.expose().parse::<HashParts>().map_or(cost, |parts| parts.get_cost());
    for step in catch_up_costs(made_with, cost) {
        let dummy = dummy.expose().replacen(&format!("${cost:02}$"), &format!("${step:02}$"), 1);
        bcrypt::verify(password.expose(), &dummy)?;
    }
    Ok(())
}

/// 2^12 rounds and 2^12 more, 2^13, and so on to 2^(cost - 1), are 2^cost in all.
const fn catch_up_costs(made_with: u32, cost: u32) -> Range<u32> {
    made_with..cost
}

fn failed(cause: impl Error + Send + Sync + 'static) -> HashError {
    HashError::Failed(Box::new(cause))
}

#[async_trait]
impl PasswordHasher for BcryptHasher {
    async fn hash(&self, password: &Password) -> Result<PasswordHash, HashError> {
        // `Password` has at most 72 bytes: `bcrypt::hash` cuts what is longer, and `non_truncating_hash` refuses 72.
        let (password, cost) = (password.clone(), self.cost);
        self.run(move || bcrypt::hash(password.expose(), cost)).await.map(PasswordHash::new)
    }

    async fn verify(&self, password: &Password, hash: Option<&PasswordHash>) -> Result<bool, HashError> {
        let (password, belongs) = (password.clone(), hash.is_some());
        let hash = hash.unwrap_or(&self.dummy).clone();
        let (dummy, cost) = (self.dummy.clone(), self.cost);
        let is_equal = self.run(move || {
            let is_equal = bcrypt::verify(password.expose(), hash.expose())?;
            catch_up(&password, &hash, &dummy, cost)?;
            Ok(is_equal)
        });
        Ok(is_equal.await? && belongs)
    }

    fn is_outdated(&self, hash: &PasswordHash) -> bool {
        hash.expose().parse::<HashParts>().is_ok_and(|parts| parts.get_cost() < self.cost)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn hashing_gives_way_and_nobody_else_does() {
        let niceness = || rustix::process::getpriority_process(None).unwrap();
        let hasher = BcryptHasher::weak_for_tests(BcryptLimits::default());
        let before = niceness();
        for _ in 0..3 {
            let hashing = hasher.run(move || Ok(niceness())).await.unwrap();
            assert_eq!(hashing, (before + NICENESS).min(19));
        }
        let blocking = tokio::task::spawn_blocking(niceness).await.unwrap();
        assert_eq!([niceness(), blocking], [before; 2]);
    }

    #[tokio::test]
    async fn while_people_buy_every_other_moment_is_theirs() {
        let limits = BcryptLimits { running: 1, waiting: 2 };
        let hasher = BcryptHasher::weak_for_tests(limits).resting_while(|| true);
        let work = Duration::from_millis(40);
        let hash = || hasher.run(move || Ok((Instant::now(), busy(work))));
        let (first, second, third) = tokio::join!(hash(), hash(), hash());
        let mut began = [first.unwrap().0, second.unwrap().0, third.unwrap().0];
        began.sort();
        for pair in began.windows(2) {
            assert!(pair[1] - pair[0] >= work * 2, "{:?}", pair[1] - pair[0]);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_ever() {
        let hasher = BcryptHasher::weak_for_tests(BcryptLimits { running: 1, waiting: 2 });
        let _turn = hasher.turns.acquire().await.unwrap();
        assert!(matches!(hasher.hash(&password("correct horse")).await, Err(HashError::Busy)));
        assert_eq!(hasher.places.available_permits(), 3, "his place is free again");
    }

    fn busy(work: Duration) {
        let began = Instant::now();
        while began.elapsed() < work {
            std::hint::spin_loop();
        }
    }

    fn password(raw: &str) -> Password {
        Password::parse("password", raw).unwrap()
    }

    fn weak() -> BcryptHasher {
        BcryptHasher::weak_for_tests(BcryptLimits::default())
    }

    #[tokio::test]
    async fn the_right_password_is_right_and_any_other_is_wrong() {
        let hasher = weak();
        let hash = hasher.hash(&password("zażółć gęślą")).await.unwrap();
        assert!(hash.expose().starts_with("$2b$04$"));
        assert!(hasher.verify(&password("zażółć gęślą"), Some(&hash)).await.unwrap());
        assert!(!hasher.verify(&password("zazolc gesla"), Some(&hash)).await.unwrap());
    }

    #[tokio::test]
    async fn all_of_72_bytes_count() {
        let hasher = weak();
        let (long, other) = ("x".repeat(72), format!("{}y", "x".repeat(71)));
        let hash = hasher.hash(&password(&long)).await.unwrap();
        assert!(hasher.verify(&password(&long), Some(&hash)).await.unwrap());
        assert!(!hasher.verify(&password(&other), Some(&hash)).await.unwrap());
        assert!(!hasher.verify(&password(&long[..71]), Some(&hash)).await.unwrap());
    }

    #[tokio::test]
    async fn without_an_account_the_same_work_ends_in_no() {
        let hasher = weak();
        assert_eq!(hasher.dummy.expose().parse::<HashParts>().unwrap().get_cost(), 4);
        assert!(!hasher.verify(&password("12345678"), None).await.unwrap());
    }

    #[tokio::test]
    async fn what_is_no_hash_is_a_defect() {
        let hash = PasswordHash::new("plain text".to_owned());
        assert!(matches!(weak().verify(&password("12345678"), Some(&hash)).await, Err(HashError::Failed(_))));
        assert!(!weak().is_outdated(&hash));
    }

    #[tokio::test]
    async fn who_comes_when_the_line_is_full_is_turned_away() {
        let hasher = BcryptHasher::weak_for_tests(BcryptLimits { running: 1, waiting: 1 });
        let secret = password("12345678");
        let (first, second, third) = tokio::join!(hasher.hash(&secret), hasher.hash(&secret), hasher.hash(&secret));
        assert!(first.is_ok() && second.is_ok());
        assert!(matches!(third, Err(HashError::Busy)));
        assert!(hasher.hash(&secret).await.is_ok(), "there is room again");
    }

    #[tokio::test]
    async fn a_hash_of_less_work_is_outdated() {
        let hash = weak().hash(&password("12345678")).await.unwrap();
        let strong = BcryptHasher::try_new(12, BcryptLimits::default()).unwrap();
        assert!(strong.is_outdated(&hash));
        assert!(!weak().is_outdated(&hash));
    }

    #[test]
    fn an_outdated_hash_takes_as_long_as_a_present_one() {
        let rounds = |cost: u32| 1_u64 << cost;
        for made_with in 4..=16 {
            let in_all = rounds(made_with) + catch_up_costs(made_with, 16).map(rounds).sum::<u64>();
            assert_eq!(in_all, rounds(16));
        }
        assert!(catch_up_costs(16, 12).is_empty(), "one of more work takes longer anyway");
        let (hasher, cost) = (weak(), 4);
        catch_up(&password("12345678"), &PasswordHash::new("$2b$04$x".into()), &hasher.dummy, cost).unwrap();
    }

    #[test]
    fn weak_costs_are_refused() {
        for cost in [0, 4, 11, 17, 31, u32::MAX] {
            assert_eq!(BcryptHasher::try_new(cost, BcryptLimits::default()).err(), Some(CostOutOfRange));
        }
        assert_eq!(CostOutOfRange.to_string(), "the cost of a password hash must be 12 to 16");
    }
}
