//! The deterministic state machine of the beurs exchange: `(state, command) → (state, events)`.
//!
//! No clock, no I/O, no threads, no floats, no randomness. The rules are written down in `docs/concepts/engine.md`.
//!
//! ```
//! use beurs_engine::command::{AddAsset, Command};
//! use beurs_engine::types::AssetCode;
//! use beurs_engine::Engine;
//!
//! let mut engine = Engine::default();
//! let mut events = Vec::new();
//! let code = AssetCode::new(b"BTC").unwrap();
//! assert!(engine.apply(1, 0, &Command::AddAsset(AddAsset { code, scale: 8 }), &mut events));
//! ```

mod auction;
mod audit;
mod bands;
mod book;
pub mod command;
mod conditional;
mod corrections;
mod engine;
pub mod event;
mod extra;
mod fees;
mod index;
mod ledger;
pub mod levels;
mod limits;
mod lists;
mod matching;
pub mod order_book;
mod orders;
mod pool;
mod positions;
mod pro_rata;
mod rates;
pub mod reject;
mod remembered;
mod risk;
mod schedule;
mod settlement;
mod snapshot;
mod status;
mod terms;
mod timers;
mod triggers;
pub mod types;
mod uncross;
mod view;
mod volumes;

pub use engine::{
    rejected, AccountInfo, Asset, Balance, Engine, EngineConfig, Instrument, InstrumentSettings, OpenList, OpenOrder,
    PositionView, PriceLevel, REMEMBERED_CLIENT_ORDER_IDS, VENUE_ACCOUNT,
};
pub use positions::Position;
pub use snapshot::SnapshotError;

/// Asks the processor to fetch the cache line of element `at`, which need not exist.
#[inline]
fn prefetch<T>(elements: &[T], at: usize) {
    let place = elements.as_ptr().wrapping_add(at);
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch reads nothing that the program can see, and faults at no address.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(place.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = place;
}
