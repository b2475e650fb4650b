//! Random sequences of commands against the desk over each store, and over HTTP, compared step by step with a model that
//! keeps no counters. What differs is shrunk to the shortest sequence that still differs.
//!
//! The decider alone is played against its own model in `domain/src/booking/tests/model.rs`, in far more cases.
//! `PROPTEST_CASES` sets how many sequences each of the tests plays.

#![expect(clippy::unwrap_used, reason = "a test that fails by it fails well, in its helpers too")]

mod commands;
mod faces;
mod rules;

use application::verify::Verifier;
use goticket_testkit::databases::Engine;
use proptest::prelude::*;
use proptest::test_runner::{TestCaseError, TestRunner};
use tokio::runtime::{Builder, Runtime};

use commands::{Command, commands, once_differed};
use faces::{Answered, Face, Stage};
use rules::{Expected, Model};

/// How many sequences each test plays, where nobody says otherwise.
const CASES: u32 = 20;

/// What the commands go through.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Through {
    Desk,
    Rest,
}

fn cases() -> u32 {
    #[expect(clippy::disallowed_methods, reason = "tests have no configuration but their environment")]
    let wanted = std::env::var("PROPTEST_CASES");
    wanted.ok().and_then(|cases| cases.parse().ok()).unwrap_or(CASES)
}

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// Plays sequences on one application, each on an event of its own.
fn play_all(engine: Engine, through: Through) {
    let runtime = runtime();
    // What the stage is made of may end only where there is a runtime, also when a sequence differs.
    let _within = runtime.enter();
    let stage = runtime.block_on(Stage::set(engine));
    for commands in once_differed() {
        runtime.block_on(play(&stage, through, &commands)).unwrap_or_else(|differs| panic!("{commands:?}: {differs}"));
    }
    let config = ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() };
    let played = TestRunner::new(config)
        .run(&commands(), |commands| runtime.block_on(play(&stage, through, &commands)).map_err(TestCaseError::fail));
    if let Err(differs) = played {
        panic!("{engine:?} through {through:?}: {differs}");
    }
    runtime.block_on(async {
        for end in ["when documents are due", "when they are written"] {
            let report = stage.world.app.database.database.verify().await.unwrap();
            assert_eq!(report.differences, [], "every invariant holds in the end, {end}");
            stage.world.app.issue_invoices().await;
        }
        stage.world.app.stop().await;
    });
}

async fn play(stage: &Stage, through: Through, commands: &[Command]) -> Result<(), String> {
    let face = Face::open(stage, through).await;
    let mut model = Model::new(face.now());
    for (at, command) in commands.iter().enumerate() {
        let before = model.clone();
        let differs = step(&face, &mut model, command).await;
        differs.map_err(|what| format!("step {at}, {command:?}: {what}; the model before: {before:?}"))?;
    }
    Ok(())
}

async fn step(face: &Face<'_>, model: &mut Model, command: &Command) -> Result<(), String> {
    model.serve_before(command);
    let expected = model.expected(command);
    let Some(answered) = face.act(command, model).await else { return Ok(()) };
    match (&expected, &answered) {
        (Expected::Done, Answered::Done(_)) => {}
        (Expected::Refused(codes), Answered::Refused(code)) if codes.contains(&code.as_str()) => {}
        _ => return Err(format!("{expected:?} was expected, and {answered:?} came")),
    }
    if let Answered::Done(booking) = answered {
        model.done(command, booking, face.now());
    }
    model.pass(face.now());
    if !matches!(command, Command::Wait(_)) {
        model.serve();
    }
    let seen = face.seen().await;
    model.compare(&seen)?;
    model.adopt(&seen);
    model.compare_entries(&seen)
}

#[test]
fn the_desk_on_sqlite_does_what_the_model_does() {
    play_all(Engine::Sqlite, Through::Desk);
}

#[test]
fn the_desk_on_postgres_does_what_the_model_does() {
    play_all(Engine::Postgres, Through::Desk);
}

#[test]
fn rest_on_sqlite_does_what_the_model_does() {
    play_all(Engine::Sqlite, Through::Rest);
}

#[test]
fn rest_on_postgres_does_what_the_model_does() {
    play_all(Engine::Postgres, Through::Rest);
}
