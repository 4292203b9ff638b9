use lapwing_model::{Event, Finding, Position, Timestamp};

/// Collects what the detectors say of one batch.
#[derive(Debug, Default)]
pub struct Findings {
    found: Vec<Found>,
    tick: Option<(u16, Timestamp)>,
    order: u32,
}

/// A finding, and where in the batch it belongs.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The event it is about; for what was found at a tick, the event before which the tick came.
    pub at: u16,
    /// The time of the tick; none for findings about an event.
    pub tick: Option<Timestamp>,
    /// Which detector of which partition spoke: orders findings about the same event the same way for any number of shards.
    pub order: u32,
    pub finding: Finding,
    /// It speaks for all that is found of its entity at this event, however mild or severe the rest is.
    pub leads: bool,
    /// Events before this one that it is about as well: the id of their origin, and their place there.
    pub earlier: Vec<(u64, Position)>,
    /// How much of what it needs to see its detector has seen, from 0 to 1; less counts less.
    pub maturity: f32,
    /// In what way its entity is unusual, where many may be so in the same way: they are told as one, under the name of the first.
    pub pattern: Option<u64>,
}

impl Findings {
    /// About the event at position `at` of the batch.
    pub fn push(&mut self, at: u16, finding: Finding) {
        self.push_with(at, finding, false, Vec::new());
    }

    /// The same by a detector that is still learning: `maturity` is how far it is, from 0 to 1.
    pub fn push_learning(&mut self, at: u16, finding: Finding, maturity: f32) {
        self.found.push(Found { order: self.order, maturity: maturity.clamp(0.0, 1.0), ..Found::new(at, finding) });
    }

    /// The same for a finding that leads, or that is about earlier events as well: see [`Found`].
    pub fn push_with(&mut self, at: u16, finding: Finding, leads: bool, earlier: Vec<(u64, Position)>) {
        self.found.push(Found { order: self.order, leads, earlier, ..Found::new(at, finding) });
    }

    /// The same, where there is one.
    pub fn extend_event(&mut self, at: u16, finding: Option<Finding>) {
        if let Some(finding) = finding {
            self.push(at, finding);
        }
    }

    /// The same of something that others are in the same way: see [`Found::pattern`].
    pub fn push_alike(&mut self, at: u16, finding: Finding, pattern: u64) {
        self.found.push(Found { order: self.order, pattern: Some(pattern), ..Found::new(at, finding) });
    }

    /// About no event: found while time passed.
    pub fn push_at_tick(&mut self, finding: Finding) {
        let (at, now) = self.tick.unwrap_or_default();
        self.found.push(Found { tick: Some(now), order: self.order, ..Found::new(at, finding) });
    }

    /// The same of something that others are in the same way.
    pub fn push_alike_at_tick(&mut self, finding: Finding, pattern: u64) {
        self.push_at_tick(finding);
        if let Some(found) = self.found.last_mut() {
            found.pattern = Some(pattern);
        }
    }

    pub(crate) fn speaks(&mut self, order: u32, tick: Option<(u16, Timestamp)>) {
        self.order = order;
        self.tick = tick;
    }

    /// All findings in the order of the input, however many shards they came from.
    #[must_use]
    pub fn in_order(shards: impl IntoIterator<Item = Findings>) -> Vec<Found> {
        let mut all: Vec<Found> = shards.into_iter().flat_map(|findings| findings.found).collect();
        // At one position what time brought comes before what the event brings. The sort is stable: what one detector says
        // at one place stays in its order.
        all.sort_by_key(|found| (found.at, found.tick.map_or(i64::MAX, Timestamp::nanos), found.order));
        all
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    #[must_use]
    pub fn as_slice(&self) -> &[Found] {
        &self.found
    }
}

impl Found {
    #[must_use]
    pub(crate) fn new(at: u16, finding: Finding) -> Found {
        Found { at, tick: None, order: 0, finding, leads: false, earlier: Vec::new(), maturity: 1.0, pattern: None }
    }

    /// What it tells people: also that its detector is still learning.
    pub(crate) fn into_finding(self) -> Finding {
        let mut finding = self.finding;
        if self.maturity < 1.0 {
            finding.reason += &format!(" (learning {:.0} %)", self.maturity * 100.0);
        }
        finding
    }

    /// The event it is about, or none for what was found at a tick.
    #[must_use]
    pub fn event<'a>(&self, events: &'a [Event]) -> Option<&'a Event> {
        if self.tick.is_some() { None } else { events.get(self.at as usize) }
    }
}
