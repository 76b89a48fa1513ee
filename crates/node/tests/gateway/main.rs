//! The binary door's sessions without sockets: bytes in, bytes out, over a real node.

mod books;
#[path = "../common/mod.rs"]
mod common;
mod hostile;
mod replay;
mod rig;
mod sessions;
