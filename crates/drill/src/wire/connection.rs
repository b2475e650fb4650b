//! One keep-alive connection: a request out, an answer in.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::answer::{self, BodyLength, Head, Reply};
use super::target::Target;

const READ_BYTES: usize = 8 * 1024;

/// Why no answer came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum WireError {
    Connect(io::ErrorKind),
    Io(io::ErrorKind),
    /// The server closed before the answer was whole.
    Closed,
    /// What came is no HTTP.
    Malformed(&'static str),
    /// The run ended, and its grace too, before the answer came.
    TimedOut,
}

impl std::fmt::Display for WireError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Connect(kind) => write!(f, "connect: {kind}"),
            Self::Io(kind) => write!(f, "{kind}"),
            Self::Closed => f.write_str("closed before the answer"),
            Self::Malformed(what) => f.write_str(what),
            Self::TimedOut => f.write_str("no answer in time"),
        }
    }
}

impl std::error::Error for WireError {}

/// A connection that opens itself when it is first needed, and again after an
/// error or when the server closed it.
#[derive(Debug)]
pub(crate) struct Connection {
    target: Target,
    stream: Option<TcpStream>,
    input: Vec<u8>,
    chunks: Vec<u8>,
}

impl Connection {
    /// A connection to there, not opened yet.
    pub(crate) fn new(target: Target) -> Self {
        Self { target, stream: None, input: Vec::with_capacity(READ_BYTES), chunks: Vec::new() }
    }

    /// Opens it, so that the first request does not pay for that.
    pub(crate) async fn open(&mut self) -> Result<(), WireError> {
        if self.stream.is_none() {
            let refused = |error: io::Error| WireError::Connect(error.kind());
            let stream = TcpStream::connect(self.target.address()).await.map_err(refused)?;
            stream.set_nodelay(true).map_err(refused)?;
            self.stream = Some(stream);
        }
        Ok(())
    }

    /// Sends the request and reads the answer.
    pub(crate) async fn exchange(&mut self, request: &[u8]) -> Result<Reply<'_>, WireError> {
        let outcome = self.send_and_receive(request).await;
        // whoever waits no longer for an answer must not read it as the next one's
        if !matches!(&outcome, Ok(head) if !head.close) {
            self.stream = None;
        }
        let head = outcome?;
        let body = match head.body {
            BodyLength::Exact(length) => &self.input[head.length..head.length + length],
            BodyLength::Chunked => &self.chunks[..],
        };
        Ok(Reply { status: head.status, body, retry_after: head.retry_after, replayed: head.replayed })
    }

    async fn send_and_receive(&mut self, request: &[u8]) -> Result<Head, WireError> {
        self.open().await?;
        self.input.clear();
        let Self { stream: Some(stream), input, chunks, .. } = self else {
            return Err(WireError::Closed);
        };
        let failed = |error: io::Error| WireError::Io(error.kind());
        stream.write_all(request).await.map_err(failed)?;
        let mut head = None;
        loop {
            input.reserve(READ_BYTES / 4);
            if stream.read_buf(input).await.map_err(failed)? == 0 {
                return Err(WireError::Closed);
            }
            if head.is_none() {
                head = answer::parse_head(input).map_err(WireError::Malformed)?;
            }
            let Some(head) = head else { continue };
            match whole(&head, input, chunks)? {
                Some(end) if end == input.len() => return Ok(head),
                Some(_) => return Err(WireError::Malformed("more bytes than the answer has")),
                None => {}
            }
        }
    }
}

/// Where the answer ends, if its end is there.
fn whole(head: &Head, input: &[u8], chunks: &mut Vec<u8>) -> Result<Option<usize>, WireError> {
    match head.body {
        BodyLength::Exact(length) => {
            let end = head.length + length;
            Ok((input.len() >= end).then_some(end))
        }
        BodyLength::Chunked => {
            let end = answer::dechunk(&input[head.length..], chunks).map_err(WireError::Malformed)?;
            Ok(end.map(|end| head.length + end))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    /// A server that gives each connection these pieces, one write each, and closes.
    async fn pieces(pieces: Vec<&'static [u8]>) -> Connection {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                stream.set_nodelay(true).unwrap();
                let mut request = [0; 256];
                let _ = stream.read(&mut request).await;
                for piece in &pieces {
                    let _ = stream.write_all(piece).await;
                    tokio::time::sleep(std::time::Duration::from_millis(2)).await;
                }
            }
        });
        Connection::new(Target::loopback(port))
    }

    #[tokio::test]
    async fn an_answer_in_pieces_is_put_together() {
        let mut link = pieces(vec![b"HTTP/1.1 201 Cre", b"ated\r\nContent-Length: 5\r\n\r\nhe", b"llo"]).await;
        let reply = link.exchange(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        assert_eq!((reply.status, reply.body), (201, &b"hello"[..]));
    }

    #[tokio::test]
    async fn a_chunked_answer_in_pieces_is_put_together() {
        let mut link =
            pieces(vec![b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe", b"llo\r\n0\r\n", b"\r\n"])
                .await;
        assert_eq!(link.exchange(b"x").await.unwrap().body, b"hello");
    }

    #[tokio::test]
    async fn a_cut_answer_is_an_error_and_the_next_request_connects_anew() {
        let mut link = pieces(vec![b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"]).await;
        for _ in 0..2 {
            assert_eq!(link.exchange(b"x").await.unwrap_err(), WireError::Closed);
        }
    }

    #[tokio::test]
    async fn a_closed_port_is_a_connect_error() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let error = Connection::new(Target::loopback(port)).exchange(b"x").await.unwrap_err();
        assert_eq!(error, WireError::Connect(io::ErrorKind::ConnectionRefused));
    }
}
