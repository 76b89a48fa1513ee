//! Arrays of records across the boundary, without copying them.

use std::ffi::{c_int, c_void};
use std::sync::{Arc, Mutex, PoisonError};

use beurs_node::wire::{reserve_records, EventRecord, COMMAND_SIZE, EVENT_SIZE};
use beurs_node::{EventSlice, NodeError};
use pyo3::buffer::PyUntypedBuffer;
use pyo3::exceptions::PyBufferError;
use pyo3::ffi;
use pyo3::prelude::*;

use crate::error::Error;
use crate::handle::Handle;

/// The node executes so many commands as one batch.
const ONE_PIECE_BYTES_MAX: usize = 4_096 * COMMAND_SIZE;
/// No more bytes than this are kept for the next batch.
const SPARE_BYTES_MAX: usize = 1 << 30;

/// Memory that a batch's events had and the next batch's can have: touching new memory costs more than an event.
pub type Spare = Arc<Mutex<Vec<EventRecord>>>;

/// An array of EVENT records that speaks the buffer protocol. Python sees a memoryview of it.
#[pyclass(frozen, module = "beurs._core")]
pub struct Records(Held);

enum Held {
    /// As the node has it.
    Slice(EventSlice),
    /// Several pieces, joined.
    Joined { events: Vec<EventRecord>, spare: Spare },
}

impl Records {
    /// One batch, as the node has it, or several pieces, which are copied into one.
    pub fn execute(node: &Handle, commands: &[u8], spare: &Spare) -> Result<Self, NodeError> {
        if commands.len() <= ONE_PIECE_BYTES_MAX {
            let events = node.execute_records(commands)?;
            if let [slice] = events.slices() {
                return Ok(Self(Held::Slice(slice.clone())));
            }
            let joined = events.iter().copied().collect();
            return Ok(Self(Held::Joined { events: joined, spare: spare.clone() }));
        }
        let mut events = std::mem::take(&mut *spare.lock().unwrap_or_else(PoisonError::into_inner));
        events.clear();
        // Two events a command is more than most inputs give.
        reserve_records(&mut events, commands.len() / COMMAND_SIZE * 2);
        let outcome = node.execute_records_into(commands, &mut events);
        let records = Self(Held::Joined { events, spare: spare.clone() });
        outcome?;
        Ok(records)
    }

    fn bytes(&self) -> &[u8] {
        match &self.0 {
            Held::Slice(slice) => slice.as_bytes(),
            Held::Joined { events, .. } => EventRecord::slice_as_bytes(events),
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Self::Joined { events, spare } = self {
            let mut spare = spare.lock().unwrap_or_else(PoisonError::into_inner);
            if events.capacity() * EVENT_SIZE <= SPARE_BYTES_MAX && events.capacity() > spare.capacity() {
                *spare = std::mem::take(events);
            }
        }
    }
}

#[pymethods]
impl Records {
    /// # Safety
    /// Called by the interpreter with a view to fill in.
    unsafe fn __getbuffer__(slf: Bound<'_, Self>, view: *mut ffi::Py_buffer, flags: c_int) -> PyResult<()> {
        if view.is_null() {
            return Err(PyBufferError::new_err("no view to fill in"));
        }
        let bytes = slf.get().bytes();
        let (start, length) = (bytes.as_ptr().cast_mut().cast::<c_void>(), bytes.len() as ffi::Py_ssize_t);
        // SAFETY: the view holds a reference to `slf`, which never changes its records: the bytes stay where they are.
        // They are given out as read-only.
        match unsafe { ffi::PyBuffer_FillInfo(view, slf.as_ptr(), start, length, 1, flags) } {
            0 => Ok(()),
            _ => Err(PyErr::fetch(slf.py())),
        }
    }
}

/// The bytes of a contiguous buffer, for as long as it is held.
pub struct Input(PyUntypedBuffer);

impl Input {
    /// Takes anything that speaks the buffer protocol and is contiguous.
    pub fn of(object: &Bound<'_, PyAny>) -> PyResult<Self> {
        let buffer = PyUntypedBuffer::get(object)?;
        if !buffer.is_c_contiguous() {
            return Err(Error::Input("commands", "must be contiguous").into());
        }
        Ok(Self(buffer))
    }

    /// The bytes. While they are used, nothing may write to them; `Exchange.execute` says so. Should somebody do it, each
    /// record is still read once into a copy and checked before it is used.
    pub fn bytes(&self) -> &[u8] {
        let (start, length) = (self.0.buf_ptr().cast_const().cast::<u8>(), self.0.len_bytes());
        if length == 0 || start.is_null() {
            return &[];
        }
        // SAFETY: the buffer is contiguous, checked in `of`, and held for as long as the slice.
        unsafe { std::slice::from_raw_parts(start, length) }
    }
}
