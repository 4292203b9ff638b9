//! `GET /events`: anomalies as they are found and figures once a second, as server-sent events (WHATWG HTML 9.2).

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use tokio::sync::{OwnedSemaphorePermit, watch};

use super::App;
use super::error::{ApiError, ApiResult, ErrorBody};
use super::feed::{Entry, Rates};
use super::json;
use super::query::Parameters;

/// How long a stream may say nothing.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Listen to anomalies
///
/// Server-sent events: `anomaly` (data is the anomaly, id a running number), `rates` once a second, and `missed` where anomalies
/// were lost to this listener because it was too slow or away for too long: `{"missed": 12}`, or null where the number is not
/// known. With `Last-Event-ID` it goes on after that one, as long as it is among the newest 1,000 of this run.
#[utoipa::path(get, path = "/events", tag = "anomalies",
    params(("Last-Event-ID" = Option<String>, Header, description = "The id of the last event that was seen")),
    responses((status = 200, description = "A stream without end", content_type = "text/event-stream", body = String),
        (status = 503, description = "Too many listeners", body = ErrorBody)))]
pub(super) async fn get_events(State(app): State<App>, uri: Uri, headers: HeaderMap) -> ApiResult<Response> {
    Parameters::read(uri.query(), &[])?;
    let Some(slot) = app.listeners.take() else {
        return Err(ApiError::unavailable(
            "too_many_listeners",
            "there are as many listeners as there may be",
            "close one of them, or read GET /anomalies",
        ));
    };
    let last = headers.get("last-event-id").map(|last| last.to_str().unwrap_or_default());
    let listener = Listener::new(app, slot, last);
    let events = stream::unfold(listener, |mut listener| async {
        let event = listener.next().await?;
        Some((Ok::<_, Infallible>(event), listener))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response())
}

struct Listener {
    app: App,
    latest: watch::Receiver<u64>,
    rates: watch::Receiver<Rates>,
    stop: watch::Receiver<bool>,
    seen: u64,
    /// Told before anything else: it asked to go on from what is not known any more.
    astray: bool,
    /// Found, but what was missed before it had to be told first.
    held: Option<Entry>,
    _slot: OwnedSemaphorePermit,
}

impl Listener {
    fn new(app: App, slot: OwnedSemaphorePermit, last: Option<&str>) -> Listener {
        let mut rates = app.feed.rates();
        // The figures of this second are told at once.
        rates.mark_changed();
        let latest = app.feed.latest();
        let (seen, known) = last.map_or_else(|| (*latest.borrow(), true), |last| app.feed.resume(last));
        let stop = app.stop.clone();
        Listener { latest, rates, stop, seen, astray: !known, held: None, _slot: slot, app }
    }

    /// The next event; none once the server stops.
    async fn next(&mut self) -> Option<Event> {
        if std::mem::take(&mut self.astray) {
            return Some(missed(None));
        }
        loop {
            if *self.stop.borrow() {
                return None;
            }
            if let Some(entry) = self.held.take().or_else(|| self.app.feed.after(self.seen)) {
                return Some(self.tell(entry));
            }
            tokio::select! {
                biased;
                _ = self.stop.wait_for(|stop| *stop) => return None,
                changed = self.latest.changed() => changed.ok()?,
                changed = self.rates.changed() => {
                    changed.ok()?;
                    let rates = *self.rates.borrow_and_update();
                    return Some(Event::default().event("rates").data(json::text(&rates)));
                }
            }
        }
    }

    fn tell(&mut self, entry: Entry) -> Event {
        if entry.missed > 0 {
            let event = missed(Some(entry.missed));
            self.seen = entry.number - 1;
            self.held = Some(Entry { missed: 0, ..entry });
            return event;
        }
        self.seen = entry.number;
        Event::default().event("anomaly").id(entry.number.to_string()).data(&*entry.text)
    }
}

fn missed(count: Option<u64>) -> Event {
    Event::default().event("missed").data(json::text(&serde_json::json!({ "missed": count })))
}
