//! What the venue's staff do by hand: commands with who and why, and corrections of trades.

use crate::command::{Administer, Command};
use crate::engine::Engine;
use crate::event::{Administered, Event, EventSink};
use crate::reject::RejectReason;

impl Engine {
    /// Does a command as if it came alone, and tells who wanted it and why before its events. Nothing if it is refused.
    #[cold]
    pub(crate) fn administer<S: EventSink>(
        &mut self,
        command: &Administer,
        events: &mut S,
    ) -> Result<(), RejectReason> {
        if matches!(command.command, Command::Administer(_)) {
            return Err(RejectReason::NestedAdminister);
        }
        let mut followed = Vec::new();
        self.execute_command(&command.command, &mut followed)?;
        events.emit(Event::Administered(Administered { actor: command.actor, reason: command.reason }));
        for event in followed {
            events.emit(event);
        }
        Ok(())
    }
}
