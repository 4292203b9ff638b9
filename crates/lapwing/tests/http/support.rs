//! A running service, and requests to it.

use std::net::SocketAddr;
use std::time::Duration;

use lapwing::cli::config::Config;
use lapwing::pipeline::{self, Keeping, Live, Plan, Service};
use lapwing::server::{self, Settings};
use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A service with its server, in a directory of its own.
pub struct Running {
    pub address: SocketAddr,
    pub live: Live,
    pub stop: watch::Sender<bool>,
    pub served: JoinHandle<Result<(), String>>,
    client: Client,
    service: Option<Service>,
    _directory: TempDir,
}

/// Settings for a test: a free port on loopback, and what `json` says besides.
pub fn settings(json: &str) -> Settings {
    let mut settings: Settings = serde_json::from_str(json).expect("valid settings");
    if settings.listen == Settings::default().listen {
        settings.listen = "127.0.0.1:0".to_owned();
    }
    settings
}

pub async fn start() -> Running {
    start_with("{}", |_| {}).await
}

/// Starts a service with settings of its server; `change` may replace parts of what the server sees of the pipeline.
pub async fn start_with(json: &str, change: impl FnOnce(&mut Live)) -> Running {
    let directory = tempfile::tempdir().expect("a directory");
    let plan = Plan {
        blueprint: Config::default().blueprint().expect("built-in rules"),
        workers: 2,
        grouping: lapwing_alert::Settings::default(),
        tell_at: lapwing_model::Severity::Low,
        incidents: lapwing_alert::IncidentSettings::default(),
        budget: None,
        reverse_dns: lapwing_enrich::ReverseDns::default(),
        sinks: Vec::new(),
        keeping: Keeping { directory: directory.path().join("data"), ..Keeping::default() },
        clock: pipeline::clock,
    };
    let server = server::bind(&settings(json)).await.expect("a free port");
    let (service, mut live, _) = pipeline::start_live(plan).expect("a service");
    change(&mut live);
    let (stop, stopping) = watch::channel(false);
    let address = server.address();
    let served = tokio::spawn(server.serve(live.clone(), stopping));
    let client = Client::builder().no_proxy().build().expect("a client");
    let running = Running { address, live, stop, served, client, service: Some(service), _directory: directory };
    running.until("/ready", |answer| answer.status == 200).await;
    running
}

/// What was answered.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().expect("text")).unwrap_or_default()
    }

    /// The code of an error, which must have the one form that errors have.
    pub fn code(&self) -> String {
        let json = self.json();
        for part in ["code", "message", "help"] {
            assert!(json["error"][part].as_str().is_some_and(|text| !text.is_empty()), "no {part}: {json}");
        }
        json["error"]["code"].as_str().expect("text").to_owned()
    }

    pub fn message(&self) -> String {
        self.json()["error"]["message"].as_str().expect("text").to_owned()
    }
}

impl Running {
    pub fn request(&self, method: &str, path: &str) -> RequestBuilder {
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        self.client.request(method, format!("http://{}{path}", self.address))
    }

    pub async fn get(&self, path: &str) -> Answer {
        answer(self.request("GET", path)).await
    }

    pub async fn post(&self, path: &str, body: impl Into<reqwest::Body>) -> Answer {
        answer(self.request("POST", path).body(body)).await
    }

    pub async fn send(&self, method: &str, path: &str, body: Value) -> Answer {
        answer(self.request(method, path).header("content-type", "application/json").body(body.to_string())).await
    }

    /// Asks until it is as wanted, for ten seconds.
    pub async fn until(&self, path: &str, wanted: impl Fn(&Answer) -> bool) -> Answer {
        let mut last = self.get(path).await;
        for _ in 0..200 {
            if wanted(&last) {
                return last;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
            last = self.get(path).await;
        }
        panic!("{path} never became as wanted: {last:?}");
    }

    /// Stops the server, then the service, each of which must end well.
    pub async fn finish(mut self) {
        self.stop.send_replace(true);
        (&mut self.served).await.expect("no panic").expect("served well");
        let service = self.service.take().expect("finished once");
        tokio::task::spawn_blocking(|| service.finish()).await.expect("no panic").expect("finished well");
    }
}

pub async fn answer(request: RequestBuilder) -> Answer {
    read(request.send().await.expect("an answer")).await
}

pub async fn read(response: Response) -> Answer {
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Answer { status, headers, text: response.text().await.expect("text") }
}

/// A line that the built-in rules find anomalous.
pub const CRITICAL: &str = "2015-05-17 10:05:03 CRITICAL payment service unreachable";
