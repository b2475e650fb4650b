//! [`PassIssuerReads`] and `PassIssuerRepository`.

use application::admission::{IssuerAccount, PassIssuer, PassIssuerReads, Wallet};
use application::store::Store;
use domain::{OrganizerId, PassIssuerId};

use super::fixture::{at, id, now, stored_organizer};
use crate::databases::TestDatabase;

fn apple(of: OrganizerId, pass_type: &str) -> PassIssuer {
    let account = IssuerAccount::Apple {
        pass_type: pass_type.to_owned(),
        team: "A93A5CM278".to_owned(),
        certificate: vec![1, 2, 3],
        intermediate: vec![4; 2_000],
        expires_at: at(1_900_000_000),
    };
    PassIssuer {
        id: PassIssuerId::new(id()),
        organizer: of,
        account,
        sealed_private_key: vec![9; 1_300],
        changed_at: now(),
    }
}

fn google(of: OrganizerId) -> PassIssuer {
    let account = IssuerAccount::Google { issuer: "33".to_owned(), service_account: "a@example.com".to_owned() };
    PassIssuer { account, ..apple(of, "") }
}

/// One for each wallet of an organizer, and another one in its place.
pub async fn an_organizer_has_one_issuer_a_wallet(db: TestDatabase) {
    let (ours, theirs) = (stored_organizer(&db).await.0.id, stored_organizer(&db).await.0.id);
    let of = async |organizer| db.database.pass_issuers(organizer).await.unwrap();
    assert_eq!(of(ours).await, []);
    let (first, second, other) = (apple(ours, "pass.a"), apple(ours, "pass.b"), google(theirs));
    let mut unit = db.database.begin().await.unwrap();
    for issuer in [&google(ours), &first, &other] {
        unit.save_pass_issuer(issuer).await.unwrap();
    }
    unit.commit().await.unwrap();
    assert_eq!(of(ours).await[0], first, "ordered by their wallets");
    let mut unit = db.database.begin().await.unwrap();
    unit.save_pass_issuer(&second).await.unwrap();
    assert!(unit.delete_pass_issuer(ours, Wallet::Google).await.unwrap());
    assert!(!unit.delete_pass_issuer(ours, Wallet::Google).await.unwrap());
    unit.commit().await.unwrap();
    assert_eq!((of(ours).await, of(theirs).await), (vec![second], vec![other]));
    // Dropping rolls back, and nobody's is refused.
    let mut unit = db.database.begin().await.unwrap();
    unit.save_pass_issuer(&first).await.unwrap();
    drop(unit);
    assert_ne!(of(ours).await[0], first);
    let mut unit = db.database.begin().await.unwrap();
    assert!(unit.save_pass_issuer(&apple(OrganizerId::new(id()), "pass.c")).await.is_err());
}
