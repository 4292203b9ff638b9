//! The detections of all behaviours. Which of them hold of an event is asked once, whosever buckets count it.

use lapwing_inspect::Recent;
use lapwing_model::Event;
use lapwing_rules::{Rule, RuleError, RuleSet, Scratch};

use super::scenario::Written;
use super::when::When;
use crate::glance::{Answers, Glance};
use crate::logsource::{self, Asked, Seen};

/// Immutable and shared. A detection is known by its number, over all groups.
#[derive(Debug, Default)]
pub(super) struct Detections {
    groups: Vec<Group>,
    /// Those that hold of every event that is so at a glance.
    certain: Vec<(Glance, u32)>,
    /// What an event must be for any that has to be asked.
    asks: Glance,
}

/// Detections that look at the same events.
#[derive(Debug)]
struct Group {
    glance: Glance,
    /// The number of its first detection.
    first: usize,
    set: RuleSet,
    fields: Vec<Asked>,
    /// All its detections hold of every event that is so at a glance.
    certain: bool,
    /// Which of them hold follows from the address that is asked for.
    by_address: bool,
}

/// What one asker keeps from event to event.
#[derive(Debug, Default)]
pub(super) struct Asker {
    scratch: Scratch,
    /// Which detections hold of addresses that were asked for not long ago; none for one of many askers, whose memories would add up.
    addresses: Option<Recent<Box<[u32]>>>,
}

impl Asker {
    pub(super) fn with_memory() -> Asker {
        Asker { addresses: Some(Recent::new()), ..Asker::default() }
    }
}

/// Fields that follow from the address.
const ADDRESS: [&str; 3] = ["url.original", "url.path", "url.query"];

impl Detections {
    pub(super) fn new(all: &[Written], errors: &mut Vec<RuleError>) -> Detections {
        let mut detections = Detections::default();
        for (_, when) in When::ALL {
            let rules: Vec<Rule> = all.iter().filter(|written| written.when == when).map(|written| written.rule.clone()).collect();
            if !rules.is_empty() {
                detections.add(when, rules, errors);
            }
        }
        detections
    }

    fn add(&mut self, when: When, rules: Vec<Rule>, errors: &mut Vec<RuleError>) {
        let (set, wrong) = RuleSet::compile(rules);
        errors.extend(wrong);
        let (glance, first) = (when.glance(), self.len());
        let certain = set.rules().iter().all(|rule| rule.detection().is_some_and(|detection| when.implies(detection)));
        if certain {
            self.certain.extend((first..).take(set.rules().len()).map(|number| (glance, number as u32)));
        } else {
            self.asks = self.asks.or(glance);
        }
        let by_address = matches!(when, When::Hidden | When::Payload | When::Query)
            && set.fields().iter().all(|field| ADDRESS.contains(&field.as_str()));
        self.groups.push(Group { glance, first, fields: logsource::fields(&set), set, certain, by_address });
    }

    pub(super) fn len(&self) -> usize {
        self.groups.last().map_or(0, |group| group.first + group.set.rules().len())
    }

    /// All of them, in the order of their numbers, each with what an event must be for it.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Glance, &Rule)> {
        self.groups.iter().flat_map(|group| group.set.rules().iter().map(|rule| (group.glance, rule)))
    }

    /// Whether it holds of every event that is so at a glance, so that nobody has to ask.
    pub(super) fn is_certain(&self, number: u32) -> bool {
        self.certain.iter().any(|(_, certain)| *certain == number)
    }

    /// What an event must be for any that has to be asked.
    pub(super) fn asks(&self) -> Glance {
        self.asks
    }

    /// The detections that hold of such an event for certain.
    pub(super) fn certain(&self, glance: Glance) -> impl Iterator<Item = u32> {
        self.certain.iter().filter(move |(needed, _)| needed.meets(glance)).map(|(_, number)| *number)
    }

    /// The others that hold of an event: as `answers` has it, else worked out.
    pub(super) fn asked<'a>(&self, event: &Event, glance: Glance, answers: &'a Answers, asker: &mut Asker) -> &'a [u32] {
        answers.get_or_init(|| {
            let mut numbers = Vec::new();
            self.of_address(event, glance, asker, &mut numbers);
            self.ask(event, glance, false, &mut asker.scratch, &mut numbers);
            numbers.into()
        })
    }

    fn of_address(&self, event: &Event, glance: Glance, asker: &mut Asker, numbers: &mut Vec<u32>) {
        if !glance.meets(Glance::HIDDEN.or(Glance::PAYLOAD).or(Glance::QUERY)) {
            return;
        }
        let address = event.web().map(|web| event.text(web.target)).unwrap_or_default();
        if let Some(known) = asker.addresses.as_ref().and_then(|addresses| addresses.find(0, address)) {
            numbers.extend(known);
            return;
        }
        self.ask(event, glance, true, &mut asker.scratch, numbers);
        if let Some(addresses) = &mut asker.addresses {
            addresses.learn(0, address, numbers.as_slice().into(), size_of_val(numbers.as_slice()));
        }
    }

    fn ask(&self, event: &Event, glance: Glance, by_address: bool, scratch: &mut Scratch, numbers: &mut Vec<u32>) {
        let mut found = Vec::new();
        let asked = |group: &&Group| !group.certain && group.by_address == by_address && group.glance.meets(glance);
        for group in self.groups.iter().filter(asked) {
            group.set.matches(scratch, &Seen { event, fields: &group.fields, kinds: u64::MAX }, &mut found);
            numbers.extend(found.iter().map(|&rule| (group.first + rule) as u32));
        }
    }
}
