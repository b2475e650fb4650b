//! Credentials that nobody has issued, against the whole of what reads them: bearer tokens, API keys, refresh tokens,
//! mailed tokens, invitations and CSRF tokens. Whatever is sent, it is refused as what it is not, and nothing panics.
//!
//! Each property is tried a few hundred times here, and a million times by `make fuzz`.

use std::sync::LazyLock;

use application::access::Agent;
use application::error::AppError;
use application::origin::{Actor, Origin, Principal};
use domain::SessionId;
use domain::identity::Role;
use goticket_testkit::app::{PASSWORD, TestApp};
use goticket_testkit::databases::Engine;
use proptest::prelude::*;
use secrecy::ExposeSecret;
use serde_json::json;
use tokio::runtime::Runtime;
use uuid::Uuid;

/// One application for all cases: nothing that they send changes it.
struct Stage {
    runtime: Runtime,
    app: TestApp,
    token: String,
    refresh_token: String,
    principal: Principal,
}

static STAGE: LazyLock<Stage> = LazyLock::new(|| {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (app, token, refresh_token, principal) = runtime.block_on(async {
        let app = TestApp::start(Engine::Sqlite).await;
        let token = app.account("somebody", Role::User).await.token().unwrap().to_owned();
        let principal = app.identity.authenticate(&token).await.unwrap();
        let login = json!({ "email": "somebody@example.com", "password": PASSWORD });
        let tokens = app.anybody().post("/api/v1/auth/login", &login).await.expect(200);
        (app, token, tokens["refreshToken"].as_str().unwrap().to_owned(), principal)
    });
    Stage { runtime, app, token, refresh_token, principal }
});

/// What might pass for a credential: any text, and texts of the right length and characters. Few of the latter, because
/// each of them is looked up.
fn forged() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => any::<String>(),
        4 => "[A-Za-z0-9_.=-]{0,60}",
        1 => "[A-Za-z0-9_-]{43}",
        1 => "[A-Za-z0-9_-]{43}\\.[A-Za-z0-9_=-]{0,90}",
        1 => "gtk_[A-Za-z0-9_-]{43}",
        2 => "gtk_[ -~]{0,50}",
        2 => "eyJ[A-Za-z0-9_-]{10,30}\\.eyJ[A-Za-z0-9_-]{10,30}\\.[A-Za-z0-9_-]{0,90}",
    ]
}

proptest! {
    #[test]
    fn no_forged_bearer_token_is_anybody(text in forged(), at in any::<prop::sample::Index>(), byte in b' '..=b'~') {
        let Stage { runtime, app, token, principal, .. } = &*STAGE;
        let identify = |text: &str| runtime.block_on(app.identity.identify(text));
        prop_assert!(matches!(identify(&text), Err(AppError::Unauthenticated)), "{text:?}");
        let mut changed = token.clone().into_bytes();
        let at = at.index(changed.len());
        let is_changed = std::mem::replace(&mut changed[at], byte) != byte;
        let changed = String::from_utf8(changed).unwrap();
        match identify(&changed) {
            Ok(Agent::Account(found)) => prop_assert!(!is_changed && found == *principal),
            Ok(_) => prop_assert!(false, "{changed} is somebody else"),
            Err(error) => prop_assert!(is_changed && matches!(error, AppError::Unauthenticated)),
        }
    }

    /// Nor is it taken for one of ours, or one of ours that was touched behind its dot, where it says whose it is.
    #[test]
    fn no_forged_refresh_token_goes_on(text in forged(), at in any::<prop::sample::Index>(), byte in b' '..=b'~') {
        let Stage { runtime, app, refresh_token, principal, .. } = &*STAGE;
        let refresh = |text: &str| runtime.block_on(app.identity.refresh(text, &Origin::system("test")));
        prop_assert!(matches!(refresh(&text), Err(AppError::Unauthenticated)), "{text:?}");
        prop_assert_eq!(app.identity.recognise_refresh(&text), None, "{:?}", text);
        let (random, _) = refresh_token.split_once('.').unwrap();
        let mut changed = refresh_token.clone().into_bytes();
        let at = at.index(changed.len());
        changed[at] = byte;
        let changed = String::from_utf8(changed).unwrap();
        let recognised = app.identity.recognise_refresh(&changed);
        if changed == *refresh_token {
            prop_assert_eq!(recognised, Some(Actor::User(principal.user)));
        } else {
            prop_assert!(matches!(refresh(&changed), Err(AppError::Unauthenticated)), "{changed}");
            prop_assert!(at < random.len() || recognised.is_none(), "{changed}");
        }
    }

    #[test]
    fn no_forged_mailed_token_does_anything(text in forged()) {
        let Stage { runtime, app, principal, .. } = &*STAGE;
        let origin = Origin::system("test");
        let agent = Agent::Account(*principal);
        let refusals = runtime.block_on(async {
            [
                app.identity.verify_email(&text, &origin).await.err(),
                app.identity.agree_to_email_change(&text, &origin).await.err(),
                app.catalog.accept_invitation(&agent, &text, &origin).await.err(),
            ]
        });
        for refusal in refusals {
            prop_assert!(matches!(refusal, Some(AppError::Validation(_))), "{text:?}: {refusal:?}");
        }
    }

    #[test]
    fn a_csrf_token_is_of_its_session_alone(
        session in any::<u128>(),
        other in any::<u128>(),
        text in forged(),
        at in any::<prop::sample::Index>(),
        byte in b' '..=b'~',
    ) {
        let identity = &STAGE.app.identity;
        let [session, other] = [session, other].map(|id| SessionId::new(Uuid::from_u128(id)));
        let token = identity.csrf_token(session).unwrap().expose_secret().to_owned();
        prop_assert!(identity.csrf_holds(&token, session));
        prop_assert!(session == other || !identity.csrf_holds(&token, other));
        prop_assert!(!identity.csrf_holds(&text, session), "{text:?}");
        let mut changed = token.clone().into_bytes();
        let at = at.index(changed.len());
        changed[at] = byte;
        let changed = String::from_utf8(changed).unwrap();
        prop_assert!(changed == token || !identity.csrf_holds(&changed, session), "{changed}");
    }
}
