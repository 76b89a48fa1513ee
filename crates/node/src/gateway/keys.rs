//! Who may log on: Ed25519 public keys, each of one account.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use beurs_engine::types::{AccountCode, AccountId, KeyId};

/// What is known of a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Key {
    /// Whose it is.
    pub account_id: AccountId,
    /// Its code.
    pub account: AccountCode,
    /// Its number within the account.
    pub key_id: KeyId,
    /// Whether it may enter, change and cancel orders.
    pub trade: bool,
}

/// Where keys are looked up.
pub trait KeyDirectory {
    /// The key with these 32 bytes of an Ed25519 public key.
    fn find(&self, public_key: &[u8; 32]) -> Option<Key>;
}

/// Keys in memory; clones are the same directory, which may be changed while a gateway uses it.
#[derive(Clone, Debug, Default)]
pub struct Keys(Arc<RwLock<BTreeMap<[u8; 32], Key>>>);

impl Keys {
    /// Makes these the keys that are valid. Sessions of others end soon.
    pub fn set(&self, keys: impl IntoIterator<Item = ([u8; 32], Key)>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = keys.into_iter().collect();
    }
}

impl KeyDirectory for Keys {
    fn find(&self, public_key: &[u8; 32]) -> Option<Key> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(public_key).copied()
    }
}
