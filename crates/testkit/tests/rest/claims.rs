//! What who registered the address of somebody else left behind lets nobody in once its owner comes.

use std::time::Duration;

use axum::http::StatusCode;
use domain::identity::Role;
use goticket_testkit::app::{Caller, Reply, TestApp};
use goticket_testkit::databases::Engine;
use rstest::rstest;
use serde_json::json;

use crate::second_factor::reset_password;
use crate::text;

/// The organizer of an account that nobody has verified, and how others act for it.
pub(crate) struct WaysIn {
    organizer: String,
    key: Caller,
    accomplice: Caller,
    invited: Caller,
    invitation: String,
}

impl WaysIn {
    /// Leaves a key, another owner and an open invitation.
    pub(crate) async fn left_by(app: &TestApp, squatter: &Caller) -> Self {
        let made = squatter.post("/api/v1/organizers", &json!({ "name": "Trap" })).await.expect(201);
        let organizer = format!("/api/v1/organizers/{}", text(&made["id"]));
        let key = json!({ "name": "Way in", "scopes": ["events:read", "events:write"] });
        let key = squatter.post(&format!("{organizer}/api-keys"), &key).await.expect(201);
        let mut invitations = vec![];
        for email in ["accomplice@example.com", "invited@example.com"] {
            let wish = json!({ "email": email, "role": "owner" });
            squatter.post(&format!("{organizer}/invitations"), &wish).await.expect(201);
            invitations.push(app.mailed_token(email).await);
        }
        let accomplice = app.account("accomplice", Role::User).await;
        accept(&accomplice, &invitations[0]).await.expect(200);
        let shown = accomplice.get("/api/v1/auth/me").await.expect(200);
        assert_eq!(shown["emailVerified"], true, "to have the token of a mail is to read it");
        let ways = Self {
            organizer,
            key: app.bearer(text(&key["secret"])),
            accomplice,
            invited: app.account("invited", Role::User).await,
            invitation: invitations.pop().unwrap(),
        };
        ways.key.get(&ways.organizer).await.expect(200);
        ways.accomplice.get(&format!("{}/members", ways.organizer)).await.expect(200);
        ways
    }

    /// Each of them is shut, and the organizer is its owner's alone, who finds that in its log.
    pub(crate) async fn are_shut_for(&self, owner: &Caller) {
        self.key.get(&self.organizer).await.problem(401, "unauthenticated");
        // What he was is remembered for a moment.
        let gone = async {
            while self.accomplice.get(&self.organizer).await.status != StatusCode::NOT_FOUND {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(5), gone).await.expect("he is a member no more");
        accept(&self.invited, &self.invitation).await.problem(422, "validation_failed");
        let members = owner.get(&format!("{}/members", self.organizer)).await.expect(200);
        let members = members["items"].as_array().unwrap();
        assert_eq!(members.len(), 1);
        let whose = owner.get("/api/v1/auth/me").await.expect(200)["id"].clone();
        assert_eq!((&members[0]["userId"], &members[0]["role"]), (&whose, &json!("owner")));
        let log = owner.get(&format!("{}/audit?limit=100", self.organizer)).await.expect(200);
        let actions: Vec<_> = log["items"].as_array().unwrap().iter().map(|line| text(&line["action"])).collect();
        for action in ["member.left", "invitation.revoked", "api_key.revoked"] {
            assert_eq!(actions.iter().filter(|known| **known == action).count(), 1, "{action} among {actions:?}");
        }
    }
}

async fn accept(caller: &Caller, token: &str) -> Reply {
    caller.post("/api/v1/invitations/accept", &json!({ "token": token })).await
}

#[rstest]
#[case(Engine::Sqlite)]
#[case(Engine::Postgres)]
#[tokio::test]
async fn a_reset_shuts_what_was_opened_before_the_mails_were_read(#[case] engine: Engine) {
    let app = TestApp::start(engine).await;
    let squatter = app.account("ana", Role::Organizer).await;
    let ways = WaysIn::left_by(&app, &squatter).await;
    reset_password(&app, "ana@example.com").await;
    ways.are_shut_for(&app.sign_in("ana").await).await;
    app.stop().await;
}

/// Who has verified his address has chosen himself whom he lets in.
#[tokio::test]
async fn a_reset_of_a_verified_account_leaves_its_organizer_alone() {
    let app = TestApp::start(Engine::Sqlite).await;
    let ana = app.account("ana", Role::Organizer).await;
    let ways = WaysIn::left_by(&app, &ana).await;
    ana.act("/api/v1/auth/email/verification").await.expect(202);
    let token = app.mailed_token("ana@example.com").await;
    app.anybody().post("/api/v1/auth/email/verify", &json!({ "token": token })).await.expect(200);
    reset_password(&app, "ana@example.com").await;
    ana.get("/api/v1/auth/me").await.problem(401, "unauthenticated");
    ways.key.get(&ways.organizer).await.expect(200);
    ways.accomplice.get(&ways.organizer).await.expect(200);
    accept(&ways.invited, &ways.invitation).await.expect(200);
    app.stop().await;
}
