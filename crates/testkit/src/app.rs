//! The whole application within a test: real adapters over either engine, a clock that the test sets, and callers who
//! send requests through the real router, in the process of the test.

use std::convert::Infallible;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use adapter_document::{PdfPrinter, PrinterLimits};
use adapter_mail::{Destination, MailSettings, SmtpSettings, SystemMailer};
use adapter_memory::MemoryRateLimiter;
use adapter_sql::Database;
use adapter_system::{
    AesSealer, BcryptHasher, BcryptLimits, Ed25519Signer, EdDsaTokens, MasterKey, SystemIds, SystemRandom, TotpCodes,
};
use adapter_wallet::WalletPassMaker;
use api_rest::{AppState, Component, Figure, Health, Peer, RestSettings, Services};
use application::admission::{DoorCounters, PassPorts, Passes, TicketPorts, Tickets};
use application::audit::{AuditLog, AuditPorts, EraseAudit, SealAudit, Witness};
use application::booking::{
    Availability, BookingPorts, Bookings, Desk, DeskSettings, LeaveWaitingLists, MailBuyers, NoticeReads, Parties,
    TellBuyers, TellMoved,
};
use application::catalog::{Catalog, CatalogPorts, CatalogSettings};
use application::clock::{Clock, Ids};
use application::guard::{Guards, LimitRates};
use application::identity::{
    Identity, IdentityPorts, IdentityReads, IdentitySettings, MailPasswordResets, NewUser, Sealer, SignInProvider,
};
use application::invoicing::{InvoiceReads, Invoicing, InvoicingPorts, IssueInvoices};
use application::jobs::{Housekeeping, JobHandler, KeptFor, Worker};
use application::live::WatchSettings;
use application::mail::{Enclosures, Mails, SendMail};
use application::origin::Origin;
use application::payment::{PaymentPorts, PaymentProvider, Payments, Providers};
use application::privacy::{ErasePorts, ForgetAttendees, GuestErasures};
use application::store::Store;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode};
use chrono::TimeDelta;
use domain::EmailAddress;
use domain::identity::Role;
use futures::{StreamExt, stream};
use mail_parser::MimeHeaders as _;
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use uuid::Uuid;

use crate::clock::TestClock;
use crate::databases::{Engine, TestDatabase};
use crate::documented::check_documented;
use crate::smtp::{ReceivedMail, SmtpServer};

/// The password of every account that [`TestApp::account`] makes.
pub const PASSWORD: &str = "correct horse battery";

/// How an application under test differs from the usual one.
pub struct Settings {
    /// The booking desk.
    pub desk: DeskSettings,
    /// Watching.
    pub availability: WatchSettings,
    /// Live counters of doors.
    pub door: WatchSettings,
    /// Accounts.
    pub identity: IdentitySettings,
    /// The REST face.
    pub rest: RestSettings,
    /// Limits; none by default, so that no test meets one that it is not about.
    pub limits: Option<LimitRates>,
    /// How many passwords are hashed at a time, and how many more wait.
    pub hashing: BcryptLimits,
    /// Who else signs people in.
    pub providers: Vec<Arc<dyn SignInProvider>>,
    /// Who moves money.
    pub payment_providers: Vec<Arc<dyn PaymentProvider>>,
    /// Its clock; who shares it goes by the same time.
    pub clock: TestClock,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            desk: DeskSettings::default(),
            availability: WatchSettings::default(),
            door: WatchSettings { every: Duration::from_millis(20), ..WatchSettings::default() },
            identity: IdentitySettings::default(),
            rest: RestSettings::default(),
            limits: None,
            hashing: BcryptLimits { running: 2, waiting: 100 },
            providers: Vec::new(),
            payment_providers: Vec::new(),
            clock: TestClock::default(),
        }
    }
}

/// The application.
pub struct TestApp {
    /// Its clock.
    pub clock: TestClock,
    /// Its database.
    pub database: TestDatabase,
    /// Accounts.
    pub identity: Arc<Identity>,
    /// Organizers and events.
    pub catalog: Arc<Catalog>,
    /// Bookings.
    pub bookings: Arc<Bookings>,
    /// Payments.
    pub payments: Arc<Payments>,
    /// Tickets.
    pub tickets: Arc<Tickets>,
    /// Watchers.
    pub availability: Arc<Availability>,
    /// Watchers of doors.
    pub door_counters: Arc<DoorCounters>,
    /// The lanes.
    pub desk: Desk,
    /// Ids.
    pub ids: Arc<dyn Ids>,
    /// Readiness.
    pub health: Arc<Health>,
    /// The audit log for people.
    pub audit: Arc<AuditLog>,
    /// The server that its mails go to.
    pub post: SmtpServer,
    /// What runs beside requests, when a test says so.
    worker: Worker,
    router: Router,
    ops: Router,
    cancel: CancellationToken,
}

impl TestApp {
    /// Starts one over a new database.
    pub async fn start(engine: Engine) -> Self {
        Self::start_with(engine, Settings::default()).await
    }

    /// Starts one with other settings.
    pub async fn start_with(engine: Engine, settings: Settings) -> Self {
        Self::start_in(TestDatabase::create(engine).await, settings).await
    }

    /// Starts one in a database that was made before.
    ///
    /// # Panics
    /// When it cannot.
    pub async fn start_in(database: TestDatabase, settings: Settings) -> Self {
        let clock = settings.clock;
        let port = Arc::new(database.database.clone());
        let ids: Arc<dyn Ids> = Arc::new(SystemIds::default());
        let shared_clock: Arc<dyn Clock> = Arc::new(clock.clone());
        let limiter = |rates| MemoryRateLimiter::new(&rates, MemoryRateLimiter::KEYS_MAX, shared_clock.clone());
        let guards = settings.limits.map_or(Guards::off(), |rates| Guards::new(Arc::new(limiter(rates))));
        let ports = identity_ports(&port, &shared_clock, &ids, settings.hashing);
        let ports = IdentityPorts { guards, providers: settings.providers, ..ports };
        let witness = Arc::clone(&ports.witness);
        let identity = Identity::start(ports, settings.identity).await;
        let identity = Arc::new(identity.expect("identity starts"));
        let post = SmtpServer::start().await;
        let desk = Desk::open(port.clone(), shared_clock.clone(), ids.clone(), settings.desk);
        let catalog_ports = CatalogPorts {
            store: port.clone(),
            reads: port.clone(),
            clock: shared_clock.clone(),
            ids: ids.clone(),
            identity: identity.clone(),
            desk: desk.clone(),
        };
        let catalog = Arc::new(Catalog::new(catalog_ports, CatalogSettings::default()));
        let parties = Parties::new(port.clone());
        let booking_ports = BookingPorts {
            desk: desk.clone(),
            reads: port.clone(),
            parties: parties.clone(),
            waiting_lists: port.clone(),
            ids: ids.clone(),
            catalog: catalog.clone(),
        };
        let bookings = Arc::new(Bookings::new(booking_ports));
        let payment_ports = PaymentPorts {
            desk: desk.clone(),
            bookings: port.clone(),
            parties: parties.clone(),
            store: port.clone(),
            messages: port.clone(),
            jobs: port.clone(),
            catalog: catalog.clone(),
            clock: Arc::new(clock.clone()),
            ids: ids.clone(),
            providers: Providers::new(settings.payment_providers),
        };
        let payments = Arc::new(Payments::new(payment_ports));
        let printer = Arc::new(PdfPrinter::try_new(PrinterLimits::default()).expect("a font"));
        let invoicing_ports = InvoicingPorts {
            store: port.clone(),
            reads: port.clone(),
            parties: parties.clone(),
            catalog: catalog.clone(),
            printer: printer.clone(),
            clock: Arc::new(clock.clone()),
            ids: ids.clone(),
        };
        let ticket_ports = TicketPorts {
            desk: desk.clone(),
            bookings: port.clone(),
            parties: parties.clone(),
            events: port.clone(),
            store: port.clone(),
            units: port.clone(),
            catalog: catalog.clone(),
            signer: Arc::new(Ed25519Signer),
            sealer: sealer(),
            printer,
            clock: Arc::new(clock.clone()),
            ids: ids.clone(),
        };
        let tickets = Arc::new(Tickets::new(ticket_ports));
        let passes = Arc::new(Passes::new(PassPorts {
            store: port.clone(),
            issuers: port.clone(),
            organizers: port.clone(),
            tickets: tickets.clone(),
            catalog: catalog.clone(),
            maker: Arc::new(WalletPassMaker),
            sealer: sealer(),
            clock: Arc::new(clock.clone()),
            ids: ids.clone(),
        }));
        let worker = worker(&port, &shared_clock, &ids, &identity, &desk, (&post, passes.clone()));
        let availability = Arc::new(Availability::new(port.clone(), settings.availability));
        let door_counters = Arc::new(DoorCounters::new(tickets.clone(), settings.door));
        let health = Arc::new(Health::new(vec![component(&port)]).counting(vec![payment_cases(&payments)]));
        let reads = port.clone();
        let audit = Arc::new(AuditLog { reads, catalog: catalog.clone(), witness, sealer: sealer() });
        let erasures = GuestErasures::new(ErasePorts {
            store: port.clone(),
            catalog: catalog.clone(),
            ids: ids.clone(),
            clock: Arc::new(clock.clone()),
        });
        let services = Services {
            identity: identity.clone(),
            catalog: catalog.clone(),
            bookings: bookings.clone(),
            payments: payments.clone(),
            invoicing: Arc::new(Invoicing::new(invoicing_ports)),
            tickets: tickets.clone(),
            passes: passes.clone(),
            availability: availability.clone(),
            door_counters: door_counters.clone(),
            audit: audit.clone(),
            erasures: Arc::new(erasures),
            health: health.clone(),
            ids: ids.clone(),
        };
        let state = AppState::new(services, settings.rest);
        let cancel = CancellationToken::new();
        tokio::spawn({
            let (availability, cancel) = (availability.clone(), cancel.clone());
            async move { availability.follow(cancel).await }
        });
        tokio::spawn({
            let (counters, cancel) = (door_counters.clone(), cancel.clone());
            async move { counters.follow(cancel).await }
        });
        let router = api_rest::router(state.clone());
        let ops = api_rest::ops_router(state, Arc::new(|| "# metrics\n".to_owned()));
        Self {
            clock,
            database,
            identity,
            catalog,
            bookings,
            payments,
            tickets,
            availability,
            door_counters,
            desk,
            ids,
            health,
            audit,
            post,
            worker,
            router,
            ops,
            cancel,
        }
    }

    /// All that it serves, for a port of its own.
    pub fn router(&self) -> Router {
        self.router.clone()
    }

    /// Somebody who has not signed in.
    #[must_use]
    pub fn anybody(&self) -> Caller {
        self.caller(None)
    }

    /// Somebody with this access token, whatever it is worth.
    #[must_use]
    pub fn bearer(&self, token: &str) -> Caller {
        self.caller(Some(token.to_owned()))
    }

    /// Somebody at the operations address.
    #[must_use]
    pub fn operator(&self) -> Caller {
        Caller { router: self.ops.clone(), token: None, user: None, peer: None }
    }

    /// A new account that has signed in. Its address is made of `name`.
    ///
    /// # Panics
    /// When the name is taken.
    pub async fn account(&self, name: &str, role: Role) -> Caller {
        let email = format!("{name}@example.com");
        let new = NewUser { email: &email, password: PASSWORD, name: Some(name) };
        let user = self.identity.create_user(new, role, &Origin::system("test")).await.expect("an account");
        let login = serde_json::json!({ "email": email, "password": PASSWORD });
        let tokens = self.anybody().post("/api/v1/auth/login", &login).await.expect(200);
        let token = tokens["accessToken"].as_str().expect("an access token").to_owned();
        Caller { user: Some(user.id.uuid()), ..self.caller(Some(token)) }
    }

    /// The account of [`account`](Self::account) with this name, signed in anew.
    ///
    /// # Panics
    /// When there is none.
    pub async fn sign_in(&self, name: &str) -> Caller {
        let email = EmailAddress::parse("email", &format!("{name}@example.com")).expect("an address");
        let account = self.database.database.account_by_email(&email).await.expect("an answer").expect("an account");
        let login = serde_json::json!({ "email": email.as_str(), "password": PASSWORD });
        let tokens = self.anybody().post("/api/v1/auth/login", &login).await.expect(200);
        let token = tokens["accessToken"].as_str().expect("an access token").to_owned();
        Caller { user: Some(account.user.id.uuid()), ..self.caller(Some(token)) }
    }

    /// Accounts as another replica on the same database knows them. It follows the others while
    /// [`follow`](Identity::follow) runs.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn replica(&self) -> Identity {
        let port = Arc::new(self.database.database.clone());
        let (clock, ids): (Arc<dyn Clock>, Arc<dyn Ids>) =
            (Arc::new(self.clock.clone()), Arc::new(SystemIds::default()));
        let started = Identity::start(
            identity_ports(&port, &clock, &ids, BcryptLimits { running: 2, waiting: 100 }),
            IdentitySettings::default(),
        )
        .await;
        started.expect("identity starts")
    }

    /// Writes what is noted for the audit log, and seals what waits, as the program does by itself within seconds.
    ///
    /// # Panics
    /// When the database does not answer.
    pub async fn seal_audit(&self) {
        self.audit.witness.write().await.expect("notes are written");
        let port = Arc::new(self.database.database.clone());
        let ports = AuditPorts {
            seals: port,
            signer: Arc::new(Ed25519Signer),
            sealer: sealer(),
            random: Arc::new(SystemRandom),
            clock: Arc::new(self.clock.clone()),
            ids: self.ids.clone(),
        };
        crate::contract::audit::run(&SealAudit { ports }).await;
    }

    /// Tidies up as the program does by itself, with the times that it has by default.
    ///
    /// # Panics
    /// When the database does not answer.
    pub async fn tidy_up(&self) {
        let port = Arc::new(self.database.database.clone());
        let clock: Arc<dyn Clock> = Arc::new(self.clock.clone());
        let housekeeping = Housekeeping {
            jobs: port.clone(),
            identity: self.identity.clone(),
            catalog: self.catalog.clone(),
            retained: port.clone(),
            kept_for: KeptFor::default(),
            clock: clock.clone(),
        };
        let forget = ForgetAttendees { retained: port, clock, kept_for: TimeDelta::days(366) };
        let handlers: [&dyn JobHandler; 2] = [&housekeeping, &forget];
        for handler in handlers {
            crate::contract::audit::run(handler).await;
        }
    }

    /// Makes mails of what people are to be told of their bookings.
    ///
    /// # Panics
    /// When the database does not answer.
    pub async fn tell_buyers(&self) {
        let (port, tell) = (&self.database.database, self.teller());
        while port.oldest_notices().await.expect("an answer").is_some() {
            crate::contract::audit::run(&tell).await;
        }
    }

    /// Writes the invoices and credit notes that are due.
    ///
    /// # Panics
    /// When the database does not answer.
    pub async fn issue_invoices(&self) {
        let (port, issue) = (&self.database.database, self.issuer());
        while !port.invoices_due(&[], 1).await.expect("an answer").is_empty() {
            crate::contract::audit::run(&issue).await;
        }
    }

    /// Who writes them.
    #[must_use]
    pub fn issuer(&self) -> IssueInvoices {
        let port = Arc::new(self.database.database.clone());
        let clock = Arc::new(self.clock.clone());
        IssueInvoices { store: port.clone(), invoices: port, clock, ids: self.ids.clone() }
    }

    /// Who makes them.
    #[must_use]
    pub fn teller(&self) -> TellBuyers {
        let port = Arc::new(self.database.database.clone());
        let clock: Arc<dyn Clock> = Arc::new(self.clock.clone());
        teller(&port, &clock, &self.ids, &self.desk)
    }

    /// Does the work that is due.
    pub async fn work(&self) {
        while self.worker.work_once().await {}
    }

    /// Does the work that waits, and gives all mails that have come to this address, the oldest first.
    pub async fn mails_to(&self, address: &str) -> Vec<TestMail> {
        self.tell_buyers().await;
        self.work().await;
        let mine = |mail: &ReceivedMail| mail.to.iter().any(|to| to == address);
        self.post.mails().iter().filter(|mail| mine(mail)).map(TestMail::read).collect()
    }

    /// The token in the newest mail to this address.
    ///
    /// # Panics
    /// When there is none.
    pub async fn mailed_token(&self, address: &str) -> String {
        let mail = self.mails_to(address).await.pop().expect("a mail");
        mail.token.expect("a token in the newest mail")
    }

    /// Ends its tasks; the desk carries out what waits.
    pub async fn stop(self) {
        self.cancel.cancel();
        self.desk.close().await;
    }

    fn caller(&self, token: Option<String>) -> Caller {
        Caller { router: self.router.clone(), token, user: None, peer: None }
    }
}

/// A mail as its reader sees it.
#[derive(Clone)]
pub struct TestMail {
    /// Its subject.
    pub subject: String,
    /// Its text form.
    pub text: String,
    /// The token of its link.
    pub token: Option<String>,
    /// What is enclosed, with its names.
    pub enclosed: Vec<(String, Vec<u8>)>,
}

impl fmt::Debug for TestMail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let files: Vec<_> = self.enclosed.iter().map(|(name, bytes)| (name, bytes.len())).collect();
        write!(f, "{:?} {:?} {files:?}", self.subject, self.text)
    }
}

impl TestMail {
    fn read(mail: &ReceivedMail) -> Self {
        let message = mail_parser::MessageParser::default().parse(&mail.data).expect("a mail");
        let text = message.body_text(0).expect("a text form").into_owned();
        let token = text.split_once("#token=").map(|(_, rest)| rest.split_whitespace().next().unwrap_or("").to_owned());
        let file = |part: &mail_parser::MessagePart<'_>| {
            (part.attachment_name().unwrap_or_default().to_owned(), part.contents().to_vec())
        };
        let enclosed = message.attachments().map(file).collect();
        Self { subject: message.subject().unwrap_or_default().to_owned(), text, token, enclosed }
    }
}

fn teller(port: &Arc<Database>, clock: &Arc<dyn Clock>, ids: &Arc<dyn Ids>, desk: &Desk) -> TellBuyers {
    TellBuyers {
        store: port.clone(),
        notices: port.clone(),
        bookings: port.clone(),
        tickets: port.clone(),
        events: port.clone(),
        accounts: port.clone(),
        mails: Arc::new(mails(ids)),
        desk: desk.clone(),
        clock: clock.clone(),
        ids: ids.clone(),
    }
}

fn worker(
    port: &Arc<Database>,
    clock: &Arc<dyn Clock>,
    ids: &Arc<dyn Ids>,
    identity: &Arc<Identity>,
    desk: &Desk,
    (post, enclosures): (&SmtpServer, Arc<dyn Enclosures>),
) -> Worker {
    let url = format!("smtp://{}?tls=none", post.address());
    let smtp = SmtpSettings::parse(&url, Duration::from_secs(5)).expect("the URL of the test's server");
    let settings = MailSettings { from: "shop@example.com".to_owned(), destination: Destination::Smtp(smtp) };
    let mailer = SystemMailer::try_new(&settings).expect("a mailer");
    let send = Arc::new(SendMail {
        mailer: Arc::new(mailer),
        enclosures,
        sealer: sealer(),
        clock: clock.clone(),
        ids: ids.clone(),
        tries_max: 3,
    });
    let of_bookings = MailBuyers { send: send.clone(), desk: desk.clone() };
    let moved = TellMoved { tell: Arc::new(teller(port, clock, ids, desk)) };
    let resets = MailPasswordResets { identity: identity.clone() };
    let erase = EraseAudit { seals: port.clone(), clock: clock.clone() };
    let leave = LeaveWaitingLists { desk: desk.clone(), reads: port.clone(), clock: clock.clone() };
    let handlers: Vec<Arc<dyn JobHandler>> =
        vec![send, Arc::new(of_bookings), Arc::new(moved), Arc::new(resets), Arc::new(erase), Arc::new(leave)];
    Worker::new(port.clone(), clock.clone(), ids.clone(), handlers)
}

fn mails(ids: &Arc<dyn Ids>) -> Mails {
    Mails::new(sealer(), ids.clone(), "https://tickets.example.com")
}

fn sealer() -> Arc<dyn Sealer> {
    Arc::new(AesSealer::try_new(&MasterKey::new([7; 32])).expect("a master key of the right length"))
}

fn identity_ports(
    port: &Arc<Database>,
    clock: &Arc<dyn Clock>,
    ids: &Arc<dyn Ids>,
    hashing: BcryptLimits,
) -> IdentityPorts {
    IdentityPorts {
        store: port.clone(),
        reads: port.clone(),
        clock: clock.clone(),
        ids: ids.clone(),
        hasher: Arc::new(BcryptHasher::weak_for_tests(hashing)),
        tokens: Arc::new(EdDsaTokens),
        codes: Arc::new(TotpCodes),
        sealer: sealer(),
        random: Arc::new(SystemRandom),
        guards: Guards::off(),
        witness: Arc::new(Witness::new(port.clone(), ids.clone(), clock.clone())),
        mails: Arc::new(mails(ids)),
        providers: Vec::new(),
    }
}

fn component(port: &Arc<Database>) -> Component {
    let store: Arc<dyn Store> = port.clone();
    let check = move || {
        let store = store.clone();
        let ping: std::pin::Pin<Box<dyn Future<Output = _> + Send>> =
            Box::pin(async move { store.ping().await.map_err(Into::into) });
        ping
    };
    Component { name: "database", needed: true, check: Box::new(check) }
}

/// Counted anew for each who asks, so that tests need not wait.
fn payment_cases(payments: &Arc<Payments>) -> Figure {
    let payments = payments.clone();
    let count = move || {
        let payments = payments.clone();
        let counted: std::pin::Pin<Box<dyn Future<Output = _> + Send>> =
            Box::pin(async move { payments.count_cases().await });
        counted
    };
    Figure::new("payment_cases", Duration::ZERO, Box::new(count))
}

/// Somebody who sends requests.
#[derive(Clone)]
pub struct Caller {
    router: Router,
    token: Option<String>,
    user: Option<Uuid>,
    peer: Option<IpAddr>,
}

/// What came back.
#[derive(Debug)]
pub struct Reply {
    /// Status.
    pub status: StatusCode,
    /// Headers.
    pub headers: HeaderMap,
    /// The body as text.
    pub text: String,
    /// The body as JSON; null if it is none.
    pub body: Value,
}

impl Reply {
    /// The body, if the status is this one.
    ///
    /// # Panics
    /// With what came instead.
    #[track_caller]
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        self.body
    }

    /// A header, if there is one.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Checks that it is a whole problem with this status and code, and gives its body.
    ///
    /// # Panics
    /// With what came instead.
    #[track_caller]
    pub fn problem(&self, status: u16, code: &str) -> &Value {
        assert_eq!((self.status.as_u16(), &self.body["code"]), (status, &Value::from(code)), "{}", self.text);
        assert_eq!(self.header("content-type"), Some("application/problem+json"));
        assert_eq!(self.body["status"], status);
        assert_eq!(self.body["type"], format!("urn:goticket:problem:{code}"));
        assert_eq!(self.body["correlationId"].as_str(), self.header("x-correlation-id"));
        for member in ["title", "detail"] {
            assert!(self.body[member].as_str().is_some_and(|text| !text.is_empty()), "{}", self.text);
        }
        &self.body
    }
}

impl Caller {
    /// The id of his account.
    ///
    /// # Panics
    /// Where he has none.
    #[must_use]
    pub fn user(&self) -> Uuid {
        self.user.expect("an account")
    }

    /// The same from this address.
    ///
    /// # Panics
    /// When it is none.
    #[must_use]
    pub fn from(&self, address: &str) -> Self {
        Self { peer: Some(address.parse().expect("an address")), ..self.clone() }
    }

    /// His access token.
    #[must_use]
    pub fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// `GET`.
    pub async fn get(&self, path: &str) -> Reply {
        self.send(Method::GET, path, &[], None).await
    }

    /// `POST` with JSON.
    pub async fn post(&self, path: &str, body: &Value) -> Reply {
        self.send(Method::POST, path, &[], Some(body.to_string())).await
    }

    /// `POST` without a body.
    pub async fn act(&self, path: &str) -> Reply {
        self.send(Method::POST, path, &[], None).await
    }

    /// `PUT` with JSON.
    pub async fn put(&self, path: &str, body: &Value) -> Reply {
        self.send(Method::PUT, path, &[], Some(body.to_string())).await
    }

    /// `PATCH` with JSON.
    pub async fn patch(&self, path: &str, body: &Value) -> Reply {
        self.send(Method::PATCH, path, &[], Some(body.to_string())).await
    }

    /// `DELETE`.
    pub async fn delete(&self, path: &str) -> Reply {
        self.send(Method::DELETE, path, &[], None).await
    }

    /// Anything; a body is sent as JSON unless a header says otherwise.
    ///
    /// # Panics
    /// When the request is none, or the answer is not documented.
    pub async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)], body: Option<String>) -> Reply {
        let response = self.stream(method.clone(), path, headers, body).await;
        reply(&method, path, response).await
    }

    /// `POST` with JSON of which only the beginning ever comes.
    ///
    /// # Panics
    /// When the request is none, or the answer is not documented.
    pub async fn send_slowly(&self, path: &str, begin: &'static str) -> Reply {
        let body = Body::from_stream(stream::once(async move { Ok::<_, Infallible>(begin) }).chain(stream::pending()));
        let request = Request::builder().method(Method::POST).uri(path).header("content-type", "application/json");
        let request = request.body(body).expect("a request");
        let response = self.router.clone().oneshot(request).await.expect("the router always answers");
        reply(&Method::POST, path, response).await
    }

    /// Anything, with the body as it comes.
    ///
    /// # Panics
    /// When the request is none.
    pub async fn stream(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<String>,
    ) -> axum::response::Response {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let has_type = headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type"));
        if body.is_some() && !has_type {
            request = request.header("content-type", "application/json");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(peer) = self.peer {
            request = request.extension(Peer(peer));
        }
        let request = request.body(body.map_or_else(Body::empty, Body::from)).expect("a request");
        self.router.clone().oneshot(request).await.expect("the router always answers")
    }
}

/// The whole of an answer, which must be documented.
async fn reply(method: &Method, path: &str, response: axum::response::Response) -> Reply {
    let (parts, body) = response.into_parts();
    let bytes = to_bytes(body, 10_000_000).await.expect("a whole body");
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let body = serde_json::from_slice(&bytes).unwrap_or_default();
    let reply = Reply { status: parts.status, headers: parts.headers, text, body };
    check_documented(method, path, &reply);
    reply
}
