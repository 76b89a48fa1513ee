//! The hub behind sockets: one thread and one epoll for all connections, TCP and Unix.
//!
//! A turn of the thread reads what came, lets the hub work, and writes what there is to say: one read and one write a
//! connection, however many messages they hold. Nothing here waits for a client or for the disk.

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Instant;

use super::exchange::NodeExchange;
use super::hub::{ConnectionId, Hub};
use super::keys::Keys;
use super::{GatewayConfig, GatewayStats};
use crate::feed::{lock, lower, raise};
use crate::io::{Clock, SystemClock};
use crate::pipeline::NodeHandle;

/// Where a server listens.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Address {
    /// An address and port; port 0 is any that is free.
    Tcp(SocketAddr),
    /// A path; what a dead server left there is replaced.
    Unix(PathBuf),
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => path.display().fmt(f),
        }
    }
}

/// A running gateway. It ends when it is dropped.
pub struct Server {
    shared: Arc<Shared>,
    wake: Arc<OwnedFd>,
    thread: Mutex<Option<JoinHandle<()>>>,
    addresses: Vec<Address>,
}

#[derive(Default)]
struct Shared {
    stopping: AtomicBool,
    check_keys: AtomicBool,
    stats: Mutex<GatewayStats>,
}

/// Bytes that one read takes at the most.
const READ_BYTES: usize = 64 << 10;
/// Reads of one connection in one turn.
const READS: usize = 4;
/// Connections accepted in one turn.
const ACCEPTS: usize = 64;
/// After an accept has failed for want of something, the next one is tried so much later.
const ACCEPT_PAUSE_NS: i64 = 100_000_000;
/// How long stopping may take.
const STOP_NS: i64 = 2_000_000_000;

impl Server {
    /// Opens the sockets and starts the thread.
    ///
    /// # Errors
    /// An address cannot be listened at: it is in use, or not this machine's.
    pub fn start(handle: NodeHandle, keys: Keys, addresses: &[Address], config: GatewayConfig) -> io::Result<Self> {
        let mut listeners = Vec::new();
        let mut bound = Vec::new();
        for address in addresses {
            let named = |error: io::Error| io::Error::new(error.kind(), format!("{address}: {error}"));
            let (listener, address) = Listener::open(address).map_err(named)?;
            listeners.push(listener);
            bound.push(address);
        }
        let wake = NodeExchange::waker()?;
        let exchange = NodeExchange::new(handle, &wake)?;
        let shared = Arc::new(Shared::default());
        let hub = Hub::new(config, exchange, keys, fill_with_random);
        let mut thread = Loop::new(hub, listeners, shared.clone(), wake.clone())?;
        let thread = std::thread::Builder::new().name("beurs-gateway".to_owned()).spawn(move || thread.run())?;
        Ok(Self { shared, wake, thread: Mutex::new(Some(thread)), addresses: bound })
    }

    /// Where it listens, with the ports that it got.
    pub fn addresses(&self) -> &[Address] {
        &self.addresses
    }

    /// Has the sessions of keys that are no longer valid ended.
    pub fn check_keys(&self) {
        self.shared.check_keys.store(true, Ordering::Release);
        raise(&self.wake);
    }

    /// Numbers, a moment old.
    pub fn stats(&self) -> GatewayStats {
        *lock(&self.shared.stats)
    }

    /// Ends all sessions, cancels what their ends cancel, and closes the sockets. Twice is once.
    pub fn stop(&self) {
        self.shared.stopping.store(true, Ordering::Release);
        raise(&self.wake);
        if let Some(thread) = lock(&self.thread).take() {
            // A panic in it has been reported by the panic hook.
            let _ = thread.join();
        }
        for address in &self.addresses {
            if let Address::Unix(path) = address {
                // Whoever removed it already has done what is to be done.
                let _ = fs::remove_file(path);
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

fn fill_with_random(mut bytes: &mut [u8]) {
    while !bytes.is_empty() {
        // SAFETY: the bytes are ours, and as many as we say.
        let count = unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), 0) };
        // It fails only when a signal interrupts it, and then nothing was written.
        bytes = &mut bytes[usize::try_from(count).unwrap_or(0)..];
    }
}

/// An open listening socket.
struct Listener {
    socket: OwnedFd,
    tcp: bool,
    ready: bool,
}

impl Listener {
    fn open(address: &Address) -> io::Result<(Self, Address)> {
        let (socket, tcp, address): (OwnedFd, bool, Address) = match address {
            Address::Tcp(wanted) => {
                let listener = TcpListener::bind(wanted)?;
                listener.set_nonblocking(true)?;
                let address = Address::Tcp(listener.local_addr()?);
                (listener.into(), true, address)
            }
            Address::Unix(path) => {
                if UnixStream::connect(path).is_ok() {
                    return Err(io::Error::new(io::ErrorKind::AddrInUse, "another server listens there"));
                }
                let is_socket = fs::symlink_metadata(path)
                    .is_ok_and(|file| std::os::unix::fs::FileTypeExt::is_socket(&file.file_type()));
                if is_socket {
                    fs::remove_file(path)?;
                }
                let listener = UnixListener::bind(path)?;
                listener.set_nonblocking(true)?;
                (listener.into(), false, Address::Unix(path.clone()))
            }
        };
        Ok((Self { socket, tcp, ready: false }, address))
    }

    /// The next connection that waits; `None` if there is none.
    fn accept(&self) -> io::Result<Option<OwnedFd>> {
        let flags = libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
        // SAFETY: a listening socket; the address is not asked for.
        let accepted =
            unsafe { libc::accept4(self.socket.as_raw_fd(), std::ptr::null_mut(), std::ptr::null_mut(), flags) };
        if accepted < 0 {
            let error = io::Error::last_os_error();
            return match error.kind() {
                io::ErrorKind::WouldBlock => Ok(None),
                // It is gone already; there may be others behind it.
                io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted => self.accept(),
                _ => Err(error),
            };
        }
        // SAFETY: the descriptor has just been made for us.
        let socket = unsafe { OwnedFd::from_raw_fd(accepted) };
        if self.tcp {
            let one: libc::c_int = 1;
            // SAFETY: an option of four bytes. It only makes answers faster; if it is refused, so be it.
            unsafe {
                libc::setsockopt(
                    socket.as_raw_fd(),
                    libc::IPPROTO_TCP,
                    libc::TCP_NODELAY,
                    std::ptr::from_ref(&one).cast(),
                    size_of_val(&one) as libc::socklen_t,
                )
            };
        }
        Ok(Some(socket))
    }
}

/// An open connection.
struct Socket {
    id: ConnectionId,
    socket: OwnedFd,
    readable: bool,
    writable: bool,
    /// The client has said its last: there is an end behind what it sent.
    ends: bool,
    /// Nothing more is sent; the client is waited for to close.
    shut: bool,
}

/// Names of what epoll reports: the eventfd, then listeners, then connections by slot.
const WAKE: u64 = 0;
const LISTENERS: u64 = 1;
const CONNECTIONS: u64 = 1 << 16;

struct Loop {
    hub: Hub<NodeExchange, Keys>,
    listeners: Vec<Listener>,
    shared: Arc<Shared>,
    wake: Arc<OwnedFd>,
    epoll: OwnedFd,
    /// By the hub's slot.
    sockets: Vec<Option<Socket>>,
    /// Slots of connections that have something to be read.
    readable: Vec<usize>,
    accept_after_ns: i64,
    begun: Instant,
    buffer: Vec<u8>,
}

impl Loop {
    fn new(
        hub: Hub<NodeExchange, Keys>,
        listeners: Vec<Listener>,
        shared: Arc<Shared>,
        wake: Arc<OwnedFd>,
    ) -> io::Result<Self> {
        // SAFETY: a plain system call; the descriptor it returns is ours alone.
        let epoll = unsafe {
            let descriptor = libc::epoll_create1(libc::EPOLL_CLOEXEC);
            if descriptor < 0 {
                return Err(io::Error::last_os_error());
            }
            OwnedFd::from_raw_fd(descriptor)
        };
        let this = Self {
            hub,
            listeners,
            shared,
            wake,
            epoll,
            sockets: Vec::new(),
            readable: Vec::new(),
            accept_after_ns: 0,
            begun: Instant::now(),
            buffer: vec![0; READ_BYTES],
        };
        this.watch(this.wake.as_raw_fd(), WAKE, libc::EPOLLIN)?;
        for (at, listener) in this.listeners.iter().enumerate() {
            this.watch(listener.socket.as_raw_fd(), LISTENERS + at as u64, libc::EPOLLIN)?;
        }
        Ok(this)
    }

    /// Has epoll report every change of a descriptor once.
    fn watch(&self, descriptor: RawFd, name: u64, events: libc::c_int) -> io::Result<()> {
        let mut event = libc::epoll_event { events: (events | libc::EPOLLET) as u32, u64: name };
        // SAFETY: both descriptors are open, and the event is read within the call.
        let done = unsafe { libc::epoll_ctl(self.epoll.as_raw_fd(), libc::EPOLL_CTL_ADD, descriptor, &mut event) };
        if done < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(())
    }

    fn now_ns(&self) -> i64 {
        self.begun.elapsed().as_nanos() as i64
    }

    fn run(&mut self) {
        let mut changed = Vec::new();
        let mut more = false;
        let mut stop_by: Option<i64> = None;
        loop {
            let timeout = self.timeout(more);
            self.wait(timeout);
            let now_ns = self.now_ns();
            self.hub.set_wall_clock(SystemClock.now_ns());
            if self.shared.check_keys.swap(false, Ordering::Acquire) {
                self.hub.check_keys(now_ns);
            }
            if stop_by.is_none() && self.shared.stopping.load(Ordering::Acquire) {
                stop_by = Some(now_ns + STOP_NS);
                self.listeners.clear();
                self.hub.shut_down(now_ns);
            }
            self.accept(now_ns);
            self.read(now_ns);
            more = self.hub.step(now_ns);
            // Before anybody is told what they count, and again when connections are closed.
            *lock(&self.shared.stats) = self.hub.stats();
            self.hub.take_changed(&mut changed);
            for id in changed.drain(..) {
                self.write(id, now_ns);
            }
            *lock(&self.shared.stats) = self.hub.stats();
            if let Some(stop_by) = stop_by {
                let told = self.sockets.iter().all(Option::is_none);
                if (told && self.hub.is_idle()) || now_ns >= stop_by {
                    return;
                }
            }
        }
    }

    /// Whether there is something to do at once, or until when nothing is.
    fn timeout(&self, more: bool) -> libc::c_int {
        let ready = |slot: &usize| {
            let socket = self.sockets.get(*slot).and_then(Option::as_ref);
            socket.is_some_and(|socket| self.hub.wants(socket.id) > 0)
        };
        let now_ns = self.now_ns();
        if more || self.readable.iter().any(ready) {
            return 0;
        }
        let accepts = self.listeners.iter().any(|listener| listener.ready).then_some(self.accept_after_ns);
        match [self.hub.next_due_ns(now_ns), accepts].into_iter().flatten().min() {
            None => -1,
            // Rounded up, so that it is due when it is over.
            Some(due_ns) => ((due_ns - now_ns).max(0) + 999_999).min(1_000_000_000) as libc::c_int / 1_000_000,
        }
    }

    fn wait(&mut self, timeout: libc::c_int) {
        let mut events = [libc::epoll_event { events: 0, u64: 0 }; 256];
        // SAFETY: there is room for as many events as is said. An interrupted call reports none, and is made again.
        let count = unsafe {
            libc::epoll_wait(self.epoll.as_raw_fd(), events.as_mut_ptr(), events.len() as libc::c_int, timeout)
        };
        for event in &events[..usize::try_from(count).unwrap_or(0)] {
            let (name, what) = (event.u64, event.events as libc::c_int);
            if name == WAKE {
                lower(&self.wake);
            } else if name < CONNECTIONS {
                if let Some(listener) = self.listeners.get_mut((name - LISTENERS) as usize) {
                    listener.ready = true;
                }
            } else if let Some(Some(socket)) = self.sockets.get_mut((name - CONNECTIONS) as usize) {
                if what & libc::EPOLLOUT != 0 && !socket.writable {
                    socket.writable = true;
                    self.hub.touch(socket.id);
                }
                // An end and an error are found by reading.
                let end = libc::EPOLLRDHUP | libc::EPOLLHUP | libc::EPOLLERR;
                socket.ends |= what & end != 0;
                let read = libc::EPOLLIN | end;
                if what & read != 0 && !socket.readable {
                    socket.readable = true;
                    self.readable.push((name - CONNECTIONS) as usize);
                }
            }
        }
    }

    fn accept(&mut self, now_ns: i64) {
        if now_ns < self.accept_after_ns {
            return;
        }
        for at in 0..self.listeners.len() {
            for _ in 0..ACCEPTS {
                if !self.listeners[at].ready {
                    break;
                }
                match self.listeners[at].accept() {
                    Ok(Some(socket)) => self.add(socket, now_ns),
                    Ok(None) => self.listeners[at].ready = false,
                    Err(_) => {
                        // No descriptors are left, or no memory: those who wait are taken later.
                        self.accept_after_ns = now_ns + ACCEPT_PAUSE_NS;
                        return;
                    }
                }
            }
        }
    }

    fn add(&mut self, socket: OwnedFd, now_ns: i64) {
        let id = self.hub.connect(now_ns);
        let events = libc::EPOLLIN | libc::EPOLLOUT | libc::EPOLLRDHUP;
        if self.watch(socket.as_raw_fd(), CONNECTIONS + id.slot as u64, events).is_err() {
            self.hub.close(id);
            return;
        }
        if self.sockets.len() <= id.slot {
            self.sockets.resize_with(id.slot + 1, || None);
        }
        self.sockets[id.slot] = Some(Socket { id, socket, readable: false, writable: true, ends: false, shut: false });
    }

    fn read(&mut self, now_ns: i64) {
        let mut slots = std::mem::take(&mut self.readable);
        slots.retain(|&slot| self.read_one(slot, now_ns));
        self.readable.append(&mut slots);
    }

    /// Whether there may be more to read.
    fn read_one(&mut self, slot: usize, now_ns: i64) -> bool {
        for _ in 0..READS {
            let Some(Some(socket)) = self.sockets.get_mut(slot) else { return false };
            let most = self.hub.wants(socket.id).min(self.buffer.len());
            if most == 0 {
                return true; // It waits: nobody reads on before the hub wants more.
            }
            let buffer = &mut self.buffer[..most];
            // SAFETY: the buffer is ours, and has as many bytes as is said.
            let count = unsafe { libc::recv(socket.socket.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len(), 0) };
            match usize::try_from(count) {
                Ok(0) => {
                    self.close(slot);
                    return false;
                }
                Ok(count) => {
                    self.hub.receive(socket.id, &buffer[..count], now_ns);
                    if count < most && !socket.ends {
                        // That was all: what comes later is reported anew.
                        socket.readable = false;
                        return false;
                    }
                }
                Err(_) => match io::Error::last_os_error().kind() {
                    io::ErrorKind::WouldBlock => {
                        socket.readable = false;
                        return false;
                    }
                    io::ErrorKind::Interrupted => {}
                    _ => {
                        self.close(slot);
                        return false;
                    }
                },
            }
        }
        true
    }

    fn write(&mut self, id: ConnectionId, now_ns: i64) {
        let Some(Some(socket)) = self.sockets.get_mut(id.slot) else { return };
        if socket.id != id {
            return;
        }
        while socket.writable {
            let output = self.hub.output(id);
            if output.is_empty() {
                break;
            }
            let (descriptor, flags) = (socket.socket.as_raw_fd(), libc::MSG_NOSIGNAL);
            // SAFETY: the bytes are the hub's, and as many as is said.
            let count = unsafe { libc::send(descriptor, output.as_ptr().cast(), output.len(), flags) };
            match usize::try_from(count) {
                Ok(count) => {
                    socket.writable = count == output.len();
                    self.hub.sent(id, count);
                }
                Err(_) => match io::Error::last_os_error().kind() {
                    io::ErrorKind::WouldBlock => socket.writable = false,
                    io::ErrorKind::Interrupted => {}
                    _ => return self.close(id.slot),
                },
            }
        }
        if self.hub.is_finished(id, now_ns) {
            // To close while something of the client's is unread would take back what it was told last.
            if self.hub.is_over(id, now_ns) || self.shared.stopping.load(Ordering::Relaxed) {
                self.close(id.slot);
            } else if !std::mem::replace(&mut socket.shut, true) {
                // SAFETY: an open socket. It fails only if the client is gone, which reading finds.
                unsafe { libc::shutdown(socket.socket.as_raw_fd(), libc::SHUT_WR) };
            }
        }
    }

    fn close(&mut self, slot: usize) {
        if let Some(socket) = self.sockets[slot].take() {
            self.hub.close(socket.id);
        }
    }
}
