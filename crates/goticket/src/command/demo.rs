//! `goticket demo …`: a believable organizer with a few events, and tokens for many buyers.

use std::process::ExitCode;

use anyhow::{Context, anyhow, bail};
use application::access::Agent;
use application::catalog::{Catalog, CreateEvent, EventFilter, SeenSale};
use application::error::AppError;
use application::identity::{IdentityReads, NewUser};
use application::origin::{Factor, Origin, Principal};
use application::payment::Providers;
use chrono::{Days, NaiveTime};
use domain::booking::SaleChange;
use domain::catalog::{EventStatus, NewTicketType, Organizer, StatusChange};
use domain::identity::Role;
use domain::{EmailAddress, EventId, Limit, OrganizerId, PoolId, SessionId, TicketTypeId, Timestamp};
use secrecy::ExposeSecret;
use serde::Serialize;
use uuid::Uuid;

use super::open;
use super::user::told;
use crate::cli::{Demo, Tokens};
use crate::compose::Application;
use crate::config::Settings;
use crate::output;

/// Known to everybody, like all that is in a demo.
const EMAIL: &str = "organizer@demo.example";
const PASSWORD: &str = "demo-organizer";
const ORGANIZER: &str = "Riverside Hall";
const ORGANIZER_SLUG: &str = "riverside-hall";
const NO_DEMO: &str = "this instance is not marked as a demo: set `demo.enabled = true` (GOTICKET_DEMO__ENABLED=true), \
                       and never where real tickets are sold";

pub(super) async fn run(settings: Settings, command: Demo) -> anyhow::Result<ExitCode> {
    if !settings.demo.enabled {
        bail!(NO_DEMO);
    }
    match command {
        Demo::Seed => seed_beside(&settings).await,
        Demo::Tokens(arguments) => tokens(&settings, &arguments).await,
    }
}

/// What is printed of a demo account.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TokenLine<'a> {
    id: Uuid,
    email: &'a str,
    role: &'a str,
    access_token: &'a str,
}

async fn tokens(settings: &Settings, arguments: &Tokens) -> anyhow::Result<ExitCode> {
    let ground = open(settings).await?;
    let identity = ground.identity(settings).await?;
    let role = Role::from(arguments.role);
    let made = identity.make_demo_accounts(arguments.count, role, &Origin::system("command line")).await;
    ground.database.close().await;
    let made = made.map_err(|error| match error {
        AppError::Forbidden => anyhow!("there are no demo tokens for the role {}", role.as_str()),
        error => anyhow!(told(&error)),
    })?;
    let mut lines = String::new();
    for account in &made {
        let line = TokenLine {
            id: account.user.id.uuid(),
            email: account.user.email.as_str(),
            role: account.user.role.as_str(),
            access_token: account.access_token.expose_secret(),
        };
        lines.push_str(&serde_json::to_string(&line)?);
        lines.push('\n');
    }
    output::print(&lines)?;
    Ok(ExitCode::SUCCESS)
}

async fn seed_beside(settings: &Settings) -> anyhow::Result<ExitCode> {
    let ground = open(settings).await?;
    let application = Application::start(ground, settings, Providers::default()).await?;
    let seeded = seed(&application).await;
    application.desk.close().await;
    application.ground.database.close().await;
    let SignIn { email, password, events } = seeded?;
    output::line(&format!("{ORGANIZER} sells {}.", events.join(", ")))?;
    output::line(&format!("Its organizer signs in as {email} with the password {password}"))?;
    Ok(ExitCode::SUCCESS)
}

/// How one signs in as the demo's organizer.
pub(super) struct SignIn {
    pub(super) email: &'static str,
    pub(super) password: &'static str,
    events: Vec<&'static str>,
}

/// Makes what is not there yet.
///
/// # Errors
/// Whatever a use case refuses.
pub(super) async fn seed(application: &Application) -> anyhow::Result<SignIn> {
    let seeder = Seeder::of(application).await?;
    let organizer = seeder.organizer().await?;
    let events = programme();
    for event in &events {
        seeder.event(organizer, event).await.with_context(|| format!("the event {}", event.name))?;
    }
    Ok(SignIn { email: EMAIL, password: PASSWORD, events: events.iter().map(|event| event.name).collect() })
}

/// An event of the demo.
struct Show {
    name: &'static str,
    description: &'static str,
    venue: &'static str,
    timezone: &'static str,
    currency: &'static str,
    in_days: u64,
    from_to: ((u32, u32), (u32, u32)),
    /// The hall that all its ticket types share, if one does.
    hall: Option<(&'static str, i64)>,
    types: Vec<NewTicketType>,
    published: bool,
}

/// What Riverside Hall has on.
fn programme() -> Vec<Show> {
    let riverside = Show {
        name: "",
        description: "",
        venue: "Riverside Hall, Bulwar 7, Kraków",
        timezone: "Europe/Warsaw",
        currency: "PLN",
        in_days: 30,
        from_to: ((18, 0), (21, 30)),
        hall: None,
        types: Vec::new(),
        published: true,
    };
    vec![
        Show {
            name: "The Night Ferry: Farewell Concert",
            description: "The last evening of the last tour. One hall, seated and standing.",
            hall: Some(("Great hall", 500)),
            types: vec![
                NewTicketType { max_per_buyer: Some(4), ..ticket("Seated", 18_900, Some(300)) },
                NewTicketType { max_per_buyer: Some(4), ..ticket("Standing", 12_900, Some(400)) },
            ],
            ..riverside
        },
        Show {
            name: "Bookbinding Workshop",
            description: "Fold, sew and bind a notebook of your own. Tools and paper are there.",
            in_days: 12,
            from_to: ((9, 0), (14, 0)),
            types: vec![NewTicketType { max_per_booking: Some(2), ..ticket("Place at the table", 22_000, Some(12)) }],
            ..riverside
        },
        Show {
            name: "Open Rehearsal of the City Orchestra",
            description: "Free of charge, but please book: the balcony has a hundred seats.",
            in_days: 5,
            from_to: ((10, 0), (12, 0)),
            types: vec![ticket("Balcony", 0, Some(100))],
            ..riverside
        },
        Show {
            name: "Summer Film Night",
            description: "Under the open sky. Still to be announced.",
            in_days: 75,
            from_to: ((19, 30), (22, 30)),
            types: vec![ticket("Lawn", 3_500, Some(800)), ticket("Deck chair", 5_500, Some(120))],
            published: false,
            ..riverside
        },
    ]
}

fn ticket(name: &str, price: i64, capacity: Option<i64>) -> NewTicketType {
    NewTicketType { name: name.to_owned(), price, capacity, ..NewTicketType::default() }
}

/// Acts as the demo's organizer, through the same use cases as everybody.
struct Seeder<'a> {
    application: &'a Application,
    catalog: &'a Catalog,
    agent: Agent,
    origin: Origin,
}

impl<'a> Seeder<'a> {
    async fn of(application: &'a Application) -> anyhow::Result<Self> {
        let origin = Origin::system("demo seed");
        let email = EmailAddress::parse("email", EMAIL).map_err(|_| anyhow!("{EMAIL} is no address"))?;
        let user = match application.ground.database.account_by_email(&email).await? {
            Some(account) => account.user,
            None => {
                let new = NewUser { email: EMAIL, password: PASSWORD, name: Some(ORGANIZER) };
                application.identity.create_user(new, Role::Organizer, &origin).await?
            }
        };
        let session = SessionId::new(application.ground.ids.uuid());
        let agent = Agent::Account(Principal { user: user.id, session, role: user.role, factor: Factor::Missing });
        Ok(Self { application, catalog: &application.catalog, agent, origin })
    }

    async fn organizer(&self) -> anyhow::Result<OrganizerId> {
        let mine = self.catalog.organizers(&self.agent, None, Limit::default()).await?;
        if let Some(Organizer { id, .. }) = mine.items.first() {
            return Ok(*id);
        }
        let slug = Some(ORGANIZER_SLUG);
        let made = match self.catalog.create_organizer(&self.agent, ORGANIZER, slug, None, &self.origin).await {
            // Somebody else has it: then one that is made of the name.
            Err(AppError::AlreadyExists(_)) => {
                self.catalog.create_organizer(&self.agent, ORGANIZER, None, None, &self.origin).await
            }
            made => made,
        };
        Ok(made?.value.id)
    }

    /// Makes an event, unless it is there. One that a seeding before left half-way is made anew.
    async fn event(&self, organizer: OrganizerId, show: &Show) -> anyhow::Result<()> {
        let filter = EventFilter {
            query: Some(show.name.to_owned()),
            organizer: Some(organizer),
            statuses: vec![EventStatus::Draft, EventStatus::Published, EventStatus::Paused],
            ..EventFilter::default()
        };
        let found = self.catalog.events(&self.agent, filter, None, Limit::default()).await?;
        let mut there = false;
        for seen in found.items.iter().map(|seen| &seen.seen) {
            let event = &seen.sale.event;
            if show.published && event.status == EventStatus::Draft {
                self.catalog.delete_event(&self.agent, event.id, None, self.origin.clone()).await?;
            } else {
                there |= event.terms.end_at > self.application.ground.clock.now();
            }
        }
        if there { Ok(()) } else { self.make(organizer, show).await }
    }

    async fn make(&self, organizer: OrganizerId, show: &Show) -> anyhow::Result<()> {
        let (start_at, end_at) = self.times(show)?;
        let request = CreateEvent {
            name: show.name.to_owned(),
            description: Some(show.description.to_owned()),
            venue: Some(show.venue.to_owned()),
            timezone: Some(show.timezone.to_owned()),
            currency: Some(show.currency.to_owned()),
            start_at,
            end_at,
            hold_seconds: None,
            pricing: None,
            blocks_disputed: None,
            waiting_list: None,
            offer_seconds: None,
            organizer: Some(organizer),
            ticket_types: if show.hall.is_none() { show.types.clone() } else { Vec::new() },
        };
        let made = self.catalog.create_event(&self.agent, request, None, &self.origin).await?;
        let event = made.value.sale.event.id;
        if let Some((name, capacity)) = show.hall {
            self.add_hall(event, name, capacity, &show.types).await?;
        }
        if show.published {
            self.change(event, SaleChange::Step(StatusChange::Publish)).await?;
        }
        Ok(())
    }

    async fn add_hall(&self, event: EventId, name: &str, capacity: i64, types: &[NewTicketType]) -> anyhow::Result<()> {
        let ids = &self.application.ground.ids;
        let hall = PoolId::new(ids.uuid());
        self.change(event, SaleChange::AddPool { id: hall, name: name.to_owned(), capacity: Some(capacity) }).await?;
        for new in types {
            let (id, own_pool) = (TicketTypeId::new(ids.uuid()), PoolId::new(ids.uuid()));
            let new = NewTicketType { pool_ids: vec![hall], ..new.clone() };
            self.change(event, SaleChange::AddTicketType { id, own_pool, new }).await?;
        }
        Ok(())
    }

    async fn change(&self, event: EventId, change: SaleChange) -> anyhow::Result<std::sync::Arc<SeenSale>> {
        let changed = self.catalog.change_event(&self.agent, event, change, None, None, self.origin.clone()).await;
        changed.map(|answer| answer.value).map_err(|error| anyhow!(told(&error)))
    }

    fn times(&self, show: &Show) -> anyhow::Result<(Timestamp, Timestamp)> {
        let today = self.application.ground.clock.now().date_naive();
        let day = today.checked_add_days(Days::new(show.in_days)).context("the calendar ends")?;
        let at = |(hour, minute)| {
            let time = NaiveTime::from_hms_opt(hour, minute, 0).context("no such time of day")?;
            anyhow::Ok(day.and_time(time).and_utc())
        };
        Ok((at(show.from_to.0)?, at(show.from_to.1)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_programme_has_no_name_twice() {
        let programme = programme();
        let names: std::collections::BTreeSet<_> = programme.iter().map(|show| show.name).collect();
        assert_eq!(names.len(), programme.len());
    }
}
