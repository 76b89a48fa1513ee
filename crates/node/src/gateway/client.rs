//! A small client of the binary door, for tests and for load: it writes what it is told to and reads what comes.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use ed25519_dalek::Signer;
pub use ed25519_dalek::SigningKey;

use super::exchange::Position;
use super::server::Address;
use crate::sbe::{
    next_frame, put, Challenge, Frame, Logon, LogonAccepted, LogonRejected, Message, SessionReason, LOGON_CONTEXT,
    LOGON_SIGNED,
};

enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// A connection to a gateway.
pub struct Client {
    stream: Stream,
    /// What came, from `at` on not looked at yet.
    input: Vec<u8>,
    at: usize,
    end: usize,
    output: Vec<u8>,
    next_request: u64,
    challenge: Challenge,
}

/// Why there is no session.
#[derive(Debug)]
pub enum LogonError {
    /// The connection failed.
    Io(io::Error),
    /// The server said no.
    Rejected(SessionReason),
}

impl From<io::Error> for LogonError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

fn broken(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

const INPUT_BYTES: usize = 256 << 10;

impl Client {
    /// Connects and takes the challenge. Reads wait at most a minute from then on.
    ///
    /// # Errors
    /// Nobody listens there, or it is something else.
    pub fn connect(address: &Address) -> io::Result<Self> {
        let most = Some(Duration::from_secs(60));
        let stream = match address {
            Address::Tcp(address) => {
                let stream = TcpStream::connect(address)?;
                stream.set_nodelay(true)?;
                stream.set_read_timeout(most)?;
                Stream::Tcp(stream)
            }
            Address::Unix(path) => {
                let stream = UnixStream::connect(path)?;
                stream.set_read_timeout(most)?;
                Stream::Unix(stream)
            }
        };
        let mut client = Self {
            stream,
            input: vec![0; INPUT_BYTES],
            at: 0,
            end: 0,
            output: Vec::new(),
            next_request: 1,
            challenge: Challenge::ZERO,
        };
        client.challenge = client.wait_for()?;
        Ok(client)
    }

    /// Logs on.
    ///
    /// # Errors
    /// The server refuses, or the connection fails.
    pub fn log_on(
        &mut self,
        key: &SigningKey,
        options: u8,
        after: Position,
        heartbeat_interval_ms: u32,
    ) -> Result<LogonAccepted, LogonError> {
        let mut logon = Logon {
            public_key: key.verifying_key().to_bytes(),
            resume_sequence: after.sequence,
            resume_index: after.index,
            heartbeat_interval_ms,
            options,
            ..Logon::ZERO
        };
        let nonce = self.challenge.nonce;
        let signed = [LOGON_CONTEXT.as_slice(), &nonce, &logon.as_bytes()[..LOGON_SIGNED]].concat();
        logon.signature = key.sign(&signed).to_bytes();
        self.push(&logon);
        self.flush()?;
        loop {
            if let Some(frame) = self.next_message()? {
                if let Some(accepted) = frame.get::<LogonAccepted>() {
                    return Ok(accepted);
                }
                let rejected = frame.get::<LogonRejected>().ok_or_else(|| broken("neither yes nor no"))?;
                let reason = SessionReason::from_u16(rejected.reason).ok_or_else(|| broken("an unknown reason"))?;
                return Err(LogonError::Rejected(reason));
            }
            self.receive()?;
        }
    }

    /// Puts a message into the buffer of what is to be sent.
    pub fn push<M: Message>(&mut self, message: &M) {
        put(&mut self.output, message);
    }

    /// Takes the number for the next request.
    pub fn number(&mut self) -> u64 {
        self.next_request += 1;
        self.next_request - 1
    }

    /// Bytes that are to be sent.
    pub fn buffered(&self) -> usize {
        self.output.len()
    }

    /// Sends what was put.
    ///
    /// # Errors
    /// The connection has failed.
    pub fn flush(&mut self) -> io::Result<()> {
        match &mut self.stream {
            Stream::Tcp(stream) => stream.write_all(&self.output)?,
            Stream::Unix(stream) => stream.write_all(&self.output)?,
        }
        self.output.clear();
        Ok(())
    }

    /// Waits for something to come, and takes it.
    ///
    /// # Errors
    /// `UnexpectedEof` when the server has closed; the connection has failed; nothing came for a minute.
    pub fn receive(&mut self) -> io::Result<()> {
        self.input.copy_within(self.at..self.end, 0);
        self.end -= self.at;
        self.at = 0;
        let room = &mut self.input[self.end..];
        let count = match &mut self.stream {
            Stream::Tcp(stream) => stream.read(room)?,
            Stream::Unix(stream) => stream.read(room)?,
        };
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.end += count;
        Ok(())
    }

    /// The next message of what has come; `None` if it is not whole yet.
    ///
    /// # Errors
    /// It is no message.
    #[inline]
    pub fn next_message(&mut self) -> io::Result<Option<Frame<'_>>> {
        match next_frame(&self.input[self.at..self.end]) {
            Ok(Some((frame, length))) => {
                self.at += length;
                Ok(Some(frame))
            }
            Ok(None) => Ok(None),
            Err(_) => Err(broken("no frame")),
        }
    }

    /// Waits for a message of a kind; those before it are thrown away.
    ///
    /// # Errors
    /// As [`Self::receive`].
    pub fn wait_for<M: Message>(&mut self) -> io::Result<M> {
        loop {
            while let Some(frame) = self.next_message()? {
                if let Some(message) = frame.get() {
                    return Ok(message);
                }
            }
            self.receive()?;
        }
    }

    /// Says that nothing more will be sent.
    ///
    /// # Errors
    /// The connection has failed.
    pub fn shut_down(&self) -> io::Result<()> {
        match &self.stream {
            Stream::Tcp(stream) => stream.shutdown(Shutdown::Write),
            Stream::Unix(stream) => stream.shutdown(Shutdown::Write),
        }
    }
}
