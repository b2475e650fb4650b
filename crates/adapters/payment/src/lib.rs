//! Payment providers.
//!
//! [`SandboxProvider`] speaks to a [`Sandbox`]: a provider for trying things out, in a process of its own or within that
//! of `serve`. It is spoken to over HTTP in both cases and sends real webhooks, so that nothing but its money is make
//! believe. [`StripeProvider`] speaks to Stripe. [`signature`](signature) is how the messages of both are signed.

mod calls;
mod sandbox;
mod sandbox_provider;
mod signature;
mod stripe;

pub use calls::{CallSettings, SetupError};
pub use sandbox::{Behaviour, METHODS, Sandbox, SandboxSettings, Settlement, StartError};
pub use sandbox_provider::SandboxProvider;
pub use stripe::{StripeProvider, StripeSettings};
