//! The port that counts, [`RateLimiter`]. Nothing here needs a database: `limiter` makes one, with these rates, by this
//! clock.

use std::sync::Arc;
use std::time::Duration;

use application::clock::Clock;
use application::guard::{Ask, LimitClass, LimitKey, LimitRates, Rate, RateLimiter};
use chrono::TimeDelta;

use crate::clock::TestClock;

/// Makes a limiter.
pub type Make = fn(&LimitRates, Arc<dyn Clock>) -> Arc<dyn RateLimiter>;

const ANA: LimitKey = LimitKey::of_bits(1);
const BEN: LimitKey = LimitKey::of_bits(2);
const LOGIN: LimitClass = LimitClass::Login;

/// Five within 50 seconds: one every ten.
fn start(make: Make) -> (TestClock, Arc<dyn RateLimiter>) {
    let clock = TestClock::default();
    let rates = LimitRates::default().with(LOGIN, Rate::new(5, 50)).with(LimitClass::Register, Rate::new(2, 2));
    (clock.clone(), make(&rates, Arc::new(clock)))
}

fn asks(units: u32, key: LimitKey) -> Ask {
    Ask { class: LOGIN, key, units }
}

/// Each key of each limit has its units, and gets them back one by one.
pub async fn units_come_back_evenly(make: Make) {
    let (clock, limiter) = start(make);
    let one = [asks(1, ANA)];
    for left in (0..5).rev() {
        let room = limiter.take(&one).await.unwrap().unwrap();
        assert_eq!((room.left, room.class, room.rate), (left, LOGIN, Rate::new(5, 50)));
        assert_eq!(room.whole_after, Duration::from_secs(u64::from(5 - left) * 10));
    }
    let refused = limiter.take(&one).await.unwrap_err();
    assert_eq!((refused.class, refused.retry_after), (LOGIN, Duration::from_secs(10)));
    assert!(limiter.take(&[asks(1, BEN)]).await.is_ok(), "another key");
    assert!(limiter.take(&[Ask::one(LimitClass::Register, ANA)]).await.is_ok(), "another limit");
    clock.step(TimeDelta::milliseconds(9_999));
    assert_eq!(limiter.take(&one).await.unwrap_err().retry_after, Duration::from_millis(1));
    clock.step(TimeDelta::milliseconds(1));
    assert!(limiter.take(&one).await.is_ok());
    assert!(limiter.take(&one).await.is_err());
    clock.step(TimeDelta::hours(1));
    assert_eq!(limiter.take(&one).await.unwrap().unwrap().left, 4, "never more than there are");
}

/// Several at once are taken all or none; more than there ever are count as all there are.
pub async fn several_units_are_taken_together(make: Make) {
    let (_, limiter) = start(make);
    assert_eq!(limiter.take(&[asks(3, ANA)]).await.unwrap().unwrap().left, 2);
    assert_eq!(limiter.take(&[asks(3, ANA)]).await.unwrap_err().retry_after, Duration::from_secs(10));
    assert_eq!(limiter.take(&[asks(2, ANA)]).await.unwrap().unwrap().left, 0, "a refusal has taken nothing");
    assert_eq!(limiter.take(&[asks(9, BEN)]).await.unwrap().unwrap().left, 0);
    assert_eq!(limiter.take(&[asks(9, BEN)]).await.unwrap_err().retry_after, Duration::from_secs(50));
}

/// Of several limits the first that is used up refuses; those before it have counted, those behind it have not.
pub async fn limits_are_asked_in_order(make: Make) {
    let (_, limiter) = start(make);
    let register = Ask::one(LimitClass::Register, ANA);
    limiter.take(&[register, register]).await.unwrap();
    let refused = limiter.take(&[asks(1, ANA), register, asks(1, BEN)]).await.unwrap_err();
    assert_eq!(refused.class, LimitClass::Register);
    assert_eq!(limiter.take(&[asks(1, ANA)]).await.unwrap().unwrap().left, 3);
    assert_eq!(limiter.take(&[asks(1, BEN)]).await.unwrap().unwrap().left, 4);
    assert!(limiter.take(&[]).await.unwrap().is_none());
}

/// Looking takes nothing, and tells what taking would.
pub async fn looking_is_like_taking_without_taking(make: Make) {
    let (clock, limiter) = start(make);
    for _ in 0..4 {
        for units in 1..=5 {
            let looked = limiter.look(asks(units, ANA)).await;
            assert_eq!(looked, limiter.look(asks(units, ANA)).await);
        }
        limiter.take(&[asks(1, ANA)]).await.unwrap();
    }
    assert_eq!(limiter.look(asks(1, ANA)).await, Ok(()));
    let looked = limiter.look(asks(2, ANA)).await.unwrap_err();
    assert_eq!(limiter.take(&[asks(2, ANA)]).await.unwrap_err(), looked);
    limiter.take(&[asks(1, ANA)]).await.unwrap();
    assert_eq!(limiter.look(asks(1, ANA)).await.unwrap_err(), limiter.take(&[asks(1, ANA)]).await.unwrap_err());
    assert_eq!(limiter.look(asks(7, ANA)).await.unwrap_err(), limiter.take(&[asks(7, ANA)]).await.unwrap_err());
    clock.step(TimeDelta::seconds(10));
    assert_eq!(limiter.look(asks(1, ANA)).await, Ok(()));
    assert_eq!(limiter.look(asks(5, BEN)).await, Ok(()), "who never asked has all");
}

/// What is given back can be taken again, and is never more than was taken.
pub async fn units_are_given_back(make: Make) {
    let (_, limiter) = start(make);
    limiter.take(&[asks(5, ANA)]).await.unwrap();
    limiter.give_back(asks(2, ANA)).await;
    assert_eq!(limiter.take(&[asks(2, ANA)]).await.unwrap().unwrap().left, 0);
    assert!(limiter.take(&[asks(1, ANA)]).await.is_err());
    for key in [ANA, BEN] {
        limiter.give_back(asks(5, key)).await;
        limiter.give_back(asks(5, key)).await;
        assert_eq!(limiter.take(&[asks(5, key)]).await.unwrap().unwrap().left, 0);
        assert!(limiter.take(&[asks(1, key)]).await.is_err());
    }
    limiter.forget(LOGIN, ANA).await;
    assert_eq!(limiter.take(&[asks(5, ANA)]).await.unwrap().unwrap().left, 0);
    assert!(limiter.take(&[asks(1, BEN)]).await.is_err(), "another key is not forgotten");
}

/// A clock that is set back makes nobody wait longer, and one that goes on counts from there.
pub async fn a_clock_may_step_back(make: Make) {
    let (clock, limiter) = start(make);
    limiter.take(&[asks(5, ANA)]).await.unwrap();
    clock.step(TimeDelta::hours(-1));
    assert_eq!(limiter.take(&[asks(1, ANA)]).await.unwrap_err().retry_after, Duration::from_secs(10));
    clock.step(TimeDelta::seconds(10));
    assert!(limiter.take(&[asks(1, ANA)]).await.is_ok());
    assert!(limiter.take(&[asks(1, ANA)]).await.is_err());
}

/// Of many at the same time no more get through than there is room for.
pub async fn many_at_a_time_are_counted_one_by_one(make: Make) {
    let (_, limiter) = start(make);
    let tasks = (0..64).map(|_| {
        let limiter = Arc::clone(&limiter);
        tokio::spawn(async move { limiter.take(&[asks(1, ANA)]).await.is_ok() })
    });
    let taken = futures::future::join_all(tasks.collect::<Vec<_>>()).await;
    assert_eq!(taken.into_iter().filter(|taken| *taken.as_ref().unwrap()).count(), 5);
}
