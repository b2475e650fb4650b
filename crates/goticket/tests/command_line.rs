//! The commands that end by themselves.

#![expect(clippy::unwrap_used, reason = "a test that fails by `unwrap` fails well")]

mod support;

use serde_json::Value;
use support::{goticket, run, run_with_input, stderr, stdout};

/// Runs a command that must fail, and answers the one line that says why.
fn refused(arguments: &[&str], variables: &[(&str, &str)]) -> String {
    let dir = tempfile::tempdir().unwrap();
    let output = run(goticket(dir.path()).envs(variables.iter().copied()), arguments);
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {}{}", stdout(&output), stderr(&output));
    let complaint = stderr(&output);
    assert_eq!(complaint.lines().count(), 1, "{complaint}");
    assert!(complaint.starts_with("error: "), "{complaint}");
    complaint
}

#[test]
fn it_says_what_it_is_and_what_it_can() {
    let dir = tempfile::tempdir().unwrap();
    let version = run(&mut goticket(dir.path()), &["--version"]);
    assert_eq!(stdout(&version), format!("goticket {}\n", env!("CARGO_PKG_VERSION")));
    let help = stdout(&run(&mut goticket(dir.path()), &["--help"]));
    for command in [
        "serve",
        "migrate",
        "user",
        "keys",
        "demo",
        "verify",
        "reconcile",
        "messages",
        "sandbox",
        "openapi",
        "config",
        "healthcheck",
        "completions",
    ] {
        assert!(help.contains(command), "{command} is missing: {help}");
    }
    for shell in ["bash", "zsh", "fish"] {
        assert!(stdout(&run(&mut goticket(dir.path()), &["completions", shell])).contains("goticket"), "{shell}");
    }
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "none of these leaves anything behind");
}

#[test]
fn words_that_it_does_not_know_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    for arguments in [&["sell"] as &[&str], &["serve", "--fast"], &["user", "create", "--email", "a@example.com"]] {
        assert_eq!(run(&mut goticket(dir.path()), arguments).status.code(), Some(2), "{arguments:?}");
    }
}

#[test]
fn the_openapi_document_is_the_same_each_time() {
    let dir = tempfile::tempdir().unwrap();
    let first = stdout(&run(&mut goticket(dir.path()), &["openapi"]));
    assert_eq!(first, stdout(&run(&mut goticket(dir.path()), &["openapi"])));
    assert!(first.ends_with("}\n"));
    let document: Value = serde_json::from_str(&first).unwrap();
    assert_eq!(document["openapi"], "3.1.0");
}

#[test]
fn a_configuration_that_is_wrong_stops_every_command_that_needs_one() {
    let variables = [("GOTICKET_HTTP__ADRESS", "127.0.0.1:80")];
    for arguments in [
        &["serve"] as &[&str],
        &["migrate"],
        &["verify"],
        &["demo", "seed"],
        &["healthcheck"],
        &["config", "check"],
        &["config", "show"],
    ] {
        let complaint = refused(arguments, &variables);
        assert!(complaint.contains("`http.adress`") && complaint.contains("GOTICKET_HTTP__ADRESS"), "{complaint}");
    }
}

#[test]
fn a_configuration_is_checked_and_shown() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("our.toml"), "[http]\nconnections_max = 7\nheader_timeout = \"3s\"\n").unwrap();
    let given = |name, file| {
        let mut command = goticket(dir.path());
        command.env(name, file).env("GOTICKET_HTTP__CONNECTIONS_MAX", "8");
        command.env("GOTICKET_DATABASE__URL", "postgres://u:hunter2@h/d");
        command
    };
    let by_variable = run(&mut given("GOTICKET_CONFIG", "our.toml"), &["config", "show"]);
    let by_flag = run(&mut given("PATH", ""), &["--config", "our.toml", "config", "show"]);
    for output in [by_variable, by_flag] {
        let shown: toml::Table = stdout(&output).parse().unwrap();
        assert_eq!(shown["http"]["connections_max"].as_integer(), Some(8), "the environment wins");
        assert_eq!(shown["http"]["header_timeout"].as_str(), Some("3s"));
        assert_eq!(shown["database"]["url"].as_str(), Some("postgres://u:********@h/d"));
    }
    assert!(stdout(&run(&mut goticket(dir.path()), &["config", "check"])).contains("valid"));
}

#[test]
fn the_split_into_services_is_not_built_yet() {
    for roles in ["api", "api,booking", "worker"] {
        assert!(refused(&["serve", "--roles", roles], &[]).contains("not built yet"));
    }
}

#[test]
fn a_database_that_is_away_is_named_without_its_password() {
    let variables = [
        ("GOTICKET_DATABASE__URL", "postgres://u:hunter2@127.0.0.1:1/tickets"),
        ("GOTICKET_DATABASE__CONNECT_TIMEOUT", "300ms"),
        ("GOTICKET_HTTP__ADDRESS", "127.0.0.1:0"),
        ("GOTICKET_OPS__ADDRESS", "127.0.0.1:0"),
    ];
    for command in ["serve", "migrate", "verify"] {
        let complaint = refused(&[command], &variables);
        assert!(complaint.contains("127.0.0.1:1/tickets") && !complaint.contains("hunter2"), "{complaint}");
    }
}

#[test]
fn only_a_demo_makes_tokens_and_events() {
    for arguments in [&["demo", "seed"] as &[&str], &["demo", "tokens", "--count", "1"]] {
        assert!(refused(arguments, &[]).contains("demo.enabled"));
    }
    let demo = [("GOTICKET_DEMO__ENABLED", "true")];
    assert!(refused(&["demo", "tokens", "--count", "1", "--role", "admin"], &demo).contains("admin"));
    assert!(refused(&["demo", "tokens", "--count", "100001"], &demo).contains("100000"));
}

#[test]
fn an_account_needs_an_address_and_a_password() {
    let dir = tempfile::tempdir().unwrap();
    for (email, password, what) in [
        ("anna@example.com", "", "no password"),
        ("anna@example.com", "short\n", "password"),
        ("anna", "long enough\n", "email"),
    ] {
        let arguments = ["user", "create", "--email", email, "--password-stdin"];
        let output = run_with_input(&mut goticket(dir.path()), &arguments, password);
        assert_eq!(output.status.code(), Some(1));
        assert!(stderr(&output).contains(what), "{}", stderr(&output));
    }
}

#[test]
fn a_fresh_database_is_made_migrated_and_verified() {
    let dir = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        let migrated = run(&mut goticket(dir.path()), &["migrate"]);
        assert!(migrated.status.success(), "{}", stderr(&migrated));
    }
    let verified = run(&mut goticket(dir.path()), &["verify"]);
    assert!(verified.status.success(), "{}", stderr(&verified));
    assert!(stdout(&verified).contains("0 bookings"), "{}", stdout(&verified));
    assert!(dir.path().join("data/goticket.db").exists());
}

#[test]
fn a_schema_that_is_not_there_is_told_where_it_is_made_apart() {
    let variables = [
        ("GOTICKET_DATABASE__MIGRATE_ON_START", "false"),
        ("GOTICKET_HTTP__ADDRESS", "127.0.0.1:0"),
        ("GOTICKET_OPS__ADDRESS", "127.0.0.1:0"),
    ];
    assert!(refused(&["serve"], &variables).contains("goticket migrate"));
}

#[test]
fn a_server_that_is_away_is_not_healthy() {
    let variables = [("GOTICKET_HTTP__ADDRESS", "127.0.0.1:1")];
    assert!(refused(&["healthcheck"], &variables).contains("127.0.0.1:1"));
}

#[test]
fn a_sandbox_apart_needs_a_secret() {
    assert!(refused(&["sandbox"], &[]).contains("`payments.sandbox.secret` must be set"));
}
