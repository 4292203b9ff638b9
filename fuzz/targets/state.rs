//! Any bytes in place of what detectors, the alert desk and the sequencer saved: refused, or something that goes on working.
#![no_main]

use std::sync::OnceLock;

use lapwing::pipeline::Sequencer;
use lapwing_alert::Desk;
use lapwing_detect::{Batch, Ensemble, Findings, Setup, Shard, State};
use lapwing_parse::Parser;
use libfuzzer_sys::arbitrary::Arbitrary;

#[derive(Debug, Arbitrary)]
struct Input<'a> {
    section: u8,
    raw: Option<&'a [u8]>,
    changes: Vec<(u16, u8)>,
    length: Option<u16>,
}

/// What one partition of every detector, the sequencer and the desk saved after some traffic.
struct Saved {
    setup: Setup,
    detectors: State,
    sequencer: (Vec<u8>, Vec<u8>),
    desk: Vec<u8>,
}

static SAVED: OnceLock<Saved> = OnceLock::new();

libfuzzer_sys::fuzz_target!(|input: Input<'_>| {
    let saved = SAVED.get_or_init(save);
    let harm = |state: &mut Vec<u8>| match input.raw {
        Some(raw) => *state = raw.to_vec(),
        None => lapwing_fuzz::damage(state, &input.changes, input.length),
    };
    let sections = saved.detectors.len();
    let mut state = saved.detectors.clone();
    let (mut miner, mut time) = saved.sequencer.clone();
    let mut desk_state = saved.desk.clone();
    match usize::from(input.section) % (sections + 3) {
        n if n < sections => harm(state.values_mut().nth(n).expect("below their number")),
        n if n == sections => harm(&mut miner),
        n if n == sections + 1 => harm(&mut time),
        _ => harm(&mut desk_state),
    }
    let mut shard = Shard::new(&saved.setup, 0, lapwing_model::PARTITIONS);
    // Detectors whose state is refused start afresh.
    let _ = shard.load(&state);
    let Ok(mut sequencer) = Sequencer::load(Default::default(), &miner, &time) else { return };
    let mut desk = Desk::new(Default::default());
    let _ = desk.load(&desk_state);
    go_on(&mut sequencer, &mut shard, &mut desk, 60);
    shard.save(&mut state);
    desk.save(&mut desk_state);
});

fn save() -> Saved {
    let setup = lapwing_fuzz::setup();
    let mut sequencer = Sequencer::new(Default::default());
    let mut shard = Shard::new(&setup, 0, lapwing_model::PARTITIONS);
    let mut desk = Desk::new(Default::default());
    go_on(&mut sequencer, &mut shard, &mut desk, 0);
    let (mut detectors, mut saved_desk) = (State::new(), Vec::new());
    shard.save(&mut detectors);
    desk.save(&mut saved_desk);
    Saved { setup, detectors, sequencer: sequencer.save(), desk: saved_desk }
}

/// A minute of traffic from this second on, with something to find in it.
fn go_on(sequencer: &mut Sequencer, shard: &mut Shard, desk: &mut Desk, second: u32) {
    let (mut parser, mut events) = (Parser::new(), Vec::new());
    for n in 0..120 {
        let (client, at, status) = (n % 5, second + n / 2, if n % 3 == 0 { 503 } else { 404 });
        let line = format!(
            "10.0.0.{client} - - [17/May/2015:10:{:02}:{:02} +0000] \"GET /wp-login.php?{n} HTTP/1.1\" {status} 7 \"-\" \"a{n}\"",
            at / 60,
            at % 60
        );
        parser.parse(&lapwing_fuzz::record(line.as_bytes(), Default::default(), lapwing_fuzz::RECEIVED), &mut events);
    }
    let batch: Batch = sequencer.sequence(events);
    let mut findings = Findings::default();
    shard.judge(&batch, &mut findings);
    for verdict in Ensemble::new(Default::default()).conclude(&batch, Findings::in_order([findings])) {
        desk.take(&verdict);
    }
    desk.tick(sequencer.watermark());
}
