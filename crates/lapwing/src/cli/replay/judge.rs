//! Who is asked about each line: a service, or an engine of one's own.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use bytes::Bytes;
use lapwing_parse::SessionKey;
use serde::Serialize;

use super::super::Failed;
use super::super::client::Client;
use super::super::stop::Stop;
use crate::pipeline::{Blueprint, Engine, clock};
use crate::server;

pub enum Judge {
    Service(Client),
    Here(Box<Here>),
}

/// Judges as a service would that has just started.
pub struct Here {
    engine: Engine,
    asked: u64,
}

/// What was answered, as JSON, and how long that took.
pub struct Answer {
    pub body: Vec<u8>,
    pub took: Duration,
}

#[derive(Debug, Serialize)]
struct Question<'a> {
    log_line: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_id: Option<&'a str>,
}

impl Judge {
    /// # Errors
    /// Where what was learned cannot be continued from.
    pub fn here(blueprint: &Blueprint) -> Result<Judge, Failed> {
        Ok(Judge::Here(Box::new(Here { engine: Engine::new(blueprint).map_err(Failed::new)?, asked: 0 })))
    }

    /// Asks about a line; nothing where it was stopped meanwhile.
    ///
    /// # Errors
    /// Where a service cannot be reached or refuses to answer.
    pub fn ask(&mut self, stop: &Stop, line: &Bytes, session_id: Option<&str>) -> Result<Option<Answer>, Failed> {
        match self {
            Judge::Service(client) => {
                let question = Question { log_line: String::from_utf8_lossy(line), session_id };
                let question = serde_json::to_vec(&question).map_err(|error| Failed::new(error.to_string()))?;
                let answer = client.post(stop, "application/json", |_| &question)?;
                Ok(answer.map(|answer| Answer { body: answer.body, took: answer.took }))
            }
            Judge::Here(here) => here.ask(line, session_id).map(Some),
        }
    }

    /// Who answers, for people.
    pub fn name(&self) -> String {
        match self {
            Judge::Service(client) => client.address().url(),
            Judge::Here(_) => "the engine".to_owned(),
        }
    }
}

impl Here {
    fn ask(&mut self, line: &Bytes, session_id: Option<&str>) -> Result<Answer, Failed> {
        let began = Instant::now();
        let session = session_id.map(str::to_owned);
        let body = server::detect(&mut self.engine, self.asked, line.clone(), session, clock());
        self.asked += 1;
        let body = body.map_err(|error| Failed::new(error.to_string()))?;
        Ok(Answer { body, took: began.elapsed() })
    }
}

/// The session of a line: the one that all are said to be of, or what the key finds in it.
pub fn session_of<'a>(line: &'a [u8], all: Option<&'a str>, key: Option<&SessionKey>) -> Option<Cow<'a, str>> {
    let found = || key?.find(line).map(|(from, to)| String::from_utf8_lossy(&line[from..to]));
    all.map(Cow::Borrowed).or_else(found)
}
