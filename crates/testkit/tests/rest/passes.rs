//! Tickets in wallets: who sets what passes are signed with, and who gets one. What is in a pass is tested where it is made.

use chrono::TimeDelta;
use goticket_testkit::databases::Engine;
use goticket_testkit::on_both_engines;
use goticket_testkit::world::{World, world};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, PKCS_RSA_SHA256, RsaKeySize};
use serde_json::{Value, json};

use crate::text;

fn key() -> KeyPair {
    KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap()
}

/// What Apple would give, until 2031.
fn apple() -> Value {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "Worldwide Developer Relations");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, key()).unwrap();
    let (mut params, own) = (CertificateParams::default(), key());
    params
        .distinguished_name
        .push(DnType::CustomDnType(vec![0, 9, 2342, 19_200_300, 100, 1, 1]), "pass.com.example.gala");
    params.distinguished_name.push(DnType::OrganizationalUnitName, "A93A5CM278");
    params.not_after = rcgen::date_time_ymd(2031, 1, 1);
    let certificate = params.signed_by(&own, &authority).unwrap();
    json!({
        "certificate": certificate.pem(), "intermediateCertificate": authority.pem(), "privateKey": own.serialize_pem(),
    })
}

fn google() -> Value {
    json!({
        "issuerId": "3388000000012345678", "serviceAccountEmail": "tickets@example.iam.gserviceaccount.com",
        "privateKey": key().serialize_pem(),
    })
}

/// A confirmed booking's ticket, and where its organizer's issuers are.
async fn ticket(world: &World) -> (String, String) {
    let event = world.on_sale(0, 10).await;
    let booking = world.book(&event, 1).await;
    let tickets = world.buyer.get(&format!("/api/v1/bookings/{}/tickets", text(&booking["id"]))).await;
    let ticket = format!("/api/v1/tickets/{}", text(&tickets.expect(200)[0]["id"]));
    let event = world.organizer.get(&format!("/api/v1/events/{event}")).await.expect(200);
    (ticket, format!("/api/v1/organizers/{}/pass-issuers", text(&event["organizerId"])))
}

async fn a_ticket_goes_into_both_wallets(engine: Engine) {
    let mut world = world(engine).await;
    let (ticket, issuers) = ticket(&world).await;
    let (file, link) = (format!("{ticket}/ticket.pkpass"), format!("{ticket}/google-pass"));
    assert_eq!(world.organizer.get(&issuers).await.expect(200), json!([]));
    for pass in [&file, &link] {
        world.buyer.get(pass).await.problem(409, "invalid_state");
        world.stranger.get(pass).await.problem(404, "not_found");
    }
    let set = world.organizer.put(&format!("{issuers}/apple"), &apple()).await;
    assert!(!set.text.contains("PRIVATE KEY") && !set.text.contains("CERTIFICATE"), "{}", set.text);
    let set = set.expect(200);
    assert_eq!((&set["wallet"], &set["passTypeIdentifier"]), (&json!("apple"), &json!("pass.com.example.gala")));
    assert_eq!((&set["teamIdentifier"], &set["expiresAt"]), (&json!("A93A5CM278"), &json!("2031-01-01T00:00:00Z")));
    let set = world.organizer.put(&format!("{issuers}/google"), &google()).await.expect(200);
    assert_eq!((&set["wallet"], &set["issuerId"]), (&json!("google"), &json!("3388000000012345678")));
    let listed = world.admin.get(&issuers).await.expect(200);
    assert_eq!(
        listed.as_array().unwrap().iter().map(|it| text(&it["wallet"])).collect::<Vec<_>>(),
        ["apple", "google"]
    );
    let pass = world.buyer.get(&file).await;
    assert_eq!((pass.status.as_u16(), pass.header("content-type")), (200, Some("application/vnd.apple.pkpass")));
    assert_eq!(pass.header("cache-control"), Some("private, no-store"));
    assert!(pass.text.starts_with("PK") && pass.text.contains("pass.com.example.gala"));
    assert!(pass.text.contains("GT1:"), "it opens the door");
    let given = world.buyer.get(&link).await;
    assert_eq!(given.header("cache-control"), Some("private, no-store"));
    let url = text(&given.expect(200)["url"]).to_owned();
    assert!(url.starts_with("https://pay.google.com/gp/v/save/ey"), "{url}");
    assert_eq!(world.organizer.get(&file).await.status, 200);
    world.stranger.get(&file).await.problem(404, "not_found");
    // A mail brings it too.
    let event = world.on_sale(0, 10).await;
    let booking = world.book(&event, 2).await;
    let mail = world
        .app
        .mails_to("buyer@example.com")
        .await
        .into_iter()
        .find(|mail| mail.text.contains(text(&booking["reference"])));
    let names: Vec<String> = mail.unwrap().enclosed.into_iter().map(|(name, _)| name).collect();
    assert_eq!(names[1..], ["event.ics", "ticket-1.pkpass", "ticket-2.pkpass"]);
    // Another one takes its place; removed twice is removed once.
    assert_ne!(world.organizer.put(&format!("{issuers}/apple"), &apple()).await.expect(200), Value::Null);
    assert_eq!(world.organizer.get(&issuers).await.expect(200).as_array().unwrap().len(), 2);
    for _ in 0..2 {
        assert_eq!(world.organizer.delete(&format!("{issuers}/google")).await.status, 204);
    }
    world.buyer.get(&link).await.problem(409, "invalid_state");
    let noted = "SELECT COUNT(*) FROM audit_log WHERE action IN ('pass_issuer.set', 'pass_issuer.removed')";
    assert_eq!(world.app.database.count(noted).await, 4);
    // From its end on a certificate signs nothing.
    world.app.clock.step(TimeDelta::days(6 * 365));
    world.buyer = world.app.sign_in("buyer").await;
    world.buyer.get(&file).await.problem(409, "invalid_state");
    world.app.stop().await;
}

async fn what_does_not_hold_is_not_kept(engine: Engine) {
    let world = world(engine).await;
    let (_, issuers) = ticket(&world).await;
    let mut mixed = apple();
    mixed["privateKey"] = apple()["privateKey"].clone();
    let refused = world.organizer.put(&format!("{issuers}/apple"), &mixed).await;
    let problem = refused.problem(422, "validation_failed");
    assert_eq!(problem["errors"][0]["code"], "mismatch");
    assert!(!refused.text.contains("PRIVATE"), "no key comes back");
    let mut long = google();
    long["privateKey"] = json!("-".repeat(200_000));
    let refused = world.organizer.put(&format!("{issuers}/google"), &long).await;
    assert!([413, 422].contains(&refused.status.as_u16()), "{}", refused.status);
    world.buyer.put(&format!("{issuers}/google"), &google()).await.problem(404, "not_found");
    world.stranger.put(&format!("{issuers}/google"), &google()).await.problem(404, "not_found");
    world.stranger.put(&format!("{issuers}/google"), &json!({})).await.problem(400, "malformed_request");
    assert_eq!(world.organizer.get(&issuers).await.expect(200), json!([]));
    world.app.stop().await;
}

on_both_engines! { a_ticket_goes_into_both_wallets, what_does_not_hold_is_not_kept }
