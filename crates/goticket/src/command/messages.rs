//! `goticket messages`: what payment providers have told, as it came.

use std::process::ExitCode;

use application::payment::{MessageLog, ProviderMessage};
use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use crate::cli::Messages as Arguments;
use crate::compose::Ground;
use crate::config::Settings;
use crate::output;

/// How many commits are read at a time, of a megabyte each at the most, or little more.
const BATCHES: u64 = 20;
/// By how much the clocks of processes may differ whose messages lie behind each other.
const CLOCKS_DIFFER: TimeDelta = TimeDelta::minutes(10);

pub(super) async fn run(settings: Settings, arguments: Arguments) -> anyhow::Result<ExitCode> {
    let ground = Ground::open(&settings, false).await?;
    let mut after = arguments.from.map(first_id);
    loop {
        let batches = ground.database.batches_behind(after, BATCHES).await?;
        let Some(last) = batches.last() else { break };
        after = Some(last.id);
        for message in batches.iter().flat_map(|batch| &batch.messages).filter(|message| is_wanted(message, &arguments))
        {
            output::line(&serde_json::to_string(message)?)?;
        }
    }
    ground.database.close().await;
    Ok(ExitCode::SUCCESS)
}

/// Ids of version 7 begin with the milliseconds (RFC 9562, 5.7): whatever came since then has a greater one.
fn first_id(from: DateTime<Utc>) -> Uuid {
    let from = from.checked_sub_signed(CLOCKS_DIFFER).unwrap_or(from);
    let millis = u128::try_from(from.timestamp_millis()).unwrap_or_default().min((1 << 48) - 1);
    Uuid::from_u128(millis << 80)
}

fn is_wanted(message: &ProviderMessage, arguments: &Arguments) -> bool {
    let Arguments { provider, containing, from, until } = arguments;
    provider.as_ref().is_none_or(|provider| *provider == message.provider)
        && containing.as_ref().is_none_or(|text| message.body.contains(text))
        && from.is_none_or(|from| message.received_at >= from)
        && until.is_none_or(|until| message.received_at < until)
}
