//! The master key is replaced: two keys are known for a while, everything is sealed anew, and the old one opens nothing.

use std::sync::Arc;

use adapter_sql::Database;
use adapter_system::{
    AesSealer, BcryptHasher, BcryptLimits, Ed25519Signer, EdDsaTokens, MasterKey, SystemIds, SystemRandom, TotpCodes,
};
use application::admission::{
    AdmissionStore, IssuerAccount, KEY_PURPOSE, PASS_KEY_PURPOSE, PassIssuer, StoredTicketKey,
};
use application::audit::Witness;
use application::audit::{AuditPorts, SealAudit, VerifyAudit};
use application::clock::Clock;
use application::identity::{
    Identity, IdentityPorts, IdentitySettings, KeyRingError, NewUser, Rewrap, Rewrapped, SEALED, Sealer,
};
use application::mail::{MailContent, Mails};
use application::origin::{Origin, Principal};
use application::store::Store;
use domain::identity::Role;
use domain::{Language, PassIssuerId, SigningKeyId};
use goticket_testkit::clock::TestClock;
use goticket_testkit::contract::audit::run;
use goticket_testkit::contract::fixture::{id, now, stored_concert, stored_organizer};
use goticket_testkit::databases::{Engine, TestDatabase};
use goticket_testkit::phone::Phone;
use secrecy::ExposeSecret;

fn sealer(now: u8, before: Option<u8>) -> Arc<dyn Sealer> {
    let sealer = AesSealer::try_new(&MasterKey::new([now; 32])).unwrap();
    let key = |byte| MasterKey::new([byte; 32]);
    Arc::new(match before {
        Some(before) => sealer.with_previous(&key(before)).unwrap(),
        None => sealer,
    })
}

async fn identity(database: &Database, sealer: Arc<dyn Sealer>) -> Result<Identity, KeyRingError> {
    let (port, ids) = (Arc::new(database.clone()), Arc::new(SystemIds::default()));
    let clock = Arc::new(TestClock::default());
    let ports = IdentityPorts {
        witness: Arc::new(Witness::new(port.clone(), ids.clone(), clock.clone())),
        store: port.clone(),
        reads: port,
        clock,
        ids: ids.clone(),
        hasher: Arc::new(BcryptHasher::weak_for_tests(BcryptLimits { running: 1, waiting: 10 })),
        tokens: Arc::new(EdDsaTokens),
        codes: Arc::new(TotpCodes),
        sealer: sealer.clone(),
        random: Arc::new(SystemRandom),
        guards: application::guard::Guards::off(),
        mails: Arc::new(Mails::new(sealer, ids, "https://tickets.example.com")),
        providers: Vec::new(),
    };
    Identity::start(ports, IdentitySettings::default()).await
}

/// Makes a value in every column that is sealed.
async fn fill(database: &Database, sealer: &Arc<dyn Sealer>) -> (Principal, Phone) {
    let identity = identity(database, sealer.clone()).await.unwrap();
    let new = NewUser { email: "ana@example.com", password: "correct horse battery", name: None };
    identity.register(new, Language::English, &Origin::system("test")).await.unwrap();
    identity.forgot_password("ana@example.com", &Origin::system("test")).await.unwrap();
    identity.create_user(NewUser { email: "b@example.com", ..new }, Role::User, &Origin::system("test")).await.unwrap();
    let ports = AuditPorts {
        seals: Arc::new(database.clone()),
        signer: Arc::new(Ed25519Signer),
        sealer: sealer.clone(),
        random: Arc::new(SystemRandom),
        clock: Arc::new(TestClock::default()),
        ids: Arc::new(SystemIds::default()),
    };
    run(&SealAudit { ports }).await;
    let pair = identity.login("b@example.com", new.password, &Origin::system("test")).await.unwrap().tokens().unwrap();
    let principal = identity.authenticate(pair.access_token.expose_secret()).await.unwrap();
    let made = identity.enrol_second_factor(&principal, Some(new.password), &Origin::system("test")).await.unwrap();
    (principal, Phone::of(made.secret.expose_secret()))
}

/// A mail about a booking, and what passes are signed with.
async fn fill_later_ones(db: &TestDatabase, sealer: &Arc<dyn Sealer>) {
    let ids = Arc::new(SystemIds::default());
    let mails = Mails::new(sealer.clone(), ids, "https://tickets.example.com");
    let to = domain::EmailAddress::parse("email", "b@example.com").unwrap();
    let content = MailContent::OtherPaidBack { event: "Gala".to_owned(), reference: "K7P3X9".to_owned() };
    let account = IssuerAccount::Google { issuer: "33".to_owned(), service_account: "a@example.com".to_owned() };
    let issuer = PassIssuer {
        id: PassIssuerId::new(id()),
        organizer: stored_organizer(db).await.0.id,
        account,
        sealed_private_key: sealer.seal(PASS_KEY_PURPOSE, b"private key").unwrap(),
        changed_at: now(),
    };
    let mut unit = db.database.begin().await.unwrap();
    mails.tell_in_op(unit.as_mut(), &to, Language::English, content, None, (now(), now())).await.unwrap();
    unit.save_pass_issuer(&issuer).await.unwrap();
    unit.commit().await.unwrap();
}

/// The key of an event.
async fn fill_ticket_key(db: &TestDatabase, sealer: &Arc<dyn Sealer>) {
    let sale = stored_concert(db, None, None).await;
    let key = StoredTicketKey {
        id: SigningKeyId::new(id()),
        event: sale.event.id,
        number: 1,
        public_key: [7; 32],
        sealed_private_key: sealer.seal(KEY_PURPOSE, b"private key").unwrap(),
        created_at: now(),
    };
    assert!(db.database.insert_ticket_key(&key).await.unwrap());
}

async fn rewrap(database: &Database, sealer: Arc<dyn Sealer>) -> Rewrapped {
    Rewrap { values: Arc::new(database.clone()), sealer }.run().await.unwrap()
}

async fn everything_moves_to_the_new_key(engine: Engine) {
    let db = TestDatabase::create(engine).await;
    let (old, both, new) = (sealer(1, None), sealer(2, Some(1)), sealer(2, None));
    let (principal, phone) = fill(&db.database, &old).await;
    fill_ticket_key(&db, &old).await;
    fill_later_ones(&db, &old).await;
    assert!(matches!(identity(&db.database, new.clone()).await, Err(KeyRingError::OtherMasterKey)));
    identity(&db.database, both.clone()).await.unwrap();
    identity(&db.database, sealer(1, Some(2))).await.unwrap();
    let columns = SEALED.len() as u64;
    let done = rewrap(&db.database, both.clone()).await;
    assert_eq!(done, Rewrapped { rewrapped: columns, current: 0, unopened: 0 }, "each column had a value");
    let again = rewrap(&db.database, both).await;
    assert_eq!(again, Rewrapped { rewrapped: 0, current: columns, unopened: 0 });
    assert_eq!(rewrap(&db.database, new.clone()).await, again, "the new key alone opens all of it");
    let renewed = identity(&db.database, new.clone()).await.unwrap();
    let trails = Arc::new(db.database.clone());
    let verification = VerifyAudit { trails, signer: Arc::new(Ed25519Signer), sealer: new };
    assert_eq!(verification.verify(None).await.unwrap().findings, []);
    assert!(matches!(identity(&db.database, old.clone()).await, Err(KeyRingError::OtherMasterKey)));
    let lost = rewrap(&db.database, old).await;
    assert_eq!(lost, Rewrapped { rewrapped: 0, current: 0, unopened: columns });
    // What was moved is what it was.
    let code = phone.at(TestClock::default().now());
    renewed.confirm_second_factor(&principal, &code, &Origin::system("test")).await.unwrap();
}

#[tokio::test]
async fn everything_moves_to_the_new_key_on_sqlite() {
    everything_moves_to_the_new_key(Engine::Sqlite).await;
}

#[tokio::test]
async fn everything_moves_to_the_new_key_on_postgres() {
    everything_moves_to_the_new_key(Engine::Postgres).await;
}

/// A column whose name says that it is sealed is in the registry.
#[test]
fn sealed_columns_are_registered() {
    let schema = include_str!("../../../../docs/privacy.md");
    for name in schema.split('`').filter(|word| word.starts_with("sealed") && *word != "sealed_at") {
        assert!(SEALED.iter().any(|column| column.column == name), "{name} is in no line of SEALED");
    }
}
