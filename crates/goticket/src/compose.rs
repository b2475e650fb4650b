//! The composition root: which adapter stands behind which port, and what runs beside requests.

use std::sync::Arc;
use std::time::Duration;

use adapter_document::{PdfPrinter, PrinterLimits};
use adapter_mail::SystemMailer;
use adapter_sql::Database;
use adapter_system::{
    AesSealer, BcryptHasher, BcryptLimits, Ed25519Signer, EdDsaTokens, SystemClock, SystemIds, SystemRandom, TotpCodes,
};
use adapter_wallet::WalletPassMaker;
use anyhow::Context;
use api_rest::{AppState, Check, Component, Count, Figure, Health, Services};
use application::admission::{DoorCounters, PassPorts, Passes, TicketPorts, Tickets};
use application::audit::{AuditLog, AuditPorts, EraseAudit, PruneAudit, SealAudit, Witness};
use application::booking::{
    Availability, BookingPorts, Bookings, Desk, LeaveWaitingLists, MailBuyers, Parties, ServeWaiting, SweepLapsed,
    TellBuyers, TellMoved, WindDownCancelled,
};
use application::breaker::Breaker;
use application::catalog::{Catalog, CatalogPorts};
use application::clock::{Clock, Ids};
use application::error::AppError;
use application::identity::{Identity, IdentityPorts, MailPasswordResets, Sealer};
use application::invoicing::{Invoicing, InvoicingPorts, IssueInvoices};
use application::jobs::{Housekeeping, JobHandler, JobStore, KeptFor, Worker};
use application::mail::{Mailer, Mails, SendMail};
use application::payment::{PaymentPorts, Payments, PollPayments, Providers, RetryEvents, SendRefunds};
use application::privacy::{ErasePorts, ForgetAttendees, GuestErasures};
use application::store::Store;
use chrono::TimeDelta;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::Settings;
use crate::lifecycle::supervise;

/// What an instance stands on: the database, the time, and ids.
#[derive(Clone)]
pub struct Ground {
    /// All storage ports.
    pub database: Database,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Ids.
    pub ids: Arc<dyn Ids>,
    /// Keeps what changes nothing for the audit log.
    pub witness: Arc<Witness>,
}

impl Ground {
    /// Opens the database of the settings. `serves` for the one server of a SQLite file; commands beside it leave that
    /// out.
    ///
    /// # Errors
    /// If the database cannot be opened, or another server has it.
    pub async fn open(settings: &Settings, serves: bool) -> anyhow::Result<Self> {
        let database = Database::connect(&settings.database.settings(&settings.data_dir, serves))
            .await
            .with_context(|| format!("database {}", settings.database.url(&settings.data_dir)))?;
        let (clock, ids): (Arc<dyn Clock>, Arc<dyn Ids>) = (Arc::new(SystemClock), Arc::new(SystemIds::default()));
        let witness = Witness::new(Arc::new(database.clone()), Arc::clone(&ids), Arc::clone(&clock));
        Ok(Self { database, clock, ids, witness: Arc::new(witness) })
    }

    /// Brings the schema to the newest version, where the settings want that.
    ///
    /// # Errors
    /// If a migration fails.
    pub async fn migrate(&self, settings: &Settings) -> anyhow::Result<()> {
        if settings.database.migrate_on_start {
            self.database
                .migrate()
                .await
                .context("the schema of the database cannot be brought to its newest version")?;
        }
        Ok(())
    }

    /// Accounts and sign-ins, which most commands need alone.
    ///
    /// # Errors
    /// If there is no master key, or it does not fit the database.
    pub async fn identity(&self, settings: &Settings) -> anyhow::Result<Identity> {
        let sealer = sealer(settings)?;
        let mails = self.mails(settings, &sealer);
        self.identity_by(settings, sealer, mails, hasher(settings)?).await
    }

    fn mails(&self, settings: &Settings, sealer: &Arc<dyn Sealer>) -> Arc<Mails> {
        Arc::new(Mails::new(Arc::clone(sealer), Arc::clone(&self.ids), &settings.http.public_url()))
    }

    async fn identity_by(
        &self,
        settings: &Settings,
        sealer: Arc<dyn Sealer>,
        mails: Arc<Mails>,
        hasher: BcryptHasher,
    ) -> anyhow::Result<Identity> {
        let database = Arc::new(self.database.clone());
        let ports = IdentityPorts {
            store: database.clone(),
            reads: database,
            clock: Arc::clone(&self.clock),
            ids: Arc::clone(&self.ids),
            hasher: Arc::new(hasher),
            tokens: Arc::new(EdDsaTokens),
            codes: Arc::new(TotpCodes),
            sealer,
            random: Arc::new(SystemRandom),
            guards: settings.guards(Arc::clone(&self.clock)),
            witness: Arc::clone(&self.witness),
            mails,
            providers: settings.sign_in_providers(&self.clock, &self.ids)?,
        };
        let started = Identity::start(ports, settings.identity()).await;
        if settings.database.migrate_on_start {
            return Ok(started?);
        }
        started.context("is the schema of the database the newest? `goticket migrate` sees to it")
    }
}

/// What seals secrets for the database, by the master key.
pub fn sealer(settings: &Settings) -> anyhow::Result<Arc<dyn Sealer>> {
    let sealer = AesSealer::try_new(&settings.secrets.load(&settings.data_dir)?)?;
    Ok(match settings.secrets.load_previous()? {
        Some(previous) => Arc::new(sealer.with_previous(&previous)?),
        None => Arc::new(sealer),
    })
}

/// All use cases of an instance.
#[derive(Clone)]
pub struct Application {
    /// What it stands on.
    pub ground: Ground,
    /// Accounts and sign-ins.
    pub identity: Arc<Identity>,
    /// The booking desk.
    pub desk: Desk,
    /// Organizers and events.
    pub catalog: Arc<Catalog>,
    /// Bookings.
    pub bookings: Arc<Bookings>,
    /// Payments.
    pub payments: Arc<Payments>,
    /// Invoices and credit notes.
    pub invoicing: Arc<Invoicing>,
    /// Tickets.
    pub tickets: Arc<Tickets>,
    /// Tickets in wallets.
    pub passes: Arc<Passes>,
    /// Who watches what is left.
    pub availability: Arc<Availability>,
    /// Who watches how many have come.
    pub door_counters: Arc<DoorCounters>,
    /// What readiness and health look at.
    pub health: Arc<Health>,
    /// Puts mails in.
    mails: Arc<Mails>,
    /// Sends them.
    send_mail: Arc<SendMail>,
    /// The audit log for people.
    audit_log: Arc<AuditLog>,
    /// What seals the audit log.
    audit: AuditPorts,
    audit_kept_for: TimeDelta,
    attendees_kept_for: TimeDelta,
    kept_for: KeptFor,
    erasures: Arc<GuestErasures>,
}

impl Application {
    /// Puts it together, and opens its desk on a thread of its own.
    ///
    /// # Errors
    /// If there is no master key, or it does not fit the database.
    pub async fn start(ground: Ground, settings: &Settings, providers: Providers) -> anyhow::Result<Self> {
        let sealer = sealer(settings)?;
        let mails = ground.mails(settings, &sealer);
        let database = Arc::new(ground.database.clone());
        let (clock, ids) = (Arc::clone(&ground.clock), Arc::clone(&ground.ids));
        let desk = Desk::open_on(&desk_thread()?, database.clone(), clock, ids, settings.desk());
        let rush = desk.clone();
        let hasher = hasher(settings)?.resting_while(move || rush.rush().is_some());
        let identity = Arc::new(ground.identity_by(settings, Arc::clone(&sealer), Arc::clone(&mails), hasher).await?);
        let ports = CatalogPorts {
            store: database.clone(),
            reads: database.clone(),
            clock: Arc::clone(&ground.clock),
            ids: Arc::clone(&ground.ids),
            identity: Arc::clone(&identity),
            desk: desk.clone(),
        };
        let catalog = Arc::new(Catalog::new(ports, settings.booking.catalog()));
        let parties = Parties::new(database.clone());
        let ports = BookingPorts {
            desk: desk.clone(),
            reads: database.clone(),
            parties: parties.clone(),
            waiting_lists: database.clone(),
            ids: Arc::clone(&ground.ids),
            catalog: Arc::clone(&catalog),
        };
        let bookings = Arc::new(Bookings::new(ports));
        let ports = PaymentPorts {
            desk: desk.clone(),
            bookings: database.clone(),
            parties: parties.clone(),
            store: database.clone(),
            messages: database.clone(),
            jobs: database.clone(),
            catalog: Arc::clone(&catalog),
            clock: Arc::clone(&ground.clock),
            ids: Arc::clone(&ground.ids),
            providers,
        };
        let payments = Arc::new(Payments::new(ports));
        let printer = Arc::new(PdfPrinter::try_new(PrinterLimits::default())?);
        let ports = InvoicingPorts {
            store: database.clone(),
            reads: database.clone(),
            parties: parties.clone(),
            catalog: Arc::clone(&catalog),
            printer: printer.clone(),
            clock: Arc::clone(&ground.clock),
            ids: Arc::clone(&ground.ids),
        };
        let invoicing = Arc::new(Invoicing::new(ports));
        let ports = TicketPorts {
            desk: desk.clone(),
            bookings: database.clone(),
            parties: parties.clone(),
            events: database.clone(),
            store: database.clone(),
            units: database.clone(),
            catalog: catalog.clone(),
            signer: Arc::new(Ed25519Signer),
            sealer: Arc::clone(&sealer),
            printer,
            clock: Arc::clone(&ground.clock),
            ids: Arc::clone(&ground.ids),
        };
        let tickets = Arc::new(Tickets::new(ports));
        let passes = Arc::new(Passes::new(PassPorts {
            store: database.clone(),
            issuers: database.clone(),
            organizers: database.clone(),
            tickets: Arc::clone(&tickets),
            catalog: Arc::clone(&catalog),
            maker: Arc::new(WalletPassMaker),
            sealer: Arc::clone(&sealer),
            clock: Arc::clone(&ground.clock),
            ids: Arc::clone(&ground.ids),
        }));
        let availability = Arc::new(Availability::new(database, settings.availability.settings()));
        let door_counters = Arc::new(DoorCounters::new(Arc::clone(&tickets), settings.availability.of_doors()));
        let health = Health::new(components(&ground, &desk, settings)).counting(vec![payment_cases(&payments)]);
        let health = Arc::new(health);
        let breaker = Breaker::new("smtp", settings.smtp.breaker.settings(), Arc::clone(&ground.clock));
        let mailer: Arc<dyn Mailer> = Arc::new(SystemMailer::try_new(&settings.mailer()?)?.guarded_by(breaker));
        let (clock, ids) = (Arc::clone(&ground.clock), Arc::clone(&ground.ids));
        let audit = AuditPorts {
            seals: Arc::new(ground.database.clone()),
            signer: Arc::new(Ed25519Signer),
            sealer: Arc::clone(&sealer),
            random: Arc::new(SystemRandom),
            clock: Arc::clone(&clock),
            ids: Arc::clone(&ids),
        };
        let audit_log = Arc::new(AuditLog {
            reads: Arc::new(ground.database.clone()),
            catalog: Arc::clone(&catalog),
            witness: Arc::clone(&ground.witness),
            sealer: Arc::clone(&sealer),
        });
        let erasures = GuestErasures::new(ErasePorts {
            store: Arc::new(ground.database.clone()),
            catalog: Arc::clone(&catalog),
            ids: Arc::clone(&ids),
            clock: Arc::clone(&clock),
        });
        let audit_kept_for = settings.privacy.retention.audit.delta();
        let send_mail = Arc::new(SendMail {
            mailer,
            enclosures: passes.clone(),
            sealer,
            clock,
            ids,
            tries_max: settings.mail.tries_max,
        });
        Ok(Self {
            ground,
            identity,
            desk,
            catalog,
            bookings,
            payments,
            invoicing,
            tickets,
            passes,
            availability,
            door_counters,
            health,
            mails,
            send_mail,
            audit_log,
            audit,
            audit_kept_for,
            attendees_kept_for: settings.privacy.retention.attendees.delta(),
            kept_for: settings.privacy.kept_for(),
            erasures: Arc::new(erasures),
        })
    }

    /// What the REST face works with.
    #[must_use]
    pub fn rest(&self, settings: &Settings) -> AppState {
        let services = Services {
            identity: Arc::clone(&self.identity),
            catalog: Arc::clone(&self.catalog),
            bookings: Arc::clone(&self.bookings),
            payments: Arc::clone(&self.payments),
            invoicing: Arc::clone(&self.invoicing),
            tickets: Arc::clone(&self.tickets),
            passes: Arc::clone(&self.passes),
            availability: Arc::clone(&self.availability),
            door_counters: Arc::clone(&self.door_counters),
            audit: Arc::clone(&self.audit_log),
            erasures: Arc::clone(&self.erasures),
            health: Arc::clone(&self.health),
            ids: Arc::clone(&self.ground.ids),
        };
        AppState::new(services, settings.rest())
    }

    /// Follows what other processes change (ended sessions, roles, signing keys), and writes what is noted for the audit
    /// log.
    pub fn follow(&self, tasks: &TaskTracker, cancel: &CancellationToken) {
        let identity = Arc::clone(&self.identity);
        supervise(tasks, cancel, "identity", move |cancel| {
            let identity = Arc::clone(&identity);
            async move { identity.follow(cancel).await }
        });
        let witness = Arc::clone(&self.audit_log.witness);
        supervise(tasks, cancel, "audit notes", move |cancel| {
            let witness = Arc::clone(&witness);
            async move { witness.follow(cancel).await }
        });
    }

    /// Tells watchers of availability and of doors. Cancelling it ends their streams.
    pub fn tell_watchers(&self, tasks: &TaskTracker, cancel: &CancellationToken) {
        let availability = Arc::clone(&self.availability);
        supervise(tasks, cancel, "availability", move |cancel| {
            let availability = Arc::clone(&availability);
            async move { availability.follow(cancel).await }
        });
        let counters = Arc::clone(&self.door_counters);
        supervise(tasks, cancel, "door counters", move |cancel| {
            let counters = Arc::clone(&counters);
            async move { counters.follow(cancel).await }
        });
    }

    /// Runs the jobs.
    pub fn work(&self, tasks: &TaskTracker, cancel: &CancellationToken) {
        let Ground { database, clock, ids, .. } = &self.ground;
        let (store, clock, ids) = (Arc::new(database.clone()), Arc::clone(clock), Arc::clone(ids));
        let worker = Arc::new(Worker::new(store, clock, ids, self.handlers()));
        supervise(tasks, cancel, "jobs", move |cancel| Arc::clone(&worker).work(cancel));
    }

    fn handlers(&self) -> Vec<Arc<dyn JobHandler>> {
        let Ground { database, clock, .. } = &self.ground;
        let database = Arc::new(database.clone());
        let sweep = SweepLapsed { desk: self.desk.clone(), reads: database.clone(), clock: Arc::clone(clock) };
        let wind_down =
            WindDownCancelled { desk: self.desk.clone(), reads: database.clone(), clock: Arc::clone(clock) };
        let serve = ServeWaiting { desk: self.desk.clone(), reads: database.clone(), clock: Arc::clone(clock) };
        let leave = LeaveWaitingLists { desk: self.desk.clone(), reads: database.clone(), clock: Arc::clone(clock) };
        let tell = Arc::new(TellBuyers {
            store: database.clone(),
            notices: database.clone(),
            bookings: database.clone(),
            tickets: database.clone(),
            events: database.clone(),
            accounts: database.clone(),
            mails: Arc::clone(&self.mails),
            desk: self.desk.clone(),
            clock: Arc::clone(clock),
            ids: Arc::clone(&self.ground.ids),
        });
        let issue = IssueInvoices {
            store: database.clone(),
            invoices: database.clone(),
            clock: Arc::clone(clock),
            ids: Arc::clone(&self.ground.ids),
        };
        let housekeeping = Housekeeping {
            jobs: database.clone(),
            retained: database.clone(),
            kept_for: self.kept_for,
            identity: Arc::clone(&self.identity),
            catalog: Arc::clone(&self.catalog),
            clock: Arc::clone(clock),
        };
        let forget =
            ForgetAttendees { retained: database, clock: Arc::clone(clock), kept_for: self.attendees_kept_for };
        let audit = self.audit.clone();
        let prune = PruneAudit { ports: audit.clone(), kept_for: self.audit_kept_for };
        let erase = EraseAudit { seals: Arc::clone(&audit.seals), clock: Arc::clone(clock) };
        let resets = MailPasswordResets { identity: Arc::clone(&self.identity) };
        vec![
            Arc::new(sweep),
            Arc::new(wind_down),
            Arc::new(serve),
            Arc::new(leave),
            tell.clone(),
            Arc::new(TellMoved { tell }),
            Arc::new(issue),
            Arc::new(housekeeping),
            Arc::new(forget),
            Arc::new(SealAudit { ports: audit }),
            Arc::new(prune),
            Arc::new(erase),
            Arc::new(resets),
            Arc::new(PollPayments { payments: Arc::clone(&self.payments) }),
            Arc::new(SendRefunds { payments: Arc::clone(&self.payments) }),
            Arc::new(RetryEvents { payments: Arc::clone(&self.payments) }),
            Arc::new(MailBuyers { send: Arc::clone(&self.send_mail), desk: self.desk.clone() }),
            Arc::clone(&self.send_mail) as _,
        ]
    }
}

/// The rows of `/health`. Only without the database an instance is not ready: a replica whose queue is full still sells,
/// and taking it out would only fill the queues of the others.
fn components(ground: &Ground, desk: &Desk, settings: &Settings) -> Vec<Component> {
    let database = ground.database.clone();
    let ping: Check = Box::new(move || {
        let database = database.clone();
        Box::pin(async move { Ok(database.ping().await?) })
    });
    let (desk, full) = (desk.clone(), settings.desk.queue_max as usize);
    let queue: Check = Box::new(move || {
        let has_room = desk.waiting() < full;
        Box::pin(async move { if has_room { Ok(()) } else { Err(AppError::busy()) } })
    });
    let (database, clock) = (ground.database.clone(), Arc::clone(&ground.clock));
    let jobs: Check = Box::new(move || {
        let (database, now) = (database.clone(), clock.now());
        Box::pin(async move {
            let counts = database.counts(now).await?;
            if counts.parked == 0 {
                Ok(())
            } else {
                Err(AppError::InvalidState("some jobs have failed for good".into()))
            }
        })
    });
    vec![
        Component { name: "database", needed: true, check: ping },
        Component { name: "desk", needed: false, check: queue },
        Component { name: "jobs", needed: false, check: jobs },
    ]
}

/// How often open cases of payments are counted at most.
const CASES_EVERY: Duration = Duration::from_secs(5);

fn payment_cases(payments: &Arc<Payments>) -> Figure {
    let payments = Arc::clone(payments);
    let count: Count = Box::new(move || {
        let payments = Arc::clone(&payments);
        Box::pin(async move { payments.count_cases().await })
    });
    Figure::new("payment_cases", CASES_EVERY, count)
}

fn hasher(settings: &Settings) -> anyhow::Result<BcryptHasher> {
    Ok(BcryptHasher::try_new(settings.auth.bcrypt_cost, BcryptLimits::default())?)
}

/// A thread for the desk, which lives as long as the process.
fn desk_thread() -> std::io::Result<tokio::runtime::Handle> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let handle = runtime.handle().clone();
    std::thread::Builder::new().name("desk".into()).spawn(move || runtime.block_on(std::future::pending::<()>()))?;
    Ok(handle)
}
