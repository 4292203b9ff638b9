use std::fmt::Debug;

use crate::classes::Class;
use crate::random::Random;

/// What a log is about: normal behaviour, and how each of its classes of anomaly looks.
pub(crate) trait World: Debug + Send {
    /// Writes a line of normal behaviour. True if it is the first of a service that was quiet.
    fn normal(&mut self, at: i64, random: &mut Random, out: &mut String) -> bool;
    /// Who or what a new incident is about.
    fn actor(&mut self, class: &Class, random: &mut Random) -> Actor;
    /// Writes a line of an incident.
    fn attack(&mut self, class: &Class, actor: &mut Actor, at: i64, random: &mut Random, out: &mut String);
    /// One service stops until then. False if that cannot be now.
    fn quiet(&mut self, _until: i64, _random: &mut Random) -> bool {
        false
    }
}

/// Whom or what an incident is about; each class uses what it needs.
#[derive(Debug, Clone, Default)]
pub(crate) struct Actor {
    pub(crate) address: u32,
    pub(crate) agent: &'static str,
    /// What it aims at: a page, a service, an account.
    pub(crate) target: usize,
    /// Which of the class's variants this incident is.
    pub(crate) variant: usize,
    /// Lines written so far.
    pub(crate) written: u32,
    /// Lines still to come after this one.
    pub(crate) left: u32,
}
