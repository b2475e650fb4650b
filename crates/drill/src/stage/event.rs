//! Events to sell, made over the API as an organizer makes them.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::people::Person;
use crate::wire::{Api, Template};

/// More than any run sells.
pub(crate) const PLENTY: u64 = 50_000_000;

/// What an event is to be like.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) name: String,
    /// In cents; 0 confirms every booking at once.
    pub(crate) price: u64,
    pub(crate) capacity: u64,
    pub(crate) hold_secs: Option<u64>,
}

impl Plan {
    /// An event that costs something and does not sell out.
    pub(crate) fn plenty(name: &str) -> Self {
        Self { name: name.to_owned(), price: 2500, capacity: PLENTY, hold_secs: None }
    }
}

/// A published event.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) id: String,
    pub(crate) ticket_types: Vec<String>,
}

/// The stock of an event, summed over its ticket types.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stock {
    pub(crate) capacity: u64,
    pub(crate) held: u64,
    pub(crate) sold: u64,
    pub(crate) available: u64,
}

impl Event {
    /// Makes and publishes one with a single ticket type.
    ///
    /// # Errors
    /// If the server refuses.
    pub(crate) async fn publish(api: &mut Api, organizer: &Person, plan: &Plan) -> Result<Self> {
        let mut body = draft(&plan.name);
        body["price"] = plan.price.into();
        body["capacity"] = plan.capacity.into();
        if let Some(hold_secs) = plan.hold_secs {
            body["holdSeconds"] = hold_secs.into();
        }
        let made = api.expect("POST", "/api/v1/events", &organizer.authorization, &body.to_string()).await?;
        let event = Self { id: text(&made["id"])?, ticket_types: vec![text(&made["ticketTypes"][0]["id"])?] };
        event.act(api, organizer, "publish").await?;
        Ok(event)
    }

    /// Makes and publishes one whose ticket types share a hall: each has this
    /// capacity of its own, and the hall has room for `hall` in all.
    ///
    /// # Errors
    /// If the server refuses.
    pub(crate) async fn publish_shared(
        api: &mut Api,
        organizer: &Person,
        plan: &Plan,
        types: &[&str],
        hall: u64,
    ) -> Result<Self> {
        let mut body = draft(&plan.name);
        if let Some(hold_secs) = plan.hold_secs {
            body["holdSeconds"] = hold_secs.into();
        }
        let made = api.expect("POST", "/api/v1/events", &organizer.authorization, &body.to_string()).await?;
        let mut event = Self { id: text(&made["id"])?, ticket_types: Vec::new() };
        let pool = json!({"name": "hall", "capacity": hall}).to_string();
        let pool = api.expect("POST", &event.path("/pools"), &organizer.authorization, &pool).await?;
        for name in types {
            let kind = json!({"name": name, "price": plan.price, "capacity": plan.capacity, "poolIds": [pool["id"]]})
                .to_string();
            let kind = api.expect("POST", &event.path("/ticket-types"), &organizer.authorization, &kind).await?;
            event.ticket_types.push(text(&kind["id"])?);
        }
        event.act(api, organizer, "publish").await?;
        Ok(event)
    }

    /// A path below the event.
    pub(crate) fn path(&self, rest: &str) -> String {
        format!("/api/v1/events/{}{rest}", self.id)
    }

    /// The request that books `quantity` tickets of its only type.
    pub(crate) fn booking(&self, quantity: u32) -> Template {
        let body = if quantity == 1 { "{}".to_owned() } else { json!({"quantity": quantity}).to_string() };
        Template::new("POST", &self.path("/bookings"), &body)
    }

    /// The request that books `quantity` tickets of one of its types.
    pub(crate) fn booking_of(&self, ticket_type: &str, quantity: u32) -> Template {
        let body = json!({"items": [{"ticketTypeId": ticket_type, "quantity": quantity}]});
        Template::new("POST", &self.path("/bookings"), &body.to_string())
    }

    /// Changes settings.
    ///
    /// # Errors
    /// If the server refuses.
    pub(crate) async fn patch(&self, api: &mut Api, organizer: &Person, change: &Value) -> Result<()> {
        api.expect("PATCH", &self.path(""), &organizer.authorization, &change.to_string()).await?;
        Ok(())
    }

    /// Its stock now.
    ///
    /// # Errors
    /// If the server does not say.
    pub(crate) async fn stock(&self, api: &mut Api) -> Result<Stock> {
        let answer = api.expect("GET", &self.path("/availability"), b"", "").await?;
        let types = answer["ticketTypes"].as_array().context("availability has no ticketTypes")?;
        let sum = |field: &str| types.iter().map(|kind| kind[field].as_u64().unwrap_or(0)).sum();
        Ok(Stock { capacity: sum("capacity"), held: sum("held"), sold: sum("sold"), available: sum("available") })
    }

    /// Waits until its stock is as wished; answers how long that took.
    ///
    /// # Errors
    /// If it is not after `limit`; with what it is instead.
    pub(crate) async fn until(
        &self,
        api: &mut Api,
        limit: Duration,
        what: &str,
        wished: impl Fn(&Stock) -> bool,
    ) -> Result<Duration> {
        let started = Instant::now();
        loop {
            let stock = self.stock(api).await?;
            if wished(&stock) {
                return Ok(started.elapsed());
            }
            if started.elapsed() > limit {
                bail!("after {limit:?} still not {what}: {stock:?}");
            }
            sleep(Duration::from_millis(100)).await;
        }
    }

    async fn act(&self, api: &mut Api, organizer: &Person, verb: &str) -> Result<()> {
        api.expect("POST", &self.path(&format!("/{verb}")), &organizer.authorization, "").await?;
        Ok(())
    }
}

/// A draft far in the future, so that sales are open whatever the clock says.
fn draft(name: &str) -> Value {
    json!({"name": name, "startAt": "2039-06-01T18:00:00Z", "endAt": "2039-06-01T23:00:00Z"})
}

fn text(value: &Value) -> Result<String> {
    value.as_str().map(str::to_owned).with_context(|| format!("expected an id, not {value}"))
}
