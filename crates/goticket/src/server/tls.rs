//! TLS on the public address: the handshake, and the certificate, which is read again when its files change.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use anyhow::{Context as _, bail};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How many handshakes there are at a time: each costs a signature, and whoever begins them need not end them.
const HANDSHAKES_MAX: usize = 256;
/// More than any chain of certificates has.
const FILE_BYTES_MAX: u64 = 1_000_000;
const HTTP_2: &[u8] = b"h2";
const HTTP_1: &[u8] = b"http/1.1";

/// Where the certificate is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TlsFiles {
    /// PEM: the certificate, and those that lead to one that browsers know.
    pub certificate: PathBuf,
    /// PEM: its private key.
    pub key: PathBuf,
}

/// TLS by the newest certificate that holds.
pub struct Tls {
    files: TlsFiles,
    present: RwLock<Present>,
    handshakes: Semaphore,
}

struct Present {
    acceptor: TlsAcceptor,
    /// What the files were when they were read last, whatever came of it.
    read: Contents,
}

#[derive(PartialEq, Eq)]
struct Contents {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// If they cannot be read, are no PEM, or do not belong together.
    pub async fn load(files: TlsFiles) -> anyhow::Result<Self> {
        let read = read(files.clone()).await?;
        let acceptor = acceptor(&read)?;
        let present = RwLock::new(Present { acceptor, read });
        Ok(Self { files, present, handshakes: Semaphore::new(HANDSHAKES_MAX) })
    }

    /// Looks at the files for ever, and takes what they hold for new connections. What cannot be used is told once,
    /// what cannot be read at each look; and the certificate before it goes on.
    pub async fn follow(&self) {
        loop {
            sleep(LOOK_EVERY).await;
            self.look().await;
        }
    }

    async fn look(&self) {
        let read = match read(self.files.clone()).await {
            Ok(read) => read,
            Err(error) => {
                tracing::warn!("The TLS certificate cannot be read again, the present one goes on: {error:#}");
                return;
            }
        };
        let is_known = |present: &Present| present.read == read;
        if is_known(&self.present.read().unwrap_or_else(PoisonError::into_inner)) {
            return;
        }
        let made = acceptor(&read);
        let mut present = self.present.write().unwrap_or_else(PoisonError::into_inner);
        present.read = read;
        match made {
            Ok(acceptor) => {
                present.acceptor = acceptor;
                tracing::info!("The TLS certificate was read again: new connections get it");
            }
            Err(error) => tracing::error!("The new TLS certificate is not used, the old one goes on: {error:#}"),
        }
    }

    /// Makes a connection secure, within that time.
    ///
    /// # Errors
    /// If the other side does not manage it.
    pub(super) async fn accept(&self, stream: TcpStream, within: Duration) -> io::Result<TlsStream<TcpStream>> {
        let acceptor = self.present.read().unwrap_or_else(PoisonError::into_inner).acceptor.clone();
        let handshake = async {
            let _place = self.handshakes.acquire().await.map_err(io::Error::other)?;
            acceptor.accept(stream).await
        };
        timeout(within, handshake).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }
}

/// Whether the client has chosen HTTP/2.
pub(super) fn speaks_http_2(stream: &TlsStream<TcpStream>) -> bool {
    stream.get_ref().1.alpn_protocol() == Some(HTTP_2)
}

async fn read(files: TlsFiles) -> anyhow::Result<Contents> {
    let one = |path: PathBuf| async move {
        use tokio::io::AsyncReadExt;
        let read = async {
            let mut bytes = Vec::new();
            tokio::fs::File::open(&path).await?.take(FILE_BYTES_MAX).read_to_end(&mut bytes).await?;
            io::Result::Ok(bytes)
        };
        read.await.with_context(|| format!("the file {} cannot be read", path.display()))
    };
    Ok(Contents { certificate: one(files.certificate).await?, key: one(files.key).await? })
}

fn acceptor(contents: &Contents) -> anyhow::Result<TlsAcceptor> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&contents.certificate).collect();
    let chain = chain.context("the certificate is no PEM")?;
    if chain.is_empty() {
        bail!("the certificate file holds no certificate");
    }
    // What is wrong with a key is not told: the text could hold some of it.
    let key = PrivateKeyDer::from_pem_slice(&contents.key).map_err(|_| anyhow::anyhow!("the key is no PEM"))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let config = config.with_no_client_auth().with_single_cert(chain, key);
    let mut config = config.context("certificate and key do not belong together")?;
    config.alpn_protocols = vec![HTTP_2.to_vec(), HTTP_1.to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
