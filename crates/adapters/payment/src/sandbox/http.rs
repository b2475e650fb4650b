//! The interface of the sandbox: for programs under `/v1`, who show the secret, and for browsers under `/checkout`.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use axum::extract::rejection::{FormRejection, JsonRejection, QueryRejection};
use axum::extract::{DefaultBodyLimit, Form, Path, Query, Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_SECURITY_POLICY};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use uuid::Uuid;

use super::bank::{CARD_TIMEOUT, Refused};
use super::wire::{ChargeRequest, ChargeWord, DisputeRequest, ErrorBody, ListRequest, RefundRequest, Settlement};
use super::{Behaviour, Shared, page};

/// More than any request has.
const BODY_BYTES_MAX: usize = 16 * 1_024;
/// Longer than anybody waits for an answer.
const SILENCE: Duration = Duration::from_secs(60);

pub(super) async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let end = shared.end.clone();
    let programs = Router::new()
        .route("/charges", post(charge).get(charges))
        .route("/charges/{id}", get(charge_of))
        .route("/charges/{id}/cancel", post(cancel))
        .route("/charges/{id}/settle", post(settle))
        .route("/charges/{id}/dispute", post(dispute))
        .route("/refunds", post(refund).get(refunds))
        .route("/refunds/{id}", get(refund_of))
        .route("/behaviour", put(behave).get(behaviour))
        .layer(middleware::from_fn_with_state(Arc::clone(&shared), with_secret));
    let router = Router::new()
        .nest("/v1", programs)
        .route("/checkout/{reference}", get(show_page).post(decide_on_page))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(middleware::from_fn_with_state(Arc::clone(&shared), until_it_ends))
        .with_state(shared);
    // Who does not hang up is not waited for.
    let served = axum::serve(listener, router);
    tokio::select! {
        ended = served => if let Err(error) = ended { tracing::error!("The sandbox does not listen any more: {error}") },
        () = end.cancelled() => {}
    }
}

/// A connection may outlive the listener by a moment: nothing is said over it any more.
async fn until_it_ends(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    if shared.end.is_cancelled() {
        return refusal(StatusCode::SERVICE_UNAVAILABLE, "ended");
    }
    next.run(request).await
}

async fn with_secret(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let shown = request.headers().get(AUTHORIZATION).and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
    let secret = shared.secret.expose_secret().as_bytes();
    if shown.is_some_and(|shown| verify_slices_are_equal(shown, secret).is_ok()) {
        return next.run(request).await;
    }
    refusal(StatusCode::UNAUTHORIZED, "unauthorized")
}

fn refusal(status: StatusCode, code: &str) -> Response {
    (status, Json(ErrorBody { code: code.to_owned() })).into_response()
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let status = match self {
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::InvalidAmount | Self::InvalidRequest | Self::UnknownMethod | Self::AmountTooLarge => {
                StatusCode::UNPROCESSABLE_ENTITY
            }
            Self::IdInUse | Self::Cancelled | Self::InvalidState => StatusCode::CONFLICT,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        };
        refusal(status, &self.to_string())
    }
}

fn answer<T: Serialize>(done: Result<T, Refused>) -> Response {
    done.map(Json).into_response()
}

/// The body, or a refusal in the form of all others.
fn read<T>(body: Result<Json<T>, JsonRejection>) -> Result<T, Refused> {
    body.map(|Json(body)| body).map_err(|_| Refused::InvalidRequest)
}

type Body<T> = Result<Json<T>, JsonRejection>;

async fn charge(State(shared): State<Arc<Shared>>, body: Body<ChargeRequest>) -> Response {
    let done = read(body).and_then(|request| shared.change(|bank, turn| bank.charge(&request, turn)));
    if done.as_ref().is_ok_and(|charge| charge.method == CARD_TIMEOUT) {
        shared.pause(SILENCE).await;
        return refusal(StatusCode::GATEWAY_TIMEOUT, "timeout");
    }
    answer(done)
}

async fn charge_of(State(shared): State<Arc<Shared>>, Path(id): Path<Uuid>) -> Response {
    answer(shared.read(|bank| bank.charge_of(id).cloned().ok_or(Refused::NotFound)))
}

type Asked = Result<Query<ListRequest>, QueryRejection>;

async fn charges(State(shared): State<Arc<Shared>>, asked: Asked) -> Response {
    let asked = asked.map_err(|_| Refused::InvalidRequest);
    answer(asked.map(|Query(of)| shared.read(|bank| bank.charges(&of))))
}

async fn refunds(State(shared): State<Arc<Shared>>, asked: Asked) -> Response {
    let asked = asked.map_err(|_| Refused::InvalidRequest);
    answer(asked.map(|Query(of)| shared.read(|bank| bank.refunds(&of))))
}

async fn cancel(State(shared): State<Arc<Shared>>, Path(id): Path<Uuid>) -> Response {
    answer(shared.change(|bank, turn| bank.cancel(id, turn)).and_then(|charge| charge.ok_or(Refused::NotFound)))
}

async fn settle(State(shared): State<Arc<Shared>>, Path(id): Path<Uuid>, body: Body<Settlement>) -> Response {
    answer(read(body).and_then(|how| shared.change(|bank, turn| bank.settle(id, &how, turn))))
}

async fn dispute(State(shared): State<Arc<Shared>>, Path(id): Path<Uuid>, body: Body<DisputeRequest>) -> Response {
    answer(read(body).and_then(|request| shared.change(|bank, turn| bank.dispute(id, request.state, turn))))
}

async fn refund(State(shared): State<Arc<Shared>>, body: Body<RefundRequest>) -> Response {
    answer(read(body).and_then(|request| shared.change(|bank, turn| bank.refund(&request, turn))))
}

async fn refund_of(State(shared): State<Arc<Shared>>, Path(id): Path<Uuid>) -> Response {
    answer(shared.read(|bank| bank.refund_of(id).cloned().ok_or(Refused::NotFound)))
}

async fn behaviour(State(shared): State<Arc<Shared>>) -> Json<Behaviour> {
    Json(shared.behaviour())
}

async fn behave(State(shared): State<Arc<Shared>>, body: Body<Behaviour>) -> Response {
    answer(read(body).inspect(|wanted| shared.behave(*wanted)))
}

async fn show_page(State(shared): State<Arc<Shared>>, Path(reference): Path<String>) -> Response {
    let found = shared.read(|bank| bank.charge_of_reference(&reference).cloned());
    let status = if found.is_some() { StatusCode::OK } else { StatusCode::NOT_FOUND };
    let text = found.map_or_else(page::not_found, |charge| page::checkout(&charge));
    let policy = HeaderValue::from_static("default-src 'none'; form-action 'self'; frame-ancestors 'none'");
    (status, [(CONTENT_SECURITY_POLICY, policy)], Html(text)).into_response()
}

#[derive(Deserialize)]
struct Decision {
    pay: bool,
}

/// What the buyer presses. A second press finds it decided, and shows how.
async fn decide_on_page(
    State(shared): State<Arc<Shared>>,
    Path(reference): Path<String>,
    decision: Result<Form<Decision>, FormRejection>,
) -> Response {
    let Ok(Form(Decision { pay })) = decision else { return Refused::InvalidRequest.into_response() };
    let found = shared.read(|bank| bank.charge_of_reference(&reference).cloned());
    // The page decides what was put before the buyer, and nothing else.
    let open = found.filter(|charge| charge.status == ChargeWord::Processing && charge.checkout_url.is_some());
    if let Some(charge) = open {
        let how = if pay { Settlement::Captured(None) } else { Settlement::Failed("declined_by_buyer".to_owned()) };
        let settled = shared.change(|bank, turn| bank.settle(charge.id, &how, turn));
        if let Err(Refused::Unavailable) = settled {
            return Refused::Unavailable.into_response();
        }
    }
    Redirect::to(&format!("/checkout/{reference}")).into_response()
}
