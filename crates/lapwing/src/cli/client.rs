//! The HTTP client of the commands that talk to a service.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;
use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::Error as NotText;
use serde_json::Value;
use ureq::http::{Response, Uri};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};

use super::Failed;
use super::stop::Stop;
use crate::server::Secret;

const CONNECT: Duration = Duration::from_secs(5);

/// For one request and its answer; the service gives up after as long by default.
const WHOLE: Duration = Duration::from_secs(30);

/// The longest answer, in bytes.
const ANSWER: u64 = 4 << 20;

/// How often one request is tried.
const ATTEMPTS: u32 = 10;

/// The longest pause between two attempts, whatever the service asks for.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// How to be let in.
#[derive(Debug, Default, Args)]
pub struct Access {
    /// Token for a service that asks for one
    #[arg(long, env = "LAPWING_TOKEN", hide_env_values = true, value_name = "TOKEN", value_parser = secret)]
    token: Option<Secret>,
    /// Certificates (PEM) to trust instead of the public ones, for https
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
}

fn secret(text: &str) -> Result<Secret, NotText> {
    Secret::deserialize(text.into_deserializer())
}

/// An address that can be sent to: `http://host:port`, and what follows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    base: String,
    path: String,
}

impl Address {
    /// # Errors
    /// Where it is no http or https URL, or holds a password.
    pub fn parse(text: &str) -> Result<Address, Failed> {
        let wrong = |why| Failed::new(format!("cannot send to '{}': {why}", text.split('@').next_back().unwrap_or_default()));
        let uri: Uri = text.parse().map_err(|_| wrong("it is no URL; use one such as http://127.0.0.1:8080"))?;
        let (Some(scheme @ ("http" | "https")), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(wrong("it is no http or https URL; use one such as http://127.0.0.1:8080"));
        };
        if authority.as_str().contains('@') {
            return Err(wrong("names and passwords in a URL are not sent; give a token with --token or LAPWING_TOKEN"));
        }
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        Ok(Address { base: format!("{scheme}://{authority}"), path: path.to_owned() })
    }

    /// That which is called `leaf` there.
    #[must_use]
    pub fn under(mut self, leaf: &str) -> Address {
        if !self.path.ends_with(leaf) {
            self.path = format!("{}{leaf}", self.path.trim_end_matches('/'));
        }
        self
    }

    /// The same, or that which is called `leaf` where nothing but the host was said.
    #[must_use]
    pub fn or_under(self, leaf: &str) -> Address {
        if self.path == "/" { self.under(leaf) } else { self }
    }

    #[must_use]
    pub fn url(&self) -> String {
        format!("{}{}", self.base, self.path)
    }
}

/// Sends to one address, patiently.
#[derive(Debug)]
pub struct Client {
    agent: ureq::Agent,
    address: Address,
    token: Option<Secret>,
    /// Whether anything ever answered: before that, being refused means that there is no service.
    reached: Cell<bool>,
    repeated: Cell<u64>,
}

/// What came back for a request that was taken.
#[derive(Debug)]
pub struct Answer {
    pub body: Vec<u8>,
    /// From sending to the end of the answer, of the attempt that succeeded.
    pub took: Duration,
}

/// Why an attempt failed.
enum Refused {
    /// Worth another attempt; of the records sent, `accepted` were taken all the same.
    Passing {
        after: Option<Duration>,
        accepted: usize,
        why: Failed,
    },
    Final(Failed),
}

impl Refused {
    fn why(self) -> Failed {
        match self {
            Refused::Passing { why, .. } | Refused::Final(why) => why,
        }
    }
}

impl Client {
    /// # Errors
    /// Where the token or the certificates cannot be used.
    pub fn new(access: &Access, address: Address) -> Result<Client, Failed> {
        let token = access.token.clone().filter(|token| !token.reveal().is_empty());
        if token.as_ref().is_some_and(|token| !token.reveal().bytes().all(|byte| byte.is_ascii_graphic())) {
            return Err(Failed::new("cannot use the token: it has characters that a header cannot carry"));
        }
        let roots = access.ca.as_deref().map(certificates).transpose()?.unwrap_or(RootCerts::WebPki);
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            // A token is for the service it was given for, and for no proxy or other host on the way.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None)
            .timeout_connect(Some(CONNECT))
            .timeout_global(Some(WHOLE))
            .user_agent(concat!("lapwing/", env!("CARGO_PKG_VERSION")))
            .tls_config(TlsConfig::builder().root_certs(roots).build())
            .build();
        Ok(Client { agent: config.new_agent(), address, token, reached: Cell::new(false), repeated: Cell::new(0) })
    }

    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// How many attempts were repeated.
    #[must_use]
    pub fn repeated(&self) -> u64 {
        self.repeated.get()
    }

    /// Sends a body until it is taken, at most ten times, with pauses as the service asks for. `body` gives it without the
    /// first so many records, as they may have been taken by an attempt that failed later. Nothing if told to stop meanwhile.
    ///
    /// # Errors
    /// Where the service cannot be reached or refuses it, and where attempts run out.
    pub fn post<'a>(&self, stop: &Stop, kind: &str, body: impl Fn(usize) -> &'a [u8]) -> Result<Option<Answer>, Failed> {
        let mut taken = 0;
        for attempt in 1.. {
            match self.attempt(kind, body(taken)) {
                Ok(answer) => return Ok(Some(answer)),
                Err(Refused::Final(why)) => return Err(why),
                Err(Refused::Passing { why, .. }) if attempt >= ATTEMPTS => {
                    return Err(Failed::new(format!("gave up after {ATTEMPTS} attempts: {why}")));
                }
                Err(Refused::Passing { after, accepted, .. }) => {
                    taken += accepted;
                    let pause = after.unwrap_or(Duration::from_millis(100 << attempt));
                    if stop.wait(pause.min(LONGEST_PAUSE)) {
                        break;
                    }
                    self.repeated.set(self.repeated.get() + 1);
                }
            }
        }
        Ok(None)
    }

    /// Asks for what is at the address, once.
    ///
    /// # Errors
    /// Where the service cannot be reached or does not have it.
    pub fn get(&self) -> Result<Answer, Failed> {
        let asked = self.authorised(self.agent.get(self.address.url())).call();
        self.answered(Instant::now(), asked).map_err(Refused::why)
    }

    /// Changes what is at the address, once.
    ///
    /// # Errors
    /// Where the service cannot be reached or refuses.
    pub fn patch(&self, body: &[u8]) -> Result<Answer, Failed> {
        let request = self.agent.patch(self.address.url()).content_type("application/json");
        let asked = self.authorised(request).send(body);
        self.answered(Instant::now(), asked).map_err(Refused::why)
    }

    fn attempt(&self, kind: &str, body: &[u8]) -> Result<Answer, Refused> {
        let began = Instant::now();
        let request = self.agent.post(self.address.url()).content_type(kind);
        self.answered(began, self.authorised(request).send(body))
    }

    fn authorised<B>(&self, request: ureq::RequestBuilder<B>) -> ureq::RequestBuilder<B> {
        match &self.token {
            Some(token) => request.header("authorization", format!("Bearer {}", token.reveal())),
            None => request,
        }
    }

    fn answered(&self, began: Instant, asked: Result<Response<ureq::Body>, ureq::Error>) -> Result<Answer, Refused> {
        let mut response = asked.map_err(|error| self.unreachable(&error))?;
        self.reached.set(true);
        let after = response.headers().get("retry-after").and_then(|after| after.to_str().ok()?.trim().parse().ok());
        let status = response.status().as_u16();
        let body = response.body_mut().with_config().limit(ANSWER).read_to_vec().map_err(|error| self.unreachable(&error))?;
        match status {
            200..=299 => Ok(Answer { body, took: began.elapsed() }),
            _ => Err(self.refused(status, after.map(Duration::from_secs), &body)),
        }
    }

    fn refused(&self, status: u16, after: Option<Duration>, body: &[u8]) -> Refused {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let said = |key: &str| body["error"][key].as_str().map(|text| format!("; {text}")).unwrap_or_default();
        let hint = match status {
            401 | 403 => "; give a token with --token or LAPWING_TOKEN".to_owned(),
            300..=399 => "; use the address that it points to".to_owned(),
            404 if body["error"].is_object() => said("help"),
            404 | 405 => "; is this the address of a lapwing service?".to_owned(),
            _ => said("help"),
        };
        let why = Failed::new(format!("{} answered {status}{}{hint}", self.address.url(), said("message")));
        match status {
            429 | 502..=504 => {
                let accepted = body["accepted"].as_u64().and_then(|accepted| usize::try_from(accepted).ok()).unwrap_or(0);
                Refused::Passing { after, accepted, why }
            }
            _ => Refused::Final(why),
        }
    }

    fn unreachable(&self, error: &ureq::Error) -> Refused {
        let why = Failed::new(format!("cannot reach {}: {}", self.address.base, cause(error)));
        let passing = matches!(error, ureq::Error::Io(_) | ureq::Error::Timeout(_) | ureq::Error::ConnectionFailed);
        if passing && self.reached.get() { Refused::Passing { after: None, accepted: 0, why } } else { Refused::Final(why) }
    }
}

/// Why, and what to do.
fn cause(error: &ureq::Error) -> String {
    match error {
        ureq::Error::Io(error) => match error.kind() {
            std::io::ErrorKind::ConnectionRefused => "connection refused; start the service with lapwing run".to_owned(),
            std::io::ErrorKind::InvalidData => format!("{error}; a certificate of your own is trusted with --ca"),
            _ => format!("{}; is the service well?", plain(error)),
        },
        ureq::Error::HostNotFound => "there is no such host; check the address".to_owned(),
        ureq::Error::Timeout(ureq::Timeout::Connect) => {
            format!("no connection within {} s; check the address", CONNECT.as_secs())
        }
        ureq::Error::Timeout(_) => format!("no answer within {} s; is the service well?", WHOLE.as_secs()),
        ureq::Error::Rustls(error) => format!("{error}; a certificate of your own is trusted with --ca"),
        other => other.to_string(),
    }
}

/// What happened, in words without a number of the system.
pub fn plain(error: &std::io::Error) -> String {
    if error.raw_os_error().is_some() { error.kind().to_string() } else { error.to_string().to_lowercase() }
}

fn certificates(path: &Path) -> Result<RootCerts, Failed> {
    let wrong = |why: String| Failed::new(format!("cannot use the certificates of {}: {why}", path.display()));
    let pem = std::fs::read(path).map_err(|error| wrong(plain(&error)))?;
    let mut found: Vec<Certificate<'static>> = Vec::new();
    for item in parse_pem(&pem) {
        if let PemItem::Certificate(certificate) = item.map_err(|error| wrong(error.to_string()))? {
            found.push(certificate);
        }
    }
    if found.is_empty() {
        Err(wrong("there is none in it; it must be a PEM file".to_owned()))
    } else {
        Ok(RootCerts::new_with_certs(&found))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Address {
        Address::parse(text).expect("a URL")
    }

    #[test]
    fn what_is_missing_of_an_address_is_added() {
        assert_eq!(address("http://[::1]:8080").under("/detect").url(), "http://[::1]:8080/detect");
        assert_eq!(address("https://host/lapwing/").under("/detect").url(), "https://host/lapwing/detect");
        assert_eq!(address("http://host/detect").under("/detect").url(), "http://host/detect");
        assert_eq!(address("http://host/").or_under("/logs").url(), "http://host/logs");
        assert_eq!(address("http://host/logs?source=shop").or_under("/logs").url(), "http://host/logs?source=shop");
    }

    #[test]
    fn an_address_that_cannot_be_sent_to_is_refused_without_its_password() {
        for wrong in ["127.0.0.1:8080", "ftp://host", "host", "", "http://", "http://me:hunter2@host"] {
            let error = Address::parse(wrong).expect_err(wrong).to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn where_nobody_listens_it_says_what_to_do() {
        let free = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
        let client = Client::new(&Access::default(), address(&format!("http://{free}"))).expect("a client");
        let (_sender, stop) = Stop::when_dropped();
        let error = client.post(&stop, "text/plain", |_| b"x").expect_err("nobody listens").to_string();
        assert_eq!(error, format!("cannot reach http://{free}: connection refused; start the service with lapwing run"));
    }

    #[test]
    fn a_token_is_never_shown() {
        let access = Access { token: Some(secret("hunter2-and-more").expect("text")), ca: None };
        let client = Client::new(&access, address("http://host")).expect("a client");
        assert!(!format!("{access:?}{client:?}").contains("hunter2"));
        let unusable = Access { token: Some(secret("hunter2\nmore").expect("text")), ca: None };
        assert!(!Client::new(&unusable, address("http://host")).expect_err("a newline").to_string().contains("hunter2"));
    }
}
