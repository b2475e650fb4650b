//! `goticket user …`: how the first admin is made, anew or of an account that is there, and how he gets in again who has lost his second factor.

use std::io::{BufRead, Read};
use std::process::ExitCode;

use anyhow::{Context, bail};
use application::error::AppError;
use application::identity::NewUser;
use application::origin::Origin;
use domain::identity::Role;
use secrecy::{ExposeSecret, SecretString};

use super::open;
use crate::cli::{CreateUser, ResetSecondFactor, SetRole, User};
use crate::config::Settings;
use crate::output;

pub(super) async fn run(settings: Settings, command: User) -> anyhow::Result<ExitCode> {
    match command {
        User::Create(wish) => create(settings, wish).await,
        User::SetRole(wish) => set_role(settings, wish).await,
        User::ResetSecondFactor(wish) => reset_second_factor(settings, wish).await,
    }
}

async fn create(settings: Settings, wish: CreateUser) -> anyhow::Result<ExitCode> {
    let CreateUser { email, role, name, password_stdin: _ } = wish;
    let password = read_password()?;
    let ground = open(&settings).await?;
    let identity = ground.identity(&settings).await?;
    let new = NewUser { email: &email, password: password.expose_secret(), name: name.as_deref() };
    let made = identity.create_user(new, Role::from(role), &Origin::system("command line")).await;
    ground.database.close().await;
    match made {
        Ok(user) => {
            output::line(&format!("Made the account {} ({}, {}).", user.id, user.email.as_str(), user.role.as_str()))?
        }
        Err(error) => bail!(told(&error)),
    }
    Ok(ExitCode::SUCCESS)
}

async fn set_role(settings: Settings, wish: SetRole) -> anyhow::Result<ExitCode> {
    let ground = open(&settings).await?;
    let identity = ground.identity(&settings).await?;
    let given = identity.give_role(&wish.email, Role::from(wish.role), &Origin::system("command line")).await;
    ground.database.close().await;
    match given {
        Ok(user) => output::line(&format!("The account {} is {} now.", user.email.as_str(), user.role.as_str()))?,
        Err(error) => bail!(told(&error)),
    }
    Ok(ExitCode::SUCCESS)
}

async fn reset_second_factor(settings: Settings, wish: ResetSecondFactor) -> anyhow::Result<ExitCode> {
    let ground = open(&settings).await?;
    let identity = ground.identity(&settings).await?;
    let reset = identity.reset_second_factor_of(&wish.email, &Origin::system("command line")).await;
    ground.database.close().await;
    match reset {
        Ok(true) => output::line("Its second factor is gone, and its sessions have ended.")?,
        Ok(false) => output::line("It has no second factor.")?,
        Err(error) => bail!(told(&error)),
    }
    Ok(ExitCode::SUCCESS)
}

/// More than any password has.
const LINE_MAX: u64 = 1_024;

fn read_password() -> anyhow::Result<SecretString> {
    let mut line = String::new();
    let mut input = std::io::stdin().lock().take(LINE_MAX);
    input.read_line(&mut line).context("the password cannot be read from standard input")?;
    let password = line.trim_end_matches(['\r', '\n']);
    if password.is_empty() {
        bail!("standard input holds no password: `printf %s \"$PASSWORD\" | goticket user create …`");
    }
    Ok(password.to_owned().into())
}

/// An error of a use case for people: with the fields that are wrong.
pub(super) fn told(error: &AppError) -> String {
    let fields: Vec<String> = error.fields().iter().map(|it| format!("{} {}", it.field, it.message)).collect();
    if fields.is_empty() { error.to_string() } else { fields.join(", ") }
}
