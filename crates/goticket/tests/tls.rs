//! TLS over real sockets: what is spoken, what is told to browsers, and that a new certificate is taken.

#![expect(clippy::unwrap_used, reason = "a test that fails by `unwrap` fails well")]

mod support;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use support::{Server, answer, goticket, read_to_end, run, stderr, wait_for};

const LAST: &str = "GET /liveness HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

/// Writes a new certificate and its key, and gives the certificate to whoever trusts it.
fn certify(dir: &Path) -> CertificateDer<'static> {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    std::fs::write(dir.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    std::fs::write(dir.join("cert.pem"), made.cert.pem()).unwrap();
    made.cert.der().clone()
}

fn start(dir: tempfile::TempDir, more: &[(&str, &str)]) -> Server {
    let files = [("GOTICKET_HTTP__TLS__CERTIFICATE_PATH", "cert.pem"), ("GOTICKET_HTTP__TLS__KEY_PATH", "key.pem")];
    Server::start_in(dir, &[&files, more].concat())
}

/// A connection that trusts this certificate alone and offers these protocols.
fn secure(
    server: &Server,
    trusted: &CertificateDer<'static>,
    protocols: &[&[u8]],
) -> std::io::Result<StreamOwned<ClientConnection, TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    let name = ServerName::try_from("localhost").unwrap();
    let mut client = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut socket = server.connect();
    while client.is_handshaking() {
        client.complete_io(&mut socket)?;
    }
    Ok(StreamOwned::new(client, socket))
}

fn get(server: &Server, trusted: &CertificateDer<'static>) -> std::io::Result<support::Answer> {
    let mut stream = secure(server, trusted, &[b"http/1.1"])?;
    stream.write_all(LAST.as_bytes())?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    Ok(answer(&String::from_utf8(bytes).unwrap()))
}

#[test]
fn the_public_address_speaks_tls_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let trusted = certify(dir.path());
    let server = start(dir, &[("GOTICKET_HTTP__HTTPS_ONLY_FOR", "1d")]);
    let seen = get(&server, &trusted).unwrap();
    assert_eq!(seen.status, 200);
    let head = seen.head.to_lowercase();
    assert!(head.contains("strict-transport-security: max-age=86400"), "{head}");
    let mut plain = server.connect();
    plain.write_all(LAST.as_bytes()).unwrap();
    assert!(!read_to_end(&mut plain).contains("HTTP/1.1"), "nobody is answered in the clear");
    let checked = run(&mut server.command(), &["healthcheck"]);
    assert!(checked.status.success(), "{}", stderr(&checked));
    let stranger = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    assert!(get(&server, stranger.cert.der()).is_err(), "another certificate is not trusted");
}

#[test]
fn http_2_is_spoken_where_the_client_chooses_it() {
    let dir = tempfile::tempdir().unwrap();
    let trusted = certify(dir.path());
    let server = start(dir, &[]);
    for (offered, chosen) in [
        (&[b"h2" as &[u8], b"http/1.1"] as &[&[u8]], Some(b"h2" as &[u8])),
        (&[b"http/1.1"], Some(b"http/1.1")),
        (&[], None),
    ] {
        let stream = secure(&server, &trusted, offered).unwrap();
        assert_eq!(stream.conn.alpn_protocol(), chosen);
    }
    let mut stream = secure(&server, &trusted, &[b"h2"]).unwrap();
    // The preface and empty SETTINGS; the server begins with its own SETTINGS, a frame of type 4.
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").unwrap();
    let mut head = [0; 9];
    stream.read_exact(&mut head).unwrap();
    assert_eq!(head[3], 4, "{head:?}");
}

#[test]
fn a_new_certificate_is_taken_and_a_bad_one_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let first = certify(dir.path());
    let server = start(dir, &[]);
    let head = get(&server, &first).unwrap().head.to_lowercase();
    assert!(head.contains("strict-transport-security: max-age=31536000"), "where nobody says otherwise: {head}");
    std::fs::write(server.dir.path().join("key.pem"), "no key").unwrap();
    wait_for("a complaint about the key", || server.log().contains("the old one goes on").then_some(()));
    assert_eq!(get(&server, &first).unwrap().status, 200, "the old one goes on");
    let second = certify(server.dir.path());
    wait_for("the new certificate", || get(&server, &second).ok());
    assert!(get(&server, &first).is_err());
}

#[test]
fn a_handshake_that_does_not_come_is_not_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let trusted = certify(dir.path());
    let server = start(dir, &[("GOTICKET_HTTP__HEADER_TIMEOUT", "300ms")]);
    let mut silent = server.connect();
    assert_eq!(read_to_end(&mut silent), "", "it is closed without a word");
    assert_eq!(get(&server, &trusted).unwrap().status, 200);
}

#[test]
fn a_certificate_that_cannot_be_used_stops_the_start() {
    let dir = tempfile::tempdir().unwrap();
    certify(dir.path());
    let other = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    std::fs::write(dir.path().join("other.pem"), other.signing_key.serialize_pem()).unwrap();
    for (certificate, key, why) in [
        ("nowhere.pem", "key.pem", "cannot be read"),
        ("key.pem", "key.pem", "holds no certificate"),
        ("cert.pem", "cert.pem", "the key is no PEM"),
        ("cert.pem", "other.pem", "do not belong together"),
    ] {
        let mut command = goticket(dir.path());
        command.env("GOTICKET_HTTP__TLS__CERTIFICATE_PATH", certificate).env("GOTICKET_HTTP__TLS__KEY_PATH", key);
        command.env("GOTICKET_HTTP__ADDRESS", "127.0.0.1:0").env("GOTICKET_OPS__ADDRESS", "127.0.0.1:0");
        let output = run(&mut command, &["serve"]);
        assert_eq!(output.status.code(), Some(1));
        assert!(stderr(&output).contains("http.tls") && stderr(&output).contains(why), "{}", stderr(&output));
    }
}
