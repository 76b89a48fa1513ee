//! The class `Gateway`: the binary door of a node.

use std::net::ToSocketAddrs;
use std::path::PathBuf;

use beurs_engine::types::{AccountCode, AccountId, KeyId};
use beurs_node::gateway::{Address, GatewayConfig, Key, Keys, Server};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::error::Error;
use crate::node::Node;

/// A running gateway. It ends with `stop`, or when it is forgotten.
#[pyclass(frozen, module = "beurs._core")]
pub struct Gateway {
    server: Server,
    keys: Keys,
}

/// An address as text: `host:port`, or `unix:` and a path.
fn address(text: &str) -> Result<Address, Error> {
    if let Some(path) = text.strip_prefix("unix:") {
        return Ok(Address::Unix(PathBuf::from(path)));
    }
    let named = |error: std::io::Error| Error::Io(std::io::Error::new(error.kind(), format!("{text}: {error}")));
    let mut addresses = text.to_socket_addrs().map_err(named)?;
    addresses.next().map(Address::Tcp).ok_or(Error::Input("addresses", "must be host:port, or unix: and a path"))
}

/// A key as Python gives it: its number, the account's id and code, the public half, whether it may only read.
type KeyRow = (u16, u32, String, [u8; 32], bool);

#[pymethods]
impl Gateway {
    #[new]
    #[pyo3(signature = (node, addresses, *, requests_per_second = 1_000_000, cancels_per_second = 1_000_000))]
    fn new(
        py: Python<'_>,
        node: &Node,
        addresses: Vec<String>,
        requests_per_second: u32,
        cancels_per_second: u32,
    ) -> Result<Self, Error> {
        let addresses = addresses.iter().map(|text| address(text)).collect::<Result<Vec<_>, _>>()?;
        let config = GatewayConfig { requests_per_second, cancels_per_second, ..GatewayConfig::default() };
        let own = node.own().ok_or(Error::Input("node", "must be the engine's own, not a replica"))?;
        let (handle, keys) = (own.clone(), Keys::default());
        let server = py.detach(|| Server::start(handle, keys.clone(), &addresses, config)).map_err(Error::Io)?;
        Ok(Self { server, keys })
    }

    /// Where it listens, with the ports that it got.
    #[getter]
    fn addresses(&self) -> Vec<String> {
        let text = |address: &Address| match address {
            Address::Tcp(address) => address.to_string(),
            Address::Unix(path) => format!("unix:{}", path.display()),
        };
        self.server.addresses().iter().map(text).collect()
    }

    /// Makes these the keys that may log on, and ends the sessions of others.
    fn set_keys(&self, keys: Vec<KeyRow>) -> Result<(), Error> {
        let key = |(key_id, account_id, account, public, read_only): KeyRow| {
            let account =
                AccountCode::new(account.as_bytes()).ok_or(Error::Input("account", "is no account's code"))?;
            let key = Key { account_id: AccountId(account_id), account, key_id: KeyId(key_id), trade: !read_only };
            Ok((public, key))
        };
        let keys: Vec<([u8; 32], Key)> = keys.into_iter().map(key).collect::<Result<_, Error>>()?;
        self.keys.set(keys);
        self.server.check_keys();
        Ok(())
    }

    /// Numbers about the gateway, by name.
    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let numbers = self.server.stats();
        let stats = PyDict::new(py);
        macro_rules! set {
            ($($name:ident),+ $(,)?) => { $(stats.set_item(stringify!($name), numbers.$name)?;)+ };
        }
        set!(
            connections,
            sessions,
            logons,
            logons_refused,
            requests,
            requests_refused,
            requests_throttled,
            reports,
            slow_consumers,
        );
        Ok(stats)
    }

    /// Ends all sessions and closes the sockets. Twice is once.
    fn stop(&self, py: Python<'_>) {
        py.detach(|| self.server.stop());
    }
}
