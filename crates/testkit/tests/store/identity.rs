//! Accounts, sessions and access tokens through the use cases, over every storage engine: what several replicas on one
//! database promise together is shown with several `Identity` values on one store.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use adapter_system::{
    AesSealer, BcryptHasher, BcryptLimits, EdDsaTokens, MasterKey, SystemClock, SystemIds, SystemRandom, TotpCodes,
};
use application::audit::Witness;
use application::clock::Clock;
use application::error::AppError;
use application::identity::{Identity, IdentityPorts, IdentitySettings, KeyRingError, NewUser, TokenPair};
use application::mail::Mails;
use application::origin::{Actor, Origin, Principal};
use chrono::TimeDelta;
use domain::identity::{Role, User};
use domain::{Language, Limit, Timestamp};
use futures::future::join_all;
use goticket_testkit::databases::{Engine, TestDatabase};
use secrecy::ExposeSecret;
use sqlx::Connection;
use sqlx::postgres::PgConnection;
use sqlx::sqlite::SqliteConnection;
use tokio_util::sync::CancellationToken;

const PASSWORD: &str = "correct horse battery";

struct MovedClock(Mutex<TimeDelta>);

impl MovedClock {
    fn advance(&self, by: TimeDelta) {
        *self.0.lock().unwrap() += by;
    }
}

impl Clock for MovedClock {
    fn now(&self) -> Timestamp {
        SystemClock.now() + *self.0.lock().unwrap()
    }
}

/// One database, and what its replicas share besides.
struct World {
    database: TestDatabase,
    clock: Arc<MovedClock>,
    key: MasterKey,
}

impl World {
    async fn new(engine: Engine) -> Self {
        let clock = Arc::new(MovedClock(Mutex::default()));
        Self { database: TestDatabase::create(engine).await, clock, key: MasterKey::new([7; 32]) }
    }

    fn ports(&self, key: &MasterKey) -> IdentityPorts {
        let (port, ids) = (Arc::new(self.database.database.clone()), Arc::new(SystemIds::default()));
        IdentityPorts {
            witness: Arc::new(Witness::new(port.clone(), ids.clone(), self.clock.clone())),
            store: port.clone(),
            reads: port,
            clock: self.clock.clone(),
            ids,
            hasher: Arc::new(BcryptHasher::weak_for_tests(BcryptLimits { running: 4, waiting: 1000 })),
            tokens: Arc::new(EdDsaTokens),
            codes: Arc::new(TotpCodes),
            sealer: Arc::new(AesSealer::try_new(key).unwrap()),
            random: Arc::new(SystemRandom),
            guards: application::guard::Guards::off(),
            mails: Arc::new(Mails::new(
                Arc::new(AesSealer::try_new(key).unwrap()),
                Arc::new(SystemIds::default()),
                "https://tickets.example.com",
            )),
            providers: Vec::new(),
        }
    }

    async fn replica_with(&self, settings: IdentitySettings) -> Identity {
        Identity::start(self.ports(&self.key), settings).await.unwrap()
    }

    /// The texts of one column, read behind the back of the program.
    async fn texts(&self, sql: &'static str) -> Vec<String> {
        let url = self.database.settings().url;
        match self.database.engine {
            Engine::Sqlite => {
                let mut connection = SqliteConnection::connect(&url).await.unwrap();
                sqlx::query_scalar(sql).fetch_all(&mut connection).await.unwrap()
            }
            Engine::Postgres => {
                let mut connection = PgConnection::connect(&url).await.unwrap();
                sqlx::query_scalar(sql).fetch_all(&mut connection).await.unwrap()
            }
        }
    }

    async fn replica(&self) -> Identity {
        self.replica_with(IdentitySettings::default()).await
    }
}

/// Each scenario on each engine.
macro_rules! on_every_engine {
    ($($scenario:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $scenario() {
                super::$scenario(super::World::new(super::Engine::Sqlite).await).await;
            })+
        }
        mod postgres {
            $(#[tokio::test]
            async fn $scenario() {
                super::$scenario(super::World::new(super::Engine::Postgres).await).await;
            })+
        }
    };
}

on_every_engine! {
    an_address_makes_one_account_however_it_is_spelt_and_however_many_ask_at_once,
    everything_that_is_wrong_is_told_at_once,
    a_wrong_password_and_an_unknown_address_answer_alike,
    a_token_speaks_of_its_owner_for_fifteen_minutes,
    refresh_tokens_rotate_and_reuse_ends_the_session,
    many_tabs_that_refresh_at_once_all_go_on_and_one_of_them_wins,
    a_lost_answer_is_repaired_for_ten_seconds_only,
    a_logout_counts_here_at_once_and_elsewhere_within_a_second,
    a_new_role_counts_here_at_once_and_elsewhere_within_a_second,
    of_two_admins_that_demote_each_other_at_once_one_stays,
    a_buyer_becomes_an_organizer_only_where_everybody_may,
    replicas_that_start_at_once_share_one_key_and_accept_each_others_tokens,
    another_master_key_is_told_from_the_right_one,
    after_a_rotation_old_tokens_hold_until_they_expire_and_new_ones_hold_everywhere_at_once,
    accounts_are_listed_to_admins_page_by_page,
    demo_accounts_are_made_only_on_a_demo_and_their_tokens_hold_only_there,
    sessions_that_are_long_over_are_deleted,
    every_change_is_journalled_without_personal_data,
    following_survives_a_database_that_cuts_its_connections,
    a_hash_of_less_work_is_replaced_at_the_next_sign_in,
    signing_keys_lie_sealed,
}

fn origin() -> Origin {
    Origin { actor: Actor::Anonymous, correlation_id: "test".into(), traceparent: None, address: None }
}

fn new_user(email: &str) -> NewUser<'_> {
    NewUser { email, password: PASSWORD, name: Some("Ana") }
}

async fn make(identity: &Identity, email: &str, role: Role) -> (User, Principal, TokenPair) {
    let user = identity.create_user(new_user(email), role, &origin()).await.unwrap();
    let pair = identity.login(email, PASSWORD, &origin()).await.unwrap().tokens().unwrap();
    let principal = identity.authenticate(pair.access_token.expose_secret()).await.unwrap();
    (user, principal, pair)
}

async fn who(identity: &Identity, pair: &TokenPair) -> Result<Principal, AppError> {
    identity.authenticate(pair.access_token.expose_secret()).await
}

async fn refresh(identity: &Identity, pair: &TokenPair) -> Result<TokenPair, AppError> {
    identity.refresh(pair.refresh_token.expose_secret(), &origin()).await
}

fn code<T>(result: &Result<T, AppError>) -> &'static str {
    result.as_ref().err().map_or("ok", AppError::code)
}

async fn an_address_makes_one_account_however_it_is_spelt_and_however_many_ask_at_once(world: World) {
    let identity = world.replica().await;
    let spellings = ["ana@example.com", "ANA@example.com", " ana@EXAMPLE.com "];
    let (requests, from) = (30, origin());
    let answers =
        join_all((0..requests).map(|i| identity.register(new_user(spellings[i % 3]), Language::English, &from))).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
    assert!(answers.iter().all(|answer| ["ok", "already_exists"].contains(&code(answer))));
}

async fn everything_that_is_wrong_is_told_at_once(world: World) {
    let identity = world.replica().await;
    let wrong = NewUser { email: "nobody", password: "short", name: Some("a\nb") };
    let error = identity.register(wrong, Language::English, &origin()).await.unwrap_err();
    let told: Vec<_> = error.fields().iter().map(|problem| (problem.field.as_str(), problem.code)).collect();
    assert_eq!(told, [("email", "invalid_email"), ("password", "too_short"), ("name", "invalid_characters")]);
}

async fn a_wrong_password_and_an_unknown_address_answer_alike(world: World) {
    let identity = world.replica().await;
    make(&identity, "ana@example.com", Role::User).await;
    for (email, password) in
        [("ana@example.com", "wrong password"), ("bob@example.com", PASSWORD), ("ana@example.com", ""), ("x", PASSWORD)]
    {
        let error = identity.login(email, password, &origin()).await.unwrap_err();
        assert!(matches!(error, AppError::BadCredentials), "{email} {password}");
    }
}

async fn a_token_speaks_of_its_owner_for_fifteen_minutes(world: World) {
    let identity = world.replica().await;
    let (user, principal, pair) = make(&identity, "ana@example.com", Role::Organizer).await;
    assert_eq!((principal.user, principal.role, pair.expires_in_secs), (user.id, Role::Organizer, 900));
    assert_eq!(identity.me(&principal).await.unwrap(), user);
    world.clock.advance(TimeDelta::seconds(890));
    assert!(who(&identity, &pair).await.is_ok());
    world.clock.advance(TimeDelta::seconds(10));
    assert_eq!(code(&who(&identity, &pair).await), "unauthenticated");
    assert_eq!(code(&identity.authenticate(pair.refresh_token.expose_secret()).await), "unauthenticated");
}

async fn refresh_tokens_rotate_and_reuse_ends_the_session(world: World) {
    let identity = world.replica().await;
    let (_, _, first) = make(&identity, "ana@example.com", Role::User).await;
    let second = refresh(&identity, &first).await.unwrap();
    let third = refresh(&identity, &second).await.unwrap();
    assert!(who(&identity, &third).await.is_ok());
    assert_eq!(code(&refresh(&identity, &first).await), "unauthenticated");
    for pair in [&first, &second, &third] {
        assert_eq!(code(&refresh(&identity, pair).await), "unauthenticated");
        assert_eq!(code(&who(&identity, pair).await), "unauthenticated");
    }
    assert_eq!(code(&identity.refresh("rubbish", &origin()).await), "unauthenticated");
}

async fn many_tabs_that_refresh_at_once_all_go_on_and_one_of_them_wins(world: World) {
    let identity = world.replica().await;
    let (_, _, first) = make(&identity, "ana@example.com", Role::User).await;
    let pairs: Vec<_> =
        join_all((0..20).map(|_| refresh(&identity, &first))).await.into_iter().map(Result::unwrap).collect();
    assert!(refresh(&identity, &pairs[7]).await.is_ok());
    world.clock.advance(TimeDelta::seconds(11));
    assert_eq!(code(&refresh(&identity, &pairs[8]).await), "unauthenticated");
    assert_eq!(code(&who(&identity, &pairs[7]).await), "unauthenticated");
}

async fn a_lost_answer_is_repaired_for_ten_seconds_only(world: World) {
    let identity = world.replica().await;
    let (_, _, first) = make(&identity, "ana@example.com", Role::User).await;
    refresh(&identity, &first).await.unwrap();
    world.clock.advance(TimeDelta::seconds(9));
    refresh(&identity, &first).await.unwrap();
    world.clock.advance(TimeDelta::seconds(2));
    assert_eq!(code(&refresh(&identity, &first).await), "unauthenticated");
}

/// Two replicas that follow each other until the test ends.
async fn two_replicas(world: &World, settings: IdentitySettings) -> (Arc<Identity>, Arc<Identity>, CancellationToken) {
    let cancel = CancellationToken::new();
    let mut replicas = Vec::new();
    for _ in 0..2 {
        let replica = Arc::new(world.replica_with(settings.clone()).await);
        let (follower, stop) = (Arc::clone(&replica), cancel.clone());
        tokio::spawn(async move { follower.follow(stop).await });
        replicas.push(replica);
    }
    (replicas.remove(0), replicas.remove(0), cancel)
}

/// Waits for what is promised within a second, with room for a busy machine.
async fn eventually<F: Future<Output = bool>>(check: impl Fn() -> F, what: &str) {
    for _ in 0..100 {
        if check().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("not within five seconds: {what}");
}

async fn a_logout_counts_here_at_once_and_elsewhere_within_a_second(world: World) {
    let (here, there, cancel) = two_replicas(&world, IdentitySettings::default()).await;
    let (_, principal, pair) = make(&here, "ana@example.com", Role::User).await;
    let other_session = here.login("ana@example.com", PASSWORD, &origin()).await.unwrap().tokens().unwrap();
    assert_eq!(who(&there, &pair).await.unwrap(), principal);
    here.logout(&principal, &origin()).await.unwrap();
    assert_eq!(code(&who(&here, &pair).await), "unauthenticated");
    assert_eq!(code(&refresh(&there, &pair).await), "unauthenticated");
    eventually(|| async { who(&there, &pair).await.is_err() }, "the token is refused").await;
    here.logout(&principal, &origin()).await.unwrap();
    assert!(who(&here, &other_session).await.is_ok() && who(&there, &other_session).await.is_ok());
    let restarted = world.replica().await;
    assert_eq!(code(&who(&restarted, &pair).await), "unauthenticated");
    cancel.cancel();
}

async fn a_new_role_counts_here_at_once_and_elsewhere_within_a_second(world: World) {
    let (here, there, cancel) = two_replicas(&world, IdentitySettings::default()).await;
    let (_, admin, _) = make(&here, "admin@example.com", Role::Admin).await;
    let (user, principal, pair) = make(&here, "ana@example.com", Role::User).await;
    assert_eq!(code(&here.change_role(&principal, user.id, Role::Admin, &origin()).await), "forbidden");
    let changed = here.change_role(&admin, user.id, Role::Organizer, &origin()).await.unwrap();
    assert_eq!((changed.role, changed.version), (Role::Organizer, 2));
    assert_eq!(here.change_role(&admin, user.id, Role::Organizer, &origin()).await.unwrap(), changed);
    assert_eq!(who(&here, &pair).await.unwrap().role, Role::Organizer);
    eventually(|| async { who(&there, &pair).await.unwrap().role == Role::Organizer }, "the new role").await;
    let gone = domain::UserId::new(uuid::Uuid::from_u128(1));
    assert_eq!(code(&here.change_role(&admin, gone, Role::User, &origin()).await), "not_found");
    cancel.cancel();
}

async fn of_two_admins_that_demote_each_other_at_once_one_stays(world: World) {
    let identity = world.replica().await;
    let (ana, as_ana, _) = make(&identity, "ana@example.com", Role::Admin).await;
    let (bob, as_bob, _) = make(&identity, "bob@example.com", Role::Admin).await;
    let from = origin();
    let (one, other) = tokio::join!(
        identity.change_role(&as_ana, bob.id, Role::User, &from),
        identity.change_role(&as_bob, ana.id, Role::User, &from),
    );
    assert!(one.is_ok() != other.is_ok(), "{one:?} {other:?}");
    let (left, as_left) = if one.is_ok() { (ana, as_ana) } else { (bob, as_bob) };
    assert_eq!(code(&identity.change_role(&as_left, left.id, Role::User, &from).await), "invalid_state");
}

async fn a_buyer_becomes_an_organizer_only_where_everybody_may(world: World) {
    for may in [false, true] {
        let settings = IdentitySettings { self_service_organizers: may, ..IdentitySettings::default() };
        let identity = world.replica_with(settings).await;
        let (user, _, pair) = make(&identity, &format!("ana-{may}@example.com"), Role::User).await;
        let ports = world.ports(&world.key);
        let mut uow = ports.store.begin().await.unwrap();
        let result = identity.ensure_organizer_in_op(uow.as_mut(), user.id, &origin()).await;
        assert_eq!(code(&result), if may { "ok" } else { "forbidden" });
        if let Ok(Some(changed)) = result {
            uow.commit().await.unwrap();
            identity.role_changed(changed);
            assert_eq!(who(&identity, &pair).await.unwrap().role, Role::Organizer);
            let mut uow = ports.store.begin().await.unwrap();
            assert_eq!(identity.ensure_organizer_in_op(uow.as_mut(), user.id, &origin()).await.unwrap(), None);
        }
    }
}

async fn replicas_that_start_at_once_share_one_key_and_accept_each_others_tokens(world: World) {
    let replicas = join_all((0..8).map(|_| world.replica())).await;
    let keys = replicas[0].public_keys();
    assert_eq!(keys.len(), 1);
    assert!(replicas.iter().all(|replica| replica.public_keys() == keys));
    let (_, principal, pair) = make(&replicas[0], "ana@example.com", Role::User).await;
    for replica in &replicas {
        assert_eq!(who(replica, &pair).await.unwrap(), principal);
    }
}

async fn another_master_key_is_told_from_the_right_one(world: World) {
    world.replica().await;
    let other = Identity::start(world.ports(&MasterKey::new([8; 32])), IdentitySettings::default()).await;
    let error = other.err().unwrap();
    assert!(matches!(error, KeyRingError::OtherMasterKey));
    assert!(error.to_string().contains("secrets.master_key"));
    world.replica().await;
}

async fn after_a_rotation_old_tokens_hold_until_they_expire_and_new_ones_hold_everywhere_at_once(world: World) {
    let (here, there) = (world.replica().await, world.replica().await);
    let (_, _, old) = make(&here, "ana@example.com", Role::User).await;
    let sign_in = async |replica: &Identity| {
        replica.login("ana@example.com", PASSWORD, &origin()).await.unwrap().tokens().unwrap()
    };
    let kid = |pair: &TokenPair| pair.access_token.expose_secret().split('.').next().unwrap().to_owned();
    here.rotate_signing_keys(&origin()).await.unwrap();
    let meanwhile = sign_in(&here).await;
    assert_eq!(kid(&meanwhile), kid(&old), "not before every replica has had the time to read the new key");
    world.clock.advance(TimeDelta::seconds(10));
    let new = sign_in(&world.replica().await).await;
    assert_ne!(kid(&new), kid(&old));
    for pair in [&old, &meanwhile, &new] {
        assert!(who(&here, pair).await.is_ok() && who(&there, pair).await.is_ok());
    }
    assert_eq!((here.public_keys().len(), there.public_keys()), (2, here.public_keys()));
    world.clock.advance(TimeDelta::minutes(20));
    assert_eq!(world.replica().await.public_keys().len(), 1);
}

async fn accounts_are_listed_to_admins_page_by_page(world: World) {
    let identity = world.replica().await;
    let (_, admin, _) = make(&identity, "admin@example.com", Role::Admin).await;
    let (_, user, _) = make(&identity, "user@example.com", Role::User).await;
    for number in 0..3 {
        identity.register(new_user(&format!("u{number}@example.com")), Language::English, &origin()).await.unwrap();
    }
    let limit = Limit::parse(2).unwrap();
    assert_eq!(code(&identity.list_users(&user, None, limit).await), "forbidden");
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = identity.list_users(&admin, after, limit).await.unwrap();
        seen.extend(page.items.into_iter().map(|user| user.id));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert!(seen.len() == 5 && seen.is_sorted());
}

async fn demo_accounts_are_made_only_on_a_demo_and_their_tokens_hold_only_there(world: World) {
    let plain = world.replica().await;
    assert_eq!(code(&plain.make_demo_accounts(1, Role::User, &origin()).await), "forbidden");
    let demo = IdentitySettings { demo_token_ttl: Some(TimeDelta::days(1)), ..IdentitySettings::default() };
    let demo = world.replica_with(demo).await;
    assert_eq!(code(&demo.make_demo_accounts(1, Role::Admin, &origin()).await), "forbidden");
    assert_eq!(code(&demo.make_demo_accounts(100_001, Role::User, &origin()).await), "validation_failed");
    let made = demo.make_demo_accounts(2_500, Role::User, &origin()).await.unwrap();
    assert_eq!(made.len(), 2_500);
    world.clock.advance(TimeDelta::hours(23));
    for account in made.iter().step_by(500) {
        let token = account.access_token.expose_secret();
        assert_eq!(demo.authenticate(token).await.unwrap().user, account.user.id);
        assert_eq!(code(&plain.authenticate(token).await), "unauthenticated");
        let login = demo.login(account.user.email.as_str(), PASSWORD, &origin()).await;
        assert_eq!(code(&login), "unauthenticated");
    }
    let first = demo.authenticate(made[0].access_token.expose_secret()).await.unwrap();
    demo.logout(&first, &origin()).await.unwrap();
    assert_eq!(code(&demo.authenticate(made[0].access_token.expose_secret()).await), "unauthenticated");
}

async fn sessions_that_are_long_over_are_deleted(world: World) {
    let identity = world.replica().await;
    let (_, principal, _) = make(&identity, "ana@example.com", Role::User).await;
    identity.logout(&principal, &origin()).await.unwrap();
    make(&identity, "bob@example.com", Role::User).await;
    assert_eq!(identity.delete_dead_sessions(Limit::default()).await.unwrap(), 0);
    world.clock.advance(TimeDelta::days(2));
    assert_eq!(identity.delete_dead_sessions(Limit::default()).await.unwrap(), 1);
    world.clock.advance(TimeDelta::days(30));
    assert_eq!(identity.delete_dead_sessions(Limit::default()).await.unwrap(), 1);
}

async fn every_change_is_journalled_without_personal_data(world: World) {
    let identity = world.replica().await;
    let (_, admin, _) = make(&identity, "admin@example.com", Role::Admin).await;
    let (user, principal, first) = make(&identity, "ana@example.com", Role::User).await;
    identity.change_role(&admin, user.id, Role::Organizer, &origin()).await.unwrap();
    identity.logout(&principal, &origin()).await.unwrap();
    assert_eq!(code(&refresh(&identity, &first).await), "unauthenticated");
    let kinds = world.texts("SELECT kind FROM outbox ORDER BY id").await;
    let [registered, started, changed, ended] =
        ["user.registered", "session.started", "user.role_changed", "session.ended"];
    let happened = [registered, started, registered, started, changed, ended];
    assert_eq!(kinds, happened.map(|what| format!("goticket.{what}.v1")));
    assert_eq!(world.texts("SELECT action FROM audit_log ORDER BY id").await, happened);
    for sql in [
        "SELECT data FROM outbox",
        "SELECT before_state FROM audit_log WHERE before_state IS NOT NULL",
        "SELECT after_state FROM audit_log WHERE after_state IS NOT NULL",
    ] {
        let texts = world.texts(sql).await;
        assert!(texts.iter().all(|text| !text.contains("example.com") && !text.contains("Ana")), "{texts:?}");
    }
}

async fn following_survives_a_database_that_cuts_its_connections(world: World) {
    let (here, there, cancel) = two_replicas(&world, IdentitySettings::default()).await;
    let (_, principal, pair) = make(&here, "ana@example.com", Role::User).await;
    assert!(who(&there, &pair).await.is_ok());
    for _ in 0..3 {
        world.database.cut_connections().await;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let mut tries = 0;
    while here.logout(&principal, &origin()).await.is_err() {
        tries += 1;
        assert!(tries < 20, "the pool gets new connections");
    }
    eventually(|| async { who(&there, &pair).await.is_err() }, "the token is refused").await;
    cancel.cancel();
}

async fn a_hash_of_less_work_is_replaced_at_the_next_sign_in(world: World) {
    let weak = world.replica().await;
    make(&weak, "ana@example.com", Role::User).await;
    let strong = Arc::new(BcryptHasher::try_new(12, BcryptLimits::default()).unwrap());
    let ports = IdentityPorts { hasher: strong, ..world.ports(&world.key) };
    let strong = Identity::start(ports, IdentitySettings::default()).await.unwrap();
    let hash = async || world.texts("SELECT password_hash FROM users").await.remove(0);
    assert_eq!(code(&strong.login("ana@example.com", "wrong password", &origin()).await), "unauthenticated");
    assert!(hash().await.starts_with("$2b$04$"));
    strong.login("ana@example.com", PASSWORD, &origin()).await.unwrap().tokens().unwrap();
    assert!(hash().await.starts_with("$2b$12$"));
    strong.login("ana@example.com", PASSWORD, &origin()).await.unwrap().tokens().unwrap();
}

async fn signing_keys_lie_sealed(world: World) {
    world.replica().await;
    let hex = match world.database.engine {
        Engine::Sqlite => "SELECT lower(hex(sealed_private_key)) FROM signing_keys",
        Engine::Postgres => "SELECT encode(sealed_private_key, 'hex') FROM signing_keys",
    };
    let keys = world.texts(hex).await;
    // Every Ed25519 key in PKCS#8 bears the id of the algorithm: 1.3.101.112.
    assert!(keys.len() == 1 && keys[0].len() > 64 && !keys[0].contains("06032b6570"));
}
