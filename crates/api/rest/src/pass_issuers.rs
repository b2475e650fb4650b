//! `/organizers/{organizerId}/pass-issuers`: what an organizer signs passes for wallets with.

use application::admission::{AppleIssuerRequest, GoogleIssuerRequest, IssuerAccount, PassIssuer, Wallet};
use axum::Json as Answer;
use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use domain::OrganizerId;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::extract::{Acting, Ids, Json};
use crate::problem::Problem;
use crate::state::AppState;

/// The routes under `/api/v1`.
pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::default()
        .routes(routes!(list_pass_issuers))
        .routes(routes!(set_apple_issuer, remove_apple_issuer))
        .routes(routes!(set_google_issuer, remove_google_issuer))
}

/// What an organizer issues passes for a wallet as. Its key is never shown.
#[derive(Serialize, ToSchema)]
#[serde(tag = "wallet", rename_all = "lowercase")]
#[schema(as = PassIssuer)]
pub(crate) enum PassIssuerBody {
    /// For Apple Wallet.
    #[serde(rename_all = "camelCase")]
    Apple {
        /// The pass type that the certificate is for.
        #[schema(example = "pass.com.example.tickets")]
        pass_type_identifier: String,
        /// The team that it is of.
        #[schema(example = "A93A5CM278")]
        team_identifier: String,
        /// From then on the certificate is worth nothing, and no passes are issued.
        expires_at: DateTime<Utc>,
        /// Since when it is so.
        changed_at: DateTime<Utc>,
    },
    /// For Google Wallet.
    #[serde(rename_all = "camelCase")]
    Google {
        /// The number of the issuer.
        #[schema(example = "3388000000012345678")]
        issuer_id: String,
        /// The service account that signs.
        #[schema(example = "tickets@example.iam.gserviceaccount.com")]
        service_account_email: String,
        /// Since when it is so.
        changed_at: DateTime<Utc>,
    },
}

impl From<PassIssuer> for PassIssuerBody {
    fn from(PassIssuer { account, changed_at, .. }: PassIssuer) -> Self {
        match account {
            IssuerAccount::Apple { pass_type, team, expires_at, .. } => {
                Self::Apple { pass_type_identifier: pass_type, team_identifier: team, expires_at, changed_at }
            }
            IssuerAccount::Google { issuer, service_account } => {
                Self::Google { issuer_id: issuer, service_account_email: service_account, changed_at }
            }
        }
    }
}

/// What Apple gives to who issues passes.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = SetAppleIssuer)]
pub(crate) struct AppleIssuerBody {
    /// The certificate of the pass type, in PEM.
    #[schema(
        example = "-----BEGIN CERTIFICATE-----\n…\n-----END CERTIFICATE-----",
        min_length = 1,
        max_length = 10_000
    )]
    certificate: String,
    /// The certificate of Apple's that has signed it (Worldwide Developer Relations), in PEM.
    #[schema(
        example = "-----BEGIN CERTIFICATE-----\n…\n-----END CERTIFICATE-----",
        min_length = 1,
        max_length = 10_000
    )]
    intermediate_certificate: String,
    /// The RSA key of the certificate, in PEM, without a password.
    #[schema(example = "-----BEGIN PRIVATE KEY-----\n…\n-----END PRIVATE KEY-----", value_type = String, min_length = 1, max_length = 10_000)]
    private_key: SecretString,
}

/// What Google gives to who issues passes.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = SetGoogleIssuer)]
pub(crate) struct GoogleIssuerBody {
    /// The number of the issuer.
    #[schema(min_length = 1, max_length = 30, pattern = "^[0-9]+$", example = "3388000000012345678")]
    issuer_id: String,
    /// The service account that may issue for it (`client_email` of its key file).
    #[schema(format = Email, max_length = 254, example = "tickets@example.iam.gserviceaccount.com")]
    service_account_email: String,
    /// Its RSA key, in PEM (`private_key` of its key file).
    #[schema(example = "-----BEGIN PRIVATE KEY-----\n…\n-----END PRIVATE KEY-----", value_type = String, min_length = 1, max_length = 10_000)]
    private_key: SecretString,
}

/// Lists the pass issuers of an organizer
///
/// At most one for each wallet, without their keys. For owners and admins.
#[utoipa::path(
    get, path = "/organizers/{organizerId}/pass-issuers", operation_id = "listPassIssuers", tag = "Catalog",
    params(("organizerId" = Uuid, Path, description = "The organizer.")),
    responses((status = 200, description = "What it issues passes as.", body = [PassIssuerBody])),
    security(("bearer" = [])),
    extensions(("x-problems" = json!(["forbidden", "not_found"]))),
)]
async fn list_pass_issuers(
    State(state): State<AppState>,
    acting: Acting,
    ids: Ids<1>,
) -> Result<Answer<Vec<PassIssuerBody>>, Problem> {
    let Ids([organizer]) = ids;
    let found = state.passes().issuers(&acting.agent, OrganizerId::new(organizer)).await?;
    Ok(Answer(found.into_iter().map(PassIssuerBody::from).collect()))
}

/// Sets the issuer of passes for Apple Wallet
///
/// In the place of the one before, if there is one. Pass type and team are those that the certificate names. The key is
/// sealed, and never shown again. For owners and admins.
#[utoipa::path(
    put, path = "/organizers/{organizerId}/pass-issuers/apple", operation_id = "setAppleIssuer", tag = "Catalog",
    params(("organizerId" = Uuid, Path, description = "The organizer.")),
    request_body = AppleIssuerBody,
    responses((status = 200, description = "Passes are issued so from now on.", body = PassIssuerBody)),
    security(("bearer" = [])),
    extensions(("x-problems" = json!(["forbidden", "not_found", "validation_failed"]))),
)]
async fn set_apple_issuer(
    State(state): State<AppState>,
    acting: Acting,
    ids: Ids<1>,
    Json(sent): Json<AppleIssuerBody>,
) -> Result<Answer<PassIssuerBody>, Problem> {
    let (Acting { agent, origin }, Ids([organizer])) = (acting, ids);
    let AppleIssuerBody { certificate, intermediate_certificate: intermediate, private_key } = sent;
    let sent = AppleIssuerRequest { certificate, intermediate, private_key };
    Ok(Answer(state.passes().set_apple(&agent, OrganizerId::new(organizer), &sent, &origin).await?.into()))
}

/// Sets the issuer of passes for Google Wallet
///
/// In the place of the one before, if there is one. The key is sealed, and never shown again. For owners and admins.
#[utoipa::path(
    put, path = "/organizers/{organizerId}/pass-issuers/google", operation_id = "setGoogleIssuer", tag = "Catalog",
    params(("organizerId" = Uuid, Path, description = "The organizer.")),
    request_body = GoogleIssuerBody,
    responses((status = 200, description = "Passes are issued so from now on.", body = PassIssuerBody)),
    security(("bearer" = [])),
    extensions(("x-problems" = json!(["forbidden", "not_found", "validation_failed"]))),
)]
async fn set_google_issuer(
    State(state): State<AppState>,
    acting: Acting,
    ids: Ids<1>,
    Json(sent): Json<GoogleIssuerBody>,
) -> Result<Answer<PassIssuerBody>, Problem> {
    let (Acting { agent, origin }, Ids([organizer])) = (acting, ids);
    let GoogleIssuerBody { issuer_id: issuer, service_account_email: service_account, private_key } = sent;
    let sent = GoogleIssuerRequest { issuer, service_account, private_key };
    Ok(Answer(state.passes().set_google(&agent, OrganizerId::new(organizer), &sent, &origin).await?.into()))
}

/// Removes the issuer of passes for Apple Wallet
///
/// Its key is forgotten. Passes that are out go on to open the door. A second time changes nothing. For owners and admins.
#[utoipa::path(
    delete, path = "/organizers/{organizerId}/pass-issuers/apple", operation_id = "removeAppleIssuer", tag = "Catalog",
    params(("organizerId" = Uuid, Path, description = "The organizer.")),
    responses((status = 204, description = "No such passes are issued any more.")),
    security(("bearer" = [])),
    extensions(("x-problems" = json!(["forbidden", "not_found"]))),
)]
async fn remove_apple_issuer(state: State<AppState>, acting: Acting, ids: Ids<1>) -> Result<StatusCode, Problem> {
    remove(&state, &acting, ids, Wallet::Apple).await
}

/// Removes the issuer of passes for Google Wallet
///
/// Its key is forgotten. Passes that are out go on to open the door. A second time changes nothing. For owners and admins.
#[utoipa::path(
    delete, path = "/organizers/{organizerId}/pass-issuers/google", operation_id = "removeGoogleIssuer", tag = "Catalog",
    params(("organizerId" = Uuid, Path, description = "The organizer.")),
    responses((status = 204, description = "No such passes are issued any more.")),
    security(("bearer" = [])),
    extensions(("x-problems" = json!(["forbidden", "not_found"]))),
)]
async fn remove_google_issuer(state: State<AppState>, acting: Acting, ids: Ids<1>) -> Result<StatusCode, Problem> {
    remove(&state, &acting, ids, Wallet::Google).await
}

async fn remove(state: &AppState, acting: &Acting, ids: Ids<1>, wallet: Wallet) -> Result<StatusCode, Problem> {
    let (Acting { agent, origin }, Ids([organizer])) = (acting, ids);
    state.passes().remove(agent, OrganizerId::new(organizer), wallet, origin).await?;
    Ok(StatusCode::NO_CONTENT)
}
