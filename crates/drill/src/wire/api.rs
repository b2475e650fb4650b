//! The same connection for the few calls that prepare and check a run, with JSON.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use tokio::time::timeout;

use super::{Connection, Target, Template};

const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// A caller with JSON in and out; patient, not fast.
#[derive(Debug)]
pub(crate) struct Api {
    link: Connection,
    request: Vec<u8>,
}

impl Api {
    /// A caller of this server.
    pub(crate) fn new(target: Target) -> Self {
        Self { link: Connection::new(target), request: Vec::new() }
    }

    /// One call whatever it answers: status and body.
    ///
    /// # Errors
    /// If no answer comes.
    pub(crate) async fn call(
        &mut self,
        method: &str,
        path: &str,
        authorization: &[u8],
        body: &str,
    ) -> Result<(u16, String)> {
        Template::new(method, path, body).write(authorization, &mut self.request);
        let reply = timeout(CALL_TIMEOUT, self.link.exchange(&self.request))
            .await
            .with_context(|| format!("{method} {path}: no answer within {CALL_TIMEOUT:?}"))?
            .with_context(|| format!("{method} {path}"))?;
        Ok((reply.status, String::from_utf8_lossy(reply.body).into_owned()))
    }

    /// One request; its status.
    ///
    /// # Errors
    /// If no answer comes.
    pub(crate) async fn send(&mut self, request: &Template, headers: &[u8]) -> Result<u16> {
        request.write(headers, &mut self.request);
        let reply = timeout(CALL_TIMEOUT, self.link.exchange(&self.request)).await.context("no answer in time")?;
        Ok(reply?.status)
    }

    /// One call that has to succeed; its body as JSON.
    ///
    /// # Errors
    /// If no answer comes, or one without a 2xx status.
    pub(crate) async fn expect(&mut self, method: &str, path: &str, authorization: &[u8], body: &str) -> Result<Value> {
        let (status, text) = self.call(method, path, authorization, body).await?;
        if !(200..300).contains(&status) {
            bail!("{method} {path} answered {status}: {text}");
        }
        if text.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&text).with_context(|| format!("{method} {path} answered no JSON: {text}"))
    }
}
