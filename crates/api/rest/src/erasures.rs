//! `/organizers/{organizerId}/erasures`: an organizer forgets somebody who has no account.

use application::privacy::ErasedGuest;
use axum::Json as Answer;
use axum::extract::State;
use domain::OrganizerId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::extract::{Acting, Ids, Json};
use crate::problem::Problem;
use crate::state::AppState;

/// The routes under `/api/v1`.
pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::default().routes(routes!(erase_guest))
}

/// Who is to be forgotten.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = EraseGuest)]
pub(crate) struct EraseGuestBody {
    /// His address.
    #[schema(format = Email, max_length = 254, example = "guest@example.com")]
    email: String,
}

/// What was erased.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = GuestErasure)]
pub(crate) struct GuestErasureBody {
    /// In how many bookings, made by him without an account, a pseudonym stands in the place of his address now.
    #[schema(minimum = 0, example = 2)]
    bookings: u64,
    /// How many entries of him as an attendee have lost name and address, whoever had booked.
    #[schema(minimum = 0, example = 3)]
    attendees: u64,
}

impl From<ErasedGuest> for GuestErasureBody {
    fn from(erased: ErasedGuest) -> Self {
        Self { bookings: erased.bookings, attendees: erased.attendees }
    }
}

/// Erases a guest or an attendee
///
/// For owners and admins, when somebody without an account asks for it. Bookings, their money and stock stay under a
/// pseudonym; personal fields of the audit log's lines about his own bookings go within minutes. 409 `invalid_state` while
/// he is expected at an event that is not over. Done again it finds nothing; of more than 10,000 bookings the next call
/// erases the rest. What somebody has booked with an account goes when he deletes that.
#[utoipa::path(
    post, path = "/organizers/{organizerId}/erasures", operation_id = "eraseGuest", tag = "Catalog",
    params(("organizerId" = Uuid, Path, description = "The organizer.")),
    request_body = EraseGuestBody,
    responses((status = 200, description = "What was found of him and is there no more.", body = GuestErasureBody)),
    security(("bearer" = [])),
    extensions(("x-problems" = json!(["forbidden", "not_found", "invalid_state", "validation_failed"]))),
)]
async fn erase_guest(
    State(state): State<AppState>,
    acting: Acting,
    ids: Ids<1>,
    Json(wish): Json<EraseGuestBody>,
) -> Result<Answer<GuestErasureBody>, Problem> {
    let (Acting { agent, origin }, Ids([organizer])) = (acting, ids);
    let erased = state.erasures().erase_guest(&agent, OrganizerId::new(organizer), &wish.email, &origin).await?;
    Ok(Answer(erased.into()))
}
