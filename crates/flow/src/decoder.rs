//! Datagrams of any version in, rows out.

use crate::fixed;
use crate::flow::Flow;
use crate::held::Held;
use crate::outcome::{Counters, Malformed, Outcome};
use crate::plan::Plausible;
use crate::recent::{Recent, Worth};
use crate::rows::{Out, Record, Run};
use crate::saved::{BadState, Saved, SavedSession};
use crate::session::{Header, Key, Place, Session};
use crate::sets::{self, Datagram};
use crate::settings::Settings;
use crate::sflow;
use crate::template::Template;
use std::net::{IpAddr, SocketAddr};

/// Decodes what exporters of NetFlow v5, v7 and v9, IPFIX and sFlow v5 send, and remembers what it needs for what comes next.
///
/// Bounded in all it keeps; work and memory of one datagram grow with its length and with nothing that it claims. The same datagrams
/// in the same order make the same rows, also with [`Decoder::save`] and [`Decoder::load`] between any two.
#[derive(Debug)]
pub struct Decoder {
    settings: Settings,
    sessions: Recent<Key, Session>,
    /// The ports from which templates of an address, version and domain came.
    ports: Recent<Place, Ports>,
    held: Held,
    exporters: Recent<IpAddr, Counters>,
    forgotten: Counters,
    /// Octets of all sessions' template definitions.
    octets: usize,
    clock: u64,
    v5: Option<Template>,
    v7: Option<Template>,
}

/// The last few ports that told templates, the latest first.
#[derive(Debug, Default)]
struct Ports([Option<u16>; 8]);

impl Worth for Ports {
    fn proven(&self) -> bool {
        false
    }
}

impl Ports {
    fn note(&mut self, port: u16) {
        let place = self.0.iter().position(|known| *known == Some(port)).unwrap_or(self.0.len() - 1);
        self.0[..=place].rotate_right(1);
        self.0[0] = Some(port);
    }
}

impl Default for Decoder {
    fn default() -> Self {
        Decoder::new(Settings::default())
    }
}

impl Decoder {
    /// A decoder that has heard of nobody yet.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Decoder {
            sessions: Recent::new(settings.sessions),
            ports: Recent::new(settings.sessions),
            held: Held::new(settings.held_sets, settings.held_octets),
            exporters: Recent::new(settings.exporters),
            forgotten: Counters::default(),
            octets: 0,
            clock: 0,
            v5: fixed::template(5),
            v7: fixed::template(7),
            settings,
        }
    }

    /// Decodes one datagram that `exporter` sent and that was received at `received_ns` (nanoseconds since 1970), and appends its
    /// rows to `out`.
    pub fn decode(&mut self, exporter: SocketAddr, received_ns: i64, datagram: &[u8], out: &mut Vec<Flow>) -> Outcome {
        self.read(exporter, received_ns, datagram, Out::Flows(out))
    }

    /// As [`Decoder::decode`], but with every field of every record, also of options data; much slower. sFlow has no such records.
    pub fn decode_records(&mut self, exporter: SocketAddr, received_ns: i64, datagram: &[u8], out: &mut Vec<Record>) -> Outcome {
        self.read(exporter, received_ns, datagram, Out::Records(out))
    }

    /// What came of each exporter's datagrams, the one that was silent for longest first. At most [`Settings::exporters`].
    #[must_use]
    pub fn counters(&self) -> Vec<(IpAddr, Counters)> {
        self.exporters.in_order().into_iter().map(|(exporter, counters)| (exporter, *counters)).collect()
    }

    /// What came of the datagrams of exporters that are no longer counted one by one.
    #[must_use]
    pub fn forgotten(&self) -> Counters {
        self.forgotten
    }

    /// Exporters' domains that are known, and sets of data that wait for their template.
    #[must_use]
    pub fn sizes(&self) -> (usize, usize) {
        (self.sessions.len(), self.held.len())
    }

    /// Templates, options, numbers and data that wait. Counters are not part of it.
    #[must_use]
    pub fn save(&self) -> Vec<u8> {
        let sessions = self.sessions.in_order().into_iter().map(|(key, session)| SavedSession::of(key, session));
        let ports = self.ports.in_order().into_iter().map(|(place, ports)| (place, ports.0.into_iter().flatten().collect()));
        Saved::new(sessions.collect(), ports.collect(), self.held.iter().cloned().collect()).to_bytes()
    }

    /// Goes on where [`Decoder::save`] left off.
    ///
    /// # Errors
    /// Where the state is damaged, or of another version.
    pub fn load(settings: Settings, state: &[u8]) -> Result<Self, BadState> {
        let saved = Saved::from_bytes(state)?;
        let mut decoder = Decoder::new(settings);
        for saved in saved.sessions {
            let key = saved.key;
            let session = saved.restore()?;
            decoder.octets += session.octets;
            decoder.clock = decoder.clock.max(session.templates.len() as u64);
            let octets = &mut decoder.octets;
            decoder.sessions.use_or_insert(key, || session, |_, forgotten| *octets -= forgotten.octets);
        }
        for ((exporter, version, domain), ports) in saved.ports {
            for port in ports.into_iter().rev() {
                decoder.note_port(Key { exporter, port, version, domain });
            }
        }
        for set in saved.held {
            decoder.held.hold(set);
        }
        Ok(decoder)
    }

    fn read(&mut self, exporter: SocketAddr, received: i64, datagram: &[u8], out: Out) -> Outcome {
        self.clock += 1;
        let address = exporter.ip().to_canonical();
        let mut run = Run {
            out,
            outcome: Outcome::default(),
            limits: Plausible { received, oldest: self.settings.oldest, ahead: self.settings.ahead },
            base: Flow { exporter: address, ..Flow::EMPTY },
            forced: self.settings.sampling.get(&address).copied(),
            clock: self.clock,
        };
        let from = SocketAddr::new(address, exporter.port());
        if let Err(malformed) = self.dispatch(from, datagram, &mut run) {
            run.outcome.malformed = Some(malformed);
        }
        let outcome = run.outcome;
        let forgotten = &mut self.forgotten;
        self.exporters.use_or_insert(address, Counters::default, |_, counters| *forgotten += counters).count(&outcome);
        outcome
    }

    fn dispatch(&mut self, exporter: SocketAddr, datagram: &[u8], run: &mut Run) -> Result<(), Malformed> {
        match *datagram {
            [0, version @ (5 | 7), ..] => self.fixed(exporter, u16::from(version), datagram, run),
            [0, version @ (9 | 10), ..] => self.sets(exporter, u16::from(version), datagram, run),
            [0, 0, 0, 5, ..] => self.sflow(exporter, datagram, run),
            [] | [_] => Err(Malformed::Header),
            _ => Err(Malformed::Version),
        }
    }

    /// The session of a datagram, which was made where it is new.
    fn session(&mut self, key: Key, received: i64) -> &mut Session {
        let octets = &mut self.octets;
        let session =
            self.sessions.use_or_insert(key, || Session::new(key.version, received), |_, forgotten| *octets -= forgotten.octets);
        session.datagrams += 1;
        session.last = received;
        session
    }

    fn fixed(&mut self, exporter: SocketAddr, version: u16, datagram: &[u8], run: &mut Run) -> Result<(), Malformed> {
        let template = if version == 5 { self.v5.take() } else { self.v7.take() };
        let Some(template) = template else { return Err(Malformed::Version) };
        let read = fixed::read(version, template.length, datagram);
        if let Ok(read) = &read {
            let session = self.session(key(exporter, &read.header), run.limits.received);
            let mut context = session.context(&read.header, run.base, run.forced);
            if run.forced.is_none() {
                context.base.sampling = read.sampling.max(1);
            }
            run.data(0, &template, read.data, &read.header, &context);
            session.with_flows += u64::from(run.outcome.flows > 0);
            run.outcome.lost = session.sequence.observe(read.header.sequence, Some(read.count), 0);
        }
        *(if version == 5 { &mut self.v5 } else { &mut self.v7 }) = Some(template);
        read.map(|_| ())
    }

    fn sets(&mut self, exporter: SocketAddr, version: u16, datagram: &[u8], run: &mut Run) -> Result<(), Malformed> {
        let datagram = sets::read(version, datagram)?;
        let key = key(exporter, &datagram.header);
        if !self.session(key, run.limits.received).told {
            self.adopt(key, &datagram);
        }
        let Decoder { sessions, held, octets, .. } = self;
        let session = sessions.use_or_insert(key, || Session::new(version, run.limits.received), |_, _| {});
        let before = session.octets;
        let seen = sets::decode(&datagram, key, session, held, run);
        session.with_flows += u64::from(run.outcome.flows > 0);
        run.outcome.lost = session.sequence.observe(datagram.header.sequence, seen.records, run.outcome.templates);
        if seen.learned {
            replay(key, session, held, run, self.settings.held_for);
        }
        *octets = (*octets + session.octets).saturating_sub(before);
        if run.outcome.templates > 0 {
            self.note_port(key);
        }
        self.bound_templates();
        Ok(())
    }

    /// Forgets sessions until all templates together are within their bound.
    fn bound_templates(&mut self) {
        while self.octets > self.settings.template_octets && self.sessions.len() > 1 {
            let octets = &mut self.octets;
            self.sessions.forget(|_, forgotten| *octets -= forgotten.octets);
        }
    }

    fn note_port(&mut self, key: Key) {
        self.ports.use_or_insert((key.exporter, key.version, key.domain), Ports::default, |_, _| {}).note(key.port);
    }

    /// Takes the templates that are missing here from another port of the same address and domain: some send templates and data from
    /// different ports, or every datagram from a new one. Not from a port that sends flows of its own, since behind that is another
    /// exporter, whose templates would read this one's data as nonsense.
    fn adopt(&mut self, key: Key, datagram: &Datagram) {
        let Some(Ports(ports)) = self.ports.get(&(key.exporter, key.version, key.domain)) else { return };
        let Some(session) = self.sessions.get(&key) else { return };
        let mut found = Vec::new();
        let missing = sets::sets(datagram.sets).flatten().filter(|(id, _)| *id >= 256 && !session.templates.contains_key(id));
        // Few datagrams need more than a few templates; those that do come from nobody who means well.
        for (id, content) in missing.take(16) {
            let siblings = ports.iter().flatten().filter_map(|&port| self.sessions.get(&Key { port, ..key }));
            let lent = siblings.filter(|sibling| sibling.datagrams <= 1 || sibling.with_flows == 0).find_map(|sibling| {
                Some((sibling.templates.get(&id).filter(|template| template.fits(content))?, &sibling.options))
            });
            if let Some((template, options)) = lent {
                found.push((id, template.kind, template.definition.clone(), options.clone()));
            }
        }
        for (id, kind, definition, options) in found {
            let clock = self.clock;
            let session = self.session_again(key);
            let before = session.octets;
            // It was a template before, and so it is again.
            let _ = session.learn(id, kind, &definition, clock);
            session.options = options;
            let after = session.octets;
            self.octets = (self.octets + after).saturating_sub(before);
        }
    }

    fn session_again(&mut self, key: Key) -> &mut Session {
        self.sessions.use_or_insert(key, || Session::new(key.version, 0), |_, _| {})
    }

    fn sflow(&mut self, exporter: SocketAddr, datagram: &[u8], run: &mut Run) -> Result<(), Malformed> {
        let header = sflow::header(datagram)?;
        let told = Header {
            version: 0,
            exported: run.limits.received,
            uptime: header.uptime,
            sequence: header.sequence,
            domain: header.sub_agent,
        };
        let session = self.session(key(exporter, &told), run.limits.received);
        run.outcome.lost = session.sequence.observe(header.sequence, None, 0);
        let result = sflow::samples(&header, run);
        session.with_flows += u64::from(run.outcome.flows > 0);
        result
    }
}

fn key(exporter: SocketAddr, header: &Header) -> Key {
    Key { exporter: exporter.ip(), port: exporter.port(), version: header.version, domain: header.domain }
}

/// Decodes what waited for the templates that came.
fn replay(key: Key, session: &mut Session, held: &mut Held, run: &mut Run, held_for: i64) {
    let now = run.limits.received;
    for set in held.release(&key, |id| session.templates.contains_key(&id)) {
        if now.saturating_sub(set.received) > held_for {
            run.outcome.dropped += 1;
            continue;
        }
        run.limits.received = set.received;
        sets::data(set.id, &set.data, &set.header, session, run);
        run.outcome.replayed += 1;
    }
    run.limits.received = now;
}
