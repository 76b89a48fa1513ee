//! The compiled module `beurs._core`.
use pyo3::prelude::*;

#[pymodule(gil_used = true)]
mod _core {}
