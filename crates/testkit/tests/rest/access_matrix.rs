//! Who gets what: every operation of the OpenAPI document, asked by every kind of caller, through the real router.
//!
//! The operations come from the document: one without a row in [`MATRIX`], or a row without an operation, fails. Each cell
//! gets things of its own, so that no answer depends on the one before. To add a route, add its row; where its path has a
//! new parameter or it needs another state of things, say so in [`Scene::things`].
//!
//! The second half is about other tenants: their ids are answered as ids of nothing are, wherever they may stand.

use std::collections::{BTreeMap, BTreeSet};

use application::store::Store;
use axum::http::Method;
use chrono::TimeDelta;
use domain::catalog::{Member, MemberRole, Reach};
use domain::identity::{Role, Scope};
use domain::{EventId, OrganizerId, Timestamp, UserId};
use goticket_testkit::app::{Caller, Reply};
use goticket_testkit::databases::Engine;
use goticket_testkit::world::{World, gala, world};
use serde_json::{Value, json};
use uuid::Uuid;

/// Rows are operations, columns are callers.
///
/// - `nobody` shows nothing; `expired` an access token of the owner that has expired; `revoked` a key that was revoked;
/// - `buyer` has the booking, `other` is another buyer; both are `user` by role;
/// - `scanner`, `manager` and `owner` are members, the first two `user` by role, the owner `organizer`;
/// - `limited` is a manager who is restricted to another event of the organizer;
/// - `foreign` is the owner of another organizer, `admin` an admin;
/// - `e:read` and so on are API keys of the organizer with that scope alone; `fkey` is one of the other organizer with all.
const MATRIX: &str = "
operation           nobody buyer other scanner manager limited owner foreign admin expired revoked e:read e:write b:read b:write c:write fkey
acceptInvitation    401    422   422   422     422     422     422   422     422   401     401     403    403     403    403     403     403
addPool             401    404   404   403     201     404     201   404     201   401     401     403    201     403    403     403     404
addTicketType       401    404   404   403     201     404     201   404     201   401     401     403    201     403    403     403     404
agreeToEmailChange  422    422   422   422     422     422     422   422     422   422     422     422    422     422    422     422     422
archiveEvent        401    404   404   403     200     404     200   404     200   401     401     403    200     403    403     403     404
askForVerification  401    202   202   202     202     202     202   202     202   401     401     403    403     403    403     403     403
cancelBooking       401    200   404   403     200     404     200   404     200   401     401     403    403     403    200     403     404
cancelEvent         401    404   404   403     200     404     200   404     200   401     401     403    200     403    403     403     404
changeEmail         401    422   422   422     422     422     422   422     422   401     401     403    403     403    403     403     403
changeMember        401    404   404   403     403     403     200   404     200   401     401     403    403     403    403     403     404
changePassword      401    422   422   422     422     422     422   422     422   401     401     403    403     403    403     403     403
changeRole          401    403   403   403     403     403     403   403     200   401     401     403    403     403    403     403     403
checkIn             401    404   404   200     200     404     200   404     200   401     401     403    403     403    403     200     404
createCheckInList   401    404   404   403     201     404     201   404     201   401     401     403    201     403    403     403     404
doorBundle          401    404   404   200     200     404     200   404     200   401     401     403    403     403    403     200     404
listTicketKeys      401    404   404   200     200     404     200   404     200   401     401     403    403     403    403     200     404
rotateTicketKey     401    404   404   403     201     404     201   404     201   401     401     403    201     403    403     403     404
syncCheckIns        401    404   404   200     200     404     200   404     200   401     401     403    403     403    403     200     404
editCheckInList     401    404   404   403     200     404     200   404     200   401     401     403    200     403    403     403     404
exitCheckIn         401    404   404   200     200     404     200   404     200   401     401     403    403     403    403     200     404
getCheckInList      401    404   404   200     200     404     200   404     200   401     401     403    403     403    403     200     404
listCheckInLists    401    404   404   200     200     404     200   404     200   401     401     403    403     403    403     200     404
confirmBooking      401    403   404   403     200     404     200   404     200   401     401     403    403     403    200     403     404
confirmSecondFactor 401    409   409   409     409     409     409   409     409   401     401     403    403     403    403     403     403
createApiKey        401    404   404   403     403     403     201   404     201   401     401     403    403     403    403     403     404
createEvent         401    404   404   403     201     403     201   404     201   401     401     403    201     403    403     403     404
createPromoCode     401    404   404   403     201     404     201   404     201   401     401     403    201     403    403     403     404
createOrganizer     401    403   403   403     403     403     201   201     201   401     401     403    403     403    403     403     403
deleteAccount       401    422   422   422     422     422     422   422     422   401     401     403    403     403    403     403     403
deleteEvent         401    404   404   403     204     404     204   404     204   401     401     403    204     403    403     403     404
editEvent           401    404   404   403     200     404     200   404     200   401     401     403    200     403    403     403     404
editPool            401    404   404   403     200     404     200   404     200   401     401     403    200     403    403     403     404
editTicketType      401    404   404   403     200     404     200   404     200   401     401     403    200     403    403     403     404
editPromoCode       401    404   404   403     200     404     200   404     200   401     401     403    200     403    403     403     404
endOtherSessions    401    204   204   204     204     204     204   204     204   401     401     403    403     403    403     403     403
endSession          401    204   404   404     404     404     404   404     404   401     401     403    403     403    403     403     403
enrolSecondFactor   401    422   422   422     422     422     422   422     422   401     401     403    403     403    403     403     403
eraseGuest          401    404   404   403     403     403     200   404     200   401     401     403    403     403    403     403     404
exportAccount       401    200   200   200     200     200     200   200     200   401     401     403    403     403    403     403     403
exchangeCode        401    401   401   401     401     401     401   401     401   401     401     401    401     401    401     401     401
finishSignIn        404    404   404   404     404     404     404   404     404   404     404     404    404     404    404     404     404
forgotPassword      202    202   202   202     202     202     202   202     202   202     202     202    202     202    202     202     202
getApiKey           401    404   404   403     403     403     200   404     200   401     401     403    403     403    403     403     404
getAvailability     404    404   404   200     200     404     200   404     200   401     401     200    403     403    403     403     404
getBooking          401    200   404   403     200     404     200   404     200   401     401     403    403     200    403     403     404
getCalendar         404    404   404   200     200     404     200   404     200   401     401     200    403     403    403     403     404
getCancellation     401    404   404   403     200     404     200   404     200   401     401     403    403     200    403     403     404
getEvent            404    404   404   200     200     404     200   404     200   401     401     200    403     403    403     403     404
getInvitation       401    404   404   403     403     403     200   404     200   401     401     403    403     403    403     403     404
getInvoice          401    200   404   403     200     404     200   404     200   401     401     403    403     200    403     403     404
getInvoicing        401    404   404   403     200     403     200   404     200   401     401     403    403     200    403     403     404
getMember           401    404   404   403     200     403     200   404     200   401     401     403    403     403    403     403     404
getOrganizer        401    404   404   200     200     200     200   404     200   401     401     200    200     200    200     200     404
getPool             401    404   404   200     200     404     200   404     200   401     401     200    403     403    403     403     404
getPromoCode        401    404   404   403     200     404     200   404     200   401     401     200    403     403    403     403     404
getSecondFactor     401    200   200   200     200     200     200   200     200   401     401     403    403     403    403     403     403
getTicketType       404    404   404   200     200     404     200   404     200   401     401     200    403     403    403     403     404
handOver            401    404   404   403     403     403     200   404     403   401     401     403    403     403    403     403     404
getWaitingListEntry 401    200   404   403     200     404     200   404     200   401     401     403    403     200    403     403     404
health              200    200   200   200     200     200     200   200     200   200     200     200    200     200    200     200     200
holdTickets         401    201   201   201     201     201     201   201     201   401     401     403    403     403    403     403     403
inviteMember        401    404   404   403     403     403     201   404     201   401     401     403    403     403    403     403     404
joinWaitingList     401    201   201   201     201     201     201   201     201   401     401     403    403     403    403     403     403
jwks                200    200   200   200     200     200     200   200     200   200     200     200    200     200    200     200     200
listAudit           401    404   404   403     403     403     200   404     200   401     401     403    403     403    403     403     404
listPlatformAudit   401    403   403   403     403     403     403   403     200   401     401     403    403     403    403     403     403
linkIdentity        401    404   404   404     404     404     404   404     404   401     401     403    403     403    403     403     403
listApiKeys         401    404   404   403     403     403     200   404     200   401     401     403    403     403    403     403     404
listEventBookings   401    404   404   403     200     404     200   404     200   401     401     403    403     200    403     403     404
listEventWaitingList 401   404   404   403     200     404     200   404     200   401     401     403    403     200    403     403     404
listEvents          200    200   200   200     200     200     200   200     200   401     401     200    200     200    200     200     200
listIdentities      401    200   200   200     200     200     200   200     200   401     401     403    403     403    403     403     403
listInvitations     401    404   404   403     403     403     200   404     200   401     401     403    403     403    403     403     404
listInvoices        401    404   404   403     200     403     200   404     200   401     401     403    403     200    403     403     404
listInvoicesOfBooking 401  200   404   403     200     404     200   404     200   401     401     403    403     200    403     403     404
listMembers         401    404   404   403     200     403     200   404     200   401     401     403    403     403    403     403     404
listMyBookings      401    200   200   200     200     200     200   200     200   401     401     403    403     403    403     403     403
listMyWaitingList   401    200   200   200     200     200     200   200     200   401     401     403    403     403    403     403     403
listOrganizers      401    200   200   200     200     200     200   200     200   401     401     200    200     200    200     200     200
listPaymentCases    401    404   404   403     200     403     200   404     200   401     401     403    403     200    403     403     404
listPayments        401    200   404   403     200     404     200   404     200   401     401     403    403     200    403     403     404
listPromoCodes      401    404   404   403     200     404     200   404     200   401     401     200    403     403    403     403     404
listProviders       200    200   200   200     200     200     200   200     200   200     200     200    200     200    200     200     200
listSessions        401    200   200   200     200     200     200   200     200   401     401     403    403     403    403     403     403
listTickets         401    200   404   403     200     404     200   404     200   401     401     403    403     200    403     403     404
listUsers           401    403   403   403     403     403     403   403     200   401     401     403    403     403    403     403     403
liveness            200    200   200   200     200     200     200   200     200   200     200     200    200     200    200     200     200
login               401    401   401   401     401     401     401   401     401   401     401     401    401     401    401     401     401
loginWithCode       401    401   401   401     401     401     401   401     401   401     401     401    401     401    401     401     401
logout              401    204   204   204     204     204     204   204     204   401     401     403    403     403    403     403     403
me                  401    200   200   200     200     200     200   200     200   401     401     403    403     403    403     403     403
pauseEvent          401    404   404   403     200     404     200   404     200   401     401     403    200     403    403     403     404
printInvoice        401    200   404   403     200     404     200   404     200   401     401     403    403     200    403     403     404
printTicket         401    200   404   403     200     404     200   404     200   401     401     403    403     200    403     403     404
publishEvent        401    404   404   403     200     404     200   404     200   401     401     403    200     403    403     403     404
openTicketTypes     422    422   422   422     422     422     422   422     422   401     401     422    422     422    422     422     422
quote               200    200   200   200     200     200     200   200     200   401     401     200    200     200    200     200     200
readiness           200    200   200   200     200     200     200   200     200   200     200     200    200     200    200     200     200
receiveWebhook      404    404   404   404     404     404     404   404     404   404     404     404    404     404    404     404     404
refresh             401    401   401   401     401     401     401   401     401   401     401     401    401     401    401     401     401
refundBooking       401    403   404   403     201     404     201   404     201   401     401     403    403     403    201     403     404
register            201    201   201   201     201     201     201   201     201   201     201     201    201     201    201     201     201
blockTicket         401    403   404   403     200     404     200   404     200   401     401     403    403     403    200     403     404
reissueTicket       401    200   404   403     200     404     200   404     200   401     401     403    403     403    200     403     404
removeMember        401    404   404   403     403     403     204   404     204   401     401     403    403     403    403     403     404
removeSecondFactor  401    422   422   422     422     422     422   422     422   401     401     403    403     403    403     403     403
renewBooking        401    200   404   403     403     404     403   404     403   401     401     403    403     403    403     403     404
renewRecoveryCodes  401    422   422   422     422     422     422   422     422   401     401     403    403     403    403     403     403
resetPassword       422    422   422   422     422     422     422   422     422   422     422     422    422     422    422     422     422
resetSecondFactor   401    403   403   403     403     403     403   403     204   401     401     403    403     403    403     403     403
resumeEvent         401    404   404   403     200     404     200   404     200   401     401     403    200     403    403     403     404
revokeApiKey        401    404   404   403     403     403     204   404     204   401     401     403    403     403    403     403     404
revokeInvitation    401    404   404   403     403     403     204   404     204   401     401     403    403     403    403     403     404
setInvoicing        401    404   404   403     403     403     200   404     200   401     401     403    403     403    403     403     404
showQr              401    200   404   403     200     404     200   404     200   401     401     403    403     200    403     403     404
showQrImage         401    200   404   403     200     404     200   404     200   401     401     403    403     200    403     403     404
getApplePass        401    409   404   403     409     404     409   404     409   401     401     403    403     409    403     403     404
getGooglePass       401    409   404   403     409     404     409   404     409   401     401     403    403     409    403     403     404
listPassIssuers     401    404   404   403     403     403     200   404     200   401     401     403    403     403    403     403     404
setAppleIssuer      401    404   404   403     403     403     422   404     422   401     401     403    403     403    403     403     404
setGoogleIssuer     401    404   404   403     403     403     422   404     422   401     401     403    403     403    403     403     404
removeAppleIssuer   401    404   404   403     403     403     204   404     204   401     401     403    403     403    403     403     404
removeGoogleIssuer  401    404   404   403     403     403     204   404     204   401     401     403    403     403    403     403     404
startPayment        401    422   404   403     403     404     403   404     403   401     401     403    403     403    403     403     404
startSignIn         404    404   404   404     404     404     404   404     404   404     404     404    404     404    404     404     404
transferTicket      401    200   404   403     200     404     200   404     200   401     401     403    403     403    200     403     404
undoCheckIn         401    404   404   403     200     404     200   404     200   401     401     403    403     403    403     403     404
unblockTicket       401    403   404   403     200     404     200   404     200   401     401     403    403     403    200     403     404
unlinkIdentity      401    404   404   404     404     404     404   404     404   401     401     403    403     403    403     403     403
verifyEmail         422    422   422   422     422     422     422   422     422   422     422     422    422     422    422     422     422
watchAvailability   404    404   404   200     200     404     200   404     200   401     401     200    403     403    403     403     404
watchDoor           401    404   404   200     200     404     200   404     200   401     401     403    403     403    403     200     404
webExchangeCode     403    403   403   403     403     403     403   403     403   403     403     403    403     403    403     403     403
webLogin            403    403   403   403     403     403     403   403     403   403     403     403    403     403    403     403     403
webLoginWithCode    403    403   403   403     403     403     403   403     403   403     403     403    403     403    403     403     403
webLogout           401    401   401   401     401     401     401   401     401   401     401     401    401     401    401     401     401
webRefresh          403    403   403   403     403     403     403   403     403   403     403     403    403     403    403     403     403
webSession          401    401   401   401     401     401     401   401     401   401     401     401    401     401    401     401     401
withdrawFromWaitingList 401 200   404   403     200     404     200   404     200   401     401     403    403     403    200     403     404
";

/// The columns, and each row with its statuses.
fn matrix() -> (Vec<&'static str>, BTreeMap<&'static str, Vec<u16>>) {
    let mut lines = MATRIX.lines().filter(|line| !line.is_empty()).map(str::split_whitespace);
    let columns: Vec<&str> = lines.next().unwrap().skip(1).collect();
    let mut rows = BTreeMap::new();
    for mut line in lines {
        let operation = line.next().unwrap();
        let statuses: Vec<u16> = line.map(|status| status.parse().unwrap()).collect();
        assert_eq!(statuses.len(), columns.len(), "{operation}");
        assert_eq!(rows.insert(operation, statuses), None, "{operation} has two rows");
    }
    (columns, rows)
}

/// An operation as the document has it.
struct Operation {
    id: String,
    method: Method,
    path: String,
    has_body: bool,
}

impl Operation {
    /// Its path with these ids in the places of its parameters.
    fn path(&self, ids: &BTreeMap<&str, String>) -> String {
        let path = ids.iter().fold(self.path.clone(), |path, (name, id)| path.replace(&format!("{{{name}}}"), id));
        assert!(!path.contains('{'), "{path}: what is this parameter?");
        path
    }

    async fn send(&self, caller: &Caller, ids: &BTreeMap<&str, String>) -> Reply {
        let body = self.has_body.then(|| body(&self.id, ids).to_string());
        let path = self.path(ids);
        if ["watchAvailability", "watchDoor"].contains(&self.id.as_str()) {
            // The stream does not end: its beginning will do.
            let answer = caller.stream(self.method.clone(), &path, &[], body).await;
            if answer.status() == 200 {
                let (parts, _) = answer.into_parts();
                let (text, body) = Default::default();
                return Reply { status: parts.status, headers: parts.headers, text, body };
            }
            return caller.send(self.method.clone(), &path, &[], None).await;
        }
        caller.send(self.method.clone(), &path, &[], body).await
    }
}

/// All operations of the document.
fn operations() -> Vec<Operation> {
    let document = serde_json::to_value(api_rest::openapi()).unwrap();
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            operations.push(Operation {
                id: operation["operationId"].as_str().unwrap().to_owned(),
                method: method.to_uppercase().parse().unwrap(),
                path: path.clone(),
                has_body: operation.get("requestBody").is_some(),
            });
        }
    }
    operations
}

/// A body that is right.
fn body(operation: &str, ids: &BTreeMap<&str, String>) -> Value {
    let (wrong, token) = ("wrong password", "A".repeat(43));
    match operation {
        "acceptInvitation" | "agreeToEmailChange" | "verifyEmail" => json!({ "token": token }),
        "addPool" => json!({ "name": "Hall", "capacity": 5 }),
        "addTicketType" => json!({ "name": "Seated", "price": 1 }),
        "changeEmail" => json!({ "email": format!("{}@example.com", fresh()), "password": wrong }),
        "changeMember" => json!({ "role": "manager" }),
        "changePassword" => json!({ "currentPassword": wrong, "password": "another long one" }),
        "changeRole" => json!({ "role": "organizer" }),
        "setAppleIssuer" => json!({ "certificate": "none", "intermediateCertificate": "none", "privateKey": "none" }),
        "setGoogleIssuer" => {
            json!({ "issuerId": "1", "serviceAccountEmail": "a@example.com", "privateKey": "none" })
        }
        "createApiKey" => json!({ "name": "Till", "scopes": ["events:read"] }),
        "createEvent" => {
            let mut event = gala(1, 1);
            event["organizerId"] = json!(ids["organizerId"]);
            event
        }
        "createOrganizer" => json!({ "name": "Club" }),
        "syncCheckIns" => json!({ "sentAt": "2027-01-15T08:00:00Z", "scans": [] }),
        "createCheckInList" => json!({ "name": "Backstage" }),
        "createPromoCode" => json!({ "rate": 100_000 }),
        "openTicketTypes" => json!({ "promoCode": "none-such" }),
        "deleteAccount" => json!({ "password": wrong }),
        "refundBooking" => json!({}),
        "startPayment" => json!({ "method": "none" }),
        "eraseGuest" => json!({ "email": "guest@example.com" }),
        "forgotPassword" => json!({ "email": "nobody@example.com" }),
        "loginWithCode" | "webLoginWithCode" => json!({ "challenge": token, "code": "123456" }),
        "enrolSecondFactor" => json!({ "password": wrong }),
        "confirmSecondFactor" => json!({ "code": "123456" }),
        "renewRecoveryCodes" | "removeSecondFactor" => json!({ "password": wrong, "code": "123456" }),
        "exchangeCode" | "webExchangeCode" => json!({ "code": token }),
        "linkIdentity" => json!({ "provider": "nobody" }),
        "handOver" => json!({ "userId": ids["userId"] }),
        "inviteMember" => json!({ "email": format!("{}@example.com", fresh()), "role": "scanner" }),
        "setInvoicing" => {
            json!({ "name": "Club", "addressLines": ["1 Main Street"], "country": "PL", "series": "FV" })
        }
        "checkIn" => json!({ "code": "no code at all" }),
        "transferTicket" => json!({ "name": "Ben" }),
        "login" => json!({ "email": "nobody@example.com", "password": wrong }),
        "resetPassword" => json!({ "token": token, "password": "another long one" }),
        "webLogin" => json!({ "email": "nobody@example.com", "password": wrong }),
        "refresh" => json!({ "refreshToken": "x" }),
        "register" => json!({ "email": format!("{}@example.com", fresh()), "password": "long enough" }),
        _ => json!({}),
    }
}

/// An id of nothing.
fn fresh() -> Uuid {
    goticket_testkit::contract::fixture::id()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// The callers of all columns, and the organizer that they are something to.
struct Scene {
    world: World,
    organizer: String,
    foreign: String,
    callers: BTreeMap<&'static str, Caller>,
}

impl Scene {
    async fn set() -> Self {
        let before = world(Engine::Sqlite).await;
        let expired = before.organizer.clone();
        before.app.clock.step(TimeDelta::minutes(16));
        let app = &before.app;
        let (owner, buyer) = (app.sign_in("organizer").await, app.sign_in("buyer").await);
        let (stranger, admin) = (app.sign_in("stranger").await, app.sign_in("admin").await);
        let world = World { organizer: owner, buyer, stranger, admin, app: before.app };

        let organizer_of = async |owner: &Caller| {
            let made = owner.post("/api/v1/organizers", &json!({ "name": "Club" })).await;
            text(&made.expect(201)["id"])
        };
        let (organizer, foreign) = (organizer_of(&world.organizer).await, organizer_of(&world.stranger).await);
        let elsewhere = text(&world.draft(1, 1).await["id"]);
        let only = Reach::Only([EventId::new(elsewhere.parse().unwrap())].into());
        let all = Scope::ALL.map(Scope::as_str);
        let mut callers = BTreeMap::from([
            ("nobody", world.app.anybody()),
            ("buyer", world.buyer.clone()),
            ("other", world.app.account("other", Role::User).await),
            ("scanner", joined(&world, &organizer, "scanner", MemberRole::Scanner, Reach::All).await),
            ("manager", joined(&world, &organizer, "manager", MemberRole::Manager, Reach::All).await),
            ("limited", joined(&world, &organizer, "limited", MemberRole::Manager, only).await),
            ("owner", world.organizer.clone()),
            ("foreign", world.stranger.clone()),
            ("admin", world.admin.clone()),
            ("expired", expired),
            ("fkey", key(&world, &world.stranger, &foreign, &all).await.0),
        ]);
        for (name, scope) in ["e:read", "e:write", "b:read", "b:write", "c:write"].into_iter().zip(all) {
            callers.insert(name, key(&world, &world.organizer, &organizer, &[scope]).await.0);
        }
        let (revoked, id) = key(&world, &world.organizer, &organizer, &all).await;
        let path = format!("/api/v1/organizers/{organizer}/api-keys/{id}");
        assert_eq!(world.organizer.delete(&path).await.status, 204);
        callers.insert("revoked", revoked);
        Self { world, organizer, foreign, callers }
    }

    /// New things for one operation, in the state that it needs, and their ids.
    async fn things(&self, operation: &str) -> BTreeMap<&'static str, String> {
        let owner = &self.world.organizer;
        let mut ids = BTreeMap::from([("organizerId", self.organizer.clone())]);
        let mut new = gala(100, 10);
        new["organizerId"] = json!(self.organizer);
        let draft = owner.post("/api/v1/events", &new).await.expect(201);
        let event = text(&draft["id"]);
        let path = format!("/api/v1/events/{event}");
        ids.insert("ticketTypeId", text(&draft["ticketTypes"][0]["id"]));
        ids.insert("eventId", event);
        if operation.ends_with("Pool") {
            let pool = owner.post(&format!("{path}/pools"), &json!({ "name": "Hall" })).await.expect(201);
            ids.insert("poolId", text(&pool["id"]));
        }
        let on_sale = ["cancelEvent", "holdTickets", "openTicketTypes", "pauseEvent", "quote", "resumeEvent"];
        let at_the_door = operation.ends_with("CheckIn");
        if at_the_door {
            // So soon that its doors are open.
            let soon = json!({ "startAt": "2027-01-15T12:00:00Z", "endAt": "2027-01-15T22:00:00Z" });
            owner.patch(&path, &soon).await.expect(200);
        }
        let about_ticket =
            at_the_door || ["Ticket", "Tickets", "Qr", "QrImage", "Pass"].iter().any(|end| operation.ends_with(end));
        let about_invoice = operation.ends_with("Invoice");
        let about_booking = about_ticket
            || about_invoice
            || ["Booking", "Payment", "Payments"].iter().any(|end| operation.ends_with(end));
        if about_booking || on_sale.contains(&operation) {
            owner.act(&format!("{path}/publish")).await.expect(200);
        }
        if operation == "getInvoicing" || about_invoice {
            let invoicing = format!("/api/v1/organizers/{}/invoicing", self.organizer);
            owner.put(&invoicing, &body("setInvoicing", &ids)).await.expect(200);
        }
        if ["joinWaitingList", "getWaitingListEntry", "withdrawFromWaitingList"].contains(&operation) {
            owner.patch(&path, &json!({ "waitingList": true })).await.expect(200);
            owner.act(&format!("{path}/publish")).await.expect(200);
            self.world.book(&ids["eventId"], 10).await;
            if operation != "joinWaitingList" {
                let entry = self.world.buyer.post(&format!("{path}/waiting-list"), &json!({})).await.expect(201);
                ids.insert("entryId", text(&entry["id"]));
            }
        }
        if operation == "resumeEvent" {
            owner.act(&format!("{path}/pause")).await.expect(200);
        }
        if about_booking {
            ids.insert("bookingId", text(&self.world.book(&ids["eventId"], 1).await["id"]));
        }
        if about_invoice {
            let booking = format!("/api/v1/bookings/{}", ids["bookingId"]);
            owner.act(&format!("{booking}/confirm")).await.expect(200);
            self.world.app.issue_invoices().await;
            let invoices = owner.get(&format!("{booking}/invoices")).await.expect(200);
            ids.insert("invoiceId", text(&invoices[0]["id"]));
        }
        if about_ticket {
            let booking = format!("/api/v1/bookings/{}", ids["bookingId"]);
            owner.act(&format!("{booking}/confirm")).await.expect(200);
            let tickets = owner.get(&format!("{booking}/tickets")).await.expect(200);
            ids.insert("ticketId", text(&tickets[0]["id"]));
            if at_the_door {
                let mut shown = json!({ "code": tickets[0]["code"] });
                if operation == "exitCheckIn" {
                    let list = json!({ "name": "Main door", "entry": "re_entry" });
                    let list = owner.post(&format!("{path}/check-in-lists"), &list).await.expect(201);
                    shown["listId"] = list["id"].clone();
                }
                let entry = owner.post(&format!("{path}/check-ins"), &shown).await.expect(200);
                ids.insert("checkInId", text(&entry["checkInId"]));
            }
        }
        if operation.ends_with("CheckInList") {
            let list = owner.post(&format!("{path}/check-in-lists"), &json!({ "name": "Stage" })).await.expect(201);
            ids.insert("checkInListId", text(&list["id"]));
        }
        if operation.ends_with("PromoCode") {
            let code = owner.post(&format!("{path}/promo-codes"), &json!({ "amount": 1 })).await.expect(201);
            ids.insert("promoCodeId", text(&code["id"]));
        }
        if operation.ends_with("ApiKey") {
            ids.insert("apiKeyId", key(&self.world, owner, &self.organizer, &["events:read"]).await.1);
        }
        if operation == "endSession" {
            // A session of the buyer.
            let sessions = self.world.app.sign_in("buyer").await.get("/api/v1/users/me/sessions").await.expect(200);
            let current = sessions["items"].as_array().unwrap().iter().find(|session| session["current"] == true);
            ids.insert("sessionId", text(&current.unwrap()["id"]));
        }
        if operation == "revokeInvitation" || operation == "getInvitation" {
            let wish = body("inviteMember", &ids);
            let invitations = format!("/api/v1/organizers/{}/invitations", self.organizer);
            ids.insert("invitationId", text(&owner.post(&invitations, &wish).await.expect(201)["id"]));
        }
        // There is no provider, and whose an identity is shows `rest_oauth`.
        ids.insert("provider", "nobody".to_owned());
        ids.insert("identityId", fresh().to_string());
        // Somebody who may be changed.
        let name = format!("colleague-{}", fresh().simple());
        let colleague = match operation {
            "changeRole" | "resetSecondFactor" => self.world.app.account(&name, Role::User).await.user(),
            "changeMember" | "getMember" | "handOver" | "removeMember" => {
                joined(&self.world, &self.organizer, &name, MemberRole::Scanner, Reach::All).await.user()
            }
            _ => Uuid::nil(),
        };
        ids.insert("userId", colleague.to_string());
        ids
    }

    /// Undoes what the next cell would feel.
    async fn tidy(&self, operation: &str, ids: &BTreeMap<&str, String>) {
        let members = format!("/api/v1/organizers/{}/members", self.organizer);
        if operation == "handOver" {
            let owner = format!("{members}/{}", self.world.organizer.user());
            self.world.admin.patch(&owner, &json!({ "role": "owner" })).await.expect(200);
        }
        if operation.ends_with("ApiKey") {
            // There may be fifty.
            let keys = format!("/api/v1/organizers/{}/api-keys", self.organizer);
            self.world.organizer.delete(&format!("{keys}/{}", ids["apiKeyId"])).await;
            let made = self.world.organizer.get(&format!("{keys}?limit=100")).await.expect(200);
            for made in made["items"].as_array().unwrap() {
                if made["name"] == "Till" && made["revokedAt"].is_null() {
                    self.world.organizer.delete(&format!("{keys}/{}", text(&made["id"]))).await;
                }
            }
        }
    }

    /// The caller of a column; where the operation ends his session, one with a session for it alone.
    async fn caller(&self, column: &str, operation: &str) -> Caller {
        let caller = self.callers[column].clone();
        let names = BTreeMap::from([("owner", "organizer"), ("foreign", "stranger")]);
        let accounts = ["buyer", "other", "scanner", "manager", "limited", "owner", "foreign", "admin"];
        if operation == "logout" && accounts.contains(&column) {
            return self.world.app.sign_in(names.get(column).unwrap_or(&column)).await;
        }
        caller
    }
}

/// A new account that is a member of the organizer.
async fn joined(world: &World, organizer: &str, name: &str, role: MemberRole, reach: Reach) -> Caller {
    let caller = world.app.account(name, Role::User).await;
    let organizer = OrganizerId::new(organizer.parse::<Uuid>().unwrap());
    let since = Timestamp::from_timestamp(1_800_000_000, 0).unwrap();
    let member = Member { organizer, user: UserId::new(caller.user()), role, reach, since };
    let mut unit = world.app.database.database.begin().await.unwrap();
    unit.insert_member(&member).await.unwrap();
    unit.commit().await.unwrap();
    caller
}

/// A program with a new key of these scopes, and the id of the key.
async fn key(world: &World, owner: &Caller, organizer: &str, scopes: &[&str]) -> (Caller, String) {
    let wish = json!({ "name": "Program", "scopes": scopes });
    let made = owner.post(&format!("/api/v1/organizers/{organizer}/api-keys"), &wish).await.expect(201);
    (world.app.bearer(made["secret"].as_str().unwrap()), text(&made["id"]))
}

#[test]
fn every_operation_has_its_row() {
    let (_, rows) = matrix();
    let documented: BTreeSet<String> = operations().into_iter().map(|operation| operation.id).collect();
    let listed: BTreeSet<String> = rows.keys().map(|row| (*row).to_owned()).collect();
    assert_eq!(listed, documented);
}

#[tokio::test]
async fn everybody_gets_what_the_matrix_says() {
    let (columns, rows) = matrix();
    let scene = Scene::set().await;
    assert_eq!(columns.iter().copied().collect::<BTreeSet<_>>(), scene.callers.keys().copied().collect());
    let mut wrong = Vec::new();
    for operation in operations() {
        let Some(row) = rows.get(operation.id.as_str()) else { continue };
        for (column, expected) in columns.iter().zip(row) {
            let ids = scene.things(&operation.id).await;
            let caller = scene.caller(column, &operation.id).await;
            let reply = operation.send(&caller, &ids).await;
            let got = reply.status.as_u16();
            if got != *expected {
                wrong.push(format!("{} by {column}: {got} instead of {expected}: {}", operation.id, reply.text));
            }
            let code = match got {
                401 => Some("unauthenticated"),
                403 => Some("forbidden"),
                404 => Some("not_found"),
                _ => None,
            };
            if let Some(code) = code {
                reply.problem(got, code);
            }
            scene.tidy(&operation.id, &ids).await;
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    scene.world.app.stop().await;
}

/// What is another tenant's is told, to the letter, like what is nobody's.
#[tokio::test]
async fn ids_of_others_are_told_like_ids_of_nothing() {
    let (columns, rows) = matrix();
    let scene = Scene::set().await;
    let [foreign, fkey] = ["foreign", "fkey"].map(|name| columns.iter().position(|column| *column == name).unwrap());
    let mut tried = 0;
    for operation in operations() {
        for (column, at) in [("foreign", foreign), ("fkey", fkey)] {
            if rows[operation.id.as_str()][at] != 404 {
                continue;
            }
            let ids = scene.things(&operation.id).await;
            let mut nothing = ids.clone();
            nothing.values_mut().for_each(|id| *id = fresh().to_string());
            let caller = &scene.callers[column];
            let told = async |ids: &BTreeMap<&str, String>| {
                let mut told = operation.send(caller, ids).await.problem(404, "not_found").clone();
                told["correlationId"].take();
                told
            };
            assert_eq!(told(&ids).await, told(&nothing).await, "{} by {column}", operation.id);
            tried += 1;
            scene.tidy(&operation.id, &ids).await;
        }
    }
    assert!(tried > 40, "{tried} were tried");
    scene.world.app.stop().await;
}

#[tokio::test]
async fn lists_filters_and_cursors_keep_tenants_apart() {
    let scene = Scene::set().await;
    let (world, organizer, foreign) = (&scene.world, &scene.organizer, &scene.foreign);
    let (owner, stranger) = (&world.organizer, &world.stranger);
    let ids = async |caller: &Caller, path: &str| {
        let found = caller.get(path).await.expect(200);
        found["items"].as_array().unwrap().iter().map(|item| item["id"].clone()).collect::<Vec<_>>()
    };
    // Lists and filters.
    assert_eq!(ids(stranger, "/api/v1/organizers").await, [json!(foreign)]);
    assert_eq!(ids(&scene.callers["fkey"], "/api/v1/organizers").await, [json!(foreign)]);
    for status in ["draft", "cancelled", "archived"] {
        for caller in [stranger, &scene.callers["fkey"], &scene.callers["other"]] {
            let path = format!("/api/v1/events?status={status}&organizerId={organizer}");
            assert_eq!(ids(caller, &path).await, Vec::<Value>::new());
        }
    }
    let drafts = ids(&scene.callers["e:read"], "/api/v1/events?status=draft").await;
    assert_eq!(drafts, ids(owner, "/api/v1/events?status=draft").await);
    assert_eq!(drafts.len(), 1);
    scene.callers["e:write"].get("/api/v1/events?status=draft").await.problem(403, "forbidden");
    world.app.anybody().get("/api/v1/events?status=draft").await.problem(401, "unauthenticated");

    // Bookings by a filter that fits another tenant's.
    let theirs = world.on_sale(0, 10).await;
    let booking = world.book(&theirs, 1).await;
    let mine = stranger.post("/api/v1/events", &gala(0, 10)).await.expect(201);
    let mine = format!("/api/v1/events/{}", text(&mine["id"]));
    stranger.act(&format!("{mine}/publish")).await.expect(200);
    let own = world.buyer.post(&format!("{mine}/bookings"), &json!({})).await.expect(201);
    let by_reference = format!("{mine}/bookings?reference={}", text(&booking["reference"]));
    assert_eq!(ids(stranger, &by_reference).await, Vec::<Value>::new());
    let by_address = format!("{mine}/bookings?email=buyer@example.com");
    assert_eq!(ids(stranger, &by_address).await, [own["id"].clone()]);

    // A cursor is a place in one's own list, whoever has got it.
    world.book(&theirs, 1).await;
    let page = owner.get(&format!("/api/v1/events/{theirs}/bookings?limit=1")).await.expect(200);
    let cursor = text(&page["nextCursor"]);
    let found = ids(stranger, &format!("{mine}/bookings?cursor={cursor}")).await;
    assert!(found.iter().all(|id| *id == own["id"]), "{found:?}");
    assert_eq!(ids(&scene.callers["other"], "/api/v1/bookings").await, Vec::<Value>::new());
    let members = owner.get(&format!("/api/v1/organizers/{organizer}/members?limit=1")).await.expect(200);
    let path = format!("/api/v1/organizers/{foreign}/members?cursor={}", text(&members["nextCursor"]));
    let members = stranger.get(&path).await.expect(200);
    for member in members["items"].as_array().unwrap() {
        assert_eq!(member["userId"], json!(stranger.user()));
    }
    scene.world.app.stop().await;
}

#[tokio::test]
async fn preconditions_bodies_and_keys_tell_nothing_of_others() {
    let scene = Scene::set().await;
    let (owner, stranger) = (&scene.world.organizer, &scene.world.stranger);
    let ids = scene.things("editPool").await;
    let event = format!("/api/v1/events/{}", ids["eventId"]);
    // Neither a right nor a wrong version is told from nothing.
    for version in ["\"1\"", "\"99\"", "*"] {
        let edit = async |path: &str| {
            let body = Some(json!({ "venue": "Hall" }).to_string());
            let mut told = stranger.send(Method::PATCH, path, &[("if-match", version)], body).await;
            told.problem(404, "not_found");
            told.body["correlationId"].take();
            told.body
        };
        let nothing = format!("/api/v1/events/{}", fresh());
        assert_eq!(edit(&event).await, edit(&nothing).await);
    }
    for known in ["*", "W/\"1-0\""] {
        let reply = stranger.send(Method::GET, &event, &[("if-none-match", known)], None).await;
        reply.problem(404, "not_found");
    }
    // A pool of another tenant in a body, and one of nobody.
    let mine = stranger.post("/api/v1/events", &gala(1, 1)).await.expect(201);
    let types = format!("/api/v1/events/{}/ticket-types", text(&mine["id"]));
    let add = async |pool: &str| {
        let body = json!({ "name": "Seated", "price": 1, "poolIds": [pool] });
        stranger.post(&types, &body).await.problem(422, "validation_failed")["errors"].clone()
    };
    assert_eq!(add(&ids["poolId"]).await, add(&Uuid::nil().to_string()).await);
    // A ticket type of another tenant cannot be held through one's own event, nor told from nothing.
    stranger.act(&format!("/api/v1/events/{}/publish", text(&mine["id"]))).await.expect(200);
    let bookings = format!("/api/v1/events/{}/bookings", text(&mine["id"]));
    let hold = async |ticket_type: &str| {
        let body = json!({ "items": [{ "ticketTypeId": ticket_type, "quantity": 1 }] });
        stranger.post(&bookings, &body).await.problem(422, "validation_failed")["errors"].clone()
    };
    assert_eq!(hold(&ids["ticketTypeId"]).await, hold(&Uuid::nil().to_string()).await);
    // Through the right event and the wrong organizer's parts.
    let part = format!("/api/v1/events/{}/pools/{}", text(&mine["id"]), ids["poolId"]);
    stranger.patch(&part, &json!({ "name": "Mine" })).await.problem(404, "not_found");
    // The same idempotency key is another one for another caller.
    let keyed = async |caller: &Caller| {
        let body = Some(json!({ "name": "Keyed" }).to_string());
        let made = caller.send(Method::POST, "/api/v1/organizers", &[("idempotency-key", "same")], body).await;
        assert_eq!(made.header("idempotency-replayed"), None);
        made.expect(201)["id"].clone()
    };
    assert_ne!(keyed(owner).await, keyed(stranger).await);
    scene.world.app.stop().await;
}

#[tokio::test]
async fn streams_show_what_the_public_sees() {
    use futures::StreamExt;
    let scene = Scene::set().await;
    let owner = &scene.world.organizer;
    let ids = scene.things("pauseEvent").await;
    let event = format!("/api/v1/events/{}", ids["eventId"]);
    let hidden = json!({ "name": "Friends", "price": 1, "hidden": true });
    let hidden = text(&owner.post(&format!("{event}/ticket-types"), &hidden).await.expect(201)["id"]);
    for (caller, sees) in [("owner", true), ("e:read", true), ("foreign", false), ("nobody", false), ("limited", false)]
    {
        let shown = scene.callers[caller].get(&event).await;
        assert_eq!(shown.text.contains(&hidden), sees, "{caller}");
        let shown = scene.callers[caller].get(&format!("{event}/availability")).await;
        assert_eq!(shown.text.contains(&hidden), sees, "{caller}");
        let path = format!("{event}/availability/stream");
        let stream = scene.callers[caller].stream(Method::GET, &path, &[], None).await;
        assert_eq!(stream.status(), 200);
        let frames: Vec<_> = stream.into_body().into_data_stream().take(2).collect().await;
        let frames: String =
            frames.into_iter().map(|frame| String::from_utf8_lossy(&frame.unwrap()).into_owned()).collect();
        assert!(frames.contains(&ids["ticketTypeId"]) && !frames.contains(&hidden), "{caller}: {frames}");
    }
    scene.world.app.stop().await;
}
