//! What was never seen before: a template, a value of a watched field, a combination of values.
//!
//! New things are only worth telling where they are rare. So each watch learns how often something new occurs, and says it.

use std::borrow::Cow;

use lapwing_learn::{BloomSettings, NoveltyRate, ScalableBloom};
use lapwing_model::{Event, Field, Finding, Homes, Scope, Score, Severity, Value, hash, printable};
use serde::{Deserialize, Serialize};

use crate::{Detector, Events, Family, Findings, Kind};

pub const KIND: Kind = Kind {
    name: "novelty",
    summary: "templates, values and combinations never seen before, where new ones are rare",
    family: Family::Statistical,
    scopes: &[Scope::All],
    enabled: |settings| settings.novelty.enabled,
    build: |setup, _| Box::new(Novelty::new(&setup.settings.novelty)),
};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    pub enabled: bool,
    /// Watch for new templates of text lines and web paths.
    pub templates: bool,
    /// Fields whose new values are told, by their OpenTelemetry or ECS names.
    pub fields: Vec<String>,
    /// Fields whose new combinations are told.
    pub combinations: Vec<Vec<String>>,
    /// Values to remember before the filter grows.
    pub items: u64,
    /// Share of new values that may be taken for known.
    pub false_positive_rate: f64,
    /// A watch speaks after so many events that have its fields.
    pub warm_up: u64,
}

impl Default for Settings {
    fn default() -> Self {
        let fields = ["user_agent.original", "http.request.method", "log.logger", "source.geo.country_iso_code"];
        Settings {
            enabled: true,
            templates: true,
            fields: fields.map(String::from).to_vec(),
            combinations: vec![vec!["user.name".to_owned(), "client.address".to_owned()]],
            items: 100_000,
            false_positive_rate: 0.01,
            warm_up: 1000,
        }
    }
}

/// Events after which an event counts half in how often something new occurs.
const RATE_HALF_LIFE: f64 = 10_000.0;

#[derive(Debug)]
struct Novelty {
    watches: Vec<Watch>,
    warm_up: u64,
    bloom: BloomSettings,
    memory: Option<Memory>,
}

/// What is watched: one field or several together.
#[derive(Debug)]
struct Watch {
    fields: Vec<Field>,
    salt: u64,
    homes: Homes,
    /// Whether it looks at flows as well.
    flows: bool,
}

/// Made at the first event, since only one partition ever sees one.
#[derive(Debug, Serialize, Deserialize)]
struct Memory {
    seen: ScalableBloom,
    /// For each watch: events seen while it filled, and how often something new came since.
    rates: Vec<(u64, NoveltyRate)>,
}

impl Novelty {
    fn new(settings: &Settings) -> Novelty {
        let templates = settings.templates.then(|| vec![Field::Template]);
        let fields = settings.fields.iter().map(|name| vec![Field::named(name)]);
        let combinations = settings.combinations.iter().map(|names| names.iter().map(|name| Field::named(name)).collect());
        let watches = templates.into_iter().chain(fields).chain(combinations).map(Watch::new).collect();
        let bloom = BloomSettings {
            items: settings.items,
            false_positive_rate: settings.false_positive_rate,
            ..BloomSettings::default()
        };
        Novelty { watches, warm_up: settings.warm_up, bloom, memory: None }
    }
}

impl Watch {
    fn new(fields: Vec<Field>) -> Watch {
        let names: Vec<_> = fields.iter().map(Field::name).collect();
        // Everybody in the world knocks at every address: where a flow comes from is nothing new.
        let flows = !names.iter().any(|name| name.contains(".geo."));
        Watch { salt: hash(names.join("+").as_bytes()), homes: Homes::of(&fields), fields, flows }
    }

    /// The hash of what stands in the watched fields; none where one of them is absent.
    fn item(&self, event: &Event) -> Option<u64> {
        self.fields.iter().try_fold(self.salt, |item, field| {
            let value = match field {
                Field::Template if event.template != 0 => event.template,
                field => match event.get(field) {
                    Value::Text(text) => hash(text),
                    Value::Address(std::net::IpAddr::V4(v4)) => u64::from(v4.to_bits()) | 1 << 40,
                    Value::Address(std::net::IpAddr::V6(v6)) => hash(&v6.octets()),
                    Value::Number(number) => number.to_bits(),
                    Value::Absent => return None,
                },
            };
            Some((item ^ value).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29))
        })
    }

    fn finding(&self, event: &Event, rate: &NoveltyRate) -> Finding {
        let names: Vec<_> = self.fields.iter().map(Field::name).collect();
        let values: Vec<_> = self.fields.iter().map(|field| shown(event, field)).collect();
        let (what, value) = match self.fields.as_slice() {
            [Field::Template] => ("template".to_owned(), values.concat()),
            [_] => (names.concat(), values.concat()),
            _ => (names.join(" with "), values.join(" with ")),
        };
        let one_in = rate.one_in();
        Finding {
            detector: KIND.name,
            rule: Cow::Owned(names.join("+")),
            class: Cow::Borrowed(match self.fields.as_slice() {
                [Field::Template] => "new-template",
                [_] => "new-value",
                _ => "new-combination",
            }),
            entity: event.entity(),
            // Up to 1 in 256 nothing; from there each doubling of rarity adds a seventh.
            score: Score::new(((one_in.log2() - 8.0) / 7.0) as f32),
            severity: Severity::Info,
            count: 1,
            since: None,
            reason: format!("{what} never seen before: {value}; something new here comes once in {one_in:.0} events"),
            expected: format!("a {what} seen before"),
            observed: value,
        }
    }
}

fn shown(event: &Event, field: &Field) -> String {
    match event.get(field) {
        _ if *field == Field::Template => {
            let text = event.entity_of(Scope::Endpoint).filter(|_| event.web().is_some()).map(|endpoint| endpoint.name.to_string());
            text.unwrap_or_else(|| shown(event, &Field::Message))
        }
        Value::Text(text) => printable(text).within(120).to_string(),
        Value::Number(number) => number.to_string(),
        Value::Address(address) => address.to_string(),
        Value::Absent => String::new(),
    }
}

impl Detector for Novelty {
    fn observe(&mut self, events: Events<'_>, findings: &mut Findings) {
        let memory = self.memory.get_or_insert_with(|| Memory {
            seen: ScalableBloom::new(self.bloom),
            rates: vec![(0, NoveltyRate::new(RATE_HALF_LIFE)); self.watches.len()],
        });
        for (at, event) in events.iter() {
            let homes = event.homes();
            for (watch, (filled, rate)) in self.watches.iter().zip(&mut memory.rates) {
                if !homes.meet(watch.homes) || !watch.flows && event.flow().is_some() {
                    continue;
                }
                let Some(item) = watch.item(event) else { continue };
                let new = memory.seen.insert(item);
                if new && rate.seen() >= self.warm_up / 2 {
                    let finding = watch.finding(event, rate);
                    if finding.score > Score::ZERO {
                        findings.push(at, finding);
                    }
                }
                // Everything is new at first: that says nothing of how often something new occurs later.
                if *filled >= self.warm_up / 2 { rate.observe(new) } else { *filled += 1 }
            }
        }
    }

    fn save(&self, out: &mut Vec<u8>) {
        if let Some(memory) = &self.memory {
            // Plain data always has a serial form.
            out.extend(postcard::to_stdvec(memory).unwrap_or_default());
        }
    }

    fn load(&mut self, state: &[u8]) -> Result<(), String> {
        let memory: Memory =
            postcard::from_bytes(state).map_err(|error| format!("the saved novelty filter cannot be read: {error}"))?;
        if memory.rates.len() != self.watches.len() {
            return Err("other fields are watched than when it was saved".to_owned());
        }
        self.memory = Some(memory);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use lapwing_model::{Country, Known};

    use super::*;
    use crate::testing::{Line, detector, flow, observe, tcp};

    fn requests(count: u64, agent: impl Fn(u64) -> String) -> Vec<Event> {
        let line = |n: u64| Line { agent: agent(n), ..Line::new(n as f64, "10.0.0.1", 200) };
        (0..count).map(|n| line(n).web(n)).collect()
    }

    #[test]
    fn a_value_never_seen_before_is_told_where_new_values_are_rare() {
        let mut events = requests(20_000, |n| format!("agent {}", n % 7));
        events.push(Line { agent: "sqlmap/1.8".to_owned(), ..Line::new(20_000.0, "10.0.0.1", 200) }.web(20_000));
        let mut novelty = detector("novelty", Scope::All);
        let findings: Vec<_> = events.chunks(1000).flat_map(|chunk| observe(&mut *novelty, chunk)).collect();
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert_eq!((&*findings[0].class, &*findings[0].observed), ("new-value", "sqlmap/1.8"));
        assert!(findings[0].reason.contains("comes once in "), "{}", findings[0].reason);
    }

    #[test]
    fn where_new_values_are_common_none_is_told() {
        let events = requests(5000, |n| format!("agent {}", n / 10));
        let mut novelty = detector("novelty", Scope::All);
        assert!(events.chunks(1000).flat_map(|chunk| observe(&mut *novelty, chunk)).next().is_none());
    }

    #[test]
    fn a_country_never_seen_before_is_told_of_requests_and_not_of_flows() {
        let known = |mut event: Event, country: &str| {
            event.client_known = Some(std::sync::Arc::new(Known { country: Country::new(country), ..Known::default() }));
            event
        };
        let told = |last: Event| {
            let mut events: Vec<_> = requests(20_000, |_| "x".to_owned()).into_iter().map(|event| known(event, "NL")).collect();
            events.push(known(last, "VA"));
            let mut novelty = detector("novelty", Scope::All);
            events.chunks(1000).flat_map(|chunk| observe(&mut *novelty, chunk)).count()
        };
        assert_eq!(told(Line { agent: "x".to_owned(), ..Line::new(20_000.0, "10.0.0.1", 200) }.web(20_000)), 1);
        assert_eq!(told(flow(20_000, 20_000.0, "203.0.113.9", tcp("10.0.0.1", 50_000, 443, 27))), 0);
    }

    #[test]
    fn a_combination_needs_all_its_fields() {
        let watch = Watch::new(vec![Field::User, Field::ClientAddress]);
        assert_eq!(watch.item(&Line::new(0.0, "10.0.0.1", 200).web(0)), None, "a request without a user");
    }

    #[test]
    fn a_state_of_other_fields_is_refused() {
        let mut events = Vec::new();
        let mut novelty = Novelty::new(&Settings::default());
        novelty.observe(Events::new(&requests(1, |_| String::new()), &[0]), &mut Findings::default());
        novelty.save(&mut events);
        let mut other = Novelty::new(&Settings { fields: Vec::new(), ..Settings::default() });
        assert!(other.load(&events).is_err());
    }
}
