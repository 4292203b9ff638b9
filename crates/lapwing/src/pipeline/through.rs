//! Reads everything there is, once: what `scan` does.

use lapwing_detect::Batch;
use lapwing_model::{Event, Reading, Record, Timestamp, Verdict};
use lapwing_parse::Understood;

use super::workers::{self, Work};
use super::{Blueprint, Engine, Judged};

/// What came of one block.
#[derive(Debug)]
pub struct Outcome<'a> {
    pub understood: &'a [Understood],
    pub verdicts: &'a [Verdict],
    /// The earliest and the latest time that its events tell of.
    pub span: Option<(Timestamp, Timestamp)>,
    /// How many of them are flows of captured packets.
    pub captured: usize,
    /// Event time so far.
    pub watermark: Timestamp,
    /// How many events so far told of an absurd time.
    pub clamped: u64,
    /// How many findings so far an allow-list left out.
    pub allowed: u64,
}

/// Judges blocks and gives what came of each, in order. With one worker all of it happens on the caller's thread, so that one
/// worker takes one core; with more, reading, parsing and judging go on side by side, with the same outcome.
///
/// # Errors
/// Where reading fails or a worker panics.
pub fn through<E: Send + 'static>(
    blueprint: &Blueprint,
    workers: usize,
    blocks: impl Iterator<Item = Result<Vec<Record>, E>> + Send + 'static,
    wrong: impl Fn(String) -> E,
    mut each: impl FnMut(Outcome<'_>),
) -> Result<(), E> {
    if workers <= 1 {
        let mut engine = Engine::new(blueprint).map_err(&wrong)?;
        let mut tell = |judged: Judged| {
            let Judged { batch, understood, verdicts, watermark, clamped, allowed, .. } = judged;
            let (span, captured) = (batch.span, captured(&batch));
            each(Outcome { understood: &understood, verdicts: &verdicts, span, captured, watermark, clamped, allowed });
        };
        for records in blocks {
            engine.judge_each(&records?, &mut tell);
        }
        tell(engine.finish());
        return Ok(());
    }
    let (mut feeder, mut joiner) = workers::start::<()>(blueprint, workers, None).map_err(&wrong)?;
    let reader = std::thread::Builder::new().name("reader".into()).spawn(move || -> Result<(), E> {
        for records in blocks {
            if !feeder.feed(Work::of(records?, ())) {
                return Ok(());
            }
        }
        feeder.feed(Work { end: true, ..Work::of(Vec::new(), ()) });
        Ok(())
    });
    let reader = reader.map_err(|error| wrong(format!("cannot start the reader thread: {error}")))?;
    while let Some(joined) = joiner.next() {
        let joined = joined.map_err(|poisoned| wrong(poisoned.to_string()))?;
        let (span, watermark, clamped) = (joined.batch.span, joined.figures.watermark, joined.figures.clamped);
        let (captured, allowed) = (captured(&joined.batch), joiner.allowed());
        each(Outcome { understood: &joined.understood, verdicts: &joined.verdicts, span, captured, watermark, clamped, allowed });
        joiner.recycle(joined.batch);
    }
    reader.join().map_err(|_| wrong("the reader thread panicked".to_owned()))?
}

fn captured(batch: &Batch) -> usize {
    let of_capture = |event: &Event| event.origin.reading.format.as_deref() == Some(Reading::CAPTURE);
    // A batch has one origin.
    if batch.events.first().is_some_and(of_capture) { batch.events.len() } else { 0 }
}
