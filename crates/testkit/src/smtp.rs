//! An SMTP server for tests: it takes mails over a real socket, keeps them, and fails as it is told.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

/// A mail as it came.
#[derive(Clone, Debug)]
pub struct ReceivedMail {
    /// The sender of the envelope.
    pub from: String,
    /// The recipients of the envelope.
    pub to: Vec<String>,
    /// The message, with the dots undone.
    pub data: Vec<u8>,
    /// Whether it came over TLS.
    pub over_tls: bool,
    /// Who had signed in, with his password.
    pub login: Option<(String, String)>,
}

/// How the server is to be talked to.
#[derive(Clone, Default)]
pub struct SmtpServerSettings {
    /// With TLS: from the start, or after `STARTTLS`.
    pub tls: Option<(Arc<ServerConfig>, TlsStart)>,
    /// Whether a sign-in is asked for, and which one is right.
    pub login: Option<(&'static str, &'static str)>,
    /// Whether addresses with letters beyond ASCII are none to it (RFC 6531 is missing).
    pub ascii_only: bool,
}

/// When TLS begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TlsStart {
    /// With the first byte.
    AtOnce,
    /// After `STARTTLS`.
    OnDemand,
}

#[derive(Default)]
struct State {
    mails: Vec<ReceivedMail>,
    /// Answers to the next `RCPT TO`, before all is well again.
    answers: VecDeque<String>,
    /// Whether nothing is answered any more.
    silent: bool,
}

/// The server; it ends with the runtime of its test.
#[derive(Clone)]
pub struct SmtpServer {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl SmtpServer {
    /// Starts one on a free port of this machine, without TLS and sign-in.
    pub async fn start() -> Self {
        Self::start_with(SmtpServerSettings::default()).await
    }

    /// Starts one.
    ///
    /// # Panics
    /// When there is no free port.
    pub async fn start_with(settings: SmtpServerSettings) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("the address of the listener");
        let state = Arc::new(Mutex::new(State::default()));
        let server = Self { address, state };
        let taking = server.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (server, settings) = (taking.clone(), settings.clone());
                // A client that goes away is no fault of the test.
                tokio::spawn(async move { server.talk(stream, settings).await.ok() });
            }
        });
        server
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// All that came so far.
    #[must_use]
    pub fn mails(&self) -> Vec<ReceivedMail> {
        self.state(|state| state.mails.clone())
    }

    /// Answers the next recipient with this, like `451 later`.
    pub fn answer_next(&self, answer: &str) {
        self.state(|state| state.answers.push_back(answer.to_owned()));
    }

    /// Says nothing any more, and keeps connections open.
    pub fn fall_silent(&self, silent: bool) {
        self.state(|state| state.silent = silent);
    }

    fn state<T>(&self, read: impl FnOnce(&mut State) -> T) -> T {
        read(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn talk(&self, stream: TcpStream, settings: SmtpServerSettings) -> std::io::Result<()> {
        match &settings.tls {
            Some((config, TlsStart::AtOnce)) => {
                let stream = TlsAcceptor::from(config.clone()).accept(stream).await?;
                self.session(BufReader::new(stream), &settings, true).await.map(drop)
            }
            Some((config, TlsStart::OnDemand)) => {
                let Some(stream) = self.session(BufReader::new(stream), &settings, false).await? else { return Ok(()) };
                let stream = TlsAcceptor::from(config.clone()).accept(stream.into_inner()).await?;
                self.session(BufReader::new(stream), &settings, true).await.map(drop)
            }
            None => self.session(BufReader::new(stream), &settings, false).await.map(drop),
        }
    }

    /// One dialogue; gives the stream back where it is to go on in TLS.
    async fn session<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        mut stream: BufReader<S>,
        settings: &SmtpServerSettings,
        over_tls: bool,
    ) -> std::io::Result<Option<BufReader<S>>> {
        let may_start_tls = !over_tls && settings.tls.is_some();
        if !(over_tls && matches!(settings.tls, Some((_, TlsStart::OnDemand)))) {
            self.say(&mut stream, "220 test").await?;
        }
        let mut mail = ReceivedMail { from: String::new(), to: Vec::new(), data: Vec::new(), over_tls, login: None };
        let mut line = String::new();
        loop {
            line.clear();
            if stream.read_line(&mut line).await? == 0 {
                return Ok(None);
            }
            let command = line.trim_end();
            let verb = command.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
            let answer = match verb.as_str() {
                "EHLO" => {
                    let starttls = if may_start_tls { "250-STARTTLS\r\n" } else { "" };
                    let auth = if settings.login.is_some() { "250-AUTH PLAIN\r\n" } else { "" };
                    let utf8 = if settings.ascii_only { "" } else { "250-SMTPUTF8\r\n" };
                    format!("250-test\r\n{starttls}{auth}{utf8}250 8BITMIME")
                }
                "STARTTLS" if may_start_tls => {
                    self.say(&mut stream, "220 go on").await?;
                    return Ok(Some(stream));
                }
                "AUTH" => {
                    let login = plain_login(command.rsplit(' ').next().unwrap_or_default());
                    let right = settings.login.is_some_and(|(user, password)| login == (user.into(), password.into()));
                    mail.login = right.then_some(login);
                    (if right { "235 welcome" } else { "535 no" }).to_owned()
                }
                "MAIL" if settings.login.is_some() && mail.login.is_none() => "530 sign in".to_owned(),
                "MAIL" => {
                    mail.from = path(command);
                    "250 ok".to_owned()
                }
                "RCPT" => {
                    let answer = self.state(|state| state.answers.pop_front());
                    mail.to.push(path(command));
                    answer.unwrap_or_else(|| "250 ok".to_owned())
                }
                "DATA" => {
                    self.say(&mut stream, "354 go on").await?;
                    mail.data = data(&mut stream).await?;
                    self.state(|state| state.mails.push(mail.clone()));
                    mail.to.clear();
                    "250 ok".to_owned()
                }
                "RSET" => {
                    mail.to.clear();
                    "250 ok".to_owned()
                }
                "NOOP" => "250 ok".to_owned(),
                "QUIT" => {
                    self.say(&mut stream, "221 bye").await?;
                    return Ok(None);
                }
                _ => "502 what?".to_owned(),
            };
            self.say(&mut stream, &answer).await?;
        }
    }

    async fn say<S: AsyncWrite + Unpin>(&self, stream: &mut S, answer: &str) -> std::io::Result<()> {
        while self.state(|state| state.silent) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        stream.write_all(format!("{answer}\r\n").as_bytes()).await?;
        stream.flush().await
    }
}

/// The address between the brackets of `MAIL FROM:<…>`.
fn path(command: &str) -> String {
    let from = command.find('<').map_or(0, |at| at + 1);
    let to = command.find('>').unwrap_or(command.len());
    command.get(from..to).unwrap_or_default().to_owned()
}

/// User and password of `AUTH PLAIN`: NUL, user, NUL, password.
fn plain_login(encoded: &str) -> (String, String) {
    let text = STANDARD.decode(encoded).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let mut parts = text.split('\0').skip(1).map(str::to_owned);
    (parts.next().unwrap_or_default(), parts.next().unwrap_or_default())
}

async fn data<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut BufReader<S>) -> std::io::Result<Vec<u8>> {
    let mut data = Vec::new();
    let mut line = Vec::new();
    loop {
        line.clear();
        if stream.read_until(b'\n', &mut line).await? == 0 || line == b".\r\n" {
            return Ok(data);
        }
        data.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
    }
}
