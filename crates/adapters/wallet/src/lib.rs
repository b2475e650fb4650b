//! Tickets as passes for the wallets of Apple and Google (ADR 0043).
//!
//! | question | file |
//! |---|---|
//! | what of what an organizer sends is believed? | `accounts` |
//! | what is in a pass file, and how is it signed? | `apple`, `cms` |
//! | what is in a link? | `google` |
//! | which words stand before what? | `words` |

mod accounts;
mod apple;
mod cms;
mod google;
mod icon;
mod key;
mod maker;
mod words;

#[cfg(test)]
mod tests;

pub use maker::WalletPassMaker;
