//! The chain of refresh tokens, case by case and at random.

use proptest::prelude::*;
use uuid::Uuid;

use super::*;

const LIFETIMES: SessionLifetimes = SessionLifetimes { idle: TimeDelta::days(30), absolute: TimeDelta::days(90) };

fn start() -> Timestamp {
    Timestamp::UNIX_EPOCH + TimeDelta::days(20_000)
}

fn hash(number: u32) -> TokenHash {
    let mut digest = [0; 32];
    digest[..4].copy_from_slice(&number.to_be_bytes());
    TokenHash::new(digest)
}

fn signed_in() -> (Session, RefreshToken) {
    let session =
        Session::start(SessionId::new(Uuid::from_u128(1)), UserId::new(Uuid::from_u128(2)), &LIFETIMES, start());
    let token = session.token(hash(1), start());
    (session, token)
}

fn rotated(session: &Session, token: &RefreshToken, now: Timestamp) -> (Session, RefreshToken) {
    match session.refresh(token, &LIFETIMES, now) {
        Refresh::Rotated { session, spent } => (session, spent),
        other => panic!("should have rotated: {other:?}"),
    }
}

#[test]
fn a_fresh_token_is_spent_and_moves_the_generation_on() {
    let (session, token) = signed_in();
    let now = start() + TimeDelta::hours(1);
    let (session, spent) = rotated(&session, &token, now);
    assert_eq!((session.generation, session.last_used_at, spent.spent_at), (2, now, Some(now)));
    assert_eq!(session.expires_at, now + LIFETIMES.idle);
}

#[test]
fn a_lost_answer_is_given_again_within_ten_seconds() {
    let (session, token) = signed_in();
    let (session, spent) = rotated(&session, &token, start());
    let in_time = session.refresh(&spent, &LIFETIMES, start() + Session::GRACE);
    assert!(matches!(in_time, Refresh::Reissued(ref again) if again.generation == 2 && again.reissues == 1));
    let too_late = session.refresh(&spent, &LIFETIMES, start() + Session::GRACE + TimeDelta::microseconds(1));
    assert!(matches!(too_late, Refresh::Reused(ref over) if over.ended.is_some()));
}

#[test]
fn once_the_successor_was_used_the_spent_token_is_reuse() {
    let (session, token) = signed_in();
    let (session, spent) = rotated(&session, &token, start());
    let successor = session.token(hash(2), start());
    let (session, _) = rotated(&session, &successor, start());
    assert!(matches!(session.refresh(&spent, &LIFETIMES, start()), Refresh::Reused(_)));
}

#[test]
fn of_two_siblings_the_first_one_wins() {
    let (session, token) = signed_in();
    let (session, spent) = rotated(&session, &token, start());
    let (one, other) = (session.token(hash(2), start()), session.token(hash(3), start()));
    let Refresh::Reissued(session) = session.refresh(&spent, &LIFETIMES, start()) else { panic!() };
    let (session, _) = rotated(&session, &one, start());
    assert!(matches!(session.refresh(&other, &LIFETIMES, start()), Refresh::Reused(_)));
}

#[test]
fn lost_answers_are_bounded() {
    let (session, token) = signed_in();
    let (mut session, spent) = rotated(&session, &token, start());
    for _ in 0..Session::REISSUES_MAX {
        let Refresh::Reissued(next) = session.refresh(&spent, &LIFETIMES, start()) else { panic!() };
        session = next;
    }
    assert!(matches!(session.refresh(&spent, &LIFETIMES, start()), Refresh::Reused(_)));
}

#[test]
fn a_session_ends_thirty_days_after_its_last_use_and_after_ninety_in_all() {
    let (session, token) = signed_in();
    assert_eq!(session.refresh(&token, &LIFETIMES, start() + LIFETIMES.idle), Refresh::Over);
    let (mut session, mut token) = (session, token);
    for day in [29, 58, 87] {
        let now = start() + TimeDelta::days(day);
        (session, _) = rotated(&session, &token, now);
        token = session.token(hash(u32::try_from(day).unwrap()), now);
    }
    assert_eq!(session.expires_at, start() + LIFETIMES.absolute);
    assert_eq!(session.refresh(&token, &LIFETIMES, start() + LIFETIMES.absolute), Refresh::Over);
}

#[test]
fn a_second_logout_changes_nothing_and_no_token_opens_it_again() {
    let (session, token) = signed_in();
    let over = session.end(EndReason::Logout, start()).unwrap();
    assert_eq!(over.ended, Some(SessionEnd { at: start(), reason: EndReason::Logout }));
    assert_eq!(over.end(EndReason::Logout, start()), None);
    assert_eq!(over.refresh(&token, &LIFETIMES, start()), Refresh::Over);
}

#[test]
fn the_token_of_another_session_opens_nothing() {
    let (session, token) = signed_in();
    let foreign = RefreshToken { session: SessionId::new(Uuid::from_u128(9)), ..token };
    assert_eq!(session.refresh(&foreign, &LIFETIMES, start()), Refresh::Over);
}

#[test]
fn a_clock_that_steps_back_makes_no_token_fresh_again() {
    let (session, token) = signed_in();
    let (session, spent) = rotated(&session, &token, start() + TimeDelta::hours(1));
    let Refresh::Reissued(again) = session.refresh(&spent, &LIFETIMES, start()) else { panic!() };
    assert_eq!(again.last_used_at, start() + TimeDelta::hours(1));
}

/// A step of the random test: wait, then use one of the tokens that were ever issued.
fn steps() -> impl Strategy<Value = Vec<(i64, prop::sample::Index)>> {
    prop::collection::vec((prop_oneof![Just(0), 0..15_i64, 0..4_000_000_i64], any::<prop::sample::Index>()), 1..60)
}

proptest! {
    /// Whatever is presented when: a session that is over stays over, generations only grow, at most one token of a
    /// generation is ever spent freshly, and nothing outlives its bounds.
    #[test]
    fn the_chain_holds(steps in steps()) {
        let (mut session, first) = signed_in();
        let mut tokens = vec![first];
        let mut now = start();
        for (wait, pick) in steps {
            now += TimeDelta::seconds(wait);
            let index = pick.index(tokens.len());
            let before = session.clone();
            match session.refresh(&tokens[index], &LIFETIMES, now) {
                Refresh::Rotated { session: next, spent } => {
                    prop_assert!(before.is_live(now) && tokens[index].spent_at.is_none());
                    prop_assert_eq!(next.generation, before.generation + 1);
                    tokens[index] = spent;
                    session = next;
                }
                Refresh::Reissued(next) => {
                    prop_assert!(before.is_live(now));
                    prop_assert!(now - tokens[index].spent_at.unwrap() <= Session::GRACE);
                    prop_assert_eq!(next.generation, before.generation);
                    session = next;
                }
                Refresh::Reused(next) => {
                    prop_assert!(before.is_live(now) && !next.is_live(now));
                    session = next;
                    continue;
                }
                Refresh::Over => {
                    prop_assert!(!before.is_live(now));
                    continue;
                }
            }
            tokens.push(session.token(hash(u32::try_from(tokens.len()).unwrap() + 1), now));
            prop_assert!(session.expires_at <= session.started_at + LIFETIMES.absolute);
            prop_assert!(session.expires_at <= session.last_used_at + LIFETIMES.idle);
            for generation in 1..=session.generation {
                let spent = tokens.iter().filter(|token| token.generation == generation && token.spent_at.is_some()).count();
                prop_assert!(spent <= 1, "generation {} was spent {} times", generation, spent);
            }
        }
    }
}
