//! The program as a process of its own, and as much HTTP as its tests need.
#![allow(dead_code, reason = "each test file uses a part of it")]
#![allow(clippy::allow_attributes, reason = "which part is unused differs from file to file")]

use std::fs::File;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

/// Generous, for machines that do something else as well.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

const READINESS: &str = "GET /readiness HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n";

/// The program, with nothing of the environment of the tests.
pub(crate) fn goticket(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_goticket"));
    command.current_dir(dir).env_clear().stdin(Stdio::null());
    command
}

/// Runs it to its end.
pub(crate) fn run(command: &mut Command, arguments: &[&str]) -> Output {
    command.args(arguments).output().unwrap()
}

/// Runs it to its end with a text on its standard input.
pub(crate) fn run_with_input(command: &mut Command, arguments: &[&str], input: &str) -> Output {
    let mut child =
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // It may refuse before it reads.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Asks until the answer is there; the text says what is waited for.
pub(crate) fn wait_for<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        #[expect(clippy::disallowed_methods, reason = "there is no runtime here to be stopped")]
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A running server; dropping it kills it.
pub(crate) struct Server {
    child: Child,
    pub(crate) dir: TempDir,
    pub(crate) http: SocketAddr,
    pub(crate) ops: SocketAddr,
    variables: Vec<(String, String)>,
}

impl Server {
    /// Starts one in a folder of its own and waits until it is ready.
    pub(crate) fn start(variables: &[(&str, &str)]) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), variables)
    }

    /// Starts one in this folder and waits until it is ready.
    pub(crate) fn start_in(dir: TempDir, variables: &[(&str, &str)]) -> Self {
        let variables: Vec<_> = variables.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let log = File::create(dir.path().join("log")).unwrap();
        let mut command = goticket(dir.path());
        // Tests ask oftener than people; those that are about limits switch them on.
        command.arg("serve").env("GOTICKET_RATE_LIMIT__ENABLED", "false").envs(variables.iter().cloned());
        command.env("GOTICKET_HTTP__ADDRESS", "127.0.0.1:0").env("GOTICKET_OPS__ADDRESS", "127.0.0.1:0");
        let child = command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
        let mut server = Self { child, dir, http: nowhere, ops: nowhere, variables };
        let is_secure = server.variables.iter().any(|(name, _)| name.starts_with("GOTICKET_HTTP__TLS__"));
        server.http = server.told(if is_secure { "Listening on https://" } else { "Listening on http://" });
        server.ops = server.told("probes are on http://");
        let probed = if is_secure { server.ops } else { server.http };
        wait_for("readiness", || (ask(probed, READINESS).status == 200).then_some(()));
        server
    }

    /// The address that the log names behind these words.
    fn told(&mut self, words: &str) -> SocketAddr {
        wait_for(words, || {
            let log = self.log();
            assert!(self.child.try_wait().unwrap().is_none(), "it has ended: {log}");
            let (_, rest) = log.split_once(words)?;
            // What follows shows that the port is there to its last digit.
            let end = rest.find(|it: char| !it.is_ascii_digit() && it != '.' && it != ':')?;
            rest[..end].trim_end_matches(':').parse().ok()
        })
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap()
    }

    /// A command on the same settings.
    pub(crate) fn command(&self) -> Command {
        let mut command = goticket(self.dir.path());
        command.envs(self.variables.iter().cloned());
        command.env("GOTICKET_HTTP__ADDRESS", self.http.to_string());
        command.env("GOTICKET_OPS__ADDRESS", self.ops.to_string());
        command
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        ask(self.http, &format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"))
    }

    pub(crate) fn get_as(&self, path: &str, token: &str) -> Answer {
        let head = format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\nAuthorization: Bearer {token}");
        ask(self.http, &format!("{head}\r\n\r\n"))
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Answer {
        let body = body.to_string();
        ask(self.http, &format!("{}{body}", post_head(path, body.len(), "close")))
    }

    pub(crate) fn post_as(&self, path: &str, token: &str, body: &Value) -> Answer {
        let body = body.to_string();
        let head = post_head(path, body.len(), "close");
        let head = head.replacen("\r\n", &format!("\r\nAuthorization: Bearer {token}\r\n"), 1);
        ask(self.http, &format!("{head}{body}"))
    }

    pub(crate) fn connect(&self) -> TcpStream {
        connect(self.http)
    }

    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Waits for its end.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        wait_for("the end of the server", || self.child.try_wait().unwrap())
    }

    /// Kills it, as the end of memory or of a machine would, and hands out its folder.
    pub(crate) fn kill(mut self) -> TempDir {
        self.signal(Signal::KILL);
        self.ended();
        std::mem::replace(&mut self.dir, tempfile::tempdir().unwrap())
    }

    /// Stops it softly, and hands out its folder.
    pub(crate) fn stop(mut self) -> TempDir {
        self.signal(Signal::TERM);
        assert_eq!(self.ended().code(), Some(0), "{}", self.log());
        std::mem::replace(&mut self.dir, tempfile::tempdir().unwrap())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.child.try_wait().unwrap().is_none() {
            self.child.kill().unwrap();
            self.child.wait().unwrap();
        }
        if std::thread::panicking() {
            tell(&std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default());
        }
    }
}

#[expect(clippy::print_stderr, reason = "whoever reads of a failure wants to read this as well")]
fn tell(log: &str) {
    eprintln!("--- log of the server\n{log}");
}

/// The head of a `POST` with a JSON body.
pub(crate) fn post_head(path: &str, length: usize, connection: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: test\r\nConnection: {connection}\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n"
    )
}

/// Connects, with a bound on every read.
pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// An answer as it was read.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }
}

/// Sends a request that ends its connection, and reads the answer.
pub(crate) fn ask(address: SocketAddr, request: &str) -> Answer {
    let mut stream = connect(address);
    stream.write_all(request.as_bytes()).unwrap();
    answer(&read_to_end(&mut stream))
}

/// Reads until the other side is done, or cuts the connection.
pub(crate) fn read_to_end(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(length) => bytes.extend_from_slice(&buffer[..length]),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => break,
            Err(error) => panic!("after {bytes:?}: {error}"),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Reads until these words have come.
pub(crate) fn read_until(stream: &mut TcpStream, words: &str) -> String {
    let mut text = String::new();
    let mut buffer = [0; 4096];
    while !text.contains(words) {
        let length = stream.read(&mut buffer).unwrap();
        assert!(length > 0, "the connection ended before {words:?}: {text}");
        text.push_str(&String::from_utf8_lossy(&buffer[..length]));
    }
    text
}

pub(crate) fn answer(text: &str) -> Answer {
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?}"));
    let status = head.split(' ').nth(1).and_then(|word| word.parse().ok()).unwrap_or_else(|| panic!("{head}"));
    let body =
        if head.to_lowercase().contains("transfer-encoding: chunked") { unchunked(body) } else { body.to_owned() };
    Answer { status, head: head.to_owned(), body }
}

fn unchunked(mut rest: &str) -> String {
    let mut body = String::new();
    while let Some((size, chunk)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap();
        body.push_str(&chunk[..size]);
        rest = chunk.get(size + 2..).unwrap_or_default();
    }
    body
}
