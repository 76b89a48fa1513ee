//! The engine without the naive model, with the same methods as `beurs_sim::differential::Pair`: for rules that the model
//! does not know yet.

use beurs_engine::command::Command;
use beurs_engine::event::Event;
use beurs_engine::{Engine, EngineConfig};

/// What went wrong, in words.
pub struct Mismatch(pub String);

/// The engine, and the events of its last command.
pub struct Alone {
    engine: Engine,
    events: Vec<Event>,
}

impl Alone {
    pub fn new(_defect: Option<()>) -> Self {
        Self { engine: Engine::default(), events: Vec::new() }
    }

    /// Applies a command and checks every invariant.
    pub fn apply(&mut self, (time_ns, command): &(i64, Command)) -> Result<(), Mismatch> {
        self.events.clear();
        let sequence = self.engine.sequence() + 1;
        let accepted = self.engine.apply(sequence, *time_ns, command, &mut self.events);
        self.engine.check_invariants();
        let refused = matches!(self.events.as_slice(), [Event::Rejected(_)]);
        if self.events.is_empty() || accepted == refused {
            return Err(Mismatch(format!("accepted is {accepted}, the events are {:?}", self.events)));
        }
        Ok(())
    }

    pub fn events(&self) -> &[Event] {
        &self.events
    }

    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// A snapshot restores to the same state.
    pub fn restore(&mut self) -> Result<(), Mismatch> {
        let (mut before, mut after) = (Vec::new(), Vec::new());
        self.engine.snapshot(&mut before);
        let restored = Engine::restore(EngineConfig::default(), &before);
        self.engine = restored.map_err(|error| Mismatch(format!("its own snapshot: {error:?}")))?;
        self.engine.snapshot(&mut after);
        if before != after {
            return Err(Mismatch("a restored snapshot is another one".into()));
        }
        Ok(())
    }
}
