//! `goticket reconcile`: the books of the payment provider, compared with ours.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, bail};
use application::payment::{Difference, Period, Reconcile, Reconciled, Side};
use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::cashier;
use crate::cli::{FormatWord, Reconcile as Arguments};
use crate::compose::Ground;
use crate::config::Settings;
use crate::output;

/// What is younger may still be on its way.
const SETTLED_AFTER: TimeDelta = TimeDelta::minutes(15);
/// How much is compared where nobody says so.
const BY_DEFAULT: TimeDelta = TimeDelta::days(1);

pub(super) async fn run(settings: Settings, arguments: Arguments) -> anyhow::Result<ExitCode> {
    let ground = Ground::open(&settings, false).await?;
    let until = arguments.until.unwrap_or_else(|| ground.clock.now() - SETTLED_AFTER);
    let period = Period { from: arguments.from.unwrap_or(until - BY_DEFAULT), until };
    if period.from >= period.until {
        bail!("the period is empty: `--from` {} must be before `--until` {}", period.from, period.until);
    }
    let provider = cashier::outside(&settings, &ground.clock)?;
    let name = provider.name();
    let reconcile = Reconcile { store: Arc::new(ground.database.clone()), provider };
    let mut printed = Ok(());
    let mut tell = |difference: &Difference| {
        if printed.is_ok() {
            printed = match arguments.format {
                FormatWord::Text => output::line(&text(difference)),
                FormatWord::Json => output::line(&object(difference).to_string()),
            };
        }
    };
    let done = reconcile.run(period, &mut tell).await.context("the books cannot be compared to the end");
    ground.database.close().await;
    let done = done?;
    printed?;
    match arguments.format {
        FormatWord::Text => output::line(&summary(name, period, &done))?,
        FormatWord::Json => output::line(&counts(name, period, &done).to_string())?,
    }
    Ok(if done.differences == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn text(difference: &Difference) -> String {
    let mut line = difference.kind.as_str().to_owned();
    let payment = difference.payment.map(|id| format!(" payment {id}"));
    let refund = difference.refund.map(|id| format!(" refund {id}"));
    let reference = difference.reference.as_ref().map(|reference| format!(" ({reference})"));
    line.extend([payment, refund, reference].into_iter().flatten());
    format!("{line}: {} here, {} there", side(difference.ours), side(difference.theirs))
}

fn side(side: Option<Side>) -> String {
    match side {
        Some(Side { status, amount: Some(amount) }) => format!("{status} {amount}"),
        Some(Side { status, amount: None }) => status.to_owned(),
        None => "nothing".to_owned(),
    }
}

fn object(difference: &Difference) -> Value {
    let side = |side: Option<Side>| {
        side.map(|side| {
            let amount = side.amount.map(|amount| amount.minor);
            let currency = side.amount.map(|amount| amount.currency.code().to_owned());
            json!({ "status": side.status, "amount": amount, "currency": currency })
        })
    };
    json!({
        "kind": difference.kind.as_str(),
        "paymentId": difference.payment.map(|id| id.to_string()),
        "refundId": difference.refund.map(|id| id.to_string()),
        "reference": difference.reference,
        "ours": side(difference.ours),
        "theirs": side(difference.theirs),
    })
}

fn summary(provider: &str, period: Period, done: &Reconciled) -> String {
    let Reconciled { charges, refunds, others, payments, sent, differences } = done;
    format!(
        "Compared {charges} charges and {refunds} refunds of {provider} with {payments} payments and {sent} refunds here, \
         from {} to {}; {others} of its rows are not ours. {}",
        period.from,
        period.until,
        match differences {
            0 => "Both tell the same.".to_owned(),
            some => format!("{some} differences."),
        }
    )
}

fn counts(provider: &str, period: Period, done: &Reconciled) -> Value {
    json!({ "summary": {
        "provider": provider,
        "from": period.from,
        "until": period.until,
        "charges": done.charges,
        "refunds": done.refunds,
        "others": done.others,
        "payments": done.payments,
        "refundsSent": done.sent,
        "differences": done.differences,
    } })
}
