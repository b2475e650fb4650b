use std::path::PathBuf;

use super::*;

fn environment(variables: &[(&str, &str)]) -> BTreeMap<String, String> {
    variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn read(file: &str, variables: &[(&str, &str)]) -> Result<Settings, ConfigError> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("goticket.toml");
    std::fs::write(&path, file).unwrap();
    Settings::read(Some(&path), environment(variables))
}

fn refused(file: &str, variables: &[(&str, &str)]) -> String {
    let error = read(file, variables).expect_err(file).to_string();
    assert!(!error.contains('\n'), "{error}");
    error
}

fn example() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../goticket.example.toml"))
}

#[test]
fn without_file_and_environment_the_defaults_hold() {
    let settings = Settings::read(None, BTreeMap::new()).unwrap();
    assert_eq!(settings.http.address.to_string(), "127.0.0.1:8080");
    assert_eq!(settings.ops.address.to_string(), "127.0.0.1:9090");
    assert_eq!(settings.database.url(&settings.data_dir).expose(), "sqlite://data/goticket.db");
}

#[test]
fn the_sections_have_the_defaults_of_those_that_they_are_for() {
    let settings = Settings::default();
    let same = |ours: String, theirs: String| assert_eq!(ours, theirs);
    same(format!("{:?}", settings.identity()), format!("{:?}", application::identity::IdentitySettings::default()));
    same(
        format!("{:?}", settings.availability.settings()),
        format!("{:?}", application::live::WatchSettings::default()),
    );
    same(
        format!("{:?}", settings.booking.catalog()),
        format!("{:?}", application::catalog::CatalogSettings::default()),
    );
    same(format!("{:?}", settings.rest()), format!("{:?}", api_rest::RestSettings::default()));
    let theirs = adapter_sql::DatabaseSettings::new("sqlite://data/goticket.db");
    same(format!("{:?}", settings.database.settings(&settings.data_dir, false)), format!("{theirs:?}"));
    let theirs = application::booking::DeskSettings::default();
    let on_postgres = Database { url: Some(MaskedUrl::new("postgres://h/d".to_owned())), ..Database::default() };
    let ours = Settings { database: on_postgres, ..Settings::default() }.desk();
    assert_eq!(
        (ours.committers, ours.patient, ours.batch_max, ours.lane_queue_max, ours.queue_max),
        (theirs.committers, theirs.patient, theirs.batch_max, theirs.lane_queue_max, theirs.queue_max)
    );
    assert_eq!(
        (ours.reclaim_max, ours.patience, ours.hold_end, ours.sales_max),
        (theirs.reclaim_max, theirs.patience, theirs.hold_end, theirs.sales_max)
    );
    assert_eq!(settings.desk().committers, 1, "SQLite has one writer");
}

#[test]
fn the_example_file_holds_every_key_with_its_default() {
    let settings = Settings::read(Some(&example()), BTreeMap::new()).unwrap();
    assert_eq!(settings.masked().unwrap(), Settings::default().masked().unwrap());
    let text = std::fs::read_to_string(example()).unwrap();
    let mut section = String::new();
    let mut named = Vec::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = format!("{name}.");
        } else if let Some((key, _)) = line.trim_start_matches("# ").split_once(" = ").filter(|(key, _)| is_name(key)) {
            named.push(format!("{section}{key}"));
        }
    }
    let optional = [
        "http.https_only_for",
        "http.public_url",
        "http.tls.certificate_path",
        "http.tls.key_path",
        "database.url",
        "secrets.master_key",
        "secrets.previous_master_key",
        "mail.from",
        "smtp.url",
        "smtp.password",
        "smtp.ca_path",
        "payments.sandbox.url",
        "payments.sandbox.public_url",
        "payments.sandbox.webhook_url",
        "payments.sandbox.secret",
        "payments.stripe.secret_key",
        "payments.stripe.webhook_secret",
        "payments.stripe.return_url",
    ]
    .map(str::to_owned);
    let defaults: toml::Table = Settings::default().masked().unwrap().parse().unwrap();
    let mut known: Vec<String> = optional.to_vec();
    for (name, value) in defaults {
        match value {
            toml::Value::Table(table) => known.extend(table.into_iter().flat_map(|(key, value)| match value {
                toml::Value::Table(inner) => inner.keys().map(|last| format!("{name}.{key}.{last}")).collect(),
                _ => vec![format!("{name}.{key}")],
            })),
            _ => known.push(name),
        }
    }
    named.sort();
    known.sort();
    assert_eq!(named, known);
}

fn is_name(key: &str) -> bool {
    !key.is_empty() && key.chars().all(|it| it.is_ascii_lowercase() || it == '_')
}

#[test]
fn the_environment_lies_over_the_file() {
    let file = "data_dir = \"here\"\n[http]\naddress = \"127.0.0.1:1111\"\nconnections_max = 7\n[demo]\nenabled = true";
    let settings = read(file, &[("GOTICKET_HTTP__ADDRESS", "127.0.0.1:2222"), ("GOTICKET_DEMO__ENABLED", "false")]);
    let settings = settings.unwrap();
    assert_eq!(settings.http.address.port(), 2222);
    assert_eq!(settings.http.connections_max, 7, "what the environment leaves out stays");
    assert!(!settings.demo.enabled);
    assert_eq!(settings.data_dir, PathBuf::from("here"));
}

#[test]
fn every_kind_of_value_comes_from_the_environment() {
    let settings = read(
        "",
        &[
            ("GOTICKET_DATA_DIR", "/var/lib/goticket"),
            ("GOTICKET_BOOKING__HOLD_TTL", "2s"),
            ("GOTICKET_DESK__COMMITTERS", "2"),
            ("GOTICKET_DATABASE__MIGRATE_ON_START", "false"),
            ("GOTICKET_CORS__ORIGINS", "https://a.example, https://b.example"),
            ("GOTICKET_HTTP__HTTPS_ONLY_FOR", "365d"),
            ("GOTICKET_HTTP__TLS__CERTIFICATE_PATH", "/etc/tls/cert.pem"),
            ("GOTICKET_HTTP__TLS__KEY_PATH", "/etc/tls/key.pem"),
            ("GOTICKET_TELEMETRY__LOG_FORMAT", "json"),
            ("GOTICKET_DATABASE__URL", "postgres://u:p@h/d"),
            ("GOTICKET_RATE_LIMIT__ENABLED", "false"),
            ("GOTICKET_RATE_LIMIT__BOOKINGS", "1000/1m"),
            ("GOTICKET_HTTP__TRUSTED_PROXIES", "127.0.0.1, fd00::/8"),
        ],
    )
    .unwrap();
    assert_eq!(settings.data_dir, PathBuf::from("/var/lib/goticket"));
    assert_eq!(settings.booking.hold_ttl, HumanDuration::from_secs(2));
    assert_eq!(settings.desk().committers, 2);
    assert!(!settings.database.migrate_on_start);
    assert_eq!(settings.cors.origins, ["https://a.example", "https://b.example"]);
    assert_eq!(settings.http.https_only_for, Some(HumanDuration::from_secs(365 * 86_400)));
    assert_eq!(settings.http.tls_files().unwrap().key, PathBuf::from("/etc/tls/key.pem"));
    assert_eq!(settings.http.public_url(), "https://127.0.0.1:8080");
    assert_eq!(settings.telemetry.log_format, LogFormat::Json);
    assert!(!settings.rate_limit.enabled);
    assert_eq!(settings.rate_limit.bookings.to_string(), "1000/1m");
    assert_eq!(settings.http.trusted_proxies, ["127.0.0.1", "fd00::/8"]);
}

#[test]
fn variables_that_are_no_settings_are_left_alone() {
    let others = [("GOTICKET_CONFIG", "x"), ("GOTICKET_TEST_POSTGRES_URL", "x"), ("GOTICKET", "x"), ("PATH", "x")];
    assert!(read("", &others).is_ok());
}

#[test]
fn what_is_wrong_in_the_file_is_named() {
    for (file, key) in [
        ("adress = 1", "`adress`"),
        ("[http]\nadress = \"x\"", "`http.adress`"),
        ("[htp]\naddress = \"127.0.0.1:80\"", "`htp`"),
        ("http = 5", "`http`"),
        ("[http]\naddress = 5", "`http.address`"),
        ("[http]\naddress = \"localhost\"", "`http.address`"),
        ("[http]\nconnections_max = \"12\"", "`http.connections_max`"),
        ("[http]\nconnections_max = 1.5", "`http.connections_max`"),
        ("[http]\nconnections_max = -1", "`http.connections_max`"),
        ("[http]\nconnections_max = 0", "`http.connections_max`"),
        ("[http]\nidle_timeout = 60", "`http.idle_timeout`"),
        ("[http]\nidle_timeout = \"5s\"", "`http.idle_timeout`"),
        ("[demo]\nenabled = 1", "`demo.enabled`"),
        ("[demo]\nenabled = \"true\"", "`demo.enabled`"),
        ("[cors]\norigins = \"https://a.example\"", "`cors.origins`"),
        ("[cors]\norigins = [1]", "`cors.origins[0]`"),
        ("[cors]\norigins = [\"https://a.example/path\"]", "`cors.origins`"),
        ("[auth.second_factor]\nrequired_for = [\"root\"]", "`auth.second_factor.required_for`"),
        ("[database]\nurl = \"mysql://h/d\"", "`database.url`"),
        ("[booking]\ndefault_currency = \"EURO\"", "`booking.default_currency`"),
        ("[booking]\ndefault_timezone = \"Europe/Krakow\"", "`booking.default_timezone`"),
        ("[booking]\nhold_ttl = \"3h\"", "`booking.hold_end`"),
        ("[booking]\nhold_ttl = \"1500ms\"", "`booking.hold_ttl`"),
        ("[desk]\nqueue_max = 10", "`desk.queue_max`"),
        ("[availability]\nheartbeat = \"2m\"", "`availability.heartbeat`"),
        ("[auth]\nbcrypt_cost = 11", "`auth.bcrypt_cost`"),
        ("[secrets]\nmaster_key = \"short\"", "`secrets.master_key`"),
        ("[telemetry]\nlog = \"=,=\"", "`telemetry.log`"),
        ("[telemetry]\nlog_format = \"xml\"", "`telemetry.log_format`"),
        ("[redis]\nurl = \"redis://h\"", "`redis.url`"),
        ("[broker]\nurl = \"memory:\"", "`broker.url`"),
        ("[smtp]\nurl = \"smtp://u:p@h?tls=none\"", "`smtp.url`"),
        ("[smtp]\nurl = \"mail.example.com\"", "`smtp.url`"),
        ("[smtp]\nurl = \"smtp://h\"", "`mail.from`"),
        ("[mail]\nfrom = \"nobody\"", "`mail.from`"),
        ("[mail]\ntries_max = 0", "`mail.tries_max`"),
        ("[smtp]\npassword = 5", "`smtp.password`"),
        ("[http]\npublic_url = \"tickets.example.com\"", "`http.public_url`"),
        ("[http]\ntrusted_proxies = [\"10.0.0.0/33\"]", "`http.trusted_proxies`"),
        ("[rate_limit]\nlogin = \"5\"", "`rate_limit.login`"),
        ("[rate_limit]\nkeys_max = 1", "`rate_limit.keys_max`"),
        ("[rate_limit]\nlogins = \"5/15m\"", "`rate_limit.logins`"),
        ("[http]\nhttps_only_for = \"1d\"", "`http.https_only_for`"),
        ("[http.tls]\nkey_path = \"k\"", "`http.tls.certificate_path`"),
        ("[http.tls]\ncertificate_path = \"c\"", "`http.tls.key_path`"),
        ("[http.tls]\nkey = \"k\"", "`http.tls.key`"),
        ("[grpc]\naddress = \"127.0.0.1:50051\"", "`grpc.address`"),
        ("[payments.stripe]\nkey = \"k\"", "`payments.stripe.key`"),
    ] {
        let error = refused(file, &[]);
        assert!(error.contains(key) && error.contains("goticket.toml"), "{file}: {error}");
    }
}

#[test]
fn what_is_wrong_in_the_environment_is_named_with_its_variable() {
    for (variable, value, key) in [
        ("GOTICKET_FOO", "1", "`foo`"),
        ("GOTICKET_HTTP_ADDRESS", "127.0.0.1:80", "`http_address`"),
        ("GOTICKET_HTTP__ADRESS", "127.0.0.1:80", "`http.adress`"),
        ("GOTICKET_HTTP__ADDRESS__PORT", "80", "`http.address"),
        ("GOTICKET_HTTP", "1", "`http`"),
        ("GOTICKET_HTTP__CONNECTIONS_MAX", "many", "`http.connections_max`"),
        ("GOTICKET_HTTP__CONNECTIONS_MAX", "", "`http.connections_max`"),
        ("GOTICKET_HTTP__CONNECTIONS_MAX", "-1", "`http.connections_max`"),
        ("GOTICKET_DEMO__ENABLED", "yes", "`demo.enabled`"),
        ("GOTICKET_BOOKING__HOLD_TTL", "15", "`booking.hold_ttl`"),
        ("GOTICKET_CORS__ORIGINS", "a.example", "`cors.origins`"),
        ("GOTICKET_REDIS__URL", "redis://h", "`redis.url`"),
        ("GOTICKET_PAYMENTS__STRIPE__KEY", "k", "`payments.stripe.key`"),
    ] {
        let error = refused("", &[(variable, value)]);
        assert!(error.contains(key) && error.contains(variable), "{variable}={value}: {error}");
    }
}

#[test]
fn what_is_not_built_yet_says_so() {
    for (file, feature) in [("[redis]\nurl = \"redis://h\"", "Redis"), ("[broker]\nurl = \"memory:\"", "broker")] {
        let error = refused(file, &[]);
        assert!(error.contains(feature) && error.contains("not built yet"), "{error}");
    }
}

#[test]
fn a_value_where_the_environment_wants_a_table_is_named() {
    let error = refused("http = 5", &[("GOTICKET_HTTP__ADDRESS", "127.0.0.1:80")]);
    assert!(error.contains("`http.address`") && error.contains("must be a table"), "{error}");
}

#[test]
fn a_file_that_is_no_toml_is_named_with_its_line() {
    let error = refused("data_dir = \"x\"\n[http\n", &[]);
    assert!(error.contains("goticket.toml") && error.contains("line 2"), "{error}");
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = Settings::read(Some(Path::new("/nowhere/goticket.toml")), BTreeMap::new()).unwrap_err();
    assert!(error.to_string().contains("/nowhere/goticket.toml"));
}

#[test]
fn secrets_are_never_printed() {
    let key = "c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0IHNlY3I=";
    let variables = [("GOTICKET_SECRETS__MASTER_KEY", key), ("GOTICKET_DATABASE__URL", "postgres://u:hunter2@h/d")];
    let settings = read("", &variables).unwrap();
    for shown in [settings.masked().unwrap(), format!("{settings:?}")] {
        assert!(!shown.contains(key) && !shown.contains("hunter2"), "{shown}");
    }
    for error in [
        refused("", &[("GOTICKET_SECRETS__MASTER_KEY", "hunter2")]),
        refused("[secrets]\nmaster_key = 2222", &[]),
        refused("", &[("GOTICKET_DATABASE__URL", "mysql://u:hunter2@h/d")]),
    ] {
        assert!(!error.contains("hunter2") && !error.contains("2222"), "{error}");
    }
}

#[test]
fn a_secret_may_lie_in_a_file_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("url");
    std::fs::write(&path, "postgres://u:hunter2@h/d\n").unwrap();
    let path = path.to_str().unwrap();
    let settings = read("", &[("GOTICKET_DATABASE__URL_FILE", path)]).unwrap();
    assert_eq!(settings.database.url.unwrap().expose(), "postgres://u:hunter2@h/d");
    let error = refused("", &[("GOTICKET_DATABASE__URL_FILE", "/nowhere/url")]);
    assert!(error.contains("`database.url`") && error.contains("GOTICKET_DATABASE__URL_FILE"), "{error}");
    let both = [("GOTICKET_DATABASE__URL", "postgres://h/d"), ("GOTICKET_DATABASE__URL_FILE", path)];
    let error = refused("", &both);
    assert!(error.contains("set twice") && !error.contains("hunter2"), "{error}");
}

#[test]
fn a_password_for_mails_completes_the_url() {
    use secrecy::ExposeSecret;
    let file = "[mail]\nfrom = \"Shop <shop@example.com>\"\n[smtp]\nurl = \"smtp://u@h:25\"\npassword = \"hunter2\"";
    let settings = read(file, &[]).unwrap();
    let adapter_mail::Destination::Smtp(smtp) = settings.mailer().unwrap().destination else { panic!("SMTP") };
    let (user, password) = smtp.login.unwrap();
    assert_eq!((user.as_str(), password.expose_secret()), ("u", "hunter2"));
    for shown in [settings.masked().unwrap(), format!("{settings:?}")] {
        assert!(!shown.contains("hunter2"), "{shown}");
    }
    let settings = Settings::default();
    let adapter_mail::Destination::Folder(folder) = settings.mailer().unwrap().destination else { panic!("a folder") };
    assert_eq!(folder, PathBuf::from("data/mails"));
}

#[test]
fn the_database_lies_in_the_data_folder_whatever_that_is_called() {
    let url = |dir: &str| Database::default().url(Path::new(dir)).expose().to_owned();
    assert_eq!(url("/var/lib/go ticket"), "sqlite:///var/lib/go ticket/goticket.db");
    assert_eq!(url("100%?"), "sqlite://100%25%3F/goticket.db");
}

#[test]
fn a_sandbox_apart_is_reached_safely() {
    let secret = ("GOTICKET_PAYMENTS__SANDBOX__SECRET", "0123456789abcdef");
    let url = "GOTICKET_PAYMENTS__SANDBOX__URL";
    let settings = read("", &[secret, (url, "http://127.0.0.1:8090")]).unwrap();
    assert!(!settings.masked().unwrap().contains("0123456789abcdef"));
    assert!(read("", &[secret, (url, "https://pay.example.com")]).is_ok());
    for (variables, key) in [
        (vec![(url, "http://127.0.0.1:8090")], "payments.sandbox.secret"),
        (vec![secret, (url, "http://pay.example.com")], "payments.sandbox.url"),
        (vec![secret, (url, "http://127.0.0.1:8090/")], "payments.sandbox.url"),
        (vec![("GOTICKET_PAYMENTS__SANDBOX__SECRET", "0123456789abcde")], "payments.sandbox.secret"),
        (vec![("GOTICKET_PAYMENTS__SANDBOX__SECRET", "0123456789abcd ef")], "payments.sandbox.secret"),
        (vec![("GOTICKET_PAYMENTS__TIMEOUT", "1ms")], "payments.timeout"),
        (vec![("GOTICKET_PAYMENTS__BREAKER__FAILURES", "0")], "payments.breaker.failures"),
        (vec![("GOTICKET_PAYMENTS__PROVIDER", "cowries")], "payments.provider"),
    ] {
        let complaint = refused("", &variables);
        assert!(complaint.contains(key), "{complaint}");
        assert!(!complaint.contains("0123456789abcd"), "{complaint}");
    }
}

#[test]
fn stripe_is_chosen_wholly_or_not_at_all() {
    let chosen = ("GOTICKET_PAYMENTS__PROVIDER", "stripe");
    let key = ("GOTICKET_PAYMENTS__STRIPE__SECRET_KEY", "sk_test_0123456789");
    let signs = ("GOTICKET_PAYMENTS__STRIPE__WEBHOOK_SECRET", "whsec_0123456789");
    let settings = read("", &[chosen, key, signs]).unwrap();
    assert!(!settings.masked().unwrap().contains("0123456789"));
    let stripe = settings.stripe().unwrap();
    assert_eq!(
        (stripe.base_url.as_str(), stripe.return_url.as_str()),
        ("https://api.stripe.com", "http://127.0.0.1:8080")
    );
    assert!(!format!("{stripe:?}").contains("0123456789"));
    assert!(read("", &[]).unwrap().stripe().is_none());
    let sandbox = ("GOTICKET_PAYMENTS__SANDBOX__SECRET", "abcdefghijklmnop");
    for (variables, wrong) in [
        (vec![chosen], "payments.stripe.secret_key"),
        (vec![chosen, key], "payments.stripe.webhook_secret"),
        (vec![chosen, signs], "payments.stripe.secret_key"),
        (vec![key], "payments.stripe.secret_key"),
        (vec![signs, ("GOTICKET_PAYMENTS__PROVIDER", "none")], "payments.stripe.webhook_secret"),
        (
            vec![chosen, ("GOTICKET_PAYMENTS__STRIPE__SECRET_KEY", "pk_test_0123456789"), signs],
            "payments.stripe.secret_key",
        ),
        (
            vec![chosen, ("GOTICKET_PAYMENTS__STRIPE__SECRET_KEY", "sk_0123456789 0"), signs],
            "payments.stripe.secret_key",
        ),
        (
            vec![chosen, key, ("GOTICKET_PAYMENTS__STRIPE__WEBHOOK_SECRET", "0123456789")],
            "payments.stripe.webhook_secret",
        ),
        (
            vec![chosen, key, signs, ("GOTICKET_PAYMENTS__STRIPE__BASE_URL", "http://pay.example")],
            "payments.stripe.base_url",
        ),
        (vec![chosen, key, signs, ("GOTICKET_PAYMENTS__STRIPE__RETURN_URL", "ftp://x")], "payments.stripe.return_url"),
        (
            vec![chosen, key, signs, sandbox, ("GOTICKET_PAYMENTS__SANDBOX__URL", "http://127.0.0.1:8090")],
            "payments.sandbox.url",
        ),
    ] {
        let complaint = refused("", &variables);
        assert!(complaint.contains(wrong), "{complaint}");
        assert!(!complaint.contains("0123456789"), "{complaint}");
    }
}
