//! A second factor: codes of an app, and recovery codes.
//!
//! `manage` is what an owner does with it, and an admin when it is lost; `sign_in` is where it is asked for: whoever has
//! shown his password, or come from a provider, gets a challenge instead of tokens, and tokens for the challenge and a code.
//! Wrong codes are counted in the row of the account, whatever address they come from and whatever replica they go to.

mod codes;
mod manage;
mod sign_in;
mod store;

pub(super) use codes::SEED;
pub use manage::{Enrolment, SecondFactorState};
pub use sign_in::{Challenge, SignIn};
pub use store::{SecondFactorReads, SecondFactorRepository};
